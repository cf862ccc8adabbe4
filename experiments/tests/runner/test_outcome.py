"""Outcomes: tables that fit their columns, key figures, numbers as texts."""

import math

from edgewise_experiments.runner.outcome import (
    ResultTable,
    count_range,
    median,
    scientific,
    times,
    worst,
)


def test_numbers_as_texts():
    assert [scientific(value) for value in (3.14e-8, 1.0, None, math.inf)] == ["3.1e-08", "1.0e+00", "-", "-"]
    assert [times(value) for value in (0.0264, 9.94, 31.4, 12345.0, None)] == ["0.026", "9.9", "31", "12,000", "-"]
    assert [count_range(counts) for counts in ([1, 1], [3, 3], [1, 3, 2])] == ["1", "3", "1 to 3"]


def test_columns_of_numbers():
    rows = (("1", "3.1e-08", "tanh", "-", "< 1e-300"), ("2", "-", "5, tanh", "any", "+0.3 (max 4)"))
    assert ResultTable(tuple("abcde"), rows).number_columns() == [False, True, False, True, True]


def test_a_failure_is_the_worst():
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, None, 2.0]) == 2.0
    assert median([1.0, None, None]) is None
    assert (worst([1.0, 3.0]), worst([1.0, None]), worst([]), median([])) == (3.0, None, None, None)

"""What an experiment shows: tables that fit their heads, numbers as texts."""

import math

import pytest

from edgewise_experiments.runner.outcome import ResultTable, median, scientific, seeds_said, times, worst


def test_rows_fit_the_columns():
    with pytest.raises(AssertionError):
        ResultTable(("a", "b"), (("1",),))


def test_numbers_as_texts():
    assert [scientific(value) for value in (3.14e-8, 1.0, None, math.inf)] == ["3.1e-08", "1.0e+00", "-", "-"]
    assert [times(value) for value in (0.0264, 9.94, 31.4, 12345.0, None)] == ["0.026", "9.9", "31", "12,000", "-"]
    said = [seeds_said(counts) for counts in ([1, 1], [3, 3], [1, 3, 2])]
    assert said == ["one seed", "median and worst of 3 seeds", "median and worst of 1 to 3 seeds"]


def test_a_failure_is_the_worst():
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, None, 2.0]) == 2.0
    assert median([1.0, None, None]) is None
    assert (worst([1.0, 3.0]), worst([1.0, None]), worst([]), median([])) == (3.0, None, None, None)

"""The experiment on toy functions: quick run, slopes, how much sooner than pykan."""

import pytest
from experiments.tests.made_rows import accuracy_row, halvings_row, phase, pykan_row

from edgewise_experiments.accuracy import toy_functions
from edgewise_experiments.accuracy.toy_functions import slope, summary


def falling(power, sizes=(5, 10, 20, 40, 80, 160), floor=0.0):
    return [phase(size, max((5 / size) ** power, floor), 1.0) for size in sizes]


def test_the_slope_is_that_between_grid_10_and_100_above_rounding():
    assert slope(accuracy_row("toy 2", phases=falling(4))) == pytest.approx(-4)
    outliers = [phase(5, 1e3, 0.0), *falling(4, (10, 20, 40, 80)), phase(160, 1e3, 2.0)]
    assert slope(accuracy_row("toy 2", phases=outliers)) == pytest.approx(-4)
    assert slope(accuracy_row("toy 2", phases=falling(12, floor=1e-12))) == pytest.approx(-12)
    assert slope(accuracy_row("toy 2", phases=falling(4, (5, 10, 160)))) is None


def test_summary():
    rows = [accuracy_row("toy 2", seed, shape=[2, 1, 1]) for seed in range(3)]
    rows += [accuracy_row("toy 2", degree=degree, phases=falling(degree + 1)) for degree in (3, 5)]
    runs = [
        pykan_row("toy 2", [2, 1, 1], 2e-5, 100.0),
        pykan_row("toy 2", [2, 1, 1], 3e-5, 10.0),
        pykan_row("toy 2", [2, 5, 1], 1e-9, 1.0),
        pykan_row("kv", [2, 2, 1], 1e-3, 50.0),
    ]
    rows += [halvings_row("toy 2", seed, [(1e-2, 0.05), (1e-5, 0.2 + 0.1 * seed), (1e-6, 0.6)]) for seed in range(3)]
    outcome = summary([*rows, *runs])
    first, second, _ = outcome.tables
    assert first.rows == (
        ("exp(sin(pi*x) + y**2)", "[2,1,1]", "100", "1.0e-06", "1.0e-06", "11.0", "2.0e-05", "100", "330"),
    )
    assert [row[1:] for row in second.rows] == [
        ("cubic", "5-160", "9.5e-07", "-4.00", "-4"),
        ("quintic", "5-160", "9.3e-10", "-6.00", "-6"),
    ]
    figures = outcome.key_figures
    assert figures["median of times faster there"] == figures["smallest of times faster there"] == "330"
    assert figures["slopes of cubic splines in the grid size"] == "-4.0"
    (axes,) = outcome.figures["slopes"]().axes
    assert {line.get_label() for line in axes.lines} == {"cubic", "quintic", "slope −4", "slope −6", "pykan, cubic"}


def test_where_pykan_is_not_reached_there_is_no_ratio():
    rows = [accuracy_row("toy 2"), halvings_row("toy 2", 0, [(1e-8, 0.1)])]
    outcome = summary([*rows, pykan_row("toy 2", [2, 1, 1], 1e-9, 100.0)])
    assert outcome.tables[0].rows[0][-3:] == ("1.0e-09", "100", "-")
    assert outcome.key_figures["median of times faster there"] == "-" and not outcome.figures


def test_without_rows_there_is_nothing_to_show():
    assert toy_functions.summary([]).tables == ()

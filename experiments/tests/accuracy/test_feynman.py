"""The Feynman experiment: quick run, resuming, which figure is to be beaten."""

from experiments.tests.made_rows import accuracy_row

from edgewise_experiments.accuracy import feynman
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS


def test_the_best_of_four_columns_is_to_be_beaten():
    rows = [accuracy_row(name, rmse=0.5 * target.paper_best()) for name, target in FEYNMAN_EQUATIONS.items()]
    outcome = feynman.summary([accuracy_row("I.6.2", rmse=1.0), *rows])
    figures = outcome.key_figures
    assert figures["functions whose median is below the best of the paper's four columns"] == "27 of 27"
    assert figures["median of times lower"] == figures["smallest of times lower"] == "2"
    assert len(outcome.tables[0].rows) == 27


def test_without_rows_there_is_nothing_to_show():
    assert feynman.summary([]).tables == ()

"""Logistic regression and boosting on the packaged knots."""

import pytest

from edgewise.datasets.knots import load_knots
from edgewise_experiments.knots.baselines import baseline
from edgewise_experiments.knots.networks import QUICK
from edgewise_experiments.knots.table import KnotSplit

SPLIT = KnotSplit.of(load_knots())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["logistic", "boosting", "boosting, rounded"])
def test_each_learns_from_the_training_rows(name):
    row = baseline(name, "3", SPLIT, 0, QUICK, lambda *_: None)
    most_frequent = max((SPLIT.knots.y[SPLIT.test] == value).mean() for value in range(-12, 12, 2))
    assert row["accuracy"] > most_frequent + 0.1
    assert 0 < row["error"] < 0.05
    classes = len(set(SPLIT.knots.y[SPLIT.train[: QUICK.rows]]))
    assert row["parameters"] == 4 * classes if name == "logistic" else row["parameters"] > 20

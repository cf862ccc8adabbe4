"""The sentences of a search and the report of its final fit do not contradict each other."""

from dataclasses import replace

import numpy as np

from edgewise import KANRegressor
from edgewise.outcomes import StopReason
from edgewise.search.records import SearchReport, Trial

ROWS = np.random.default_rng(0).normal(size=(80, 2))


def test_only_squared_errors_of_scaled_targets_are_a_share_of_variance():
    y = np.exp(ROWS[:, 0] + 0.1 * np.random.default_rng(1).normal(size=80))
    sentences = {
        loss: KANRegressor(effort="low", loss=loss).fit(ROWS, y).search_.sentences for loss in ("squared", "log")
    }
    assert "R²" in sentences["squared"][0]
    assert "R²" not in " ".join(sentences["log"]) and "loss 0." in " ".join(sentences["log"])


def test_the_score_is_that_of_the_chosen_model_and_not_of_the_row_taken_last():
    trials = [Trial(name, loss, 0.1, 1, 5, taken=True) for name, loss in (("linear", 0.5), ("additive, 4 times", 0.6))]
    report = SearchReport("linear", tuple(trials), (), 5, 1.0, StopReason.CONVERGED)
    assert report.chosen_trial is trials[0]
    assert replace(report, chosen="additive, mean of 3 models").chosen_trial is trials[1]
    assert replace(report, chosen="constant", trials=()).chosen_trial is None

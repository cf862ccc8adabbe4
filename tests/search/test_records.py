"""The sentences of a search and the report of its final fit do not contradict each other."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise import KANRegressor
from edgewise.gam.families.categorical import Multinomial
from edgewise.gam.families.cox import Cox
from edgewise.gam.families.exponential import Exposed, Gaussian, NegativeBinomial, Poisson
from edgewise.gam.families.robust import Huber, Quantile
from edgewise.outcomes import StopReason
from edgewise.search.comparisons import loss_text
from edgewise.search.records import SearchReport, Trial

ROWS = np.random.default_rng(0).normal(size=(80, 2))


def test_only_squared_errors_of_scaled_targets_are_a_share_of_variance():
    y = np.exp(ROWS[:, 0] + 0.1 * np.random.default_rng(1).normal(size=80))
    sentences = {
        loss: KANRegressor(effort="low", loss=loss).fit(ROWS, y).search_.sentences for loss in ("squared", "log")
    }
    assert "R²" in sentences["squared"][0]
    assert "R²" not in " ".join(sentences["log"]) and "mean squared error (scaled) 0." in sentences["log"][0]


@pytest.mark.parametrize(
    ("family", "text"),
    [
        (Gaussian(), "R² 0.500"),
        (Poisson(), "half Poisson deviance 0.5"),
        (Exposed(NegativeBinomial()), "half deviance from a saturated Poisson model 0.5"),
        (Huber(), "Huber loss (scaled) 0.5"),
        (Quantile(0.9), "pinball loss (scaled) 0.5"),
        (Cox(), "half partial deviance 0.5"),
        (Multinomial(3), "log loss 0.5"),
    ],
)
def test_a_loss_has_the_name_of_its_family(family, text):
    assert loss_text(0.5, family) == text


def test_the_score_is_that_of_the_chosen_model_and_not_of_the_row_taken_last():
    trials = [Trial(name, loss, 0.1, 1, 5, taken=True) for name, loss in (("linear", 0.5), ("additive, 4 times", 0.6))]
    report = SearchReport("linear", tuple(trials), (), 5, 1.0, StopReason.CONVERGED)
    assert report.chosen_trial is trials[0]
    assert replace(report, chosen="additive, mean of 3 models").chosen_trial is trials[1]
    assert replace(report, chosen="constant", trials=()).chosen_trial is None

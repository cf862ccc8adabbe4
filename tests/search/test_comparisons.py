"""The table of a search compares candidates by their held-out losses."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise.gam.families.exponential import Gaussian
from edgewise.outcomes import Budget
from edgewise.search.candidates import Candidate
from edgewise.search.comparisons import Comparisons
from edgewise.search.validation import Evidence


@pytest.mark.parametrize("models", [2, 8, 50])
def test_two_predictions_of_each_row_tell_the_loss_of_a_mean_of_many(models):
    """Squared errors of a mean of k independent models are those of their bias and a k-th of their variance."""
    rows = 40_000
    bias, deviation = 0.5, 0.8
    single = Candidate(Gaussian())
    # The errors of two models that did not see a row.
    errors = bias + deviation * np.random.default_rng(0).normal(size=(rows, 2))
    table = Comparisons(Gaussian(), np.ones(rows), Budget())
    losses = (errors.mean(axis=1) ** 2, (errors**2).mean(axis=1))
    table.by_folds[single] = Evidence(losses[0], np.zeros((rows, 1)), losses[1], fits=2)
    table.record(single, losses[1], coefficients=1, fits=2, seconds=0.0)

    mean_losses, loss, gain, _ = table.record_mean(replace(single, models=models), single)

    assert loss == pytest.approx(bias**2 + deviation**2 / models, abs=0.02)
    assert mean_losses.mean() == pytest.approx(loss)
    assert gain == pytest.approx(losses[1].mean() - loss)
    assert table.trials[-1].loss == loss

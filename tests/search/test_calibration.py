"""What held-out rows say of the noise: where it follows the rows, and where it has one size."""

import numpy as np
import pytest

from edgewise.search.calibration import HeldOutRows, normal_losses
from edgewise.search.candidates import Samples


def held_out(rows, slope, seed):
    """Rows whose noise has the standard deviation 1 + slope * input."""
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 2))
    residuals = (1 + slope * x[:, :1]) * rng.standard_normal((rows, 1))
    return HeldOutRows(Samples(x, residuals, np.ones(rows)), np.zeros((rows, 1)), residuals, True)


def test_noise_of_one_size_is_said_to_have_one_size():
    assert [held_out(150, 0.0, seed).curves for seed in range(6)] == [None] * 6


@pytest.mark.parametrize("rows", [400, 2500])
def test_noise_that_follows_an_input_is_found(rows):
    held = held_out(rows, 3.0, 0)
    assert held.curves is not None
    assert (held.cross_fitted_deviation is not None) == (rows == 400)


def test_losses_are_those_of_a_normal_distribution():
    from scipy.stats import norm

    residuals = np.array([[0.3, -2.0], [1.0, 0.0]])
    deviation = np.array([0.5, 2.0])
    expected = -norm.logpdf(residuals, scale=deviation).sum(axis=1) - np.log(2 * np.pi)
    np.testing.assert_allclose(normal_losses(residuals, deviation), expected)

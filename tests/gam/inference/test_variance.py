"""The noise of each row: recovered where it varies, constant where it does not, intervals right in every quarter."""

import numpy as np
import pytest
import torch

from edgewise.gam import fit_additive
from edgewise.gam.inference.variance import cross_fitted_noise, fit_noise_curves
from edgewise.search.validation import random_parts


def std(curves, x, prediction):
    return curves.std(torch.from_numpy(x), torch.from_numpy(prediction)).numpy()


def test_units_of_the_residuals_carry_over():
    rng = np.random.default_rng(1)
    x, prediction = rng.random((300, 2)), rng.random((300, 1))
    residuals = (0.1 + x[:, :1]) * rng.standard_normal((300, 1))
    one, other = (fit_noise_curves(x, prediction, unit * residuals, np.ones(300)) for unit in (1.0, 1e-6))
    np.testing.assert_allclose(1e-6 * std(one, x, prediction), std(other, x, prediction), rtol=1e-6)


def test_nothing_is_learned_from_few_rows_no_residuals_or_even_noise():
    rng = np.random.default_rng(2)
    x, zeros = rng.random((400, 3)), np.zeros((400, 1))
    assert fit_noise_curves(x[:20], zeros[:20], rng.standard_normal((20, 1)), np.ones(20)) is None
    assert fit_noise_curves(x, zeros, zeros, np.ones(400)) is None
    curves = fit_noise_curves(x, zeros, rng.standard_normal((400, 1)), np.ones(400))
    assert curves is None or 0.6 < std(curves, x, zeros).min() < std(curves, x, zeros).max() < 1.6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["even", "with an input", "with the prediction"])
def test_conformal_intervals_hold_their_share_in_every_quarter(kind):
    """The 90 % quantile of standardised held-out residuals holds 88 to 92 % in each quarter of the prediction."""
    shares = []
    for seed in range(12):
        rng = np.random.default_rng(seed)

        def sampled(rows, rng=rng):
            x = rng.random((rows, 4))
            f = 10 * np.sin(np.pi * x[:, 0]) + 10 * x[:, 1]
            noise = {"even": 1 + 0 * f, "with an input": 0.3 + 3 * x[:, 2] ** 2, "with the prediction": 0.3 + 0.2 * f}
            return x, f + noise[kind] * rng.standard_normal(rows)

        (x, y), (new, outcome) = sampled(500), sampled(3000)
        fold, held = rng.permutation(500) % 5, np.empty((500, 1))
        for k in range(5):
            held[fold == k] = fit_additive(x[fold != k], y[fold != k], pairs=()).predict_link(x[fold == k])
        residuals, prediction = y[:, None] - held, fit_additive(x, y, pairs=()).predict_link(new)
        curves = fit_noise_curves(x, held, residuals, np.ones(500))
        before, after = (1.0, 1.0) if curves is None else (std(curves, x, held), std(curves, new, prediction))
        score = np.sort(np.abs(residuals / before).ravel())[int(np.ceil(0.9 * 501)) - 1]
        hit = (np.abs(outcome[:, None] - prediction) <= score * after).ravel()
        quarter = np.digitize(prediction.ravel(), np.quantile(prediction, [0.25, 0.5, 0.75]))
        shares.append([hit[quarter == k].mean() for k in range(4)])
    shares = np.mean(shares, axis=0)
    assert (shares > 0.88).all()
    assert (shares < 0.92).all()


def test_cross_fitted_noise_does_not_follow_its_own_residual():
    """Moving one residual far out moves the deviations of the other rows, and not its own."""
    rng = np.random.default_rng(0)
    x = rng.random((120, 2))
    residuals = np.exp(x[:, :1]) * rng.standard_normal((120, 1))
    rest = np.zeros((120, 1)), np.ones(120)
    part = random_parts(120, 5, 0)
    assert np.bincount(part).tolist() == [24] * 5
    before = cross_fitted_noise(x, rest[0], residuals, rest[1], part)
    residuals[7] = 30.0
    after = cross_fitted_noise(x, rest[0], residuals, rest[1], part)
    assert after[7] == before[7] and (after != before).mean() > 0.7

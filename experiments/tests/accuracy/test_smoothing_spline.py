"""The smoothing spline: exact without noise, near the truth under noise, frugal where the truth is a plane."""

import numpy as np
from scipy.interpolate import make_smoothing_spline

from edgewise_experiments.accuracy import smoothing_spline
from edgewise_experiments.accuracy.smoothing_spline import SmoothingSpline


def test_a_plane_in_noise_costs_its_own_coefficients():
    generator = np.random.default_rng(0)
    X = generator.uniform(0, 1, (400, 2))
    y = 1 + 2 * X[:, 0] - 3 * X[:, 1] + 0.3 * generator.normal(size=400)
    spline = SmoothingSpline.fit(X, y)
    assert spline.parameters < 12  # 4: products of two lines; more as far as chance makes curvature pay
    assert np.sqrt(np.mean((spline.predict(X) - (1 + 2 * X[:, 0] - 3 * X[:, 1])) ** 2)) < 0.06


def test_one_input_beside_scipy():
    """It is as good as scipy's spline with the strength that the truth itself would choose."""
    generator = np.random.default_rng(3)
    x = np.sort(generator.uniform(0, 1, 200))
    truth = np.sin(6 * x)
    y = truth + 0.1 * generator.normal(size=200)
    errors = [np.mean((make_smoothing_spline(x, y, lam=10.0**s)(x) - truth) ** 2) for s in range(-9, 1)]
    ours = np.mean((SmoothingSpline.fit(x[:, None], y).predict(x[:, None]) - truth) ** 2)
    assert np.sqrt(ours) < 1.2 * np.sqrt(min(errors))


def test_three_inputs(monkeypatch):
    monkeypatch.setattr(smoothing_spline, "INTERVALS", {3: (3,)})
    generator = np.random.default_rng(0)
    X = generator.uniform(-1, 1, (500, 3))
    truth = np.exp(X[:, 0]) * np.cos(X[:, 1]) + X[:, 2]
    spline = SmoothingSpline.fit(X, truth + 0.05 * generator.normal(size=500))
    assert np.sqrt(np.mean((spline.predict(X) - truth) ** 2)) < 0.03

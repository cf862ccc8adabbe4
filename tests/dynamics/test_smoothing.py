"""Penalised splines of trajectories."""

import numpy as np
from scipy.integrate import solve_ivp

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.smoothing import _Reml, smooth


def test_strengths_that_differ_by_more_digits_than_numbers_have_a_factor():
    t = np.linspace(0, 10, 150)
    spline = _Reml(t, np.sin(t), np.ones(150), DynamicsSettings())
    places = np.linspace(0, 1, len(spline.roughness))
    hats = np.column_stack([np.interp(places, np.linspace(0, 1, 6), row) for row in np.eye(6)])
    for strong in (20.0, 30.0, 45.0):
        factor, _ = spline._factor(np.array([-20.0, strong] * 3), hats)
        assert np.isfinite(factor).all()


def test_a_motion_under_noise_in_proportion_is_not_taken_for_noise():
    """Of Chen and Lee's attractor, whose second coordinate turns often and fast for the samples."""

    def rates(t, x):
        return [5 * x[0] - x[1] * x[2], x[0] * x[2] - 10 * x[1], x[0] * x[1] / 3 - 3.8 * x[2]]

    t = np.linspace(0, 10, 150)
    path = solve_ivp(rates, (0, 10), [15, -15, -15], "LSODA", t_eval=t, rtol=1e-9, atol=1e-11).y.T
    noisy = path * (1 + 0.05 * np.random.default_rng(610).standard_normal(path.shape))
    for k in range(3):
        curve = smooth(t, noisy[:, k], DynamicsSettings()).spline(t)
        assert np.std(curve - path[:, k]) < 0.4 * np.std(path[:, k]), k

"""Penalised splines of trajectories."""

import numpy as np

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.smoothing import _Reml


def test_strengths_that_differ_by_more_digits_than_numbers_have_a_factor():
    t = np.linspace(0, 10, 150)
    spline = _Reml(t, np.sin(t), np.ones(150), DynamicsSettings())
    places = np.linspace(0, 1, len(spline.roughness))
    hats = np.column_stack([np.interp(places, np.linspace(0, 1, 6), row) for row in np.eye(6)])
    for strong in (20.0, 30.0, 45.0):
        factor, _ = spline._factor(np.array([-20.0, strong] * 3), hats)
        assert np.isfinite(factor).all()

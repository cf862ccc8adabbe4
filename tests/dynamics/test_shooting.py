"""Fits of a law to whole trajectories."""

import numpy as np

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.shooting import fit_law
from edgewise.dynamics.terms import Law, Term
from edgewise.dynamics.trajectories import Kind, Observations, Trajectory, no_known
from edgewise.formulas import parse_expression

T = np.linspace(0, 4, 40)


def decay():
    """Samples of x' = -x, with noise of 1 %."""
    y = np.exp(-T)[:, None]
    error = np.full_like(y, 0.01)
    run = Trajectory(T, y, np.ones_like(y, dtype=bool), error, y, y, error, no_known)
    return Observations([run], Kind(1), np.array([1e-6]), 0)


def test_a_law_with_a_constant_that_no_sample_depends_on_is_no_fit():
    """A step far from all samples is 1 at each: neither its place nor its width has an error."""
    step = Term(parse_expression("1 / (1 + exp(-2.5e299 * (x + 8.2e299)))", ["x"]))
    x = Term(parse_expression("x", ["x"]))
    settings = DynamicsSettings()
    assert fit_law(Law((((x, -0.9),),)), decay(), settings).is_continuous
    assert not fit_law(Law((((x, -0.9), (step, 1e-3)),)), decay(), settings).is_continuous

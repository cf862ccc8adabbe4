"""Fits of a law to whole trajectories."""

import numpy as np

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.shooting import Course, Propagation, fit_law
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


def test_delayed_coordinates_change_with_the_trajectory():
    """The derivatives of a whole trajectory are those of trajectories from another start and with another constant."""
    t = np.linspace(0, 3, 31)
    kind = Kind(1, delays=(0.55,))
    history = np.cos(t - 0.5)[:, None]
    error = np.ones_like(history)
    run = Trajectory(t, history, error > 0, error, history, history, error, lambda times: np.cos(times - 1.05)[None])
    law = Law((((Term(parse_expression("y", ["x", "y"])), -1.2),),))
    course = Course.of(run, kind, 4)

    def solved(start, rate):
        states = np.full((31, 1), start)
        for _ in range(80):  # Picard's iteration, of which each step takes the law one interval further
            ends = course.along(states).ends(law, states[:-1].T[:, None], np.array([[[rate]]]))
            states = np.concatenate([[[start]], ends[:, 0].T])
        return states[:, 0]

    linearised = course.linearised(law, solved(0.9, -1.2)[:, None], np.array([-1.2]))
    plan = Propagation.of(linearised, linearised.by_constant).plan[:, 0]
    by_start = (solved(0.901, -1.2) - solved(0.899, -1.2)) / 0.002
    by_rate = (solved(0.9, -1.201) - solved(0.9, -1.199)) / -0.002
    np.testing.assert_allclose(plan, np.column_stack([by_start, by_rate]), atol=6e-3)

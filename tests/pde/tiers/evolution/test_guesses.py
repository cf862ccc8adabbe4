"""First guesses of time elements for Newton's method."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION, each_prolonged
from edgewise.pde.tiers.evolution.guesses import first_guess


@pytest.mark.parametrize("length", [0.05, 0.1, 0.3])
def test_a_solution_of_low_degree_in_time_is_continued_exactly(length):
    """u = t^2 x (1 - x): the guess of the next time element is its solution, however long it is."""

    def equation(u, x, t):
        return u.t - u.xx - 2 * t * x * (1 - x) - 2 * t**2

    problem = PDE(equation, Interval(0, 1) * Time(0, 1), [Dirichlet(0.0), Initial(0.0)])
    integration = COLLOCATION.stepper(recognised(problem.form), 1.0, lambda *_: True)
    state = integration.solver.initial()
    before = integration.solver.solve(state, 0.0, 0.1, None, None)
    state = replace(state, values=before.coef[None, :, -1])
    after = integration.solver.solve(state, 0.1, 0.1 + length, before, None)
    guess = first_guess(integration.evolution, each_prolonged, after.axes, state, length, before, None)
    np.testing.assert_allclose(guess, after.coef, atol=1e-9)
    again = first_guess(integration.evolution, each_prolonged, after.axes, state, length, before, after)
    np.testing.assert_allclose(again, after.coef, atol=1e-9)

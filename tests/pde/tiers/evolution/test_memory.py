"""Equations with delays: the method of steps against exact solutions and against scipy's, step by step."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.errors import InputError
from edgewise.pde import PDE, Initial, Time, integral, solve
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.problem.strong_form import Feature
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION


def test_time_elements_end_where_derivatives_jump():
    problem = PDE(lambda u, t: u.t + u(t - 1), Time(0, 2.5), [Initial(1.0)])
    assert problem.form.features == {Feature.DELAYS}
    integration = COLLOCATION.stepper(recognised(problem.form), 1e-10, lambda *_: True)
    result = integration.run()
    assert result.is_complete and all(float((result.network.ends - end).abs().min()) < 1e-14 for end in (1.0, 2.0))
    t = torch.linspace(0, 2.5, 101, dtype=torch.float64)
    exact = 1 - t + (t > 1) * (t - 1) ** 2 / 2 - (t > 2) * (t - 2) ** 3 / 6
    assert float((result.network(t[:, None])[:, 0] - exact).detach().abs().max()) < 1e-14


def steps(rate, history, delay, count):
    """Solution of u' = rate(t, u, u(t - delay)) at the end of so many delays, by scipy, one delay after the other."""
    past, value = history, history(0.0)
    for number in range(count):
        begin, end = number * delay, (number + 1) * delay
        piece = solve_ivp(
            lambda t, u, past=past: rate(t, u, past(t - delay)),
            (begin, end),
            np.atleast_1d(value),
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
            dense_output=True,
        )
        past, value = (lambda t, sol=piece.sol: sol(t)), piece.y[:, -1]
    return value


@pytest.mark.slow
def test_the_delayed_logistic_equation_is_that_of_scipy():
    problem = PDE(
        lambda u, t: u.t - 1.5 * u * (1 - u(t - 1)), Time(0, 8), [Initial(lambda t: 0.5 + 0.2 * torch.cos(t))]
    )
    solution = solve(problem)
    expected = steps(lambda t, u, v: 1.5 * u * (1 - v), lambda t: 0.5 + 0.2 * np.cos(t), 1.0, 8)
    assert solution([[8.0]])[0, 0] == pytest.approx(expected[0], rel=1e-10)
    assert solution.error_estimate < 1e-10


def test_a_derivative_with_a_delay_is_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"^the equation may call fields only, as u\(t - 1\): derivatives such as u.t"):
        PDE(lambda u, t: u.t(t - 1) + u, Time(0, 3), [Initial(1.0)])


def test_slopes_of_integrals_up_to_now_are_differences_of_residuals():
    problem = PDE(
        lambda u, t: u.t + u * integral(u, 0.0, t, lambda u, s: torch.exp(s - t[:, None]) * u**2),
        Time(0, 1),
        [Initial(1.0)],
    )
    integration = COLLOCATION.stepper(recognised(problem.form), 1e-9, lambda share, *_: share < 0.2)
    integration.run()
    begin = integration.ends[len(integration.elements)]
    integration.bounded(begin, 0.1)
    axes = integration.evolution.with_time([], begin, begin + 0.1)
    block = integration.evolution.grid_problem.equation_blocks(axes)[0]
    coef = np.random.default_rng(0).standard_normal((axes[0].count, 1))
    _, slopes = block.evaluate(coef)
    matrix = LinearSystem([block], [slopes], coef.shape).matrix().toarray()
    step = 1e-6
    for k in range(len(coef)):
        moved = [coef.copy() for _ in range(2)]
        moved[0][k] += step
        moved[1][k] -= step
        difference = (block.residuals(moved[0]) - block.residuals(moved[1])).ravel() / (2 * step)
        assert np.abs(matrix[:, k] - difference).max() < 1e-6 * np.abs(matrix).max()

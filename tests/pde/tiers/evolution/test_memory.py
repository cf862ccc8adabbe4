"""Equations with delays: the method of steps against an exact solution, and slopes against differences."""

import numpy as np
import torch

from edgewise.pde import PDE, Initial, Time, integral
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

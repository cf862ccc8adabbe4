"""Reactions in the plane that are strong: few products of the system, and no fields that only Newton's method has."""

import math

import numpy as np
import pytest
import torch

from edgewise.pde import PDE, Box, Dirichlet, Initial, Time, laplacian
from edgewise.pde.algebra.diagonal import FastDiagonalisation
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION

RATE, SPREAD = 15.0, 0.01


def fronts(end):
    """Fields that run to plus and minus sqrt(pi), where the slope of the reaction is -53."""

    def equation(u, x, y):
        shape = torch.sin(2 * math.pi * x) * torch.sin(2 * math.pi * y)
        return u.t - SPREAD * laplacian(u) - RATE * torch.sin(u**2) * shape

    start = Initial(lambda x, y: torch.sin(2 * math.pi * x) * torch.sin(math.pi * y))
    return PDE(equation, Box(x=(0, 1), y=(0, 1)) * Time(0, end), [Dirichlet(0.0), start])


def test_a_long_time_element_has_no_false_solution():
    """The linearised reaction grows by exp(5), beyond which the sine of a square has zeros everywhere."""
    integration = COLLOCATION.stepper(recognised(fronts(60.0).form), 1.0, lambda *_: True)
    state = integration.solver.initial()
    for length in (0.05, 0.1, 0.2):
        element = integration.solver.solve(state, 0.0, length, None, None)
        assert element is None or np.abs(element.coef).max() < 3
    assert integration.solver.solve(state, 0.0, 0.02, None, None) is not None


@pytest.mark.parametrize("time_first", [False, True])
def test_the_factor_of_reactions_is_exact_without_other_derivatives(time_first):
    """One application of the preconditioner solves u_t = r(x, y, t) u with a diffusion next to nothing."""
    space, time = Box(x=(0, 1), y=(0, 1)), Time(0, 1)
    domain = Box(t=(0, 1), x=(0, 1), y=(0, 1)) if time_first else space * time
    problem = PDE(
        lambda u, x, y, t: u.t - 1e-9 * laplacian(u) - 8 * torch.sin(5 * x) * torch.cos(3 * y + t) * u,
        domain,
        [Dirichlet(0.0, on=["x=0", "x=1", "y=0", "y=1"]), Initial(lambda x, y: x * y)],
    )
    integration = COLLOCATION.stepper(recognised(problem.form), 1.0, lambda *_: True)
    evolution = integration.evolution
    axes = evolution.with_time(integration.solver.initial().space, 0.0, 0.5)
    blocks = evolution.grid_problem.blocks(axes)
    coef = np.zeros((*(axis.count for axis in axes), 1))
    system = LinearSystem(blocks, [block.evaluate(coef)[1] for block in blocks], coef.shape)
    inside = np.concatenate([np.full(block.rows, 0.0 if number else 1.0) for number, block in enumerate(blocks)])
    solver = FastDiagonalisation.for_system(evolution.grid_problem, system)
    assert solver.reactions is not None
    left = inside - system.product(solver(inside))
    assert np.abs(left).max() < 1e-3  # of 1

"""Nonlinear equations of first order without time beside exact solutions: distances, Hamilton-Jacobi, Burgers."""

import numpy as np
import pytest
import torch

from edgewise.pde import PDE, Box, Dirichlet, Disk, Interval, solve
from edgewise.pde.algebra.newton import defined_start, smooth_start, solved_on_grid
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.spaces.networks import TensorNetwork
from edgewise.pde.tiers.collocation.stationary import first_axes, network_of

SQUARE, UNIT, DISK = Box(x=(1, 2), y=(1, 2)), Box(x=(0, 1), y=(0, 1)), Disk(0.8, (2.0, 0.0))
INFLOW = ["x=0", "y=0"]


def distance(x, y):
    return torch.sqrt(x**2 + y**2)


def squared(u):
    return u.x**2 + u.y**2 - 1


def rooted(u):
    return torch.sqrt(u.x**2 + u.y**2) - 1


def parabola(x, y):
    return (x + 2) ** 2 / (4 * (y + 2))


def fan(x, y):
    return (x + 1) / (y + 1)


PROBLEMS = [
    (squared, SQUARE, ["x=1", "y=1"], distance),
    (squared, SQUARE, None, distance),
    (rooted, SQUARE, None, distance),
    (squared, DISK, None, distance),
    (rooted, DISK, None, distance),
    (lambda u: u.x**2 + u.y, UNIT, INFLOW, parabola),
    (lambda u: u.x**2 + u.y, UNIT, None, parabola),
    (lambda u: u * u.x + u.y, UNIT, INFLOW, fan),
]


@pytest.mark.slow
@pytest.mark.parametrize(("equation", "domain", "sides", "exact"), PROBLEMS)
def test_equations_of_first_order_are_solved_by_splines(equation, domain, sides, exact):
    data = Dirichlet(exact) if sides is None else Dirichlet(exact, on=sides)
    solution = solve(PDE(equation, domain, [data], solution=exact))
    error = solution.errors().relative_l2
    assert solution.stopped == "converged"
    assert isinstance(solution.model, TensorNetwork) and solution.model.tensor_layer.degrees[0] == 11
    assert error < 1e-10
    assert solution.error_estimate > error / 3


def test_a_smooth_start_on_a_line_is_straight_and_solves_what_a_constant_does_not():
    problem = PDE(lambda u, x: u.xx * u - 1 - u.x**2, Interval(0, 1), [Dirichlet(lambda x: 2 + x)])
    grid_problem = recognised(problem.form)
    axes = first_axes(grid_problem)
    start = smooth_start(grid_problem, axes, defined_start(grid_problem, axes))
    x = torch.linspace(0, 1, 21, dtype=torch.float64)[:, None]
    np.testing.assert_allclose(network_of(axes, start)(x).detach().numpy(), 2 + x.numpy(), atol=1e-7)
    assert solved_on_grid(grid_problem, axes, start) is not None

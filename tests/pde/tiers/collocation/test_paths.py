"""Paths of falling residuals: the least share at a fold beside that of a quadrature, and folds of plates and gases."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from tests.night import at_night

from edgewise.pde import PDE, Box, Dirichlet, Interval, laplacian, solve
from edgewise.pde.algebra.newton import shape_of, solved_on_grid
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.collocation.paths import ResidualPath, sought_along_path
from edgewise.pde.tiers.collocation.stationary import first_axes, refined

LINE, SQUARE = Interval(0, 1), Box(x=(0, 1), y=(0, 1))


def gas(rate, domain=LINE):
    return PDE(lambda u: laplacian(u) + rate * torch.exp(u), domain, [Dirichlet(0.0)])


def plate(force):
    return PDE(lambda u: u.xx + force / (1 - u) ** 2, LINE, [Dirichlet(0.0)])


def grids(problem):
    grid_problem = recognised(problem.form)
    axes = first_axes(grid_problem)
    finer = grid_problem.axes([refined(axis.breakpoints, 1.5) for axis in axes], [axis.degree for axis in axes])
    return grid_problem, axes, finer


def half_length(top, share, rate):
    """Distance from the boundary to the place of the largest value, for u'' + rate (exp(u) - share) = 0: energy."""

    def integrand(t):
        u = top * (1 - t * t)
        return 2 * top * t / math.sqrt(2 * rate * (math.exp(top) - math.exp(u) - share * (top - u)))

    return quad(integrand, 0, 1)[0]


@pytest.mark.slow
def test_the_least_share_of_the_residual_is_that_of_a_quadrature():
    rate = 4.0

    def longest(share):
        return -minimize_scalar(lambda top: -half_length(top, share, rate), bounds=(0.3, 4), method="bounded").fun

    least = brentq(lambda share: longest(share) - 0.5, 0.01, 0.6, xtol=1e-12)
    grid_problem, axes, _ = grids(gas(rate))
    zero = np.zeros(shape_of(grid_problem, axes))
    end = ResidualPath(grid_problem, axes, zero).follow(zero)
    assert end.solved is None
    assert end.share == pytest.approx(least, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "rate"), [(gas, 3.513831), *at_night((plate, 1.40005))])
def test_just_beyond_a_fold_no_solution_is_claimed(problem, rate):
    """Folds are at 3.513830719 and, of the plate, at 1.4000164."""
    solution = solve(problem(rate))
    assert solution.message.startswith("No solution was found: two grids leave the same residual")
    assert solution.error_estimate >= 1
    assert solution.stopped == "no_progress"


def test_a_path_leads_to_the_solution_that_newtons_method_finds():
    grid_problem, axes, finer = grids(gas(3.5))
    zero = [np.zeros(shape_of(grid_problem, each)) for each in (axes, finer)]
    found, solved = sought_along_path(grid_problem, axes, finer, zero[0]), solved_on_grid(grid_problem, finer, zero[1])
    assert found is not None and found.solved is not None and solved is not None
    np.testing.assert_allclose(found.coef, solved[0], atol=1e-10)


@pytest.mark.nightly
def test_just_before_a_fold_on_a_square_the_solution_is_found():
    """The fold is at 6.8081."""
    solution = solve(gas(6.808, SQUARE))
    assert solution.stopped == "converged" and solution.error_estimate < 1e-9

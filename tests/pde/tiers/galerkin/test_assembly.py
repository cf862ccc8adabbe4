"""Galerkin's method on cut cells: polynomials that the splines have are exact, and self-adjoint forms symmetric."""

import numpy as np
import pytest
import torch

from edgewise.pde import PDE, Condition, Dirichlet, Disk, Robin, laplacian
from edgewise.pde.algebra.factors import cell_factors
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.tiers.galerkin.assembly import nitsche_penalty, stationary
from edgewise.pde.tiers.galerkin.cut_grid import CutGrid


def exact(x, y):
    return x**2 - 3 * y**2 + x * y


def grid_of(problem, degree=4):
    lines = [np.linspace(low, high, 7) for low, high in problem.domain.bounds.tolist()]
    axes = [SplineAxis(line, degree) for line in lines]
    return CutGrid(problem.form, problem.domain, axes, points_of_interval=degree + 1)


def flux(u, x, y):  # across the unit circle, whose normal is the place
    return u.x * x + u.y * y + u.value - (2 * x + y) * x - (x - 6 * y) * y - exact(x, y)


CONDITIONS = [Dirichlet(exact), Condition(lambda u, x, y: 3 * (u.value - exact(x, y))), Condition(flux)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("condition", CONDITIONS, ids=["values", "scaled values", "flux"])
def test_quadratic_solutions_are_exact(condition, sign):
    problem = PDE(lambda u: sign * (2 * laplacian(u) + 8), Disk(), [condition])
    grid = grid_of(problem)
    assembly, load = stationary(problem.form, grid)
    (matrix,) = assembly.matrices
    assert abs(matrix - matrix.T).max() < 1e-5 * abs(matrix).max()  # up to quadrature in cut cells
    coef = cell_factors(matrix, np.sqrt(np.abs(matrix.diagonal())))(load)
    values = grid.values(0, (0, 0), coef[:, None])[:, 0]
    np.testing.assert_allclose(values, exact(*grid.parts[0].x.T).numpy(), atol=1e-9)


def test_the_penalty_is_that_of_its_formula():
    """4 (p + 1) (p + d) / (d h) times n A n, and for transport the speed across, without a length."""
    problem = PDE(lambda u: laplacian(u) + 1, Disk(), [Robin(1.0, 1.0, 0.0)])
    grid = grid_of(problem)
    x, normal = torch.zeros(1, 2, dtype=torch.float64), np.array([[0.6, 0.8]])
    factor = 4 * 5 * 6 / 2
    diffusion = {(2, 0): np.array([2.0]), (1, 1): np.array([1.0]), (0, 2): np.array([3.0])}
    across = 2 * 0.36 + 0.48 + 3 * 0.64
    np.testing.assert_allclose(nitsche_penalty(grid, x, normal, diffusion), factor * across * 1.4 * 3, rtol=1e-12)
    transport = {(1, 0): np.array([-2.0]), (0, 0): np.array([7.0])}
    np.testing.assert_allclose(nitsche_penalty(grid, x, normal, transport), factor * 1.2, rtol=1e-12)

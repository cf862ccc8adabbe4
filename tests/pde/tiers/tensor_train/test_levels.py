"""Boxes of many coordinates: known solutions, conditions of all kinds, nonlinear and time, what is refused, limits."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from edgewise.outcomes import StopReason
from edgewise.pde import PDE, Box, Dirichlet, Neumann, Robin, laplacian, solve
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.spaces.low_rank import LowRankNetwork
from edgewise.pde.tiers.tensor_train.levels import _grown, tensor_train_levels

CUBE = Box(x=(0, 1), y=(0, 1), z=(0, 1), w=(0, 1))


def inverse(x, y, z, w):
    return 1 / (1 + x + y + z + w)


def inverse_problem():
    return PDE(
        lambda u, x, y, z, w: laplacian(u) - 8 * inverse(x, y, z, w) ** 3, CUBE, [Dirichlet(inverse)], solution=inverse
    )


def gap(solution, known, count=4000):
    """Relative error at random points, without what the library says about it."""
    x = solution.problem.domain.interior(count, "uniform", 77)
    true = known(*x.T)
    return float((solution(x)[:, 0] - true).norm() / true.norm())


def check(problem, known, least=1e-9, **options):
    solution = solve(problem, **options)
    error = gap(solution, known)
    assert isinstance(solution.model, LowRankNetwork) and solution.tier == "tensor train"
    assert error < least
    assert error < 3 * solution.error_estimate
    return solution


@pytest.mark.slow
def test_conditions_of_all_kinds_coefficients_that_vary_and_a_mixed_derivative():
    def known(x, y, z, w):
        return torch.sin(x) * torch.exp(y * z) * (2 + w)

    def equation(u, x, y, z, w):
        u_ = known(x, y, z, w)
        second = -u_ + (z**2 + y**2) * u_
        return (1 + w**2) * laplacian(u) + x * y * u + u.yz - (1 + w**2) * second - (x * y + 1 + y * z) * u_

    conditions = [
        Dirichlet(0.0, on="x=0"),
        Neumann(lambda y, z, w: math.cos(1) * torch.exp(y * z) * (2 + w), on="x=1"),
        Robin(1.0, 2.0, lambda x, z, w: known(x, 0 * x, z, w) - 2 * z * known(x, 0 * x, z, w), on="y=0"),
        Dirichlet(known, on=["y=1", "z=0", "z=1", "w=0"]),
        Neumann(lambda x, y, z: torch.sin(x) * torch.exp(y * z), on="w=1"),
    ]
    check(PDE(equation, CUBE, conditions), known)


def test_a_time_limit_keeps_the_last_complete_stage(counted_seconds):
    solution = solve(inverse_problem(), time_limit=0.3)
    assert solution.stopped is StopReason.TIME_LIMIT


def test_one_stage_agrees_with_finite_differences():
    """Three coordinates, against seven-point differences with Richardson's extrapolation."""
    box = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    problem = PDE(lambda u, x, y, z: -laplacian(u) + 5 * u - torch.exp(x * y * z), box, [Dirichlet(0.0)])
    stages = tensor_train_levels(recognised(problem.form), lambda work: None)
    next(stages)
    network = next(stages).network

    def differences(n):
        s = np.arange(1, n) / n
        second = sparse.diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(n - 1, n - 1)) * n**2
        one = sparse.eye(n - 1)
        matrix = sparse.kronsum(sparse.kronsum(second, second), second) + 5 * sparse.kron(one, sparse.kron(one, one))
        x, y, z = np.meshgrid(s, s, s, indexing="ij")
        solved = spsolve(sparse.csc_matrix(matrix), np.exp(x * y * z).ravel()).reshape(x.shape)
        return solved[n // 4 - 1 :: n // 4, n // 4 - 1 :: n // 4, n // 4 - 1 :: n // 4]

    coarse, fine = differences(8), differences(16)
    s = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    ours = network(torch.cartesian_prod(s, s, s)).detach().numpy().reshape(3, 3, 3)
    assert np.abs(ours - (4 * fine - coarse) / 3).max() < 2e-3 * np.abs(fine).max()


def test_grids_grow_by_what_half_as_many_intervals_miss():
    axis = SplineAxis(np.linspace(0, 1, 5), 11)
    assert _grown(axis, 1e-9, 1e-6)[0] == 5  # resolved: one more, for the next grid to be another one
    count, left = _grown(axis, 1e-2, 1e-12)
    assert count > 8
    assert 1e-12 < left < 1e-2

"""Solves that begin with another solution."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde import (
    PDE,
    Dirichlet,
    Interval,
    Observations,
    UnknownField,
    other_solutions,
    solve,
)
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.spaces.networks import TensorNetwork
from edgewise.pde.tiers.collocation.stationary import axes_of_start


def bratu(strength):
    return PDE(lambda u: u.xx + strength * torch.exp(u), Interval(0, 1), [Dirichlet(0.0)])


@pytest.mark.slow
def test_a_branch_is_followed():
    """The upper solution of Bratu's problem: u = 2 log(cosh(c/4) / cosh(c (x - 1/2) / 2)), c = sqrt(2 s) cosh(c/4)."""
    (upper,) = other_solutions(solve(bratu(1.0)))
    upper = solve(bratu(2.0), start=upper)
    c = 9.0
    for _ in range(30):  # Newton's method
        c -= (c - 2 * math.cosh(c / 4)) / (1 - math.sinh(c / 4) / 2)
    middle = 2 * math.log(math.cosh(c / 4))
    assert float(upper([[0.5]])[0, 0]) == pytest.approx(middle, rel=1e-8)
    assert middle > 2 * float(solve(bratu(2.0))([[0.5]])[0, 0])


def with_cubic_flux(eps):
    """(u'^3 + eps u')' = -1 with u = 0 at both ends: within eps^(3/2) of the middle u' is that of eps alone."""
    return PDE(lambda u: (3 * u.x**2 + eps) * u.xx + 1, Interval(0, 1), [Dirichlet(0.0)])


@pytest.mark.nightly
def test_a_path_of_problems_ends_at_a_layer_that_no_first_grid_resolves():
    """On the first grid the start lost its layer: Newton's method failed, and least squares rested 7e-3 off."""
    solution = solve(with_cubic_flux(0.1))
    for eps in (1e-2, 1e-3, 1e-4):
        solution = solve(with_cubic_flux(eps), start=solution)
    assert solution.stopped is StopReason.CONVERGED and solution.tier == "collocation"
    # u as a function of p = u': x = 1/2 - p^3 - eps p, so that du = p dx.
    ends = [np.roots([1, 0, 1e-4, -0.5 + x])[-1].real for x in (0.0, 0.3)]
    true = np.diff([-(0.75 * p**4 + 5e-5 * p**2) for p in ends])[0]
    assert float(solution([[0.3]])[0, 0]) == pytest.approx(true, rel=1e-9)


def test_a_start_brings_its_grid():
    grid_problem = recognised(with_cubic_flux(0.1).form)
    fine = torch.linspace(-1, 1, 65, dtype=torch.float64) ** 3 / 2 + 0.5
    (axis,) = axes_of_start(grid_problem, TensorNetwork(TensorLayer([fine], 1, degree=5)))
    assert axis.breakpoints.tolist() == fine.tolist() and axis.degree == 11
    for other in (fine[::8], torch.linspace(0, 1, 10_001, dtype=torch.float64)):
        (axis,) = axes_of_start(grid_problem, TensorNetwork(TensorLayer([other], 1, degree=5)))
        assert axis.intervals == 16


@pytest.mark.slow
def test_a_start_from_measured_fields_leaves_no_error_bars():
    x = torch.linspace(0, 1, 40, dtype=torch.float64)
    noise = 0.01 * torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    measured = Observations(x[:, None], x * (1 - x) + noise, field="u")
    line = Interval(0, 1)
    start = solve(PDE(lambda u, a: u.xx + a, line, [Dirichlet({"u": 0.0}), measured, UnknownField("a")]))
    known = PDE(lambda u, a: [u.xx + a, a - 2], line, [Dirichlet({"u": 0.0})])
    solution = solve(known, start=start, resample=True, budget=1e-3)
    assert float(solution([[0.5]])[0, 0]) == pytest.approx(0.25, rel=1e-3)
    with pytest.raises(InputError, match=r"^standard errors of fields need"):
        solution.standard_error([[0.5]], "a")

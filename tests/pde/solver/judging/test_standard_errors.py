"""Standard errors of coefficients: those of ordinary least squares where the solution is known in closed form."""

import math

import pytest
import torch

from edgewise.pde.domains.domain import Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Initial, Observations
from edgewise.pde.solver.solving import solve


def decay(noise, seed=0, weight=1e-3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(0.05, 2, 80, dtype=torch.float64)[:, None]
    values = torch.exp(-0.7 * x[:, 0]) + noise * torch.randn(80, generator=generator, dtype=torch.float64)
    conditions = [Initial(1.0), Observations(x, values, weight=weight)]
    return PDE(lambda u, k: u.t + k * u, Time(0, 2), conditions, coefficients={"k": 1.5}), x[:, 0], values


def test_they_are_those_of_least_squares():
    problem, x, values = decay(0.02)
    solution = solve(problem, tolerance=1e-6)
    k = solution.unknowns["k"]
    slope = -x * torch.exp(-k * x)  # of the closed form
    noise = (values - torch.exp(-k * x)).square().sum() / (len(x) - 1)
    expected = float((noise / slope.square().sum()).sqrt())
    assert solution.standard_errors["k"] == pytest.approx(expected, rel=0.1)
    assert abs(k - 0.7) < 3 * expected
    best = min(
        torch.linspace(0.5, 0.9, 4001).tolist(), key=lambda k: float((values - torch.exp(-k * x)).square().sum())
    )
    assert k == pytest.approx(best, abs=0.1 * expected)


@pytest.mark.slow
def test_without_noise_they_are_small_and_without_unknowns_there_are_none():
    solution = solve(decay(0.0)[0], tolerance=1e-8)
    assert solution.standard_errors["k"] < 1e-4
    plain = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-4)
    assert plain.standard_errors == {}
    assert math.isfinite(solution.error_estimate)


@pytest.mark.slow
def test_the_estimate_holds_the_noise():
    """The error of the decay curve is that of its rate: |dk| t e^(-k t), by quadrature."""
    solution = solve(decay(0.02)[0], tolerance=1e-6)
    t = torch.linspace(0, 2, 2001, dtype=torch.float64)
    curve = torch.exp(-0.7 * t)
    spread = float((t * curve).norm() / curve.norm())
    assert solution.error_estimate == pytest.approx(solution.standard_errors["k"] * spread, rel=0.3)
    assert "noise of the measured values" in solution.trust

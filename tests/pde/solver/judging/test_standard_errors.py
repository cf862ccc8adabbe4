"""Standard errors of coefficients: those of ordinary least squares where the solution is known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from edgewise.pde.domains.domain import Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Initial, Observations
from edgewise.pde.solver.judging.scatter import misfits_of
from edgewise.pde.solver.solving import solve


def decay(noise, seed=0, weight=1e-3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(0.05, 2, 80, dtype=torch.float64)[:, None]
    values = torch.exp(-0.7 * x[:, 0]) + noise * torch.randn(80, generator=generator, dtype=torch.float64)
    conditions = [Initial(1.0), Observations(x, values, weight=weight)]
    return PDE(lambda u, k: u.t + k * u, Time(0, 2), conditions, coefficients={"k": 1.5}), x[:, 0], values


def test_they_are_those_of_least_squares():
    problem, x, values = decay(0.02)
    solution = solve(problem, tolerance=0.0)
    k = solution.unknowns["k"]
    slope = -x * torch.exp(-k * x)  # of the closed form
    noise = (values - torch.exp(-k * x)).square().sum() / (len(x) - 1)
    expected = float((noise / slope.square().sum()).sqrt())
    assert solution.standard_errors["k"] == pytest.approx(expected, rel=0.1)
    assert abs(k - 0.7) < 3 * expected
    assert solution.stopped == "converged" and "is as accurate as the data: their noise leaves" in solution.message
    best = min(
        torch.linspace(0.5, 0.9, 4001).tolist(), key=lambda k: float((values - torch.exp(-k * x)).square().sum())
    )
    assert k == pytest.approx(best, abs=0.1 * expected)


def test_coefficients_that_values_do_not_determine_have_none():
    """Of a product only the product is known, and one value leaves no misfit from which to know its noise."""
    t = torch.linspace(0.1, 3, 30, dtype=torch.float64)
    values = torch.exp(-0.6 * t) + 0.01 * torch.randn(
        30, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    conditions = [Initial(1.0), Observations(t[:, None], values)]
    product = PDE(lambda u, a, b: u.t + a * b * u, Time(0, 3), conditions, coefficients={"a": 1.0, "b": 1.0})
    solution = solve(product, tolerance=1e-6)
    assert math.prod(solution.unknowns.values()) == pytest.approx(0.6, abs=0.02)
    assert solution.standard_errors == {}
    assert "Nothing determines the coefficient a: its value depends on the one at which it started" in solution.trust
    single = [Initial(1.0), Observations([[1.0]], [0.5])]
    solution = solve(PDE(lambda u, k: u.t + k * u, Time(0, 1), single, coefficients={"k": 1.0}), tolerance=1e-8)
    assert solution.unknowns["k"] == pytest.approx(math.log(2), abs=1e-8)
    assert math.isnan(solution.standard_errors["k"])


def predators(t, state, a, b, c, d):
    prey, hunters = state
    return [a * prey - b * prey * hunters, c * prey * hunters - d * hunters]


@pytest.mark.nightly
def test_four_coefficients_of_predators_and_prey():
    """From far starts, as least squares with scipy's integrator find them."""
    t, truth, begin = np.linspace(0, 20, 25), (1.1, 0.4, 0.1, 0.4), {"a": 0.8, "b": 0.3, "c": 0.15, "d": 0.5}

    def course(rates):
        return solve_ivp(predators, (0, 20), [10, 5], args=tuple(rates), t_eval=t, rtol=1e-9, atol=1e-9).y

    measured = course(truth) + 0.1 * np.random.default_rng(0).normal(size=(2, 25))
    conditions = [Initial({"u": 10.0, "v": 5.0})]
    conditions += [Observations(t[:, None], values, name) for name, values in zip("uv", measured, strict=True)]
    problem = PDE(
        lambda u, v, a, b, c, d: (u.t - a * u + b * u * v, v.t - c * u * v + d * v),
        Time(0, 20),
        conditions,
        coefficients=begin,
    )
    solution = solve(problem)
    best = least_squares(lambda rates: (course(rates) - measured).ravel(), list(begin.values()), method="lm").x
    for (name, value), expected in zip(solution.unknowns.items(), best, strict=True):
        assert abs(value - expected) < 0.5 * solution.standard_errors[name] < 0.01
    assert solution.trust.startswith("Checked")


def test_values_that_the_equation_misses_are_named():
    """Growth that ends cannot be a pure exponential; pure noise, however large, is no misfit."""
    t, generator = torch.linspace(0, 4, 40, dtype=torch.float64), torch.Generator().manual_seed(3)
    noise = torch.randn(40, generator=generator, dtype=torch.float64)

    def solved(values):
        conditions = [Initial(1.0), Observations(t[:, None], values)]
        return solve(PDE(lambda u, k: u.t + k * u, Time(0, 4), conditions, coefficients={"k": 0.1}), tolerance=1e-6)

    wrong = solved(1 + t * torch.exp(-t) + 0.01 * noise)
    assert "The solution misses the measured values of u by" in wrong.trust and wrong.error_estimate > 0.1
    (misfit,) = misfits_of(wrong.model, wrong.problem)
    k, values = wrong.unknowns["k"], 1 + t * torch.exp(-t) + 0.01 * noise
    gap = torch.exp(-k * t) - values
    assert misfit.share == pytest.approx(float(gap.square().mean().sqrt() / values.std()), rel=1e-2)
    noisy = solved(torch.exp(-0.1 * t) + 0.5 * noise)
    (misfit,) = misfits_of(noisy.model, noisy.problem)
    assert noisy.trust.startswith("Checked") and misfit.share > 0.9 and misfit.deviations < 3

"""The same problem stated in other units: sizes of the fields, the solution, its estimate and what is said of it."""

import math

import numpy as np
import pytest
import torch
from tests.night import at_night

from edgewise.errors import SolutionWarning
from edgewise.outcomes import StopReason
from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Initial,
    Interval,
    Time,
    laplacian,
    solve,
)
from edgewise.pde.solver.restated import units_of

PI = math.pi


def errors(solution, exact):
    """Relative error of each field at fresh points."""
    x = solution.problem.domain.interior(300, "sobol", seed=5)
    wanted = torch.stack([function(*x.unbind(1)) for function in exact], 1)
    return ((torch.as_tensor(solution(x)) - wanted).norm(dim=0) / wanted.norm(dim=0)).numpy()


def reactions(first, second):
    """Three reacting substances, of which the second has another unit; a' = -a, b' = a, c' = -c b, in these units."""
    ratio = second / first
    problem = PDE(
        lambda a, b, c: [a.t + a, b.t - ratio * a, c.t + c * b / second],
        Time(0, 3),
        [Initial({"a": first, "b": 0.0, "c": first})],
    )
    exact = (
        lambda t: first * torch.exp(-t),
        lambda t: second * (1 - torch.exp(-t)),
        lambda t: first * torch.exp(1 - t - torch.exp(-t)),
    )
    return problem, exact


def solid(stiffness, most):
    """Plane elasticity with displacements that are given on the boundary, and the force that they need."""
    lame, shear = 0.6 * stiffness, 0.4 * stiffness

    def a(x, y):
        return most * torch.sin(PI * x) * torch.sin(PI * y)

    def b(x, y):
        return most / 2 * torch.cos(PI * x) * torch.cos(PI * y)

    def equation(a_, b_, x, y):
        along = (lame + shear) * (a_.xx + b_.xy + PI**2 / 2 * a(x, y))
        across = (lame + shear) * (a_.xy + b_.yy - PI**2 * b(x, y))
        return [
            shear * (laplacian(a_) + 2 * PI**2 * a(x, y)) + along,
            shear * (laplacian(b_) + 2 * PI**2 * b(x, y)) + across,
        ]

    return PDE(equation, Box(x=(0, 1), y=(0, 1)), [Dirichlet({"a_": a, "b_": b})]), (a, b)


STATEMENTS = {
    "reactions": (reactions, (1.0, 1.0), (1e-9, 1e3)),
    "solid": (solid, (1.0, 1.0), (210e9, 1e-6)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reactions", *at_night("solid")])
def test_units_do_not_matter(name):
    """A statement in SI units has the errors, the estimate, the grids and the trust of that in units of one."""
    make, natural, other = STATEMENTS[name]
    (one, exact_of_one), (two, exact_of_two) = make(*natural), make(*other)
    first, second = solve(one), solve(two)
    assert first.stopped is second.stopped is StopReason.CONVERGED
    assert "Not to be trusted" not in second.trust and second.problem is two
    assert len(first.stages) == len(second.stages)
    before, after = errors(first, exact_of_one), errors(second, exact_of_two)
    assert (after < 20 * np.maximum(before, 1e-15)).all()
    assert 1 / 20 < second.error_estimate / first.error_estimate < 20
    assert second.error_estimate > after.max() / 100


@pytest.mark.parametrize("name", STATEMENTS)
def test_sizes_are_those_of_the_fields(name):
    make, natural, other = STATEMENTS[name]
    assert units_of(make(*natural)[0].form) == {}
    problem, exact = make(*other)
    x = problem.domain.interior(300, "sobol")
    units = units_of(problem.form)
    for field, function in zip(problem.fields, exact, strict=True):
        assert math.frexp(units[field])[0] == 0.5  # a power of two, so that nothing is rounded
        assert 1 / 20 < units[field] / float(function(*x.unbind(1)).square().mean().sqrt()) < 20


@pytest.mark.slow
def test_an_end_before_the_last_moment_and_a_value_in_the_message_have_the_units_of_the_statement():
    """u' = -c / sqrt(u) from u = 1e-6 reaches zero, where the root ends, at t = 2/3 for c = 1e-9."""
    size = 1e-6
    rate = size**1.5
    problem = PDE(lambda u: u.t + rate / torch.sqrt(u), Time(0, 1), [Initial(size)])
    with pytest.warns(SolutionWarning, match="ends"):
        solution = solve(problem)
    assert solution.problem.fields == problem.fields and not solution.problem.form.units
    reached = solution.problem.domain.ends["t"][1]
    assert 0.6 < reached <= 2 / 3 + 1e-9
    t = torch.linspace(0, 0.6, 7, dtype=torch.float64)
    assert np.allclose(solution(t[:, None])[:, 0], size * (1 - 1.5 * t.numpy()) ** (2 / 3), rtol=1e-6)


def test_a_peak_between_the_probes_gives_no_tiny_unit():
    """Its tails at the probes are 1e-36: in such units the residual of an exact solution was 1e25."""

    def peak(u, x):
        return u.xx + torch.exp(-(((x - 0.5004) / 1e-4) ** 2))

    problem = PDE(peak, Interval(0, 1), [Dirichlet(0.0)])
    assert units_of(problem.form).get("u", 1.0) > 1e-6
    solution = solve(problem)
    assert solution.stopped == "converged"
    # A load of mass m at a place p bends the string by m p (1 - p).
    assert float(solution([[0.5004]])[0, 0]) == pytest.approx(1e-4 * math.sqrt(math.pi) * 0.25, rel=1e-3)


@pytest.mark.parametrize("name", ["in time", "in the plane"])
def test_a_source_of_rounding_is_none(name):
    """Its size says nothing of the fields, and it has no grid that resolves it: the solution is zero."""
    if name == "in time":
        problem = PDE(lambda u, t: u.t - (t.sin() ** 2 + t.cos() ** 2 - 1), Time(0, 1), [Initial(0.0)])
    else:
        square = Box(x=(0, 1), y=(0, 1))
        problem = PDE(lambda u, x, y: laplacian(u) - (x.sin() ** 2 + x.cos() ** 2 - 1), square, [Dirichlet(0.0)])
    solution = solve(problem)
    assert solution.stopped is StopReason.CONVERGED
    assert solution.trust.startswith("Checked") and not bool(solution(problem.domain.interior(50, "sobol")).any())


def test_a_small_source_with_digits_counts():
    problem = PDE(lambda u, t: u.t - 1e-20 * t.cos(), Time(0, 1), [Initial(0.0)])
    assert units_of(problem.form)["u"] < 1e-18
    last = float(solve(problem)(torch.tensor([[1.0]], dtype=torch.float64))[0, 0])
    assert last == pytest.approx(1e-20 * math.sin(1.0), rel=1e-8)

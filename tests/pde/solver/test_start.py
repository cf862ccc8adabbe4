"""Solves that begin with another solution, and solves that are stopped."""

import math
import signal

import pytest
import torch

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde import (
    PDE,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Observations,
    Periodic,
    Time,
    UnknownField,
    laplacian,
    other_solutions,
    solve,
)

PI = math.pi


def bratu(strength):
    return PDE(lambda u: u.xx + strength * torch.exp(u), Interval(0, 1), [Dirichlet(0.0)])


@pytest.mark.slow
def test_a_branch_is_followed():
    """The upper solution of Bratu's problem: u = 2 log(cosh(c/4) / cosh(c (x - 1/2) / 2)), c = sqrt(2 s) cosh(c/4)."""
    (upper,) = other_solutions(solve(bratu(1.0)))
    for strength in (1.5, 2.0):
        upper = solve(bratu(strength), start=upper)
    c = 9.0
    for _ in range(30):  # Newton's method
        c -= (c - 2 * math.cosh(c / 4)) / (1 - math.sinh(c / 4) / 2)
    middle = 2 * math.log(math.cosh(c / 4))
    assert float(upper([[0.5]])[0, 0]) == pytest.approx(middle, rel=1e-8)
    assert middle > 2 * float(solve(bratu(2.0))([[0.5]])[0, 0])


@pytest.mark.slow
def test_networks_and_coefficients_go_on():
    t = torch.linspace(0, 2, 30, dtype=torch.float64)[:, None]
    problem = PDE(
        lambda u, k: u.t + k * u,
        Time(0, 2),
        [Initial(1.0), Observations(t, torch.exp(-0.7 * t[:, 0]))],
        coefficients={"k": 5.0},
    )
    first = solve(problem, tolerance=1e-6)
    again = solve(problem, start=first, tolerance=1e-6)
    assert again.unknowns["k"] == pytest.approx(0.7, rel=1e-5)
    assert again.stages[0].loss <= 2 * first.stages[-1].loss
    assert problem.unknowns["k"].item() == 5.0


def test_wrong_starts_get_one_sentence():
    other = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-3)
    with pytest.raises(InputError, match=r"^start must have the coordinates, ends and fields of the problem, .* got "):
        solve(bratu(1.0), start=other)
    with pytest.raises(InputError, match=r"^start must be a solution, from solve, got int$"):
        solve(bratu(1.0), start=3)


def test_a_start_has_the_periods_and_parts_of_the_problem():
    square = [Dirichlet(1.0), Interface("x=0.5")]
    start = solve(PDE(lambda u, x: u.xx - u + torch.sin(2 * PI * x), Interval(0, 1), [Periodic("x")]), grid_size=8)
    with pytest.raises(
        InputError, match=r"^start must have the periodic coordinates of the problem, \(\), got \('x',\)$"
    ):
        solve(bratu(1.0), start=start)
    plain = solve(PDE(lambda u: u.xx + 1, Interval(0, 1), [Dirichlet(0.0)]))
    with pytest.raises(InputError, match=r"^start must have as many fields on parts between interfaces"):
        solve(PDE(lambda u: u.xx + u**2, Interval(0, 1), square), start=plain)


@pytest.mark.slow
def test_a_network_unlike_that_of_the_start_is_refused():
    start = solve(PDE(lambda u: u.xx + 1, Interval(0, 1), [Dirichlet(0.0)]), grid_size=10, degree=3, tolerance=1.0)
    for name, value in (("hidden", (3,)), ("degree", 5), ("grid_size", 300)):
        with pytest.raises(InputError, match=f"^{name} must be left out beside start"):
            solve(bratu(1.0), start=start, **{name: value})
    assert solve(bratu(1.0), start=start, degree=3, budget=1e-3).model.tensor_layer.degrees == (3,)


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


def stopped(problem, after, **options):
    """Solve until so many reports, then Ctrl-C."""
    count = 0

    def report(_):
        nonlocal count
        count += 1
        if count == after:
            signal.raise_signal(signal.SIGINT)

    return solve(problem, progress=report, **options)


BURGERS = PDE(
    lambda u: u.t + u * u.x - 0.05 * u.xx,
    Interval(-1, 1) * Time(0, 1),
    [Dirichlet(0.0), Initial(lambda x: -torch.sin(PI * x))],
)
COOLING = PDE(
    lambda u: u.t - laplacian(u) + u**3,
    Disk() * Time(0, 1),
    [Dirichlet(0.0), Initial(lambda x, y: 1 - x * x - y * y)],
)


@pytest.mark.slow
def test_an_integration_that_is_stopped_says_how_far_it_came(counted_seconds):
    solution = stopped(BURGERS, 6, on_interrupt="keep")
    reached = float(solution.problem.domain.bounds[1, 1])
    assert solution.stopped is StopReason.INTERRUPTED
    assert solution.message.startswith("Interrupted before the last moment: the solution ends at t = 0.")
    assert 0 < reached < 1 and f"{reached:.6g}" in solution.message
    whole = solve(BURGERS, tolerance=1e-6)
    x = solution.problem.domain.interior(200)
    assert float((solution(x) - whole(x)).abs().max()) < 1e-5
    with pytest.raises(KeyboardInterrupt):
        stopped(BURGERS, 6)
    assert "the solution ends at t = 0" in solve(BURGERS, time_limit=0.01).message


@pytest.mark.slow
def test_a_solve_on_a_disk_that_is_stopped_keeps_its_best_network(counted_seconds):
    solution = stopped(COOLING, 3, on_interrupt="keep", budget=0.05, grid_size=5)  # without slabs of time
    assert solution.stopped is StopReason.INTERRUPTED
    assert "Interrupted before the first stage was complete, whose network this is." in solution.message
    short = solve(COOLING, time_limit=5.0)  # of readings of the clock, of which a slab takes thousands
    assert short.stopped is StopReason.TIME_LIMIT and "the solution ends at t = 0" in short.message

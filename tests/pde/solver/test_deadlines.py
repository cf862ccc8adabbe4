"""Time limits and Ctrl-C: nothing begins after the deadline, for all kinds of problems, and the rest is kept."""

import gc
import math
import signal
from dataclasses import replace

import pytest
import torch

from edgewise.errors import InputError
from edgewise.outcomes import Budget, StopReason
from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    LShape,
    Observations,
    Time,
    UnknownField,
    integral,
    laplacian,
    solve,
)
from edgewise.pde.algebra import newton
from edgewise.pde.solver import limits, record, training
from edgewise.pde.solver.judging import correction, evidence
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers import least_squares
from edgewise.pde.tiers.collocation import stationary
from edgewise.pde.tiers.evolution import collocation
from edgewise.pde.tiers.galerkin import cut_evolution
from edgewise.pde.tiers.tensor_train.sweeps import Pairs
from edgewise.pde.tiers.unknown_fields import _Smoothing

PI = math.pi
SQUARE = Box(x=(0, 1), y=(0, 1))


def stationary_box():
    return PDE(lambda u, x, y: laplacian(u) + u**2 + torch.exp(x * y), SQUARE, [Dirichlet(0.0)])


def burgers():
    conditions = [Dirichlet(0.0), Initial(lambda x: -torch.sin(PI * x))]
    return PDE(lambda u: u.t + u * u.x - 0.01 * u.xx, Interval(-1, 1) * Time(0, 1), conditions)


def cooling():
    bump = Initial(lambda x, y: (1 - x**2 - y**2) * torch.cos(x))
    return PDE(lambda u: u.t - 0.1 * laplacian(u) + u**2, Disk(1.0) * Time(0, 1), [Dirichlet(0.0), bump])


def corner():
    return PDE(lambda u, x, y: laplacian(u) + u**2 + torch.exp(x * y), LShape(), [Dirichlet(0.0)])


def five_coordinates():
    return PDE(lambda u, points: laplacian(u) + 1 / (1 + points.sum(1) ** 2), Box.cube(5), [Dirichlet(0.0)])


def lorenz():
    def flow(x, y, z):
        return [x.t - 10 * (y - x), y.t - x * (28 - z) + y, z.t - x * y + 8 / 3 * z]

    return PDE(flow, Time(0, 10), [Initial({"x": 1.0, "y": 1.0, "z": 1.0})])


def unknown_field():
    x = torch.linspace(0, 1, 60, dtype=torch.float64)
    measured = Observations(x[:, None], x * (1 - x) + 1e-3 * torch.sin(1e3 * x), field="u")
    equation = PDE(
        lambda u, a: a.x * u.x + a * u.xx + 2, Interval(0, 1), [Dirichlet({"u": 0.0}), measured, UnknownField("a")]
    )
    return equation


def kernel():
    def equation(u, x):
        return u + integral(u, -1, 1, lambda u, s: 0.1 / (0.01 + (x[:, None] - s) ** 2) * u) - 1

    return PDE(equation, Interval(-1, 1), [])


LIMIT = 0.06
GRACE = 0.005  # in place of `first_grace`
ENDING = 0.03  # readings for reports, once nothing begins any more
KINDS = {
    "box": stationary_box,
    "line and time": burgers,
    "disk and time": cooling,
    "corner": corner,
    "low rank": five_coordinates,
    "ordinary equation": lorenz,
    "unknown field": unknown_field,
    "network": kernel,
}

# Where parts of the work begin: of which each takes a good share of a second in large problems.
BEGINNINGS = (
    (newton.GridEquations, "factorised"),
    (collocation, "LinearSystem"),
    (collocation, "solver_for"),
    (cut_evolution, "CutGrid"),
    (cut_evolution, "Assembly"),
    (least_squares, "_rows"),
    (Pairs, "_solve_pair"),
    (_Smoothing, "_linearised"),
    (training, "train_network"),
    (record, "worst_case_points"),
    (correction, "_other_grid"),
    (evidence, "weakest_direction"),
)


@pytest.fixture
def begun(monkeypatch, counted_seconds):
    """Moments at which parts of the work began, by name."""
    moments = []

    def recorded(owner, name):
        whole = getattr(owner, name)

        def call(*args, **options):
            moments.append((name, counted_seconds.now))
            return whole(*args, **options)

        monkeypatch.setattr(owner, name, call)

    for owner, name in BEGINNINGS:
        recorded(owner, name)
    return moments


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_begins_after_the_deadline(kind, begun, counted_seconds, monkeypatch):
    monkeypatch.setattr(limits, "RESERVE", replace(limits.RESERVE, first_grace=GRACE))
    problem, options = KINDS[kind](), {} if kind == "unknown field" else {"tolerance": 1e-14}
    before = counted_seconds.now
    try:
        solution = solve(problem, time_limit=LIMIT, budget=100.0, **options)
    except InputError as error:
        assert str(error).startswith("time_limit must be long enough")
    else:
        assert solution.stopped is StopReason.TIME_LIMIT
        assert bool(solution(solution.problem.domain.interior(5)).isfinite().all())
    assert [name for name, moment in begun if moment > before + LIMIT + GRACE] == []
    assert counted_seconds.now < before + LIMIT + GRACE + ENDING


@pytest.mark.slow
def test_a_judgement_without_time_says_so(counted_seconds, monkeypatch):
    solution = solve(burgers(), time_limit=0.1)
    assert solution.stopped is StopReason.TIME_LIMIT and "the solution ends at t = 0." in solution.message
    monkeypatch.setattr(limits, "RESERVE", replace(limits.RESERVE, reserved_share=0.0))
    hasty = solve(burgers(), time_limit=0.1)
    assert "there was no time for further checks" in hasty.trust
    assert "the only integration in time had a tolerance of" in hasty.trust
    assert math.isfinite(hasty.error_estimate)


@pytest.mark.parametrize(("linear", "cubic"), [(0.0, 1.0), (900.0, 1.0), (900.0, 10.0), (940.0, 0.1)])
def test_a_residual_that_nobody_could_compare_is_no_estimate(linear, cubic):
    """Waves that nearly resonate amplify it: on the first grid of the second one the error is 2.4 times as large."""

    def true(x):
        return torch.sin(20 * x) + 0.3

    def equation(u, x):
        return u.xx + linear * (u - true(x)) + cubic * (u**3 - true(x) ** 3) + 400 * torch.sin(20 * x)

    problem = PDE(equation, Interval(0, 1), [Dirichlet(true)], solution=true)
    first = next(stationary.stationary_levels(recognised(problem.form)))
    x = problem.domain.interior(1000, "sobol")
    error = first.network(x).detach() - problem.exact(x)
    with Budget(seconds=-1.0).holds():
        found = evidence.judge(first.network, problem)
    assert "no time for further checks; the estimate is 10 times the residual at least" in found.trust
    assert 1 / 3 < found.estimate * float(problem.exact(x).norm() / error.norm()) < 100


@pytest.fixture
def _interrupts_reach_the_work():
    """Python drops what is raised in callbacks of the garbage collector, of which hypothesis has one."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks.extend(callbacks)


@pytest.mark.slow
@pytest.mark.usefixtures("_interrupts_reach_the_work")
@pytest.mark.parametrize("kind", ["box", "line and time", "corner", "network"])
def test_ctrl_c_keeps_what_there_is(kind, monkeypatch):
    """A signal amid native code, after a fifth of a second of processor time behind the first time element or stage."""
    monkeypatch.setattr(limits, "RESERVE", replace(limits.RESERVE, interrupted_seconds=0.0))
    problem, before = KINDS[kind](), signal.signal(signal.SIGPROF, signal.default_int_handler)
    report = limits.Limits.report

    def armed(self, *args, **options):
        report(self, *args, **options)
        if self.has_result and signal.getitimer(signal.ITIMER_PROF)[0] == 0:
            signal.setitimer(signal.ITIMER_PROF, 0.2)

    monkeypatch.setattr(limits.Limits, "report", armed)
    try:
        solution = solve(problem, tolerance=1e-14, budget=100.0, on_interrupt="keep")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert solution.stopped is StopReason.INTERRUPTED
    assert "nterrupted" in solution.message

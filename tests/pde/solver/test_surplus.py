"""Surplus conditions: consistent ones change nothing, others are named within two grids."""

import math
import warnings

import pytest
import torch

from edgewise.errors import EdgewiseWarning, SolutionWarning
from edgewise.outcomes import StopReason
from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time, solve

OVER_TIME = Interval(0, 1) * Time(0, 1)


def rate(u):
    return u.x + u


def rotation(u, v, x):
    return [u.x - v, v.x + u]


def waves(u, v):
    return [u.t + v.x, v.t + u.x]


def transport(u):
    return u.t + u * u.x


def running(x, t):
    return torch.sin(math.pi * (x - t))


def opening(x, t):
    return (1 + x) / (1 + t)


def both(value):
    return {"u": value, "v": value}


STARTS = {
    "rate": (rate, Interval(0, 1), [Dirichlet(1.0, on="x=0")]),
    "rotation": (rotation, Interval(0, 1), [Dirichlet({"u": 0.0, "v": 1.0}, on="x=0")]),
    "waves": (waves, OVER_TIME, [Initial(both(lambda x: torch.sin(math.pi * x))), Dirichlet(both(running), on="x=0")]),
    "transport": (transport, OVER_TIME, [Initial(lambda x: 1 + x), Dirichlet(opening, on="x=0")]),
}
# Conditions at the other end: one that the solution fulfils, with that, and one that it does not.
ENDS = {
    "rate": (math.exp(-1), lambda x: [torch.exp(-x)], 0.5),
    "rotation": ({"u": math.sin(1)}, lambda x: [x.sin(), x.cos()], {"u": 0.5}),
    "waves": (both(running), lambda x, t: [running(x, t)] * 2, both(0.0)),
    "transport": (opening, lambda x, t: [opening(x, t)], 1.0),
}


@pytest.mark.parametrize("name", STARTS)
def test_surplus_conditions_that_agree_are_spared(name):
    (equation, domain, conditions), (value, exact, _) = STARTS[name], ENDS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)  # that there are too many is said where they are stated
        problem = PDE(equation, domain, [*conditions, Dirichlet(value, on="x=1")])
    solution = solve(problem, tolerance=1e-7)
    x = domain.interior(200, "sobol", seed=3)
    wanted = torch.stack(exact(*x.unbind(1)), 1)
    assert solution.stopped is StopReason.CONVERGED and "Not to be trusted" not in solution.trust
    assert float((torch.as_tensor(solution(x)) - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count", "order"), [("rate", 2, 1), ("waves", 4, 2)])
def test_surplus_conditions_that_contradict_each_other_are_named(name, count, order):
    (equation, domain, conditions), (_, _, value) = STARTS[name], ENDS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)
        problem = PDE(equation, domain, [*conditions, Dirichlet(value, on="x=1")])
    with pytest.warns(SolutionWarning, match=f"for along x there are {count}"):
        solution = solve(problem)
    assert solution.stopped is StopReason.NO_PROGRESS and solution.error_estimate >= 1 and len(solution.stages) <= 2

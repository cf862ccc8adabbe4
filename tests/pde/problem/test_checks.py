"""Problems with too many conditions, or with coefficients that nothing uses, are named before they are solved."""

import math
import re
import warnings

import pytest
import torch

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Observations,
    Periodic,
    Time,
    laplacian,
    solve,
)
from edgewise.pde.problem.checks import flow_through
from edgewise.pde.spaces.grid_problem import recognised

SQUARE = Box(x=(0, 1), y=(0, 1))
STRIP = Interval(0, 1) * Time(0, 1)


@pytest.mark.parametrize(
    ("equation", "domain", "conditions", "sentence"),
    [
        (
            lambda u: u.xx + 1,
            Interval(0, 1),
            [Dirichlet(0.0), Neumann(0.0, on="x=1")],
            "Along x there are 3 conditions (Dirichlet on x=0, Dirichlet on x=1, Neumann on x=1) for an equation of "
            "order 2: only 2 of them can hold, unless the others follow from these.",
        ),
        (lambda u: u.x + u, Interval(0, 1), [Dirichlet(1.0)], "Along x there are 2 conditions (Dirichlet on x=0, "),
        (lambda u: laplacian(u) + 1, Disk(1.0), [Dirichlet(0.0), Neumann(0.0)], "On circle there are 2 conditions"),
        (lambda u: laplacian(u) + 1, SQUARE, [Dirichlet(0.0), Neumann(0.0, on="y=0")], "Along y there are 3 cond"),
        (lambda u: u.t + u, Time(0, 1), [Initial(1.0), Dirichlet(1.0, on="t=1")], "Along t there are 2 conditions"),
    ],
)
def test_surplus_conditions_are_named(equation, domain, conditions, sentence):
    with pytest.warns(EdgewiseWarning, match=f"^{re.escape(sentence)}"):
        PDE(equation, domain, conditions)


def test_a_coefficient_that_nothing_uses_is_named():
    ends = [Dirichlet(0.0)]
    for equation in (lambda u: u.xx + 1, lambda u, k: u.xx + 1, lambda u, k: u.xx + 1 + 0 * k):
        with pytest.raises(InputError, match=r"^coefficients must be used by .*, got k, which nothing uses$"):
            PDE(equation, Interval(0, 1), ends, coefficients={"k": 1.0})
    PDE(lambda u, k: u.xx + torch.relu(u - k), Interval(0, 1), ends, coefficients={"k": 50.0})
    flux = Condition(lambda u, k: u.x - k, on="x=1")
    PDE(lambda u: u.xx + 1, Interval(0, 1), [Dirichlet(0.0), flux], coefficients={"k": 1.0})


@pytest.mark.slow
def test_a_condition_at_an_outflow_that_follows_from_the_others_is_spared():
    """u = f(x - c t) at both ends: the one where the flow leaves determines nothing, and the other one suffices."""

    def exact(x, t):
        return torch.sin(3 * (x + t))

    conditions = [Dirichlet(exact), Initial(lambda x: torch.sin(3 * x))]
    problem = PDE(lambda u: 2 * u.t - 2 * u.x, STRIP, conditions, solution=exact)
    grid_problem = recognised(problem.form)
    assert [term.pieces for term in grid_problem.outflow_conditions] == [("x=0",)]
    solution = solve(problem)
    assert solution.stopped == "converged" and solution.errors().relative_l2 < 1e-11


@pytest.mark.parametrize(
    ("domain", "equation", "start"),
    [
        (STRIP, lambda u, x: u.t + (1 + x) * u.x, lambda x: torch.sin(math.pi * x)),
        (
            Box(x=(0, 1), y=(0, 1)) * Time(0, 1),
            lambda u: u.t + u.x + u.y / 2,
            lambda x, y: torch.sin(math.pi * x) * torch.sin(math.pi * y),
        ),
    ],
)
def test_a_condition_at_an_outflow_that_contradicts_is_told_at_once(domain, equation, start):
    message = (
        r"^conditions of an equation of first order must hold where .* got Dirichlet on 'x=1', where u leaves with "
    )
    with pytest.raises(InputError, match=message):
        solve(PDE(equation, domain, [Dirichlet(0.0), Initial(start)]))


def test_the_sign_of_a_flow_through_a_face():
    """It is that of the speed outwards, 0 where the speed turns, and where nothing is carried."""
    for equation, expected in (
        (lambda u, x: 3 * u.x - u.t, (1, -1)),
        (lambda u, x: u.t + x.cos() * u.x, (-1, 1)),
        (lambda u, t: u.t + (t - 0.5) * u.x, (0, 0)),
        (lambda u: u.t + u, (0, 0)),
    ):
        form = PDE(equation, STRIP, [Dirichlet(0.0), Initial(0.0)]).form
        assert tuple(flow_through(form, (0, end)) for end in (0, 1)) == expected


def stokes(u, v, p):
    return [laplacian(u) - p.x, laplacian(v) - p.y, u.x + v.y]


def test_a_pressure_beside_all_velocities_is_one_value_too_many():
    """Two values hold on a wall of a flow; a pressure of 0 on a line was solved for, with an error of 0.3."""
    walls = Dirichlet({"u": 0.0, "v": lambda x: x})
    with pytest.warns(
        EdgewiseWarning, match=r"On x=0 there are 3 values \(Dirichlet, Dirichlet\).*order 4: only 2 of them"
    ):
        form = PDE(stokes, SQUARE, [walls, Dirichlet({"p": 0.0}, on="x=0")]).form
    assert form.surplus_conditions.startswith("on x=0 there are 3 values")
    sides = Dirichlet({"u": 0.0, "v": lambda x: x}, on=["x=0", "y=0", "y=1"])
    outlet = [Dirichlet({"v": 0.0, "p": 0.0}, on="x=1"), Neumann({"u": 0.0}, on="x=1")]
    assert not PDE(stokes, SQUARE, [sides, *outlet]).form.surplus_conditions


WALLS = Dirichlet(0.0, on=["x=0", "x=1"])
FIRST = [WALLS, Initial(1.0)]
BOTH = [WALLS, Initial(1.0, rate=0.0)]
AT_END = [WALLS, Dirichlet(1.0, on="t=1")]
CIRCLE = [Periodic("x"), Initial({"u": 1.0, "v": 0.0})]
FLUX = [Periodic("x"), Initial({"u": 1.0})]


@pytest.mark.parametrize(
    ("equation", "conditions", "match"),
    [
        (lambda u: u.t + u.xx, FIRST, r"^equation must not let short waves of u grow without bound away from 't=0'"),
        (lambda u: u.t - u.xx, AT_END, r"away from 't=1', where u is given, got highest derivatives by x of the wrong"),
        (lambda u: u.tt + u.xx, BOTH, r"or give u at both ends, renamed$"),
        (lambda u: u.t + (1 + u**2) * u.xx, FIRST, r"short waves of u grow"),
        (lambda u: u.tt + u.xt + u.xx, BOTH, r"short waves of u grow"),
        (lambda u, x: u.t - (x - 0.5) * u.xx, FIRST, r"of the wrong sign at x = 0\.[0-4]\d*, t = 0\.\d+: change it"),
        (lambda u, t: u.t + torch.sin(6 * t) * (1 + u**2) * u.xx, FIRST, r"of the wrong sign at x = "),
        (lambda u, v: [u.t + u.xx - v, v.t - v.xx + u], CIRCLE, "short waves of u grow"),
        (lambda u, v: [u.t - v, v.t + u.xx], CIRCLE, "short waves of v grow"),  # Laplace's equation as a system
        (lambda u, v: [u.t - u.xxxx, v.t - v.xx], CIRCLE, "short waves of u grow"),
        (lambda u, v: [u.t + v.x, v - u.x], FLUX, "short waves of u grow"),
    ],
)
def test_short_waves_must_not_grow_without_bound(equation, conditions, match):
    with pytest.raises(InputError, match=match):
        PDE(equation, STRIP, conditions)


LINE = Interval(0, 1)


@pytest.mark.parametrize(
    ("equation", "conditions", "domain"),
    [
        (lambda u: u.xxxx, [Dirichlet(0.0), Neumann(0.0)], LINE),
        (lambda u: u.tt + u, [Initial(1.0, rate=0.0)], Time(0, 1)),
        (lambda u, v: [u.x - v, v.x + u], [Dirichlet({"u": 1.0})], LINE),
        (lambda u, x: u.t - x * u.x, [Dirichlet(0.0), Initial(0.0)], Interval(-1, 1) * Time(0, 1)),  # inflow twice
        (lambda u: u.t + u * u.x, [Periodic("x"), Initial(lambda x: torch.sin(2 * math.pi * x))], STRIP),
        (
            lambda u: u.xx + 1,
            [Dirichlet(0.0), Neumann(0.0, on="x=1"), Observations(torch.zeros(1, 1), torch.zeros(1))],
            LINE,
        ),
        (lambda u, v: [u.t - v.x, v - u.x], FLUX, STRIP),
        (lambda u, v: [u.t + v.xx, v.t - u.xx], CIRCLE, STRIP),  # Schroedinger
        (lambda u, v: [u.t - v, v.t + u.xxxx], CIRCLE, STRIP),  # a beam
        # diffusion that vanishes
        (lambda u, v, x: [u.t - x * (1 - x) * u.xx - v, v.t - torch.relu(x - 0.5) * v.xx], CIRCLE, STRIP),
        (lambda u, v: [u.t + v.x, v.t + u.x], CIRCLE, STRIP),
        # Kuramoto and Sivashinsky, and a reaction
        (lambda u, v: [u.t + 1e-9 * u.xxxx + u.xx, v.t - v.xx - 1e6 * v], CIRCLE, STRIP),
        (lambda u, v: [u.t + u * v.x + v * u.x, v.t + v * v.x + u.x], CIRCLE, STRIP),  # shallow water
        (lambda u, v: [u.t - (u.xx - 2 * v.xx), v.t - (v.xx + 2 * u.xx)], CIRCLE, STRIP),
        (lambda u: u.t - u.xx, FIRST, STRIP),
        (lambda u: u.t + u.xx, AT_END, STRIP),
        (lambda u, x: u.t + 0.5 * x**2 * u.xx + x * u.x - u, AT_END, STRIP),
        (lambda u: u.tt - u.xx, BOTH, STRIP),
        (lambda u: u.t - u * u.xx, FIRST, STRIP),
        (lambda u: u.t + u * u.x - 0.1 * u.xx, FIRST, STRIP),
        (lambda u: u.t - (1 + 0.005 * (u - 300)) * u.xx - 0.005 * u.x**2, FIRST, STRIP),  # a conductivity by kelvins
        (lambda u: u.t - (1 - u) * u.xx + u.x**2, FIRST, STRIP),
        (lambda u: u.tt + 4 * u.xt + 3 * u.xx, BOTH, STRIP),  # waves in a stream faster than they are
        (lambda u: u.t + u.xt + 0.1 * u.xx, FIRST, STRIP),
    ],
)
def test_problems_that_are_well_stated_pass(equation, conditions, domain):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PDE(equation, domain, conditions)

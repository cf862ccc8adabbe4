"""Problems with too many conditions, or with coefficients that nothing uses, are named before they are solved."""

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
)

SQUARE = Box(x=(0, 1), y=(0, 1))


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


@pytest.mark.parametrize(
    ("equation", "domain", "conditions"),
    [
        (lambda u: u.xxxx, Interval(0, 1), [Dirichlet(0.0), Neumann(0.0)]),
        (lambda u: u.tt + u, Time(0, 1), [Initial(1.0, rate=0.0)]),
        (lambda u, v: [u.x - v, v.x + u], Interval(0, 1), [Dirichlet({"u": 1.0})]),
        (lambda u, x: u.t - x * u.x, Interval(-1, 1) * Time(0, 1), [Dirichlet(0.0), Initial(0.0)]),  # inflow twice
        (
            lambda u: u.t + u * u.x,
            Interval(0, 1) * Time(0, 1),
            [Periodic("x"), Initial(lambda x: torch.sin(6.283185307179586 * x))],
        ),
        (
            lambda u: u.xx + 1,
            Interval(0, 1),
            [Dirichlet(0.0), Neumann(0.0, on="x=1"), Observations(torch.zeros(1, 1), torch.zeros(1))],
        ),
    ],
)
def test_problems_with_enough_conditions_pass(equation, domain, conditions):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PDE(equation, domain, conditions)


def test_a_coefficient_that_nothing_uses_is_named():
    ends = [Dirichlet(0.0)]
    for equation in (lambda u: u.xx + 1, lambda u, k: u.xx + 1, lambda u, k: u.xx + 1 + 0 * k):
        with pytest.raises(InputError, match=r"^coefficients must be used by .*, got k, which nothing uses$"):
            PDE(equation, Interval(0, 1), ends, coefficients={"k": 1.0})
    PDE(lambda u, k: u.xx + torch.relu(u - k), Interval(0, 1), ends, coefficients={"k": 50.0})
    flux = Condition(lambda u, k: u.x - k, on="x=1")
    PDE(lambda u: u.xx + 1, Interval(0, 1), [Dirichlet(0.0), flux], coefficients={"k": 1.0})

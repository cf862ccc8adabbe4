"""Functions of the user: they are the same at every call, depend on one point at a time, and keep their own errors."""

import math
import random

import pytest
import torch

from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Time,
    integral,
    solve,
)

LINE, ENDS = Interval(0, 1), [Dirichlet(0.0)]


@pytest.mark.parametrize(
    "equation",
    [
        lambda u, x: u.xx + random.random(),
        lambda u, x: u.xx + torch.randn_like(x),
        lambda u, x: u.xx - u.value.mean(),
        lambda u, x: (u.xx - x / x.norm(), u.x - 1),
        lambda u, x: u.xx + integral(u, 0.0, x * random.random()),
    ],
    ids=["random", "randn", "mean", "norm", "limit"],
)
def test_random_or_coupled_residuals_are_an_error(equation):
    with pytest.raises(InputError, match="residuals must be the same at every call and depend at each point"):
        PDE(equation, LINE, ENDS)
    with pytest.raises(InputError, match="residuals must be the same at every call and depend at each point"):
        PDE(lambda u: u.xx, Interval(0, 1) * Interval(0, 1, "t"), [Condition(lambda u, x: equation(u, x), on="t=0")])


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: PDE(lambda u, x: {}["a"], LINE, ENDS), "the equation"),
        (lambda: PDE(lambda u: u.xx, LINE, [Condition(lambda u: {}["a"])]), "Condition on x=0, x=1"),
        (lambda: PDE(lambda u: u.xx, LINE, [Dirichlet(lambda x: {}["a"], on="x=1")]), "Dirichlet on x=1"),
        (lambda: PDE(lambda u: u.xx, LINE, ENDS, solution=lambda x: {}["a"]).exact(torch.zeros(1, 1)), "the known sol"),
    ],
)
def test_an_error_of_the_user_is_kept_with_the_name_of_the_residual(make, where):
    with pytest.raises(KeyError, match="'a'") as caught:
        make()
    (note,) = caught.value.__notes__
    assert note.startswith(f"This error was raised in the evaluation of {where}")


@pytest.mark.parametrize(
    ("equation", "known", "start"),
    [
        (lambda y: y.t + torch.sqrt(y), lambda t: (1 - t / 2) ** 2, 1.0),  # Torricelli's law
        (
            lambda y: y.t + y * torch.log(y),
            lambda t: torch.exp(2 * torch.exp(-t)),
            math.exp(2),
        ),  # Gompertz
        (lambda y: y.t - 1 / y, lambda t: torch.sqrt(1 + 2 * t), 1.0),  # singular at zero, and not linear
        (lambda y: y.t + torch.sqrt(-y), lambda t: -((1 + t / 2) ** 2), -1.0),
    ],
)
def test_roots_logarithms_and_reciprocals_in_time(equation, known, start):
    problem = PDE(equation, Time(0, 1.5), [Initial(start)], solution=known)
    assert not problem.form.is_linear
    assert solve(problem).errors().relative_l2 < 1e-12

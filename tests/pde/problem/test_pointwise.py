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
    curl,
    divergence,
    gradient,
    hessian,
    integral,
    laplacian,
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
    ("equation", "message"),
    [
        (lambda u: u.xx if u else u.x, "a field has no truth value"),
        (lambda u: u.xx * 1j, "equation must return real residuals, got torch.complex128"),
        (lambda u: divergence(), "divergence takes one field per coordinate of space, got none"),
        (lambda u: divergence(u.value), "divergence must be of fields of an equation or a condition, got Tensor"),
        (lambda u: curl(u, 3), "curl must be of fields of an equation or a condition, got int"),
        (lambda u: gradient(3), "gradient must be of fields of an equation or a condition, got int"),
        (lambda u: laplacian(u.x), "laplacian must be of fields of an equation or a condition, got Tensor"),
        (lambda u: laplacian(laplacian(u)), r"got Tensor; derivatives of derivatives are written out, as u.xxxx \+ 2"),
        (lambda u: hessian(None), "hessian must be of fields of an equation or a condition, got NoneType"),
        (lambda u: u.x + integral(u, "a", 1), r"low must be a number or a tensor of shape \(b,\), got str"),
        (lambda u: u.x + integral(u, 0, None), r"high must be a number or a tensor of shape \(b,\), got NoneType"),
        (lambda u: u.x + integral(u, u, 1), "limits of an integral must not depend on fields"),
        (lambda u: u.x + integral(u, 0, torch.ones(5)), r"low and high must be numbers or of shape \(b,\) = \(64,\)"),
        (lambda u: u.x + integral(u, 0, 5), "limits of an integral of u must lie in the domain, got points outside"),
        (lambda u: u.x + integral(u, 0, float("nan")), "equation must be finite"),
        (lambda u: u.x + integral(u, 0, 1, 3), r"integrand must be a function of u and s, \(b, points\) each, got int"),
        (lambda u: u.x + integral(u, 0, 1, points=0), "points must be an integer of at least 1, got 0"),
    ],
)
def test_mistakes_in_an_equation_get_one_sentence(equation, message):
    with pytest.raises(InputError, match=message):
        PDE(equation, LINE, ENDS)


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

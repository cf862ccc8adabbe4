"""Integral terms: values by quadrature, exact rows of the Jacobian, Volterra and Fredholm, in space and time."""

import math

import pytest
import torch

from edgewise import KAN
from edgewise.errors import InputError
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial
from edgewise.pde.problem.fields import Field, laplacian
from edgewise.pde.problem.integrals import (
    Rule,
    at_places,
    integral,
    integrals_by,
)
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.solver.solving import solve
from edgewise.train.blocks import BlockRole
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import trainable_slots

PI = math.pi
LINE = Interval(0, 3)


def known_field(x, function):
    return Field(lambda index: function(x), ("x", "y"), lambda axis, s: function(at_places(x, axis, s).unbind(2)))


def test_an_integral_over_a_box():
    x = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = known_field(x, lambda parts: parts[0] ** 2 * parts[1])
    box = Box(x=(0, 2), y=(-1, 1))
    found = integral(u, over=box, integrand=lambda u, s, t: u * x[:, :1] * t)
    assert torch.allclose(found, x[:, 0] * 8 / 3 * 2 / 3, rtol=1e-12)
    swapped = integral(u, over=Box(y=(-1, 1), x=(0, 2)), integrand=lambda u, t, s: u * x[:, :1] * t)
    assert torch.allclose(found, swapped, rtol=1e-12)
    line = integral(u, over=Interval(0, 2), points=3)  # y is held fixed
    assert torch.allclose(line, 8 / 3 * x[:, 1], rtol=1e-12)


def test_integrals_may_change_their_order_but_not_their_set():
    """Both fields are integrated, in an order that depends on their values."""

    def swapped(u, v, x):
        first, second = (u, v) if float(u.value.detach().sum()) > 0 else (v, u)
        one, other = integral(first, 0.0, x), integral(second, 0.0, x)
        return u.x - (one if first is v else other), v.x + (one if first is u else other)

    condition = Condition(lambda u, v: (u, v - 1), on="x=0")
    known = {"u": lambda x: torch.sin(x), "v": lambda x: torch.cos(x)}
    problem = PDE(lambda u, v, x: (u.x - 1 + integral(u, 0.0, x), v.x + integral(v, 0.0, x)), LINE, [condition])
    assert problem.form.is_linear
    problem = PDE(swapped, LINE, [condition], points=9, solution=known)
    block = problem.with_role(BlockRole.EQUATION)[0]
    x = block.data.x
    other = block.places(x)
    values = torch.stack([other[..., 0].T, 2 + other[..., 0].T], 2)  # u = x and v = x + 2 at the points of integrals
    for sign in (1.0, -1.0):
        jet = torch.cat([torch.full((2, len(x), 2), sign).double(), values])
        residuals = block.residuals(jet, block.data) * problem.sizes
        integrals = torch.stack([x[:, 0] ** 2 / 2, x[:, 0] ** 2 / 2 + 2 * x[:, 0]], 1)
        expected = sign + torch.stack([-integrals[:, 1], integrals[:, 0]], 1)
        assert torch.allclose(residuals, expected, rtol=1e-10)


@pytest.mark.parametrize(
    "limit",
    [
        lambda u, x, k: x if float(u.value.detach().mean()) < 0.5 else x / 2,
        lambda u, x, k: x * float(k.detach().mean()),
    ],
    ids=["value", "coefficient"],
)
def test_limits_that_follow_values_are_an_error_and_no_wrong_solution(limit):
    """Without the check, u = 1 + integral with the first of these limits ended as converged with an error of 29%."""
    problem = PDE(
        lambda u, x, k: u - k - integral(u, 0.0, limit(u, x, k)),
        Interval(0, 1),
        [Dirichlet(1.0, on="x=0"), Condition(lambda u: u - math.e, on="x=1")],
        coefficients={"k": 0.9},
    )
    with pytest.raises(InputError, match=r"the limits of an integral of u \(axis 0\) are not those of its first call"):
        solve(problem, budget=0.01)


def rows_of_autograd(network, problem, names):
    """Rows of the Jacobian by parameters of these names, one pass backwards for each residual, and the residuals."""
    parameters = {**dict(network.named_parameters()), "unknowns.k": problem.unknowns.get("k")}
    found = []
    for block in problem.blocks():
        unknowns = {name: each.expand(len(block.data)) for name, each in problem.unknowns.items()}
        value = block.residuals(block.jet(network, block.data.x), block.data, unknowns)
        found.append(((2 * block.weight / len(value)) ** 0.5 * value).mT.reshape(-1))
    residuals = torch.cat(found)
    rows = []
    for residual in residuals:
        wanted = [parameters[name] for name in names]
        slopes = torch.autograd.grad(residual, wanted, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([each.ravel() for each in slopes]))
    return torch.stack(rows), residuals.detach()


def both(u, x):
    """An integral over the whole interval, whose values are computed once, and one up to each point."""
    return u.x + integral(u, 0.0, 3.0, points=5) - integral(u, 0.0, x, lambda u, s: u**2, points=4)


@pytest.mark.parametrize(
    ("equation", "coefficients", "kind"),
    [
        (lambda u, x, k: u.x - k + integral(u, 0.0, x, lambda u, s: u**2, points=4) * u, {"k": 1.5}, "spline"),
        (lambda u, x, k: u.x - k + integral(u, 0.0, x, lambda u, s: u**2, points=4) * u, {"k": 1.5}, "KAN"),
        (both, {}, "KAN"),
    ],
)
def test_rows_are_those_of_autograd(equation, coefficients, kind):
    mean = Condition(lambda u, x: integral(u, 0, 3, points=3) - 2 + 0 * x, on="x=3")
    problem = PDE(equation, LINE, [Dirichlet(0.0, on="x=0"), mean], coefficients=coefficients, points=7)
    network = tensor_network(problem, 4, 5) if kind == "spline" else KAN([1, 2, 1], 3, 5, dtype=torch.float64, seed=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)).double())
    slots = trainable_slots(network, problem)
    source = RowSource(network, problem, slots)
    rows, residuals = source.in_full()
    assert not source.is_chain
    expected, values = rows_of_autograd(network, problem, list(slots.slots))
    assert torch.allclose(rows, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
    assert torch.allclose(residuals, values)


def test_values_over_a_fixed_interval_are_computed_once():
    problem = PDE(both, LINE, [Dirichlet(0.0, on="x=0")], points=7)
    block, network, counts = problem.blocks()[0], KAN([1, 2, 1], 3, 5, dtype=torch.float64, seed=1), []
    network.register_forward_pre_hook(lambda module, x: counts.append(len(x[0])))
    block.jet(network, block.data.x)
    assert counts == [7 * 4 + 5]


def test_fredholm():
    problem = PDE(
        lambda u, x: u - x**2 + x / 4 - integral(u, 0, 1, lambda u, s: x[:, None] * s * u),
        Interval(0, 1),
        [],
        solution=lambda x: x**2,
    )
    assert solve(problem, tolerance=1e-9).errors().relative_l2 < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("is_second_kind", [True, False])
def test_abels_kernel_has_no_bound_at_the_end(is_second_kind):
    """Solutions by Laplace's transform: exp(pi x) erfc(sqrt(pi x)) and 2 sqrt(x) / pi."""

    def equation(u, x):
        whole = integral(u, 0.0, x, lambda u, s: u / torch.sqrt(x[:, None] - s))
        return u - 1 + whole if is_second_kind else whole - x

    solution = solve(PDE(equation, Interval(0, 1), []), tolerance=1e-5)
    x = torch.linspace(0.001, 1, 500, dtype=torch.float64)
    exact = torch.exp(PI * x) * torch.erfc((PI * x).sqrt()) if is_second_kind else 2 / PI * x.sqrt()
    error = float((solution(x[:, None])[:, 0] - exact).norm() / exact.norm())
    assert error < 1e-5
    assert error < 3 * solution.error_estimate
    assert solution.problem.form.integral_rule.is_graded
    assert solution.trust.startswith("Checked")


@pytest.mark.slow
def test_an_integral_may_stand_for_a_condition_at_an_end():
    """u'' = 2 u^3 with u = 1 / (1 + x), and a rod of which the heat is known instead of an end: exp(-t) sin(x)."""
    mean = Condition(lambda u: integral(u, 0, 1) - math.log(2), on="x=1")
    curved = PDE(lambda u: u.xx - 2 * u**3, Interval(0, 1), [Dirichlet(1.0, on="x=0"), mean])
    x = torch.linspace(0, 1, 9, dtype=torch.float64)
    assert torch.allclose(solve(curved)(x)[:, 0], 1 / (1 + x), rtol=0, atol=1e-9)
    heat = Condition(lambda u, t: integral(u, 0, 2) - torch.exp(-t) * (1 - math.cos(2)), on="x=2")
    conditions = [Dirichlet(0.0, on="x=0"), heat, Initial(lambda x: torch.sin(x))]
    solution = solve(PDE(lambda u: u.t - u.xx, Interval(0, 2) * Time(0, 1), conditions))
    points = torch.stack([2 * x, x], 1)
    assert torch.allclose(solution(points)[:, 0], torch.exp(-x) * torch.sin(2 * x), rtol=0, atol=1e-9)
    square = Box(x=(0, 1), y=(0, 1))  # one number is no condition on a whole edge
    whole = Condition(lambda u: integral(u, over=square) - 1, on="x=1")
    with pytest.raises(InputError, match=r"^conditions on 'x=1' must be 1 for u, .* got 0: add Dirichlet"):
        PDE(lambda u: laplacian(u), square, [Dirichlet(0.0, on=["x=0", "y=0", "y=1"]), whole])


def test_a_rule_with_cuts_is_exact_for_a_kink_at_one():
    x = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    field = Field(lambda index: x[:, 0], ("t",), lambda axis, places: (places - 0.4).abs())
    rule = Rule(axis=0, cuts=(0.2, 0.4))
    with integrals_by(rule):
        upwards, downwards = integral(field, 0.0, x[:, 0]), integral(field, x[:, 0], 0.0)
    t = x[:, 0]
    exact = torch.where(t < 0.4, 0.4 * t - t**2 / 2, 0.08 + (t - 0.4) ** 2 / 2)
    assert float((upwards - exact).abs().max()) < 1e-15 and float((upwards + downwards).abs().max()) < 1e-15
    assert float((integral(field, 0.0, t) - exact).abs().max()) > 1e-6
    assert rule.multiple(0) == 3 and rule.multiple(1) == 1 and Rule(2).multiple((0, 1)) == 4


def test_a_condition_that_joins_two_points():
    """u'' = -1 with u(1) = 0 and u(0) = u(0.5) / 2: u(0.5) is u(0) plus the integral of the slope."""
    ends = [Dirichlet({"u": 0.0}, on="x=1")]
    with pytest.raises(InputError, match=r"as u \+ integral\(v, 0.0, 0.5\) on x=0 for u\(0.5\), .* got u\(float\)$"):
        PDE(
            lambda u, v, x: (u.x - v, v.x + 1),
            Interval(0, 1),
            [*ends, Condition(lambda u: u - 0.5 * u(0.5), on="x=0")],
        )
    joined = Condition(lambda u, v: u - 0.5 * (u + integral(v, 0.0, 0.5)), on="x=0")
    solution = solve(PDE(lambda u, v, x: (u.x - v, v.x + 1), Interval(0, 1), [*ends, joined]))
    x = torch.linspace(0, 1, 21, dtype=torch.float64)
    exact = -(x**2) / 2 + 5 / 12 * x + 1 / 12
    assert float((torch.as_tensor(solution(x[:, None]))[:, 0] - exact).abs().max()) < 1e-12

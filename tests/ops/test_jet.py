"""Jets of points, of composed functions and of splines, against nested autograd and scipy."""

import math

import pytest
import torch
from tests.ops.spline_cases import UNEVEN, make_knots, points_inside

from edgewise.errors import InputError
from edgewise.ops.backend import use_kernel
from edgewise.ops.jet import along, bell, compose, multiply, seed_jet, spline_jet
from edgewise.ops.kernels import cpu

KERNELS = ["reference", *(["cpu"] if cpu.variants() else [])]


def numbers(*shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def line_derivatives(function, x, direction, order):
    """d^k/ds^k function(x + s direction) at s = 0, k = 1 .. order, by nested autograd; each (batch, out)."""
    s = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
    value = function(x + s[:, None] * direction)
    found = []
    for column in value.unbind(-1):
        chain = []
        for _ in range(order):
            column = torch.autograd.grad(column.sum(), s, create_graph=True, materialize_grads=True)[0] + 0 * s
            chain.append(column)
        found.append(torch.stack(chain))
    return torch.stack(found, -1).detach()


def test_seed_holds_points_and_directions():
    x, directions = numbers(4, 3), numbers(2, 3)
    jet = seed_jet(x, directions, 3)
    assert jet.shape == (7, 4, 3)
    assert torch.equal(jet[0], x)
    lines = along(jet, 3)
    assert torch.equal(lines[:, 0], directions[:, None].expand(2, 4, 3))
    assert lines[:, 1:].count_nonzero() == 0
    assert torch.equal(seed_jet(x, None, 3), x[None])
    assert torch.equal(seed_jet(x, directions, 0), x[None])


def test_bell_polynomials_at_one_are_stirling_numbers():
    jet = torch.ones(6, 1, 1, dtype=torch.float64)
    found = {index: float(value) for index, value in bell(jet, 5).items()}
    stirling = {(5, 1): 1, (5, 2): 15, (5, 3): 25, (5, 4): 10, (5, 5): 1, (4, 2): 7, (3, 2): 3}
    assert {index: found[index] for index in stirling} == stirling


@pytest.mark.parametrize("order", range(1, 6))
def test_compose_is_faa_di_bruno(order):
    x, directions = numbers(6, 2), numbers(3, 2)
    inner = seed_jet(x, directions, order)
    squares = [x**2, 2 * x, 2 + 0 * x, *[0 * x] * max(order - 2, 0)][: order + 1]
    inner = compose(inner, squares, order)
    value = inner[0].sin()
    waves = [torch.sin(inner[0] + k * math.pi / 2) for k in range(order + 1)]
    found = compose(inner, waves, order)
    assert torch.equal(found[0], value)
    for d, direction in enumerate(directions):
        expected = line_derivatives(lambda x: (x**2).sin(), x, direction, order)
        assert torch.allclose(along(found, order)[d], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", range(5))
def test_multiply_is_leibniz(order):
    x, directions = numbers(6, 2), numbers(3, 2)
    jet = seed_jet(x, directions, order)
    waves = compose(jet, [torch.sin(x + k * math.pi / 2) for k in range(order + 1)], order)
    found = multiply(jet, waves, order)
    assert torch.equal(found[0], x * x.sin())
    for d, direction in enumerate(directions if order else ()):
        expected = line_derivatives(lambda x: x * x.sin(), x, direction, order)
        assert torch.allclose(along(found, order)[d], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("order", range(1, 6))
def test_spline_jet_equals_nested_autograd(kernel, degree, order):
    knots = make_knots(UNEVEN, 4, degree, inputs=2)
    x = points_inside(knots, degree, count=7)[1:6]
    coef, matrix = numbers(2, 4 + degree, 3), numbers(2, 2, seed=5)
    directions = numbers(2, 2, seed=6)

    def curve(x):
        return x + 0.02 * (x @ matrix).sin()

    with use_kernel(kernel):
        inner = seed_jet(x, directions, order)
        arguments = inner @ matrix
        waves = [0.02 * torch.sin(arguments[0] + k * math.pi / 2) for k in range(order + 1)]
        found = spline_jet(inner + compose(arguments, waves, order), coef, knots, degree, order)
        for d, direction in enumerate(directions):
            expected = line_derivatives(
                lambda x: spline_jet(curve(x)[None], coef, knots, degree, 0)[0], x, direction, order
            )
            scale = expected.abs().amax() + 1
            assert (along(found, order)[d] - expected).abs().max() <= 1e-10 * scale


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3), None, 0), r"^x must be a tensor of shape \(batch, in\), got \(3,\)$"),
        ((torch.zeros(3, 2), torch.zeros(1, 3), 1), r"^directions must be a tensor of shape \(D, 2\), got \(1, 3\)$"),
        ((torch.zeros(3, 2), torch.zeros(1, 2).double(), 1), r"^directions must have the dtype of x, torch.float32"),
        ((torch.zeros(3, 2), torch.zeros(1, 2), -1), r"^order must be an integer of at least 0, got -1$"),
    ],
)
def test_a_bad_seed_gets_one_sentence(arguments, message):
    with pytest.raises(InputError, match=message):
        seed_jet(*arguments)

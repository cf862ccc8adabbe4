"""Fields and stencils: every derivative by name, mixed ones too, against derivatives worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.errors import InputError
from edgewise.pde.problem.fields import curl, divergence, function_jet, gradient, hessian, laplacian, stencil

NAMES = ("x", "y", "z")


def points(count, dimension, seed=0):
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def waves(x):
    """Two functions of three coordinates: sin(x + 2y - z) and exp(x y / 2) z^2."""
    return torch.stack([(x[:, 0] + 2 * x[:, 1] - x[:, 2]).sin(), (x[:, 0] * x[:, 1] / 2).exp() * x[:, 2] ** 2], 1)


def fields_of(function, x, indices, names=NAMES):
    plan = stencil(indices, x.shape[1])
    return plan.fields(function_jet(function, x, plan.directions, plan.order), names)


def wave_derivative(x, index):
    factor, phase = (-1) ** index[2] * 2 ** index[1], sum(index) * math.pi / 2
    return factor * (x[:, 0] + 2 * x[:, 1] - x[:, 2] + phase).sin()


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(lambda i: sum(i) <= 4), min_size=1, max_size=4))
def test_any_set_of_derivatives(indices):
    x = points(5, 3)
    u = fields_of(waves, x, indices)[0]
    for index in indices:
        names = [name for name, count in zip(NAMES, index, strict=True) for _ in range(count)]
        assert torch.allclose(u.derivative(*names), wave_derivative(x, index), rtol=1e-10, atol=1e-10)


def test_the_laplacian_takes_one_direction_each_and_a_mixed_derivative_one_more():
    plan = stencil([(2, 0), (0, 2)], 2)
    assert plan.directions.tolist() in ([[0, 1], [1, 0]], [[1, 0], [0, 1]])
    plan = stencil([(2, 0), (0, 2), (1, 1)], 2)
    assert len(plan.directions) == 3
    assert len(stencil([(4, 0), (2, 2), (0, 4)], 2).directions) == 4  # the biharmonic operator
    assert stencil([(0, 0)], 2).directions is None
    assert stencil([(0, 0)], 2).order == 0


def test_named_derivatives():
    x = points(6, 3)
    u, v = fields_of(waves, x, [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 0, 3)])
    assert torch.allclose(u.value, waves(x)[:, 0])
    assert torch.allclose(u.x, wave_derivative(x, (1, 0, 0)))
    assert torch.allclose(u.xy, wave_derivative(x, (1, 1, 0)))
    assert torch.equal(u.yx, u.xy)
    assert torch.allclose(u.zzz, wave_derivative(x, (0, 0, 3)))
    assert torch.allclose(v.x, x[:, 1] / 2 * waves(x)[:, 1])
    with pytest.raises(AttributeError, match=r"^a field has derivatives by x, y, z, as u.x; got .xw$"):
        _ = u.xw
    with pytest.raises(InputError, match="the same derivatives at all points"):
        _ = u.xxx


def test_vector_calculus():
    def flow(x):
        return torch.stack([x[:, 0] * x[:, 1], x[:, 1] * x[:, 2] ** 2, x[:, 0] ** 2 * x[:, 2]], 1)

    x = points(4, 3)
    firsts = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    u, v, w = fields_of(flow, x, firsts)
    a, b, c = x.unbind(1)
    assert torch.allclose(divergence(u, v, w), b + c**2 + a**2)
    assert torch.allclose(curl(u, v, w), torch.stack([-2 * b * c, -2 * a * c, -a], 1))
    seconds = [(2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 2, 0), (0, 1, 1), (0, 0, 2)]
    u, _ = fields_of(waves, x, [*firsts, *seconds])
    slope = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    assert torch.allclose(gradient(u), wave_derivative(x, (1, 0, 0))[:, None] * slope)
    assert torch.allclose(hessian(u), wave_derivative(x, (2, 0, 0))[:, None, None] * slope[:, None] * slope)
    assert torch.allclose(laplacian(u), 6 * wave_derivative(x, (2, 0, 0)))


def test_time_is_no_coordinate_of_space():
    x = points(4, 3)
    u, v = fields_of(waves, x, [(2, 0, 0), (0, 2, 0), (1, 0, 0), (0, 1, 0)], ("x", "y", "t"))
    assert torch.allclose(laplacian(u), 5 * wave_derivative(x, (2, 0, 0)))
    assert gradient(u).shape == (4, 2)
    assert torch.allclose(curl(u, v), v.x - u.y)
    with pytest.raises(InputError, match=r"^divergence takes 2 fields, one per coordinate of space, got 1$"):
        divergence(u)

"""The active basis with all derivatives at once, against the reference one order at a time and against scipy."""

import numpy as np
import pytest
import torch
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots, points_inside, scipy_basis
from torch.autograd import forward_ad
from torch.func import vmap

from edgewise.ops.backend import use_kernel
from edgewise.ops.kernels import cpu
from edgewise.ops.splines.active import active_basis
from edgewise.ops.splines.bspline import MAX_DEGREE, basis


def dense(interval, values, n):
    """(b, in) and (b, in, degree + 1) to (b, in, n)."""
    position = interval[..., None] + torch.arange(values.shape[-1])
    return values.new_zeros(*values.shape[:-1], n).scatter(-1, position, values)


@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
@pytest.mark.parametrize("grid_size", [1, 7, 30])
def test_all_orders_equal_scipy(kind, degree, grid_size):
    knots = make_knots(kind, grid_size, degree, inputs=3)
    x = points_inside(knots, degree)
    interval, values = active_basis(x, knots, degree, degree + 1)
    assert interval.dtype == torch.int64
    assert values.shape == (degree + 2, *x.shape, degree + 1)
    for order in range(degree + 2):
        expected = scipy_basis(x, knots, degree, order)
        error = np.abs(dense(interval, values[order], grid_size + degree).numpy() - expected).max()
        assert error <= 1e-13 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
@pytest.mark.parametrize("kind", [EVEN, UNEVEN])
def test_outside_at_infinity_and_nan_as_the_dense_basis(kind, degree):
    knots = make_knots(kind, 4, degree)
    x = torch.tensor([[-5.0], [9.0], [0.1], [torch.nan], [torch.inf], [-torch.inf], [1e-310]], dtype=torch.float64)
    interval, values = active_basis(x, knots, degree, degree + 1)
    assert ((interval >= 0) & (interval < 4)).all()
    for order in range(degree + 2):
        expected = basis(x, knots, degree, order)
        got = dense(interval, values[order], 4 + degree)
        assert torch.allclose(got[:3], expected[:3], rtol=1e-13, atol=1e-13)
        assert got[3].isnan().any()
        for row in (4, 5):
            assert torch.equal(got[row].isfinite().all(), expected[row].isfinite().all())
        assert torch.allclose(got[6], expected[6], rtol=1e-13, atol=1e-13)


def test_differentiable_by_x():
    knots = make_knots(UNEVEN, 4, 3, inputs=2)
    x = points_inside(knots, 3, count=5)[:5].clone().requires_grad_()
    _, values = active_basis(x, knots, 3, 2)
    weights = torch.linspace(1, 2, 4, dtype=torch.float64)
    (slope,) = torch.autograd.grad((values[1] * weights).sum(), x, create_graph=True)
    assert torch.allclose(slope, (values[2] * weights).sum(-1), rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_forward_mode_compile_and_vmap():
    knots = make_knots(UNEVEN, 4, 3, inputs=2)
    x = points_inside(knots, 3, count=5)[:5].clone()
    interval, values = active_basis(x, knots, 3, 2)
    with forward_ad.dual_level():
        dual = active_basis(forward_ad.make_dual(x, torch.ones_like(x)), knots, 3, 1)[1]
        assert torch.allclose(forward_ad.unpack_dual(dual).tangent[0], values[1], rtol=1e-11, atol=1e-11)
    compiled = torch.compile(lambda x: active_basis(x, knots, 3, 2), fullgraph=True, backend="aot_eager")(x)
    rows = vmap(lambda row: active_basis(row[None], knots, 3, 2)[1][:, 0], out_dims=1)(x)
    assert torch.equal(compiled[0], interval)
    assert torch.allclose(compiled[1], values, rtol=1e-12, atol=1e-12)
    assert torch.allclose(rows, values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("variant", cpu.variants())
@pytest.mark.parametrize("kind", [EVEN, STEEP])
def test_every_instruction_set_and_more_than_a_block(variant, kind):
    knots = make_knots(kind, 9, 5, inputs=2)
    x = points_inside(knots, 5, count=3000).flip(0).mT.contiguous().mT
    interval, values = cpu.active_basis(x, knots, 5, 3, variant)
    with use_kernel("reference"):
        expected_interval, expected = active_basis(x, knots, 5, 3)
    assert torch.equal(interval, expected_interval)
    scale = expected.abs().amax((1, 2, 3), keepdim=True)
    assert ((values - expected).abs() <= 1e-12 * scale).all()

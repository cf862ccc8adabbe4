"""The basis against scipy and against what defines a B-spline: every degree, every order, every edge of the domain."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots, points_inside, scipy_basis

from edgewise.ops.splines.bspline import MAX_DEGREE, basis, spline_domain
from edgewise.ops.splines.knots import extend

DEGREES = range(MAX_DEGREE + 1)
ORDERS = [(degree, order) for degree in DEGREES for order in range(degree + 1)]


@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
@pytest.mark.parametrize("grid_size", [1, 2, 7, 30])
def test_equals_scipy_to_rounding_at_ends_and_knots_too(kind, grid_size):
    for degree, order in ORDERS:
        knots = make_knots(kind, grid_size, degree, inputs=2)
        x = points_inside(knots, degree)
        expected = scipy_basis(x, knots, degree, order)
        error = np.abs(basis(x, knots, degree, order).numpy() - expected).max()
        assert error <= 1e-13 * np.abs(expected).max()


@given(
    degree=st.integers(0, MAX_DEGREE),
    widths=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12),
    shares=st.lists(st.floats(0, 1), max_size=20),
    shift=st.floats(-1e3, 1e3),
    data=st.data(),
)
def test_any_knots_any_points(degree, widths, shares, shift, data):
    order = data.draw(st.integers(0, degree + 1))
    breakpoints = torch.as_tensor(np.cumsum([shift, *widths])[None])
    knots = extend(breakpoints, degree)
    low, high = breakpoints[0, 0], breakpoints[0, -1]
    x = (low + (high - low) * torch.tensor(shares, dtype=torch.float64)).clamp(low, high)[:, None]
    got = basis(x, knots, degree, order)
    expected = torch.from_numpy(scipy_basis(x, knots, degree, order))
    assert got.shape == (len(shares), 1, len(widths) + degree)
    # Knots of size 1e3 in intervals of 1e-3 lose 6 of 16 digits, and each derivative divides by the width again.
    step = min(widths)
    assert torch.allclose(got, expected, rtol=1e-8, atol=1e-8 * max(1, step**-order * math.factorial(degree)))
    if order == 0:
        assert torch.allclose(got.sum(-1), torch.ones(len(shares), 1, dtype=torch.float64), rtol=0, atol=1e-12)
        assert (got >= -1e-12).all()


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("side", [0, 1])
def test_continues_as_a_straight_line_outside(degree, side):
    knots = make_knots(UNEVEN, 4, degree, inputs=2)
    end = torch.stack(spline_domain(knots, degree))[side]
    distance = torch.tensor([[1e-9], [0.3], [7.0], [1e6]], dtype=torch.float64) * (1 if side else -1)
    x = end + distance
    at_end = end[None]
    slope = basis(at_end, knots, degree, 1)
    line = basis(at_end, knots, degree) + (x - end)[..., None] * slope
    assert torch.allclose(basis(x, knots, degree), line, rtol=1e-14, atol=0)
    assert torch.equal(basis(x, knots, degree, 1), slope.expand(4, -1, -1))
    for order in range(2, degree + 2):
        assert not basis(x, knots, degree, order).any()


def test_nan_in_nan_out_and_only_there():
    for degree, order in [*ORDERS, (0, 1), (3, 4)]:
        knots = make_knots(EVEN, 3, degree, inputs=2)
        values = basis(torch.tensor([[math.nan, 0.1], [0.2, 0.3]], dtype=torch.float64), knots, degree, order)
        assert values[0, 0].isnan().any()
        assert values[0, 1].isfinite().all() and values[1].isfinite().all()


@pytest.mark.parametrize("degree", DEGREES)
def test_infinite_points_have_the_slope_of_the_line_and_leave_the_others_alone(degree):
    knots = make_knots(EVEN, 3, degree)
    x = torch.tensor([[-math.inf], [math.inf], [0.1]], dtype=torch.float64)
    assert not basis(x, knots, degree)[:2].isfinite().all()
    assert torch.equal(basis(x, knots, degree)[2:], basis(x[2:], knots, degree))
    ends = torch.stack(spline_domain(knots, degree))
    assert torch.equal(basis(x, knots, degree, 1)[:2], basis(ends, knots, degree, 1))
    for order in range(2, degree + 2):
        assert not basis(x, knots, degree, order)[:2].any()


@pytest.mark.parametrize("degree", DEGREES)
def test_plain_autograd_agrees_with_the_orders_at_both_ends_of_the_domain(degree):
    """Compiled or exported code is differentiated by torch itself, so the clamp must not halve a slope."""
    knots = make_knots(UNEVEN, 4, degree)
    ends = torch.stack(spline_domain(knots, degree))
    x = torch.cat([ends, ends.mean(0, keepdim=True) + 0.01, ends + torch.tensor([[-1.0], [1.0]])])
    x.requires_grad_()
    weight = torch.linspace(1, 2, 4 + degree, dtype=torch.float64)
    value = (basis(x, knots, degree) * weight).sum()
    for order in range(1, degree + 1):
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        expected = (basis(x.detach(), knots, degree, order) * weight).sum(-1)
        assert torch.allclose(slope, expected, rtol=1e-11, atol=1e-11 * expected.abs().max().item())
        if order == degree:
            break
        value = slope.sum()

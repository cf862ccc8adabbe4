"""Knot vectors, and coefficients on finer knots: the same functions to rounding, in every derivative."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots, points_inside

from edgewise.ops.splines.bspline import MAX_DEGREE, basis
from edgewise.ops.splines.knots import (
    blossom_coef,
    breakpoints_of,
    extend,
    greville,
    periodic_knots,
    repeated,
    subdivide,
    uniform,
)

DEGREES = range(MAX_DEGREE + 1)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("grid_size", [1, 2, 7])
def test_uniform_knots_are_even_and_hit_both_ends_exactly(degree, grid_size):
    domain = torch.tensor([[-0.1, 0.7], [1e-9, 1e12]], dtype=torch.float64)
    knots = uniform(domain, grid_size, degree)
    assert knots.shape == (2, grid_size + 2 * degree + 1)
    assert torch.equal(breakpoints_of(knots, degree)[:, [0, -1]], domain)
    steps = knots.diff()
    assert torch.allclose(steps, ((domain[:, 1] - domain[:, 0]) / grid_size)[:, None].expand_as(steps), rtol=1e-12)


@pytest.mark.parametrize("degree", DEGREES)
def test_extend_keeps_the_breakpoints_and_repeats_the_outermost_widths(degree):
    breakpoints = torch.tensor([[0.0, 1.0, 3.0, 3.5]], dtype=torch.float64)
    knots = extend(breakpoints, degree)
    assert torch.equal(breakpoints_of(knots, degree), breakpoints)
    assert knots.diff()[0].tolist() == [1.0] * (degree + 1) + [2.0] + [0.5] * (degree + 1)


@pytest.mark.parametrize("degree", DEGREES)
def test_repeated_ends_and_periodic_knots_are_numpys_paddings(degree):
    breakpoints = np.cumsum(np.random.default_rng(0).random((2, 8)), axis=1)
    given = torch.from_numpy(breakpoints)
    ends = ((0, 0), (degree, degree))
    np.testing.assert_array_equal(repeated(given, degree).numpy(), np.pad(breakpoints, ends, mode="edge"))
    widths = np.pad(np.diff(breakpoints), ends, mode="wrap")
    np.testing.assert_allclose(periodic_knots(given, degree).diff().numpy(), widths)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
def test_subdivide_keeps_old_breakpoints_bit_for_bit_and_cuts_evenly(kind, parts, degree):
    knots = make_knots(kind, 5, degree, inputs=2)
    old, new = breakpoints_of(knots, degree), breakpoints_of(subdivide(knots, degree, parts), degree)
    assert torch.equal(new[:, ::parts], old)
    assert torch.allclose(new.diff(), (old.diff() / parts).repeat_interleave(parts, 1), rtol=1e-10)


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
@pytest.mark.parametrize("grid_size", [1, 5])
def test_finer_coefficients_give_the_same_functions_and_derivatives(grid_size, kind, parts):
    for degree in DEGREES:
        knots = make_knots(kind, grid_size, degree, inputs=2)
        coef = torch.randn(2, grid_size + degree, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        finer = subdivide(knots, degree, parts)
        new = blossom_coef(coef, knots, finer, degree)
        assert new.shape == (2, grid_size * parts + degree, 3)
        inside = points_inside(finer, degree)
        x = torch.cat([inside, inside - 3, inside + 3])
        for order in range(degree + 1):
            before = torch.einsum("big,igo->bio", basis(x, knots, degree, order), coef)
            after = torch.einsum("big,igo->bio", basis(x, finer, degree, order), new)
            # Scale of each input's curves: a steep grid has derivatives of very different size.
            scale = torch.einsum("big,igo->bio", basis(x, finer, degree, order).abs(), new.abs()).amax(0)
            assert ((before - after).abs().amax(0) <= 1e-12 * scale).all()


@given(
    degree=st.integers(0, MAX_DEGREE),
    widths=st.lists(st.floats(1e-2, 1e2), min_size=1, max_size=8),
    parts=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_knots_any_parts(degree, widths, parts, seed):
    knots = extend(torch.as_tensor(np.cumsum([-1.0, *widths])[None]), degree)
    generator = torch.Generator().manual_seed(seed)
    coef = torch.randn(1, len(widths) + degree, 1, generator=generator, dtype=torch.float64)
    finer = subdivide(knots, degree, parts)
    new = blossom_coef(coef, knots, finer, degree)
    x = points_inside(finer, degree)
    after = basis(x, finer, degree)[:, 0] @ new[0]
    scale = max(1.0, new.abs().max().item())
    assert torch.allclose(after, basis(x, knots, degree)[:, 0] @ coef[0], rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_greville_abscissae_are_the_coefficients_of_the_identity(degree):
    knots = extend(torch.tensor([[0.0, 0.5, 0.6, 2.0], [-1.0, 0.0, 1.0, 2.0]], dtype=torch.float64), degree)
    x = torch.linspace(0.01, 1.99, 50, dtype=torch.float64)[:, None].expand(-1, 2)
    line = torch.einsum("nig,ig->ni", basis(x, knots, degree), greville(knots, degree))
    torch.testing.assert_close(line, x)
    torch.testing.assert_close(greville(knots[0], degree), greville(knots, degree)[0])

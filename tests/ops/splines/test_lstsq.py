"""Integrals against scipy's quadrature, projections against functions they must reproduce."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.interpolate import BSpline
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots, points_inside

from edgewise.ops.splines.bspline import MAX_DEGREE, basis
from edgewise.ops.splines.knots import breakpoints_of, extend, subdivide, uniform
from edgewise.ops.splines.lstsq import gram, project, quadrature, roughness

DEGREES = range(MAX_DEGREE + 1)


def random_coef(inputs, n, outputs):
    return torch.randn(inputs, n, outputs, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def curve(knots, coef, degree, x, order=0):
    return torch.einsum("big,igo->bio", basis(x, knots, degree, order), coef)


def integral(function, breakpoints):
    """scipy's adaptive quadrature, interval by interval, where a piecewise polynomial is smooth."""
    return sum(quad(function, *ends, epsabs=1e-13, epsrel=1e-11)[0] for ends in pairwise(breakpoints))


def overlap(f, g, order, breakpoints):
    return integral(lambda x: f(x, nu=order) * g(x, nu=order), breakpoints)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("kind", [EVEN, STEEP])
def test_gram_equals_scipy_quadrature_of_products(kind, degree):
    knots = make_knots(kind, 3, degree)
    t, n = knots[0].numpy(), 3 + degree
    breakpoints = breakpoints_of(knots, degree)[0].tolist()
    functions = [BSpline(t, row, degree) for row in np.eye(n)]
    for order in range(min(degree, 2) + 1):
        got = gram(knots, degree, order)[0]
        expected = [[overlap(f, g, order, breakpoints) for g in functions] for f in functions]
        assert np.abs(got.numpy() - expected).max() <= 1e-10 * np.abs(expected).max()
        assert torch.allclose(got, got.mT, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("kind", [EVEN, UNEVEN])
def test_roughness_is_the_integral_of_the_squared_second_derivative_on_a_unit_domain(kind, degree):
    knots = make_knots(kind, 4, degree)
    coef = random_coef(1, 4 + degree, 1)
    penalty = (coef[0].mT @ roughness(knots, degree)[0] @ coef[0]).item()
    breakpoints = breakpoints_of(knots, degree)[0].tolist()
    length = breakpoints[-1] - breakpoints[0]
    spline = BSpline(knots[0].numpy(), coef[0, :, 0].numpy(), degree)
    bend = (lambda x: float(spline(x, nu=2) * length**2) ** 2) if degree >= 2 else (lambda x: 0.0)
    assert penalty == pytest.approx(integral(bend, breakpoints) / length, rel=1e-9)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("kind", [EVEN, UNEVEN])
def test_projection_on_finer_knots_reproduces_the_functions(kind, degree):
    knots = make_knots(kind, 4, degree, inputs=2)
    coef = random_coef(2, 4 + degree, 3)
    finer = subdivide(knots, degree, 3)
    new, error = project(coef, knots, finer, degree)
    assert new.shape == (2, 12 + degree, 3)
    assert error.shape == (2, 3)
    assert error.max() < 1e-12
    x = points_inside(finer, degree)
    assert torch.allclose(curve(finer, new, degree, x), curve(knots, coef, degree, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("degree", range(1, MAX_DEGREE + 1))
def test_projection_on_a_wider_domain_keeps_straight_tails(degree):
    knots = make_knots(EVEN, 4, degree)
    coef = random_coef(1, 4 + degree, 1)
    old = breakpoints_of(knots, degree)
    wider = extend(torch.cat([old[:, :1] - 0.9, old, old[:, -1:] + 0.4], 1), degree)
    new, error = project(coef, knots, wider, degree)
    x = points_inside(wider, degree, 101)
    difference = (curve(wider, new, degree, x) - curve(knots, coef, degree, x)).abs().max()
    if degree <= 2:  # with a knot at the old end, new splines can follow a jump of their derivative of order `degree`
        assert difference < 1e-12
    else:  # the tail has a jump in its second derivative that the new splines can't follow exactly
        assert 0 < difference < 3 * error.max()
        assert error.max() < 0.5 * coef.abs().max()


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("new_size", [2, 7])
def test_projection_error_is_orthogonal_to_the_new_splines(degree, new_size):
    """The condition that defines the nearest function in the L2 norm; checked with a quadrature of its own."""
    knots = make_knots(UNEVEN, 5, degree)
    coef = random_coef(1, 5 + degree, 2)
    ends = breakpoints_of(knots, degree)[:, [0, -1]] + torch.tensor([[0.2, -0.1]], dtype=torch.float64)
    target = uniform(ends, new_size, degree)
    new, error = project(coef, knots, target, degree)
    old = breakpoints_of(knots, degree).clamp(*ends[0].tolist())
    pieces = torch.cat([breakpoints_of(target, degree), old], 1).unique()
    x, weight = quadrature(pieces[None], 9)
    miss = curve(target, new, degree, x.mT) - curve(knots, coef, degree, x.mT)
    inner = torch.einsum("b,big,bio->go", weight[0], basis(x.mT, target, degree), miss)
    assert inner.abs().max() < 1e-13
    assert 0.3 * miss.abs().max() <= error.max() <= miss.abs().max() * 1.5

"""Axes of a tensor grid: tables beside scipy's, points, breakpoints, prolongation and exact high derivatives."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.interpolate import BSpline

from edgewise.pde import PDE, Dirichlet, Interval, Neumann
from edgewise.pde.spaces.axis import SplineAxis, prolonged
from edgewise.pde.spaces.blocks import RowBlock

LINE = Interval(0, 1)
CLAMPED = [Dirichlet(0.0), Neumann(0.0)]


def test_tables_are_those_of_scipy():
    axis = SplineAxis(np.array([0.0, 0.1, 0.5, 0.9, 1.0]), 7)
    knots = np.concatenate([[0.0] * 7, axis.breakpoints, [1.0] * 7])
    points = np.linspace(0.01, 0.99, 12)
    spline = BSpline(knots, np.eye(axis.count), 7)
    for order in range(5):
        np.testing.assert_allclose(axis.table(points, order), spline(points, nu=order), rtol=1e-9, atol=1e-12)


def test_fields_are_carried_to_other_breakpoints():
    old = [SplineAxis(np.linspace(0, 1, 6), 7), SplineAxis(np.linspace(0, 2, 13), 7, True)]
    new = [SplineAxis(np.linspace(0, 1, 11), 7), SplineAxis(np.linspace(0, 2, 25), 7, True)]
    coef = np.random.default_rng(0).normal(size=(old[0].count, old[1].count, 2))
    finer, points = prolonged(coef, old, new), np.linspace(0, 1, 7)

    def values(axes, coef):
        return np.einsum("ai,bj,ijf->abf", axes[0].table(points), axes[1].table(points), coef)

    np.testing.assert_allclose(values(new, finer), values(old, coef), atol=1e-12)


def exact_derivative(axis: SplineAxis, coef: np.ndarray, point: float, order: int) -> Fraction:
    """A derivative of a spline by divided differences of its coefficients and de Boor's scheme, without rounding."""
    knots = [
        Fraction(float(each))
        for each in np.r_[[axis.breakpoints[0]] * 11, axis.breakpoints, [axis.breakpoints[-1]] * 11]
    ]
    values, degree, x = [Fraction(float(each)) for each in coef], axis.degree, Fraction(point)
    for _ in range(order):
        gaps = [knots[i + degree + 1] - knots[i + 1] for i in range(len(values) - 1)]
        values = [degree * (b - a) / gap for (a, b), gap in zip(pairwise(values), gaps, strict=True)]
        knots, degree = knots[1:-1], degree - 1
    place = max(i for i, knot in enumerate(knots[: len(values)]) if knot <= x)
    local = values[place - degree : place + 1]
    for level in range(1, degree + 1):
        for j in range(degree, level - 1, -1):
            i = j + place - degree
            share = (x - knots[i]) / (knots[i + degree + 1 - level] - knots[i])
            local[j] = (1 - share) * local[j - 1] + share * local[j]
    return local[degree]


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="this machine has no extended precision")
def test_high_derivatives_of_given_coefficients_are_exact_to_rounding():
    """Terms of 1e9 cancel each other beside the ends, where sums in float64 lose nine digits."""
    problem = PDE(lambda u: u.xxxx + 0 * u - 1, LINE, CLAMPED)
    axis = SplineAxis(np.linspace(0, 1, 17) ** 1.1, 11)
    coef = axis.interpolated(1 + axis.all_points() ** 4 / 24)[:, None]
    block = RowBlock(problem.form, problem.form.equation_term, (0,), [axis], [np.array([0.002, 0.1, 0.77, 0.999])])
    truth = np.array([float(exact_derivative(axis, coef[:, 0], point, 4)) for point in block.points[0]])
    (exact,) = block.jet(coef)[0, (4,)][None]
    (plain,) = block.derivatives(coef, [(4,)])[4,]
    assert np.abs(exact - truth).max() < 1e-9
    assert np.abs(plain - truth).max() > 1e-8

"""Bounds against measured splines, and fitted exponents."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import breakpoints_of, uniform
from edgewise.ops.splines.lstsq import quadrature
from edgewise_experiments.theory.exponents import (
    derivative_exponent,
    fitted_exponent,
    spline_bound,
)


def test_the_order_of_a_derivative_is_at_most_the_degree():
    assert [derivative_exponent(3, m) for m in range(4)] == [4, 3, 2, 1]
    with pytest.raises(InputError, match="order must be from 0 to the degree 3, got 4"):
        derivative_exponent(3, 4)


@pytest.mark.parametrize("degree", range(6))
def test_the_best_spline_stays_below_its_bound_and_near_it(degree):
    """For a slow wave, and for one that changes its sign with every interval: there the bound is nearly sharp."""
    grid_size = 16
    knots = uniform(torch.tensor([[-1.0, 1.0]], dtype=torch.float64), grid_size, degree)
    x, weight = quadrature(breakpoints_of(knots, degree), 12)
    root = weight[0].sqrt()
    ratios = []
    for frequency in (1.0, math.pi * grid_size / 2):
        q, _ = torch.linalg.qr(root[:, None] * basis(x.mT, knots, degree)[:, 0])
        # Splines of odd degree follow a cosine with its peaks on the knots, not the sine that vanishes there.
        phase = frequency * (x[0] + 1) - (math.pi / 2 if degree % 2 else 0)
        rows = root * torch.cos(phase)
        error = float((rows - q @ (q.mT @ rows)).norm())
        seminorm = frequency ** (degree + 1) * float((root * torch.cos(phase + (degree + 1) * math.pi / 2)).norm())
        ratios.append(error / spline_bound(grid_size, degree, 2.0, seminorm))
    assert all(0 < ratio <= 1 + 1e-9 for ratio in ratios), ratios
    assert ratios[1] > 0.7, ratios  # not 1: near the ends splines are free to follow the wave


def test_a_fitted_exponent():
    sizes = [10, 20, 40, 80]
    fitted = fitted_exponent(sizes, [3 * n**-2.5 for n in sizes])
    assert fitted.alpha == pytest.approx(2.5) and fitted.error < 1e-9 and fitted.points == 4
    noisy = np.array([3 * n**-2.5 for n in sizes]) * [1.1, 0.9, 0.9, 1.1]
    slope, spread = np.polyfit(np.log(sizes), np.log(noisy), 1, cov=True)
    fitted = fitted_exponent(sizes, noisy)
    assert (fitted.alpha, fitted.error) == (pytest.approx(-slope[0]), pytest.approx(math.sqrt(spread[0, 0])))
    assert fitted_exponent([*sizes, 160], [*(n**-4.0 for n in sizes), 1.0], floor=0).alpha < 4
    assert fitted_exponent([10, 20, 40], [1e-2, 1e-4, 1e-16], floor=1e-12).alpha == pytest.approx(math.log2(100))
    assert math.isnan(fitted_exponent([10, 20], [1.0, 0.5]).error)
    assert fitted_exponent([10, 10], [1.0, 0.5]) is None and fitted_exponent([], []) is None
    with pytest.raises(InputError, match="of one length, got 1 and 2"):
        fitted_exponent([1], [1, 2])

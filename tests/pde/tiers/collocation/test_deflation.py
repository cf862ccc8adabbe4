"""Several solutions of one problem: found beside exact ones, and said by `solve`."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from edgewise.pde import PDE, Dirichlet, Interval, other_solutions, solve

X = np.linspace(0.02, 0.98, 49)


def bratu(rate):
    return PDE(lambda u: u.xx + rate * torch.exp(u), Interval(0, 1), [Dirichlet(0.0)])


def exact_solutions(rate):
    """Closed solutions of Bratu's equation: theta = sqrt(2 rate) cosh(theta / 4) has two roots below the fold."""

    def gap(theta):
        return theta - math.sqrt(2 * rate) * math.cosh(theta / 4)

    middle = 4 * math.asinh(4 / math.sqrt(2 * rate))  # where the gap is largest
    for theta in (brentq(gap, 0, middle, xtol=1e-15), brentq(gap, middle, 40, xtol=1e-15)):
        yield -2 * np.log(np.cosh((X - 0.5) * theta / 2) / math.cosh(theta / 4))


@pytest.mark.slow
def test_both_solutions_of_bratus_equation():
    """Near the fold at 3.514, where they are close to each other."""
    rate = 3.4
    lower = solve(bratu(rate))
    assert lower.trust.endswith("another solution exists, which other_solutions gives.")
    (upper,) = other_solutions(lower)
    for found, exact in zip((lower, upper), exact_solutions(rate), strict=True):
        np.testing.assert_allclose(found(X[:, None])[:, 0], exact, atol=1e-9)
        assert found.error_estimate < 1e-9
    assert other_solutions([lower, upper]) == []


@pytest.mark.nightly
def test_solutions_that_differ_in_sign_beside_zero():
    problem = PDE(lambda u: u.xx + 20 * (u - u**3), Interval(0, 1), [Dirichlet(0.0)])
    zero = solve(problem)
    assert not zero([[0.5]]).any() and zero.trust.startswith("Not to be trusted: The solution is u = 0")
    heights = sorted(float(each([[0.5]])[0, 0]) for each in other_solutions(zero))
    assert len(heights) == 2 and heights[0] == pytest.approx(-heights[1], rel=1e-9) and heights[1] > 0.5

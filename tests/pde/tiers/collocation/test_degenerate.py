"""Equations whose second derivatives have a coefficient that vanishes on a face, which needs no condition there."""

import math

import numpy as np
import pytest
from scipy.special import jn_zeros

from edgewise.errors import InputError
from edgewise.pde import PDE, Box, Dirichlet, Interval, Neumann, Periodic, eigenvalues, solve

LINE, SYMMETRIC = np.linspace(0, 1, 101)[1:], np.linspace(-1, 1, 101)
AT_ONE = Dirichlet(0.0, on="x=1")


def legendre(u, x):
    return (1 - x**2) * u.xx - 2 * x * u.x


@pytest.mark.parametrize(
    ("equation", "ends", "conditions", "exact"),
    [
        (lambda u, x: x * u.xx + u.x - 1, (0, 1), [AT_ONE], lambda x: x - 1),
        (lambda u, x: u.xx + u.x / x - 1, (0, 1), [AT_ONE], lambda x: (x**2 - 1) / 4),
        (lambda u, x: -(u.xx + 2 * u.x / x) - 6, (0, 1), [AT_ONE], lambda x: 1 - x**2),
        (lambda u, x: (x - 1) * u.xx + u.x - 1, (0, 1), [Dirichlet(0.0, on="x=0")], lambda x: x),
        (lambda u, x: x**2 * u.xx + x * u.x - u, (0, 1), [Dirichlet(1.0, on="x=1")], lambda x: x),
        (lambda u, x: legendre(u, x) + u - (2 - x**2 - 2 * x) * x.exp(), (-1, 1), [], np.exp),
    ],
)
def test_a_degenerate_face_needs_no_condition(equation, ends, conditions, exact):
    solution = solve(PDE(equation, Interval(*ends), conditions))
    x = SYMMETRIC if ends[0] else LINE
    error = np.abs(solution(x[:, None])[:, 0] - exact(x)).max()
    assert error < min(1e-12, 10 * solution.error_estimate)
    assert solution.stopped.value == "converged"


@pytest.mark.parametrize(
    "equation",
    [
        lambda u, x: u.xx - 1,
        lambda u, x: x * u.xx - 1,  # u and x may be added, and both are smooth
        lambda u, x: x * u.xx + u.x / 2 - 1,  # the root of x may be added, which is bounded
        lambda u, x: x * u.xx - u.x - 1,
        lambda u, x: x**2 * u.xx - u.x - 1,  # what flows out through x = 0 forms a layer
        lambda u, x: x.sqrt() * u.xx + u.x - 1,
        lambda u, x: u.xx + 1 / x * u,
    ],
)
def test_other_faces_need_one(equation):
    with pytest.raises(InputError, match=r"^conditions on 'x=0' must be 1 for u, .*, got 0: add Dirichlet"):
        PDE(equation, Interval(0, 1), [AT_ONE])


def test_eigenvalues_of_legendre_and_of_a_drum():
    polynomials = PDE(lambda u, x, lam: legendre(u, x) + lam * u, Interval(-1, 1), [], coefficients={"lam": -1.0})
    assert np.abs(eigenvalues(polynomials, count=5).values - [0, 2, 6, 12, 20]).max() < 1e-10
    drum = PDE(lambda u, x, lam: u.xx + u.x / x + lam * u, Interval(0, 1), [AT_ONE], coefficients={"lam": 1.0})
    assert eigenvalues(drum, count=3).values == pytest.approx(jn_zeros(0, 3) ** 2, rel=1e-10)


@pytest.mark.slow
def test_a_disc_in_polar_coordinates():
    problem = PDE(
        lambda u, r, a: r**2 * u.rr + r * u.r + u.aa + 4 * r**2,
        Box(r=(0, 1), a=(0, 2 * math.pi)),
        [Dirichlet(lambda a: (3 * a).cos(), on="r=1"), Periodic("a")],
    )
    solution = solve(problem)
    r, a = (each.ravel() for each in np.meshgrid(np.linspace(0.01, 1, 20), np.linspace(0, 6, 20)))
    error = np.abs(solution(np.stack([r, a], 1))[:, 0] - (1 - r**2 + r**3 * np.cos(3 * a))).max()
    assert error < 1e-11


@pytest.mark.slow
def test_initial_values_at_a_singular_point_are_named_as_a_choice():
    """One value at the centre is enough for mathematics; the sentence says how to state it."""
    problem = [lambda u, x: x * u.xx + 2 * u.x + x * u**5, Interval(0, 5)]
    with pytest.raises(InputError, match=r"add Dirichlet\(.*\), or give u and its derivatives below order 2 on 'x=0'"):
        PDE(*problem, [Dirichlet(1.0, on="x=0")])
    solution = solve(PDE(*problem, [Dirichlet(1.0, on="x=0"), Neumann(0.0, on="x=0")]))
    assert abs(solution([[5.0]])[0, 0] - (1 + 25 / 3) ** -0.5) < 1e-11  # Lane-Emden's equation of index 5

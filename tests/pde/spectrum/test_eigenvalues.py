"""Eigenvalues against exact ones, scipy's Mathieu functions and published digits."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import jv, jvp, yv
from tests.night import at_night

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Neumann,
    Observations,
    Parameter,
    Polygon,
    Robin,
    Time,
    diffusion,
    eigenvalues,
    laplacian,
)

PI = math.pi
STRING = Interval(0, PI)


def problem(equation, domain, conditions, start=0.0):
    return PDE(equation, domain, conditions, coefficients={"lam": start})


def string(conditions, start=0.5):
    return problem(lambda u, lam: u.xx + lam * u, STRING, conditions, start)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stated", "exact"),
    [
        (string([Dirichlet(0.0)]), [1, 4, 9, 16, 25, 36]),
        (string([Neumann(0.0)], -0.5), [0, 1, 4, 9, 16, 25]),
        (string([Dirichlet(0.0, on="x=0"), Neumann(0.0, on="x=3.14159265359")]), [0.25, 2.25, 6.25, 12.25]),
        # Not self-adjoint: u'' - 4 u' + lam u = 0 has the eigenvalues n^2 + 4.
        (problem(lambda u, lam: u.xx - 4 * u.x + lam * u, STRING, [Dirichlet(0.0)]), [5, 8, 13, 20]),
        # A beam with hinged ends, lam u - u'''' = 0, has n^4.
        (
            problem(lambda u, lam: lam * u - u.xxxx, STRING, [Dirichlet(0.0), Condition(lambda u: u.xx)]),
            [1, 16, 81],
        ),
        *at_night(
            (
                problem(lambda u, lam: laplacian(u) + lam * u, Box(x=(0, PI), y=(0, PI)), [Dirichlet(0.0)], 1.0),
                [2, 5, 5, 8, 10, 10],
            )
        ),
    ],
)
def test_exact_eigenvalues(stated, exact):
    found = eigenvalues(stated, count=len(exact))
    error = np.abs(found.values - exact)
    assert float(error.max()) < 1e-8
    assert bool((error <= 3 * found.errors + 1e-10).all())
    assert found.trust.startswith("Checked: ")


@pytest.mark.slow
def test_the_onset_of_convection_of_order_six():
    """Rayleigh's number 1707.762 (S. Chandrasekhar, "Hydrodynamic and Hydromagnetic Stability", 1961, table III)."""
    a = 3.117
    stuck = Condition(lambda w: w.xxxx - 2 * a**2 * w.xx + a**4 * w)
    stated = problem(
        lambda w, lam: w.xxxxxx - 3 * a**2 * w.xxxx + 3 * a**4 * w.xx - a**6 * w + a**2 * lam * w,
        Interval(0, 1),
        [Dirichlet(0.0), Neumann(0.0), stuck],
        1e3,
    )
    assert float(eigenvalues(stated, count=3).values[0]) == pytest.approx(1707.762, abs=1e-3)


value = Observations(torch.tensor([[1.0]]), torch.ones(1))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (3, "^problem must be a PDE, got int$"),
        (PDE(lambda u: u.xx, STRING, [Dirichlet(0.0)]), "^problem must have one unknown coefficient, .* got none$"),
        (string([Dirichlet(1.0)]), "^problem must be linear and homogeneous in u .* got Dirichlet 1 on x=0, .*,"),
        (string([Dirichlet(0.0), value]), "^problem must be linear and homogeneous in u for eigenvalues, got"),
        (problem(lambda u, lam: u.xx + lam * u**3, STRING, [Dirichlet(0.0)]), "got an equation or a condition that"),
        (problem(lambda u, lam: u.xx + lam**2 * u, STRING, [Dirichlet(0.0)], 1.0), "^problem must depend linearly on"),
        (string([Dirichlet(0.0), Interface("x=1")]), "^problem must have no Interface for eigenvalues"),
        (string([Dirichlet(0.0, hard=True)]), "^problem must have no integrals, no delays .* got a hard condition$"),
        (problem(lambda u, lam: u.t + lam * u, Time(0, 1), [Initial(0.0)]), "^problem must not depend on time or a"),
        (
            problem(lambda u, lam, m: u.xx + lam * m * u, STRING * Parameter("m", 1, 2), [Dirichlet(0.0)]),
            "^problem must not depend on time or a Parameter .* got the coordinates x, m: ask",
        ),
        (  # Galerkin's method with splines takes the slope for continuous, and the first value is half of the right one
            problem(
                lambda u, lam: diffusion(u, lambda x: torch.where(x < 1, 1.0, 10.0)) + lam * u, STRING, [Dirichlet(0.0)]
            ),
            "^problem must have leading coefficients without jumps for eigenvalues, got a jump near x = 1: where",
        ),
        (
            problem(
                lambda u, lam: laplacian(u) + lam * u, Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1)), [Dirichlet(0.0)]
            ),
            "^domain must be of up to three coordinates",
        ),
        (
            problem(lambda u, lam: u.xxxx + 2 * u.xxyy + u.yyyy - lam * u, Disk(), [Dirichlet(0.0), Neumann(0.0)]),
            "^problem must be one equation of second order for eigenvalues on a Disk, got 1 of order 4",
        ),
    ],
)
def test_other_problems_are_refused_in_one_sentence(stated, message):
    with pytest.raises(InputError, match=message):
        eigenvalues(stated)


def squares_of(order, count, ends):
    """Squares of the first wave numbers of a Bessel function of an order that vanish at all ends of a function."""
    places = np.linspace(1e-3, 20, 4000)
    values = ends(order, places)
    found = np.flatnonzero(values[1:] * values[:-1] < 0)[:count]
    roots = [brentq(lambda k: ends(order, k), places[n], places[n + 1], xtol=1e-14) for n in found]
    return np.repeat(np.array(roots) ** 2, 1 if order == 0 else 2)


def first_of(ends, count=6):
    return np.sort(np.concatenate([squares_of(order, 3, ends) for order in range(7)]))[:count]


def helmholtz(domain, conditions, start=1.0):
    return problem(lambda u, lam: laplacian(u) + lam * u, domain, conditions, start)


DISK = first_of(jv)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stated", "exact", "most"),
    [
        (helmholtz(Disk(), [Robin(1.0, 2.0, 0.0)]), first_of(lambda n, k: 2 * k * jvp(n, k) + jv(n, k)), 1e-8),
        # With u = exp(-x) v, laplacian u + 2 u_x + lam u is that of v with lam - 1: not self-adjoint.
        *at_night(
            (problem(lambda u, lam: laplacian(u) + 2 * u.x + lam * u, Disk(), [Dirichlet(0.0)], 1.0), DISK + 1, 1e-8)
        ),
        *at_night(
            (
                helmholtz(Annulus(0.5, 1.0), [Dirichlet(0.0)]),
                first_of(lambda n, k: jv(n, 0.5 * k) * yv(n, k) - jv(n, k) * yv(n, 0.5 * k)),
                1e-2,
            )
        ),
        # A triangle with equal sides: G. Lame, 1833.
        *at_night(
            (
                helmholtz(Polygon([(0, 0), (1, 0), (0.5, math.sqrt(0.75))]), [Dirichlet(0.0)]),
                16 / 9 * PI**2 * np.array([3, 7, 7, 12, 13, 13]),
                1e-4,
            )
        ),
    ],
)
def test_eigenvalues_where_the_boundary_cuts_cells(stated, exact, most):
    found = eigenvalues(stated, count=min(6, len(exact)), tolerance=most / 50)
    wrong = np.abs(found.values - exact[: len(found.values)])
    assert wrong.max() < most
    assert (wrong <= 3 * found.errors + 1e-8).all()


MASS_AT_END = brentq(lambda k: math.cos(k) - k * math.sin(k), 0.1, 1.5) ** 2


@pytest.mark.parametrize(
    ("equation", "domain", "conditions", "exact"),
    [
        # A string with a mass at its end, u'(1) = lam u(1): cot k = k for lam = k^2.
        (
            lambda u, lam: u.xx + lam * u,
            Interval(0, 1),
            [Dirichlet(0.0, on="x=0"), Condition(lambda u, lam: u.x - lam * u, on="x=1")],
            [MASS_AT_END],
        ),
        # Sloshing in a box, Steklov's condition at one side: n pi tanh(n pi).
        (
            lambda u: laplacian(u),
            Box(x=(0, 1), y=(-1, 0)),
            [Neumann(0.0, on=["x=0", "x=1", "y=-1"]), Condition(lambda u, lam: u.y - lam * u, on="y=0")],
            [0.0, PI * math.tanh(PI), 2 * PI * math.tanh(2 * PI)],
        ),
        # Two eigenvalues in all, tanh(1/2) and coth(1/2).
        (
            lambda u: u.xx - u,
            Interval(0, 1),
            [Condition(lambda u, lam, normal: normal[:, 0] * u.x - lam * u)],
            [math.tanh(0.5), 1 / math.tanh(0.5)],
        ),
    ],
)
def test_the_eigenvalue_may_stand_in_a_condition(equation, domain, conditions, exact):
    """With splines that fulfil conditions for all values of it, these were those of Dirichlet's condition, or nan."""
    found = eigenvalues(problem(equation, domain, conditions, 0.4), count=len(exact))
    assert np.abs(found.values - exact).max() < 1e-9


@pytest.mark.parametrize(("height", "half"), [(2e4, 5e-4), (-2e4, 5e-4), (2e6, 5e-6)])
def test_a_narrow_barrier_or_well_is_resolved(height, half):
    """Exact eigenvalues end with u(1) = 0 where u and u' go from part to part."""

    def potential(x):
        return torch.where((x - 0.3).abs() < half, height, 0.0)

    def at_the_end(value):
        u, slope = 0.0, 1.0
        for length, level in ((0.3 - half, 0.0), (2 * half, height), (0.7 - half, 0.0)):
            k = np.sqrt(complex(value - level))
            u, slope = (
                u * np.cos(k * length) + slope * np.sin(k * length) / k,
                slope * np.cos(k * length) - u * k * np.sin(k * length),
            )
        return u.real

    stated = problem(lambda u, x, lam: u.xx + (lam - potential(x)) * u, Interval(0, 1), [Dirichlet(0.0)])
    for value in eigenvalues(stated, count=3).values:
        assert at_the_end(value * (1 - 1e-8)) * at_the_end(value * (1 + 1e-8)) < 0


def test_a_time_limit_keeps_the_last_grid(counted_seconds):
    stated = string([Dirichlet(0.0)], 1.0)
    found = eigenvalues(stated, count=2, tolerance=0.0, time_limit=0.02)
    assert found.trust.endswith("; the time was over before the next one.")
    assert found.values[1] == pytest.approx(4, 1e-4)
    with pytest.raises(InputError, match=r"^time_limit must be long enough for 2 eigenvalues, got 0.001 s$"):
        eigenvalues(stated, count=2, time_limit=1e-3)


@pytest.mark.parametrize("start", [0.0, 1.0, 1.0 + 1e-12])
def test_a_start_value_that_is_an_eigenvalue(start):
    """Beside one, the others had lost half of their digits."""
    found = eigenvalues(string([Neumann(0.0)], start), count=3)
    assert np.abs(found.values - [0, 1, 4]).max() < 1e-9


def test_functions_have_mean_square_one_and_take_what_solutions_take():
    found = eigenvalues(string([Dirichlet(0.0)]), count=2)
    assert repr(found).startswith("<Eigenvalues 1 ± ")
    mode = found.function(1)
    places = torch.linspace(0, PI, 7, dtype=torch.float32)
    assert mode(places).dtype == torch.float32 and mode(places.tolist()).shape == (7, 1)
    assert np.allclose(np.abs(mode(places.numpy()))[:, 0], math.sqrt(2) * np.abs(np.sin(2 * places.numpy())), atol=1e-6)
    with pytest.raises(InputError, match=r"x must have shape \(b, 1\), got \(2, 2\)"):
        mode(np.zeros((2, 2)))
    with pytest.warns(EdgewiseWarning, match="1 of 1 points lie outside the domain, x in"):
        mode([4.0])
    with pytest.raises(InputError, match=r"^number must be that of a real eigenvalue, 0 to 1, got 2$"):
        found.function(2)


def test_a_look_for_which_there_was_no_time_is_named(counted_seconds):
    """A narrow barrier that nobody had looked for: the eigenvalues were those without it, and nothing said so."""

    def slow_barrier(x):
        counted_seconds.readings += len(x) // 100
        return torch.where((x - 0.3).abs() < 1e-5, 2e4, 0.0)

    stated = problem(lambda u, x, lam: u.xx + (lam - slow_barrier(x)) * u, Interval(0, 1), [Dirichlet(0.0)])
    hurried = eigenvalues(stated, count=2, time_limit=2.0)
    assert "no time to look for narrow features of the given functions (equation)" in hurried.trust
    assert "may be missed" not in eigenvalues(stated, count=2).trust

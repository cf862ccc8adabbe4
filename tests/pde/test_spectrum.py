"""Eigenvalues against exact ones, scipy's Mathieu functions and published digits."""

import math

import numpy as np
import pytest
import torch
from scipy.special import mathieu_a, mathieu_b

from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Eigenvalues,
    Initial,
    Interval,
    LShape,
    Neumann,
    Observations,
    Periodic,
    Time,
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
        (
            problem(lambda u, lam, x: u.xx / 2 + (lam - x**2 / 2) * u, Interval(-10, 10), [Dirichlet(0.0)]),
            [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
        ),
        # Not self-adjoint: u'' - 4 u' + lam u = 0 has the eigenvalues n^2 + 4.
        (problem(lambda u, lam: u.xx - 4 * u.x + lam * u, STRING, [Dirichlet(0.0)]), [5, 8, 13, 20]),
        # A beam with hinged ends, lam u - u'''' = 0, has n^4.
        (
            problem(lambda u, lam: lam * u - u.xxxx, STRING, [Dirichlet(0.0), Condition(lambda u: u.xx)]),
            [1, 16, 81],
        ),
        (
            problem(lambda u, lam: laplacian(u) + lam * u, Box(x=(0, PI), y=(0, PI)), [Dirichlet(0.0)], 1.0),
            [2, 5, 5, 8, 10, 10],
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
def test_eigenvalues_of_mathieu():
    stated = problem(lambda u, x, lam: u.xx + (lam - 10 * torch.cos(2 * x)) * u, STRING, [Periodic("x")], -6.0)
    exact = sorted([mathieu_a(n, 5) for n in (0, 2, 4)] + [mathieu_b(n, 5) for n in (2, 4)])
    assert np.allclose(eigenvalues(stated, count=5).values, exact, atol=1e-9)


@pytest.mark.slow
def test_the_drum_with_a_reentrant_corner(monkeypatch):
    """9.6397238440219 by L. N. Trefethen and T. Betcke, "Computed eigenmodes of planar regions" (2006)."""
    monkeypatch.setattr("edgewise.pde.spectrum.COARSEST_WITH_CORNERS", 8)
    monkeypatch.setattr("edgewise.pde.spectrum.MOST_WITH_CORNERS", 750)
    drum = problem(lambda u, lam: laplacian(u) + lam * u, LShape(), [Dirichlet(0.0)], 9.0)
    found = eigenvalues(drum, count=3)
    assert found.values[0] == pytest.approx(9.6397238440219, abs=1e-6)
    assert found.values[1] == pytest.approx(15.1972519264543, abs=1e-5)
    assert found.values[2] == pytest.approx(2 * PI**2, abs=1e-6)
    assert abs(found.values[0] - 9.6397238440219) < found.errors[0]


@pytest.mark.slow
def test_functions_have_mean_square_one_and_solve_the_equation():
    found = eigenvalues(string([Dirichlet(0.0)]), count=2)
    x = np.linspace(0, PI, 101)[:, None]
    second = found.function(1)(x)
    expected = math.sqrt(2) * np.sin(2 * x)
    assert np.allclose(second * np.sign(second[10]), expected, atol=1e-6)
    assert repr(found).startswith("<Eigenvalues 1 ± ")
    with pytest.raises(InputError, match=r"^number must be that of a real eigenvalue, 0 to 1, got 2$"):
        found.function(2)


@pytest.mark.slow
def test_complex_eigenvalues():
    """u'' + 2 u' + lam u = 0 on a circle: lam = n^2 - 2 i n."""
    circle = Interval(0, 2 * PI)
    stated = problem(lambda u, lam: u.xx + 2 * u.x + lam * u, circle, [Periodic("x")], 0.3)
    found = eigenvalues(stated, count=3)
    assert isinstance(found, Eigenvalues) and found.networks == ()
    assert np.allclose(sorted(found.values, key=lambda each: each.imag), [1 - 2j, 0, 1 + 2j], atol=1e-8)


value = Observations(torch.tensor([[1.0]]), torch.ones(1))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (3, "^problem must be a PDE, got int$"),
        (PDE(lambda u: u.xx, STRING, [Dirichlet(0.0)]), "^problem must have one unknown coefficient, .* got none$"),
        (string([Dirichlet(1.0)]), "^problem must be linear and homogeneous in the fields"),
        (string([Dirichlet(0.0), value]), "^problem must be linear and homogeneous"),
        (problem(lambda u, lam: u.xx + lam * u**3, STRING, [Dirichlet(0.0)]), "^problem must be linear and homogen"),
        (problem(lambda u, lam: u.xx + lam**2 * u, STRING, [Dirichlet(0.0)], 1.0), "^problem must depend linearly on"),
        (string([Dirichlet(0.0, hard=True)]), "^problem must have no integrals, no delays and no hard conditions"),
        (problem(lambda u, lam: u.t + lam * u, Time(0, 1), [Initial(0.0)]), "^problem must not depend on time"),
        (problem(lambda u, lam: laplacian(u) + lam * u, Disk(), [Dirichlet(0.0)]), "^domain must be a box of up to"),
    ],
)
def test_other_problems_are_refused_in_one_sentence(stated, message):
    with pytest.raises(InputError, match=message):
        eigenvalues(stated)


def test_wrong_options():
    with pytest.raises(InputError, match=r"^count must be an integer of at least 1, got 0$"):
        eigenvalues(string([Dirichlet(0.0)]), count=0)
    with pytest.raises(InputError, match=r"^tolerance must be a number of at least 0, got -1$"):
        eigenvalues(string([Dirichlet(0.0)]), tolerance=-1)


def test_a_time_limit_keeps_the_last_grid(counted_seconds):
    string = PDE(lambda u, lam: u.xx + lam * u, Interval(0, torch.pi), [Dirichlet(0.0)], coefficients={"lam": 1.0})
    found = eigenvalues(string, count=2, tolerance=0.0, time_limit=0.02)
    assert found.trust.endswith("; the time was over before the next one.") and found.values[1] == pytest.approx(
        4, 1e-4
    )
    with pytest.raises(InputError, match=r"^time_limit must be long enough for 2 eigenvalues, got 0.001 s$"):
        eigenvalues(string, count=2, time_limit=1e-3)

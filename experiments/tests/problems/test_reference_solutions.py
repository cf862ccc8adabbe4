"""The references: finer ones agree, conserved quantities stay, walls hold the fluid."""

import math

import numpy as np
import pytest

from edgewise_experiments.problems.reference_solutions import allen_cahn, cavity, lotka_volterra, pendulum, robertson


def test_oscillators_conserve_energy():
    t = np.linspace(0, 10, 11)
    u = pendulum(t)
    assert u.shape == (11, 1) and u[0, 0] == 2.0 and np.abs(u).max() <= 2.0 + 1e-9
    u, v = lotka_volterra(np.linspace(0, 4, 9)).T
    kept = u - 3 * np.log(u) + v - 1.5 * np.log(v)
    assert np.ptp(kept) < 1e-10


@pytest.mark.slow
def test_robertson_conserves_mass_and_is_that_of_the_books():
    y = robertson(np.array([0.0, 0.4, 40.0]))
    assert np.allclose(y[:, 0] + y[:, 1] / 1e4 + y[:, 2], 1, atol=1e-11)
    assert np.allclose(y[2], [0.7158, 9.185e-6 * 1e4, 0.2842], rtol=1e-3)  # CVODE's example cvRoberts_dns, t = 40


def test_allen_cahn_starts_as_it_should_and_converges():
    x, t = np.linspace(-1, 1, 41), np.array([0.0, 0.5])
    fine, coarse = allen_cahn(x, t, modes=1024, steps=400), allen_cahn(x, t, modes=512, steps=200)
    assert np.allclose(fine[0, 1:-1], (x**2 * np.cos(math.pi * x))[1:-1], atol=1e-4)
    assert np.abs(fine[1] - coarse[1]).max() < 1e-4


def test_the_cavity():
    wall = np.array([[0.0, 0.3], [1.0, 0.6], [0.4, 0.0], [0.25, 1.0]])
    found = cavity(wall, size=20)
    assert np.allclose(found, [[0, 0], [0, 0], [0, 0], [16 * 0.25**2 * 0.75**2, 0]], atol=1e-10)
    inside = np.array([[0.5, 0.5], [0.3, 0.8]])
    assert np.abs(cavity(inside, size=20) - cavity(inside, size=24)).max() < 1e-4

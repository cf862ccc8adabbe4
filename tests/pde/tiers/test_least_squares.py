"""Corners and round holes in `solve`: series of Bessel functions, poles and manufactured solutions as witnesses."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import i0, i1, jv, k0, k1, yv
from tests.night import at_night

import edgewise
from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Dirichlet,
    Disk,
    LevelSet,
    LShape,
    Robin,
    laplacian,
    solve,
)
from edgewise.pde.spaces.networks import EnrichedNetwork, TensorNetwork
from edgewise.pde.tiers.least_squares import operator_of

pytestmark = pytest.mark.slow
SQUARE = Box(x=(-1, 1), y=(-1, 1))


def lightning(points, poles=60):
    """-laplacian u = 1, u = 0 on the L-shape by poles clustered at its corners (Gopal and Trefethen, 2019)."""
    corners = np.array([-1 - 1j, -1j, 0, 1, 1 + 1j, -1 + 1j])
    outside = np.exp(1j * np.pi / 4 * np.array([5, 7, 7, 7, 1, 3]))
    distance = np.exp(4 * (np.sqrt(np.arange(1, poles + 1)) - math.sqrt(poles)))
    at = (corners[:, None] + outside[:, None] * distance).ravel()
    near = np.exp(-np.linspace(0, 30, 500)) / 2
    along = np.concatenate([near, 1 - near])
    ends = np.roll(corners, -1)
    rim = np.concatenate([a + (b - a) * along for a, b in zip(corners, ends, strict=True)])

    def columns(z):
        scale = np.tile(distance, 6)
        fractions = scale / (z[:, None] - at)
        powers = (z[:, None] + 0.3 - 0.3j) ** np.arange(25) / 1.6 ** np.arange(25)
        both = np.concatenate([fractions, powers], 1)
        return np.concatenate([both.real, both.imag], 1)

    rim = rim[np.abs(rim[:, None] - corners).min(1) > 1e-13]
    matrix = columns(rim)
    coef = np.linalg.lstsq(matrix, np.abs(rim) ** 2 / 4, rcond=1e-15)[0]
    misfit = np.abs(matrix @ coef - np.abs(rim) ** 2 / 4).max()
    return columns(points) @ coef - np.abs(points) ** 2 / 4, misfit


def test_poisson_on_an_l_shape():
    solution = solve(PDE(lambda u: laplacian(u) + 1, LShape(), [Dirichlet(0.0)]))
    assert isinstance(solution.model, EnrichedNetwork) and solution.stopped == "converged"
    assert solution.trust.startswith("Checked: ")
    x = LShape().interior(200, "sobol", seed=4).numpy()
    wanted, misfit = lightning(x[:, 0] + 1j * x[:, 1])
    assert misfit < 1e-7  # by the maximum principle
    error = np.abs(solution(x)[:, 0] - wanted).max()
    assert error < misfit + 1e-9


@pytest.mark.parametrize("square", [-4.0, 9.0])
def test_a_ring_by_bessel_functions(square):
    problem = PDE(
        lambda u: laplacian(u) + square * u + 1,
        Annulus(0.3, 1.0, (0.2, 0.1)),
        [Dirichlet(0.0, on="outer"), Robin(1.0, 1.0, 1.0, on="inner")],
    )
    solution = solve(problem)
    wave = math.sqrt(abs(square))
    pair = (i0, k0) if square < 0 else (partial(jv, 0), partial(yv, 0))
    slopes = (i1, lambda r: -k1(r)) if square < 0 else (lambda r: -jv(1, r), lambda r: -yv(1, r))
    matrix = [
        [f(wave) for f in pair],
        [f(0.3 * wave) - wave * slope(0.3 * wave) for f, slope in zip(pair, slopes, strict=True)],
    ]
    factors = np.linalg.solve(matrix, [1 / square, 1 + 1 / square])
    x = problem.domain.interior(200, "sobol", seed=4).numpy()
    r = np.hypot(x[:, 0] - 0.2, x[:, 1] - 0.1)
    wanted = factors[0] * pair[0](wave * r) + factors[1] * pair[1](wave * r) - 1 / square
    assert np.abs(solution(x)[:, 0] - wanted).max() < 1e-8
    assert solution.stopped == "converged"


def test_files_derivatives_and_fluxes(tmp_path):
    domain = SQUARE - Disk(0.4, (0.1, 0.2))
    problem = PDE(lambda u: laplacian(u) - 3 * u, domain, [Dirichlet(1.0)])
    solution = solve(problem, tolerance=1e-6)
    edgewise.save(solution, tmp_path / "hole.safetensors")
    again = edgewise.load(tmp_path / "hole.safetensors", problem=problem)
    x = domain.interior(100, "sobol", seed=2)
    assert torch.equal(again(x), solution(x)) and again.trust == solution.trust
    third = solution.derivative(x, "xxx") + solution.derivative(x, "xyy")
    assert torch.allclose(third, 3 * solution.derivative(x, "x"), atol=0.02)
    outer = solution.flux([name for name in domain.boundary_names if name != "inner"])
    inside = 3 * solution.integral()
    assert outer + solution.flux("inner") == pytest.approx(inside, rel=2e-3)


def smooth(x, y):
    return x.exp() * (2 * y).sin() + (3 * x * y).cos()


def source(x, y):
    """Laplacian of `smooth`."""
    return -3 * x.exp() * (2 * y).sin() - 9 * (x**2 + y**2) * (3 * x * y).cos()


@pytest.mark.parametrize(
    "domain",
    [
        Disk(),
        # a box wider than the ellipse
        *at_night(LevelSet(lambda x, y: x**2 / 4 + y**2 - 1, x=(-3, 3), y=(-2, 2))),
        Disk() - LevelSet(lambda x, y: x**2 / 0.16 + y**2 / 0.04 - 1, x=(-1, 1), y=(-1, 1)),
    ],
)
def test_splines_alone_on_smooth_domains(domain):
    solution = solve(
        PDE(lambda u, x, y: laplacian(u) - source(x, y), domain, [Dirichlet(smooth)], solution=smooth), budget=0.1
    )
    assert type(solution.model) is TensorNetwork and solution.stopped == "converged"
    error = solution.errors().relative_l2
    assert error < 3e-11 and error / 3 < solution.error_estimate < 1e-9


@pytest.mark.parametrize(
    ("equation", "is_known"),
    [
        (lambda u: 3 * laplacian(u) + 1, True),
        (lambda u: -laplacian(u) - 2 * u, True),
        (lambda u: u.xx + 2 * u.yy, False),
        (lambda u: laplacian(u) + u.xy, False),
    ],
)
def test_singular_functions_are_those_of_a_multiple_of_the_laplacian(equation, is_known):
    assert (operator_of(PDE(equation, Box(x=(0, 1), y=(0, 1)), [Dirichlet(0.0)])) is not None) == is_known

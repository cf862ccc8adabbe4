"""Methods of textbooks for the equations of the panel that `classical` does not have, each written for its equation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from edgewise_experiments.problems import (
    cases,
    drawn_fields,
    four_balls,
    long_flow,
    many_dimensions,
    new_cases,
    plane_cases,
)
from edgewise_experiments.problems import reference_solutions as references
from edgewise_experiments.problems.classical import (
    CHEBYSHEV,
    CLASSICAL,
    FOURIER,
    FOURIER_DOP853,
    IN_TIME,
    Method,
    axis,
    diagonalised,
    exact,
    newton_on_square,
    ode,
    poles,
)
from edgewise_experiments.problems.reference_solutions import distance, grid_points

PI = math.pi
Reference = Callable[..., tuple[np.ndarray, np.ndarray]]


def coarser(reference: Reference, **sizes: float) -> Callable[[], float]:
    """Compute a reference with other sizes; the result measures its distance from the reference, at common points."""
    other, found = reference(**sizes)

    def error() -> float:
        points, true = reference()
        places = {tuple(point): number for number, point in enumerate(np.round(other, 9).tolist())}
        both = [(places[key], k) for k, key in enumerate(map(tuple, np.round(points, 9).tolist())) if key in places]
        rows, columns = (list(each) for each in zip(*both, strict=True))
        return distance(found[rows], true[columns])

    return error


def minimal_surface(x: np.ndarray, y: np.ndarray, *jet: np.ndarray) -> tuple[np.ndarray, list]:
    """Residual of Scherk's surface."""
    _, p, q, xx, xy, yy = jet
    slopes = [0.0, 2 * p * yy - 2 * q * xy, 2 * q * xx - 2 * p * xy, 1 + q**2, -2 * p * q, 1 + p**2]
    return (1 + q**2) * xx - 2 * p * q * xy + (1 + p**2) * yy, slopes


def monge_ampere(x: np.ndarray, y: np.ndarray, *jet: np.ndarray) -> tuple[np.ndarray, list]:
    """Residual of the equation of Monge and Ampere."""
    _, _, _, xx, xy, yy = jet
    source = (1 + x**2 + y**2) * np.exp(x**2 + y**2)
    return xx * yy - xy**2 - source, [0.0, 0.0, 0.0, yy, -2 * xy, xx]


def two_layers(x: np.ndarray, y: np.ndarray, *jet: np.ndarray) -> tuple[np.ndarray, list]:
    """Residual of the convection of heat."""
    _, p, q, xx, _, yy = jet
    f, g = (s - (np.exp(20 * (s - 1)) - math.exp(-20)) / (1 - math.exp(-20)) for s in (x, y))
    return p + q - (xx + yy) / 20 - f - g, [0.0, 1.0, 1.0, -1 / 20, 0.0, -1 / 20]


def four_circles() -> float:
    """Polynomials, and a logarithm and Laurent terms in each hole, fitted to the values at the boundary."""
    problem = cases.four_circles()
    centers = [complex(a, b) for a, b, _ in cases.HOLES]

    def columns(points: np.ndarray) -> np.ndarray:
        z = points[:, 0] + 1j * points[:, 1]
        powers = (z[:, None] / 0.7) ** np.arange(24)
        poles_ = [(0.1 / (z[:, None] - center)) ** np.arange(1, 9) for center in centers]
        logs = np.stack([np.log(np.abs(z - center)) for center in centers], 1)
        whole = np.concatenate([powers, *poles_], 1)
        return np.concatenate([whole.real, whole.imag[:, 1:], logs], 1)

    angle, side = 2 * PI * np.arange(200) / 200, np.cos(PI * (np.arange(200) + 0.5) / 200) / 2
    rim = [0.5 * turn + 1j * turn * side for turn in (1, 1j, -1, -1j)]
    rim += [center + 0.1 * np.exp(1j * angle) for center in centers]
    at = np.concatenate(rim)
    inside = problem.domain.interior(2000, "sobol", seed=1).numpy()
    return poles(problem, np.stack([at.real, at.imag], 1), inside, columns)


def resonator(size: int = 24) -> float:
    """Chebyshev points; the electric field stays zero at the walls."""
    problem = new_cases.resonator()
    s, first, _ = axis(0, 1, size)
    grid = grid_points(s, s)
    rim = ((grid == 0) | (grid == 1)).any(1).reshape(size + 1, -1)

    def rate(t: float, state: np.ndarray) -> np.ndarray:
        e, h, g = state.reshape(3, size + 1, -1)
        return np.stack([np.where(rim, 0.0, first @ g - h @ first.T), -e @ first.T, first @ e]).ravel()

    start, end = (exact(problem, np.column_stack([grid, np.full(len(grid), t)])).T for t in (0.0, 1.0))
    found = solve_ivp(rate, (0, 1), start.ravel(), method="DOP853", rtol=1e-10, atol=1e-11).y[:, -1]
    return distance(found, end.ravel())


def clamped_plate(size: int = 24) -> float:
    """Chebyshev points, with rows for the slope next to the edges."""
    nodes, first = references.chebyshev(size)
    one, second = np.eye(size + 1), first @ first
    whole = np.kron(second @ second, one) + 2 * np.kron(second, second) + np.kron(one, second @ second)
    index = np.arange((size + 1) ** 2).reshape(size + 1, -1)
    rows, _ = references.wall_rows(index, np.kron(first, one), np.kron(one, first), np.zeros(size + 1))
    x, y = grid_points(nodes, nodes).T
    a, b = np.cos(2 * PI * x), np.cos(2 * PI * y)
    load = 4 * PI**4 * (4 * a * b - a - b)
    for place, row in rows.items():
        whole[place], load[place] = row, 0.0
    return distance(np.linalg.solve(whole, load), np.sin(PI * x) ** 2 * np.sin(PI * y) ** 2)


def orbit(t: float, state: np.ndarray) -> list[float]:
    """Rates of place and speed."""
    x, y, u, v = state
    cubed = math.hypot(x, y) ** 3
    return [u, v, -x / cubed, -y / cubed]


def spreading(size: int = 12, moments: int = 20) -> float:
    """Error at the last moment of Chebyshev points of coordinates and time, by eigenvectors of the coordinates."""
    problem = many_dimensions.spreading()
    (x, _, second), (t, rate, _) = axis(-1, 1, size), axis(0, 1, moments)
    shape = (*(size + 1,) * 4, moments + 1)
    points = grid_points(x, x, x, x, t)
    true = exact(problem, points)[:, 0].reshape(shape)
    inside = (slice(1, -1),) * 4
    rim = true.copy()
    rim[inside] = 0.0
    rhs = sum(np.moveaxis(np.tensordot(second, rim, (1, k)), 0, k) for k in range(4))[inside]
    values, vectors = np.linalg.eig(second[1:-1, 1:-1])
    state = true[inside][..., 0]
    for k in range(4):
        rhs, state = (np.moveaxis(np.tensordot(np.linalg.inv(vectors), each, (1, k)), 0, k) for each in (rhs, state))
    total = sum(np.meshgrid(*[values.real] * 4, indexing="ij"))
    matrix = rate[1:, 1:] - total[..., None, None] * np.eye(moments)
    last = np.linalg.solve(matrix, (rhs[..., 1:] - state[..., None] * rate[1:, 0])[..., None])[..., -1, 0]
    for k in range(4):
        last = np.moveaxis(np.tensordot(vectors, last, (1, k)), 0, k)
    found = true[..., -1].copy()
    found[inside] = last.real
    return distance(found, true[..., -1])


def inverse_sum(points: np.ndarray) -> np.ndarray:
    """The solution in five and eight dimensions, 1 / (1 + sum of coordinates)."""
    return 1 / (1 + points.sum(1))


SERIES = "Laurent series, least squares"
FURTHER: dict[str, Method] = {
    "four circles": (SERIES, four_circles),
    "four holes (Poisson2d-C)": (SERIES, lambda: coarser(new_cases.laurent_series, powers=16, terms=8)),
    "long time (Heat2d-LT)": ("sines, Runge-Kutta", lambda: coarser(new_cases.long_time_reference, modes=48)),
    "Kuramoto-Sivashinsky (KS)": (FOURIER, lambda: coarser(cases.kuramoto_reference, steps=10_000)),
    "lid (NS2d-C)": (f"{CHEBYSHEV}, stream function", lambda: coarser(new_cases.lid_reference, size=28)),
    "Gray-Scott": (FOURIER_DOP853, lambda: coarser(cases.gray_scott_reference, modes=128)),
    "FitzHugh-Nagumo": (FOURIER_DOP853, lambda: coarser(cases.nerve_reference, modes=256)),
    "Swift-Hohenberg": (FOURIER_DOP853, lambda: coarser(new_cases.swift_hohenberg_reference, modes=32)),
    "Brusselator": (FOURIER_DOP853, lambda: coarser(new_cases.brusselator_reference, modes=128)),
    "minimal surface": (CHEBYSHEV, lambda: newton_on_square(new_cases.scherk(), 32, minimal_surface)),
    "Monge-Ampere": (CHEBYSHEV, lambda: newton_on_square(new_cases.monge_ampere(), 20, monge_ampere)),
    "two layers": (CHEBYSHEV, lambda: newton_on_square(new_cases.heat_and_flow(), 36, two_layers)),
    "orbit": ("DOP853", lambda: ode(orbit, [0.4, 0.0, 0.0, 2.0], 6.0, lambda: new_cases.kepler_reference()[1][0])),
    "Blasius": ("solve_bvp", lambda: coarser(new_cases.blasius_reference, tolerance=1e-6)),
    "van der Pol": ("Radau", lambda: coarser(new_cases.van_der_pol_reference, tolerance=1e-9)),
    "resonator": (IN_TIME, resonator),
    "four holes with a reaction (Poisson2d-CG)": (
        "charges and multipoles, least squares",
        lambda: coarser(new_cases.boltzmann_series, charges=24, terms=18),
    ),
    "four balls (Poisson3d-CG)": (
        "charges and waves, least squares",
        lambda: coarser(four_balls.charges_and_waves, charges=150, share=0.5, waves=12),
    ),
    "heat in a ball (HNd)": ("Chebyshev points of the radius, Radau", many_dimensions.radial_heat),
    "eight dimensions": (
        f"{CHEBYSHEV}, diagonalised",
        lambda: diagonalised(many_dimensions.eight_dimensions(), 5, lambda points: 16 * inverse_sum(points) ** 3),
    ),
    "four dimensions and time": (f"{CHEBYSHEV}, diagonalised", spreading),
    "cubic in five dimensions": (
        f"{CHEBYSHEV}, diagonalised, iterated",
        lambda: diagonalised(
            many_dimensions.cubic(), 8, lambda points: 9 * inverse_sum(points) ** 3, reaction=lambda u: u**3
        ),
    ),
    "clamped plate": (CHEBYSHEV, clamped_plate),
    "backward step (NS2d-CG)": (
        "finite elements of degree 4 and 3",
        lambda: coarser(plane_cases.step_reference, cells=4, rounds=6),
    ),
    "pulsating channel (NS2d-LT)": (
        "finite elements of degree 3 and 2, BDF3",
        lambda: coarser(long_flow.long_flow_elements, cells=8, steps=200),
    ),
    "heat around holes (Heat2d-CG)": (
        "finite elements of degree 4, Laplace transform",
        lambda: coarser(plane_cases.holes_reference, width=0.8, chords=24, nodes=24),
    ),
    "patches (Poisson2d-MS)": ("spectral elements", lambda: coarser(plane_cases.patches_reference, degree=12)),
    "waves, t to 100 (Wave2d-MS)": ("sines", lambda: coarser(plane_cases.long_waves_plane_reference, terms=1000)),
    "pulses in the plane (GS)": (FOURIER, lambda: coarser(plane_cases.gray_scott_plane_reference, modes=128)),
    "heat through noise (Heat2d-VC)": (
        "sines, GMRES",
        lambda: coarser(drawn_fields.heat_through_noise_reference, cells=510),
    ),
    "wave through noise (Wave2d-CG)": (
        "cosines, Galerkin's method",
        lambda: coarser(drawn_fields.wave_through_noise_reference, modes=32),
    ),
    "shocks in the plane (Burgers2d-C)": (
        FOURIER,
        lambda: coarser(drawn_fields.drawn_burgers_reference, modes=192, steps=600),
    ),
}
METHODS = {**CLASSICAL, **FURTHER}

"""Independent solvers for equations without a closed solution: Fourier and Chebyshev series, scipy's ODE solvers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from edgewise_experiments.problems.named_equations import ROBERTSON_SCALE

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-12, 1e-13  # of scipy's solvers, near the precision of float64


def distance(found: np.ndarray, true: np.ndarray) -> float:
    """Relative difference in the root mean square."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def grid_points(*lines: ArrayLike) -> np.ndarray:
    """Points of the grid of some lines of values, the last one changing first: (points, lines)."""
    return np.stack([each.ravel() for each in np.meshgrid(*lines, indexing="ij")], 1)


def pendulum_rate(t: float, u: np.ndarray) -> tuple[float, ...]:
    """Rates of angle and speed for u'' + sin u = 0."""
    return (u[1], -math.sin(u[0]))


def pendulum(t: np.ndarray) -> np.ndarray:
    """Solve u'' + sin u = 0, starting at rest from u = 2, at times t (n,): (n, 1)."""
    return solve_ode(pendulum_rate, (2.0, 0.0), t)[:, :1]


def lotka_volterra_rate(t: float, u: np.ndarray) -> tuple[float, ...]:
    """u' = 1.5 u - u v, v' = u v - 3 v."""
    return (1.5 * u[0] - u[0] * u[1], u[0] * u[1] - 3 * u[1])


def lotka_volterra(t: np.ndarray) -> np.ndarray:
    """Solve u' = 1.5 u - u v, v' = u v - 3 v, both starting from 1, at times t (n,): (n, 2)."""
    return solve_ode(lotka_volterra_rate, (1.0, 1.0), t)


def robertson_rate(t: float, y: np.ndarray) -> tuple[float, ...]:
    """Rates of the three concentrations of H. Robertson's reaction."""
    slow, fast, both = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return (-slow + both, slow - both - fast, fast)


def robertson(t: np.ndarray) -> np.ndarray:
    """Solve H. Robertson's reaction at times t (n,): (n, 3), with the second field times `ROBERTSON_SCALE`."""
    # The second concentration is about 1e-5.
    fields = solve_ode(robertson_rate, (1.0, 0.0, 0.0), t, method="Radau", absolute=1e-17)
    return fields * np.array([1.0, ROBERTSON_SCALE, 1.0])


def allen_cahn(
    x: np.ndarray, t: np.ndarray, *, modes: int = 4096, steps: int = 4000, diffusion: float = 1e-4
) -> np.ndarray:
    """Solve u_t = diffusion u_xx + 5 (u - u^3) with period 2 from x^2 cos(pi x), up to t = 1: (times, points).

    Fourier series with the exponential steps of `exponential_series`. The start has a corner at x = 1, so that
    coefficients from values at nodes would have errors that grow with the fronts, to 1e-6: the integrals are taken, and
    modes enough that those left out are gone by t = 0.005.
    """
    wave = np.pi * np.fft.rfftfreq(modes, 1 / modes)

    def nonlinear(v: np.ndarray) -> np.ndarray:
        return np.fft.rfft(-5 * np.fft.irfft(v, modes) ** 3)

    k = np.arange(modes // 2 + 1)
    start = modes * (-1.0) ** k * (_square_times_cosine(k - 1) + _square_times_cosine(k + 1)) / 4 + 0j
    start[-1] = 0
    output_steps = np.round(np.asarray(t) * steps).astype(int)
    assert np.allclose(output_steps / steps, t)
    shift = np.exp(1j * wave * (np.asarray(x)[:, None] + 1)) / modes
    shift[:, 1:-1] *= 2
    solution = np.empty((len(output_steps), len(shift)))
    for step, v in enumerate(exponential_series(5.0 - diffusion * wave**2, nonlinear, start, steps=steps, end=1.0)):
        solution[output_steps == step] = (shift @ v).real
    solution[output_steps == 0] = np.asarray(x) ** 2 * np.cos(np.pi * np.asarray(x))
    return solution


def _square_times_cosine(m: np.ndarray) -> np.ndarray:
    """Integrals of x^2 cos(pi m x) from -1 to 1."""
    return np.where(m == 0, 2 / 3, 4 * (-1.0) ** m / (np.pi * np.where(m == 0, 1, m)) ** 2)


def exponential_series(
    linear: np.ndarray, nonlinear: Callable[[np.ndarray], np.ndarray], start: np.ndarray, *, steps: int, end: float
) -> Iterator[np.ndarray]:
    """Solve v' = linear v + nonlinear(v) for the coefficients v (n,) of a series, from t = 0 to `end`, by even steps.

    Yields v at the start and after each step. It is the exponential Runge-Kutta scheme ETDRK4, its coefficients by
    contour integrals (A. Kassam and L. Trefethen, "Fourth-order time-stepping for stiff PDEs", SIAM J. Sci. Comput. 26,
    2005, eqs. (26)-(29)).
    """
    h, v = end / steps, start
    z = h * linear[:, None] + np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
    half = h * np.mean((np.exp(z / 2) - 1) / z, 1).real
    first = h * np.mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3, 1).real
    middle = h * np.mean((2 + z + np.exp(z) * (z - 2)) / z**3, 1).real
    last = h * np.mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3, 1).real
    whole_step, half_step = np.exp(h * linear), np.exp(h * linear / 2)
    yield v
    for _ in range(steps):
        n = nonlinear(v)
        a = half_step * v + half * n
        na = nonlinear(a)
        b = half_step * v + half * na
        nb = nonlinear(b)
        c = half_step * a + half * (2 * nb - n)
        v = whole_step * v + first * n + 2 * middle * (na + nb) + last * nonlinear(c)
        yield v


def periodic_series(
    linear: np.ndarray,
    slope: np.ndarray,
    power: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    steps: int,
    end: float,
) -> np.ndarray:
    """Values at the end of v_t = linear v + slope power(v) on a ring, by `exponential_series`.

    `start` has the values at even points, (points,); `linear` and `slope` belong to the modes of `numpy.fft.rfft`. The
    last third of the modes is left out of power(v), so that a square folds nothing back.
    """
    kept = np.arange(len(slope)) < len(start) / 3

    def nonlinear(series: np.ndarray) -> np.ndarray:
        return kept * slope * np.fft.rfft(power(np.fft.irfft(series, len(start))))

    (last,) = deque(exponential_series(linear, nonlinear, np.fft.rfft(start), steps=steps, end=end), maxlen=1)
    return np.fft.irfft(last, len(start))


def smooth_lid(x: np.ndarray) -> np.ndarray:
    """Speed of the lid of the library's cavity, without a jump of its slope at the corners."""
    return 16 * x**2 * (1 - x) ** 2


def cavity(
    points: np.ndarray,
    *,
    size: int = 32,
    reynolds: float = 100.0,
    lid: Callable[[np.ndarray], np.ndarray] = smooth_lid,
) -> np.ndarray:
    """Solve the cavity flow in the unit square under a lid of some speed: velocities (b, 2) at points (b, 2).

    Newton's method for the stream function, laplacian^2 psi = Re (psi_y laplacian psi_x - psi_x laplacian psi_y), by
    Chebyshev collocation (L. Trefethen, "Spectral Methods in MATLAB", 2000, ch. 6 and 14); rows next to the walls
    hold the no-slip condition.
    """
    nodes, first = chebyshev(size)
    one, powers = np.eye(size + 1), [np.linalg.matrix_power(first, k) for k in range(5)]
    dx, dy = np.kron(first, one), np.kron(one, first)  # psi[i, j] at x_i, y_j
    lap = np.kron(powers[2], one) + np.kron(one, powers[2])
    bilap = np.kron(powers[4], one) + 2 * np.kron(powers[2], powers[2]) + np.kron(one, powers[4])
    index = np.arange((size + 1) ** 2).reshape(size + 1, size + 1)
    rows, values = wall_rows(index, dx, dy, lid(nodes))
    psi = np.zeros((size + 1) ** 2)
    lap_x, lap_y = lap @ dx, lap @ dy
    for _ in range(12):
        residual = bilap @ psi - reynolds * ((dy @ psi) * (lap_x @ psi) - (dx @ psi) * (lap_y @ psi))
        slope = bilap - reynolds * (
            (lap_x @ psi)[:, None] * dy
            + (dy @ psi)[:, None] * lap_x
            - (lap_y @ psi)[:, None] * dx
            - (dx @ psi)[:, None] * lap_y
        )
        for place, row in rows.items():
            slope[place], residual[place] = row, row @ psi - values[place]
        move = np.linalg.solve(slope, residual)
        psi = psi - move
        if np.abs(move).max() < 1e-12:
            break
    across = [lagrange_polynomials(nodes, points[:, axis]) for axis in (0, 1)]
    return np.stack(
        [np.einsum("bi,bj,ij->b", *across, (sign * d @ psi).reshape(index.shape)) for sign, d in ((1, dy), (-1, dx))], 1
    )


def wall_rows(
    index: np.ndarray, dx: np.ndarray, dy: np.ndarray, speeds: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """Return rows and values that replace the equation at the walls (psi = 0) and next to them (speed of the wall)."""
    rows: dict[int, np.ndarray] = {}
    values: dict[int, float] = {}
    end, unit = len(index) - 1, np.eye(index.size)
    for i in range(end + 1):
        for j in range(end + 1):
            place = index[i, j]
            if i in (0, end) or j in (0, end):
                rows[place], values[place] = unit[place], 0.0
            elif j in (1, end - 1):
                wall = index[i, 0 if j == 1 else end]
                # Points run from 1 to 0: the lid is beside j = 1.
                rows[place], values[place] = dy[wall], float(speeds[i]) if j == 1 else 0.0
            elif i in (1, end - 1):
                rows[place], values[place] = dx[index[0 if i == 1 else end, j]], 0.0
    return rows, values


def chebyshev(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Chebyshev points of [0, 1], from 1 to 0, and the matrix of the first derivative."""
    number = np.arange(size + 1)
    x = np.cos(np.pi * number / size)
    weight = np.where((number == 0) | (number == size), 2.0, 1.0) * (-1.0) ** number
    difference = x[:, None] - x + np.eye(size + 1)
    matrix = weight[:, None] / weight / difference
    matrix -= np.diag(matrix.sum(1))
    return (1 + x) / 2, 2 * matrix


def lagrange_polynomials(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Evaluate the Lagrange polynomials of Chebyshev points at x (b,), by the barycentric formula: (b, nodes)."""
    number = np.arange(len(nodes))
    weight = (-1.0) ** number * np.where((number == 0) | (number == len(nodes) - 1), 0.5, 1.0)
    difference = x[:, None] - nodes
    exact = difference == 0
    share = weight / np.where(exact, 1.0, difference)
    share = share / share.sum(1, keepdims=True)
    return np.where(exact.any(1)[:, None], exact, share)


def solve_ode(
    rate: Callable[[float, np.ndarray], Sequence[float]],
    start: Sequence[float],
    t: np.ndarray,
    *,
    method: str = "DOP853",
    absolute: float = ABSOLUTE_TOLERANCE,
    relative: float = RELATIVE_TOLERANCE,
) -> np.ndarray:
    """Solve y' = rate(t, y) from 0 to the last of the times t (n,): (n, fields)."""
    solution = solve_ivp(rate, (0.0, float(t[-1])), start, method=method, t_eval=t, rtol=relative, atol=absolute)
    return solution.y.T

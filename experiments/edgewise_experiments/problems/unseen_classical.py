"""Classical programs beside some equations of the panel: scipy's integrators, and Chebyshev and Fourier collocation.

Each takes a level, of the tolerance or of the number of points, and returns a function that computes the error, whose
time does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.linalg import expm, solve_sylvester
from scipy.optimize import least_squares

from edgewise_experiments.problems import unseen_cases as cases
from edgewise_experiments.problems import unseen_lines as lines
from edgewise_experiments.problems.references import distance
from edgewise_experiments.problems.unseen_lines import PI, cheb

Work = Callable[[int], Callable[[], float]]


def integrated(name: str, rate: Callable, start: Sequence[float], method: str, fields: int) -> Work:
    """An integrator of scipy with the tolerance 10^-level."""
    case = next(each for each in cases.UNSEEN if each.name == name)

    def work(level: int) -> Callable[[], float]:
        t = case.points()[:, 0]
        tolerance = max(10.0**-level, 1e-13)
        found = solve_ivp(
            rate, (0, t[-1]), start, method=method, t_eval=t, rtol=tolerance, atol=tolerance * min(1, max(start)) / 100
        )
        return lambda: distance(found.y[:fields].T, case.exact(t[:, None]))

    return work


def kicked(level: int) -> Callable[[], float]:
    """DOP853 in three parts, cut around the pulse."""
    t, u, parts = lines.moments(10)()[:, 0], 0.0, []
    for low, high in ((0.0, 3.699), (3.699, 3.701), (3.701, 10.0)):
        inside = t[(t >= low) & (t < high + (high == 10.0))]
        found = solve_ivp(
            lambda t, u: -u + 1e4 * math.exp(-(((t - 3.7) / 1e-4) ** 2)),
            (low, high),
            [u],
            method="DOP853",
            t_eval=[*inside, high][: len(inside) + (high < 10)],
            rtol=10.0**-level,
            atol=10.0 ** -(level + 2),
            max_step=2e-5 if low == 3.699 else np.inf,
        )
        parts.append(found.y[0][: len(inside)])
        u = found.y[0][-1]
    return lambda: distance(np.concatenate(parts)[:, None], lines.kick_exact(t[:, None]))


def elements(ends: Sequence[float], size: int, rows: Callable, left: float, right: float, start: np.ndarray | None):
    """Newton's method on Chebyshev points of several intervals; rows gives residual and its factors of u'', u', u."""
    _, d = cheb(size)
    n, parts = size + 1, len(ends) - 1
    x = np.concatenate([(low + high) / 2 - cheb(size)[0] * (high - low) / 2 for low, high in pairwise(ends)])
    first = np.zeros((n * parts, n * parts))
    for k in range(parts):
        first[k * n : (k + 1) * n, k * n : (k + 1) * n] = -2 / (ends[k + 1] - ends[k]) * d
    second = first @ first
    u = np.zeros(n * parts) if start is None else start(x)
    for _ in range(12):
        residual, a, b, c = rows(x, u, first @ u, second @ u)
        matrix = a[:, None] * second + b[:, None] * first + np.diag(c)
        matrix[[0, -1]], residual[[0, -1]] = np.eye(n * parts)[[0, -1]], (u[0] - left, u[-1] - right)
        for k in range(1, parts):
            i, j = k * n - 1, k * n
            matrix[i], residual[i] = np.eye(n * parts)[i] - np.eye(n * parts)[j], u[i] - u[j]
            matrix[j] = first[i] - first[j]
            residual[j] = matrix[j] @ u
        step = np.linalg.solve(matrix, residual)
        u = u - step
        if np.abs(step).max() < 1e-12 * np.abs(u).max():
            break
    return x[:, None], u[:, None]


def turned(level: int) -> Callable[[], float]:
    """Four intervals, cut at the layer."""

    def rows(x, u, slope, bent):  # type: ignore[no-untyped-def]
        load = 1e-7 * PI**2 * np.cos(PI * x) + PI * x * np.sin(PI * x)
        return 1e-7 * bent + x * slope + load, np.full_like(x, 1e-7), x, np.zeros_like(x)

    x, u = elements((-1, -0.004, 0, 0.004, 1), 4 + 4 * level, rows, -2.0, 0.0, None)
    return lambda: distance(u, lines.turning_exact(x))


def layered(level: int) -> Callable[[], float]:
    """Two intervals, cut behind the layer."""

    def rows(x, u, slope, bent):  # type: ignore[no-untyped-def]
        return 1e-3 * bent + u * slope - u, np.full_like(x, 1e-3), u, slope - 1

    x, u = elements((0, 0.02, 1), 8 + 6 * level, rows, 0.0, 2.0, lambda x: x + np.tanh(x / 2e-3))
    keep = np.unique(x[:, 0], return_index=True)[1]
    return lambda: distance(u[keep], lines.lagerstrom_exact(x[keep]))


def film(level: int) -> Callable[[], float]:
    """Newton's method on a grid of Chebyshev points, from the solution of Laplace's equation."""
    size = 4 + 2 * level
    s, d = cheb(size)
    one, n = np.eye(size + 1), size + 1
    x, y = (each.ravel() for each in np.meshgrid(0.8 * s, 0.8 * s, indexing="ij"))
    d = d / 0.8
    dx, dy = np.kron(d, one), np.kron(one, d)
    dxx, dxy, dyy = np.kron(d @ d, one), np.kron(d, d), np.kron(one, d @ d)
    edge = np.maximum(np.abs(x), np.abs(y)) > 0.8 - 1e-12
    true = np.arcsin(np.sinh(x) * np.sinh(y))
    matrix = dxx + dyy
    matrix[edge] = np.eye(n * n)[edge]
    u = np.linalg.solve(matrix, np.where(edge, true, 0.0))
    for _ in range(20):
        p, q, r, m, t = (each @ u for each in (dx, dy, dxx, dxy, dyy))
        residual = (1 + q**2) * r - 2 * p * q * m + (1 + p**2) * t
        matrix = (1 + q**2)[:, None] * dxx - (2 * p * q)[:, None] * dxy + (1 + p**2)[:, None] * dyy
        matrix += (2 * p * t - 2 * q * m)[:, None] * dx + (2 * q * r - 2 * p * m)[:, None] * dy
        matrix[edge], residual[edge] = np.eye(n * n)[edge], 0.0
        step = np.linalg.solve(matrix, residual)
        u = u - step
        if np.abs(step).max() < 1e-12:
            break
    return lambda: distance(u, true)


def spreading(level: int) -> Callable[[], float]:
    """Chebyshev points in place, the matrix exponential in time."""
    s, d = cheb(40 * level)
    x, first = 4 * s, d / 4
    matrix = (x[:, None] * first + np.eye(len(x)) + 0.25 * first @ first)[1:-1, 1:-1]
    u, last, parts = cases.ornstein_exact(np.stack([x, np.zeros_like(x)], 1))[1:-1, 0], 0.0, []
    for t in (0.05, 0.3, 1.0, 2.0):
        u, last = expm((t - last) * matrix) @ u, t
        parts.append((np.stack([x[1:-1], np.full(len(u), t)], 1), u[:, None]))
    points, found = (np.concatenate(each) for each in zip(*parts, strict=True))
    weight = np.tile(np.sqrt(np.sin(np.arccos(s[1:-1]))), 4)[:, None]  # points of Chebyshev to an integral
    return lambda: distance(weight * found, weight * cases.ornstein_exact(points))


def flowing(level: int) -> Callable[[], float]:
    """Fourier series of the even and odd continuations, DOP853 in time."""
    n, nu = 24 + 16 * level, cases.BURGERS_VISCOSITY
    s = 2 * np.arange(n) / n
    x, y = np.meshgrid(s, s, indexing="ij")
    k = 1j * PI * np.fft.fftfreq(n, 1 / n)
    kx, ky = k[:, None], k[: n // 2 + 1][None].copy()
    ky[0, -1] = 1j * PI * n / 2
    square = kx**2 + ky**2

    def rate(t: float, flat: np.ndarray) -> np.ndarray:
        u, v = flat.reshape(2, n, n)
        rates = []
        for each in (u, v):
            series = np.fft.rfft2(each)
            gx, gy, bent = (np.fft.irfft2(f * series, s=(n, n)) for f in (kx, ky, square))
            rates.append(nu * bent - u * gx - v * gy)
        return np.stack(rates).ravel()

    points = torch.from_numpy(np.stack([x.ravel(), y.ravel()]))
    start = torch.stack(cases.hopf(*points, torch.zeros(n * n, dtype=torch.float64))).numpy().ravel()
    tolerance = max(10.0 ** -(2 * level + 2), 1e-13)
    end = solve_ivp(rate, (0, 1), start, method="DOP853", rtol=tolerance, atol=tolerance / 100).y[:, -1]
    return lambda: distance(
        end, torch.stack(cases.hopf(*points, torch.ones(n * n, dtype=torch.float64))).numpy().ravel()
    )


def hinged(level: int) -> Callable[[], float]:
    """Two equations of Poisson on Chebyshev points, by Sylvester's equation."""
    s, d = cheb(6 + 6 * level)
    along, across = (4 * d @ d)[1:-1, 1:-1], (d @ d / 0.75**2)[1:-1, 1:-1]
    moment = solve_sylvester(along, across.T, np.ones_like(along))
    w = solve_sylvester(along, across.T, moment)
    x, y = np.meshgrid((1 + s[1:-1]) / 2, 0.75 * (1 + s[1:-1]), indexing="ij")
    return lambda: distance(w.ravel()[:, None], cases.levy(np.stack([x.ravel(), y.ravel()], 1)))


def spectral(spectrum: Callable[[int], np.ndarray], first: int) -> Work:
    """Chebyshev points; the error is the largest relative one of the values."""

    def work(level: int) -> Callable[[], float]:
        found = spectrum(first + 3 * level)
        return lambda: spectrum_error(found, spectrum(first + 30))

    return work


def spectrum_error(found: np.ndarray, true: np.ndarray) -> float:
    """Largest relative distance of a true value from the found ones, and the other way round."""
    apart = np.abs(np.asarray(found)[:, None] - true)
    return float(max((apart.min(0) / np.abs(true)).max(), (apart.min(1) / np.abs(true)[apart.argmin(1)]).max()))


def shaken(level: int) -> Callable[[], float]:
    """Least squares of DOP853."""
    t, values = lines.oscillator_data()
    tolerance = 10.0 ** -(level + 2)

    def misfit(c: np.ndarray) -> np.ndarray:
        return (
            solve_ivp(
                lambda t, y: (y[1], -2 * c[0] * y[1] - c[1] * y[0]),
                (0, 10),
                [1.0, 0.0],
                method="DOP853",
                t_eval=t,
                rtol=tolerance,
                atol=tolerance,
            ).y[0]
            - values
        )

    fit = least_squares(misfit, [0.5, 3.0], xtol=1e-10, ftol=1e-14, gtol=1e-14)
    return lambda: float(np.abs(fit.x / lines.oscillator_fit() - 1).max())


CLASSICAL: dict[str, tuple[str, Work]] = {
    "kick": ("DOP853 in three parts", kicked),
    "turning point": ("Chebyshev points of four intervals", turned),
    "Lagerstrom and Cole": ("Chebyshev points of two intervals", layered),
    "van der Pol": ("Radau", integrated("van der Pol", lines.van_der_pol_rate, [2.0, 0.0], "Radau", 1)),
    "HIRES": ("Radau", integrated("HIRES", lambda t, y: lines.reaction(*y), lines.HIRES_START, "Radau", 8)),
    "flame": ("Radau", integrated("flame", lambda t, u: u**2 - u**3, [1e-4], "Radau", 1)),
    "comet": (
        "DOP853",
        integrated(
            "comet",
            lambda t, y: (y[2], y[3], -y[0] / math.hypot(y[0], y[1]) ** 3, -y[1] / math.hypot(y[0], y[1]) ** 3),
            [0.05, 0.0, 0.0, math.sqrt(39)],
            "DOP853",
            2,
        ),
    ),
    "figure of eight": ("DOP853", integrated("figure of eight", lines.eight_rate, lines.eight_start(), "DOP853", 6)),
    "saddle tower": ("Newton's method on Chebyshev points", film),
    "Ornstein-Uhlenbeck": ("Chebyshev points, matrix exponential", spreading),
    "Burgers, two velocities": ("Fourier series, DOP853", flowing),
    "hinged plate": ("Chebyshev points, twice Poisson", hinged),
    "onset of convection": ("Chebyshev points", spectral(lines.convection_spectrum, 12)),
    "Couette": ("Chebyshev points", spectral(lines.couette_spectrum, 24)),
    "oscillator": ("least squares of DOP853", shaken),
}

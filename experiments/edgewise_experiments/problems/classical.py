"""The same equations by the methods of textbooks: Chebyshev and Fourier series, Runge-Kutta, series of poles.

Each entry is written for its equation by hand, as somebody would who knows these methods; sizes are round numbers at
which errors are small, not tuned.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from edgewise.pde import PDE
from edgewise.pde.problem.evaluation import value_at
from edgewise_experiments.problems import reference_solutions as references
from edgewise_experiments.problems.named_equations import (
    NOISE,
    TRUE_DIFFUSION,
    diffusion_data,
    named_equation,
    poisson_source,
)
from edgewise_experiments.problems.reference_solutions import chebyshev, distance, grid_points, periodic_series

PI = math.pi
Rate = Callable[[float, np.ndarray], np.ndarray]
Method = tuple[str, Callable[[], float | Callable[[], float]]]
"""Name of a classical method, and a function that applies it and returns the error.

Where the truth takes time to compute, the function returns another one, which computes it and returns the error.
"""


def library(name: str) -> PDE:
    """An equation of the library."""
    return named_equation(name).make()


def exact(problem: PDE, points: np.ndarray) -> np.ndarray:
    """The closed solution at points (b, n), (b, fields)."""
    solution = problem.form.solution
    parts = solution if isinstance(solution, dict) else {problem.fields[0]: solution}
    x = torch.from_numpy(np.ascontiguousarray(points))
    return np.stack([value_at(parts[f], problem.domain.coordinates, x, "solution").numpy() for f in problem.fields], 1)


def axis(low: float, high: float, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chebyshev points from low to high, and the first and second derivative."""
    nodes, first = chebyshev(size)
    first = first[::-1, ::-1] / (high - low)
    return low + (high - low) * nodes[::-1], first, first @ first


def evolved(
    problem: PDE,
    size: int,
    rate: Callable[..., Sequence[np.ndarray]],
    *,
    rates: Callable[[np.ndarray], np.ndarray] | None = None,
    method: str = "Radau",
    last: int = -1,
) -> float:
    """Error at the last moment of the method of lines on Chebyshev points, with the values of the solution at the ends.

    At the upper end there is no condition for `last` = 0.

    `rate` takes points, time, first and second derivative matrices and the fields; `rates` gives the first rates of
    change of an equation of order 2 in time, (points,), whose state has u and its rate.
    """
    (low, high), (begin, end) = problem.domain.bounds.tolist()
    x, first, second = axis(low, high, size)
    fields, inner = len(problem.fields), np.arange(1, size + 1 + last)

    def whole(t: float, state: np.ndarray) -> np.ndarray:
        values = exact(problem, np.stack([x, np.full_like(x, t)], 1)).T.copy()
        values[:, inner] = state.reshape(-1, len(inner))[:fields]
        return values

    def change(t: float, state: np.ndarray) -> np.ndarray:
        values = whole(t, state)
        if rates is None:
            return np.stack(rate(x, t, first, second, *values))[:, inner].ravel()
        speed = state.reshape(2, -1)[1]
        return np.concatenate([speed, rate(x, t, first, second, *values, np.pad(speed, 1))[0][inner]])

    tolerance = 1e-11 if method == "DOP853" else 1e-9
    start = exact(problem, np.stack([x, np.full_like(x, begin)], 1)).T[:, inner]
    state = start.ravel() if rates is None else np.concatenate([start.ravel(), rates(x[inner])])
    found = solve_ivp(change, (begin, end), state, method=method, t_eval=[end], rtol=tolerance, atol=tolerance / 10).y[
        :, -1
    ]
    return distance(whole(end, found), exact(problem, np.stack([x, np.full_like(x, end)], 1)).T)


def newton_on_square(
    problem: PDE,
    size: int,
    residual: Callable[..., tuple[np.ndarray, list]],
    start: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> float:
    """Error of Newton's method on Chebyshev points of a rectangle, values at the rim.

    `residual` takes points x and y and u, u_x, u_y, u_xx, u_xy and u_yy at these, and returns the residual and its
    slopes by the last six. Without a `start` inside it begins with the bilinear blend of the rim by Coons.
    """
    (a, b), (c, d) = problem.domain.bounds.tolist()
    (x, dx, xx), (y, dy, yy) = axis(a, b, size), axis(c, d, size)
    one = np.eye(size + 1)
    matrices = [np.kron(*pair) for pair in ((one, one), (dx, one), (one, dy), (xx, one), (dx, dy), (one, yy))]
    points = grid_points(x, y)
    rim = ((points == [a, c]) | (points == [b, d])).any(1)
    true = exact(problem, points)[:, 0]
    edge, s, t = true.reshape(size + 1, -1), (x[:, None] - a) / (b - a), (y - c) / (d - c)
    blend = (1 - s) * edge[0] + s * edge[-1] + (1 - t) * edge[:, :1] + t * edge[:, -1:]
    corners = (1 - s) * ((1 - t) * edge[0, 0] + t * edge[0, -1]) + s * ((1 - t) * edge[-1, 0] + t * edge[-1, -1])
    u = (blend - corners).ravel() if start is None else np.where(rim, true, start(*points.T))
    for _ in range(12):
        values, slopes = residual(*points.T, *[matrix @ u for matrix in matrices])
        pairs = zip(slopes, matrices, strict=True)
        slope = sum(np.reshape(each, (-1, 1)) * matrix for each, matrix in pairs if np.any(each))
        move = np.linalg.solve(slope[np.ix_(~rim, ~rim)], values[~rim])
        u[~rim] -= move
        if np.abs(move).max() < 1e-12:
            break
    return distance(u, true)


def diagonalised(
    problem: PDE,
    size: int,
    source: Callable[[np.ndarray], np.ndarray],
    shift: float = 0.0,
    reaction: Callable[[np.ndarray], np.ndarray] | None = None,
) -> float:
    """Error on a box of laplacian u + shift u = source by eigenvectors of each coordinate, values at the boundary.

    A `reaction` of u is added to the source and iterated.
    """
    lines = [axis(low, high, size) for low, high in problem.domain.bounds.tolist()]
    shape = (size + 1,) * len(lines)
    points = grid_points(*[line[0] for line in lines])
    true = exact(problem, points)[:, 0].reshape(shape)
    inside = (slice(1, -1),) * len(lines)
    u = true.copy()
    u[inside] = 0.0
    given = source(points).reshape(shape) - shift * u
    for k, line in enumerate(lines):
        given = given - np.moveaxis(np.tensordot(line[2], u, (1, k)), 0, k)
    total = np.full((size - 1,) * len(lines), shift)
    pairs = [np.linalg.eig(line[2][1:-1, 1:-1]) for line in lines]
    for k, (values, _) in enumerate(pairs):
        total = total + values.real.reshape([-1 if k == axis_ else 1 for axis_ in range(len(lines))])
    for _ in range(1 if reaction is None else 30):
        rhs = given[inside] if reaction is None else given[inside] + reaction(u[inside])
        for k, (_, vectors) in enumerate(pairs):
            rhs = np.moveaxis(np.tensordot(np.linalg.inv(vectors), rhs, (1, k)), 0, k)
        rhs = rhs / total
        for k, (_, vectors) in enumerate(pairs):
            rhs = np.moveaxis(np.tensordot(vectors, rhs, (1, k)), 0, k)
        before = u[inside].copy()
        u[inside] = rhs.real
        if np.abs(u[inside] - before).max() < 1e-13:
            break
    return distance(u, true)


def burgers() -> Callable[[], float]:
    """Burgers' equation, 1,024 modes."""
    x, wave = -1 + 2 * np.arange(1024) / 1024, PI * np.arange(513)
    linear = -0.01 / PI * wave**2
    found = periodic_series(linear, -0.5j * wave, lambda v: v**2, -np.sin(PI * x), 4000, 1.0)
    return lambda: distance(found, exact(library("burgers"), np.stack([x, np.ones_like(x)], 1))[:, 0])


def allen_cahn() -> Callable[[], float]:
    """A quarter of the modes and half the steps of the reference, at the last moment."""
    x = np.linspace(-1, 1, 201)
    found = references.allen_cahn(x, np.array([1.0]), modes=1024, steps=2000)
    return lambda: distance(found, references.allen_cahn(x, np.array([1.0])))


def on_ring(
    problem: PDE, length: float, modes: int, operator: Callable, slope: Callable, power: Callable, within: float
) -> float:
    """Error at the last moment of a wave that is small at the ends of a ring, by Fourier series and DOP853.

    `operator` and `slope` take wave numbers: v_t = operator v + slope power(v), with an exact linear part.
    """
    end = float(problem.domain.bounds[1, 1])
    x = -length / 2 + length * np.arange(modes) / modes
    wave = 2 * PI / length * np.fft.fftfreq(modes, 1 / modes)
    linear, kept = operator(wave), slope(wave) * (np.abs(wave) < np.abs(wave).max() * 2 / 3)

    def state(t: float) -> np.ndarray:
        values = exact(problem, np.stack([x, np.full_like(x, t)], 1))
        return values[:, 0] if values.shape[1] == 1 else values @ [1, 1j]

    def turned(t: float, series: np.ndarray) -> np.ndarray:
        return np.exp(-linear * t) * kept * np.fft.fft(power(np.fft.ifft(np.exp(linear * t) * series)))

    found = solve_ivp(
        turned, (0, end), np.fft.fft(state(0.0)) + 0j, method="DOP853", t_eval=[end], rtol=1e-10, atol=1e-9
    )
    inside = np.abs(x) < within
    return distance(np.fft.ifft(np.exp(linear * end) * found.y[:, -1])[inside], state(end)[inside])


def ode(
    rate: Rate, start: Sequence[float], end: float, true: Callable[[], np.ndarray], method: str = "DOP853"
) -> Callable[[], float]:
    """Error at the end of a system of ordinary differential equations, to 1e-11: the largest of the fields."""
    (found,) = references.solve_ode(rate, start, np.array([end]), method=method, absolute=1e-14, relative=1e-11)

    def error() -> float:
        last = true()
        return float(np.abs(found[: len(last)] / last - 1).max())

    return error


def poles(problem: PDE, points: np.ndarray, inside: np.ndarray, columns: Callable[[np.ndarray], np.ndarray]) -> float:
    """Error of a sum of harmonic functions that fits the values at boundary points (least squares), at inner points."""
    coef = np.linalg.lstsq(columns(points), exact(problem, points)[:, 0], rcond=1e-14)[0]
    return distance(columns(inside) @ coef, exact(problem, inside)[:, 0])


def corner() -> float:
    """The L-shape by poles that cluster at the corner (A. Gopal, L. Trefethen, SIAM J. Numer. Anal. 57, 2019)."""
    problem = library("poisson-corner")
    gaps = np.exp(-4 * (8 - np.sqrt(np.arange(1, 65))))
    at = np.exp(1j * -PI / 4) * gaps  # outside, in the reentrant quarter

    def columns(points: np.ndarray) -> np.ndarray:
        z = points[:, 0] + 1j * points[:, 1]
        parts = np.concatenate([gaps / (z[:, None] - at), z[:, None] ** np.arange(16)], 1)
        return np.concatenate([parts.real, parts.imag], 1)

    s = np.concatenate([np.linspace(0, 1, 200), np.geomspace(1e-12, 1, 400)])
    ends = [(0, 0, 1, 0), (0, 0, 0, -1), (1, 0, 1, 1), (1, 1, -1, 1), (-1, 1, -1, -1), (-1, -1, 0, -1)]
    rim = np.concatenate([np.stack([a + s * (c - a), b + s * (d - b)], 1) for a, b, c, d in ends])
    return poles(problem, rim, problem.domain.interior(2000, "sobol", seed=1).numpy(), columns)


def on_disk(problem: PDE, low: float, size: int, angles: int) -> float:
    """Poisson's equation between two radii, or on a disk, by Chebyshev points of the radius and Fourier series.

    On a disk radii run from -1 to 1 (L. Trefethen, "Spectral Methods in MATLAB", 2000, ch. 11).
    """
    r, first, second = axis(low if low > 0 else -1.0, 1.0, size)
    angle = 2 * PI * np.arange(angles) / angles
    x, y = r[:, None] * np.cos(angle), r[:, None] * np.sin(angle)
    points = np.stack([x.ravel(), y.ravel()], 1)
    true = exact(problem, points)[:, 0].reshape(x.shape)
    source = poisson_source(*(torch.from_numpy(each) for each in (x, y))).numpy()
    modes, ends = np.fft.fft(source, axis=1), np.fft.fft(true, axis=1)
    found = np.empty_like(modes)
    for place, number in enumerate(np.fft.fftfreq(angles, 1 / angles)):
        matrix = (second + np.diag(1 / r) @ first - np.diag(number**2 / r**2)).astype(complex)
        rhs = modes[:, place].copy()
        for end in (0, -1):
            matrix[end], rhs[end] = np.eye(size + 1)[end], ends[end, place]
        found[:, place] = np.linalg.solve(matrix, rhs)
    return distance(np.fft.ifft(found, axis=1).real, true)


def diffusion() -> float:
    """The coefficient by least squares, each heat equation by a sine series; in standard errors."""
    data = diffusion_data()
    x, t, values = data.x[:, 0].numpy(), data.x[:, 1].numpy(), data.values.numpy().ravel()
    fit = least_squares(lambda k: np.exp(-k[0] * PI**2 * t) * np.sin(PI * x) - values, [1.0])
    return abs(float(fit.x[0]) - TRUE_DIFFUSION) * float(np.linalg.norm(fit.jac)) / NOISE


def plate() -> float:
    """A supported plate: Poisson's equation twice, by eigenvectors of each coordinate."""
    problem = library("biharmonic")
    s, _, second = axis(0, 1, 20)
    values, vectors = np.linalg.eig(second[1:-1, 1:-1])
    true = np.sin(PI * s[1:-1, None]) * np.sin(PI * s[1:-1])
    back = np.linalg.inv(vectors)
    modes = back @ (4 * PI**4 * true) @ back.T / (values[:, None] + values) ** 2
    assert problem.form.solution is not None
    return distance((vectors @ modes @ vectors.T).real, true)


def nonlinear_poisson() -> float:
    """The source is that of the closed solution, by the derivatives of the interpolant on twice as many points."""
    problem = library("nonlinear-poisson")
    (x, _, xx), size = axis(-1, 1, 48), 24
    fine = grid_points(x, x)
    values = exact(problem, fine)[:, 0].reshape(49, 49)
    whole = xx @ values + values @ xx.T - np.exp(values)
    source = whole[::2, ::2].ravel()  # the points of the coarse grid are among them

    def residual(x: np.ndarray, y: np.ndarray, *jet: np.ndarray) -> tuple[np.ndarray, list]:
        u, _, _, xx, _, yy = jet
        return xx + yy - np.exp(u) - source, [-np.exp(u), 0.0, 0.0, 1.0, 0.0, 1.0]

    return newton_on_square(problem, size, residual, lambda x, y: 0 * x)


def evolved_breather() -> float:
    """The breather: the values at the ends move, and so do their rates, which the equation does not use."""
    return evolved(
        library("sine-gordon"),
        48,
        lambda x, t, d, dd, u, v: [dd @ u - np.sin(u)],
        rates=lambda x: 4 * math.tan(PI / 4) * math.cos(PI / 4) / np.cosh(math.sin(PI / 4) * x),
        method="DOP853",
    )


def _sum_source(points: np.ndarray) -> np.ndarray:
    return -(PI**2) / 4 * np.sin(PI / 2 * points).sum(1)


CHEBYSHEV, FOURIER, FOURIER_DOP853 = "Chebyshev points", "Fourier series, ETDRK4", "Fourier series, DOP853"
IN_TIME = f"{CHEBYSHEV}, Radau or DOP853 in time"
CLASSICAL: dict[str, Method] = {
    "poisson": (
        f"{CHEBYSHEV}, diagonalised",
        lambda: diagonalised(library("poisson"), 40, lambda p: poisson_source(*torch.from_numpy(p).T).numpy()),
    ),
    "poisson-disk": ("Chebyshev radii, Fourier angles", lambda: on_disk(library("poisson-disk"), 0.0, 41, 64)),
    "poisson-annulus": ("Chebyshev radii, Fourier angles", lambda: on_disk(library("poisson-annulus"), 0.5, 24, 64)),
    "poisson-corner": ("least squares of poles", corner),
    "helmholtz": (
        f"{CHEBYSHEV}, diagonalised",
        lambda: diagonalised(
            library("helmholtz"),
            40,
            lambda p: (1 - 17 * PI**2) * np.sin(PI * p[:, 0]) * np.sin(4 * PI * p[:, 1]),
            shift=1.0,
        ),
    ),
    "heat": (IN_TIME, lambda: evolved(library("heat"), 16, lambda x, t, d, dd, u: [0.1 * dd @ u])),
    "wave": (
        IN_TIME,
        lambda: evolved(library("wave"), 16, lambda x, t, d, dd, u, v: [dd @ u], rates=np.zeros_like, method="DOP853"),
    ),
    "advection": (IN_TIME, lambda: evolved(library("advection"), 24, lambda x, t, d, dd, u: [-d @ u], last=0)),
    "nonlinear-poisson": (CHEBYSHEV, nonlinear_poisson),
    "biharmonic": (f"{CHEBYSHEV}, diagonalised twice", plate),
    "sine-gordon": (IN_TIME, evolved_breather),
    "pendulum": (
        "DOP853",
        lambda: ode(references.pendulum_rate, [2.0, 0.0], 10.0, lambda: references.pendulum(np.array([0.0, 10.0]))[-1]),
    ),
    "lotka-volterra": (
        "DOP853",
        lambda: ode(
            references.lotka_volterra_rate,
            [1.0, 1.0],
            4.0,
            lambda: references.lotka_volterra(np.array([0.0, 4.0]))[-1],
        ),
    ),
    "robertson": (
        "Radau",
        lambda: ode(
            references.robertson_rate,
            [1.0, 0.0, 0.0],
            40.0,
            lambda: references.robertson(np.array([0.0, 40.0]))[-1] / [1.0, 1e4, 1.0],
            "Radau",
        ),
    ),
    "inverse-diffusion": ("least squares of a sine series", diffusion),
    "poisson-5d": (
        f"{CHEBYSHEV}, diagonalised",
        lambda: diagonalised(library("poisson-5d"), 8, lambda p: -5 * PI**2 / 16 * np.cos(PI / 4 * p).prod(1)),
    ),
    "poisson-5d-sum": (f"{CHEBYSHEV}, diagonalised", lambda: diagonalised(library("poisson-5d-sum"), 8, _sum_source)),
    "burgers": (FOURIER, burgers),
    "kdv": (
        FOURIER_DOP853,
        lambda: on_ring(library("kdv"), 60, 512, lambda k: 1j * k**3, lambda k: -3j * k, lambda v: v.real**2, 12),
    ),
    "allen-cahn": (FOURIER, allen_cahn),
}


def classical_row(name: str) -> dict:
    """Error and CPU seconds of the classical method of an equation, without those of a reference."""
    method, work = CLASSICAL[name]
    begin = time.process_time()
    error = work()
    seconds = time.process_time() - begin
    return {
        "method": method,
        "error": error() if callable(error) else error,
        "cpu_seconds": round(seconds, 4),
        "parameters": 0,
    }

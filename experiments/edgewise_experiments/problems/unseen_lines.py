"""What the equations of the unseen panel share, and those of one coordinate: layers, reactions, orbits, spectra."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, least_squares
from scipy.special import erf
from torch import Tensor

from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Observations,
    Solution,
    Time,
    diffusion,
)

PI = math.pi
SQUARE = Box(x=(0, 1), y=(0, 1))
Exact = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Unseen:
    """An equation with its truth.

    Parameters
    ----------
    name : str
        What it is.
    make : callable
        Makes the problem, as a user would write it; its docstring is the equation in words.
    exact : callable, optional
        The fields (n, fields) at points (n, coordinates), by a formula or a method of its own.
    points : callable, optional
        The points (n, coordinates) of the comparison; Sobol points of the domain if left out.
    compare : callable, optional
        Relative error of a solution, in place of `exact`.
    spectrum : callable, optional
        The eigenvalues nearest to the start value, (count,).
    named : tuple of str
        Of a statement that has no solution, or many: words of which the message must hold one.
    """

    name: str
    make: Callable[[], PDE]
    exact: Exact | None = None
    points: Callable[[], np.ndarray] | None = None
    compare: Callable[[Solution], float] | None = None
    spectrum: Callable[[], np.ndarray] | None = None
    named: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The equation in words."""
        return (self.make.__doc__ or "").rstrip(".")


def columns(*values: np.ndarray) -> np.ndarray:
    """Fields side by side, (n, fields)."""
    return np.stack(values, 1)


def of_torch(*functions: Callable[..., Tensor]) -> Exact:
    """The fields of some functions of torch tensors, one argument for each coordinate."""
    return lambda points: columns(*(f(*torch.from_numpy(points).T).numpy() for f in functions))


def moments(last: float, count: int = 801) -> Callable[[], np.ndarray]:
    """Even moments, (count, 1)."""
    return lambda: np.linspace(0.0, last, count)[:, None]


def gauss(s: float | np.ndarray | Tensor) -> np.ndarray | Tensor:
    """The function exp(-s^2)."""
    return torch.exp(-(s**2)) if isinstance(s, Tensor) else np.exp(-(s**2))


def tilted(rate: float, place: float, width: float, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """The integral of exp(rate s) exp(-((s - place) / width)^2) / width from low to high."""
    factor = math.exp(rate * place + (rate * width) ** 2 / 4) * math.sqrt(PI) / 2
    ends = ((end - place) / width - rate * width / 2 for end in (high, low))
    return factor * np.subtract(*(erf(end) for end in ends))


def spot() -> PDE:
    """w'''' = 2e4 on a width of 5e-5, hinged ends."""
    return PDE(
        lambda w, x: w.xxxx - torch.where((x - 0.7317).abs() < 2.5e-5, 2e4, 0.0),
        Interval(0, 1),
        [Dirichlet(0.0), Condition(lambda w: w.xx)],
    )


def spot_exact(points: np.ndarray) -> np.ndarray:
    """Green's function of the beam, averaged over the load by Gauss points."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    a, x = 0.7317 + 2.5e-5 * nodes, points
    left = (1 - a) * x * (2 * a - a**2 - x**2) / 6
    right = a * (1 - x) * (2 * x - x**2 - a**2) / 6
    return (np.where(x < a, left, right) @ weights / 2)[:, None]


def kick() -> PDE:
    """u' + u = a pulse of width 1e-4 at 3.7, t to 10."""
    return PDE(lambda u, t: u.t + u - gauss((t - 3.7) / 1e-4) / 1e-4, Time(0, 10), [Initial(0.0)])


def kick_exact(points: np.ndarray) -> np.ndarray:
    """By the formula of the integral."""
    return np.exp(-points) * tilted(1.0, 3.7, 1e-4, 0.0, points)


def insulation() -> PDE:
    """(k u')' = 0, k small on a width of 3e-4."""

    def k(x: Tensor) -> Tensor:
        return 1 / (1 + gauss((x - 0.613) / 3e-4) / 3e-4)

    return PDE(lambda u: diffusion(u, k), Interval(0, 1), [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1")])


def insulation_exact(points: np.ndarray) -> np.ndarray:
    """The resistance up to a place over the whole one."""

    def resistance(x: np.ndarray | float) -> np.ndarray:
        return x + tilted(0.0, 0.613, 3e-4, 0.0, x)

    return resistance(points) / resistance(1.0)


def barrier() -> PDE:
    """-u'' + V u = E u, V = 2e4 on a width of 1e-3."""
    return PDE(
        lambda u, x, E: u.xx + (E - torch.where((x - 0.3).abs() < 5e-4, 2e4, 0.0)) * u,
        Interval(0, 1),
        [Dirichlet(0.0)],
        coefficients={"E": 0.0},
    )


def barrier_spectrum() -> np.ndarray:
    """Zeros of the solution that begins at the left end, in three pieces."""

    def end(E: float) -> float:
        u, slope = 0.0, 1.0
        for length, shift in ((0.2995, 0.0), (1e-3, 2e4), (0.6995, 0.0)):
            root = np.sqrt(complex(E - shift))
            c, s = np.cos(root * length).real, (np.sin(root * length) / root).real
            u, slope = c * u + s * slope, -((E - shift) * s) * u + c * slope
        return u

    grid = np.linspace(1.0, 300.0, 4000)
    values = [end(E) for E in grid]
    signs = [i for i in range(len(grid) - 1) if values[i] * values[i + 1] < 0]
    return np.array([brentq(end, grid[i], grid[i + 1], xtol=1e-13) for i in signs[:4]])


def turning() -> PDE:
    """1e-7 u'' + x u' = f on [-1, 1]."""
    return PDE(
        lambda u, x: 1e-7 * (u.xx + PI**2 * torch.cos(PI * x)) + x * (u.x + PI * torch.sin(PI * x)),
        Interval(-1, 1),
        [Dirichlet(-2.0, on="x=-1"), Dirichlet(0.0, on="x=1")],
    )


def turning_exact(points: np.ndarray) -> np.ndarray:
    """The closed solution."""
    return np.cos(PI * points) + erf(points / math.sqrt(2e-7)) / erf(1 / math.sqrt(2e-7))


def lagerstrom() -> PDE:
    """1e-3 u'' + u u' = u, u(0) = 0, u(1) = 2."""
    return PDE(
        lambda u: 1e-3 * u.xx + u * u.x - u, Interval(0, 1), [Dirichlet(0.0, on="x=0"), Dirichlet(2.0, on="x=1")]
    )


@cache
def lagerstrom_slope() -> float:
    """The slope at 0 with which the solution ends at 2: forwards, deviations from the outer solution die out."""

    def miss(slope: float) -> float:
        return by_scipy(lagerstrom_rate, [0.0, slope], 1, "Radau", 1e-13, 1e-13)(np.array([[0.0], [1.0]]))[-1, 0] - 2

    return brentq(miss, 480.0, 520.0, xtol=1e-12, rtol=1e-14)


def lagerstrom_rate(x: float, y: np.ndarray) -> list[float]:
    """Slope and curvature."""
    return [y[1], 1e3 * (y[0] - y[0] * y[1])]


def lagerstrom_exact(points: np.ndarray) -> np.ndarray:
    """By shooting from the layer."""
    return by_scipy(lagerstrom_rate, [0.0, lagerstrom_slope()], 1, "Radau", 1e-13, 1e-13)(points)


def explosion() -> PDE:
    """u' = 1 + u^2, u(0) = 0, t to 2."""
    return PDE(lambda u: u.t - 1 - u**2, Time(0, 2), [Initial(0.0)])


def rings_apart() -> PDE:
    """r r'' = 1 + r'^2, r = 1 at -0.8 and 0.8."""
    return PDE(lambda r: r * r.xx - 1 - r.x**2, Interval(-0.8, 0.8), [Dirichlet(1.0)])


def free_beam() -> PDE:
    """w'''' = cos(2 pi x), both ends free."""
    free = [Condition(lambda w: w.xx), Condition(lambda w: w.xxx)]
    return PDE(lambda w, x: w.xxxx - torch.cos(2 * PI * x), Interval(0, 1), free)


def van_der_pol() -> PDE:
    """u'' = 500 (1 - u^2) u' - u, t to 1000."""
    return PDE(lambda u: u.tt - 500 * (1 - u**2) * u.t + u, Time(0, 1000), [Initial(2.0, rate=0.0)])


def van_der_pol_rate(t: float, y: np.ndarray) -> list[float]:
    """Its rates."""
    return [y[1], 500 * (1 - y[0] ** 2) * y[1] - y[0]]


def reaction(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]  # fields and numbers alike
    """Rates of HIRES, eight substances (E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996)."""
    return (
        -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
        1.71 * a - 8.75 * b,
        -10.03 * c + 0.43 * d + 0.035 * e,
        8.32 * b + 1.71 * c - 1.12 * d,
        -1.745 * e + 0.43 * f + 0.43 * g,
        -280 * f * h + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
        280 * f * h - 1.81 * g,
        -280 * f * h + 1.81 * g,
    )


HIRES_START, HIRES_END = (1.0, 0, 0, 0, 0, 0, 0, 0.0057), 321.8122


def hires() -> PDE:
    """HIRES, eight substances, t to 321.8."""

    def balance(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]  # as a user writes it
        fields = (a, b, c, d, e, f, g, h)
        return tuple(field.t - rate for field, rate in zip(fields, reaction(*fields), strict=True))

    return PDE(balance, Time(0, HIRES_END), [Initial(dict(zip("abcdefgh", HIRES_START, strict=True)))])


def hires_moments() -> np.ndarray:
    """Moments that grow by a factor, (401, 1)."""
    return np.r_[0, np.geomspace(1e-2, HIRES_END, 400)][:, None]


def flame() -> PDE:
    """u' = u^2 - u^3, u(0) = 1e-4, t to 2e4."""
    return PDE(lambda u: u.t - u**2 + u**3, Time(0, 2e4), [Initial(1e-4)])


def flame_exact(points: np.ndarray) -> np.ndarray:
    """1 / (W + 1) with Lambert's W of a exp(a - t), by Newton's method in log W."""
    a = 1e4 - 1
    right = math.log(a) + a - points
    log_w = np.where(right > 1, np.log(np.maximum(right, 1.0)), right)
    for _ in range(60):
        log_w = log_w - (log_w + np.exp(log_w) - right) / (1 + np.exp(log_w))
    return 1 / (1 + np.exp(log_w))


def comet() -> PDE:
    """Kepler, eccentricity 0.95, three revolutions."""
    return PDE(
        lambda x, y: (x.tt + x / (x**2 + y**2) ** 1.5, y.tt + y / (x**2 + y**2) ** 1.5),
        Time(0, 6 * PI),
        [Initial({"x": 0.05, "y": 0.0}, rate={"x": 0.0, "y": math.sqrt(39)})],
    )


def comet_exact(points: np.ndarray) -> np.ndarray:
    """Kepler's equation."""
    angle = np.array([brentq(lambda e, t=t: e - 0.95 * math.sin(e) - t, -1.0, 30.0, xtol=1e-15) for t in points[:, 0]])
    return columns(np.cos(angle) - 0.95, math.sqrt(1 - 0.95**2) * np.sin(angle))


EIGHT_END = 6.32591398


EIGHT_PLACES, EIGHT_SPEEDS = (0.97000436, -0.24308753), (-0.93240737, -0.86473146)


def eight() -> PDE:
    """Three bodies, one period."""

    def pull(x, y, u, v):  # type: ignore[no-untyped-def]  # as a user writes it
        cube = ((x - u) ** 2 + (y - v) ** 2) ** 1.5
        return (x - u) / cube, (y - v) / cube

    def newton(a, b, c, d, e, f):  # type: ignore[no-untyped-def]  # as a user writes it
        first, second, third = pull(a, b, c, d), pull(a, b, e, f), pull(c, d, e, f)
        return (
            a.tt + first[0] + second[0],
            b.tt + first[1] + second[1],
            c.tt - first[0] + third[0],
            d.tt - first[1] + third[1],
            e.tt - second[0] - third[0],
            f.tt - second[1] - third[1],
        )

    (x, y), (u, v) = EIGHT_PLACES, EIGHT_SPEEDS
    places = dict(zip("abcdef", (x, y, -x, -y, 0.0, 0.0), strict=True))
    speeds = dict(zip("abcdef", (-u / 2, -v / 2, -u / 2, -v / 2, u, v), strict=True))
    return PDE(newton, Time(0, EIGHT_END), [Initial(places, rate=speeds)])


def eight_rate(t: float, y: np.ndarray) -> np.ndarray:
    """Speeds and accelerations of three bodies."""
    place = y[:6].reshape(3, 2)
    apart = place[:, None] - place
    cube = (np.square(apart).sum(2) + np.eye(3)) ** 1.5
    return np.concatenate([y[6:], -(apart / cube[:, :, None]).sum(1).ravel()])


def eight_start() -> np.ndarray:
    """Places and speeds at the start."""
    (x, y), (u, v) = EIGHT_PLACES, EIGHT_SPEEDS
    return np.array([x, y, -x, -y, 0, 0, -u / 2, -v / 2, -u / 2, -v / 2, u, v])


def by_scipy(
    rate: Callable, start: Sequence[float], fields: int, method: str, absolute: float, relative: float = 1e-12
) -> Exact:
    """Fields of an ordinary equation by scipy at the moments (n, 1), which begin with 0."""

    def exact(points: np.ndarray) -> np.ndarray:
        t = points[:, 0]
        found = solve_ivp(rate, (0.0, t[-1]), start, method=method, t_eval=t, rtol=relative, atol=absolute)
        return found.y[:fields].T

    return exact


def convection() -> PDE:
    """Order six, Rayleigh's number at the wave number 3.117."""
    a = 3.117
    stuck = Condition(lambda w: w.zzzz - 2 * a**2 * w.zz + a**4 * w)
    return PDE(
        lambda w, R: w.zzzzzz - 3 * a**2 * w.zzzz + 3 * a**4 * w.zz - a**6 * w + a**2 * R * w,
        Interval(0, 1, "z"),
        [Dirichlet(0.0), Neumann(0.0), stuck],
        coefficients={"R": 1000.0},
    )


def cheb(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev points of [-1, 1], from 1 to -1, and the matrix of the derivative."""
    x = np.cos(PI * np.arange(size + 1) / size)
    c = np.r_[2, np.ones(size - 1), 2] * (-1.0) ** np.arange(size + 1)
    d = np.outer(c, 1 / c) / (x[:, None] - x + np.eye(size + 1))
    return x, d - np.diag(d.sum(1))


def convection_spectrum(size: int = 36) -> np.ndarray:
    """Chebyshev collocation of (D^2 - a^2) twice on w and once on the temperature: the three lowest values.

    The first is 1707.762 (S. Chandrasekhar, Hydrodynamic and Hydromagnetic Stability, 1961, table III).
    """
    from scipy.linalg import eig

    a, n = 3.117, size + 1
    _, d = cheb(size)
    second = 4 * d @ d - a**2 * np.eye(n)  # on [0, 1]
    zero = np.zeros((n, n))
    # (D^2 - a^2)^2 w = a^2 R temperature, (D^2 - a^2) temperature = -w
    left = np.block([[second @ second, zero], [np.eye(n), second]])
    right = np.block([[zero, a**2 * np.eye(n)], [zero, zero]])
    # w' = 0 stands in the rows beside the ends
    rows = np.block([[np.eye(n)[[0, -1]], np.zeros((2, n))], [d[[0, -1]], np.zeros((2, n))]])
    left[[0, n - 1, 1, n - 2]], right[[0, n - 1, 1, n - 2]] = rows, 0
    left[[n, 2 * n - 1]] = np.block([[np.zeros((2, n)), np.eye(n)[[0, -1]]]])
    values = eig(left, right, right=False)
    values = values[np.isfinite(values)]
    real = np.sort(values.real[(abs(values.imag) < 1e-3 * abs(values.real)) & (values.real > 1)])
    return real[:3]


ORR = (1.0, 500.0)  # wave number and Reynolds number


def couette() -> PDE:
    """Orr-Sommerfeld, Re 500, as two real fields."""
    a, reynolds = ORR

    def real_and_imaginary(p, q, y, s):  # type: ignore[no-untyped-def]  # as a user writes it
        first, second = (f.yy - a**2 * f for f in (p, q))
        bent, also = (f.yyyy - 2 * a**2 * f.yy + a**4 * f for f in (p, q))
        return bent / reynolds + a * y * second - s * first, also / reynolds - a * y * first - s * second

    return PDE(
        real_and_imaginary,
        Interval(-1, 1, "y"),
        [Dirichlet({"p": 0.0, "q": 0.0}), Neumann({"p": 0.0, "q": 0.0})],
        coefficients={"s": 0.0},
    )


def couette_spectrum(size: int = 60) -> np.ndarray:
    """Chebyshev collocation in complex numbers; the conjugates belong to the real statement too. Nearest to 0."""
    from scipy.linalg import eig

    a, reynolds = ORR
    y, d = cheb(size)
    second = d @ d - a**2 * np.eye(size + 1)
    left, right = second @ second / reynolds - 1j * a * y[:, None] * second, second.astype(complex)
    left[[0, -1]], right[[0, -1]] = np.eye(size + 1)[[0, -1]], 0
    left[[1, -2]], right[[1, -2]] = d[[0, -1]], 0
    values = eig(left, right, right=False)
    values = values[np.isfinite(values) & (abs(values) < 1e3)]
    values = np.concatenate([values, values.conj()])
    return values[np.argsort(abs(values))][:4]


def oscillator_data() -> tuple[np.ndarray, np.ndarray]:
    """Sixty readings of a damped oscillation with noise."""
    generator = np.random.default_rng(44)
    t = np.sort(generator.uniform(0, 10, 60))
    return t, damped(t, 0.15, 4.2) + 0.01 * generator.normal(size=60)


def damped(t: np.ndarray, d: float, k: float) -> np.ndarray:
    """The solution of u'' + 2 d u' + k u = 0, u = 1 and u' = 0 at 0."""
    w = math.sqrt(k - d**2)
    return np.exp(-d * t) * (np.cos(w * t) + d / w * np.sin(w * t))


def oscillator() -> PDE:
    """u'' + 2 d u' + k u = 0 from 60 readings with noise."""
    t, values = oscillator_data()
    return PDE(
        lambda u, d, k: u.tt + 2 * d * u.t + k * u,
        Time(0, 10),
        [Initial(1.0, rate=0.0), Observations(t[:, None], values)],
        coefficients={"d": 0.5, "k": 3.0},
    )


def oscillator_fit(tolerance: float = 1e-15) -> np.ndarray:
    """Least squares of the closed solution."""
    t, values = oscillator_data()
    fit = least_squares(lambda c: damped(t, *c) - values, [0.5, 3.0], xtol=tolerance, ftol=tolerance, gtol=tolerance)
    return fit.x


def oscillator_error(solution: Solution) -> float:
    """Largest relative difference of a coefficient from that of least squares."""
    found = np.array([solution.unknowns[name] for name in ("d", "k")])
    return float(np.abs(found / oscillator_fit() - 1).max())


def stationary_points(low: float, high: float) -> Callable[[], np.ndarray]:
    """Even places of an interval."""
    return lambda: np.linspace(low, high, 4001)[:, None]


# Truths by scipy, with tolerances near rounding
van_der_pol_exact = by_scipy(van_der_pol_rate, [2.0, 0.0], 1, "Radau", 1e-13)
hires_exact = by_scipy(lambda t, y: reaction(*y), HIRES_START, 8, "Radau", 1e-15)
eight_exact = by_scipy(eight_rate, eight_start(), 6, "DOP853", 1e-14, 1e-13)

"""Equations that `solve` was not developed on: cases of PINNacle, and textbook equations.

PINNacle is a benchmark of physics-informed networks (Hao et al., arXiv 2306.08827). The others have closed solutions,
or references by Fourier series and by scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import airy as special_airy
from torch import Tensor

from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Domain,
    Initial,
    Interval,
    Periodic,
    Time,
    integral,
    laplacian,
)
from edgewise_experiments.problems.reference_solutions import periodic_series, solve_ode

PI = math.pi
SQUARE = Box(x=(0, 1), y=(0, 1))
HOLES = [(a, b, 0.1) for a in (-0.3, 0.3) for b in (-0.3, 0.3)]  # of Poisson2d-C: centres and radius


@dataclass(frozen=True)
class Case:
    """An equation."""

    name: str
    statement: str
    make: Callable[[], PDE]
    reference: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None


def at_start(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of x and t at t = 0."""
    return lambda x: function(x, torch.zeros_like(x))


def fourier(
    rate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    start: Callable[[np.ndarray], np.ndarray],
    low: float,
    high: float,
    end: float,
    modes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Periodic fields (fields, points) at t = `end`, whose rate takes them and the wave numbers; see `Case`.

    The numbers of modes below are so large that twice as many change the result by 3e-11 or less.
    """
    x = low + (high - low) * np.arange(modes) / modes
    wave = 2 * np.pi / (high - low) * np.fft.fftfreq(modes, 1 / modes)
    first = np.atleast_2d(start(x))

    def flat(t: float, values: np.ndarray) -> np.ndarray:
        return rate(values.reshape(first.shape), wave).ravel()

    found = solve_ivp(flat, (0, end), first.ravel(), method="DOP853", rtol=1e-10, atol=1e-11)
    return np.stack([x, np.full(modes, end)], 1), found.y[:, -1].reshape(first.shape).T


def derivative(values: np.ndarray, wave: np.ndarray, order: int) -> np.ndarray:
    """Derivative of periodic values (..., points)."""
    return np.fft.ifft((1j * wave) ** order * np.fft.fft(values)).real


def string() -> PDE:
    """PINNacle's wave in one dimension."""

    def wave(x: Tensor, t: Tensor) -> Tensor:
        return torch.sin(PI * x) * torch.cos(2 * PI * t) + 0.5 * torch.sin(4 * PI * x) * torch.cos(8 * PI * t)

    return PDE(
        lambda u: u.tt - 4 * u.xx,
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(at_start(wave), rate=0.0)],
        solution=wave,
    )


def two_scales() -> PDE:
    """PINNacle's heat equation with two scales."""

    def mode(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(20 * PI * x) * torch.sin(PI * y)

    return PDE(
        lambda u: u.t - u.xx / (500 * PI) ** 2 - u.yy / PI**2,
        SQUARE * Time(0, 5),
        [Dirichlet(0.0), Initial(mode)],
        solution=lambda x, y, t: mode(x, y) * torch.exp(-(1 + (20 / 500) ** 2) * t),
    )


def five_dimensions() -> PDE:
    """PINNacle's Poisson equation in five dimensions."""

    def sines(points: Tensor) -> Tensor:
        return torch.sin(PI / 2 * points).sum(1)

    return PDE(
        lambda u, points: laplacian(u) + PI**2 / 4 * sines(points), Box.cube(5), [Dirichlet(sines)], solution=sines
    )


def kuramoto() -> PDE:
    """PINNacle's Kuramoto-Sivashinsky equation."""
    a, b, c = 100 / 16, 100 / 16**2, 100 / 16**4
    return PDE(
        lambda u: u.t + a * u * u.x + b * u.xx + c * u.xxxx,
        Interval(0, 2 * PI) * Time(0, 1),
        [Periodic("x"), Initial(lambda x: torch.cos(x) * (1 + torch.sin(x)))],
    )


@cache
def kuramoto_reference(steps: int = 100_000) -> tuple[np.ndarray, np.ndarray]:
    """Fourier series of the same by `periodic_series`, since the fourth derivative is stiff.

    Errors of the start grow by a factor of about 10^6. With 768 modes the result changes by 1.3e-10, with twice the
    step by 3e-9.
    """
    a, b, c = 100 / 16, 100 / 16**2, 100 / 16**4
    modes = 512
    x = 2 * PI * np.arange(modes) / modes
    wave = np.fft.rfftfreq(modes, 1 / modes)
    linear, start = b * wave**2 - c * wave**4, np.cos(x) * (1 + np.sin(x))
    last = periodic_series(linear, -0.5j * a * wave, lambda v: v**2, start, steps, 1.0)
    return np.stack([x, np.ones(modes)], 1), last[:, None]


def without_disks(half: float, disks: Sequence[tuple[float, float, float]]) -> tuple[Domain, list[str], list[str]]:
    """A square from -half to half without disks (x, y, radius), and the names of its sides and its circles."""
    domain: Domain = Box(x=(-half, half), y=(-half, half))
    sides = list(domain.boundary_names)
    for x, y, radius in disks:
        domain = domain - Disk(radius, (x, y))
    return domain, sides, [name for name in domain.boundary_names if name not in sides]


def four_circles() -> PDE:
    """A harmonic function around PINNacle's four circles: a charge in each."""
    domain, _, _ = without_disks(0.5, HOLES)

    def charges(x: Tensor, y: Tensor) -> Tensor:
        each = [(k + 1) * torch.log((x - a) ** 2 + (y - b) ** 2) for k, (a, b, _) in enumerate(HOLES)]
        return torch.stack(each).sum(0)

    return PDE(lambda u: laplacian(u), domain, [Dirichlet(charges)], solution=charges)


def steady_flow(u, v, p):  # type: ignore[no-untyped-def]  # as a user writes it
    """The equations of Navier and Stokes without time, Reynolds number 100."""
    return (
        u * u.x + v * u.y + p.x - laplacian(u) / 100,
        u * v.x + v * v.y + p.y - laplacian(v) / 100,
        u.x + v.y,
    )


def fisher() -> PDE:
    """The wave of Ablowitz and Zeppetella."""

    def front(x: Tensor, t: Tensor) -> Tensor:
        return (1 + torch.exp((x - 5 / math.sqrt(6) * t) / math.sqrt(6))) ** -2

    return PDE(
        lambda u: u.t - u.xx - u * (1 - u),
        Interval(-10, 15) * Time(0, 2),
        [Dirichlet(front), Initial(at_start(front))],
        solution=front,
    )


def schroedinger() -> PDE:
    """A moving soliton of the cubic Schroedinger equation, real and imaginary part."""
    parts = {
        "u": lambda x, t: torch.cos(x) / torch.cosh(x - t),
        "v": lambda x, t: torch.sin(x) / torch.cosh(x - t),
    }
    return PDE(
        lambda u, v: (u.t + v.xx / 2 + (u**2 + v**2) * v, v.t - u.xx / 2 - (u**2 + v**2) * u),
        Interval(-8, 8) * Time(0, 1),
        [Dirichlet(parts), Initial({name: at_start(part) for name, part in parts.items()})],
        solution=parts,
    )


def telegraph() -> PDE:
    """The telegraph equation."""
    return PDE(
        lambda u: u.tt + 2 * u.t + u - u.xx,
        Interval(0, 1) * Time(0, 2),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x), rate=lambda x: -torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-t) * torch.sin(PI * x) * torch.cos(PI * t),
    )


def beam() -> PDE:
    """A vibrating beam with hinged ends."""
    return PDE(
        lambda u: u.tt + u.xxxx,
        Interval(0, 1) * Time(0, 1),
        [
            Dirichlet(0.0),
            Condition(lambda u: u.xx, on=["x=0", "x=1"]),
            Initial(lambda x: torch.sin(PI * x), rate=0.0),
        ],
        solution=lambda x, t: torch.sin(PI * x) * torch.cos(PI**2 * t),
    )


def bratu() -> PDE:
    """Bratu's equation at lambda = 1, the lower of its two solutions."""
    theta = brentq(lambda s: s - math.sqrt(2) * math.cosh(s / 4), 0.1, 3.0, xtol=1e-15)
    return PDE(
        lambda u: u.xx + torch.exp(u),
        Interval(0, 1),
        [Dirichlet(0.0)],
        solution=lambda x: -2 * torch.log(torch.cosh((x - 0.5) * theta / 2) / math.cosh(theta / 4)),
    )


def airy() -> PDE:
    """Airy's equation, ten oscillations."""

    def decaying(x: Tensor) -> Tensor:
        """Airy's function by scipy: that of torch has six digits."""
        return torch.from_numpy(special_airy(x.detach().numpy())[0])

    return PDE(
        lambda u, x: u.xx - x * u,
        Interval(-15, 2),
        [Dirichlet(decaying)],
        solution=decaying,
    )


def lane_emden() -> PDE:
    """A star of index 5, with a singular coefficient at the centre."""
    return PDE(
        lambda u, t: t * u.tt + 2 * u.t + t * u**5,
        Time(0, 3),
        [Initial(1.0, rate=0.0)],
        solution=lambda t: 1 / torch.sqrt(1 + t**2 / 3),
    )


def moving_bump() -> PDE:
    """A bump that is carried through a square and spreads."""

    def bump(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        width = 0.02 + 0.04 * t
        return 0.02 / width * torch.exp(-((x - 0.3 - 0.4 * t) ** 2 + (y - 0.3 - 0.3 * t) ** 2) / width)

    return PDE(
        lambda u: u.t + 0.4 * u.x + 0.3 * u.y - 0.01 * laplacian(u),
        SQUARE * Time(0, 1),
        [Dirichlet(bump), Initial(lambda x, y: bump(x, y, torch.zeros_like(x)))],
        solution=bump,
    )


def burgers_2d() -> PDE:
    """A front of Burgers' equations in the plane (Fletcher), Reynolds number 20."""
    reynolds = 20.0

    def sigmoid(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return torch.sigmoid(-(4 * y - 4 * x - t) * reynolds / 32) / 4

    parts = {"u": lambda x, y, t: 0.75 - sigmoid(x, y, t), "v": lambda x, y, t: 0.75 + sigmoid(x, y, t)}
    start = {name: (lambda x, y, part=part: part(x, y, torch.zeros_like(x))) for name, part in parts.items()}
    return PDE(
        lambda u, v: (
            u.t + u * u.x + v * u.y - laplacian(u) / reynolds,
            v.t + u * v.x + v * v.y - laplacian(v) / reynolds,
        ),
        SQUARE * Time(0, 0.5),
        [Dirichlet(parts), Initial(start)],
        solution=parts,
    )


def gray_scott() -> PDE:
    """Gray and Scott's reaction on a ring, up to the first split of the pulse."""
    start = {
        "u": lambda x: 1 - 0.5 * torch.exp(-((x - 1) ** 2) / 0.02),
        "v": lambda x: 0.25 * torch.exp(-((x - 1) ** 2) / 0.02),
    }
    return PDE(
        lambda u, v: (
            u.t - 1e-3 * u.xx + u * v**2 - 0.04 * (1 - u),
            v.t - 5e-4 * v.xx - u * v**2 + 0.1 * v,
        ),
        Interval(0, 2) * Time(0, 20),
        [Periodic("x"), Initial(start)],
    )


def gray_scott_reference(modes: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Fourier series of the same."""

    def rate(both: np.ndarray, wave: np.ndarray) -> np.ndarray:
        u, v = both
        bent = derivative(both, wave, 2)
        return np.stack([1e-3 * bent[0] - u * v**2 + 0.04 * (1 - u), 5e-4 * bent[1] + u * v**2 - 0.1 * v])

    def start(x: np.ndarray) -> np.ndarray:
        bump = np.exp(-((x - 1) ** 2) / 0.02)
        return np.stack([1 - 0.5 * bump, 0.25 * bump])

    return fourier(rate, start, 0, 2, 20.0, modes)


def lorenz() -> PDE:
    """Lorenz' equations."""
    return PDE(
        lambda u, v, w: (u.t - 10 * (v - u), v.t - u * (28 - w) + v, w.t - u * v + 8 / 3 * w),
        Time(0, 8),
        [Initial({"u": 1.0, "v": 1.0, "w": 1.0})],
    )


def lorenz_rate(t: float, y: np.ndarray) -> list[float]:
    """The same as rates of the three fields."""
    return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]


def lorenz_reference() -> tuple[np.ndarray, np.ndarray]:
    """The same by DOP853."""
    end = np.array([8.0])
    return end[:, None], solve_ode(lorenz_rate, (1.0, 1.0, 1.0), end, absolute=1e-13, relative=1e-13)


def charge() -> PDE:
    """The potential of a charge beside a cube."""

    def potential(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return 1 / torch.sqrt((x + 0.3) ** 2 + (y + 0.3) ** 2 + (z + 0.3) ** 2)

    cube = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    return PDE(lambda u: laplacian(u), cube, [Dirichlet(potential)], solution=potential)


def liouville() -> PDE:
    """Liouville's equation on a square."""

    def bubble(x: Tensor, y: Tensor) -> Tensor:
        return torch.log(8 / (1 + x**2 + y**2) ** 2)

    square = Box(x=(-1, 1), y=(-1, 1))
    return PDE(lambda u: laplacian(u) + torch.exp(u), square, [Dirichlet(bubble)], solution=bubble)


def elasticity() -> PDE:
    """Plane strain with both Lame constants 1, of which the body force is that of known displacements."""

    def u(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(2 * x) * torch.cos(y)

    def v(x: Tensor, y: Tensor) -> Tensor:
        return torch.cos(x) * torch.sin(3 * y)

    def equations(u_: object, v_: object, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        first = -13 * u(x, y) - 6 * torch.sin(x) * torch.cos(3 * y)
        second = -28 * v(x, y) - 4 * torch.cos(2 * x) * torch.sin(y)
        return (
            3 * u_.xx + u_.yy + 2 * v_.xy - first,  # type: ignore[attr-defined]
            3 * v_.yy + v_.xx + 2 * u_.xy - second,  # type: ignore[attr-defined]
        )

    def plane(u, v, x, y):  # type: ignore[no-untyped-def]  # as a user writes it
        return equations(u, v, x, y)

    return PDE(plane, SQUARE, [Dirichlet({"u": u, "v": v})], solution={"u": u, "v": v})


def family() -> PDE:
    """Damped growth for all rates from 0.1 to 4 at once: the rate is a coordinate."""
    return PDE(
        lambda u, m: u.t - m * u * (1 - u),
        Box(m=(0.1, 4)) * Time(0, 3),
        [Initial(0.1)],
        solution=lambda m, t: 1 / (1 + 9 * torch.exp(-m * t)),
    )


def memory() -> PDE:
    """An equation with memory: u' = -u + the integral of e^(s - t) u from 0, whose solution ends at one half."""
    return PDE(
        lambda u, t: u.t + u - integral(u, 0.0, t, lambda u, s: torch.exp(s - t[:, None]) * u),
        Time(0, 3),
        [Initial(1.0)],
        solution=lambda t: (1 + torch.exp(-2 * t)) / 2,
    )


CASES = (
    Case("wave (Wave1d-C)", "u_tt = 4 u_xx on [0, 1], t to 1, two modes", string),
    Case("two scales (Heat2d-MS)", "u_t = u_xx / (500 pi)^2 + u_yy / pi^2 on a square, t to 5", two_scales),
    Case("five dimensions (PNd)", "laplacian u = -pi^2 / 4 sum of sin(pi x_i / 2) on [0, 1]^5", five_dimensions),
    Case("Kuramoto-Sivashinsky (KS)", "a ring of 2 pi, t to 1", kuramoto, kuramoto_reference),
    Case("four circles", "laplacian u = 0 on a square without four disks", four_circles),
    Case("Fisher", "u_t = u_xx + u (1 - u) on [-10, 15], t to 2, a travelling wave", fisher),
    Case("Schroedinger", "i u_t + u_xx / 2 + |u|^2 u = 0 on [-8, 8], t to 1, a soliton", schroedinger),
    Case("telegraph", "u_tt + 2 u_t + u = u_xx on [0, 1], t to 2", telegraph),
    Case("beam", "u_tt + u_xxxx = 0 on [0, 1], t to 1, hinged ends", beam),
    Case("Bratu", "u'' + e^u = 0 on [0, 1]", bratu),
    Case("Airy", "u'' = x u on [-15, 2]", airy),
    Case("Lane-Emden", "t u'' + 2 u' + t u^5 = 0, u = 1 and u' = 0 at 0, t to 3", lane_emden),
    Case("moving bump", "u_t + (0.4, 0.3) grad u = 0.01 laplacian u on a square, t to 1", moving_bump),
    Case("Gray-Scott", "two fields on a ring of 2, t to 20, a pulse", gray_scott, gray_scott_reference),
    Case("Lorenz", "t to 8", lorenz, lorenz_reference),
    Case("charge", "laplacian u = 0 on a cube beside a charge", charge),
    Case("Liouville", "laplacian u + e^u = 0 on [-1, 1]^2", liouville),
    Case("elasticity", "plane strain on a square", elasticity),
    Case("family", "u_t = m u (1 - u) for all m in [0.1, 4], t to 3", family),
    Case("memory", "u' = -u + integral of e^(s - t) u(s) from 0 to t, t to 3", memory),
)

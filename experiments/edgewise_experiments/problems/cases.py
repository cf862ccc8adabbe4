"""Equations that `solve` was not developed on: cases of PINNacle, and textbook equations.

PINNacle is a benchmark of physics-informed networks (Hao et al., arXiv 2306.08827). The others have closed solutions,
or references (`references.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import airy
from torch import Tensor, cos, exp, sin, sqrt

from edgewise.pde import (
    PDE,
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Domain,
    Initial,
    Interface,
    Interval,
    Neumann,
    Observations,
    Periodic,
    Robin,
    Time,
    integral,
    laplacian,
)
from edgewise_experiments.problems.named_equations import PI, Equation, known, named_equation

RING, SQUARE, CUBE = Interval(0, 2 * PI), Box(x=(0, 1), y=(0, 1)), Box(x=(0, 1), y=(0, 1), z=(0, 1))
AROUND_0 = Box(x=(-1, 1), y=(-1, 1))
HOLES = [(a, b, 0.1) for a in (-0.3, 0.3) for b in (-0.3, 0.3)]  # of Poisson2d-C: centres and radius
CIRCLES = ((0.5, 0.5, 0.2), (0.4, -0.4, 0.4), (-0.2, -0.7, 0.1), (-0.6, 0.5, 0.3))  # of Poisson2d-CG
BALLS = ((0.4, 0.3, 0.6, 0.2), (0.6, 0.7, 0.6, 0.2), (0.2, 0.8, 0.7, 0.1), (0.6, 0.2, 0.3, 0.1))  # of Poisson3d-CG

# Lowest relative L2 error of the methods that PINNacle compares (Hao et al., arXiv 2306.08827, table 3) and the method,
# read from a summary of that table, for the paper itself was not at hand.
PUBLISHED = {
    "Burgers (Burgers1d-C)": (1.45e-2, "PINN"),
    "four holes (Poisson2d-C)": (1.23e-2, "NTK"),
    "four holes with a reaction (Poisson2d-CG)": (1.43e-2, "NTK"),
    "two scales (Heat2d-MS)": (6.21e-2, "PINN"),
    "long time (Heat2d-LT)": (9.99e-1, "several"),
    "lid (NS2d-C)": (3.6e-2, "LAAF"),
    "wave (Wave1d-C)": (9.79e-2, "NTK"),
    "Kuramoto-Sivashinsky (KS)": (9.57e-1, "NTK"),
    "five dimensions (PNd)": (4.67e-4, "L-BFGS"),
    "heat in a ball (HNd)": (1.19e-4, ""),
    "patches (Poisson2d-MS)": (5.9e-1, ""),
    "heat through noise (Heat2d-VC)": (2.12e-1, ""),
    "wave through noise (Wave2d-CG)": (7.94e-1, ""),
    "four balls (Poisson3d-CG)": (9.47e-2, ""),
    "heat around holes (Heat2d-CG)": (2.39e-2, ""),
}

# Poisson2d-MS: conductivity, constant source and height of the source's bump of each of 5 x 5 patches, (x, y), from the
# files of PINNacle's repository (ref/poisson_a_coef.dat, ref/poisson_f_coef.dat), rounded to five digits.
CONDUCTIVITIES, SOURCES, BUMPS = (
    torch.tensor([[float(number) for number in row.split()] for row in rows.split(";")], dtype=torch.float64)
    for rows in (
        "46.117 0.59733 0.29227 1.2628 0.14456; 12.718 1.4698 82.58 0.23612 0.32126; "
        "0.98707 9.0569 87.936 0.13191 66.248; 6.9401 1.7144 1.8829 0.47775 12.268; 65.953 22.765 5.1495 10.517 6.485",
        "-0.53915 -0.37768 0.95939 0.23958 0.52985; -0.87542 0.92006 0.23022 0.12642 -0.80555; "
        "0.31183 -0.12398 0.75589 -0.056908 -0.9685; -0.40548 0.89286 0.43946 -0.8038 0.50878; "
        "0.63565 -0.43482 -0.83234 -0.77884 0.17858",
        "-0.82938 0.11428 0.58644 -0.9371 0.42473; 0.47792 -0.36908 0.33963 0.32412 0.26527; "
        "0.66302 -0.07972 -0.76039 0.10513 -0.058647; 0.076138 -0.18602 0.049058 -0.41341 0.22481; "
        "-0.78251 -0.63585 0.88461 0.67747 -0.98483",
    )
)


def patch_values(x: Tensor, y: Tensor) -> Tensor:
    """Source over conductivity of Poisson2d-MS."""
    place = [((each + 10) / 4).clamp(0, 4.999) for each in (x, y)]
    (i, a), (j, b) = ((each.long(), each - each.long()) for each in place)
    return (SOURCES[i, j] + BUMPS[i, j] * sin(PI * a) * sin(PI * b)) / CONDUCTIVITIES[i, j]


# Heat2d-CG: radii and centers of holes.
LARGE, SMALL = 1.0, 0.4
LARGE_CENTERS = [(0, 0), *((0, y) for y in (-6, 6)), *((x, y) for x in (-4, 4) for y in (-9, -3, 3, 9))]
SMALL_CENTERS = [(x, y) for x in (-3.2, 3.2) for y in (-6, 0, 6)]
SIEVE = [*((*center, LARGE) for center in LARGE_CENTERS), *((*center, SMALL) for center in SMALL_CENTERS)]


def without_disks(box: Box, disks: Sequence[tuple[float, float, float]]) -> tuple[Domain, list[str], list[str]]:
    """A rectangle without disks (x, y, radius), and the names of its sides and its circles."""
    domain: Domain = box
    sides = list(domain.boundary_names)
    for x, y, radius in disks:
        domain = domain - Disk(radius, (x, y))
    return domain, sides, [name for name in domain.boundary_names if name not in sides]


def half_square(half: float) -> Box:
    """The square from -half to half."""
    return Box(x=(-half, half), y=(-half, half))


# Heat2d-VC and Wave2d-CG have coefficients that are drawn at random. The generator of PINNacle's repository
# (i207M/PINNacle, data/generate_functions.py, with its seed) gives the pictures of its two coefficients that the
# repository holds, to the last grey level: the coefficients are its own.
SEED, FIELD = 20220722, 256  # of PINNacle's generator: its seed and points of a side


@cache
def random_field() -> np.ndarray:
    """PINNacle's Gaussian random field, (points of y, points of x): amplitudes |k|^-2, mean 0 and variance 1."""
    random = np.random.RandomState(SEED)
    wave = np.fft.fftfreq(FIELD, 1 / FIELD)
    wave_squared = wave[:, None] ** 2 + wave**2
    amplitude = np.divide(1.0, wave_squared, out=np.zeros_like(wave_squared), where=wave_squared > 0)
    noise = random.normal(size=(FIELD, FIELD)) + 1j * random.normal(size=(FIELD, FIELD))
    field = np.fft.ifft2(noise * amplitude).real
    field -= field.mean()
    return field / field.std()


def bilinear(values: np.ndarray, low: float, high: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Function of x and y with values (points of y, points of x) on an even grid from low to high, linear between."""
    cells, grid = len(values) - 1, torch.from_numpy(values)

    def function(x: Tensor, y: Tensor) -> Tensor:
        places = [((each.detach() - low) / (high - low) * cells).clamp(0, cells) for each in (x, y)]
        i, j = (place.long().clamp(max=cells - 1) for place in places)
        a, b = places[0] - i, places[1] - j
        lower = grid[j, i] * (1 - a) + grid[j, i + 1] * a
        return (1 - b) * lower + b * (grid[j + 1, i] * (1 - a) + grid[j + 1, i + 1] * a)

    return function


def string() -> PDE:
    """PINNacle's wave in one dimension."""

    def wave(x: Tensor, t: Tensor) -> Tensor:
        return sin(PI * x) * cos(2 * PI * t) + 0.5 * sin(4 * PI * x) * cos(8 * PI * t)

    start = Initial(lambda x: wave(x, 0 * x), rate=0.0)
    return PDE(lambda u: u.tt - 4 * u.xx, Interval(0, 1) * Time(0, 1), [Dirichlet(0.0), start], solution=wave)


def two_scales() -> PDE:
    """PINNacle's heat equation with two scales."""

    def mode(x: Tensor, y: Tensor) -> Tensor:
        return sin(20 * PI * x) * sin(PI * y)

    return PDE(
        lambda u: u.t - u.xx / (500 * PI) ** 2 - u.yy / PI**2,
        SQUARE * Time(0, 5),
        [Dirichlet(0.0), Initial(mode)],
        solution=lambda x, y, t: mode(x, y) * exp(-(1 + (20 / 500) ** 2) * t),
    )


def kuramoto() -> PDE:
    """PINNacle's Kuramoto-Sivashinsky equation."""
    a, b, c = 100 / 16, 100 / 16**2, 100 / 16**4
    start = Initial(lambda x: cos(x) * (1 + sin(x)))
    return PDE(lambda u: u.t + a * u * u.x + b * u.xx + c * u.xxxx, RING * Time(0, 1), [Periodic("x"), start])


def charges(x: Tensor, y: Tensor) -> Tensor:
    """The potential of a charge in each of PINNacle's four circles."""
    return torch.stack([(k + 1) * torch.log((x - a) ** 2 + (y - b) ** 2) for k, (a, b, _) in enumerate(HOLES)]).sum(0)


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
        return (1 + exp((x - 5 / math.sqrt(6) * t) / math.sqrt(6))) ** -2

    start = Initial(lambda x: front(x, 0 * x))
    domain = Interval(-10, 15) * Time(0, 2)
    return PDE(lambda u: u.t - u.xx - u * (1 - u), domain, [Dirichlet(front), start], solution=front)


def schroedinger() -> PDE:
    """A moving soliton of the cubic Schroedinger equation, real and imaginary part."""
    parts = {"u": lambda x, t: cos(x) / torch.cosh(x - t), "v": lambda x, t: sin(x) / torch.cosh(x - t)}
    return PDE(
        lambda u, v: (u.t + v.xx / 2 + (u**2 + v**2) * v, v.t - u.xx / 2 - (u**2 + v**2) * u),
        Interval(-8, 8) * Time(0, 1),
        [Dirichlet(parts), Initial({"u": lambda x: parts["u"](x, 0 * x), "v": lambda x: parts["v"](x, 0 * x)})],
        solution=parts,
    )


def eccentric_anomaly(t: Tensor) -> Tensor:
    """Angle on the orbit of eccentricity 0.6 at the time t, by Newton's method for Kepler's equation."""
    angle = t
    for _ in range(50):
        fault = angle - 0.6 * sin(angle) - t
        angle = angle - fault / (1 - 0.6 * cos(angle))
    return angle


def bratu() -> PDE:
    """Bratu's equation at lambda = 1, the lower of its two solutions."""
    theta = brentq(lambda s: s - math.sqrt(2) * math.cosh(s / 4), 0.1, 3.0, xtol=1e-15)
    return PDE(
        lambda u: u.xx + exp(u),
        Interval(0, 1),
        [Dirichlet(0.0)],
        solution=lambda x: -2 * torch.log(torch.cosh((x - 0.5) * theta / 2) / math.cosh(theta / 4)),
    )


def moving_bump() -> PDE:
    """A bump that is carried through a square and spreads."""

    def bump(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        width = 0.02 + 0.04 * t
        return 0.02 / width * exp(-((x - 0.3 - 0.4 * t) ** 2 + (y - 0.3 - 0.3 * t) ** 2) / width)

    return PDE(
        lambda u: u.t + 0.4 * u.x + 0.3 * u.y - 0.01 * laplacian(u),
        SQUARE * Time(0, 1),
        [Dirichlet(bump), Initial(lambda x, y: bump(x, y, 0 * x))],
        solution=bump,
    )


def gray_scott() -> PDE:
    """Gray and Scott's reaction on a ring, up to the first split of the pulse."""

    def bump(x: Tensor) -> Tensor:
        return exp(-((x - 1) ** 2) / 0.02)

    start = Initial({"u": lambda x: 1 - 0.5 * bump(x), "v": lambda x: 0.25 * bump(x)})
    return PDE(
        lambda u, v: (u.t - 1e-3 * u.xx + u * v**2 - 0.04 * (1 - u), v.t - 5e-4 * v.xx - u * v**2 + 0.1 * v),
        Interval(0, 2) * Time(0, 20),
        [Periodic("x"), start],
    )


def elasticity() -> PDE:
    """Plane strain with both Lame constants 1, of which the body force is that of known displacements."""
    parts = {"u": lambda x, y: sin(2 * x) * cos(y), "v": lambda x, y: cos(x) * sin(3 * y)}

    def plane(u, v, x, y):  # type: ignore[no-untyped-def]  # as a user writes it
        first = -13 * parts["u"](x, y) - 6 * sin(x) * cos(3 * y)
        second = -28 * parts["v"](x, y) - 4 * cos(2 * x) * sin(y)
        return 3 * u.xx + u.yy + 2 * v.xy - first, 3 * v.yy + v.xx + 2 * u.xy - second

    return known(plane, SQUARE, parts)


def four_holes() -> PDE:
    """PINNacle's Laplace equation on a square with four holes: 1 on the square, 0 on the circles."""
    domain, sides, circles = without_disks(half_square(0.5), HOLES)
    return PDE(lambda u: laplacian(u), domain, [Dirichlet(1.0, on=sides), Dirichlet(0.0, on=circles)])


def boltzmann() -> PDE:
    """PINNacle's linear equation of Poisson and Boltzmann around four charged disks: 1 there, 0.2 on the square."""
    domain, sides, circles = without_disks(half_square(1.0), CIRCLES)

    def source(x: Tensor, y: Tensor) -> Tensor:
        return 10 * (17 + x**2 + y**2) * sin(PI * x) * sin(4 * PI * y)

    conditions = [Dirichlet(0.2, on=sides), Dirichlet(1.0, on=circles)]
    return PDE(lambda u, x, y: -laplacian(u) + 64 * u - source(x, y), domain, conditions)


def long_time() -> PDE:
    """PINNacle's nonlinear heat equation to t = 100."""

    def equation(u, x, y, t):  # type: ignore[no-untyped-def]  # as a user writes it
        forcing = (1 + 2 * sin(PI * t / 4)) * sin(4 * PI * x) * sin(2 * PI * y)
        return u.t - 0.001 * laplacian(u) - 5 * sin(u**2) * forcing

    start = Initial(lambda x, y: sin(4 * PI * x) * sin(3 * PI * y))
    return PDE(equation, SQUARE * Time(0, 100), [Dirichlet(0.0), start])


def lid() -> PDE:
    """PINNacle's cavity: the speed of the lid is 4 x (1 - x), Reynolds number 100."""
    walls = Dirichlet({"u": 0.0, "v": 0.0}, on=["x=0", "x=1", "y=0"])
    origin = Observations(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.float64), "p")
    return PDE(steady_flow, SQUARE, [walls, Dirichlet({"u": lambda x: 4 * x * (1 - x), "v": 0.0}, on="y=1"), origin])


def heat_and_flow() -> PDE:
    """Convection of heat in a cell, a layer on each of two sides."""

    def layer(s: Tensor) -> Tensor:
        return s - torch.expm1(20 * (s - 1)).add(1).sub(math.exp(-20)) / (1 - math.exp(-20))

    return PDE(
        lambda u, x, y: -laplacian(u) / 20 + u.x + u.y - layer(x) - layer(y),
        SQUARE,
        [Dirichlet(0.0)],
        solution=lambda x, y: layer(x) * layer(y),
    )


def plate() -> PDE:
    """A clamped plate in bending."""

    def load(x: Tensor, y: Tensor) -> Tensor:
        a, b = cos(2 * PI * x), cos(2 * PI * y)
        return 4 * PI**4 * (4 * a * b - a - b)

    return PDE(
        lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - load(x, y),
        SQUARE,
        [Dirichlet(0.0), Neumann(0.0)],
        solution=lambda x, y: sin(PI * x) ** 2 * sin(PI * y) ** 2,
    )


def heat_around_holes() -> PDE:
    """PINNacle's heat equation on a rectangle without seventeen disks, from 0; the start contradicts the conditions."""
    domain, sides, circles = without_disks(Box(x=(-8, 8), y=(-12, 12)), SIEVE)
    count = len(LARGE_CENTERS)
    rims = [Robin(1.0, 1.0, 5.0, on=circles[:count]), Robin(1.0, 1.0, 1.0, on=circles[count:])]
    conditions = [*rims, Robin(1.0, 1.0, 0.1, on=sides), Initial(0.0)]
    return PDE(lambda u: u.t - laplacian(u), domain * Time(0, 3), conditions)


def heat_through_noise() -> PDE:
    """PINNacle's heat equation with a random coefficient, 0.06 to 14, linear between its values."""
    a = bilinear(np.exp(random_field()), 0, 1)
    return PDE(
        lambda u, x, y, t: u.t - a(x, y) * laplacian(u) - 200 * sin(PI * x) * sin(5 * PI * y) * sin(PI * t),
        SQUARE * Time(0, 5),
        [Dirichlet(0.0), Initial(0.0)],
    )


def wave_through_noise() -> PDE:
    """PINNacle's wave through regions of two speeds, the square of the speed linear between the values of its grid."""
    a = bilinear(np.where(random_field() > 0, 12.0, 1.0), -1, 1)
    start = Initial(lambda x, y: exp(-((x + 0.5) ** 2 + y**2) / (2 * 0.3**2)), rate=0.0)
    return PDE(lambda u, x, y: u.tt - a(x, y) * laplacian(u), AROUND_0 * Time(0, 5), [Neumann(0.0), start])


def layered_cube() -> PDE:
    """PINNacle's problem: k^2 u - laplacian u = f outside four balls, no flux, a reaction that jumps at half height."""
    domain: Domain = CUBE
    for *center, radius in BALLS:
        domain = domain - Ball(radius, center)

    def equation(u, x, y, z):  # type: ignore[no-untyped-def]  # as a user writes it
        squared = x**2 + y**2 + z**2
        a, b, c = sin(PI * x), sin(10 * PI * y), sin(5 * PI * z)
        source = 20 * exp(a + b + c) * (squared - 1) / (squared + 1) + 100 * a * b * c
        return torch.where(z < 0.5, 64.0, 100.0) * u - laplacian(u) - source

    return PDE(equation, domain, [Neumann(0.0), Interface(on="z=0.5")])


def heat_in_a_ball() -> PDE:
    """PINNacle's heat equation in the unit ball of five dimensions, with the flux given on the sphere."""

    def growth(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, t: Tensor) -> Tensor:
        return exp((a**2 + b**2 + c**2 + d**2 + e**2) / 2 + t)

    def equation(u, a, b, c, d, e, t):  # type: ignore[no-untyped-def]  # as a user writes it
        square = a**2 + b**2 + c**2 + d**2 + e**2
        return u.t - laplacian(u) / 5 + square / 5 * exp(square / 2 + t)

    start = Initial(lambda a, b, c, d, e: growth(a, b, c, d, e, 0 * a))
    domain = Ball(coordinates=("a", "b", "c", "d", "e")) * Time(0, 1)
    return PDE(equation, domain, [Neumann(growth, on="sphere"), start], solution=growth)


def cubic() -> PDE:
    """A nonlinear equation in five dimensions."""

    def ratio(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
        return 1 / (1 + a + b + c + d + e)

    domain = Box(**dict.fromkeys("abcde", (0, 1)))
    return known(lambda u, a, b, c, d, e: laplacian(u) - u**3 - 9 * ratio(a, b, c, d, e) ** 3, domain, ratio)


CASES = (
    Equation("wave (Wave1d-C)", "u_tt = 4 u_xx on [0, 1], t to 1, two modes", string),
    Equation("two scales (Heat2d-MS)", "u_t = u_xx / (500 pi)^2 + u_yy / pi^2 on a square, t to 5", two_scales),
    Equation(
        "five dimensions (PNd)",
        "laplacian u = -pi^2 / 4 sum of sin(pi x_i / 2) on [0, 1]^5",
        lambda: named_equation("poisson-5d-sum").make(),
    ),
    Equation("Kuramoto-Sivashinsky (KS)", "a ring of 2 pi, t to 1", kuramoto),
    Equation(
        "four circles",
        "laplacian u = 0 on a square without four disks",
        lambda: known(lambda u: laplacian(u), without_disks(half_square(0.5), HOLES)[0], charges),
    ),
    Equation("Fisher", "u_t = u_xx + u (1 - u) on [-10, 15], t to 2, a travelling wave", fisher),
    Equation("Schroedinger", "i u_t + u_xx / 2 + |u|^2 u = 0 on [-8, 8], t to 1, a soliton", schroedinger),
    Equation(
        "telegraph",
        "u_tt + 2 u_t + u = u_xx on [0, 1], t to 2",
        lambda: PDE(
            lambda u: u.tt + 2 * u.t + u - u.xx,
            Interval(0, 1) * Time(0, 2),
            [Dirichlet(0.0), Initial(lambda x: sin(PI * x), rate=lambda x: -sin(PI * x))],
            solution=lambda x, t: exp(-t) * sin(PI * x) * cos(PI * t),
        ),
    ),
    Equation(
        "beam",
        "u_tt + u_xxxx = 0 on [0, 1], t to 1, hinged ends",
        lambda: PDE(
            lambda u: u.tt + u.xxxx,
            Interval(0, 1) * Time(0, 1),
            [Dirichlet(0.0), Condition(lambda u: u.xx, on=["x=0", "x=1"]), Initial(lambda x: sin(PI * x), rate=0.0)],
            solution=lambda x, t: sin(PI * x) * cos(PI**2 * t),
        ),
    ),
    Equation("Bratu", "u'' + e^u = 0 on [0, 1]", bratu),
    Equation(
        "Airy",
        "u'' = x u on [-15, 2]",
        # Airy's function by scipy: that of torch has six digits.
        lambda: known(
            lambda u, x: u.xx - x * u, Interval(-15, 2), lambda x: torch.from_numpy(airy(x.detach().numpy())[0])
        ),
    ),
    Equation(
        "Lane-Emden",
        "t u'' + 2 u' + t u^5 = 0, u = 1 and u' = 0 at 0, t to 3",
        lambda: PDE(
            lambda u, t: t * u.tt + 2 * u.t + t * u**5,
            Time(0, 3),
            [Initial(1.0, rate=0.0)],
            solution=lambda t: 1 / sqrt(1 + t**2 / 3),
        ),
    ),
    Equation("moving bump", "u_t + (0.4, 0.3) grad u = 0.01 laplacian u on a square, t to 1", moving_bump),
    Equation("Gray-Scott", "two fields on a ring of 2, t to 20, a pulse", gray_scott),
    Equation(
        "Lorenz",
        "t to 8",
        lambda: PDE(
            lambda u, v, w: (u.t - 10 * (v - u), v.t - u * (28 - w) + v, w.t - u * v + 8 / 3 * w),
            Time(0, 8),
            [Initial({"u": 1.0, "v": 1.0, "w": 1.0})],
        ),
    ),
    Equation(
        "charge",
        "laplacian u = 0 on a cube beside a charge",
        lambda: known(
            lambda u: laplacian(u),
            CUBE,
            lambda x, y, z: 1 / sqrt((x + 0.3) ** 2 + (y + 0.3) ** 2 + (z + 0.3) ** 2),
        ),
    ),
    Equation(
        "Liouville",
        "laplacian u + e^u = 0 on [-1, 1]^2",
        lambda: known(lambda u: laplacian(u) + exp(u), AROUND_0, lambda x, y: torch.log(8 / (1 + x**2 + y**2) ** 2)),
    ),
    Equation("elasticity", "plane strain on a square", elasticity),
    Equation(
        "family",
        "u_t = m u (1 - u) for all m in [0.1, 4], t to 3",
        lambda: PDE(
            lambda u, m: u.t - m * u * (1 - u),
            Box(m=(0.1, 4)) * Time(0, 3),
            [Initial(0.1)],
            solution=lambda m, t: 1 / (1 + 9 * exp(-m * t)),
        ),
    ),
    Equation(
        "memory",
        "u' = -u + integral of e^(s - t) u(s) from 0 to t, t to 3",
        lambda: PDE(
            lambda u, t: u.t + u - integral(u, 0.0, t, lambda u, s: exp(s - t[:, None]) * u),
            Time(0, 3),
            [Initial(1.0)],
            solution=lambda t: (1 + exp(-2 * t)) / 2,
        ),
    ),
    Equation(
        "Burgers (Burgers1d-C)",
        "u_t + u u_x = 0.01/pi u_xx on [-1, 1], t to 1",
        lambda: named_equation("burgers").make(),
    ),
    Equation(
        "four holes (Poisson2d-C)", "laplacian u = 0 on a square without four disks, 1 outside and 0 inside", four_holes
    ),
    Equation(
        "four holes with a reaction (Poisson2d-CG)",
        "64 u - laplacian u = f on a square without four disks, 0.2 outside and 1 inside",
        boltzmann,
    ),
    Equation("long time (Heat2d-LT)", "u_t = 0.001 laplacian u + 5 sin(u^2) f on a square, t to 100", long_time),
    Equation("lid (NS2d-C)", "Navier-Stokes, Re 100, under a lid of speed 4 x (1 - x)", lid),
    Equation(
        "minimal surface",
        "Scherk's surface on [-1, 1]^2",
        lambda: known(
            lambda u: (1 + u.y**2) * u.xx - 2 * u.x * u.y * u.xy + (1 + u.x**2) * u.yy,
            AROUND_0,
            lambda x, y: torch.log(cos(y) / cos(x)),
        ),
    ),
    Equation(
        "orbit",
        "Kepler's problem, eccentricity 0.6, t to 6",
        lambda: PDE(
            lambda x, y: (x.tt + x / (x**2 + y**2) ** 1.5, y.tt + y / (x**2 + y**2) ** 1.5),
            Time(0, 6),
            [Initial({"x": 0.4, "y": 0.0}, rate={"x": 0.0, "y": 2.0})],
            solution={
                "x": lambda t: cos(eccentric_anomaly(t)) - 0.6,
                "y": lambda t: 0.8 * sin(eccentric_anomaly(t)),
            },
        ),
    ),
    Equation("two layers", "-laplacian u / 20 + u_x + u_y = f on a square", heat_and_flow),
    Equation(
        "Monge-Ampere",
        "u_xx u_yy - u_xy^2 = f on a square",
        lambda: known(
            lambda u, x, y: u.xx * u.yy - u.xy**2 - (1 + x**2 + y**2) * exp(x**2 + y**2),
            SQUARE,
            lambda x, y: exp((x**2 + y**2) / 2),
        ),
    ),
    Equation("clamped plate", "laplacian^2 u = f on a square, u = u_n = 0", plate),
    Equation(
        "patches (Poisson2d-MS)",
        "a laplacian u + f = 0 on 5 x 5 patches, u_n + u = 0 at the boundary",
        # As PINNacle's code writes it, divided by a.
        lambda: PDE(lambda u, x, y: laplacian(u) + patch_values(x, y), half_square(10.0), [Robin(1.0, 1.0, 0.0)]),
    ),
    Equation(
        "heat around holes (Heat2d-CG)",
        "`u_t = laplacian u` on a rectangle without 17 disks, `u_n = g - u`, t to 3",
        heat_around_holes,
    ),
    Equation(
        "heat through noise (Heat2d-VC)", "u_t = a laplacian u + f on a square, t to 5, a random", heat_through_noise
    ),
    Equation(
        "wave through noise (Wave2d-CG)",
        "u_tt = a laplacian u on [-1, 1]^2, t to 5, a 1 or 12 at random",
        wave_through_noise,
    ),
    Equation(
        "four balls (Poisson3d-CG)",
        "k^2 u - laplacian u = f on a cube without four balls, k = 8 below and 10 above, no flux",
        layered_cube,
    ),
    Equation(
        "heat in a ball (HNd)", "u_t = laplacian u / 5 + f in the unit ball of five dimensions, t to 1", heat_in_a_ball
    ),
    Equation("cubic in five dimensions", "laplacian u = u^3 + f on [0, 1]^5", cubic),
)
BY_NAME = {case.name: case for case in CASES}

"""A panel of forty equations that were written before anybody ran them, each with an independent truth.

Narrow features, layers, stiff reactions, orbits, plates, elasticity, two media, soap films, diffusion of probabilities,
flows, singular loads, spectra, coefficients from data; and eight statements that have no solution, many, or none that
depends continuously on the data, which a solver must name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import jv, jvp, yv, yvp
from torch import Tensor

from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    LevelSet,
    Neumann,
    Observations,
    Solution,
    Time,
    curl,
    diffusion,
    divergence,
    laplacian,
)
from edgewise_experiments.problems import unseen_lines as lines
from edgewise_experiments.problems.unseen_lines import PI, SQUARE, Unseen, gauss, moments, of_torch, tilted


def flash() -> PDE:
    """u_t = 0.01 u_xx from a pulse of width 5e-4."""
    return PDE(
        lambda u: u.t - 0.01 * u.xx,
        Interval(-1, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: 2000 * gauss((x - 0.2173) / 5e-4))],
    )


def flash_exact(points: np.ndarray) -> np.ndarray:
    """The widening pulse with its images behind the ends."""
    x, t = points.T
    width = np.sqrt(5e-4**2 + 0.04 * t)
    images = ((-1) ** n * gauss((x - 2 * n - (-1) ** n * 0.2173) / width) for n in range(-4, 5))
    return (sum(images) / width)[:, None]


def at_moments(low: float, high: float, times: Sequence[float]) -> Callable[[], np.ndarray]:
    """Places between two ends at some moments."""
    return lambda: np.array([(x, t) for t in times for x in np.linspace(low, high, 401)])


def ridge() -> PDE:
    """laplacian u = a load of width 1e-3 times sin(pi y)."""
    return PDE(
        lambda u, x, y: laplacian(u) + 1e3 * gauss((x - 0.4321) / 1e-3) * torch.sin(PI * y), SQUARE, [Dirichlet(0.0)]
    )


def ridge_exact(points: np.ndarray) -> np.ndarray:
    """Green's function of g'' - pi^2 g, integrated in closed form."""
    x, y = points.T
    up, down = (lambda low, high, s=s: tilted(s * PI, 0.4321, 1e-3, low, high) for s in (1, -1))
    before = (up(0.0, x) - down(0.0, x)) / 2
    after = (math.exp(PI) * down(x, 1.0) - math.exp(-PI) * up(x, 1.0)) / 2
    g = (np.sinh(PI * (1 - x)) * before + np.sinh(PI * x) * after) / (PI * math.sinh(PI))
    return (np.sin(PI * y) * g)[:, None]


def wall() -> PDE:
    """laplacian u = 0, u a pulse of width 0.004 on one side."""
    hot = Dirichlet(lambda x: gauss((x - 0.37) / 0.004), on="y=1")
    return PDE(lambda u: laplacian(u), SQUARE, [hot, Dirichlet(0.0, on=["x=0", "x=1", "y=0"])])


def wall_exact(points: np.ndarray) -> np.ndarray:
    """A sine series."""
    x, y = points.T
    total = np.zeros(len(x))
    for n in range(1, 1201):
        wave = n * PI
        amplitude = 0.008 * math.sqrt(PI) * math.exp(-((wave * 0.002) ** 2)) * math.sin(wave * 0.37)
        # sinh(wave y) / sinh(wave), without an overflow
        total += amplitude * np.sin(wave * x) * np.exp(wave * (y - 1)) * np.expm1(-2 * wave * y) / math.expm1(-2 * wave)
    return total[:, None]


def insulated_disk() -> PDE:
    """laplacian u = 1, du/dn = 0."""
    return PDE(lambda u: laplacian(u) - 1, Disk(), [Neumann(0.0)])


def final_heat() -> PDE:
    """u_t = 0.2 laplacian u, u given at the last moment."""
    last = Condition(lambda u, x, y: u - torch.sin(PI * x) * torch.sin(PI * y), on="t=0.5")
    return PDE(lambda u: u.t - 0.2 * laplacian(u), SQUARE * Time(0, 0.5), [Dirichlet(0.0), last])


def cross_diffusion() -> PDE:
    """u_t = u_xx + 2 v_xx, v_t = 2 u_xx + v_xx."""
    start = {"u": lambda x: torch.sin(PI * x), "v": lambda x: x * (1 - x)}
    return PDE(
        lambda u, v: (u.t - u.xx - 2 * v.xx, v.t - 2 * u.xx - v.xx),
        Interval(0, 1) * Time(0, 0.5),
        [Dirichlet({"u": 0.0, "v": 0.0}), Initial(start)],
    )


def hadamard() -> PDE:
    """laplacian u = 0, u and du/dn on one side, nothing opposite."""
    given = [Dirichlet(lambda x: torch.sin(PI * x), on="y=0"), Neumann(0.0, on="y=0")]
    return PDE(lambda u: laplacian(u), SQUARE, [*given, Dirichlet(0.0, on=["x=0", "x=1"])])


def inflow() -> PDE:
    """Stokes, all velocities given, an inflow alone."""
    return PDE(
        lambda u, v, p: (laplacian(u) - p.x, laplacian(v) - p.y, divergence(u, v)),
        SQUARE,
        [
            Dirichlet({"u": lambda y: y * (1 - y), "v": 0.0}, on="x=0"),
            Dirichlet({"u": 0.0, "v": 0.0}, on=["x=1", "y=0", "y=1"]),
            Observations([[0.0, 0.0]], [0.0], "p"),
        ],
    )


def supported_plate() -> PDE:
    """laplacian^2 w = 1 on 1 x 1.5, hinged edges."""
    hinges = [
        Condition(lambda w: w.xx, on=["x=0", "x=1"]),
        Condition(lambda w: w.yy, on=["y=0", "y=1.5"]),
    ]
    plate = Box(x=(0, 1), y=(0, 1.5))
    return PDE(lambda w: w.xxxx + 2 * w.xxyy + w.yyyy - 1, plate, [Dirichlet(0.0), *hinges])


def levy(points: np.ndarray) -> np.ndarray:
    """Levy's series (S. Timoshenko, S. Woinowsky-Krieger, Theory of Plates and Shells, 1959, section 30)."""
    x, y = points[:, 0], points[:, 1] - 0.75
    total = np.zeros(len(x))
    for m in range(1, 400, 2):
        wave = m * PI
        alpha = wave * 0.75
        # cosh(wave y) / cosh(alpha) and sinh(wave y) / cosh(alpha), without an overflow
        up, down = np.exp(wave * np.abs(y) - alpha), np.exp(-wave * np.abs(y) - alpha)
        even, odd = (up + down) / (1 + math.exp(-2 * alpha)), (up - down) / (1 + math.exp(-2 * alpha))
        bent = 1 - (alpha * math.tanh(alpha) + 2) / 2 * even + wave * np.abs(y) / 2 * odd
        total += 4 / wave**5 * bent * np.sin(wave * x)
    return total[:, None]


def elastic_cube() -> PDE:
    """Three displacements, given on all faces."""
    u, v, w = CUBE

    def equilibrium(u, v, w, x, y, z):  # type: ignore[no-untyped-def]  # as a user writes it
        def force(component, across, along):  # type: ignore[no-untyped-def]
            return laplacian(component) + 3 * across - along

        bulk = (u.xx + v.xy + w.xz, u.xy + v.yy + w.yz, u.xz + v.yz + w.zz)
        return tuple(map(force, (u, v, w), bulk, cube_force(x, y, z)))

    return PDE(equilibrium, Box(x=(0, 1), y=(0, 1), z=(0, 1)), [Dirichlet({"u": u, "v": v, "w": w})])


CUBE = (
    lambda x, y, z: torch.sin(x + 2 * y) * torch.exp(z),
    lambda x, y, z: torch.cos(y - z) * x**2,
    lambda x, y, z: torch.exp(x * 0.5) * y * z,
)


def cube_force(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
    """Minus the load: laplacian + 3 grad div of the displacements above."""
    s, c, e, h = torch.sin(x + 2 * y), torch.cos(x + 2 * y), torch.exp(z), torch.exp(x / 2)
    sine, cosine = torch.sin(y - z), torch.cos(y - z)
    first = -4 * s * e + 3 * (-s * e - 2 * x * sine + h * y / 2)
    second = (2 - 2 * x**2) * cosine + 3 * (-2 * s * e - x**2 * cosine + h)
    third = h * y * z / 4 + 3 * (c * e + x**2 * cosine)
    return first, second, third


def tube() -> PDE:
    """An annulus with a pressure inside, held outside."""

    def stress(u, v):  # type: ignore[no-untyped-def]
        bulk = 1.5 * (u.x + v.y)
        return bulk + 2 * u.x, u.y + v.x, bulk + 2 * v.y

    def pressed(u, v, normal):  # type: ignore[no-untyped-def]
        xx, xy, yy = stress(u, v)
        return (xx + 1) * normal[:, 0] + xy * normal[:, 1], xy * normal[:, 0] + (yy + 1) * normal[:, 1]

    return PDE(
        lambda u, v: (laplacian(u) + 2.5 * (u.xx + v.xy), laplacian(v) + 2.5 * (u.xy + v.yy)),
        Annulus(1.0, 2.0),
        [Dirichlet({"u": 0.0, "v": 0.0}, on="outer"), Condition(pressed, on="inner")],
    )


def tube_exact(points: np.ndarray) -> np.ndarray:
    """Lame's solution, whose displacement is (4 / r - r) / 13 outwards."""
    return points * (4 / np.square(points).sum(1, keepdims=True) - 1) / 13


def div_curl() -> PDE:
    """Divergence, curl and flow through the sides of a square."""
    u, v = EDDY
    return PDE(
        lambda u, v, x, y: (
            divergence(u, v) - y * torch.cos(1 + x * y) + torch.exp(x - y),
            curl(u, v) - torch.exp(x - y) + x * torch.cos(1 + x * y),
        ),
        SQUARE,
        [Dirichlet({"u": u}, on=["x=0", "x=1"]), Dirichlet({"v": v}, on=["y=0", "y=1"])],
    )


EDDY = (lambda x, y: torch.sin(1 + x * y), lambda x, y: torch.exp(x - y))


def refraction() -> PDE:
    """laplacian u + k^2 u = 0, k = 6 and 11."""

    def square(x: Tensor) -> Tensor:
        return torch.where(x < 0.2, 36.0, 121.0)

    return PDE(
        lambda u, x: laplacian(u) + square(x) * u,
        Box(x=(-1, 1), y=(-1, 1)),
        [Dirichlet(refracted), Interface(on="x=0.2")],
    )


def refracted(x: Tensor, y: Tensor) -> Tensor:
    """Incident, reflected and refracted wave, from Fresnel's formulas."""
    along, first = 6 * math.sin(0.5), 6 * math.cos(0.5)
    second = math.sqrt(121 - along**2)
    back = (first - second) / (first + second)
    x = x - 0.2
    left = torch.cos(first * x + along * y) + back * torch.cos(along * y - first * x)
    return torch.where(x < 0, left, (1 + back) * torch.cos(second * x + along * y))


LENS_IN, LENS_OUT = math.sqrt(100 / 3), math.sqrt(30)


def lens() -> PDE:
    """div(a grad u) + b u = 0, a and b jump at a circle."""

    def stiffness(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(x**2 + y**2 < 0.25, 3.0, 1.0)

    def mass(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(x**2 + y**2 < 0.25, 100.0, 30.0)

    even, third = (float(lens_radial(m, np.array([1.0]))[0]) for m in (0, 3))
    rim = Dirichlet(lambda x, y: even + third * (4 * x**3 - 3 * x))
    return PDE(lambda u, x, y: diffusion(u, stiffness) + mass(x, y) * u, Disk(), [rim, Interface(Disk(0.5))])


def lens_radial(m: int, r: np.ndarray) -> np.ndarray:
    """The radial part of the mode m: Bessel's J_m in the core, and J_m and Y_m around it."""
    ring = np.array(
        [
            [jv(m, LENS_OUT / 2), yv(m, LENS_OUT / 2)],
            [LENS_OUT * jvp(m, LENS_OUT / 2), LENS_OUT * yvp(m, LENS_OUT / 2)],
        ]
    )
    a, b = np.linalg.solve(ring, [jv(m, LENS_IN / 2), 3 * LENS_IN * jvp(m, LENS_IN / 2)])
    return np.where(r < 0.5, jv(m, LENS_IN * r), a * jv(m, LENS_OUT * r) + b * yv(m, LENS_OUT * r))


def lens_exact(points: np.ndarray) -> np.ndarray:
    """Both modes."""
    x, y = points.T
    r = np.hypot(x, y)
    return (lens_radial(0, r) + lens_radial(3, r) * np.cos(3 * np.arctan2(y, x)))[:, None]


def contact() -> PDE:
    """div(k grad u) = 0, k, u and the flux jump at a circle."""
    x0, y0, radius = 0.1, -0.05, 0.45

    def k(x: Tensor, y: Tensor) -> Tensor:
        return torch.where((x - x0) ** 2 + (y - y0) ** 2 < radius**2, 20.0, 1.0)

    def flux(x: Tensor, y: Tensor) -> Tensor:
        across = 0.6 * torch.cos(2 * x) * torch.cosh(2 * y) - 20 * torch.exp(x) * torch.cos(y)
        along = 0.6 * torch.sin(2 * x) * torch.sinh(2 * y) + 20 * torch.exp(x) * torch.sin(y)
        return (across * (x - x0) + along * (y - y0)) / radius

    def step(x: Tensor, y: Tensor) -> Tensor:
        return 0.3 * torch.sin(2 * x) * torch.cosh(2 * y) - torch.exp(x) * torch.cos(y)

    return PDE(
        lambda u: diffusion(u, k),
        Box(x=(-1, 1), y=(-1, 1)),
        [Dirichlet(contact_solution), Interface(Disk(radius, (x0, y0)), value=step, flux=flux)],
    )


def contact_solution(x: Tensor, y: Tensor) -> Tensor:
    """A harmonic function inside, and another one outside."""
    inside = (x - 0.1) ** 2 + (y + 0.05) ** 2 < 0.45**2
    return torch.where(inside, torch.exp(x) * torch.cos(y), 0.3 * torch.sin(2 * x) * torch.cosh(2 * y))


def film(u):  # type: ignore[no-untyped-def]  # as a user writes it
    """Twice the mean curvature of a graph, times a power of its area."""
    return (1 + u.y**2) * u.xx - 2 * u.x * u.y * u.xy + (1 + u.x**2) * u.yy


def tower() -> PDE:
    """The minimal surface sin u = sinh x sinh y on a square."""
    return PDE(film, Box(x=(-0.8, 0.8), y=(-0.8, 0.8)), [Dirichlet(tower_solution)])


def tower_solution(x: Tensor, y: Tensor) -> Tensor:
    """The height of the minimal surface sin z = sinh x sinh y."""
    return torch.asin(torch.sinh(x) * torch.sinh(y))


def cap() -> PDE:
    """a surface of constant mean curvature."""
    ellipse = LevelSet(lambda x, y: (x - 0.2) ** 2 + 4 * y**2 - 1, x=(-1, 1.5), y=(-0.7, 0.7))
    curved = 4 / 3
    return PDE(lambda u: film(u) + curved * (1 + u.x**2 + u.y**2) ** 1.5, ellipse, [Dirichlet(cap_solution)])


def cap_solution(x: Tensor, y: Tensor) -> Tensor:
    """A sphere."""
    return torch.sqrt(2.25 - x**2 - y**2)


def ornstein() -> PDE:
    """p_t = (x p)_x + 0.25 p_xx from a width of 0.03."""

    def start(x: Tensor) -> Tensor:
        return gauss((x - 1.5) / (0.03 * math.sqrt(2))) / (0.03 * math.sqrt(2 * PI))

    return PDE(
        lambda p, x: p.t - x * p.x - p - 0.25 * p.xx,
        Interval(-4, 4) * Time(0, 2),
        [Dirichlet(0.0), Initial(start)],
    )


def ornstein_exact(points: np.ndarray) -> np.ndarray:
    """A Gaussian whose mean falls and whose variance tends to 0.25."""
    x, t = points.T
    variance = 0.25 + (0.03**2 - 0.25) * np.exp(-2 * t)
    return (np.exp(-((x - 1.5 * np.exp(-t)) ** 2) / (2 * variance)) / np.sqrt(2 * PI * variance))[:, None]


def kramers() -> PDE:
    """p_t = -v p_x + ((x + v) p)_v + 0.25 p_vv."""

    def start(x: Tensor, v: Tensor) -> Tensor:
        return torch.exp(-((x - 1) ** 2 + v**2) / 0.2) / (0.2 * PI)

    return PDE(
        lambda p, x, v: p.t + v * p.x - (x + v) * p.v - p - 0.25 * p.vv,
        Box(x=(-5, 5), v=(-5, 5)) * Time(0, 1),
        [Dirichlet(0.0), Initial(start)],
    )


def kramers_exact(points: np.ndarray) -> np.ndarray:
    """A Gaussian; its mean and its covariance obey linear equations, whose closed solution is a matrix exponential."""
    from scipy.linalg import expm

    drift = np.array([[0.0, 1.0], [-1.0, -1.0]])
    rest = 0.25 * np.eye(2)  # the covariance of the equilibrium
    values = np.empty(len(points))
    for i, (x, v, t) in enumerate(points):
        flow = expm(drift * t)
        covariance = rest + flow @ (0.1 * np.eye(2) - rest) @ flow.T
        away = np.array([x, v]) - flow @ [1.0, 0.0]
        values[i] = math.exp(-away @ np.linalg.solve(covariance, away) / 2) / (
            2 * PI * math.sqrt(np.linalg.det(covariance))
        )
    return values[:, None]


BURGERS_VISCOSITY = 0.02


def burgers_plane() -> PDE:
    """In a box with slippery walls, viscosity 0.02."""
    nu = BURGERS_VISCOSITY
    start = {
        "u": lambda x, y: hopf(x, y, torch.zeros_like(x))[0],
        "v": lambda x, y: hopf(x, y, torch.zeros_like(x))[1],
    }
    return PDE(
        lambda u, v: (u.t + u * u.x + v * u.y - nu * laplacian(u), v.t + u * v.x + v * v.y - nu * laplacian(v)),
        SQUARE * Time(0, 1),
        [
            Dirichlet({"u": 0.0}, on=["x=0", "x=1"]),
            Neumann({"v": 0.0}, on=["x=0", "x=1"]),
            Dirichlet({"v": 0.0}, on=["y=0", "y=1"]),
            Neumann({"u": 0.0}, on=["y=0", "y=1"]),
            Initial(start),
        ],
    )


def hopf(x: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The velocities of Cole and Hopf's transform of a solution of the heat equation."""
    nu = BURGERS_VISCOSITY
    height = 0.95 * torch.exp(-2 * nu * PI**2 * t)
    heat = 1 + height * torch.cos(PI * x) * torch.cos(PI * y)
    factor = 2 * nu * PI * height / heat
    return factor * torch.sin(PI * x) * torch.cos(PI * y), factor * torch.cos(PI * x) * torch.sin(PI * y)


def hopf_exact(points: np.ndarray) -> np.ndarray:
    """The same at points."""
    return torch.stack(hopf(*torch.from_numpy(points).T), 1).numpy()


def cavity() -> PDE:
    """Navier-Stokes, Re 100."""
    return PDE(
        lambda u, v, p: (
            u * u.x + v * u.y + p.x - laplacian(u) / 100,
            u * v.x + v * v.y + p.y - laplacian(v) / 100,
            divergence(u, v),
        ),
        SQUARE,
        [
            Dirichlet({"u": 1.0, "v": 0.0}, on="y=1"),
            Dirichlet({"u": 0.0, "v": 0.0}, on=["x=0", "x=1", "y=0"]),
            Observations([[0.5, 0.0]], [0.0], "p"),
        ],
    )


# O. Botella, R. Peyret, Benchmark spectral results on the lid-driven cavity flow, Computers & Fluids 27, 1998, 421: the
# lowest u on the vertical line through the centre, and the highest and lowest v on the horizontal one.
CAVITY_EXTREMES = np.array([-0.2140424, 0.1795728, -0.2538030])


def cavity_error(solution: Solution) -> float:
    """Largest relative difference of the three published extremes."""
    line = torch.linspace(0.01, 0.99, 3921, dtype=torch.float64)
    half = torch.full_like(line, 0.5)
    up = solution(torch.stack([half, line], 1)).detach().numpy()[:, 0]
    across = solution(torch.stack([line, half], 1)).detach().numpy()[:, 1]
    found = np.array([up[line.numpy() < 0.9].min(), across.max(), across.min()])
    return float(np.abs(found / CAVITY_EXTREMES - 1).max())


def root_load() -> PDE:
    """laplacian u = 9/4 r^-1/2, r from (0.31, 0.47)."""

    def radius(x: Tensor, y: Tensor) -> Tensor:
        return torch.sqrt((x - 0.31) ** 2 + (y - 0.47) ** 2)

    return PDE(
        lambda u, x, y: laplacian(u) - 2.25 / radius(x, y).sqrt(), SQUARE, [Dirichlet(lambda x, y: radius(x, y) ** 1.5)]
    )


def root_load_exact(points: np.ndarray) -> np.ndarray:
    """The distance to the power of 3/2."""
    return (np.hypot(points[:, 0] - 0.31, points[:, 1] - 0.47) ** 1.5)[:, None]


def spread() -> PDE:
    """u_t + c u_x = k u_xx from 40 exact readings."""
    generator = np.random.default_rng(7)
    places = generator.uniform([-1, 0], [3, 1], (40, 2))
    start = Initial(lambda x: cloud(x, torch.zeros_like(x)))
    return PDE(
        lambda u, c, k: u.t + c * u.x - k * u.xx,
        Interval(-6, 8) * Time(0, 1),
        [Dirichlet(0.0), start, Observations(places, cloud(*torch.from_numpy(places).T))],
        coefficients={"c": 0.5, "k": 0.5},
    )


def cloud(x: Tensor, t: Tensor) -> Tensor:
    """A Gaussian that moves with the speed 1.3 and spreads by 0.2."""
    wide = 0.5 + 0.8 * t
    return torch.exp(-((x - 1.3 * t) ** 2) / wide) / torch.sqrt(wide)


def spread_error(solution: Solution) -> float:
    """Largest relative error of a coefficient."""
    return max(abs(solution.unknowns["c"] / 1.3 - 1), abs(solution.unknowns["k"] / 0.2 - 1))


NO_SOLUTION = ("no solution", "contradict", "does not hold")


MANY = ("may be added", "not unique", "hardly determine", "several solutions", "free")


UNSTABLE = ("ill-posed", "ill posed", "backward", "unstable", "depend continuously", "wrong sign", "grow")


UNSEEN = (
    Unseen("beam under a spot", lines.spot, lines.spot_exact, lines.stationary_points(0, 1)),
    Unseen("kick", lines.kick, lines.kick_exact, moments(10)),
    Unseen("thin insulation", lines.insulation, lines.insulation_exact, lines.stationary_points(0, 1)),
    Unseen("flash", flash, flash_exact, at_moments(-1, 1, (0.1, 0.3, 1.0))),
    Unseen("load along a line", ridge, ridge_exact),
    Unseen("hot spot of a wall", wall, wall_exact),
    Unseen("barrier", lines.barrier, spectrum=lines.barrier_spectrum),
    Unseen("turning point", lines.turning, lines.turning_exact, lines.stationary_points(-1, 1)),
    Unseen("Lagerstrom and Cole", lines.lagerstrom, lines.lagerstrom_exact, lines.stationary_points(0, 1)),
    Unseen("source in an insulated disk", insulated_disk, named=NO_SOLUTION),
    Unseen("heat from its end", final_heat, named=(*UNSTABLE, "last moment", "Initial")),
    Unseen("cross diffusion", cross_diffusion, named=UNSTABLE),
    Unseen("Hadamard", hadamard, named=(*UNSTABLE, "no condition", "Cauchy")),
    Unseen("inflow without outlet", inflow, named=NO_SOLUTION),
    Unseen("explosion", lines.explosion, named=("ends at t", "blows up", "blow")),
    Unseen("rings too far apart", lines.rings_apart, named=(*NO_SOLUTION, "No solution")),
    Unseen("free beam", lines.free_beam, named=MANY),
    Unseen("van der Pol", lines.van_der_pol, lines.van_der_pol_exact, moments(1000)),
    Unseen("HIRES", lines.hires, lines.hires_exact, lines.hires_moments),
    Unseen("flame", lines.flame, lines.flame_exact, moments(20000.0)),
    Unseen("comet", lines.comet, lines.comet_exact, moments(6 * PI)),
    Unseen("figure of eight", lines.eight, lines.eight_exact, moments(lines.EIGHT_END)),
    Unseen("hinged plate", supported_plate, levy),
    Unseen("elastic cube", elastic_cube, of_torch(*CUBE)),
    Unseen("tube", tube, tube_exact),
    Unseen("div-curl", div_curl, of_torch(*EDDY)),
    Unseen("refraction", refraction, of_torch(refracted)),
    Unseen("round lens", lens, lens_exact),
    Unseen("contact", contact, of_torch(contact_solution)),
    Unseen("saddle tower", tower, of_torch(tower_solution)),
    Unseen("bubble over an ellipse", cap, of_torch(cap_solution)),
    Unseen("Ornstein-Uhlenbeck", ornstein, ornstein_exact, at_moments(-4, 4, (0.05, 0.3, 1.0, 2.0))),
    Unseen("Kramers", kramers, kramers_exact),
    Unseen("Burgers, two velocities", burgers_plane, hopf_exact),
    Unseen("lid of speed 1", cavity, compare=cavity_error),
    Unseen("load without a bound", root_load, root_load_exact),
    Unseen("onset of convection", lines.convection, spectrum=lines.convection_spectrum),
    Unseen("Couette", lines.couette, spectrum=lines.couette_spectrum),
    Unseen("oscillator", lines.oscillator, compare=lines.oscillator_error),
    Unseen("cloud", spread, compare=spread_error),
)


def halves(seed: int = 2026) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the open and the closed half, split at random before any of them was solved."""
    order = np.random.default_rng(seed).permutation(len(UNSEEN))
    half = len(UNSEEN) // 2
    return tuple(UNSEEN[i].name for i in order[:half]), tuple(UNSEEN[i].name for i in order[half:])

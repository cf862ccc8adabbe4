"""PINNacle's Poisson3d-CG: a reaction that jumps at half the height of a cube without four balls, with a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import eigh, null_space

from edgewise.pde import PDE, Ball, Box, Domain, Interface, Neumann, laplacian
from edgewise_experiments.problems.cases import PI, Case

BALLS = ((0.4, 0.3, 0.6, 0.2), (0.6, 0.7, 0.6, 0.2), (0.2, 0.8, 0.7, 0.1), (0.6, 0.2, 0.3, 0.1))  # x, y, z, radius
WAVE_NUMBERS, HALF = (8.0, 10.0), 0.5  # roots of the reaction below and above this height
# Images in the sides: a function and its images, evaluated at sign * x + shift, have no slope there. Those that are
# left out are 1.2 away from the cube at least, beyond a factor of exp(-9).
MIRRORS = ((1, 0), (-1, 0), (-1, 2), (1, 2), (1, -2))


def layered_cube() -> PDE:
    """PINNacle's problem: k^2 u - laplacian u = f outside the balls, no flux at any boundary."""
    domain: Domain = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    for *center, radius in BALLS:
        domain = domain - Ball(radius, center)

    def equation(u, x, y, z):  # type: ignore[no-untyped-def]  # as a user writes it
        squared = x**2 + y**2 + z**2
        a, b, c = torch.sin(PI * x), torch.sin(10 * PI * y), torch.sin(5 * PI * z)
        source = 20 * torch.exp(a + b + c) * (squared - 1) / (squared + 1) + 100 * a * b * c
        return torch.where(z < 0.5, 64.0, 100.0) * u - laplacian(u) - source

    return PDE(equation, domain, [Neumann(0.0), Interface(on="z=0.5")])


def source(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Right side of the equation."""
    squared = x**2 + y**2 + z**2
    a, b, c = np.sin(PI * x), np.sin(10 * PI * y), np.sin(5 * PI * z)
    return 20 * np.exp(a + b + c) * (squared - 1) / (squared + 1) + 100 * a * b * c


@cache
def charges_and_waves(charges: int = 300, share: float = 0.6, waves: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """The solution in the whole cube by polynomials, and what the balls add, by charges and waves of least squares.

    Each layer has charges on spheres inside the balls, at this share of the radius, with their images in the sides,
    and waves that decay from the height at which the reaction jumps. They solve the equation without a source and
    have no flux through the sides; the flux through the balls is fitted, with values and slopes at that height. Half
    as many charges, waves up to 12, agree to 2e-4, and 500 charges with waves up to 22 to 1e-4 (in a trial).
    """
    smooth = whole_cube()
    rims, normals = [], []
    for *center, radius in BALLS:
        normal = even_directions(round(2 * charges * (5 * radius) ** 1.3))
        rims.append(np.array(center) + radius * normal)
        normals.append(normal)
    rim, normal = np.concatenate(rims), np.concatenate(normals)
    line = (np.arange(round(2.5 * waves)) + 0.5) / round(2.5 * waves)
    face = np.stack([*(each.ravel() for each in np.meshgrid(line, line)), np.full(len(line) ** 2, HALF)], 1)
    face = face[outside(face)]
    rows, wanted, sizes = [], [], []
    for upper in (False, True):
        own = (rim[:, 2] >= HALF) == upper
        jet = columns(np.concatenate([rim[own], face]), upper, charges, share, waves)
        count, sign = int(own.sum()), -1.0 if upper else 1.0
        # Values count as much as slopes: a wave number turns the one into the other.
        joined = sign * np.concatenate([np.mean(WAVE_NUMBERS) * jet[0, count:], jet[3, count:]])
        rows.append((np.einsum("ipc,pi->pc", jet[1:, :count], normal[own]), joined))
        wanted.append(-np.einsum("ip,pi->p", smooth(rim[own])[1:], normal[own]))
        sizes.append(jet.shape[2])
    (below, below_joined), (above, above_joined) = rows
    matrix = np.block(
        [
            [below, np.zeros((len(below), sizes[1]))],
            [np.zeros((len(above), sizes[0])), above],
            [below_joined, above_joined],
        ]
    )
    scale = np.linalg.norm(matrix, axis=0)
    rhs = np.concatenate([*wanted, np.zeros(2 * len(face))])
    coef = np.linalg.lstsq(matrix / scale, rhs, rcond=1e-13)[0] / scale
    points = layered_cube().domain.interior(2000, "sobol", seed=11).numpy()
    values = smooth(points)[0]
    for upper, own_coef in ((False, coef[: sizes[0]]), (True, coef[sizes[0] :])):
        own = (points[:, 2] >= HALF) == upper
        values[own] += columns(points[own], upper, charges, share, waves)[0] @ own_coef
    return points, values[:, None]


def whole_cube(degrees: Sequence[int] = (28, 70, 40)) -> Callable[[np.ndarray], np.ndarray]:
    """Galerkin's method on the cube with its balls, diagonalised: maps points (b, 3) to values and slopes (4, b)."""
    below, above = (each**2 for each in WAVE_NUMBERS)
    lines = [
        polynomials((0.0, 1.0), (0.0,), degrees[0]),
        polynomials((0.0, 1.0), (0.0,), degrees[1]),
        polynomials((0.0, HALF, 1.0), (below, above), degrees[2]),
    ]
    (x, y, z), projections = [line[1] for line in lines], [line[2] for line in lines]
    loads = source(x[:, None, None], y[:, None], z)
    coef = np.einsum("xyz,xa,yb,zc->abc", loads, *projections, optimize=True)
    coef /= lines[0][0][:, None, None] + lines[1][0][:, None] + lines[2][0]

    def jet(points: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                np.einsum(
                    "pa,pb,pc,abc->p",
                    *(line[3](points[:, k], int(k == along)) for k, line in enumerate(lines)),
                    coef,
                    optimize=["einsum_path", (0, 3), (0, 2), (0, 1)],
                )
                for along in (None, 0, 1, 2)
            ]
        )

    return jet


Line = tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[np.ndarray, int], np.ndarray]]


def polynomials(ends: Sequence[float], reaction: Sequence[float], degree: int) -> Line:
    """Eigenfunctions of -u'' + reaction u without slopes at the ends, continuous polynomials between them.

    Returns eigenvalues, points, the matrix (points, functions) that projects, and a table of values or slopes.
    """
    legendre, parts = np.polynomial.legendre, len(ends) - 1
    nodes, weights = legendre.leggauss(degree + 8)

    def table(x: np.ndarray, order: int) -> np.ndarray:
        out, place = np.zeros((len(x), parts, degree + 1)), np.searchsorted(ends[1:-1], x, side="right")
        terms = legendre.legder(np.eye(degree + 1), order) if order else np.eye(degree + 1)
        for part, (low, high) in enumerate(pairwise(ends)):
            t = (2 * x[place == part] - low - high) / (high - low)
            out[place == part, part] = legendre.legval(t, terms).T * (2 / (high - low)) ** order
        return out.reshape(len(x), -1)

    halves = np.diff(ends) / 2
    points = (np.array(ends[:-1]) + halves)[:, None] + halves[:, None] * nodes
    x, weight = points.ravel(), (halves[:, None] * weights).ravel()
    joined = np.eye(degree + 1)
    if parts == 2:
        joined = null_space(np.concatenate([np.ones(degree + 1), -((-1.0) ** np.arange(degree + 1))])[None])
    value, slope = (table(x, order) @ joined for order in (0, 1))
    mass = value.T @ (weight[:, None] * value)
    react = value.T @ ((weight * np.repeat(reaction, len(nodes)))[:, None] * value)
    eigenvalues, vectors = eigh(slope.T @ (weight[:, None] * slope) + react, mass)
    vectors = joined @ vectors
    return eigenvalues, x, weight[:, None] * (table(x, 0) @ vectors), lambda at, order: table(at, order) @ vectors


def columns(points: np.ndarray, upper: bool, charges: int, share: float, waves: int) -> np.ndarray:
    """Values and slopes at points of a layer of all charges and waves, (4, points, columns)."""
    k, parts = WAVE_NUMBERS[upper], []
    for *center, radius in BALLS:
        if center[2] + radius > HALF if upper else center[2] - radius < HALF:
            parts.append(np.array(center) + share * radius * even_directions(round(5 * radius * charges)))
    places = np.concatenate(parts)
    jet = np.zeros((4, len(points), len(places)))
    images = [(a, b, c) for a in MIRRORS for b in MIRRORS for c in ((1, 0), (-1, 2 * int(upper)))]
    for image in images:
        away = [sign * points[:, i, None] + shift - places[:, i] for i, (sign, shift) in enumerate(image)]
        distance = np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2)
        value = np.exp(-k * distance) / distance
        slope = -value * (k + 1 / distance) / distance
        jet[0] += value
        for i, (sign, _) in enumerate(image):
            jet[i + 1] += sign * slope * away[i]
    first, second = (each.ravel() for each in np.meshgrid(np.arange(waves), np.arange(waves)))
    chosen = first**2 + second**2 < waves**2
    along, across = PI * first[chosen], PI * second[chosen]
    decay, side = np.sqrt(k**2 + along**2 + across**2), -1 if upper else 1
    height = 1 - points[:, 2, None] if upper else points[:, 2, None]
    rising, falling = np.exp(decay * (height - HALF)), np.exp(-decay * (height + HALF))
    (c, s), (d, e) = (
        (np.cos(n * points[:, i, None]), np.sin(n * points[:, i, None])) for i, n in enumerate((along, across))
    )
    total = rising + falling
    own = np.stack(
        [c * d * total, -along * s * d * total, -across * c * e * total, side * decay * c * d * (rising - falling)]
    )
    return np.concatenate([jet, own], 2)


def even_directions(count: int) -> np.ndarray:
    """Unit vectors of a spiral, (count, 3), which cover the sphere evenly."""
    number = np.arange(count) + 0.5
    z, angle = 1 - 2 * number / count, PI * (1 + np.sqrt(5)) * number
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], 1)


def outside(points: np.ndarray) -> np.ndarray:
    """Which points lie outside of all balls."""
    return np.all([np.linalg.norm(points - center, axis=1) > radius for *center, radius in BALLS], axis=0)


BALL_CASES = (
    Case(
        "four balls (Poisson3d-CG)",
        "k^2 u - laplacian u = f on a cube without four balls, k = 8 below and 10 above, no flux",
        layered_cube,
        charges_and_waves,
    ),
)

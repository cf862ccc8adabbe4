"""Equations of many coordinates: PINNacle's heat equation in a ball of five dimensions, and three of our own."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from edgewise.pde import PDE, Ball, Box, Dirichlet, Initial, Neumann, Time, laplacian
from edgewise_experiments.problems.cases import Case
from edgewise_experiments.problems.reference_solutions import chebyshev, distance

RADII = 16  # Chebyshev points of the square of the radius


def heat_in_a_ball() -> PDE:
    """PINNacle's heat equation in the unit ball of five dimensions, with the flux given on the sphere."""

    def growth(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, t: Tensor) -> Tensor:
        return torch.exp((a**2 + b**2 + c**2 + d**2 + e**2) / 2 + t)

    def equation(u, a, b, c, d, e, t):  # type: ignore[no-untyped-def]  # as a user writes it
        square = a**2 + b**2 + c**2 + d**2 + e**2
        return u.t - laplacian(u) / 5 + square / 5 * torch.exp(square / 2 + t)

    return PDE(
        equation,
        Ball(coordinates=("a", "b", "c", "d", "e")) * Time(0, 1),
        [Neumann(growth, on="sphere"), Initial(lambda a, b, c, d, e: growth(a, b, c, d, e, 0 * a))],
        solution=growth,
    )


def radial_heat() -> float:
    """Error at the last moment of the same on Chebyshev points of the square of the radius, with Radau."""
    nodes, first = chebyshev(RADII)
    s, first = nodes[::-1], first[::-1, ::-1]
    second = first @ first

    def whole(t: float, inner: np.ndarray) -> np.ndarray:
        flux = math.exp(0.5 + t) / 2  # u_r = 2 u_s at r = 1
        return np.append(inner, (flux - first[-1, :-1] @ inner) / first[-1, -1])

    def change(t: float, inner: np.ndarray) -> np.ndarray:
        u = whole(t, inner)
        return ((4 * s * (second @ u) + 10 * (first @ u)) / 5 - s / 5 * np.exp(s / 2 + t))[:-1]

    found = solve_ivp(change, (0, 1), np.exp(s / 2)[:-1], method="Radau", rtol=1e-11, atol=1e-12)
    return distance(whole(1.0, found.y[:, -1]), np.exp(s / 2 + 1))


def eight_dimensions() -> PDE:
    """Poisson's equation in eight dimensions, whose solution is no product."""

    def known(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
        return 1 / (1 + a + b + c + d + e + f + g + h)

    return PDE(
        lambda u, a, b, c, d, e, f, g, h: laplacian(u) - 16 * known(a, b, c, d, e, f, g, h) ** 3,
        Box(**dict.fromkeys("abcdefgh", (0, 1))),
        [Dirichlet(known)],
        solution=known,
    )


def spreading() -> PDE:
    """The heat kernel in four dimensions and time."""

    def kernel(a: Tensor, b: Tensor, c: Tensor, d: Tensor, t: Tensor) -> Tensor:
        return torch.exp(-(a**2 + b**2 + c**2 + d**2) / (1 + 4 * t)) / (1 + 4 * t) ** 2

    return PDE(
        lambda u: u.t - laplacian(u),
        Box(**dict.fromkeys("abcd", (-1, 1))) * Time(0, 1),
        [Dirichlet(kernel), Initial(lambda a, b, c, d: kernel(a, b, c, d, 0 * a))],
        solution=kernel,
    )


def cubic() -> PDE:
    """A nonlinear equation in five dimensions."""

    def known(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
        return 1 / (1 + a + b + c + d + e)

    return PDE(
        lambda u, a, b, c, d, e: laplacian(u) - u**3 - 9 * known(a, b, c, d, e) ** 3,
        Box(**dict.fromkeys("abcde", (0, 1))),
        [Dirichlet(known)],
        solution=known,
    )


MANY_CASES = (
    Case(
        "heat in a ball (HNd)", "u_t = laplacian u / 5 + f in the unit ball of five dimensions, t to 1", heat_in_a_ball
    ),
    Case("eight dimensions", "laplacian u = f on [0, 1]^8, u = 1/(1 + sum of x_i)", eight_dimensions),
    Case("four dimensions and time", "u_t = laplacian u on [-1, 1]^4, t to 1, the heat kernel", spreading),
    Case("cubic in five dimensions", "laplacian u = u^3 + f on [0, 1]^5", cubic),
)

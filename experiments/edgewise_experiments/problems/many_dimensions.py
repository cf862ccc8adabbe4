"""Equations of many coordinates: PINNacle's heat equation in a ball of five dimensions, and three of our own."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.pde import PDE, Ball, Box, Dirichlet, Initial, Neumann, Time, laplacian
from edgewise_experiments.problems.cases import Case


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
    Case("cubic in five dimensions", "laplacian u = u^3 + f on [0, 1]^5", cubic),
)

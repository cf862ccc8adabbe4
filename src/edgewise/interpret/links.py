"""Outer functions y = h(u) that can be undone, where the data allow them up to a little noise."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from edgewise.interpret.expression import Call, Expression, Multiply, Power, number

MINUS = number(-1)
# Rows that noise has moved out of the range of h: so many at most, by so many standard deviations of y at most.
OUTSIDE, OVERSHOOT = 0.45, 0.1
STEEPEST = 1e4  # times the median weight: what no row counts more than

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Link:
    """y = forward(u), u = inverse(y); slope is du/dy, as a function of y.

    inside: (N,), the rows of the data within the range of forward; the others lie out by noise.
    """

    name: str
    inverse: Change
    slope: Change
    forward: Change
    build: Callable[[Expression], Expression]
    inside: np.ndarray = field(repr=False)

    def target(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and weights (of mean 1) that make its squared errors those of y, to first order; 0 for rows outside."""
        safe = np.where(self.inside, y, y[np.argmax(self.inside)])
        weight = 1 / np.maximum(np.abs(self.slope(safe)), 1e-12) ** 2
        weight = np.where(self.inside, np.minimum(weight, STEEPEST * np.median(weight[self.inside])), 0.0)
        return self.inverse(safe), weight / weight.mean()

    def linearised(self, u: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target and weights for a step of Gauss and Newton from u."""
        now = self.forward(u)
        with np.errstate(all="ignore"):
            slope = self.slope(now)
            weight = 1 / np.maximum(np.abs(slope), 1e-12) ** 2
        weight = np.where(np.isfinite(slope) & np.isfinite(now), weight, 0.0)
        weight = np.minimum(weight, STEEPEST * max(float(np.median(weight)), 1e-300))
        with np.errstate(all="ignore"):
            target = np.where(weight > 0, u + (y - now) * slope, u)
        return target, weight / max(float(weight.mean()), 1e-300)


def links(y: np.ndarray) -> Iterator[Link]:
    """The links whose inverse is defined at y, but for noise; the identity first."""
    yield Link("", lambda y: y, np.ones_like, lambda u: u, lambda node: node, np.ones(len(y), dtype=bool))
    if y.min() > 0 or y.max() < 0 or _nearly(y, y > 0, -y) or _nearly(y, y < 0, y):
        yield from _one_sided(y, 1.0 if np.median(y) > 0 else -1.0)
    size = np.abs(y)
    if _nearly(y, size < 1, size - 1):
        small = size < 1
        yield Link("tanh", np.arctanh, lambda y: 1 / (1 - y**2), np.tanh, lambda node: Call("tanh", node), small)
    right = math.pi / 2
    if _nearly(y, size <= right, size - right):
        clipped = lambda u: np.arcsin(np.clip(u, -1, 1))  # noqa: E731
        yield Link("asin", np.sin, np.cos, clipped, lambda node: Call("asin", node), size <= right)
    if size.max() < 1.5:
        all_ = np.ones(len(y), dtype=bool)
        yield Link("atan", np.tan, lambda y: 1 + np.tan(y) ** 2, np.arctan, lambda node: Call("atan", node), all_)


def _nearly(y: np.ndarray, inside: np.ndarray, beyond: np.ndarray) -> bool:
    return bool((~inside).mean() <= OUTSIDE and (beyond[~inside] <= OVERSHOOT * np.std(y)).all())


def _one_sided(y: np.ndarray, s: float) -> Iterator[Link]:
    """Links to targets of one sign s."""
    inside = s * y > 0

    def signed(node: Expression) -> Expression:
        return node if s > 0 else Multiply((MINUS, node))

    def exponential(u: np.ndarray) -> np.ndarray:
        return s * np.exp(np.clip(u, -700, 700))

    def root(u: np.ndarray) -> np.ndarray:
        return s * np.sqrt(np.maximum(u, 0))

    yield Link(
        "exp", lambda y: np.log(s * y), lambda y: 1 / y, exponential, lambda node: signed(Call("exp", node)), inside
    )
    yield Link("sqrt", lambda y: y**2, lambda y: 2 * y, root, lambda node: signed(Power(node, 0.5)), inside)
    yield Link("1/", lambda y: 1 / y, lambda y: -1 / y**2, lambda u: 1 / u, lambda node: Power(node, -1.0), inside)
    yield Link(
        "square",
        lambda y: np.sqrt(s * y),
        lambda y: s * 0.5 / np.sqrt(s * y),
        lambda u: s * u**2,
        lambda node: signed(Power(node, 2.0)),
        inside,
    )

"""Links: invertible outer functions h of a target y = h(u), so that u may be a sum where y is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.expression import Call, Expression, Multiply, Power
from edgewise.formulas.rewriting import MINUS_ONE
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class LinkSettings:
    """Rows outside the range of a link, and their weights."""

    # Rows that noise has moved out of the range of a link, at most: their share, and their distance from the range in
    # standard deviations of y; generous enough for noise of 10 % of the standard deviation.
    most_outside: float = 0.45
    most_overshoot: float = 0.1
    largest_weight: float = 1e4  # Weight of a row, at most, relative to the median weight, which limits single rows.
    # Size of targets, at most, whose exponential is a target: beyond, single rows have all the weight.
    largest_exponentiated: float = 30.0


SETTINGS = LinkSettings()

ArrayFunction = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Link:
    """An invertible outer function: y = forward(u), u = inverse(y)."""

    name: str  # name of the link; empty for the identity
    inverse: ArrayFunction  # u of y, du/dy as a function of y, and y of u, element by element
    slope: ArrayFunction
    forward: ArrayFunction
    build: Callable[[Expression], Expression]  # maps the expression of u to the expression of y
    # the rows whose y lies within the range of `forward`; the others lie outside because of noise
    inside: np.ndarray = field(repr=False)

    def target(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return u and weights of mean 1, 0 outside, that make squared errors of u those of y to first order."""
        # Delta method: an error of y is an error of u times du/dy. Weights are limited, since few rows with a small
        # slope would decide all.
        safe = np.where(self.inside, y, y[np.argmax(self.inside)])
        weight = 1 / np.maximum(np.abs(self.slope(safe)), 1e-12) ** 2
        weight = np.where(
            self.inside, np.minimum(weight, SETTINGS.largest_weight * np.median(weight[self.inside])), 0.0
        )
        return self.inverse(safe), weight / weight.mean()

    def linearised(self, u: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target and weights of a Gauss-Newton step from u: linear least squares for the error of y."""
        # y = forward(u) linearised at u; rows where the slope is not finite keep their u and have weight 0.
        now = self.forward(u)
        with np.errstate(all="ignore"):
            slope = self.slope(now)
            weight = 1 / np.maximum(np.abs(slope), 1e-12) ** 2
        weight = np.where(np.isfinite(slope) & np.isfinite(now), weight, 0.0)
        weight = np.minimum(weight, SETTINGS.largest_weight * max(float(np.median(weight)), ABOVE_ZERO))
        with np.errstate(all="ignore"):
            target = np.where(weight > 0, u + (y - now) * slope, u)
        return target, weight / max(float(weight.mean()), ABOVE_ZERO)


def possible_links(y: np.ndarray) -> Iterator[Link]:
    """The links whose inverse is defined at y (N,), apart from noise; the identity first."""
    everywhere = np.ones(len(y), dtype=bool)
    size = np.abs(y)

    def nearly(inside: np.ndarray, beyond: np.ndarray) -> bool:
        """True if few rows are outside, and none of them far beyond the range."""
        return bool(
            (~inside).mean() <= SETTINGS.most_outside and (beyond[~inside] <= SETTINGS.most_overshoot * np.std(y)).all()
        )

    # The identity; then exp, sqrt, reciprocal and square for targets of one sign; then tanh, asin and atan for bounded
    # targets.
    yield Link("", lambda y: y, np.ones_like, lambda u: u, lambda node: node, everywhere)
    if y.min() > 0 or y.max() < 0 or nearly(y > 0, -y) or nearly(y < 0, y):
        yield from _links_of_one_sign(y, 1.0 if np.median(y) > 0 else -1.0)
    if nearly(size < 1, size - 1):
        yield Link("tanh", np.arctanh, lambda y: 1 / (1 - y**2), np.tanh, lambda node: Call("tanh", node), size < 1)
    right = math.pi / 2
    if nearly(size <= right, size - right):
        yield Link(
            name="asin",
            inverse=np.sin,
            slope=np.cos,
            forward=lambda u: np.arcsin(np.clip(u, -1, 1)),
            build=lambda node: Call("asin", node),
            inside=size <= right,
        )
    if size.max() < 1.5:
        yield Link(
            name="atan",
            inverse=np.tan,
            slope=lambda y: 1 + np.tan(y) ** 2,
            forward=np.arctan,
            build=lambda node: Call("atan", node),
            inside=everywhere,
        )


def rare_links(y: np.ndarray) -> Iterator[Link]:
    """More links whose inverse is defined at y (N,): those of which textbooks have few examples."""
    everywhere = np.ones(len(y), dtype=bool)
    size = np.abs(y)
    # y = log u where y can be exponentiated, y = sin u and cos u within (-1, 1), y = acos u from 0 to pi.
    if size.max() <= SETTINGS.largest_exponentiated:
        yield Link(
            name="log",
            inverse=np.exp,
            slope=np.exp,
            forward=lambda u: np.log(np.maximum(u, ABOVE_ZERO)),
            build=lambda node: Call("log", node),
            inside=everywhere,
        )
    if size.max() < 1:
        for name, inverse, forward in (("sin", np.arcsin, np.sin), ("cos", np.arccos, np.cos)):
            yield Link(
                name=name,
                inverse=inverse,
                slope=lambda y: 1 / np.sqrt(1 - y**2),
                forward=forward,
                build=lambda node, name=name: Call(name, node),  # type: ignore[misc]
                inside=everywhere,
            )
    if y.min() >= 0 and y.max() <= math.pi:
        yield Link(
            name="acos",
            inverse=np.cos,
            slope=np.sin,
            forward=lambda u: np.arccos(np.clip(u, -1, 1)),
            build=lambda node: Call("acos", node),
            inside=everywhere,
        )


def unusual_links(y: np.ndarray) -> Iterator[Link]:
    """Links that the enumeration alone tries: the reciprocal of a target that changes its sign, and the tangent."""
    everywhere = np.ones(len(y), dtype=bool)
    # The reciprocal has both signs here; for targets of one sign it is a usual link.
    if y.min() < 0 < y.max():
        yield _reciprocal(y != 0)
    yield Link(
        name="tan",
        inverse=np.arctan,
        slope=lambda y: 1 / (1 + y**2),
        forward=np.tan,
        build=lambda node: Call("tan", node),
        inside=everywhere,
    )


def is_allowed(link: Link, options: FormulaOptions) -> bool:
    """True if the function of a link is among the operators of the options."""
    needed = {"": options.operators, "1/": ("/",), "square": ("^", "*"), "sqrt": ("sqrt", "^")}
    return bool(set(needed.get(link.name, (link.name,))) & set(options.operators))


def _reciprocal(inside: np.ndarray) -> Link:
    return Link("1/", lambda y: 1 / y, lambda y: -1 / y**2, lambda u: 1 / u, lambda node: Power(node, -1.0), inside)


def _links_of_one_sign(y: np.ndarray, sign: float) -> Iterator[Link]:
    """Links to targets of one sign, which is 1 or -1."""
    inside = sign * y > 0

    def signed(node: Expression) -> Expression:
        if sign > 0:
            return node
        return Multiply((MINUS_ONE, node))

    # The target times its sign is positive, and the link gives the sign back.
    # y = exp u and y = sqrt u.
    yield Link(
        name="exp",
        inverse=lambda y: np.log(sign * y),
        slope=lambda y: 1 / y,
        forward=lambda u: sign * np.exp(np.clip(u, -700, 700)),
        build=lambda node: signed(Call("exp", node)),
        inside=inside,
    )
    yield Link(
        name="sqrt",
        inverse=lambda y: y**2,
        slope=lambda y: 2 * y,
        forward=lambda u: sign * np.sqrt(np.maximum(u, 0)),
        build=lambda node: signed(Power(node, 0.5)),
        inside=inside,
    )
    # y = 1 / u and y = u^2.
    yield _reciprocal(inside)
    yield Link(
        name="square",
        inverse=lambda y: np.sqrt(sign * y),
        slope=lambda y: sign * 0.5 / np.sqrt(sign * y),
        forward=lambda u: sign * u**2,
        build=lambda node: signed(Power(node, 2.0)),
        inside=inside,
    )

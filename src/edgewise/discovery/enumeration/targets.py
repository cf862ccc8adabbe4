"""Targets of the enumeration: what a sum of expressions must equal if the law is a function of that sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.algebra import MINUS_ONE
from edgewise.formulas.expression import Call, Expression, Multiply, Power, evaluate

LARGEST_EXP_ARGUMENT = 30.0  # exp(y) beyond it loses all digits of the smaller values. A choice.


@dataclass(frozen=True)
class Target:
    """Values z and the law y that follows once an expression of z is known.

    Parameters
    ----------
    z : ndarray of shape (N,)
        What has to be found.
    build : callable
        The expression of y from that of z.
    size : int
        Symbols that `build` adds.
    """

    z: np.ndarray
    build: Callable[[Expression], Expression]
    size: int


def link_targets(y: np.ndarray, options: FormulaOptions) -> list[Target]:
    """The target itself and all its links: y = exp(z), sqrt(z), z^2, 1/z, log(z) and inverse pairs of functions.

    A link is left out where it does not give back y at all rows, or where the options do not permit it.

    Examples
    --------
    >>> [target.size for target in link_targets(np.array([-1.0, 2.0]), FormulaOptions(operators=("+", "/")))]
    [0, 1]
    """
    sign = -1.0 if (y < 0).all() else 1.0
    permitted = set(options.operators)

    def signed(build: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
        return build if sign > 0 else lambda e: Multiply((MINUS_ONE, build(e)))

    def call(name: str) -> Callable[[Expression], Expression]:
        return lambda e: Call(name, e)

    size = sign * y
    rows: list[tuple[set[str], Callable[[], np.ndarray], Callable[[Expression], Expression], int]] = [
        (set(), lambda: y, lambda e: e, 0),
        ({"/"}, lambda: 1 / y, lambda e: Power(e, -1.0), 1),
        ({"sqrt", "^"}, lambda: np.where((size >= 0).all(), y**2, np.nan), signed(lambda e: Power(e, 0.5)), 1),
        ({"exp"}, lambda: np.log(size), signed(call("exp")), 1),
        ({"log"}, lambda: np.exp(np.where(np.abs(y) < LARGEST_EXP_ARGUMENT, y, np.nan)), call("log"), 1),
        ({"*", "^"}, lambda: np.sqrt(size), signed(lambda e: Power(e, 2.0)), 1),
        ({"sin"}, lambda: np.arcsin(y), call("sin"), 1),
        ({"cos"}, lambda: np.arccos(y), call("cos"), 1),
        ({"asin"}, lambda: np.where(np.abs(y) < np.pi / 2, np.sin(y), np.nan), call("asin"), 1),
        ({"acos"}, lambda: np.where((y > 0) & (y < np.pi), np.cos(y), np.nan), call("acos"), 1),
        ({"tanh"}, lambda: np.arctanh(y), call("tanh"), 1),
        ({"atan"}, lambda: np.where(np.abs(y) < np.pi / 2, np.tan(y), np.nan), call("atan"), 1),
        ({"tan"}, lambda: np.arctan(y), call("tan"), 1),
    ]
    targets = []
    with np.errstate(all="ignore"):
        for needs, values, build, added in rows:
            z = values()
            if (not needs or needs & permitted) and np.isfinite(z).all() and np.ptp(z) > 0:
                targets.append(Target(z, build, added))
    return targets


def scaled_targets(
    y: np.ndarray, x: np.ndarray, factors: Sequence[Expression], options: FormulaOptions
) -> Iterator[Target]:
    """Targets of laws with a known factor, y = link(z) h or y = link(z h), for each factor h and its reciprocal.

    Parameters
    ----------
    y : ndarray of shape (N,)
        The values of the law.
    x : ndarray of shape (N, inputs)
        The rows.
    factors : sequence of Expression
        The factors h.
    options : FormulaOptions
        Which links are permitted.
    """

    def times(factor: Expression, build: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
        return lambda e: Multiply((factor, build(e)))

    def within(factor: Expression, build: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
        return lambda e: build(Multiply((factor, e)))

    links = link_targets(y, options)[:6]
    for factor in factors:
        for h in (factor, Power(factor, -1.0)):
            values = evaluate(h, x)
            if not np.isfinite(values).all() or (values == 0).any():
                continue
            for target in link_targets(y / values, options)[:6]:
                yield Target(target.z, times(h, target.build), target.size + 2)
            for target in links[1:]:
                yield Target(target.z / values, within(h, target.build), target.size + 2)

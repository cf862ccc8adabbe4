"""Targets of the enumeration: what a sum of expressions must equal if the law is a function of that sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from edgewise.discovery.least_squares.links import is_allowed, possible_links, rare_links, unusual_links
from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.expression import Expression, Multiply, Power, evaluate


@dataclass(frozen=True)
class Target:
    """Values z and the law y that follows once an expression of z is known."""

    z: np.ndarray  # (N,), what has to be found
    build: Callable[[Expression], Expression]  # the expression of y from that of z
    size: int  # symbols that `build` adds


def link_targets(y: np.ndarray, options: FormulaOptions) -> list[Target]:
    """The target itself and all its links (`edgewise.discovery.least_squares.links`), the most common ones first."""
    # A link is left out where it does not give back y at all rows, or where the options do not permit it.
    links = chain(possible_links(y), rare_links(y), unusual_links(y))
    permitted = [link for link in links if link.inside.all() and is_allowed(link, options)]
    first = ("", "1/", "sqrt", "exp", "log", "square")
    common = [link for name in first for link in permitted if link.name == name]
    targets = []
    with np.errstate(all="ignore"):
        for link in (*common, *(link for link in permitted if link.name not in first)):
            z = link.inverse(y)
            if np.isfinite(z).all() and np.ptp(z) > 0:
                targets.append(Target(z, link.build, 1 if link.name else 0))
    return targets


def scaled_targets(
    y: np.ndarray, x: np.ndarray, factors: Sequence[Expression], options: FormulaOptions
) -> Iterator[Target]:
    """Targets of laws with a known factor, y = link(z) h or y = link(z h), for each factor h and its reciprocal."""

    # y (N,) has the values of the law at rows x (N, inputs).
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

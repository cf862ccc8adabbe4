"""Functions that the data see only near 0 are the polynomials they look like there: no constants that nothing fixes."""

import math
import time
from collections.abc import Iterator

import numpy as np

from edgewise.interpret.assemble import TAYLOR, tidy
from edgewise.interpret.constants import ALLOWANCE, Fitted, fit_constants, free_places
from edgewise.interpret.expression import Call, Expression, Multiply, Number, Power, children, evaluate, rebuilt
from edgewise.interpret.shapes import summed

SMALL = 0.5  # of the argument: there what an expansion to second order leaves out is a few per cent of its last term


def plain(fitted: Fitted, x: np.ndarray, y: np.ndarray, *, floor: float, deadline: float = math.inf) -> Fitted:
    """The formula with expansions to second order in the place of functions whose argument stays below `SMALL`.

    Where a function is seen only near 0 its scale and the factors around it are known together, not each: noise then
    picks -584.8 cosh(0.041 u) + 583.8 as soon as -u^2 / 2. The expansion has a constant less; it is taken if the sum
    of squares rises by no more than that constant explains, even where it has more symbols.

    floor: share of the variance of y below which a fit is exact. deadline: of `time.monotonic`.
    """
    limit_free = floor * float(np.var(y))
    for node in _expanded(fitted.expression, x):
        if time.monotonic() > deadline:
            break
        node = tidy(node)
        if len(free_places(node)) >= len(free_places(fitted.expression)):
            continue
        trial = fit_constants(node, x, y, steps=30, deadline=deadline)
        if trial is not None and trial.loss <= max(fitted.loss * (1 + ALLOWANCE / len(y)), limit_free):
            return plain(trial, x, y, floor=floor, deadline=deadline)
    return fitted


def _expanded(node: Expression, x: np.ndarray) -> Iterator[Expression]:
    """The formula with one function, or one power of an even function, expanded, for each that can be."""
    call, exponent = (node.base, node.exponent) if isinstance(node, Power) else (node, 1.0)
    if isinstance(call, Call) and call.name in TAYLOR:
        constant, slope, curvature = TAYLOR[call.name]
        if exponent == 1.0 or (constant == 1.0 and slope == 0.0):
            values = evaluate(call.argument, x)
            if 0 < np.abs(values).max() < SMALL:
                terms = [Number(constant)] if constant else []
                terms += [Multiply((Number(slope), call.argument))] if slope else []
                factor = Number(exponent * curvature / 2)
                terms += [Multiply((factor, Power(call.argument, 2.0)))] if curvature else []
                yield summed(terms)
    parts = children(node)
    for place, part in enumerate(parts):
        for other in _expanded(part, x):
            yield rebuilt(node, (*parts[:place], other, *parts[place + 1 :]))

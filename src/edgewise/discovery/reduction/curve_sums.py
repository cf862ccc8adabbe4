"""Two inputs that act through a sum of one curve of each: f(g(x1) + c h(x2), x3, ...), such as r^2 = x^2 + y^2.

Then df/dx1 : df/dx2 is g'(x1) : c h'(x2) at every row, whatever f and the other inputs are. For all pairs of curves of
a list, the products df/dx1 h'(x2) and df/dx2 g'(x1) must be proportional: their correlation shows it; c is the slope.
With logarithms the sum is a product of powers: x1 (1 + x2) has g = log x1 and h = log(1 + x2). Rotations are the pair
of squares, translations that of straight lines, scalings that of logarithms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edgewise.discovery.reduction.smooth_models import SmoothModel
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Power,
    Variable,
    exact_number,
    nodes_of,
    parse_expression,
    replaced,
    simple_power,
)
from edgewise.formulas.rewriting import simplify


@dataclass(frozen=True)
class CurveSumSettings:
    """Which sums of curves are recognised."""

    # The share of the products that their proportion may leave; each is tested later.
    largest_remainder: float = 0.25
    doubt_of_a_symbol: float = 2e-4  # What a longer curve must leave less: derivatives are as accurate as that.
    # Coefficients are rounded to multiples of 1/6, or left out if they are not as near to one.
    coefficient_parts: tuple[int, ...] = (1, 2, 3)
    coefficient_rounding: float = 0.08
    largest_coefficient: float = 6.0


SETTINGS = CurveSumSettings()


@dataclass(frozen=True)
class Curve:
    """A curve of one input."""

    text: str  # the curve, in x; the argument of the logarithm where `is_log`
    slope: Callable[[np.ndarray], np.ndarray]  # its derivative
    is_log: bool = False  # whether the curve is the logarithm of the text

    def of(self, argument: Expression) -> Expression:
        """The curve's text of an expression."""
        return replaced(parse_expression(self.text), Variable(0), argument)


# The curves: what adds up, or multiplies as 1 + x and sqrt(1 - x^2) do, in textbooks of the sciences.
CURVES = (
    Curve("x", np.ones_like),
    Curve("x", lambda x: 1 / x, is_log=True),
    Curve("x**2", lambda x: 2 * x),
    Curve("1/x", lambda x: -1 / x**2),
    Curve("1/x**2", lambda x: -2 / x**3),
    Curve("x**3", lambda x: 3 * x**2),
    Curve("sqrt(x)", lambda x: 0.5 / np.sqrt(x)),
    Curve("exp(x)", np.exp),
    Curve("exp(-x)", lambda x: -np.exp(-x)),
    Curve("sin(x)", np.cos),
    Curve("cos(x)", lambda x: -np.sin(x)),
    Curve("sin(x)", lambda x: 1 / np.tan(x), is_log=True),
    Curve("cos(x)", lambda x: -np.tan(x), is_log=True),
    Curve("1 + x", lambda x: 1 / (1 + x), is_log=True),
    Curve("1 - x", lambda x: -1 / (1 - x), is_log=True),
    Curve("1 + x**2", lambda x: 2 * x / (1 + x**2), is_log=True),
    Curve("1 - x**2", lambda x: -2 * x / (1 - x**2), is_log=True),
    Curve("exp(x) - 1", lambda x: np.exp(x) / (np.exp(x) - 1), is_log=True),
)


@dataclass(frozen=True)
class CurveSum:
    """A proposal that two inputs act through one combination."""

    inputs: tuple[int, int]  # the two inputs
    combination: Expression  # their combination
    doubt: float  # the share of the gradients that the proposal leaves, plus a little for each symbol


def proposed_curve_sums(model: SmoothModel, x: np.ndarray, algebraic: bool) -> list[CurveSum]:
    """Proposals of combinations of two inputs, the most credible first, by the gradients of a model at rows x."""
    # `algebraic` leaves out exponentials and angles: noisy gradients fit some of them to any law.
    gradient = model.gradient(x)
    with np.errstate(all="ignore"):
        slopes = [np.array([curve.slope(x[:, i]) for curve in CURVES]) for i in range(x.shape[1])]
    found = [
        proposal
        for i, j in combinations(range(x.shape[1]), 2)
        for proposal in _pairs(i, j, gradient[:, i], gradient[:, j], slopes[i], slopes[j])
    ]
    if algebraic:
        found = [each for each in found if not nodes_of(each.combination, Call)]
    return sorted(found, key=lambda proposal: proposal.doubt)


def _pairs(
    i: int, j: int, by_first: np.ndarray, by_second: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Iterator[CurveSum]:
    """All pairs of curves, of the inputs i and j, whose slopes have the ratio of the derivatives."""
    # f = F(u(x_i) + c v(x_j)) has f_i v' c = f_j u': a c = b, with a for each curve v and b for each curve u, at all
    # rows.
    a = by_first * second
    b = by_second * first
    usable_a = np.isfinite(a).all(1)
    usable_b = np.isfinite(b).all(1)
    a = np.where(usable_a[:, None], a, 0.0)
    b = np.where(usable_b[:, None], b, 0.0)
    # Linear regression through the origin of every b on every a: coefficient, and the sine of the angle between them.
    squares_a = (a**2).sum(1)
    squares_b = (b**2).sum(1)
    mixed = b @ a.T
    with np.errstate(all="ignore"):
        remainder = np.sqrt(np.maximum(1 - mixed**2 / np.outer(squares_b, squares_a), 0.0))
        coefficient = mixed / squares_a
    # Pairs that leave little, with a coefficient that is a small fraction.
    for k, m in np.argwhere((remainder < SETTINGS.largest_remainder) & np.outer(usable_b, usable_a)):
        rounded = _rounded(float(coefficient[k, m]))
        if rounded:
            combination = _combination(CURVES[k], CURVES[m], i, j, rounded)
            symbols = len(CURVES[k].text) + len(CURVES[m].text) + 2 * (abs(rounded) != 1)
            yield CurveSum((i, j), combination, float(remainder[k, m]) + SETTINGS.doubt_of_a_symbol * symbols)


def _rounded(value: float) -> float:
    """The nearest small fraction; 0 if none is near."""
    for parts in SETTINGS.coefficient_parts:
        rounded = round(value * parts) / parts
        if (
            abs(value - rounded) < SETTINGS.coefficient_rounding * min(1.0, abs(value))
            and 0 < abs(rounded) <= SETTINGS.largest_coefficient
        ):
            return rounded
    return 0.0


def _combination(first: Curve, second: Curve, i: int, j: int, coefficient: float) -> Expression:
    """The sum of two curves; the exponential of it where a curve is a logarithm."""
    # A sum, or the exponential of the sum, which turns logarithms into factors.
    a = first.of(Variable(i))
    b = second.of(Variable(j))
    if not (first.is_log or second.is_log):
        if coefficient != 1:
            b = Multiply((exact_number(coefficient), b))
        return simplify(Add((a, b)))
    if not first.is_log:
        return simplify(Multiply((Call("exp", a), Power(b, coefficient))))
    if second.is_log:
        return simplify(Multiply((a, simple_power(b, coefficient))))
    return simplify(Multiply((a, Call("exp", Multiply((exact_number(coefficient), b))))))

"""Forms in which people write laws: squares of differences, single waves, factors in front, roots of products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from edgewise.formulas.algebra import LARGEST_ROOT, MINUS_ONE, ONE, simplify, split_number
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    children,
    complexity,
    evaluate,
    exact_number,
    exchanged,
    product_of,
    rebuilt,
)

TWO_EQUAL = 1e-7  # Relative difference of numbers that count as equal; those here are fitted to rounding.


def in_usual_form(node: Expression) -> Expression:
    """Write a formula without functions of their own inverses and without logarithms or broken numbers in exponents."""
    node = rebuilt(node, [in_usual_form(part) for part in children(node)])
    if isinstance(node, Call) and isinstance(node.argument, Call):
        return _without_inverse(node, node.argument)
    if isinstance(node, Call) and node.name == "exp":
        return _with_factors_in_front(node)
    return node


def _without_inverse(node: Call, inner: Call) -> Expression:
    """sin, cos or tan of an inverse function as an algebraic expression; other nodes as they are."""
    u = inner.argument
    minus = Power(Add((ONE, Multiply((MINUS_ONE, Power(u, 2.0))))), 0.5)
    plus = Power(Add((ONE, Power(u, 2.0))), 0.5)
    forms: dict[tuple[str, str], Expression] = {
        ("sin", "acos"): minus,
        ("cos", "asin"): minus,
        ("tan", "asin"): Multiply((u, Power(minus, -1.0))),
        ("tan", "acos"): Multiply((minus, Power(u, -1.0))),
        ("sin", "atan"): Multiply((u, Power(plus, -1.0))),
        ("cos", "atan"): Power(plus, -1.0),
    }
    return forms.get((node.name, inner.name), node)


def _with_factors_in_front(node: Call) -> Expression:
    """exp(a + c log(u) + d) as exp(d) u^c exp(a)."""
    factors: list[Expression] = []
    left: list[Expression] = []
    for term in _flat(node.argument):
        number, rest = split_number(term)
        if rest is None:
            if abs(number.value) < 300 and not (number.exact and number.exact[1] == 1):
                factors.append(Number(math.exp(number.value)))
            else:
                left.append(term)
        elif isinstance(rest, Call) and rest.name == "log":
            # An exponent was fitted to rounding: 2.000000000000004 is 2.
            nearest = round(2 * number.value) / 2
            is_half = abs(number.value - nearest) <= TWO_EQUAL * max(abs(nearest), 0.1)
            exponent = nearest if is_half else number.value
            factors.append(simplify(Power(rest.argument, exponent)))
        else:
            left.append(term)
    if not factors:
        return node
    if left:
        factors.append(Call("exp", left[0] if len(left) == 1 else Add(tuple(left))))
    return product_of(factors)


def _flat(node: Expression) -> list[Expression]:
    """The terms of sums within sums."""
    if isinstance(node, Add):
        return [term for part in node.terms for term in _flat(part)]
    return [node]


def with_free_exponents(node: Expression, x: np.ndarray, largest_denominator: int = LARGEST_ROOT) -> Expression:
    """Write powers u**p as exp(p log u), p a free number, where u is positive at rows x and p no fraction as short."""

    def exponential(part: Expression) -> Expression | None:
        if not isinstance(part, Power) or is_fraction(part.exponent, largest_denominator):
            return None
        base = exchanged(part.base, exponential)
        if evaluate(base, x).min() > 0:
            return Call("exp", Multiply((Number(part.exponent), Call("log", base))))
        return Power(base, part.exponent)

    return exchanged(node, exponential)


def is_fraction(exponent: float, largest_denominator: int) -> bool:
    """True if an exponent is a fraction with a denominator of at most so much, to rounding."""
    fraction = Fraction(exponent).limit_denominator(largest_denominator)
    return math.isclose(exponent, fraction, rel_tol=1e-14)


def with_leading_plus(node: Expression) -> Expression:
    """Begin sums with a term that has no minus, if there is one: b - a instead of -a + b."""
    node = rebuilt(node, [with_leading_plus(part) for part in children(node)])
    if not isinstance(node, Add) or split_number(node.terms[0])[0].value >= 0:
        return node
    positive = [place for place, term in enumerate(node.terms) if split_number(term)[0].value > 0]
    first = positive[0] if positive else 0
    return Add((node.terms[first], *node.terms[:first], *node.terms[first + 1 :]))


def with_completed_squares(node: Expression) -> Expression:
    """Write p u^2 + r u v + q v^2 with r^2 = 4 p q as a multiple of a square, wherever that is shorter."""
    return _with_squares(simplify(node))


def _with_squares(node: Expression) -> Expression:
    node = rebuilt(node, [_with_squares(part) for part in children(node)])
    if isinstance(node, Add):
        terms = _flat(node)
        while (shorter := _with_one_square(terms)) is not None:
            terms = shorter
        form = terms[0] if len(terms) == 1 else Add(tuple(terms))
        return form if complexity(form) < complexity(node) else node
    return node


def _with_one_square(terms: Sequence[Expression]) -> list[Expression] | None:
    """Three terms replaced by the square of a sum of two, or None."""
    squares: dict[Expression, tuple[int, Number]] = {}
    for place, term in enumerate(terms):
        number, rest = split_number(term)
        if rest is None and number.value > 0:
            squares[ONE] = (place, number)
        elif rest is not None:
            factors = rest.factors if isinstance(rest, Multiply) else (rest,)
            roots = [Power(f.base, f.exponent / 2) for f in factors if isinstance(f, Power) and f.exponent % 2 == 0]
            if len(roots) == len(factors):
                squares[simplify(product_of(roots))] = (place, number)
    for place, term in enumerate(terms):
        number, rest = split_number(term)
        for u, (first, p) in squares.items():
            for v, (second, q) in squares.items():
                if len({first, second, place}) < 3 or p.value * q.value <= 0 or rest is None:
                    continue
                if abs(number.value**2 - 4 * p.value * q.value) > TWO_EQUAL * number.value**2:
                    continue
                if simplify(Multiply((u, v))) == simplify(rest):
                    if p.exact is None:
                        half = Number(0.5 / p.value)
                    else:
                        half = exact_number(2).times(p).inverse()
                    ratio = number.times(half)
                    square = Power(Add((u, simplify(Multiply((ratio, v))))), 2.0)
                    others = [t for k, t in enumerate(terms) if k not in (first, second, place)]
                    return [simplify(Multiply((p, square))) if p.value != 1 else square, *others]
    return None


def with_joined_waves(node: Expression) -> Expression:
    """Write a cos(u) + b sin(u) as one cosine, r cos(u - phase), wherever that is shorter."""
    node = rebuilt(node, [with_joined_waves(part) for part in children(node)])
    if not isinstance(node, Add):
        return node
    waves: dict[tuple[str, Expression], tuple[int, float]] = {}
    for place, term in enumerate(node.terms):
        number, rest = split_number(term)
        if isinstance(rest, Call) and rest.name in ("sin", "cos"):
            waves[rest.name, rest.argument] = place, number.value
    for (name, argument), (place, a) in waves.items():
        if name == "cos" and ("sin", argument) in waves:
            other, b = waves["sin", argument]
            size = math.hypot(a, b)
            phase = math.atan2(b, a)
            wave = Call("cos", simplify(Add((argument, Number(-phase)))))
            joined = wave if abs(size - 1) < TWO_EQUAL else Multiply((Number(size), wave))
            rest_of_sum = [term for k, term in enumerate(node.terms) if k not in (place, other)]
            if rest_of_sum:
                form = with_joined_waves(Add((joined, *rest_of_sum)))
            else:
                form = joined
            return form if complexity(form) < complexity(node) else node
    return node


def with_double_angles(node: Expression) -> Expression:
    """Write p sin(u)^2 - p sin(u)^4, and the same of a cosine, as p/4 sin(2 u)^2."""
    node = rebuilt(node, [with_double_angles(part) for part in children(node)])
    if not isinstance(node, Add):
        return node
    powers: dict[tuple[Expression, float], tuple[int, Number]] = {}
    for place, term in enumerate(node.terms):
        number, rest = split_number(term)
        if isinstance(rest, Power) and isinstance(rest.base, Call) and rest.base.name in ("sin", "cos"):
            powers[rest.base, rest.exponent] = place, number
    for (wave, exponent), (place, p) in powers.items():
        assert isinstance(wave, Call), "they were chosen so"
        other, q = powers.get((wave, 4.0), (place, p))
        if exponent == 2.0 and other != place and abs(p.value + q.value) <= TWO_EQUAL * abs(p.value):
            double = Power(Call("sin", Multiply((exact_number(2), wave.argument))), 2.0)
            joined = Multiply((p.times(exact_number(4).inverse()), double))
            left = [term for k, term in enumerate(node.terms) if k not in (place, other)]
            return with_double_angles(simplify(Add((joined, *left)) if left else joined))
    return node


def with_merged_roots(node: Expression) -> Expression:
    """Write products of square roots as the root of a product: sqrt(a) / sqrt(b) as sqrt(a/b)."""
    # Where a and b are positive the values are the same; where the factors are undefined, the root may not be. The
    # formula must be simplified, for a product within a product hides its roots; the result is not.
    node = rebuilt(node, [with_merged_roots(part) for part in children(node)])
    if not isinstance(node, Multiply):
        return node
    roots = [part for part in node.factors if isinstance(part, Power) and abs(part.exponent) == 0.5]
    if len(roots) < 2:
        return node
    others = [part for part in node.factors if not any(part is root for root in roots)]
    below = all(root.exponent < 0 for root in roots)  # 1 / sqrt(a b) rather than sqrt(1 / (a b))
    bases = [root.base if below or root.exponent > 0 else Power(root.base, -1.0) for root in roots]
    merged = Power(Multiply(tuple(bases)), -0.5 if below else 0.5)
    if others:
        return Multiply((*others, merged))
    return merged

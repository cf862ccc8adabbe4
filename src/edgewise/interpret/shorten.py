"""The shortest form of a formula that algebra finds: expanded, factored out, and with signs that the data settle."""

import math
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np

from edgewise.interpret.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    children,
    complexity,
    evaluate,
    rebuilt,
)
from edgewise.interpret.simplify import simplify, split_number

MOST_TERMS = 60  # of an expanded product
SAME = 1e-9  # values of two forms differ by no more, relative to the largest
ROUNDS = 4


def shortest(node: Expression, x: np.ndarray, deadline: float = math.inf) -> Expression:
    """A formula with the same values at the rows of x and at most as many symbols.

    deadline: of `time.monotonic`, after which no other form is looked at.
    """
    best, values = simplify(node), evaluate(node, x)
    ways = (
        lambda form: _signed(form, x),
        factored,
        lambda form: factored(_all_expanded(form)),
    )
    for _ in range(ROUNDS):
        size = complexity(best)
        for way in ways:
            if time.monotonic() > deadline:
                break
            form = simplify(_signed(way(best), x))
            if complexity(form) < complexity(best) and _agrees(values, evaluate(form, x)):
                best = form
        if complexity(best) == size:
            break
    return best if complexity(best) < complexity(node) or best == node else node


def _agrees(values: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.isfinite(others).all() and np.abs(values - others).max() <= SAME * max(np.abs(values).max(), 1e-300))


def _all_expanded(node: Expression) -> Expression:
    """Sums within sums are one sum only after `simplify`, and then multiply out further."""
    for _ in range(ROUNDS):
        former, node = node, simplify(expanded(node))
        if node == former:
            break
    return node


def expanded(node: Expression) -> Expression:
    """Products and small whole powers of sums multiplied out."""
    node = rebuilt(node, [expanded(part) for part in children(node)])
    if isinstance(node, Power) and isinstance(node.base, Add) and node.exponent in (2.0, 3.0, 4.0):
        if len(node.base.terms) ** node.exponent > MOST_TERMS:
            return node
        return expanded(Multiply((node.base,) * int(node.exponent)))
    if not isinstance(node, Multiply):
        return node
    terms: list[tuple[Expression, ...]] = [()]
    for factor in node.factors:
        parts = factor.terms if isinstance(factor, Add) else (factor,)
        if len(terms) * len(parts) > MOST_TERMS:
            return node
        terms = [(*term, part) for term in terms for part in parts]
    return Add(tuple(Multiply(term) for term in terms)) if len(terms) > 1 else node


def factored(node: Expression) -> Expression:
    """What several terms of a sum have in common taken out, sums inside first, as long as that is shorter."""
    node = rebuilt(node, [factored(part) for part in children(node)])
    while isinstance(node, Add):
        shorter = min((simplify(form) for form in _ways_out(node)), key=complexity, default=node)
        if complexity(shorter) >= complexity(node):
            break
        node = shorter if isinstance(shorter, Add) else rebuilt(shorter, [factored(p) for p in children(shorter)])
    return node


def _ways_out(node: Add) -> Iterator[Expression]:
    """The sum with one power, or one number, taken out of the terms that have it."""
    counted = Counter(key for term in node.terms for key in dict.fromkeys(_parts(term)))
    for key, count in counted.items():
        if count > 1:
            inside = [_without(term, key) for term in node.terms if key in _parts(term)]
            outside = [term for term in node.terms if key not in _parts(term)]
            whole = Multiply((key, Add(tuple(inside))))
            yield Add((whole, *outside)) if outside else whole
    sizes = [abs(split_number(term)[0].value) for term in node.terms]
    for size in dict.fromkeys(sizes):
        alike = [abs(other - size) <= 1e-12 * size for other in sizes]
        if sum(alike) > 1 and size not in (0.0, 1.0):
            factor = next(split_number(t)[0] for t, same in zip(node.terms, alike, strict=True) if same)
            inside = [
                _rounded(Multiply((_inverse(factor), t))) for t, same in zip(node.terms, alike, strict=True) if same
            ]
            outside = [t for t, same in zip(node.terms, alike, strict=True) if not same]
            whole = Multiply((factor, Add(tuple(inside))))
            yield Add((whole, *outside)) if outside else whole


def _inverse(factor: Number) -> Number:
    if factor.exact is None or factor.exact[2]:
        return Number(1 / factor.value)
    p, q, _ = factor.exact
    return Number(1 / factor.value, (q, p, "") if p > 0 else (-q, -p, ""))


def _rounded(term: Expression) -> Expression:
    """A term whose number is 1 or -1 to rounding has exactly that."""
    factor, rest = split_number(simplify(term))
    sign = 1.0 if factor.value > 0 else -1.0
    if abs(factor.value - sign) > 1e-11:
        return term
    one = Number(sign, (int(sign), 1, ""))
    return one if rest is None else Multiply((one, rest))


def _parts(term: Expression) -> list[Expression]:
    """The factors of a term that are no numbers, powers as all lower whole powers that they hold."""
    found: list[Expression] = []
    for factor in term.factors if isinstance(term, Multiply) else (term,):
        if isinstance(factor, Number):
            continue
        found.append(factor)
        if isinstance(factor, Power) and factor.exponent % 1 == 0 and abs(factor.exponent) > 1:
            step = 1.0 if factor.exponent > 0 else -1.0
            lower = [step * k for k in range(1, int(abs(factor.exponent)))]
            found += [factor.base if k == 1.0 else Power(factor.base, k) for k in lower]
    return found


def _without(term: Expression, key: Expression) -> Expression:
    base, exponent = (key.base, key.exponent) if isinstance(key, Power) else (key, 1.0)
    return simplify(Multiply((term, Power(base, -exponent))))


def _signed(node: Expression, x: np.ndarray) -> Expression:
    """Absolute values of what has one sign at all rows are resolved; roots of squares in a product are taken."""
    node = rebuilt(node, [_signed(part, x) for part in children(node)])
    if isinstance(node, Call) and node.name == "abs":
        values = evaluate(node.argument, x)
        if values.min() >= 0:
            return node.argument
        return Multiply((Number(-1.0, (-1, 1, "")), node.argument)) if values.max() <= 0 else node
    if isinstance(node, Power) and isinstance(node.base, Multiply) and node.exponent % 1:
        inside, outside = [], []
        for factor in node.base.factors:
            even = isinstance(factor, Power) and factor.exponent % 2 == 0
            if even:
                root = _signed(Call("abs", factor.base), x)
                outside.append(Power(root, factor.exponent * node.exponent))
            elif evaluate(factor, x).min() > 0:
                outside.append(Power(factor, node.exponent))
            else:
                inside.append(factor)
        if outside and any(not isinstance(part.base, Number) for part in outside):
            rest = (
                [] if not inside else [Power(inside[0] if len(inside) == 1 else Multiply(tuple(inside)), node.exponent)]
            )
            parts = (*outside, *rest)
            return parts[0] if len(parts) == 1 else Multiply(parts)
    return node

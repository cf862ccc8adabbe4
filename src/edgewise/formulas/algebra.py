"""Shorter forms of the same formula: flat sums and products, numbers folded, like terms and powers collected.

The shortest form of a formula that algebra finds: expanded, factored out, and with signs that the data settle."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Exact,
    Expression,
    Multiply,
    Number,
    Power,
    children,
    complexity,
    evaluate,
    exact_number,
    power,
    rebuilt,
)

EVEN, ODD = {"cos", "cosh", "abs", "besselj0"}, {"sin", "tan", "tanh", "sinh", "asin", "atan", "atanh", "sign"}
# f(g(u)) = u wherever g(u) is defined.
UNDONE = {("tanh", "atanh"), ("atanh", "tanh"), ("sin", "asin"), ("cos", "acos"), ("tan", "atan"), ("log", "exp")}
ZERO, ONE = exact_number(0), exact_number(1)
LARGEST_EXPONENT = 50.0  # that leaves an exponential as a factor: larger ones may only balance what else stands there


def simplify(node: Expression) -> Expression:
    """An equal formula, shorter or as long, wherever the given one is defined.

    Numbers are exact fractions as long as they were; a number moves out of a power, a logarithm, an even or odd
    function where it can.
    """
    shorter = _simplified(node)
    return shorter if complexity(shorter) <= complexity(node) else node


def _simplified(node: Expression) -> Expression:
    node = rebuilt(node, [_simplified(part) for part in children(node)])
    if isinstance(node, Add):
        return _sum(node.terms)
    if isinstance(node, Multiply):
        return _product(node.factors)
    if isinstance(node, Power):
        return _power(node.base, node.exponent)
    return _call(node.name, node.argument) if isinstance(node, Call) else node


def _fraction(value: float, p: int, q: int, unit: str = "") -> Number:
    shared = math.gcd(p, q) * (1 if q > 0 else -1)
    p, q = (p // shared, q // shared) if shared else (p, q)
    return Number(value, (p, q, unit) if max(abs(p), q) < 10**9 else None)


def _plus(a: Number, b: Number) -> Number:
    value = a.value + b.value
    if a.exact and b.exact and a.exact[2] == b.exact[2]:
        (p, q, unit), (r, s, _) = a.exact, b.exact
        return _fraction(value, p * s + r * q, q * s, unit if p * s + r * q else "")
    if b.value == 0 or a.value == 0:
        return a if b.value == 0 else b
    return Number(value)


def _times(a: Number, b: Number) -> Number:
    value = a.value * b.value
    if a.exact and b.exact and (not a.exact[2] or not b.exact[2]):
        (p, q, unit), (r, s, other) = a.exact, b.exact
        return _fraction(value, p * r, q * s, (unit or other) if p * r else "")
    return Number(value)


def _to_power(a: Number, exponent: float) -> Number | None:
    """a ** exponent, None where it isn't a real number."""
    if (a.value == 0 and exponent < 0) or (a.value < 0 and exponent % 1):
        return None
    with np.errstate(all="ignore"):
        value = float(power(np.float64(a.value), exponent))
    if not math.isfinite(value):
        return None
    exact: Exact | None = None
    if a.exact and not a.exact[2] and exponent % 1 == 0 and abs(exponent) < 9:
        p, q = (a.exact[0], a.exact[1]) if exponent > 0 else (a.exact[1], a.exact[0])
        return _fraction(value, p ** int(abs(exponent)), q ** int(abs(exponent)))
    if a.exact and not a.exact[2] and abs(exponent) == 0.5 and a.value > 0:
        p, q = math.isqrt(a.exact[0]), math.isqrt(a.exact[1])
        if p * p == a.exact[0] and q * q == a.exact[1]:
            return _fraction(value, *((p, q) if exponent > 0 else (q, p)))
    return Number(value, exact)


def split_number(node: Expression) -> tuple[Number, Expression | None]:
    """A term as its number and the rest; None for no rest."""
    if isinstance(node, Number):
        return node, None
    if isinstance(node, Multiply):
        numbers = [part for part in node.factors if isinstance(part, Number)]
        rest = [part for part in node.factors if not isinstance(part, Number)]
        whole = reduce(_times, numbers, ONE)
        return whole, (Multiply(tuple(rest)) if len(rest) > 1 else rest[0] if rest else None)
    return ONE, node


def _sum(terms: Sequence[Expression]) -> Expression:
    flat = [part for term in terms for part in (term.terms if isinstance(term, Add) else (term,))]
    collected: dict[Expression | None, Number] = {}
    for term in flat:
        factor, rest = split_number(term)
        collected[rest] = _plus(collected[rest], factor) if rest in collected else factor
    constant = collected.pop(None, ZERO)
    parts = [_product((factor, rest)) for rest, factor in collected.items() if factor.value != 0]
    if constant.value != 0 or not parts:
        parts.append(constant)
    return parts[0] if len(parts) == 1 else Add(tuple(parts))


def _product(factors: Sequence[Expression]) -> Expression:
    flat = [part for factor in factors for part in (factor.factors if isinstance(factor, Multiply) else (factor,))]
    whole = reduce(_times, [part for part in flat if isinstance(part, Number)], ONE)
    if whole.value == 0:
        return ZERO
    powers: dict[Expression, float] = {}
    exponents: list[Expression] = []
    for part in flat:
        if isinstance(part, Number):
            continue
        if isinstance(part, Call) and part.name == "exp":
            exponents.append(part.argument)
            continue
        base, exponent = (part.base, part.exponent) if isinstance(part, Power) else (part, 1.0)
        # x**0.5 * x**0.5 is x only where x is not negative, as it must be for either to be there.
        powers[base] = powers.get(base, 0.0) + exponent
    parts = [_power(base, exponent) for base, exponent in powers.items() if exponent != 0]
    if exponents:
        parts.append(_call("exp", exponents[0] if len(exponents) == 1 else _sum(exponents)))
    for place, part in enumerate(parts):  # a number that a power has let go
        factor, rest = split_number(part)
        if rest is not None and (factor.value != 1):
            whole, parts[place] = _times(whole, factor), rest
        elif rest is None:
            whole, parts[place] = _times(whole, factor), ONE
    parts = [inner for part in parts for inner in (part.factors if isinstance(part, Multiply) else (part,))]
    parts = [part for part in parts if part != ONE]
    if not parts:
        return whole
    if whole.value == 1:
        return parts[0] if len(parts) == 1 else Multiply(tuple(parts))
    return _with_number(whole, parts)


def _with_number(whole: Number, parts: list[Expression]) -> Expression:
    """whole * parts, the number moved into a lone sum of numbers and multiples where that is shorter."""
    plain = Multiply((whole, *parts))
    if len(parts) == 1 and isinstance(parts[0], Add):
        spread = Add(tuple(_product((whole, term)) for term in parts[0].terms))
        if complexity(spread) < complexity(plain):
            return spread
    return plain


def _power(base: Expression, exponent: float) -> Expression:
    if exponent == 1:
        return base
    if exponent == 0:
        return ONE
    if isinstance(base, Number):
        return _to_power(base, exponent) or Power(base, exponent)
    if isinstance(base, Power) and (exponent % 1 == 0 or base.exponent % 2):
        # (x**2)**0.5 is |x|; an odd or broken inner power is only there where the whole is.
        if base.exponent * exponent % 1 == 0 and base.exponent % 1 == 0:
            return _power(base.base, base.exponent * exponent)
        if exponent % 1 == 0 or base.exponent % 1:
            return _power(base.base, base.exponent * exponent)
    if isinstance(base, Power) and base.exponent == 2 and exponent == 0.5:
        return _call("abs", base.base)
    if isinstance(base, Call) and base.name == "exp":
        return _call("exp", _product((exact_number(exponent), base.argument)))
    if isinstance(base, Multiply):
        factor, rest = split_number(base)
        if factor.value != 1 and rest is not None and (factor.value > 0 or exponent % 1 == 0):
            outside = _to_power(factor, exponent)
            if outside is not None:
                return _product((outside, _power(rest, exponent)))
        if exponent % 1 == 0:
            return _product([_power(part, exponent) for part in base.factors])
    return Power(base, exponent)


def _call(name: str, argument: Expression) -> Expression:
    if isinstance(argument, Number):
        with np.errstate(all="ignore"):
            value = float(FUNCTIONS[name][0](np.float64(argument.value)))
        if math.isfinite(value):
            return exact_number(value) if value in (0.0, 1.0) else Number(value)
        return Call(name, argument)
    if isinstance(argument, Call) and (name, argument.name) in UNDONE:
        return argument.argument
    if name == "log":
        factor, rest = split_number(argument)
        if factor.value > 0 and factor.value != 1 and rest is not None:
            return _sum((Call("log", rest), Number(math.log(factor.value))))
    if name == "exp":
        return _exponential(argument)
    turned = _quarter_turns(name, argument) if name in ("sin", "cos") else None
    if turned is not None:
        return turned
    if name in EVEN | ODD and _is_negative(argument):
        turned = _sum([_product((exact_number(-1), term)) for term in _terms(argument)])
        return Call(name, turned) if name in EVEN else _product((exact_number(-1), Call(name, turned)))
    return Call(name, argument)


def _quarter_turns(name: str, argument: Expression) -> Expression | None:
    """sin(u + pi/2) = cos(u) and its like, for every multiple of a quarter turn; None where there is none."""
    shifts = [
        t for t in _terms(argument) if isinstance(t, Number) and t.exact and t.exact[2] == "pi" and t.exact[1] < 3
    ]
    rest = [term for term in _terms(argument) if term not in shifts]
    if not shifts or not rest:
        return None
    quarters = (2 // shifts[0].exact[1] * shifts[0].exact[0] + (name == "cos")) % 4  # both as a sine
    call = _call("cos" if quarters % 2 else "sin", _sum(rest))
    return _product((exact_number(-1), call)) if quarters >= 2 else call


def _exponential(argument: Expression) -> Expression:
    """exp with logarithms and constants in the exponent taken out: exp(u + n log v + c) = e^c v^n exp(u)."""
    outside: list[Expression] = []
    inside: list[Expression] = []
    for term in _terms(argument):
        factor, rest = split_number(term)
        if rest is None and abs(factor.value) < LARGEST_EXPONENT and not (term.exact and abs(term.value) < 1.5):
            outside.append(Number(math.exp(factor.value)))
        elif isinstance(rest, Call) and rest.name == "log" and (2 * factor.value) % 1 == 0 and abs(factor.value) < 9:
            outside.append(_power(rest.argument, factor.value))
        else:
            inside.append(term)
    if not outside:
        return Call("exp", argument)
    if not inside:
        return _product(outside)
    return _product((*outside, Call("exp", inside[0] if len(inside) == 1 else Add(tuple(inside)))))


def _terms(node: Expression) -> tuple[Expression, ...]:
    return node.terms if isinstance(node, Add) else (node,)


def _is_negative(node: Expression) -> bool:
    """Whether a minus stands before a term, or before the first of a sum."""
    if isinstance(node, Add):
        return split_number(node.terms[0])[0].value < 0
    return split_number(node)[0].value < 0


MOST_TERMS = 60  # of an expanded product
SAME = 1e-9  # values of two forms differ by no more, relative to the largest
ROUNDS = 4


def shortest_form(node: Expression, x: np.ndarray, deadline: float = math.inf) -> Expression:
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

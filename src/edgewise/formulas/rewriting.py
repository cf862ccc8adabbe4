"""Rewriting of formulas: `simplify` by rules alone, `shortest_form` and `without_noise` with the data, and usual forms.

People write laws with squares of differences, single waves, factors in front and roots of products: the last functions
of this module.

`simplify` makes sums and products flat, folds numbers and collects like terms and powers. It is used instead of
`sympy.simplify` because a search for a formula calls it thousands of times, and sympy is an optional dependency: on
four formulas of 8 to 44 symbols it takes 0.04 to 0.6 ms, `sympy.simplify` 50 ms to 3 s (sympy 1.14, one core).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from itertools import product

import numpy as np

from edgewise.checks import typed
from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    complexity,
    evaluate,
    exact_number,
    exchanged,
    product_of,
    walk,
)
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK

EVEN_FUNCTIONS = {"cos", "cosh", "abs", "besselj0"}
ODD_FUNCTIONS = {"sin", "tan", "tanh", "sinh", "asin", "atan", "atanh", "sign"}
# Pairs (f, g) with f(g(u)) = u wherever g(u) is defined.
INVERSE_PAIRS = {("tanh", "atanh"), ("atanh", "tanh"), ("sin", "asin"), ("cos", "acos"), ("tan", "atan")}
INVERSE_PAIRS |= {("log", "exp")}
ZERO, ONE, MINUS_ONE = exact_number(0), exact_number(1), exact_number(-1)
UNIT_EXPONENTS = {(1, 1, "e"): ONE, (1, 1, "1/e"): MINUS_ONE}  # closed forms that are exponentials
LARGEST_ROOT = 12  # Largest denominator of an exponent in closed form: cube roots and seventh roots occur.
# Largest constant in an exponent that becomes a factor: larger ones may only balance another large term, and exp(50) =
# 5e21 is far from overflow.
LARGEST_EXPONENT = 50.0
LARGEST_HALF = 2.0**52  # Larger numbers have no halves in float64.
MOST_EXPANDED_TERMS = 60  # Terms of an expanded product, at most; they bound the time of `expanded`.
VALUE_TOLERANCE = 1e-9  # Two forms are equal if their values differ by no more, relative to the largest.
TWO_EQUAL = 1e-7  # Relative difference of numbers that count as equal; those here are fitted to rounding.
# Passes of `shortest_form` and of `_fully_expanded`, at most: most formulas settle after two.
MOST_PASSES = 4


@typed
def simplify(node: Expression) -> Expression:
    """Simplify a formula by algebraic rules.

    Exact numbers stay exact fractions. Numbers are taken out of powers, logarithms and exponentials, and signs out of
    even and odd functions.

    Parameters
    ----------
    node : Expression
        The formula.

    Returns
    -------
    Expression
        A formula that is equal wherever the given one is defined and has at most as many symbols.

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> as_text(simplify(parse_expression("2*x + 3*x - x*x/x")), ["x"])
    '4*x'
    """
    shorter = _simplified(node)
    spend(6 * CALL_WORK * complexity(node))
    return shorter if complexity(shorter) <= complexity(node) else node


def _simplified(node: Expression) -> Expression:
    node = node.with_parts([_simplified(part) for part in node.parts])
    if isinstance(node, Add):
        return _collected_sum(node.terms)
    if isinstance(node, Multiply):
        return _collected_product(node.factors)
    if isinstance(node, Power):
        return _reduced_power(node.base, node.exponent)
    if isinstance(node, Call):
        return _reduced_call(node.name, node.argument)
    return node


def split_number(node: Expression) -> tuple[Number, Expression | None]:
    """A term as its numerical factor and the other factors; None if there are no others."""
    if isinstance(node, Number):
        return node, None
    if isinstance(node, Multiply):
        numbers = [part for part in node.factors if isinstance(part, Number)]
        others = [part for part in node.factors if not isinstance(part, Number)]
        return reduce(Number.times, numbers, ONE), product_of(others) if others else None
    return ONE, node


def _collected_sum(terms: Sequence[Expression]) -> Expression:
    """The sum of simplified terms, flat and with like terms collected; a constant comes last."""
    flat = [part for term in terms for part in _terms(term)]
    factors: dict[Expression | None, Number] = {}
    for term in flat:
        factor, rest = split_number(term)
        factors[rest] = factors[rest].plus(factor) if rest in factors else factor
    constant = factors.pop(None, ZERO)
    parts = [
        _collected_product((factor, rest)) for rest, factor in factors.items() if rest is not None and factor.value != 0
    ]
    if constant.value != 0 or not parts:
        parts.append(constant)
    return parts[0] if len(parts) == 1 else Add(tuple(parts))


def _collected_product(factors: Sequence[Expression]) -> Expression:
    """The product of simplified factors, flat, with powers of the same base and exponentials collected."""
    flat = [part for factor in factors for part in factor.multiplicands]
    number = reduce(Number.times, [part for part in flat if isinstance(part, Number)], ONE)
    if number.value == 0:
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
        # x**0.5 * x**0.5 equals x only for x >= 0, but the product is defined only there.
        powers[base] = powers.get(base, 0.0) + exponent
    if not all(map(math.isfinite, powers.values())):  # x**1e308 * x**1e308
        return product_of(flat)
    parts = [_reduced_power(base, exponent) for base, exponent in powers.items() if exponent != 0]
    if exponents:
        if number.exact in UNIT_EXPONENTS:  # exp(x)/e is exp(x - 1)
            exponents.append(UNIT_EXPONENTS[number.exact])
            number = ONE
        parts.append(_reduced_call("exp", exponents[0] if len(exponents) == 1 else _collected_sum(exponents)))
    for place, part in enumerate(parts):  # The rules for powers and exponentials may have taken out numbers.
        factor, rest = split_number(part)
        if rest is None or factor.value != 1:
            number, parts[place] = number.times(factor), ONE if rest is None else rest
    parts = [inner for part in parts for inner in part.multiplicands]
    parts = [part for part in parts if part != ONE]
    if not parts:
        return number
    if number.value == 1:
        return product_of(parts)
    product = Multiply((number, *parts))
    if len(parts) == 1 and isinstance(parts[0], Add):  # Multiply out where that has fewer symbols.
        spread = Add(tuple(_collected_product((number, term)) for term in parts[0].terms))
        # A minus in front of a sum becomes one of its terms: b - a instead of -(a - b).
        if complexity(spread) < complexity(product) + (number.value == -1):
            return spread
    return product


def _reduced_power(base: Expression, exponent: float) -> Expression:
    """The power of a simplified base: powers of powers, exponentials and products are resolved where that is valid."""
    half = round(exponent * 2) / 2 if abs(exponent) < LARGEST_HALF else exponent
    if abs(exponent - half) <= 1e-14 * abs(half):  # a sum of exponents such as 1/3 and 2/3 has rounding errors
        exponent = half
    if exponent == 1:
        return base
    if exponent == 0:
        return ONE
    if isinstance(base, Number):
        return base.to_power(exponent) or Power(base, exponent)
    is_product = isinstance(base, Power) and math.isfinite(base.exponent * exponent)
    if isinstance(base, Power) and is_product and (exponent % 1 == 0 or base.exponent % 2):
        # Not for (x**2)**0.5 = |x|: the inner power has to be odd or fractional, which fixes the sign of x.
        if base.exponent * exponent % 1 == 0 and base.exponent % 1 == 0:
            return _reduced_power(base.base, base.exponent * exponent)
        if exponent % 1 == 0 or base.exponent % 1:
            return _reduced_power(base.base, base.exponent * exponent)
    if isinstance(base, Power) and base.exponent == 2 and exponent == 0.5:
        return _reduced_call("abs", base.base)
    if isinstance(base, Call) and base.name == "exp":
        return _reduced_call("exp", _collected_product((exact_number(exponent), base.argument)))
    if isinstance(base, Multiply):
        factor, rest = split_number(base)
        if factor.value != 1 and rest is not None and (factor.value > 0 or exponent % 1 == 0):
            outside = factor.to_power(exponent)
            if outside is not None:
                return _collected_product((outside, _reduced_power(rest, exponent)))
        if exponent % 1 == 0:
            return _collected_product([_reduced_power(part, exponent) for part in base.factors])
    return Power(base, exponent)


def _reduced_call(name: str, argument: Expression) -> Expression:
    """A function of a simplified argument: constants, inverse functions, logarithms, shifts and signs are resolved."""
    if isinstance(argument, Number):
        with np.errstate(all="ignore"):
            value = float(FUNCTIONS[name].value(np.asarray(argument.value, dtype=np.float64)))
        if math.isfinite(value):
            return exact_number(value) if value in (0.0, 1.0) else Number(value)
        return Call(name, argument)
    if isinstance(argument, Call) and (name, argument.name) in INVERSE_PAIRS:
        return argument.argument
    if name == "log":
        factor, rest = split_number(argument)
        if factor.value > 0 and factor.value != 1 and rest is not None:
            return _collected_sum((Call("log", rest), Number(math.log(factor.value))))
    if name == "exp":
        return _reduced_exponential(argument)
    if name in ("sin", "cos"):  # sin(u + pi/2) = cos(u) and the like for every multiple of a quarter turn.
        for shift in _terms(argument):
            if isinstance(shift, Number) and shift.exact and shift.exact[2] == "pi" and shift.exact[1] < 3:
                rest_terms = [term for term in _terms(argument) if term != shift]
                if rest_terms:
                    quarters = (2 // shift.exact[1] * shift.exact[0] + (name == "cos")) % 4  # Both as a sine.
                    call = _reduced_call("cos" if quarters % 2 else "sin", _collected_sum(rest_terms))
                    if quarters >= 2:
                        return _collected_product((MINUS_ONE, call))
                    return call
    if name in EVEN_FUNCTIONS | ODD_FUNCTIONS and split_number(_terms(argument)[0])[0].value < 0:
        opposite = _collected_sum([_collected_product((MINUS_ONE, term)) for term in _terms(argument)])
        if name in EVEN_FUNCTIONS:
            return Call(name, opposite)
        return _collected_product((MINUS_ONE, Call(name, opposite)))
    return Call(name, argument)


def _reduced_exponential(argument: Expression) -> Expression:
    """An exponential with logarithms and constants taken out: exp(u + n log v + c) = e^c v^n exp(u)."""
    factors = _factors_of_exponential(argument, with_powers=False)
    if len(factors) == 1 and isinstance(factors[0], Call):
        return factors[0]
    reduced = [_reduced_power(each.base, each.exponent) if isinstance(each, Power) else each for each in factors]
    return _collected_product(reduced)


def _factors_of_exponential(argument: Expression, *, with_powers: bool) -> list[Expression]:
    """The factors e^c, v^n and exp(u) of exp(u + n log v + c).

    exp(n log v) is v**n for halves, and for other fractions in closed form; `with_powers` for every n, where those that
    were fitted to rounding are whole and half numbers.
    """
    factors: list[Expression] = []
    inside: list[Expression] = []
    terms = _terms(argument)
    number, rest = split_number(argument)
    if isinstance(rest, Add) and any(isinstance(part, Call) and part.name == "log" for part in rest.terms):
        terms = tuple(simplify(Multiply((number, term))) for term in rest.terms)  # n (log v + a) as n log v + n a
    for term in terms:
        number, rest = split_number(term)
        # Small exact constants such as exp(-1) stay as they are; they are shorter and exact.
        is_short = isinstance(term, Number) and term.exact is not None and abs(term.value) < 1.5
        if rest is None and abs(number.value) < LARGEST_EXPONENT and not is_short:
            factors.append(Number(math.exp(number.value)))
            continue
        if isinstance(rest, Call) and rest.name == "log":
            half = round(2 * number.value) / 2
            is_half = abs(number.value - half) <= (TWO_EQUAL * max(abs(half), 0.1) if with_powers else 0.0)
            exact = number.exact
            is_fraction = exact is not None and exact[1] <= LARGEST_ROOT and not exact[2]
            if with_powers or (abs(number.value) < 9 and (is_half or is_fraction)):
                factors.append(Power(rest.argument, half if is_half else number.value))
                continue
        inside.append(term)
    if inside:
        factors.append(Call("exp", inside[0] if len(inside) == 1 else Add(tuple(inside))))
    return factors


def _terms(node: Expression) -> tuple[Expression, ...]:
    """The terms of a sum, and of sums within it; any other node alone."""
    if isinstance(node, Add):
        return tuple(term for part in node.terms for term in _terms(part))
    return (node,)


@typed
def shortest_form(node: Expression, x: np.ndarray, budget: Budget | None = None) -> Expression:
    """Find the shortest form of a formula: expanded, factored, and with absolute values resolved by the data.

    Parameters
    ----------
    node : Expression
        The formula.
    x : ndarray, shape (N, inputs)
        Rows at which the values must stay the same.
    budget : Budget
        Once it is over, no further form is tried.

    Returns
    -------
    Expression
        A formula with the same values at the rows, up to rounding, and at most as many symbols.

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> as_text(shortest_form(parse_expression("x*x + 2*x + sqrt(x**2)"), np.array([[1.0], [2.0]])), ["x"])
    'x*(x + 3)'
    """
    # The rewritings that may shorten a formula, and how far its values may move by rounding
    best = simplify(node)
    values = evaluate(node, x)
    changes = (
        lambda form: _with_known_signs(form, x),
        factored,
        lambda form: factored(_fully_expanded(form)),
        with_joined_logarithms,
        lambda form: with_one_factor(with_whole_parts(_with_simple_fractions(form))),
    )
    tolerance = VALUE_TOLERANCE * max(np.abs(values).max(), ABOVE_ZERO)
    # One after another, each kept if the formula becomes shorter and its values stay, until none shortens it
    for _ in range(MOST_PASSES):
        size = complexity(best)
        for change in changes:
            if budget is not None and budget.is_over:
                break
            form = simplify(_with_known_signs(change(best), x))
            spend(20 * CALL_WORK * size)
            if complexity(form) < complexity(best):
                changed = evaluate(form, x)
                if np.isfinite(changed).all() and np.abs(values - changed).max() <= tolerance:
                    best = form
        if complexity(best) == size:
            break
    return best if complexity(best) < complexity(node) or best == node else node


def _fully_expanded(node: Expression) -> Expression:
    """The formula multiplied out repeatedly: sums within sums become one sum only in `simplify`."""
    for _ in range(MOST_PASSES):
        former = node
        node = simplify(expanded(node))
        if node == former:
            break
    return node


def expanded(node: Expression) -> Expression:
    """Multiply out products of sums and squares, cubes and fourth powers of sums, up to `MOST_EXPANDED_TERMS` terms."""
    node = node.with_parts([expanded(part) for part in node.parts])
    if isinstance(node, Power) and isinstance(node.base, Add) and node.exponent in (2.0, 3.0, 4.0):
        if len(node.base.terms) ** node.exponent > MOST_EXPANDED_TERMS:
            return node
        return expanded(Multiply((node.base,) * int(node.exponent)))
    if not isinstance(node, Multiply):
        return node
    products: list[tuple[Expression, ...]] = [()]
    for factor in node.factors:
        if len(products) * len(_terms(factor)) > MOST_EXPANDED_TERMS:
            return node
        products = [(*product, term) for product in products for term in _terms(factor)]
    if len(products) > 1:
        return Add(tuple(Multiply(product) for product in products))
    return node


def factored(node: Expression) -> Expression:
    """Take common factors out of the terms of sums, inner sums first, as long as that saves symbols."""
    node = node.with_parts([factored(part) for part in node.parts])
    while isinstance(node, Add):
        shorter = min((simplify(form) for form in _factored_once(node)), key=complexity, default=node)
        if complexity(shorter) >= complexity(node):
            break
        if isinstance(shorter, Add):
            node = shorter
        else:
            node = shorter.with_parts([factored(p) for p in shorter.parts])
    return node


def _factored_once(node: Add) -> Iterator[Expression]:
    """The sum with one power, or one number, taken out of all terms that have it; one form for each."""

    def with_factor(factor: Expression, inside: list[Expression], outside: list[Expression]) -> Expression:
        product = Multiply((factor, Add(tuple(inside))))
        if outside:
            return Add((product, *outside))
        return product

    counts = Counter(key for term in node.terms for key in dict.fromkeys(_symbolic_factors(term)))
    for key, count in counts.items():
        if count > 1:
            base, exponent = (key.base, key.exponent) if isinstance(key, Power) else (key, 1.0)
            having = [key in _symbolic_factors(term) for term in node.terms]
            inside = [
                simplify(Multiply((term, Power(base, -exponent))))
                for term, has in zip(node.terms, having, strict=True)
                if has
            ]
            yield with_factor(key, inside, [term for term, has in zip(node.terms, having, strict=True) if not has])
    sizes = [abs(split_number(term)[0].value) for term in node.terms]
    for size in dict.fromkeys(sizes):
        having = [abs(other - size) <= 1e-12 * size for other in sizes]  # Equal up to rounding.
        if sum(having) > 1 and size not in (0.0, 1.0):
            alike = [term for term, has in zip(node.terms, having, strict=True) if has]
            number = split_number(alike[0])[0]
            inside = [_with_exact_sign(Multiply((number.inverse(), term))) for term in alike]
            yield with_factor(number, inside, [term for term, has in zip(node.terms, having, strict=True) if not has])


def _with_exact_sign(term: Expression) -> Expression:
    """A term whose number is 1 or -1 up to rounding with exactly that number."""
    factor, rest = split_number(simplify(term))
    sign = ONE if factor.value > 0 else MINUS_ONE
    if abs(factor.value - sign.value) > 1e-11:
        return term
    if rest is None:
        return sign
    return Multiply((sign, rest))


def _symbolic_factors(term: Expression) -> list[Expression]:
    """The factors of a term that are not numbers; whole powers also as all their lower powers."""
    factors: list[Expression] = []
    for factor in term.multiplicands:
        if isinstance(factor, Number):
            continue
        factors.append(factor)
        if isinstance(factor, Power) and factor.exponent % 1 == 0 and abs(factor.exponent) > 1:
            step = 1.0 if factor.exponent > 0 else -1.0
            lower = [step * k for k in range(1, int(abs(factor.exponent)))]
            factors += [factor.base if k == 1.0 else Power(factor.base, k) for k in lower]
    return factors


def _with_known_signs(node: Expression, x: np.ndarray) -> Expression:
    """Resolve |u| where u has one sign at all rows, and take roots of even powers in products."""
    node = node.with_parts([_with_known_signs(part, x) for part in node.parts])
    if isinstance(node, Call) and node.name == "abs":
        values = evaluate(node.argument, x)
        if values.min() >= 0:
            return node.argument
        if values.max() <= 0:
            return Multiply((MINUS_ONE, node.argument))
        return node
    if isinstance(node, Power) and isinstance(node.base, Multiply) and node.exponent % 1:
        inside: list[Expression] = []
        outside: list[Power] = []
        for factor in node.base.factors:
            if isinstance(factor, Power) and factor.exponent % 2 == 0:
                root = _with_known_signs(Call("abs", factor.base), x)
                outside.append(Power(root, factor.exponent * node.exponent))
            elif evaluate(factor, x).min() > 0:
                outside.append(Power(factor, node.exponent))
            else:
                inside.append(factor)
        if any(not isinstance(part.base, Number) for part in outside):
            return product_of([*outside, *([Power(product_of(inside), node.exponent)] if inside else [])])
    return node


def _with_simple_fractions(node: Expression) -> Expression:
    """Write fractions within fractions as one: 1/(c/u + d), u a sum, as u/(c + d u)."""
    node = node.with_parts([_with_simple_fractions(part) for part in node.parts])
    if not isinstance(node, Power) or node.exponent != -1 or not isinstance(node.base, Add):
        return simplify(node)
    for term in node.base.terms:
        number, rest = split_number(term)
        if isinstance(rest, Power) and rest.exponent == -1 and isinstance(rest.base, Add):
            others = [Multiply((other, rest.base)) for other in node.base.terms if other is not term]
            return simplify(Multiply((rest.base, Power(simplify(expanded(Add((number, *others)))), -1.0))))
    return simplify(node)


def with_whole_parts(node: Expression) -> Expression:
    """Write quotients of two sums as a number plus a quotient: (a u + b)/(c u + d) as a/c + (b - a d/c)/(c u + d)."""
    node = node.with_parts([with_whole_parts(part) for part in node.parts])
    if not isinstance(node, Multiply):
        return node
    sums = [part for part in node.factors if isinstance(part, Add)]
    bottoms = [part for part in node.factors if isinstance(part, Power) and part.exponent == -1]
    for top, bottom in product(sums, bottoms):
        if not isinstance(bottom.base, Add):
            continue
        above = {rest: number for number, rest in map(split_number, top.terms)}
        for below, leading in map(split_number, bottom.base.terms):
            if leading is None or leading not in above:
                continue
            # Polynomial division by one step: the leading term of the numerator goes.
            whole = above[leading].times(below.inverse())
            rest = [term for term in top.terms if split_number(term)[1] != leading]
            rest += [
                Multiply((MINUS_ONE, whole, term)) for term in bottom.base.terms if split_number(term)[1] != leading
            ]
            others = [part for part in node.factors if part is not top and part is not bottom]
            divided = Add((whole, Multiply((Add(tuple(rest)), bottom))))
            form = simplify(product_of([*others, divided]))
            if complexity(form) < complexity(node):
                return form
    return node


def with_one_factor(node: Expression) -> Expression:
    """Simplify a formula and give each product of sums one free factor.

    Each sum in the product then begins with a term without a number, so that no two constants have the same effect.
    """
    node = simplify(node)
    for _ in range(3):
        changed = simplify(_with_monic_sums(node))
        if changed == node:
            break
        node = changed
    return node


def _with_monic_sums(node: Expression) -> Expression:
    """c1 (a f + b) (d g + e) becomes (c1 a d) (f + b/a) (g + e/d); whole powers of sums alike."""
    node = node.with_parts([_with_monic_sums(part) for part in node.parts])
    if isinstance(node, Power) and isinstance(node.base, Add) and node.exponent % 1 == 0:
        node = Multiply((ONE, node))
    if not isinstance(node, Multiply):
        return node
    scale = 1.0
    parts: list[Expression] = []
    for part in node.factors:
        base, exponent = (part.base, part.exponent) if isinstance(part, Power) else (part, 1.0)
        if isinstance(base, Number) and exponent == 1.0:
            scale *= base.value
        elif isinstance(base, Add) and exponent % 1 == 0:
            first, rest = split_number(base.terms[0])
            numbers = [inner for term in base.terms for inner in walk(term) if isinstance(inner, Number)]
            if first.value in (0.0, 1.0) or (first.exact and all(inner.exact is not None for inner in numbers)):
                parts.append(part)
                continue
            terms = tuple(simplify(Multiply((Number(1 / first.value), term))) for term in base.terms[1:])
            monic = Add((rest or ONE, *terms))
            parts.append(monic if exponent == 1.0 else Power(monic, exponent))
            scale *= first.value**exponent
        else:
            parts.append(part)
    if not parts:
        return Number(scale)
    if scale == 1.0:
        return product_of(parts)
    return Multiply((MINUS_ONE if scale == -1.0 else Number(scale), *parts))


def without_noise(node: Expression, x: np.ndarray, rounding: float = float(np.finfo(np.float64).eps)) -> Expression:
    """Drop the constants that change no value of a formula by more than rounding."""
    # Terms of sums that are a free constant or have one as factor are left out where the values at the rows allow it,
    # those of the smallest constants first; factors that are 1 or -1 but for rounding become exact. The values may
    # differ from the given ones by `rounding` times the largest value for each symbol of the formula, all changes
    # together.
    values = evaluate(node, x) * np.ones(len(x))
    counted = np.isfinite(values)
    if not counted.any():
        return node
    allowed = rounding * complexity(node) * float(np.abs(values[counted]).max())

    def is_equal(whole: Expression) -> bool:
        change = np.abs(evaluate(whole, x) - values)[counted]
        return bool((change <= allowed).all())  # False for NaN

    def visit(part: Expression, rebuild: Callable[[Expression], Expression]) -> Expression:
        """Return a part without noise; `rebuild` puts a part into the whole formula as it is so far."""
        for place in range(len(part.parts)):

            def rebuild_below(new: Expression, place: int = place, part: Expression = part) -> Expression:
                below = part.parts
                return rebuild(part.with_parts((*below[:place], new, *below[place + 1 :])))

            below = part.parts
            part = part.with_parts((*below[:place], visit(below[place], rebuild_below), *below[place + 1 :]))
        if isinstance(part, Add):
            free = [(abs(size), place) for place, one in enumerate(part.terms) if (size := _free(one)) is not None]
            for term in [part.terms[place] for _, place in sorted(free)]:
                rest = tuple(other for other in part.terms if other is not term)
                shorter = rest[0] if len(rest) == 1 else Add(rest)
                if rest and is_equal(rebuild(shorter)):
                    if not isinstance(shorter, Add):
                        return shorter
                    part = shorter
        if isinstance(part, Multiply):
            for factor in [one for one in part.factors if isinstance(one, Number) and one.exact is None]:
                rest = tuple(other for other in part.factors if other is not factor)
                if factor.value < 0:
                    rest = (MINUS_ONE, *rest)
                shorter = rest[0] if len(rest) == 1 else Multiply(rest)
                if rest and is_equal(rebuild(shorter)):
                    return shorter
        return part

    return visit(node, lambda new: new)


def _free(term: Expression) -> float | None:
    """Return the free constant that a term of a sum is or has as a factor; None if it has none."""
    return next((one.value for one in term.multiplicands if isinstance(one, Number) and one.exact is None), None)


def in_usual_form(node: Expression) -> Expression:
    """Write a formula without functions of their own inverses and without logarithms or broken numbers in exponents."""
    node = node.with_parts([in_usual_form(part) for part in node.parts])
    if isinstance(node, Call) and isinstance(node.argument, Call):
        return _without_inverse(node, node.argument)
    if isinstance(node, Call) and node.name == "exp":
        return product_of([simplify(each) for each in _factors_of_exponential(node.argument, with_powers=True)])
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


def with_free_exponents(node: Expression, x: np.ndarray, largest_denominator: int = LARGEST_ROOT) -> Expression:
    """Write powers u**p as exp(p log u), p a free number, where u is positive at rows x and p no fraction as short."""

    def exponential(part: Expression) -> Expression | None:
        if not isinstance(part, Power) or as_fraction(part.exponent, largest_denominator) is not None:
            return None
        base = exchanged(part.base, exponential)
        if evaluate(base, x).min() > 0:
            return Call("exp", Multiply((Number(part.exponent), Call("log", base))))
        return Power(base, part.exponent)

    return exchanged(node, exponential)


def as_fraction(exponent: float, largest_denominator: int = LARGEST_ROOT) -> Fraction | None:
    """The fraction with a denominator of at most so much that an exponent is to rounding; None for others."""
    fraction = Fraction(exponent).limit_denominator(largest_denominator)
    return fraction if math.isclose(exponent, fraction, rel_tol=1e-14) else None


def with_leading_plus(node: Expression) -> Expression:
    """Begin sums with a term that has no minus, if there is one: b - a instead of -a + b."""
    node = node.with_parts([with_leading_plus(part) for part in node.parts])
    if not isinstance(node, Add) or split_number(node.terms[0])[0].value >= 0:
        return node
    positive = [place for place, term in enumerate(node.terms) if split_number(term)[0].value > 0]
    first = positive[0] if positive else 0
    return Add((node.terms[first], *node.terms[:first], *node.terms[first + 1 :]))


def with_completed_squares(node: Expression) -> Expression:
    """Write p u^2 + r u v + q v^2 with r^2 = 4 p q as a multiple of a square, wherever that is shorter."""
    return _with_squares(simplify(node))


def _with_squares(node: Expression) -> Expression:
    node = node.with_parts([_with_squares(part) for part in node.parts])
    if isinstance(node, Add):
        terms: Sequence[Expression] = _terms(node)
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
            factors = rest.multiplicands
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


def with_joined_logarithms(node: Expression) -> Expression:
    """Write log u - log v as log(u/v), and log u + log v as log(u v)."""
    node = node.with_parts([with_joined_logarithms(part) for part in node.parts])
    if not isinstance(node, Add):
        return node
    # Arguments of the logarithms without another factor, as powers with the sign of their term
    arguments: list[Expression] = []
    others: list[Expression] = []
    for term in node.terms:
        factor, rest = split_number(term)
        if isinstance(rest, Call) and rest.name == "log" and abs(factor.value) == 1.0:
            arguments.append(Power(rest.argument, factor.value))
        else:
            others.append(term)
    if len(arguments) < 2:
        return node
    joined = Call("log", simplify(Multiply(tuple(arguments))))
    return Add((joined, *others)) if others else joined


def with_joined_waves(node: Expression) -> Expression:
    """Write a cos(u) + b sin(u) as one cosine, r cos(u - phase), wherever that is shorter."""
    node = node.with_parts([with_joined_waves(part) for part in node.parts])
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
    node = node.with_parts([with_double_angles(part) for part in node.parts])
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
    node = node.with_parts([with_merged_roots(part) for part in node.parts])
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

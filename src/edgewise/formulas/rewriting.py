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
from dataclasses import dataclass
from fractions import Fraction
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
    numbers_of,
    product_of,
    simple_power,
    sum_of,
)
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK


@dataclass(frozen=True)
class RewritingSettings:
    """The functions that rules know, and what counts as equal, short and readable."""

    even: frozenset[str] = frozenset({"cos", "cosh", "abs", "besselj0"})
    odd: frozenset[str] = frozenset({"sin", "tan", "tanh", "sinh", "asin", "atan", "atanh", "sign"})
    # Pairs (f, g) with f(g(u)) = u wherever g(u) is defined.
    inverse: frozenset[tuple[str, str]] = frozenset(
        {("tanh", "atanh"), ("atanh", "tanh"), ("sin", "asin"), ("cos", "acos"), ("tan", "atan"), ("log", "exp")}
    )
    # Largest constant in an exponent that becomes a factor: larger ones may only balance another large term, and
    # exp(50) = 5e21 is far from overflow.
    largest_exponent: float = 50.0
    most_expanded_terms: int = 60  # Terms of an expanded product, at most; they bound the time of `expanded`.
    value_tolerance: float = 1e-9  # Difference of the values of two equal forms, at most, over the largest value.
    two_equal: float = 1e-7  # Relative difference of numbers that count as equal; those here are fitted to rounding.
    # Passes of `shortest_form` and of `_fully_expanded`, at most: most formulas settle after two.
    most_passes: int = 4


SETTINGS = RewritingSettings()
ZERO = exact_number(0)
ONE = exact_number(1)
MINUS_ONE = exact_number(-1)
LARGEST_ROOT = 12  # Largest denominator of an exponent in closed form: cube roots and seventh roots occur.


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
    spend(6 * CALL_WORK * complexity(node))
    return min(_simplified(node), node, key=complexity)


def _simplified(node: Expression) -> Expression:
    match node.with_parts([_simplified(part) for part in node.parts]):
        case Add(terms):
            return _collected_sum(terms)
        case Multiply(factors):
            return _collected_product(factors)
        case Power(base, exponent):
            return _reduced_power(base, exponent)
        case Call(name, argument):
            return _reduced_call(name, argument)
    return node  # a number or an input


def split_number(node: Expression) -> tuple[Number, Expression | None]:
    """A term as its numerical factor and the other factors; None if there are no others."""
    number = ONE
    others: list[Expression] = []
    for part in node.multiplicands:
        match part:
            case Number():
                number = number.times(part)
            case _:
                others.append(part)
    if not others:
        return number, None
    return number, product_of(others)


def _collected_sum(terms: Sequence[Expression]) -> Expression:
    """The sum of simplified terms, flat and with like terms collected; a constant comes last."""
    # The number in front of each term; that of no other factor is the constant
    factors: dict[Expression | None, Number] = {}
    for term in Add(tuple(terms)).summands:
        factor, rest = split_number(term)
        if rest in factors:
            factor = factors[rest].plus(factor)
        factors[rest] = factor
    constant = factors.pop(None, ZERO)
    parts = [
        _collected_product((factor, rest)) for rest, factor in factors.items() if rest is not None and factor.value != 0
    ]
    if constant.value != 0 or not parts:
        parts.append(constant)
    return sum_of(parts)


def _collected_product(factors: Sequence[Expression]) -> Expression:
    """The product of simplified factors, flat, with powers of the same base and exponentials collected."""
    # The number, the exponent of each base, and what stands in exponentials
    flat = [part for factor in factors for part in factor.multiplicands]
    number = ONE
    powers: dict[Expression, float] = {}
    exponents: list[Expression] = []
    for part in flat:
        match part:
            case Number():
                number = number.times(part)
            case Call("exp", argument):
                exponents.append(argument)
            case _:
                base, exponent = part.base_and_exponent
                # x**0.5 * x**0.5 equals x only for x >= 0, but the product is defined only there.
                powers[base] = powers.get(base, 0.0) + exponent
    if number.value == 0:
        return ZERO
    if not all(map(math.isfinite, powers.values())):  # x**1e308 * x**1e308
        return product_of(flat)
    parts = [_reduced_power(base, exponent) for base, exponent in powers.items() if exponent != 0]
    if exponents:
        match number.exact:  # exp(x)/e is exp(x - 1)
            case (1, 1, "e" | "1/e" as unit):
                exponents.append(ONE if unit == "e" else MINUS_ONE)
                number = ONE
        if len(exponents) > 1:
            exponents = [_collected_sum(exponents)]
        parts.append(_reduced_call("exp", exponents[0]))
    # The rules for powers and exponentials may have taken out numbers
    for place, part in enumerate(parts):
        factor, rest = split_number(part)
        if rest is None or factor.value != 1:
            number = number.times(factor)
            parts[place] = rest or ONE
    parts = [inner for part in parts for inner in part.multiplicands if inner != ONE]
    if not parts:
        return number
    if number.value == 1:
        return product_of(parts)
    return _multiplied_out(number, parts)


def _multiplied_out(number: Number, parts: Sequence[Expression]) -> Expression:
    """A number times simplified factors, multiplied out where these are a sum and that has fewer symbols."""
    product = Multiply((number, *parts))
    match parts:
        case [Add(terms)]:
            spread = Add(tuple(_collected_product((number, term)) for term in terms))
            # A minus in front of a sum becomes one of its terms: b - a instead of -(a - b).
            if complexity(spread) < complexity(product) + (number.value == -1):
                return spread
    return product


def _reduced_power(base: Expression, exponent: float) -> Expression:
    """The power of a simplified base: powers of powers, exponentials and products are resolved where that is valid."""
    # A sum of exponents such as 1/3 and 2/3 has rounding errors; numbers from 2**52 on have no halves in float64
    if abs(exponent) < 2.0**52:
        half = round(exponent * 2) / 2
        if abs(exponent - half) <= 1e-14 * abs(half):
            exponent = half
    if exponent == 1:
        return base
    if exponent == 0:
        return ONE
    match base:
        case Number():
            return base.to_power(exponent) or Power(base, exponent)
        case Power(inner, power) if _is_one_power(power, exponent):
            return _reduced_power(inner, power * exponent)
        case Power(inner, 2.0) if exponent == 0.5:
            return _reduced_call("abs", inner)
        case Call("exp", argument):
            return _reduced_call("exp", _collected_product((exact_number(exponent), argument)))
        case Multiply(factors):
            # The number to the power, where that is defined, or every factor
            factor, rest = split_number(base)
            outside = None
            if factor.value != 1 and rest is not None and (factor.value > 0 or exponent % 1 == 0):
                outside = factor.to_power(exponent)
            if outside is not None and rest is not None:
                return _collected_product((outside, _reduced_power(rest, exponent)))
            if exponent % 1 == 0:
                return _collected_product([_reduced_power(part, exponent) for part in factors])
    return Power(base, exponent)


def _is_one_power(inner: float, outer: float) -> bool:
    """Whether (x**inner)**outer is x**(inner * outer) wherever it is defined."""
    if not math.isfinite(inner * outer):
        return False
    if outer % 1 == 0:
        return True
    # (x**2)**0.5 is |x|: a fractional inner power fixes the sign of x, and an odd one keeps it in a whole product.
    return inner % 1 != 0 or (inner % 2 == 1 and inner * outer % 1 == 0)


def _reduced_call(name: str, argument: Expression) -> Expression:
    """A function of a simplified argument: constants, inverse functions, logarithms, shifts and signs are resolved."""
    match argument:
        case Number():
            with np.errstate(all="ignore"):
                value = float(FUNCTIONS[name].value(np.asarray(argument.value, dtype=np.float64)))
            if not math.isfinite(value):
                return Call(name, argument)
            if value in (0.0, 1.0):
                return exact_number(value)
            return Number(value)
        case Call(inner, innermost) if (name, inner) in SETTINGS.inverse:
            return innermost
    if name == "exp":
        return _reduced_exponential(argument)
    if name == "log":
        factor, rest = split_number(argument)
        if factor.value > 0 and factor.value != 1 and rest is not None:
            return _collected_sum((Call("log", rest), Number(math.log(factor.value))))
    if name in ("sin", "cos"):
        shifted = _without_quarter_turns(name, argument)
        if shifted is not None:
            return shifted
    # Signs go out of even and odd functions
    terms = argument.summands
    if name in SETTINGS.even | SETTINGS.odd and split_number(terms[0])[0].value < 0:
        opposite = _collected_sum([_collected_product((MINUS_ONE, term)) for term in terms])
        if name in SETTINGS.even:
            return Call(name, opposite)
        return _collected_product((MINUS_ONE, Call(name, opposite)))
    return Call(name, argument)


def _without_quarter_turns(name: str, argument: Expression) -> Expression | None:
    """sin(u + pi/2) as cos(u) and the like for every multiple of a quarter turn; None without one."""
    for shift in argument.summands:
        match shift:
            case Number(exact=(p, q, "pi")) if q < 3:
                others = [term for term in argument.summands if term != shift]
                if not others:
                    continue
                quarters = (2 // q * p + (name == "cos")) % 4  # both as a sine
                call = _reduced_call(("sin", "cos")[quarters % 2], _collected_sum(others))
                if quarters >= 2:
                    return _collected_product((MINUS_ONE, call))
                return call
    return None


def _reduced_exponential(argument: Expression) -> Expression:
    """An exponential with logarithms and constants taken out: exp(u + n log v + c) = e^c v^n exp(u)."""
    factors = _factors_of_exponential(argument, with_powers=False)
    match factors:
        case [Call()]:
            return factors[0]
    return _collected_product([_reduced_power(*each.base_and_exponent) for each in factors])


def _factors_of_exponential(argument: Expression, *, with_powers: bool) -> list[Expression]:
    """The factors e^c, v^n and exp(u) of exp(u + n log v + c)."""
    # exp(n log v) is v**n for halves, and for other fractions in closed form; `with_powers` for every n, where those
    # that were fitted to rounding are whole and half numbers.
    # n (log v + a) as n log v + n a
    terms = argument.summands
    match split_number(argument):
        case number, Add(inner) if any(map(_is_logarithm, inner)):
            terms = tuple(simplify(Multiply((number, part))) for part in inner)
    factors: list[Expression] = []
    inside: list[Expression] = []
    for term in terms:
        match split_number(term):
            # Small exact constants such as exp(-1) stay as they are; they are shorter and exact.
            case Number(value, exact), None if abs(value) < SETTINGS.largest_exponent and (
                exact is None or abs(value) >= 1.5
            ):
                factors.append(Number(math.exp(value)))
            case number, Call("log", argument) if (exponent := _exponent(number, with_powers)) is not None:
                factors.append(Power(argument, exponent))
            case _:
                inside.append(term)
    if inside:
        factors.append(Call("exp", sum_of(inside)))
    return factors


def _is_logarithm(node: Expression) -> bool:
    match node:
        case Call("log"):
            return True
    return False


def _exponent(number: Number, with_powers: bool) -> float | None:
    """The exponent n of v in exp(n log v), see `_factors_of_exponential`; None where it stays within."""
    half = round(2 * number.value) / 2
    if with_powers:
        if abs(number.value - half) <= SETTINGS.two_equal * max(abs(half), 0.1):
            return half
        return number.value
    if abs(number.value) >= 9:
        return None
    if number.value == half:
        return half
    match number.exact:
        case (_, q, "") if q <= LARGEST_ROOT:
            return number.value
    return None


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
    tolerance = SETTINGS.value_tolerance * max(np.abs(values).max(), ABOVE_ZERO)
    # One after another, each kept if the formula becomes shorter and its values stay, until none shortens it
    for _ in range(SETTINGS.most_passes):
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
    return min(node, best, key=complexity)


def _fully_expanded(node: Expression) -> Expression:
    """The formula multiplied out repeatedly: sums within sums become one sum only in `simplify`."""
    for _ in range(SETTINGS.most_passes):
        former = node
        node = simplify(expanded(node))
        if node == former:
            break
    return node


def expanded(node: Expression) -> Expression:
    """Multiply out products of sums and squares, cubes and fourth powers of sums, up to `most_expanded_terms` terms."""
    node = node.with_parts([expanded(part) for part in node.parts])
    match node:
        case Power(Add(terms) as base, (2.0 | 3.0 | 4.0) as exponent):
            if len(terms) ** exponent > SETTINGS.most_expanded_terms:
                return node
            return expanded(Multiply((base,) * int(exponent)))
        case Multiply(factors):
            products: list[tuple[Expression, ...]] = [()]
            for factor in factors:
                if len(products) * len(factor.summands) > SETTINGS.most_expanded_terms:
                    return node
                products = [(*product, term) for product in products for term in factor.summands]
            if len(products) > 1:
                return Add(tuple(Multiply(product) for product in products))
    return node


def factored(node: Expression) -> Expression:
    """Take common factors out of the terms of sums, inner sums first, as long as that saves symbols."""
    node = node.with_parts([factored(part) for part in node.parts])
    while True:
        shorter = min((simplify(form) for form in _factored_once(node)), key=complexity, default=node)
        if complexity(shorter) >= complexity(node):
            return node
        match shorter:
            case Add():
                node = shorter
            case _:
                return shorter.with_parts([factored(part) for part in shorter.parts])


def _factored_once(node: Expression) -> Iterator[Expression]:
    """A sum with one power, or one number, taken out of all terms that have it, one form for each; none of others."""
    match node:
        case Add(terms):
            yield from _factored_sums(terms)


def _factored_sums(terms: Sequence[Expression]) -> Iterator[Expression]:
    """The sum of these terms in the forms of `_factored_once`."""

    def with_factor(factor: Expression, inside: list[Expression], outside: list[Expression]) -> Expression:
        product = Multiply((factor, Add(tuple(inside))))
        if outside:
            return Add((product, *outside))
        return product

    # Powers that several terms have.
    counts = Counter(key for term in terms for key in dict.fromkeys(_symbolic_factors(term)))
    for key, count in counts.items():
        if count > 1:
            base, exponent = key.base_and_exponent
            having = [key in _symbolic_factors(term) for term in terms]
            inside = [
                simplify(Multiply((term, Power(base, -exponent))))
                for term, has in zip(terms, having, strict=True)
                if has
            ]
            yield with_factor(key, inside, [term for term, has in zip(terms, having, strict=True) if not has])
    # Numbers that several terms have, up to their sign.
    sizes = [abs(split_number(term)[0].value) for term in terms]
    for size in dict.fromkeys(sizes):
        having = [abs(other - size) <= 1e-12 * size for other in sizes]  # Equal up to rounding.
        if sum(having) > 1 and size not in (0.0, 1.0):
            alike = [term for term, has in zip(terms, having, strict=True) if has]
            number = split_number(alike[0])[0]
            inside = [_with_exact_sign(Multiply((number.inverse(), term))) for term in alike]
            yield with_factor(number, inside, [term for term, has in zip(terms, having, strict=True) if not has])


def _with_exact_sign(term: Expression) -> Expression:
    """A term whose number is 1 or -1 up to rounding with exactly that number."""
    factor, rest = split_number(simplify(term))
    sign = exact_number(math.copysign(1.0, factor.value))
    if abs(factor.value - sign.value) > 1e-11:
        return term
    if rest is None:
        return sign
    return Multiply((sign, rest))


def _symbolic_factors(term: Expression) -> list[Expression]:
    """The factors of a term that are not numbers; whole powers also as all their lower powers."""
    factors: list[Expression] = []
    for factor in term.multiplicands:
        match factor:
            case Number():
                continue
            case Power(base, exponent) if exponent % 1 == 0 and abs(exponent) > 1:
                step = math.copysign(1.0, exponent)
                lower = (simple_power(base, step * k) for k in range(1, int(abs(exponent))))
                factors += [factor, *lower]
            case _:
                factors.append(factor)
    return factors


def _with_known_signs(node: Expression, x: np.ndarray) -> Expression:
    """Resolve |u| where u has one sign at all rows, and take roots of even powers in products."""
    node = node.with_parts([_with_known_signs(part, x) for part in node.parts])
    match node:
        case Call("abs", argument):
            values = evaluate(argument, x)
            if values.min() >= 0:
                return argument
            if values.max() <= 0:
                return Multiply((MINUS_ONE, argument))
        case Power(Multiply(factors), exponent) if exponent % 1:
            return _with_roots_of_factors(node, factors, exponent, x)
    return node


def _with_roots_of_factors(
    node: Expression, factors: Sequence[Expression], exponent: float, x: np.ndarray
) -> Expression:
    """A root of a product, with the roots of even powers, and of factors positive at rows x, in front of it."""
    inside: list[Expression] = []
    outside: list[Power] = []
    for factor in factors:
        match factor:
            case Power(base, even) if even % 2 == 0:
                outside.append(Power(_with_known_signs(Call("abs", base), x), even * exponent))
            case _ if evaluate(factor, x).min() > 0:
                outside.append(Power(factor, exponent))
            case _:
                inside.append(factor)
    if all(isinstance(part.base, Number) for part in outside):
        return node
    if not inside:
        return product_of(outside)
    return product_of([*outside, Power(product_of(inside), exponent)])


def _with_simple_fractions(node: Expression) -> Expression:
    """Write fractions within fractions as one: 1/(c/u + d), u a sum, as u/(c + d u)."""
    node = node.with_parts([_with_simple_fractions(part) for part in node.parts])
    match node:
        case Power(Add(terms), -1.0):
            for term in terms:
                match split_number(term):
                    case number, Power(Add() as below, -1.0):
                        others = [Multiply((other, below)) for other in terms if other is not term]
                        return simplify(Multiply((below, Power(simplify(expanded(Add((number, *others)))), -1.0))))
    return simplify(node)


def with_whole_parts(node: Expression) -> Expression:
    """Write quotients of two sums as a number plus a quotient: (a u + b)/(c u + d) as a/c + (b - a d/c)/(c u + d)."""
    node = node.with_parts([with_whole_parts(part) for part in node.parts])
    for top, bottom in product(node.multiplicands, node.multiplicands):
        match top, bottom:
            case Add(above), Power(Add(below), -1.0):
                others = [part for part in node.multiplicands if part is not top and part is not bottom]
                for divided in _divided_once(above, below, bottom):
                    form = simplify(product_of([*others, divided]))
                    if complexity(form) < complexity(node):
                        return form
    return node


def _divided_once(above: Sequence[Expression], below: Sequence[Expression], bottom: Power) -> Iterator[Expression]:
    """One step of the division of sums with a common term, which leaves the numerator; `bottom` is 1 / the second."""
    numbers = {rest: number for number, rest in map(split_number, above)}
    for divisor, leading in map(split_number, below):
        if leading is None or leading not in numbers:
            continue
        whole = numbers[leading].times(divisor.inverse())
        rest = [term for term in above if split_number(term)[1] != leading]
        rest += [Multiply((MINUS_ONE, whole, term)) for term in below if split_number(term)[1] != leading]
        yield Add((whole, Multiply((Add(tuple(rest)), bottom))))


def with_one_factor(node: Expression) -> Expression:
    """Simplify a formula and give each product of sums one free factor."""
    # Each sum in the product then begins with a term without a number, so that no two constants have the same effect.
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
    match node:
        case Power(Add(), exponent) if exponent % 1 == 0:
            factors: tuple[Expression, ...] = (ONE, node)
        case Multiply(factors):
            pass
        case _:
            return node
    # The numbers of all factors together, and sums that begin without one
    scale = 1.0
    parts: list[Expression] = []
    for part in factors:
        base, exponent = part.base_and_exponent
        match base:
            case Number(value) if exponent == 1.0:
                scale *= value
            case Add(terms) if exponent % 1 == 0 and not _has_known_scale(terms):
                first, rest = split_number(terms[0])
                others = tuple(simplify(Multiply((Number(1 / first.value), term))) for term in terms[1:])
                parts.append(simple_power(Add((rest or ONE, *others)), exponent))
                scale *= first.value**exponent
            case _:
                parts.append(part)
    if not parts:
        return Number(scale)
    match scale:
        case 1.0:
            return product_of(parts)
        case -1.0:
            return Multiply((MINUS_ONE, *parts))
    return Multiply((Number(scale), *parts))


def _has_known_scale(terms: Sequence[Expression]) -> bool:
    """Whether a sum begins without a number, or has only exact ones."""
    first, _ = split_number(terms[0])
    if first.value in (0.0, 1.0):
        return True
    numbers = [number for term in terms for number in numbers_of(term)]
    return first.exact is not None and all(number.exact is not None for number in numbers)


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
        # From below: parts first, then the sum or product that they make.
        for place in range(len(part.parts)):

            def rebuild_below(new: Expression, place: int = place, part: Expression = part) -> Expression:
                below = part.parts
                return rebuild(part.with_parts((*below[:place], new, *below[place + 1 :])))

            below = part.parts
            part = part.with_parts((*below[:place], visit(below[place], rebuild_below), *below[place + 1 :]))
        match part:
            case Add(terms):
                # Terms are dropped one by one, those of the smallest free constant first.
                free = [(abs(size), place) for place, one in enumerate(terms) if (size := _free(one)) is not None]
                left = list(terms)
                for term in [terms[place] for _, place in sorted(free)]:
                    rest = [other for other in left if other is not term]
                    if rest and is_equal(rebuild(sum_of(rest))):
                        left = rest
                return sum_of(left)
            case Multiply(factors):
                # A free factor near 1 or -1 is dropped, or leaves its sign.
                for factor in factors:
                    match factor:
                        case Number(value, None):
                            rest = [other for other in factors if other is not factor]
                            if value < 0:
                                rest.insert(0, MINUS_ONE)
                            if rest and is_equal(rebuild(product_of(rest))):
                                return product_of(rest)
        return part

    return visit(node, lambda new: new)


def _free(term: Expression) -> float | None:
    """Return the free constant that a term of a sum is or has as a factor; None if it has none."""
    for factor in term.multiplicands:
        match factor:
            case Number(value, None):
                return value
    return None


def in_usual_form(node: Expression) -> Expression:
    """Write a formula without functions of their own inverses and without logarithms or broken numbers in exponents."""
    node = node.with_parts([in_usual_form(part) for part in node.parts])
    match node:
        case Call(outer, Call(inner, u)):
            return _algebraic_forms(u).get((outer, inner), node)
        case Call("exp", argument):
            return product_of([simplify(each) for each in _factors_of_exponential(argument, with_powers=True)])
    return node


def _algebraic_forms(u: Expression) -> dict[tuple[str, str], Expression]:
    """sin, cos and tan of inverse functions of u as algebraic expressions, by the names of both."""
    minus = Power(Add((ONE, Multiply((MINUS_ONE, Power(u, 2.0))))), 0.5)
    plus = Power(Add((ONE, Power(u, 2.0))), 0.5)
    return {
        ("sin", "acos"): minus,
        ("cos", "asin"): minus,
        ("tan", "asin"): Multiply((u, Power(minus, -1.0))),
        ("tan", "acos"): Multiply((minus, Power(u, -1.0))),
        ("sin", "atan"): Multiply((u, Power(plus, -1.0))),
        ("cos", "atan"): Power(plus, -1.0),
    }


def with_free_exponents(node: Expression, x: np.ndarray, largest_denominator: int = LARGEST_ROOT) -> Expression:
    """Write powers u**p as exp(p log u), p a free number, where u is positive at rows x and p no fraction as short."""

    def exponential(part: Expression) -> Expression | None:
        inner, exponent = part.base_and_exponent
        if as_fraction(exponent, largest_denominator) is not None:
            return None
        base = exchanged(inner, exponential)
        if evaluate(base, x).min() > 0:
            return Call("exp", Multiply((Number(exponent), Call("log", base))))
        return Power(base, exponent)

    return exchanged(node, exponential)


def as_fraction(exponent: float, largest_denominator: int = LARGEST_ROOT) -> Fraction | None:
    """The fraction with a denominator of at most so much that an exponent is to rounding; None for others."""
    fraction = Fraction(exponent).limit_denominator(largest_denominator)
    if math.isclose(exponent, fraction, rel_tol=1e-14):
        return fraction
    return None


def with_leading_plus(node: Expression) -> Expression:
    """Begin sums with a term that has no minus, if there is one: b - a instead of -a + b."""
    node = node.with_parts([with_leading_plus(part) for part in node.parts])
    match node:
        case Add(terms) if split_number(terms[0])[0].value < 0:
            positive = [place for place, term in enumerate(terms) if split_number(term)[0].value > 0]
            if positive:
                first = positive[0]
                return Add((terms[first], *terms[:first], *terms[first + 1 :]))
    return node


def with_completed_squares(node: Expression) -> Expression:
    """Write p u^2 + r u v + q v^2 with r^2 = 4 p q as a multiple of a square, wherever that is shorter."""
    return _with_squares(simplify(node))


def _with_squares(node: Expression) -> Expression:
    node = node.with_parts([_with_squares(part) for part in node.parts])
    terms: Sequence[Expression] = node.summands
    while (shorter := _with_one_square(terms)) is not None:
        terms = shorter
    return min(node, sum_of(terms), key=complexity)


def _with_one_square(terms: Sequence[Expression]) -> list[Expression] | None:
    """Three terms replaced by the square of a sum of two, or None."""
    # Terms that are multiples of squares, by the root of the square
    squares: dict[Expression, tuple[int, Number]] = {}
    for place, term in enumerate(terms):
        number, rest = split_number(term)
        if rest is not None:
            factors = [factor.base_and_exponent for factor in rest.multiplicands]
            if all(exponent % 2 == 0 for _, exponent in factors):
                root = product_of([Power(base, exponent / 2) for base, exponent in factors])
                squares[simplify(root)] = (place, number)
        elif number.value > 0:
            squares[ONE] = (place, number)
    # A term r u v with r^2 = 4 p q
    for place, term in enumerate(terms):
        number, rest = split_number(term)
        for (u, (first, p)), (v, (second, q)) in product(squares.items(), repeat=2):
            if len({first, second, place}) < 3 or p.value * q.value <= 0 or rest is None:
                continue
            if abs(number.value**2 - 4 * p.value * q.value) > SETTINGS.two_equal * number.value**2:
                continue
            if simplify(Multiply((u, v))) != simplify(rest):
                continue
            if p.exact is None:
                half = Number(0.5 / p.value)
            else:
                half = exact_number(2).times(p).inverse()
            square: Expression = Power(Add((u, simplify(Multiply((number.times(half), v))))), 2.0)
            if p.value != 1:
                square = Multiply((p, square))
            return [simplify(square), *(t for k, t in enumerate(terms) if k not in (first, second, place))]
    return None


def with_joined_logarithms(node: Expression) -> Expression:
    """Write log u - log v as log(u/v), and log u + log v as log(u v)."""
    node = node.with_parts([with_joined_logarithms(part) for part in node.parts])
    # Arguments of the logarithms without another factor, as powers with the sign of their term
    arguments: list[Expression] = []
    others: list[Expression] = []
    for term in node.summands:
        match split_number(term):
            case Number(1.0 | -1.0 as sign), Call("log", argument):
                arguments.append(Power(argument, sign))
            case _:
                others.append(term)
    if len(arguments) < 2:
        return node
    return sum_of([Call("log", simplify(Multiply(tuple(arguments)))), *others])


def with_joined_waves(node: Expression) -> Expression:
    """Write a cos(u) + b sin(u) as one cosine, r cos(u - phase), wherever that is shorter."""
    node = node.with_parts([with_joined_waves(part) for part in node.parts])
    terms = node.summands
    waves: dict[tuple[str, Expression], tuple[int, float]] = {}
    for place, term in enumerate(terms):
        match split_number(term):
            case number, Call("sin" | "cos" as wave, argument):
                waves[wave, argument] = place, number.value
    for (name, argument), (place, a) in waves.items():
        if name == "cos" and ("sin", argument) in waves:
            other, b = waves["sin", argument]
            size = math.hypot(a, b)
            phase = math.atan2(b, a)
            joined: Expression = Call("cos", simplify(Add((argument, Number(-phase)))))
            if abs(size - 1) >= SETTINGS.two_equal:
                joined = Multiply((Number(size), joined))
            form = joined
            if len(terms) > 2:
                left = [term for k, term in enumerate(terms) if k not in (place, other)]
                form = with_joined_waves(Add((joined, *left)))
            return min(node, form, key=complexity)
    return node


def with_double_angles(node: Expression) -> Expression:
    """Write p sin(u)^2 - p sin(u)^4, and the same of a cosine, as p/4 sin(2 u)^2."""
    node = node.with_parts([with_double_angles(part) for part in node.parts])
    terms = node.summands
    # Multiples of the square and of the fourth power of each wave
    powers: dict[tuple[str, Expression, float], tuple[int, Number]] = {}
    for place, term in enumerate(terms):
        match split_number(term):
            case number, Power(Call("sin" | "cos" as wave, argument), exponent):
                powers[wave, argument, exponent] = place, number
    for (name, argument, exponent), (place, p) in powers.items():
        other, q = powers.get((name, argument, 4.0), (place, p))
        if exponent == 2.0 and other != place and abs(p.value + q.value) <= SETTINGS.two_equal * abs(p.value):
            double = Power(Call("sin", Multiply((exact_number(2), argument))), 2.0)
            joined = Multiply((p.times(exact_number(4).inverse()), double))
            left = [term for k, term in enumerate(terms) if k not in (place, other)]
            return with_double_angles(simplify(sum_of([joined, *left])))
    return node


def with_merged_roots(node: Expression) -> Expression:
    """Write products of square roots as the root of a product: sqrt(a) / sqrt(b) as sqrt(a/b)."""
    # Where a and b are positive the values are the same; where the factors are undefined, the root may not be. The
    # formula must be simplified, for a product within a product hides its roots; the result is not.
    node = node.with_parts([with_merged_roots(part) for part in node.parts])
    roots: list[tuple[Expression, float]] = []
    others: list[Expression] = []
    for part in node.multiplicands:
        match part:
            case Power(base, (0.5 | -0.5) as exponent):
                roots.append((base, exponent))
            case _:
                others.append(part)
    if len(roots) < 2:
        return node
    # 1 / sqrt(a b) rather than sqrt(1 / (a b))
    sign = max(math.copysign(1.0, exponent) for _, exponent in roots)
    bases = tuple(simple_power(base, math.copysign(1.0, exponent * sign)) for base, exponent in roots)
    return product_of([*others, Power(Multiply(bases), 0.5 * sign)])

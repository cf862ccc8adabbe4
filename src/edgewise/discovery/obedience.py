"""The test that a formula keeps to the options of a search: operators, nested functions, inputs and size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    complexity,
    used_variables,
    walk,
)


def obeys(node: Expression, options: FormulaOptions, names: Sequence[str]) -> bool:
    """True if a formula keeps to the options of a search: `operators`, `nested`, `required` and `max_size`."""
    # The formula is simplified: it may be written with operators that its simplified form does not need.
    if complexity(node) > options.max_size:
        return False
    if not set(operators_of(node)) <= set(options.operators):
        return False
    used = {names[k] for k in used_variables(node)}
    if not set(options.required) <= used:
        return False
    return not any(
        name in options.nested and any(inner in options.nested[name] for inner in operators_of(argument))
        for name, argument in _functions_and_arguments(node)
    )


def operators_of(node: Expression) -> Iterator[str]:
    """The operators and functions that a formula is written with, as `FormulaOptions.operators` names them."""
    # A negative number in front of a term counts as a minus, a negative power as a division, a power of 1/2 as "sqrt".
    # Small whole powers are products, so that they only need "*" where "^" is not permitted: they yield "^" from the
    # exponent 4 upwards.
    for part in walk(node):
        match part:
            case Add(terms):
                negative = sum(any(isinstance(n, Number) and n.value < 0 for n in term.multiplicands) for term in terms)
                if negative:
                    yield "-"
                if len(terms) - negative > 1:
                    yield "+"
            case Multiply(factors):
                if sum(factor.below_bar is None and not factor.is_sign for factor in factors) > 1:
                    yield "*"
            case Power(_, exponent):
                yield from _operators_of_power(exponent)
            case Call(name):
                yield name


def _operators_of_power(exponent: float) -> Iterator[str]:
    if exponent < 0:
        yield "/"
    size = abs(exponent)
    if size == 0.5:
        yield "sqrt"
    elif size in (2, 3):
        yield "*"
    elif size != 1:
        yield "^"


def _functions_and_arguments(node: Expression) -> Iterator[tuple[str, Expression]]:
    for part in walk(node):
        match part:
            case Call(name, argument):
                yield name, argument
            case Power(base, exponent):
                for name in _operators_of_power(exponent):
                    yield name, base

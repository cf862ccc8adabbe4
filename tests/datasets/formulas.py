"""Evaluates the formula text of a target with sympy and mpmath, independently of its function."""

import mpmath
import pytest
import sympy


def agrees_with_its_formula(target):
    """At 40 points of its box."""
    symbols = {each: sympy.Symbol(each) for each in target.names}
    formula = sympy.sympify(target.formula, locals=symbols)
    assert {str(symbol) for symbol in formula.free_symbols} == set(target.names)
    agrees_with(target, sympy.lambdify(list(symbols.values()), formula, "mpmath"), 1e-12)


def agrees_with(target, witness, accuracy):
    """witness: of mpmath's numbers, one argument for each input."""
    x, y = target.sample(40, 1)
    expected = [float(witness(*map(mpmath.mpf, row))) for row in x]
    assert y == pytest.approx(expected, rel=accuracy, abs=accuracy)

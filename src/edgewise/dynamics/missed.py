"""An equation that no sum of terms explains: what `find_formula` gives for its derivative, as terms to be fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.discovery.finder import Search
from edgewise.discovery.problem import FormulaOptions
from edgewise.dynamics.integral_form import Equation
from edgewise.dynamics.terms import Term
from edgewise.formulas.expression import Add, Expression, complexity, exact_number
from edgewise.formulas.rewriting import simplify, split_number
from edgewise.outcomes import Budget
from edgewise.search.jobs import one_blas_thread


def formula_equations(
    x: np.ndarray, slopes: np.ndarray, weights: np.ndarray, names: Sequence[str], budget: Budget, seed: int
) -> list[Equation]:
    """Equations of the formulas around the best one for slopes (N,) at variables x (N, variables)."""
    options = FormulaOptions(weights=weights, max_size=30)
    with one_blas_thread():
        front = Search(x, slopes, tuple(names), options, budget, seed).front()
    entries = list(front)
    expressions = [entry.formula.expression for entry in entries]
    place = expressions.index(front.best.formula.expression)
    return [as_equation(expression) for expression in expressions[max(place - 2, 0) : place + 3]]


def as_equation(node: Expression) -> Equation:
    """The terms of a sum with their coefficients; numbers without a closed form inside are inner constants."""
    equation = []
    node = simplify(node)
    price = 2 * math.log(6)  # twice the log prior of one of about six usual symbols
    for part in node.parts if isinstance(node, Add) else (node,):
        number, rest = split_number(part)
        form = exact_number(1) if rest is None else rest
        symbols = 0 if rest is None else complexity(rest)
        equation.append((Term(form, price * max(symbols - 1, 0)), number.value))
    return tuple(equation)

"""Formulas as light expression trees: evaluation, printing, simplification, constants, and fronts of candidates.

A `Formula` is one expression with its variables, printed as text, LaTeX or sympy; a `Front` holds the best formula of
each complexity. Nothing here touches a network.
"""

from edgewise.formulas.expression import Expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front

__all__ = ["Expression", "Formula", "Front"]

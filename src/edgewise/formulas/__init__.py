"""Formulas: light expression trees that are printed, simplified, fitted to data and compared. No network is needed.

`parse_expression` reads a formula from text, and `Formula` gives it names of inputs, values, and LaTeX, Python, C and
sympy forms. `fit_constants` fits its constants to data and `recognise` rounds them to closed forms. `simplify` and
`shortest_form` make it shorter, and `without_noise` drops constants of the size of rounding. `edge_fits` and
`curve_shapes` find elementary functions for one curve. Searches return a `Front`: formulas by complexity and error,
with the recommended one as `best`. To search for a formula of a table use `edgewise.discovery.find_formula`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.formulas.domains import domain_violations
    from edgewise.formulas.expression import Expression, complexity, evaluate, parse_expression
    from edgewise.formulas.family import Family
    from edgewise.formulas.formula import Formula
    from edgewise.formulas.front import Front, FrontEntry
    from edgewise.formulas.printing import as_c, as_latex, as_python, as_sympy, as_text
    from edgewise.formulas.rewriting import shortest_form, simplify

__all__ = [
    "Expression",
    "Family",
    "Formula",
    "Front",
    "FrontEntry",
    "as_c",
    "as_latex",
    "as_python",
    "as_sympy",
    "as_text",
    "complexity",
    "domain_violations",
    "evaluate",
    "parse_expression",
    "shortest_form",
    "simplify",
]

import_on_demand(__name__)

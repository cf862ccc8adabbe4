"""Discovery: the search for a formula that explains data or a trained model.

`find_formula` is the function to use: it takes a table of inputs and a target, and returns a `Front` of formulas by
complexity and error; `FormulaOptions` states what a law may be made of. The stages of the search are rooms:
`least_squares` needs no search, `reduction` leads to laws of fewer inputs, `enumeration` has all short expressions,
`curves` smooths data with noise, and `decide` chooses. `engine` runs
them on a `LawProblem` and judges every expression on held-out rows; any generator of expressions with the signature of
`Stage` can join it.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.finder import find_formula
    from edgewise.discovery.problem import FormulaOptions

__all__ = ["FormulaOptions", "find_formula"]

import_on_demand(__name__)

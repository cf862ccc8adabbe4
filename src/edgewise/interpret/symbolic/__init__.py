"""From networks to formulas and back.

`symbolify` replaces the splines of a trained network by elementary functions and returns formulas; `formula` writes a
network whose edges are all elementary as one formula and `edge_formula` a single edge; `from_formula` builds the
network that computes a formula. `edit` makes the changes that a person wants: a function in the place of an edge, an
edge or node removed or added, each with its cost.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.symbolic.extraction import edge_formula, formula
    from edgewise.interpret.symbolic.from_formula_text import from_formula
    from edgewise.interpret.symbolic.snapping import symbolify
    from edgewise.interpret.symbolic.steering import (
        Edit,
        Suggestion,
        Suggestions,
        edit,
        freeze,
        suggest_functions,
    )

__all__ = [
    "Edit",
    "Suggestion",
    "Suggestions",
    "edge_formula",
    "edit",
    "formula",
    "freeze",
    "from_formula",
    "suggest_functions",
    "symbolify",
]

import_on_demand(__name__)

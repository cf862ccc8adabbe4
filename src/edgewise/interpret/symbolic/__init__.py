"""From networks to formulas and back.

`symbolify` replaces the splines of a trained network by elementary functions and returns formulas; `formula` writes a
network whose edges are all elementary as one formula and `edge_formula` a single edge; `from_formula` builds the
network that computes a formula.
"""

from edgewise.interpret.symbolic.extraction import edge_formula, formula
from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.symbolic.snapping import symbolify

__all__ = ["edge_formula", "formula", "from_formula", "symbolify"]

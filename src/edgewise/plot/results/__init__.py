"""Figures of results: predictions, explanations, fronts of formulas and training histories.

`parity` and `confusion` compare predictions with observations; `share_dots` and `share_bars` draw explanations;
`formula_front` draws formulas; `training_history` and `solution_history` draw the course of a fit and of
`edgewise.pde.solve`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.plot.results.explanations import share_bars, share_dots
    from edgewise.plot.results.formulas import formula_front
    from edgewise.plot.results.histories import solution_history, training_history
    from edgewise.plot.results.predictions import confusion, parity

__all__ = [
    "confusion",
    "formula_front",
    "parity",
    "share_bars",
    "share_dots",
    "solution_history",
    "training_history",
]

import_on_demand(__name__)

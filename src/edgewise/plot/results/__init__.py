"""Figures of results: predictions, errors of several models, explanations, fronts of formulas and training histories.

`parity` and `confusion` compare predictions with observations; `error_curves`, `error_dots` and `error_bar_chart`
compare models; `share_dots` and `share_bars` draw explanations; `formula_front` draws formulas; `training_history` and
`solution_history` draw the course of a fit and of `edgewise.pde.solve`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.plot.results.errors import Curve, Span, error_bar_chart, error_curves, error_dots
    from edgewise.plot.results.explanations import share_bars, share_dots
    from edgewise.plot.results.formulas import formula_front
    from edgewise.plot.results.histories import solution_history, training_history
    from edgewise.plot.results.predictions import confusion, parity

__all__ = [
    "Curve",
    "Span",
    "confusion",
    "error_bar_chart",
    "error_curves",
    "error_dots",
    "formula_front",
    "parity",
    "share_bars",
    "share_dots",
    "solution_history",
    "training_history",
]

import_on_demand(__name__)

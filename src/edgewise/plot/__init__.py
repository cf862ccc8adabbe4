"""Figures of networks, results and solutions, as matplotlib `Figure` objects that `save` writes to files.

A network: `network_diagram`, `edge_curves`, `effect_curves`, `pair_map`. Its results: `parity`, `confusion`,
`training_history`, `share_dots`, `share_bars`, `formula_front`. A solution of a differential equation:
`solution_figure`, `solution_history`, `animate`; its eigenfunctions: `modes_figure`. No function touches
`matplotlib.pyplot` or changes matplotlib's settings.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgewise.errors import missing_extra
from edgewise.lazy import import_on_demand

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Drawing a figure")

if TYPE_CHECKING:
    from edgewise.plot.network.curves import edge_curves
    from edgewise.plot.network.diagram import network_diagram
    from edgewise.plot.network.effects import effect_curves
    from edgewise.plot.network.pairs import pair_map
    from edgewise.plot.pde.animation import animate
    from edgewise.plot.pde.fields import solution_figure
    from edgewise.plot.pde.histories import solution_history
    from edgewise.plot.pde.modes import modes_figure
    from edgewise.plot.results.explanations import share_bars, share_dots
    from edgewise.plot.results.formulas import formula_front
    from edgewise.plot.results.histories import training_history
    from edgewise.plot.results.predictions import confusion, parity
    from edgewise.plot.style import save

__all__ = [
    "animate",
    "confusion",
    "edge_curves",
    "effect_curves",
    "formula_front",
    "modes_figure",
    "network_diagram",
    "pair_map",
    "parity",
    "save",
    "share_bars",
    "share_dots",
    "solution_figure",
    "solution_history",
    "training_history",
]

import_on_demand(__name__)

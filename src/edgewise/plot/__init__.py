"""Figures of networks, results and solutions, as matplotlib `Figure` objects that `save` writes to files.

A network: `network_diagram`, `edge_curves`, `effect_curves`, `pair_map`, `TrainingFilm`; the parts of a function:
`structure_figure`. Its results: `parity`, `confusion`, `training_history`, `share_dots`, `share_bars`,
`formula_front`. Several models: `error_curves`. A solution of a differential equation: `solution_figure`,
`solution_history`, `animate`; its eigenfunctions: `modes_figure`. No function touches `matplotlib.pyplot` or changes
matplotlib's settings.
"""

from importlib.util import find_spec

from edgewise.deprecations import moved_to_experiments
from edgewise.errors import missing_extra

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Drawing a figure")

from edgewise.plot.network import TrainingFilm, edge_curves, effect_curves, network_diagram, pair_map, structure_figure
from edgewise.plot.pde import animate, modes_figure, solution_figure
from edgewise.plot.results import (
    Curve,
    confusion,
    error_curves,
    formula_front,
    parity,
    share_bars,
    share_dots,
    solution_history,
    training_history,
)
from edgewise.plot.style import save

__all__ = [
    "Curve",
    "TrainingFilm",
    "animate",
    "confusion",
    "edge_curves",
    "effect_curves",
    "error_curves",
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
    "structure_figure",
    "training_history",
]


# Names of version 0.1 that only the experiments use; they go with version 0.3.
_MOVED = {name: name for name in ("Span", "error_bar_chart", "error_dots")} | {"error_bars": "error_bar_chart"}
__getattr__ = moved_to_experiments(__name__, "edgewise_experiments.plots.marks", _MOVED)

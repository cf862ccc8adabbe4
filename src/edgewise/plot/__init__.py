"""Figures of networks, functions, training and predictions; all are matplotlib `Figure`s, none touches pyplot."""

from importlib.util import find_spec

from edgewise.errors import missing_extra

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Drawing a figure")

from edgewise.plot.network.curves import edge_curves, effect_curves
from edgewise.plot.network.diagram import network_diagram
from edgewise.plot.pde.animation import animate
from edgewise.plot.pde.fields import solution_figure
from edgewise.plot.results.errors import Curve, Span, error_bars, error_curves, error_dots
from edgewise.plot.results.explanations import share_bars, share_dots
from edgewise.plot.results.formulas import formula_front
from edgewise.plot.results.history import training_history
from edgewise.plot.results.parity import confusion, parity
from edgewise.plot.results.stages import solution_history
from edgewise.plot.style import save

__all__ = [
    "Curve",
    "Span",
    "animate",
    "confusion",
    "edge_curves",
    "effect_curves",
    "error_bars",
    "error_curves",
    "error_dots",
    "formula_front",
    "network_diagram",
    "parity",
    "save",
    "share_bars",
    "share_dots",
    "solution_figure",
    "solution_history",
    "training_history",
]

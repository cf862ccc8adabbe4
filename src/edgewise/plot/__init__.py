"""Figures of networks, functions, training and predictions; all are matplotlib `Figure`s, none touches pyplot."""

from importlib.util import find_spec

from edgewise.errors import missing_extra

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Drawing a figure")

from edgewise.plot.animation import animate
from edgewise.plot.curves import edge_curves, effect_curves
from edgewise.plot.diagram import network_diagram
from edgewise.plot.errors import Curve, Span, error_bars, error_curves, error_dots
from edgewise.plot.explain import share_bars, share_dots
from edgewise.plot.fields import solution_figure
from edgewise.plot.formulas import formula_front
from edgewise.plot.history import training_history
from edgewise.plot.parity import confusion, parity
from edgewise.plot.stages import solution_history
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

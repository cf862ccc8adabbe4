"""Figures of networks: the diagram (`network_diagram`), single edges (`edge_curves`) and effects (`effect_curves`)."""

from edgewise.plot.network.curves import edge_curves
from edgewise.plot.network.diagram import network_diagram
from edgewise.plot.network.effects import effect_curves

__all__ = ["edge_curves", "effect_curves", "network_diagram"]

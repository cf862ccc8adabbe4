"""Figures of networks and functions.

The diagram (`network_diagram`), single edges (`edge_curves`), effects (`effect_curves`), and those of two inputs
together (`pair_map`).
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.plot.network.curves import edge_curves
    from edgewise.plot.network.diagram import network_diagram
    from edgewise.plot.network.effects import effect_curves
    from edgewise.plot.network.pairs import pair_map

__all__ = ["edge_curves", "effect_curves", "network_diagram", "pair_map"]

import_on_demand(__name__)

"""Figures of networks and functions.

The diagram (`network_diagram`), single edges (`edge_curves`), effects (`effect_curves`), of two
inputs together (`pair_map`), a film of training
(`TrainingFilm`), and the tree of a function's parts (`structure_figure`).
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.plot.network.curves import edge_curves
    from edgewise.plot.network.diagram import network_diagram
    from edgewise.plot.network.effects import effect_curves
    from edgewise.plot.network.film import TrainingFilm
    from edgewise.plot.network.pairs import pair_map
    from edgewise.plot.network.structures import structure_figure

__all__ = ["TrainingFilm", "edge_curves", "effect_curves", "network_diagram", "pair_map", "structure_figure"]

import_on_demand(__name__)

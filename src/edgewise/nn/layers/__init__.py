"""Layers: the parts that networks are chains of.

`KANLayer` holds a spline and an elementary function for each edge; `ProductLayer` multiplies nodes. Each fulfils the
contract of `Layer`; to add a layer, derive from it.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.nn.layers.base import Chain, Layer, LayerList
    from edgewise.nn.layers.product import ProductLayer
    from edgewise.nn.layers.segments import Segments
    from edgewise.nn.layers.spline import KANLayer, LayerOptions

__all__ = [
    "Chain",
    "KANLayer",
    "Layer",
    "LayerList",
    "LayerOptions",
    "ProductLayer",
    "Segments",
]

import_on_demand(__name__)

"""Layers: the parts that networks are chains of.

`KANLayer` holds learnable splines, `SymbolicLayer` elementary functions, `MixedLayer` both; `ProductLayer` multiplies
nodes. `PeriodicLayer`, `SeparableLayer` and `TensorLayer` serve the solution of equations. Each of them fulfils the
contract of `Layer`, those with edges also the one of `EdgeLayer`; to add a layer, derive from one of the two.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.nn.layers.base import Chain, EdgeLayer, Layer, LayerList
    from edgewise.nn.layers.product import ProductLayer
    from edgewise.nn.layers.segments import Segments
    from edgewise.nn.layers.spline import KANLayer, LayerOptions
    from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer

__all__ = [
    "Chain",
    "EdgeLayer",
    "KANLayer",
    "Layer",
    "LayerList",
    "LayerOptions",
    "MixedLayer",
    "ProductLayer",
    "Segments",
    "SymbolicLayer",
]

import_on_demand(__name__)

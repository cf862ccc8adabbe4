"""Layers, the networks made of them, and the record of the values that flow through a network.

Build a network with `KAN` or `MLP`; both are torch modules without a `fit` or a history of their own. `KANConfig` and
`MLPConfig` describe a network's shape, `ELEMENTARY` is the table of elementary functions that an edge may hold, and
`model.trace(x)` returns a `Trace` with the values on every edge.
"""

from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.periodic import PeriodicLayer
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.separable import SeparableLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.trace import Trace

__all__ = [
    "ELEMENTARY",
    "KAN",
    "MLP",
    "Elementary",
    "KANConfig",
    "KANLayer",
    "MLPConfig",
    "MixedLayer",
    "PeriodicLayer",
    "ProductLayer",
    "SeparableLayer",
    "SymbolicLayer",
    "TensorLayer",
    "Trace",
]

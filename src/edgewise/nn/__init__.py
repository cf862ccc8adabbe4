"""Networks, their layers, and the record of the values that flow through a network.

Build a network with `KAN` or `MLP`; both are torch modules without a `fit` or a history of their own. `KANConfig` and
`MLPConfig` describe a network's shape, `ELEMENTARY` is the table of elementary functions that an edge may hold, and
`model.trace(x)` returns a `Trace` with the values on every edge. The layers are in
`edgewise.nn.layers`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.nn.config import KANConfig, MLPConfig
    from edgewise.nn.elementary import ELEMENTARY, Elementary, FunctionTable
    from edgewise.nn.layers import KANLayer, ProductLayer
    from edgewise.nn.mlp import MLP
    from edgewise.nn.model import KAN, ModelOptions
    from edgewise.nn.trace import Trace

__all__ = [
    "ELEMENTARY",
    "KAN",
    "MLP",
    "Elementary",
    "FunctionTable",
    "KANConfig",
    "KANLayer",
    "MLPConfig",
    "ModelOptions",
    "ProductLayer",
    "Trace",
]

import_on_demand(__name__)

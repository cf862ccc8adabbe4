"""New networks from given ones: parts taken out, layers and nodes added, or a large model distilled into a small KAN.

`widen` and `deepen` add nodes and layers without changing the function; `distil` trains a KAN on the predictions of
any model; `subnetworks` holds the steps that `prune` is made of.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.transform.distillation import DistilReport, distil
    from edgewise.interpret.transform.resize import deepen, widen

__all__ = ["DistilReport", "deepen", "distil", "widen"]

import_on_demand(__name__)

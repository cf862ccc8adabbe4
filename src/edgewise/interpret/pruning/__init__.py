"""Smaller networks and fewer inputs with about the same loss.

`prune` removes edges, hidden nodes and inputs of a trained network and reports why; `select_inputs` chooses few of many
inputs before any network is trained on all of them.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.pruning.input_selection import InputSelection, select_inputs
    from edgewise.interpret.pruning.pruning import PruneReport, prune

__all__ = ["InputSelection", "PruneReport", "prune", "select_inputs"]

import_on_demand(__name__)

"""Contribution of each input, node and edge to the predictions.

`edge_scores`, `node_scores` and `input_scores` are cheap scores from one trace of a network; `removal_costs` measures
by how much the loss rises without an edge, a node or an input; `explain_global` and `explain_local` describe the
predictions of any model. `edge_magnitudes` (the L1 norm of every edge, from the penalties of training) also counts
constants.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.attribution.effects import Effect, mean_contributions, partial_dependence, shapley_shares
    from edgewise.interpret.attribution.explanations import (
        GlobalExplanation,
        LocalExplanation,
        explain_global,
        explain_local,
    )
    from edgewise.interpret.attribution.pairs import pair_dependence
    from edgewise.interpret.attribution.removal import RemovalCosts, removal_costs
    from edgewise.interpret.attribution.scores import edge_scores, input_scores, node_scores
    from edgewise.train.penalties import edge_magnitudes

__all__ = [
    "Effect",
    "GlobalExplanation",
    "LocalExplanation",
    "RemovalCosts",
    "edge_magnitudes",
    "edge_scores",
    "explain_global",
    "explain_local",
    "input_scores",
    "mean_contributions",
    "node_scores",
    "pair_dependence",
    "partial_dependence",
    "removal_costs",
    "shapley_shares",
]

import_on_demand(__name__)

"""Read, shrink and reshape trained networks.

Start here: `prune` removes the inputs, nodes and edges that the data do not need; `symbolify` turns a pruned network
into formulas, `formula` writes a symbolic network as one formula, `edge_formula` writes one edge; `explain_global` and
`explain_local` describe the predictions of any model; `structure` and `interactions` test what a function is composed
of; `relations` finds dependent columns of a table without a target; `widen`, `deepen`, `distil` and `from_formula` make
new networks from networks, functions and formulas. `edit` changes a network by hand and says what that costs,
`suggest_functions` tries functions in the place of an edge, and `freeze` keeps layers as they are.

The parts, from the ground up: `black_box` (one adapter for everything that predicts), `dependence`, `attribution`,
`transform`, then `pruning` and `symbolic`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.attribution import (
        Effect,
        GlobalExplanation,
        LocalExplanation,
        RemovalCosts,
        edge_magnitudes,
        edge_scores,
        explain_global,
        explain_local,
        input_scores,
        node_scores,
        partial_dependence,
        removal_costs,
        shapley_shares,
    )
    from edgewise.interpret.dependence import Relations, Structure, Symmetry, interactions, relations, structure
    from edgewise.interpret.pruning import InputSelection, PruneReport, prune, select_inputs
    from edgewise.interpret.symbolic import (
        Edit,
        Suggestion,
        Suggestions,
        edge_formula,
        edit,
        formula,
        freeze,
        from_formula,
        suggest_functions,
        symbolify,
    )
    from edgewise.interpret.transform import DistilReport, deepen, distil, widen

__all__ = [
    "DistilReport",
    "Edit",
    "Effect",
    "GlobalExplanation",
    "InputSelection",
    "LocalExplanation",
    "PruneReport",
    "Relations",
    "RemovalCosts",
    "Structure",
    "Suggestion",
    "Suggestions",
    "Symmetry",
    "deepen",
    "distil",
    "edge_formula",
    "edge_magnitudes",
    "edge_scores",
    "edit",
    "explain_global",
    "explain_local",
    "formula",
    "freeze",
    "from_formula",
    "input_scores",
    "interactions",
    "node_scores",
    "partial_dependence",
    "prune",
    "relations",
    "removal_costs",
    "select_inputs",
    "shapley_shares",
    "structure",
    "suggest_functions",
    "symbolify",
    "widen",
]

import_on_demand(__name__)

"""Read, shrink and reshape trained networks.

Start here: `prune` removes the inputs, nodes and edges that the data do not need; `symbolify` turns a pruned network
into formulas, `formula` writes a symbolic network as one formula, `edge_formula` writes one edge; `explain_global` and
`explain_local` describe the predictions of any model; `structure` and `interactions` test what a function is composed
of; `relations` finds dependent columns of a table without a target; `widen`, `deepen` and `from_formula` make
new networks from networks, functions and formulas. `edit` changes a network by hand and measures the cost,
`suggest_functions` tries functions in the place of an edge, and `freeze` keeps layers as they are.

The parts, from the ground up: `black_box` (one adapter for everything that predicts), `dependence`, `attribution`,
`transform`, then `pruning` and `symbolic`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.attribution.effects import partial_dependence, shapley_shares
    from edgewise.interpret.attribution.explanations import (
        GlobalExplanation,
        LocalExplanation,
        explain_global,
        explain_local,
    )
    from edgewise.interpret.attribution.scores import edge_scores, input_scores
    from edgewise.interpret.dependence.additive_relations import relations
    from edgewise.interpret.dependence.separability import Structure, interactions, structure
    from edgewise.interpret.pruning.input_selection import select_inputs
    from edgewise.interpret.pruning.pruning import prune
    from edgewise.interpret.symbolic.extraction import edge_formula, formula
    from edgewise.interpret.symbolic.from_formula_text import from_formula
    from edgewise.interpret.symbolic.snapping import symbolify
    from edgewise.interpret.symbolic.steering import edit, freeze, suggest_functions
    from edgewise.interpret.transform.resize import deepen, widen

__all__ = [
    "GlobalExplanation",
    "LocalExplanation",
    "Structure",
    "deepen",
    "edge_formula",
    "edge_scores",
    "edit",
    "explain_global",
    "explain_local",
    "formula",
    "freeze",
    "from_formula",
    "input_scores",
    "interactions",
    "partial_dependence",
    "prune",
    "relations",
    "select_inputs",
    "shapley_shares",
    "structure",
    "suggest_functions",
    "symbolify",
    "widen",
]

import_on_demand(__name__)

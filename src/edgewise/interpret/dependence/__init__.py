"""Interactions between the inputs of a function, and dependence between the columns of a table.

`structure` and `interactions` take any function or model, `structure_tree` also takes its parts apart, and
`is_separable` and `depends_only_on` test what the user supposes, with a p-value; `relations` and `bound_together` take
a table without a target.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.dependence.additive_relations import Relation, Relations, bound_together, relations
    from edgewise.interpret.dependence.hypotheses import StructureTest, depends_only_on, is_separable
    from edgewise.interpret.dependence.separability import Structure, Symmetry, interactions, structure
    from edgewise.interpret.dependence.tree import StructureTree, structure_tree

__all__ = [
    "Relation",
    "Relations",
    "Structure",
    "StructureTest",
    "StructureTree",
    "Symmetry",
    "bound_together",
    "depends_only_on",
    "interactions",
    "is_separable",
    "relations",
    "structure",
    "structure_tree",
]

import_on_demand(__name__)

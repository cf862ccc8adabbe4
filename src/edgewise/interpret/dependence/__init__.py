"""Interactions between the inputs of a function, and dependence between the columns of a table.

`structure` and `interactions` take any function or model; `relations` and `bound_together` take a table without a
target.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.interpret.dependence.additive_relations import Relations, relations
    from edgewise.interpret.dependence.separability import Structure, Symmetry, interactions, structure

__all__ = ["Relations", "Structure", "Symmetry", "interactions", "relations", "structure"]

import_on_demand(__name__)

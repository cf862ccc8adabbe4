"""The formulas of single edges and nodes of a layer of elementary functions."""

from collections.abc import Mapping

import torch

from edgewise.interpret.expression import Expression
from edgewise.interpret.formula import formula
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.model import KAN
from edgewise.nn.symbolic import SymbolicLayer


def table_of(layer: SymbolicLayer) -> Mapping[str, Elementary]:
    """The elementary functions with those that are this layer's own."""
    places = [(i, o) for i in range(layer.in_features) for o in range(layer.out_features)]
    own = [layer.elementary(i, o) for i, o in places]
    return {**ELEMENTARY, **{row.name: row for row in own if row is not None}}


def node_expressions(layer: SymbolicLayer) -> list[Expression]:
    """The formula of each output in terms of the layer's inputs."""
    return _expressions(layer.functions, layer.affine.detach(), table_of(layer))


def edge_expression(layer: SymbolicLayer, i: int, o: int) -> Expression:
    """The formula of one edge in terms of its input, variable 0."""
    names, affine = [[layer.functions[i][o]]], layer.affine.detach()[:, i : i + 1, o : o + 1]
    return _expressions(names, affine, table_of(layer))[0]


def _expressions(names, affine: torch.Tensor, table: Mapping[str, Elementary]) -> list[Expression]:
    width = affine.shape[1:]
    alone = KAN(list(width), functions=[names], table=table, dtype=torch.float64)
    with torch.no_grad():
        alone.layers[0].affine.copy_(affine)
    return [formula(alone, output=o, table=table).expression for o in range(width[1])]

"""The formula of a network whose edges are elementary functions: equal to it, and readable in many notations.

The formulas of single edges and nodes of a layer of elementary functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from edgewise.checks import check_names
from edgewise.errors import InputError
from edgewise.formulas.expression import (
    Add,
    Expression,
    Multiply,
    Number,
    Variable,
    children,
    exact_number,
    parse_expression,
    rebuilt,
)
from edgewise.formulas.formula import Formula
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.symbolic import SymbolicLayer
from edgewise.nn.model import KAN


def formula(
    model: KAN,
    *,
    names: Sequence[str] | None = None,
    output: int = 0,
    table: Mapping[str, Elementary] = ELEMENTARY,
) -> Formula:
    """The formula that a model computes for one of its outputs, equal to it to rounding.

    Args:
        model: a KAN whose edges are all elementary functions, with or without products.
        names: of the inputs; x_1, x_2, ... if left out.
        output: which one.
        table: the elementary functions of the model.

    Raises:
        InputError: an edge is a spline, or names or output do not fit.
    """
    layers = list(model.layers)
    inputs, outputs = layers[0].in_features, layers[-1].out_features
    names = check_names(names, inputs)
    if isinstance(output, bool) or not isinstance(output, int) or not 0 <= output < outputs:
        raise InputError(f"output must be a number from 0 to {outputs - 1}, got {output!r}")
    nodes: list[Expression] = [Variable(k) for k in range(inputs)]
    for place, layer in enumerate(layers):
        if isinstance(layer, ProductLayer):
            nodes = [nodes[g[0]] if len(g) == 1 else Multiply(tuple(nodes[i] for i in g)) for g in layer.groups]
        elif isinstance(layer, SymbolicLayer):
            nodes = _through(layer, nodes, table)
        else:
            raise InputError(
                f"model must have elementary functions on all edges, layer {place} has splines: use symbolify"
            )
    return Formula(nodes[output], names)


def _through(layer: SymbolicLayer, nodes: list[Expression], table: Mapping[str, Elementary]) -> list[Expression]:
    affine = layer.affine.detach().double().tolist()
    found: list[Expression] = []
    for o in range(layer.out_features):
        terms: list[Expression] = []
        for i in range(layer.in_features):
            row = layer.elementary(i, o)
            if row is not None:
                a, b, c, d = (affine[k][i][o] for k in range(4))
                shape = parse_expression(table[row.name].text)
                terms.append(_affine(_substituted(shape, _affine(nodes[i], a, b)), c, d))
        found.append(exact_number(0) if not terms else terms[0] if len(terms) == 1 else Add(tuple(terms)))
    return found


def _substituted(node: Expression, inner: Expression) -> Expression:
    if isinstance(node, Variable):
        return inner
    return rebuilt(node, [_substituted(part, inner) for part in children(node)])


def _affine(node: Expression, factor: float, offset: float) -> Expression:
    """factor * node + offset, without what does nothing."""
    scaled = node if factor == 1 else Multiply((_constant(factor), node))
    return scaled if offset == 0 else Add((scaled, _constant(offset)))


def _constant(value: float) -> Number:
    return exact_number(value) if value in (-1.0, 0.0, 1.0) else Number(value)


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

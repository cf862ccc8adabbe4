"""Formulas of edges and nodes are what the layer computes."""

import numpy as np
import torch

from edgewise.formulas.expression import evaluate
from edgewise.interpret.symbolic.extraction import edge_expression, node_expressions, table_of
from edgewise.nn.elementary import ELEMENTARY, Elementary, FunctionTable
from edgewise.nn.layers.symbolic import SymbolicLayer

MINE = Elementary("softer", lambda x: x / (1 + x.abs()), "x/(1 + abs(x))")


def test_nodes_and_edges():
    generator = torch.Generator().manual_seed(0)
    affine = torch.randn(4, 2, 3, dtype=torch.float64, generator=generator)
    names = [["sin", "softer", "0"], ["x^2", "0", "0"]]
    layer = SymbolicLayer(names, affine, table={**ELEMENTARY, **FunctionTable([MINE])}, dtype=torch.float64)
    x = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    values = np.stack([evaluate(node, x.numpy()) for node in node_expressions(layer)], 1)
    np.testing.assert_allclose(values, layer(x).detach(), rtol=1e-13, atol=1e-13)
    edges = layer.edges(x).detach().numpy()
    for i, o in ((0, 0), (0, 1), (1, 0)):
        one = evaluate(edge_expression(layer, i, o), x[:, i : i + 1].numpy())
        np.testing.assert_allclose(one, edges[:, i, o], rtol=1e-13, atol=1e-13)
    assert table_of(layer)["softer"] is MINE

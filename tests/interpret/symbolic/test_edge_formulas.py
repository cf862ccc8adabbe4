"""Formulas of edges and nodes are what the layer computes."""

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.formulas.expression import evaluate
from edgewise.interpret.symbolic.extraction import edge_expression, edge_formula, formula, node_expressions
from edgewise.nn.elementary import ELEMENTARY, Elementary, FunctionTable
from edgewise.nn.layers.symbolic import SymbolicLayer
from edgewise.nn.model import KAN

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


def test_one_edge_of_a_network():
    mine = {**ELEMENTARY, **FunctionTable([MINE])}
    model = KAN([2, 1, 1], 3, functions=[[["sin"], [""]], [["softer"]]], table=mine, dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].symbolic.affine[:, 0, 0] = torch.tensor([2.0, 0.5, 3.0, 0.0])
    assert str(edge_formula(model, 0, 0, 0, name="t")) == "3*sin(2*t + 0.5)"
    assert str(edge_formula(KAN([2, 1], 0, functions=[[["sin"], ["0"]]]), 0, 1, 0)) == "0"
    u = np.linspace(-1, 1, 5)[:, None]
    np.testing.assert_allclose(edge_formula(model, 1, 0, 0)(u), u[:, 0] / (1 + np.abs(u[:, 0])), rtol=1e-14)
    with pytest.raises(InputError, match=r"edge \(0, 1, 0\) must be an elementary function, it is a spline"):
        edge_formula(model, 0, 1, 0)
    for place, message in (((2, 0, 0), "layer must be"), ((0, 2, 0), "i must be"), ((0, 0, 1), "o must be")):
        with pytest.raises(InputError, match=message):
            edge_formula(model, *place)
    products = KAN([2, 2], 0, functions=[[["x", "x", "x"]] * 2], products=[[2]])
    with pytest.raises(InputError, match="layer must have edges"):
        edge_formula(products, 1, 0, 0)


def test_the_table_of_a_formula_is_no_longer_needed():
    model = KAN([1, 1], 0, functions=[[["softer"]]], table={**ELEMENTARY, **FunctionTable([MINE])}, dtype=torch.float64)
    assert str(formula(model)) == "x_1/(1 + abs(x_1))"
    with pytest.warns(DeprecationWarning, match="table is no longer needed"):
        formula(model, table=ELEMENTARY)

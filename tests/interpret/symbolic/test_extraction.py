"""Formulas of networks, layers and edges equal them, for every shape, arity and scaling, in every notation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.errors import InputError
from edgewise.formulas.expression import Variable, evaluate, parse_expression
from edgewise.formulas.formula import Formula
from edgewise.interpret.symbolic.extraction import edge_expression, edge_formula, formula, node_expressions
from edgewise.nn.elementary import ELEMENTARY, Elementary, FunctionTable
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN

# Defined everywhere and tame, so that a network of any depth stays finite.
TAME = ["0", "x", "sin", "cos", "tanh", "arctan", "gaussian", "abs", "1/cosh", "J0", "x^2", "sgn"]


@st.composite
def networks(draw):
    width = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    products = [draw(st.lists(st.integers(2, 4), max_size=nodes)) for nodes in width[1:]]
    functions = []
    for inputs, nodes, arities in zip(width, width[1:], products, strict=False):
        sums = nodes - len(arities) + sum(arities)
        row = st.lists(st.sampled_from(TAME), min_size=sums, max_size=sums)
        functions.append(draw(st.lists(row, min_size=inputs, max_size=inputs)))
    model = KAN(width, 0, products=products, functions=functions, dtype=torch.float64)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    scale = draw(st.sampled_from([0.3, 1.0, 2.0]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(networks())
def test_a_formula_equals_its_model(model):
    inputs, outputs = model.config.width[0], model.config.width[-1]
    x = np.random.default_rng(0).uniform(-1, 1, (15, inputs))
    expected = model(torch.from_numpy(x)).detach().numpy()
    size = max(float(part.detach().abs().max()) for part in (*model.trace(torch.from_numpy(x)).inputs, torch.ones(1)))
    for output in range(outputs):
        result = formula(model, output=output)
        np.testing.assert_allclose(result(x), expected[:, output], rtol=1e-9, atol=1e-11 * (1 + size) ** 2)


def test_all_notations_agree():
    model = KAN([2, 1, 1], 0, functions=[[["x^2"], ["sin"]], [["exp"]]], dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].affine[0, 1, 0] = np.pi
    result = formula(model, names=["a", "b"])
    assert str(result) == "exp(a**2 + sin(3.14159*b))"
    assert result.latex() == r"\exp\left(a^{2} + \sin\left(3.142 b\right)\right)"
    assert result.complexity == 9
    x = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    expected = np.exp(x[:, 0] ** 2 + np.sin(np.pi * x[:, 1]))
    np.testing.assert_allclose(result(x), expected, rtol=1e-14)
    symbols = sorted(result.sympy().free_symbols, key=str)
    values = [float(result.sympy().subs(dict(zip(symbols, row, strict=True)))) for row in x]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_constants_below_rounding_at_rows_are_left_out():
    model = KAN([2, 2], 0, functions=[[["sin", "x"], ["x^2", "0"]]])
    with torch.no_grad():
        model.layers[0].affine[3].fill_(1e-9)
    rows = torch.linspace(-1, 1, 10)[:, None].repeat(1, 2)
    assert [str(formula(model, output=k, x=rows)) for k in (0, 1)] == ["sin(x1) + x2**2", "x1"]
    assert "1e-09" in str(formula(model))
    with pytest.raises(InputError, match="x must be a tensor of rows, got ndarray"):
        formula(model, x=rows.numpy())


@pytest.mark.parametrize(
    "text", ["besselj0(x)*abs(y)", "sign(x) + atanh(y)", "x**-1.5 + pi/3*y", "asin(x)/sqrt(2*pi)", "sqrt(2)*x - y**3"]
)
def test_sympy(text):
    result = Formula(parse_expression(text, ("x", "y")), ("x", "y"))
    x = np.array([[0.4, -0.3], [0.7, 0.2]])
    for row, value in zip(x, result(x), strict=True):
        symbols = {str(symbol): symbol for symbol in result.sympy().free_symbols}
        at = {symbols[name]: number for name, number in zip("xy", row, strict=True) if name in symbols}
        assert float(result.sympy().subs(at).evalf(20)) == pytest.approx(value, rel=1e-13)


MINE = Elementary("softer", lambda x: x / (1 + x.abs()), "x/(1 + abs(x))")


def test_nodes_and_edges():
    generator = torch.Generator().manual_seed(0)
    affine = torch.randn(4, 2, 3, dtype=torch.float64, generator=generator)
    names = [["sin", "softer", "0"], ["x^2", "0", "0"]]
    table = {**ELEMENTARY, **FunctionTable([MINE])}
    layer = KANLayer(2, 3, functions=names, affine=affine, table=table, dtype=torch.float64)
    x = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    values = np.stack([evaluate(node, x.numpy()) for node in node_expressions(layer)], 1)
    np.testing.assert_allclose(values, layer(x).detach(), rtol=1e-13, atol=1e-13)
    edges = layer.edges(x).detach().numpy()
    for i, o in ((0, 0), (0, 1), (1, 0)):
        one = evaluate(edge_expression(layer, i, o, Variable(0)), x[:, i : i + 1].numpy())
        np.testing.assert_allclose(one, edges[:, i, o], rtol=1e-13, atol=1e-13)


def test_one_edge_of_a_network():
    mine = {**ELEMENTARY, **FunctionTable([MINE])}
    model = KAN([2, 1, 1], 3, functions=[[["sin"], [""]], [["softer"]]], table=mine, dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].affine[:, 0, 0] = torch.tensor([2.0, 0.5, 3.0, 0.0])
    assert str(edge_formula(model, 0, 0, 0, name="t")) == "3*sin(2*t + 0.5)"
    assert str(edge_formula(KAN([2, 1], 0, functions=[[["sin"], ["0"]]]), 0, 1, 0)) == "0"
    u = np.linspace(-1, 1, 5)[:, None]
    np.testing.assert_allclose(edge_formula(model, 1, 0, 0)(u), u[:, 0] / (1 + np.abs(u[:, 0])), rtol=1e-14)
    products = KAN([2, 2], 0, functions=[[["x", "x", "x"]] * 2], products=[[2]])
    with pytest.raises(InputError, match="layer must have edges"):
        edge_formula(products, 1, 0, 0)

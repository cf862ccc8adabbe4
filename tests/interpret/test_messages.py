"""Wrong arguments of the room: each is one sentence that names the argument, and no network is changed."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.interpret import edge_scores, edit, freeze, input_scores, suggest_functions, symbolify
from edgewise.interpret.attribution.effects import partial_dependence, shapley_shares
from edgewise.interpret.attribution.explanations import explain_global, explain_local
from edgewise.interpret.attribution.removal import removal_costs
from edgewise.interpret.black_box import array_function, check_points, tensor_function
from edgewise.interpret.dependence.additive_relations import bound_together, relations
from edgewise.interpret.dependence.separability import structure
from edgewise.interpret.pruning.pruning import prune
from edgewise.interpret.symbolic.extraction import edge_formula, formula
from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.transform.resize import deepen, widen
from edgewise.interpret.transform.subnetworks import live_edges
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.model import KAN
from edgewise.train.problems import Regression

X = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
XN = X.numpy()
DATA = Regression(X, X[:, 0] * X[:, 1])
SIX = torch.rand(100, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MODEL = KAN([2, 1, 1], seed=0, dtype=torch.float64)
SINE = KAN([2, 1], 0, functions=[[["sin"], ["x"]]])
PLUS_ONE = Formula(parse_expression("x + 1", ["x"]), ("x",))
EDGE = (0, 0, 0)


def first(x):
    return x[:, 0]


def two_products_of_one_sum():
    model = KAN([3, (2, 2), 2], grid_size=4, dtype=torch.float64)
    model.layers[1] = ProductLayer(6, [(0, 1), (1, 2)])
    return model


def edited(kind, *, model=MODEL, data=DATA, **settings):
    return edit(model, data, kind, **settings)


MISTAKES = [
    (lambda: shapley_shares(first, XN, np.zeros((0, 2))), r"background must have shape \(rows, 2\)"),
    (lambda: shapley_shares(lambda x: np.zeros(3), XN, XN), "model must return one row"),
    (lambda: partial_dependence(lambda x: ["a"] * len(x), XN, 0), "model must return numbers, got list"),
    (lambda: explain_global(first, [[1.0]]), r"X must be an array of shape \(rows, inputs\), got list"),
    (lambda: explain_global(first, XN, background=XN[:0]), r"background must have shape \(rows, 2\), got \(0, 2\)"),
    (lambda: explain_local(first, XN, np.arange(3.0)), "background must be an array of shape .* got shape"),
    (lambda: explain_local(first, XN[:1]), ".*at least two different rows"),
    (lambda: explain_local(first, XN, names=["a"]), "names must hold 2 names"),
    (lambda: removal_costs(torch.nn.Linear(2, 1), DATA), "model must be a KAN or an MLP"),
    (lambda: removal_costs(MODEL, None), "problem must be a Regression"),
    (lambda: edge_scores(MODEL.trace(X[:0])), ".*at least one row"),
    (lambda: edge_scores(MODEL.trace(X / 0)), ".*finite"),
    (lambda: input_scores(MODEL.trace(X), node=(0, 0)), "node must be"),
    (lambda: relations(torch.zeros(10, 3)), ".*N at least 50"),
    (lambda: relations(SIX, names=["a"]), "names must hold 6 names"),
    (lambda: relations(SIX, seeds=-1), "seeds must be"),
    (lambda: bound_together(SIX, (0,)), "inputs must be two or more different columns of 6"),
    (lambda: structure(first, X, noise=-1), "noise must be"),
    (lambda: structure(first, X, names=["a"]), "names must hold 2 names"),
    (lambda: structure(first, X, rows=0), "rows must be"),
    (lambda: structure(lambda x: (x[:, 0] - 9).log() + x[:, 1], X), "model must be finite"),
    (lambda: prune(MODEL, DATA, tolerance=-1), "tolerance must be a number of at least 0"),
    (lambda: prune(MODEL, DATA, precision=math.nan), "precision must be"),
    (lambda: prune(MODEL, DATA, refit=1.5), "refit must be"),
    (lambda: prune(MODEL, MODEL.trace(X)), ".*OrdinalClassification of tensors, got Trace"),
    (lambda: prune(torch.nn.Linear(1, 1), DATA), "model must be a KAN"),
    (lambda: PLUS_ONE.latex(0), "digits must be a number from 1 to 17 or None for all, got 0"),
    (lambda: PLUS_ONE.text(True), "digits must be a number from 1 to 17 or None for all, got True"),
    (lambda: PLUS_ONE.domain_violations(np.zeros(3)), r"x must have shape \(N, 1\) and at least one row"),
    (lambda: formula(KAN([2, 1])), ".*layer 0 has splines: use symbolify"),
    (lambda: formula(SINE, names=["a", "a"]), "names must be 2 different texts"),
    (lambda: formula(SINE, output=1), "output must be a number from 0 to 0, got 1$"),
    (lambda: formula(SINE)(np.zeros(3)), r"x must have shape \(batch, 2\), got \(3,\)$"),
    (lambda: edge_formula(MODEL, *EDGE), r"edge \(0, 0, 0\) must be an elementary function, it is a spline"),
    (lambda: edge_formula(SINE, 2, 0, 0), "layer must be"),
    (lambda: edge_formula(SINE, 0, 2, 0), "i must be"),
    (lambda: edge_formula(SINE, 0, 0, 1), "o must be"),
    (lambda: from_formula("x +"), "text must be a formula"),
    (lambda: from_formula("x(y)"), "text must be a formula"),
    (lambda: from_formula([]), "formula must be text or an expression"),
    (lambda: from_formula("log(-1)*x"), ".*must be defined"),
    (lambda: from_formula("x**2000"), ".*powers of at most 1000"),
    (lambda: from_formula("x + y", ["x", "x"]), "names must be 2 different texts"),
    (lambda: from_formula("x + y", ["x"]), "text must be a formula of x"),
    (lambda: from_formula(parse_expression("x", ["x"])), "names must be given"),
    (lambda: from_formula(parse_expression("x + y", ["x", "y"]), ["x"]), "names must name every input"),
    (
        lambda: symbolify(KAN([2, 2]), DATA, output=2),
        "output must be the number of one of the 2 outputs, from 0, got 2",
    ),
    (lambda: symbolify(KAN([3, 1]), DATA), "problem must have 3 inputs"),
    (lambda: symbolify(MODEL, DATA, time_limit=-1), "time_limit must be a number"),
    (
        lambda: symbolify(MODEL, Regression(X[:9], X[:9, 0])),
        "problem must have at least 20 rows of training data, got 9",
    ),
    (lambda: symbolify(MODEL, []), "problem must be a Regression with tensors, got list"),
    (lambda: edited("fix", edge=(0, 5, 0), function="sin"), "edge must be one of layer 0, which has 2 inputs"),
    (lambda: edited("fix", edge=(7, 0, 0), function="sin"), "edge must be in a layer from 0 to 1"),
    (lambda: edited("fix", edge=3, function="sin"), "edge must be a list, got 3"),
    (lambda: edited("fix", edge=EDGE, function="sine"), "function must be one of"),
    (lambda: edited("fix", edge=EDGE, function="sqrt", constants=(1, -9, 1, 0)), "function 'sqrt' must be defined"),
    (lambda: edited("remove_node", node=(1, 9)), "node must be an input or a hidden node"),
    (lambda: edited("refit", train="functions"), "train must be left out: all numbers are trained"),
    (lambda: edited("bend", edge=EDGE), "kind must be one of fix, free, .* got 'bend'$"),
    (lambda: edited("refit", model=torch.nn.Linear(2, 1)), "model must be a KAN, got Linear$"),
    (lambda: edited("refit", data=None), "problem must be a Regression, .* got NoneType$"),
    (lambda: edited("drag", edge=EDGE, points=[("a", 1)]), r"points must be pairs .* got \[\['a', 1\]\]$"),
    (lambda: edited("drag", edge=EDGE, points=[(0, 1), 2]), "points must be pairs"),
    (lambda: edited("add_products", arities=[1]), "products must be an integer of at least 2"),
    (lambda: freeze(MODEL, [4]), "layers must be numbers from 0 to 1"),
    (lambda: suggest_functions(MODEL, EDGE, X), "problem must hold its data in tensors"),
    (lambda: tensor_function(3), "model must be callable"),
    (lambda: array_function(KAN), "model must be callable or have a predict method, got the class KAN"),
    (lambda: prune(MODEL, DATA, precision=1e308), "precision must be a number of at most 1"),
    (lambda: from_formula("x", 3), "names must be of type"),
    (lambda: formula(SINE, names=3), "names must be 2 different texts, one for each input, got 3$"),
    (lambda: symbolify(MODEL, DATA, table=[1]), "table must be of type"),
    (lambda: suggest_functions(MODEL, EDGE, DATA, table={"x": 1}), "table must be of type"),
    (lambda: structure(first, X, names=3), "names must hold 2 names"),
    (lambda: tensor_function(lambda x: x.sum())(X), "model must return one row for each of 60 rows"),
    (lambda: tensor_function(lambda x: ["a"] * len(x))(X), "model must return numbers, got list"),
    (lambda: array_function(lambda x: ["a"] * len(x))(XN), "model must return numbers, got list"),
    (lambda: check_points(X / 0), r"x must be finite, of shape \(N, d\)"),
    (lambda: check_points("x"), "x must be a matrix of numbers, got str"),
    (lambda: deepen(MODEL, 3), "before must be a layer of edges from 0 to 1"),
    (lambda: deepen(KAN([2, 1], degree=0)), ".*degree 0"),
    (lambda: widen(MODEL, 2, layer=2), "layer must be one of hidden nodes, from 1 to 1"),
    (lambda: widen(MODEL, 0), "nodes must be"),
    (lambda: live_edges(two_products_of_one_sum()), ".*each sum in one product only"),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_get_one_sentence(make, message):
    before = {name: value.clone() for name, value in MODEL.state_dict().items()}
    with pytest.raises(InputError, match=f"^{message}"):
        make()
    assert all(torch.equal(value, before[name]) for name, value in MODEL.state_dict().items())

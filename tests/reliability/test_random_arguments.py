"""Every argument of the public functions with odd values: a result, or one sentence that names what was expected.

The arguments are those of the signatures; `CALLS` has one valid call of each function.
"""

import inspect
import math
import os
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import edgewise
from edgewise import export, formulas, interpret, nn, pde, plot, tables, train
from edgewise.errors import EdgewiseError

TRIES = 20  # of each argument
DRAW = np.random.default_rng(0)
X = DRAW.uniform(-1, 1, (30, 2))
Y = X[:, 0] + X[:, 1] ** 2
INPUTS, TARGETS = torch.from_numpy(X), torch.from_numpy(Y[:, None])
SMALL = {"hidden": (), "grid_size": 3, "regularization": 1e-3}
NETWORK = edgewise.KAN([2, 2, 1], 3, dtype=torch.float64, seed=0)
PROBLEM = edgewise.Regression(INPUTS, TARGETS)
MODEL = edgewise.KANRegressor(**SMALL).fit(X, Y)
CLASSIFIER = edgewise.KANClassifier(**SMALL).fit(X, Y > 0.3)
NODE = formulas.parse_expression("2*x + exp(y)", ("x", "y"))
LINE = pde.Interval(0, 1)

odd = st.one_of(
    st.sampled_from([None, True, False, math.nan, math.inf, -math.inf, 1e308, 2**70, -(2**70), 1j, Fraction(1, 3)]),
    st.integers(-3, 6),
    st.floats(-3, 3),
    st.sampled_from(["", "x", "auto", "\0", "\x1b[2J\n", "a" * 300, b"x", object(), int, len, {}, {"x": 1}, {1, 2}]),
    st.text(max_size=5),
    st.lists(st.one_of(st.none(), st.integers(-2, 4), st.floats(allow_nan=True), st.text(max_size=2)), max_size=4),
    st.sampled_from([np.zeros(0), np.zeros((30, 1)), np.zeros((30, 2, 1)), np.full(30, math.nan), np.ones(30, bool)]),
    st.sampled_from([X.astype(str), X.astype(object), X[:, 0] > 0, X + 1j, X.astype(np.float16), np.array(3.0)]),
    st.sampled_from(
        [INPUTS[:0], INPUTS.float(), TARGETS, torch.tensor(1.0), INPUTS > 0, torch.full((30, 2), math.nan)]
    ),
    st.sampled_from([MODEL, NETWORK, PROBLEM, NODE, LINE, [[1, 2], [3]], ((0, 1),), [None], [[]], range(3)]),
)

# One valid call of each function, by the arguments that have no default or a better one for a small example.
CALLS = {
    "KAN": (edgewise.KAN, {"width": [2, 1], "grid_size": 3}),
    "KANLayer": (edgewise.KANLayer, {"in_features": 2, "out_features": 1}),
    "MLP": (nn.MLP, {"width": [2, 1]}),
    "Regression": (edgewise.Regression, {"x": INPUTS, "y": TARGETS}),
    "Classification": (train.Classification, {"x": INPUTS, "y": (TARGETS[:, 0] > 0).long()}),
    "fit": (edgewise.fit, {"model": NETWORK, "problem": PROBLEM, "steps": 2}),
    "prune": (edgewise.prune, {"model": NETWORK, "problem": PROBLEM, "refit": 0}),
    "formula": (edgewise.formula, {"model": NETWORK}),
    "explain_global": (edgewise.explain_global, {"model": NETWORK, "X": X}),
    "explain_local": (edgewise.explain_local, {"model": NETWORK, "X": X[:2], "background": X[:5]}),
    "partial_dependence": (interpret.partial_dependence, {"model": NETWORK, "X": X, "column": 0}),
    "interactions": (interpret.interactions, {"model": NETWORK, "x": X}),
    "removal_costs": (interpret.removal_costs, {"model": NETWORK, "problem": PROBLEM}),
    "widen": (interpret.widen, {"model": NETWORK, "nodes": 1}),
    "deepen": (interpret.deepen, {"model": NETWORK}),
    "freeze": (interpret.freeze, {"model": NETWORK, "layers": [0]}),
    "edge_formula": (interpret.edge_formula, {"model": NETWORK, "layer": 0, "i": 0, "o": 0}),
    "refine": (train.refine, {"model": NETWORK, "grid_size": 5}),
    "LBFGS": (train.LBFGS, {}),
    "Adam": (train.Adam, {}),
    "LevenbergMarquardt": (train.LevenbergMarquardt, {}),
    "Sparsity": (train.Sparsity, {"weight": 0.1}),
    "Ridge": (train.Ridge, {"weight": 0.1}),
    "Roughness": (train.Roughness, {"weight": 0.1}),
    "regressor": (lambda **settings: edgewise.KANRegressor(**settings).fit(X, Y), SMALL, edgewise.KANRegressor),
    "classifier": (lambda **settings: edgewise.KANClassifier(**settings).fit(X, Y > 0), SMALL, edgewise.KANClassifier),
    "survival": (
        lambda **settings: edgewise.KANSurvival(**settings).fit(X, (Y > 0, np.exp(Y))),
        {"pairs": "none"},
        edgewise.KANSurvival,
    ),
    "regressor.fit": (edgewise.KANRegressor(**SMALL).fit, {"X": X, "y": Y}),
    "classifier.fit": (edgewise.KANClassifier(**SMALL).fit, {"X": X, "y": Y > 0.3}),
    "predict": (MODEL.predict, {"X": X}),
    "predict_interval": (MODEL.predict_interval, {"X": X}),
    "score": (MODEL.score, {"X": X, "y": Y}),
    "predict_proba": (CLASSIFIER.predict_proba, {"X": X}),
    "save": (edgewise.save, {"obj": NETWORK, "path": "/nowhere/model"}),
    "load": (edgewise.load, {"path": "/nowhere/model"}),
    "read_table": (tables.read_table, {"path": "/nowhere/table.csv"}),
    "to_python": (export.to_python, {"model": NETWORK, "path": "/nowhere/model.py"}),
    "to_c": (export.to_c, {"model": NETWORK, "path": "/nowhere/model.c"}),
    "Formula": (formulas.Formula, {"expression": NODE, "names": ("x", "y")}),
    "parse_expression": (formulas.parse_expression, {"text": "2*x"}),
    "as_text": (formulas.as_text, {"node": NODE, "names": ("x", "y")}),
    "as_latex": (formulas.as_latex, {"node": NODE, "names": ("x", "y")}),
    "as_python": (formulas.as_python, {"node": NODE, "names": ("x", "y")}),
    "as_c": (formulas.as_c, {"node": NODE, "names": ("x", "y")}),
    "evaluate": (formulas.evaluate, {"node": NODE, "x": X}),
    "FormulaOptions": (edgewise.discovery.FormulaOptions, {}),
    "Interval": (pde.Interval, {"low": 0, "high": 1}),
    "Disk": (pde.Disk, {}),
    "Annulus": (pde.Annulus, {"inner": 0.5, "outer": 1}),
    "Ball": (pde.Ball, {}),
    "Cylinder": (pde.Cylinder, {}),
    "Polygon": (pde.Polygon, {"corners": [(0, 0), (1, 0), (0, 1)]}),
    "LShape": (pde.LShape, {}),
    "Dirichlet": (pde.Dirichlet, {}),
    "Neumann": (pde.Neumann, {}),
    "Robin": (pde.Robin, {"a": 1, "b": 1}),
    "Initial": (pde.Initial, {}),
    "Observations": (pde.Observations, {"x": INPUTS[:, :1], "values": INPUTS[:, 0]}),
    "PDE": (pde.PDE, {"equation": lambda u: u.xx + 1, "domain": LINE, "conditions": [pde.Dirichlet(0)], "points": 9}),
    "parity": (plot.parity, {"y": Y, "prediction": Y}),
    "confusion": (plot.confusion, {"y": Y > 0, "prediction": Y > 0}),
}


def parameters(function):
    """Names of the arguments of a function."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in inspect.signature(function).parameters.items() if one.kind in kinds]


def is_said(error):
    """Whether an error is one sentence of Edgewise, or one of scikit-learn on tables."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    is_of_tables = "sklearn" in trace.tb_frame.f_code.co_filename and isinstance(error, ValueError | TypeError)
    return is_of_tables or (isinstance(error, EdgewiseError) and "\n" not in str(error))


# The values also depend on the constants of all modules that are loaded, so that each run tries others: at night only.
@pytest.mark.skipif("EDGEWISE_ODD_ARGUMENTS" not in os.environ, reason="each run draws other values; runs at night")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_odd_arguments_give_a_result_or_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an odd text may be the name of a file
    assert list(faults_of(*CALLS[name])) == []


def faults_of(function, valid, signed=None):
    """Errors of a function that are no sentences, as texts; `signed` has its signature."""
    for argument in parameters(signed or function):
        for value in odd_values(argument):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    function(**{**valid, argument: value})
            except Exception as error:
                if not is_said(error):
                    shown = " ".join(repr(value).split())
                    yield f"{argument} = {shown:.60}: {type(error).__name__}: {str(error).splitlines()[:1]}"


def odd_values(argument):
    """The odd values that an argument gets; other arguments get others."""
    values = []

    @seed(argument)
    @settings(
        max_examples=TRIES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(odd)
    def draw(value):
        values.append(value)

    draw()
    return values

"""Every argument of the public functions with odd values: a result, or one sentence that names what was expected.

The arguments are those of the signatures; `CALLS` has one valid call of each function.
"""

import inspect
import math
import random
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

import edgewise
from edgewise import compare, export, formulas, interpret, nn, pde, plot, tables, train
from edgewise.errors import EdgewiseError
from tests.night import at_night

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

SOLUTION = pde.solve(pde.PDE(lambda u: u.xx + 1, LINE, [pde.Dirichlet(0)], points=9))
HEAT = pde.PDE(lambda u: u.t - u.xx, LINE * pde.Time(0, 0.1), [pde.Dirichlet(0), pde.Initial(lambda x: x - x**2)])
KNOWN = pde.solve(pde.PDE(lambda u: u.xx, LINE, [pde.Dirichlet(1)], solution=lambda x: 1 + 0 * x))
SINE = pde.PDE(lambda u, k: u.xx + k * u, LINE, [pde.Dirichlet(0)], coefficients={"k": 1.0})
BRATU = pde.solve(pde.PDE(lambda u: u.xx + torch.exp(u), LINE, [pde.Dirichlet(0)]))
ELEMENTARY = interpret.from_formula("2*x + exp(y)", ["x", "y"])
TRACE = NETWORK.trace(INPUTS)
LOCAL = edgewise.explain_local(NETWORK, X[:2], X[:5])
FRONT = edgewise.find_formula(X, 2 * X[:, 0] + X[:, 1], time_limit=2)
NETWORK_FORMULA = formulas.Formula(NODE, ("x", "y"))

SCALARS = [
    None,
    True,
    False,
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    2**70,
    -(2**70),
    1j,
    Fraction(1, 3),
    0,
    1,
    -1,
    2,
    6,
    0.5,
]
TEXTS = ["", "x", "auto", "\0", "\x1b[2J\n", "a" * 300, b"x", "ü", "0", "\ud800"]
OBJECTS = [
    object(),
    int,
    len,
    {},
    {"x": 1},
    {1, 2},
    [1, 2, "x"],
    [None],
    [[]],
    [math.nan],
    [[1, 2], [3]],
    ((0, 1),),
    range(3),
]
ARRAYS = [np.zeros(0), np.zeros((30, 1)), np.zeros((30, 2, 1)), np.full(30, math.nan), np.ones(30, bool), np.array(3.0)]
OTHER_ARRAYS = [X.astype(str), X.astype(object), X[:, 0] > 0, X + 1j, X.astype(np.float16)]
TENSORS = [INPUTS[:0], INPUTS.float(), TARGETS, torch.tensor(1.0), INPUTS > 0, torch.full((30, 2), math.nan)]
MODELS = [MODEL, NETWORK, PROBLEM, NODE, LINE, SOLUTION, HEAT, TRACE, FRONT]
ODD = [*SCALARS, *TEXTS, *OBJECTS, *ARRAYS, *OTHER_ARRAYS, *TENSORS, *MODELS]

# One valid call of each function, by the arguments that have no default or a better one for a small example.
CALLS = {
    "KAN": (edgewise.KAN, {"width": [2, 1], "grid_size": 3}),
    "KANLayer": (edgewise.KANLayer, {"in_features": 2, "out_features": 1}),
    "MLP": (nn.MLP, {"width": [2, 1]}),
    "Regression": (edgewise.Regression, {"x": INPUTS, "y": TARGETS}),
    "Classification": (train.Classification, {"x": INPUTS, "y": (TARGETS[:, 0] > 0).long()}),
    "fit": (edgewise.fit, {"model": NETWORK, "problem": PROBLEM, "steps": 2}),
    "prune": (edgewise.prune, {"model": NETWORK, "problem": PROBLEM, "refit": 0}),
    "formula": (edgewise.formula, {"model": ELEMENTARY}),
    "explain_global": (edgewise.explain_global, {"model": NETWORK, "X": X}),
    "explain_local": (edgewise.explain_local, {"model": NETWORK, "X": X[:2], "background": X[:5]}),
    "partial_dependence": (interpret.partial_dependence, {"model": NETWORK, "X": X, "column": 0}),
    "interactions": (interpret.interactions, {"model": NETWORK, "x": X}),
    "widen": (interpret.widen, {"model": NETWORK, "nodes": 1}),
    "deepen": (interpret.deepen, {"model": NETWORK}),
    "freeze": (interpret.freeze, {"model": NETWORK, "layers": [0]}),
    "edge_formula": (interpret.edge_formula, {"model": ELEMENTARY, "layer": 0, "i": 0, "o": 0}),
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
    "save": (edgewise.save, {"obj": NETWORK, "path": "saved.safetensors"}),
    "load": (edgewise.load, {"path": "model.safetensors"}),
    "read_table": (tables.read_table, {"path": "table.csv"}),
    "to_python": (export.to_python, {"model": NETWORK, "path": "model.py"}),
    "to_c": (export.to_c, {"model": NETWORK, "path": "model.c"}),
    "to_program": (export.to_program, {"model": NETWORK, "path": "model.pt2"}),
    "to_scipy": (export.to_scipy, {"model": NETWORK}),
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
    "solve": (pde.solve, {"problem": SOLUTION.problem}),
    "solve in time": (pde.solve, {"problem": HEAT, "tolerance": 1e-3}),
    "eigenvalues": (pde.eigenvalues, {"problem": SINE, "count": 2}),
    "other_solutions": (pde.other_solutions, {"known": BRATU, "budget": 0.01}),
    "Condition": (pde.Condition, {"residual": lambda u: u.x}),
    "Interface": (pde.Interface, {"on": "x=0.5"}),
    "LevelSet": (pde.LevelSet, {"function": lambda x: x - 1, "box": {"x": (0, 2)}}),
    "Triangulation": (pde.Triangulation, {"points": [(0, 0), (1, 0), (0, 1)], "cells": [(0, 1, 2)]}),
    "Time": (pde.Time, {"low": 0, "high": 1}),
    "Parameter": (pde.Parameter, {"name": "a", "low": 0, "high": 1}),
    "UnknownField": (pde.UnknownField, {"field": "k"}),
    "solution": (SOLUTION, {"x": [[0.5]]}, SOLUTION.__call__),
    "solution.derivative": (SOLUTION.derivative, {"x": [[0.5]], "by": "x"}),
    "solution.errors": (KNOWN.errors, {}),
    "solution.extremes": (SOLUTION.extremes, {}),
    "solution.integral": (SOLUTION.integral, {}),
    "solution.flux": (SOLUTION.flux, {"on": "x=0"}),
    "solution.on_grid": (SOLUTION.on_grid, {}),
    "solution.difference": (SOLUTION.difference, {"other": lambda x: x * (1 - x) / 2}),
    "solution.save_vtk": (SOLUTION.save_vtk, {"path": "solution.vtk"}),
    "solution.roots": (SOLUTION.roots, {}),
    "find_formula": (edgewise.find_formula, {"x": X, "y": 2 * X[:, 0] + X[:, 1], "time_limit": 1}),
    "fit_equations": (MODEL.fit_equations, {"X": X, "time_limit": 1}),
    "symbolify": (edgewise.symbolify, {"model": NETWORK, "problem": PROBLEM, "time_limit": 0.5}),
    "edit": (
        interpret.edit,
        {"model": NETWORK, "problem": PROBLEM, "kind": "remove_edge", "edge": (0, 0, 0), "refit": 0},
    ),
    "suggest_functions": (
        interpret.suggest_functions,
        {"model": NETWORK, "edge": (0, 0, 0), "problem": PROBLEM, "refit": 0},
    ),
    "from_formula": (interpret.from_formula, {"formula": NODE, "names": ("x", "y")}),
    "edge_scores": (interpret.edge_scores, {"trace": TRACE}),
    "input_scores": (interpret.input_scores, {"trace": TRACE}),
    "relations": (interpret.relations, {"x": np.vstack([X, X + 1]), "seeds": 1, "steps": 2}),
    "select_inputs": (interpret.select_inputs, {"problem": PROBLEM, "most": 1}),
    "shapley_shares": (interpret.shapley_shares, {"model": NETWORK, "X": X[:2], "background": X[:5]}),
    "structure": (interpret.structure, {"model": NETWORK, "x": X, "rows": 10}),
    "as_sympy": (formulas.as_sympy, {"node": NODE, "names": ("x", "y")}),
    "complexity": (formulas.complexity, {"node": NODE}),
    "simplify": (formulas.simplify, {"node": NODE}),
    "shortest_form": (formulas.shortest_form, {"node": NODE, "x": X}),
    "domain_violations": (formulas.domain_violations, {"node": NODE, "x": X}),
    "formula.text": (NETWORK_FORMULA.text, {}),
    "formula.latex": (NETWORK_FORMULA.latex, {}),
    "formula.python": (NETWORK_FORMULA.python, {}),
    "formula.c": (NETWORK_FORMULA.c, {}),
    "advise": (compare.advise, {"X": X, "y": Y, "time_limit": 1}),
    "explain_local of a model": (MODEL.explain_local, {"X": X[:2]}),
    "explain_global of a model": (MODEL.explain_global, {"X": X}),
    "KAN.jet": (NETWORK.jet, {"x": INPUTS}),
    "KAN.trace": (NETWORK.trace, {"x": INPUTS}),
    "check_rows": (MODEL.check_rows, {"X": X}),
    "predict_band": (MODEL.predict_band, {"X": X}),
    "summary": (MODEL.summary, {}),
    "export": (MODEL.export, {"path": "model.py"}),
    "report": (MODEL.report, {"path": "report.html"}),
    "decision_function": (CLASSIFIER.decision_function, {"X": X}),
    "frame_table": (tables.frame_table, {"data": pandas.DataFrame(X)}),
    "OrdinalClassification": (train.OrdinalClassification, {"x": INPUTS, "y": (TARGETS[:, 0] > 0).long()}),
    "SSBroyden": (train.SSBroyden, {}),
    "Bending": (train.Bending, {"weight": 0.1}),
    "data_domain": (train.data_domain, {"x": INPUTS}),
    "prediction_uncertainty": (train.prediction_uncertainty, {"model": NETWORK, "data": train.Data(INPUTS, TARGETS)}),
    "edge_curves": (plot.edge_curves, {"model": NETWORK, "trace": TRACE}),
    "effect_curves": (plot.effect_curves, {"model": NETWORK, "X": X}),
    "formula_front": (plot.formula_front, {"front": FRONT}),
    "network_diagram": (plot.network_diagram, {"model": NETWORK, "trace": TRACE}),
    "pair_map": (plot.pair_map, {"model": NETWORK, "X": X, "inputs": (0, 1)}),
    "share_bars": (plot.share_bars, {"explanation": LOCAL}),
    "share_dots": (plot.share_dots, {"explanation": LOCAL}),
    "solution_figure": (plot.solution_figure, {"solution": SOLUTION}),
    "solution_history": (plot.solution_history, {"solution": SOLUTION}),
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


# A call of these takes a second or more.
AT_NIGHT = [
    "to_program",
    "select_inputs",
    "solve in time",
    "report",
    "advise",
    "fit_equations",
    "find_formula",
    "symbolify",
]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of its own, for an odd text may be the name of a file."""
    monkeypatch.chdir(tmp_path)
    edgewise.save(NETWORK, "model.safetensors")
    Path("table.csv").write_text("a,b\n1,2\n3,4\n")


@pytest.mark.usefixtures("files")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("tries", [pytest.param(2, marks=pytest.mark.slow), *at_night(20)])
def test_odd_arguments_give_a_result_or_a_sentence(name, tries):
    if name in AT_NIGHT and tries < 20:
        pytest.skip("runs at night")
    function, valid, *_ = CALLS[name]
    function(**valid)
    assert list(faults_of(tries, *CALLS[name])) == []


def faults_of(tries, function, valid, signed=None):
    """Errors of a function that are no sentences, as texts; `signed` has its signature."""
    for argument in parameters(signed or function):
        for value in odd_values(argument, tries):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    function(**{**valid, argument: value})
            except Exception as error:
                if not is_said(error):
                    shown = " ".join(repr(value).split())
                    yield f"{argument} = {shown:.60}: {type(error).__name__}: {str(error).splitlines()[:1]}"


def odd_values(argument, tries):
    """The odd values that an argument gets, the same in each process; other arguments get others."""
    return random.Random(argument).sample(ODD, tries)

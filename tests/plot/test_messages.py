"""Wrong arguments of figures: each is one sentence that names the argument, and no file is written."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.plot.solutions import PLANE, heat, oscillation, untrained

from edgewise.errors import InputError
from edgewise.interpret.attribution.pairs import pair_dependence
from edgewise.nn.model import KAN
from edgewise.pde import Dirichlet, Interval, eigenvalues
from edgewise.pde.problem.collocation import PDE
from edgewise.plot import (
    animate,
    confusion,
    edge_curves,
    effect_curves,
    modes_figure,
    network_diagram,
    pair_map,
    parity,
    save,
    solution_figure,
    solution_history,
)

X = np.random.default_rng(0).uniform(-1, 1, (20, 2))
MODEL = KAN([2, 1])
TRACE = MODEL.trace(torch.zeros(5, 2))


def first(x):
    return x[:, 0]


def modes(**settings):
    string = PDE(lambda u, k: u.xx + k * u, Interval(0, 1), [Dirichlet(0.0)], coefficients={"k": 1.0})
    return modes_figure(eigenvalues(string, count=2), **settings)


def pair(inputs, **settings):
    return pair_map(first, X, inputs=inputs, names=["a", "b"], **settings)


def effects(model=first, rows=X, **settings):
    return effect_curves(model, rows, **settings)


def film(problem, name="film.gif", **settings):
    return lambda folder: animate(untrained(problem()), folder / name, **settings)


def shown(problem, **settings):
    return lambda folder: solution_figure(untrained(problem()), **settings)


def history_without_losses():
    solution = untrained(heat())
    return solution_history(replace(solution, stages=(replace(solution.stages[0], loss=0.0, residual=0.0),)))


MISTAKES = [
    (lambda _: edge_curves(MODEL, TRACE, layer=1), "layer must be from 0 to 0, got 1"),
    (
        lambda _: edge_curves(MODEL, TRACE, max_input=1),
        "edge_curves has no option 'max_input'; did you mean 'max_inputs'",
    ),
    (lambda _: effects(rows=np.zeros(3)), r"X must have shape \(rows, inputs\)"),
    (lambda _: effects(row=5), "effect_curves has no option 'row'"),
    (lambda _: effects(lambda x: np.zeros(3)), "model must return one row"),
    (lambda _: effects(scores=[1.0]), "scores must hold 2 numbers"),
    (lambda _: effects(rows=[["a", "b"]]), "X must hold numbers"),
    (lambda _: network_diagram("model", TRACE), "model must be a KAN, an MLP or a fitted estimator, got str"),
    (lambda _: network_diagram(MODEL, [1.0, 2.0, 3.0]), r".*rows x of shape \(rows, 2\), got shape \(3,\)"),
    (lambda _: network_diagram(MODEL), ".*rows x of data, got None"),
    (lambda _: network_diagram(MODEL, TRACE, names=["x"]), "names must hold 2 names"),
    (lambda _: network_diagram(KAN([2, 4, 1]), TRACE), "trace must come from this model"),
    (lambda _: network_diagram(MODEL, TRACE, max_nodes=0), ".*must be positive, got 0 and 300"),
    (lambda _: pair("ab"), "inputs must be a pair of inputs, got 'ab'"),
    (lambda _: pair((0, 0)), "inputs must be two different inputs, got 0 twice"),
    (lambda _: pair(("a", "c")), ".*got 'c'"),
    (lambda _: pair((0, 7)), ".*a number from 0 to 1, got 7"),
    (lambda _: pair((0, 1), output=0.0), r"output must be a number from 0 to 0, got 0\.0"),
    (
        lambda _: pair_dependence(first, X, (0, 1, 2)),
        r"columns must be two different numbers from 0 to 1, got \(0, 1, 2\)",
    ),
    (lambda _: pair_dependence(first, X, 0), "columns must be two different numbers from 0 to 1, got 0"),
    (lambda _: pair_dependence(first, X, (0, 1), kinds=[None]), "kinds must be given for both columns, got 1"),
    (lambda _: pair_dependence(first, X * np.nan, (0, 1)), "X must have a row in which both columns 0 and 1 are known"),
    (film(heat, "film.avi"), "path must end in .gif or .mp4, got "),
    (film(PLANE["disk"]), "solution must have coordinates of space and time, as t, got x, y$"),
    (film(oscillation), "solution must have coordinates of space and time, as t, got t$"),
    (film(heat, frames=1), "frames must be an integer of at least 2"),
    (film(heat, rate=0), "frames must be an integer of at least 2 and rate positive"),
    (film(heat, fields=["w"]), "fields must be names among u"),
    (shown(heat, fields=["v"]), "fields must be names among u"),
    (shown(heat, times=[9.0]), "times must lie between 0 and 3"),
    (shown(PLANE["disk"], times=[0.5]), "times must be left out for a problem without"),
    (shown(oscillation, times=[0.5]), "times must be left out for a problem without"),
    (lambda _: modes(count=3), "count must be an integer from 1 to 2, got 3"),
    (lambda _: modes(fields=["v"]), "fields must be names among u, got"),
    (lambda _: modes_figure([1.0]), "found must be the result of eigenvalues, got list"),
    (lambda _: parity(np.zeros(3), np.zeros((3, 1))), ".*one shape"),
    (lambda _: parity(np.zeros(2), np.array([0.0, np.nan])), ".*finite"),
    (lambda _: parity(np.zeros(0), np.zeros(0)), ".*one shape"),
    (lambda _: confusion(["a", "b"], ["a", "a"], classes=["a"]), "classes must hold every label, got 'b' besides"),
    (lambda _: confusion(np.array([1, 2]), np.array([1])), ".*one shape"),
    (lambda _: history_without_losses(), ".*must have a stage with a positive loss, got 1 stages"),
    (lambda folder: save(parity(X, X), folder / "a.png", theme="auto"), "theme must be .* got 'auto'; only SVG"),
    (
        lambda folder: save(parity(X, X), folder / "a.svg", theme="blue"),
        "theme must be 'light', 'dark', 'print' or 'auto'",
    ),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_get_one_sentence(make, message, tmp_path):
    with pytest.raises(InputError, match=f"^{message}"):
        make(tmp_path)
    assert not list(tmp_path.iterdir())

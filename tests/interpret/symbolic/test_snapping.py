"""A network becomes its formula, wrongly snapped edges are freed, the time limit holds, single edges are replaced."""

import copy

import numpy as np
import pytest
import torch

from edgewise.formulas.curve_fits import EdgeFit
from edgewise.interpret.symbolic.snapping import _Snapping, symbolify, with_edge, with_spline
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems import Regression


@pytest.fixture(scope="module")
def trained():
    x = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    y = torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2)
    data = Regression(x, y, validation=0.2)
    model = KAN([2, 1, 1], 6, seed=1, dtype=torch.float64)
    fit(model, data, LevenbergMarquardt(), steps=60)
    return model, data


@pytest.mark.slow
def test_a_trained_network_becomes_its_formula(trained):
    model, data = trained
    state = copy.deepcopy(model.state_dict())
    front = symbolify(model, data, names=["x", "y"], time_limit=60)
    assert front.stopped == "converged"
    best = front.best
    fresh = np.random.default_rng(5).uniform(-1, 1, (200, 2))
    truth = np.exp(np.sin(np.pi * fresh[:, 0]) + fresh[:, 1] ** 2)
    assert np.abs(best.formula(fresh) - truth).max() < 1e-6 * truth.std()
    assert best.complexity <= 13
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert front.held_out == len(data.validation.x) and best.constant_errors and front.as_good
    assert not any(layer.has_splines for layer in best.model.layers)
    with torch.no_grad():
        values = best.model(data.train.x)[:, 0].numpy()
    assert np.abs(values - best.formula(data.train.x.numpy())).max() < 1e-6


@pytest.mark.slow
def test_an_edge_that_was_snapped_wrongly_is_freed(trained):
    model, data = trained
    x, y = data.train.x, data.train.y
    names = {(0, 0, 0): ("sin", 3.0), (0, 1, 0): ("abs", 1.0), (1, 0, 0): ("exp", 1.0)}  # abs for a square
    for place, (name, a) in names.items():
        model = with_edge(model, place, EdgeFit(name, a, 0.0, 1.0, 0.0, 0.0, 5))
    snapping = _Snapping(trained[0], Regression(x, y), ELEMENTARY)
    snapping.exact_loss = 1e-20
    snapping.refit(model, 20, Budget())
    state = snapping.state(model, dict.fromkeys(names, 5))
    freed = snapping.with_edges_freed(state, list(names), Budget())
    assert freed.loss < 1e-12 < 1e-4 < state.loss
    assert freed.model.config.functions[0][1] != ("abs",)
    assert snapping.with_edges_freed(state, list(names), Budget(work=0.0)) is state


X = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


@pytest.fixture
def model():
    return KAN([2, 1, 1], 6, seed=1, domain=(-1, 1), dtype=torch.float64)


def test_freed_edges_are_snapped_until_the_loss_is_exact_or_the_budget_is_over(monkeypatch):
    x = X[:60, :1]
    model = with_edge(KAN([1, 1], 3, domain=(-1, 1), dtype=torch.float64), (0, 0, 0), EdgeFit("abs", 1, 0, 1, 0, 0, 3))
    snapping = _Snapping(model, Regression(x, x**2), {name: ELEMENTARY[name] for name in ("abs", "x^2")})
    wrong = snapping.state(model, {(0, 0, 0): 3})
    assert snapping.with_edges_freed(wrong, [(0, 0, 0)], Budget(work=0.0)) is wrong
    freed = snapping.with_edges_freed(wrong, [(0, 0, 0)], Budget())
    assert freed.model.config.functions[0] == (("x^2",),) and freed.loss <= snapping.exact_loss < wrong.loss
    monkeypatch.setattr(snapping, "with_snapped_edge", lambda *_: pytest.fail("it is exact already"))
    assert snapping.with_edges_freed(freed, [(0, 0, 0)], Budget()) is freed


def test_networks_are_ranked_by_the_weighted_loss():
    """Rows of weight 0 have no say in which function an edge becomes."""
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    y = torch.sin(2 * x)
    weight = torch.ones(40, dtype=torch.float64)
    y[::4] = 50.0
    weight[::4] = 0.0
    problem = Regression(x, y, weight=weight)
    model = with_edge(KAN([1, 1], dtype=torch.float64), (0, 0, 0), EdgeFit("sin", 2.0, 0.0, 1.0, 0.0, 0.0, 0))
    assert _Snapping(model, problem, ELEMENTARY).state(model, {}).loss < 1e-20


def test_one_edge_at_a_time(model):
    grown = with_edge(model, (0, 1, 0), EdgeFit("sin", 2.0, 0.1, 3.0, -1.0, 0.0, 1))
    before, after = model.layers[0].edges(X), grown.layers[0].edges(X)
    assert torch.equal(before[:, 0], after[:, 0])
    assert torch.allclose(after[:, 1, 0], 3 * torch.sin(2 * X[:, 1] + 0.1) - 1)
    assert grown.layers[0].has_splines and grown.layers[0].has_functions
    gone = with_edge(grown, (0, 0, 0), EdgeFit("0", 0.0, 0.0, 0.0, 0.7, 1.0, 0))
    assert torch.allclose(gone.layers[0](X), after[:, 1] + 0.7)
    assert gone.config.functions[0] == (("0",), ("sin",))


def test_a_function_is_a_spline_again(model):
    places = [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    for place in places:
        model = with_edge(model, place, EdgeFit("sin", 2.0, 0.1, 1.0, -1.0, 0.0, 1))
    for place in places:
        free = with_spline(model, place, X, like=KANLayer(1, 1, grid_size=12, degree=3))
        assert not model.layers[place[0]].has_splines
        assert free.layers[place[0]].has_splines
        assert free.layers[place[0]].has_functions == (place[0] == 0)  # the second layer has one edge
        with torch.no_grad():
            assert (free(X) - model(X)).abs().max() < 0.05 * model(X).std()
        again = with_edge(free, place, EdgeFit("sin", 2.0, 0.1, 1.0, -1.0, 0.0, 1))
        with torch.no_grad():
            assert torch.equal(again(X), model(X))

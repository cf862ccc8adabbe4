"""A network becomes its formula, wrongly snapped edges are freed, the time limit holds, single edges are replaced."""

import copy
import time

import numpy as np
import pytest
import torch

from edgewise.discovery.decide import decided_front
from edgewise.discovery.finder import Search
from edgewise.discovery.problem import FormulaOptions
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import EdgeFit
from edgewise.formulas.expression import parse_expression
from edgewise.interpret.symbolic.snapping import _Snapping, symbolify, with_edge, with_spline
from edgewise.interpret.transform.subnetworks import with_output
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems import Regression

OPTIONS = FormulaOptions()


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
def test_the_front_is_that_of_the_formula_search():
    """With noise, the decision of `find_formula` for the same formula and rows gives the same constants and errors."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (400, 1))
    y = 3 * np.sin(2 * x[:, 0]) + 0.1 * random.normal(size=400)
    problem = Regression(torch.from_numpy(x), torch.from_numpy(y))
    model = KAN([1, 1], 5, seed=0, dtype=torch.float64)
    fit(model, problem, steps=20)
    front = symbolify(model, problem, names=["x"])
    known = decided_front(
        [parse_expression("2.9*sin(2.1*x)", ["x"])], Search(x, y, ("x",), OPTIONS, Budget()).deciding_problem()
    )
    assert str(front.best.formula) == str(known.best.formula) == "3*sin(2*x)"
    assert front.best.validation == pytest.approx(known.best.validation, rel=1e-6)
    assert (front.held_out, front.best.constant_errors) == (known.held_out, known.best.constant_errors)
    assert front.best.model is not None and "look like noise" in front.messages[0]


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


@pytest.mark.slow
def test_the_time_limit_bounds_all_of_it():
    x = 2 * torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    data = Regression(x, torch.sin(3 * x[:, 0] * x[:, 1]) + x[:, 2].abs())
    model = KAN([3, 5, 1], 5, seed=0, dtype=torch.float64)
    fit(model, data, LevenbergMarquardt(), steps=3)
    start = time.process_time()
    front = symbolify(model, data, time_limit=0.5)
    assert front.stopped in ("budget", "time_limit")
    assert time.process_time() - start < 5  # all of it takes 8
    assert "the last edges were snapped by shape alone" in front.messages[0]


@pytest.mark.slow
def test_each_of_several_outputs_gets_a_front():
    x = 2 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    data = Regression(x, torch.stack([torch.sin(2 * x[:, 0]) + x[:, 1], x[:, 1].exp()], 1))
    model = KAN([2, 2], 8, seed=0, dtype=torch.float64)
    fit(model, data, steps=30)
    fronts = symbolify(model, data, names=["a", "b"], time_limit=60)
    assert [str(front.best.formula) for front in fronts] == ["sin(2*a) + b", "exp(b)"]
    assert str(symbolify(model, data, names=["a", "b"], output=1).best.formula) == "exp(b)"


@pytest.mark.slow
def test_bad_arguments(trained):
    data = trained[1]
    with pytest.raises(InputError, match="output must be the number of one of the 2 outputs, from 0, got 2"):
        symbolify(KAN([2, 2]), data, output=2)
    with pytest.raises(InputError, match="problem must have 3 inputs"):
        symbolify(KAN([3, 1]), data)
    for settings, message in (({"beam": 0}, "beam must be"), ({"time_limit": -1}, "time_limit must be a number")):
        with pytest.raises(InputError, match=message):
            symbolify(trained[0], data, **settings)
    with pytest.raises(InputError, match="problem must have at least 20 rows of training data, got 10"):
        symbolify(KAN([2, 1]), Regression(data.train.x[:10], data.train.y[:10]))
    with pytest.raises(InputError, match="problem must be a Regression with tensors, got list"):
        symbolify(trained[0], [])


@pytest.mark.slow
def test_each_of_several_outputs_becomes_a_formula():
    x = 2 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    problem = Regression(x, torch.stack([torch.sin(3 * x[:, 0]), x[:, 1] ** 2], 1), validation=0.2)
    model = KAN([2, 2], 6, seed=0, dtype=torch.float64)
    fit(model, problem, steps=10)
    found = [str(symbolify(model, problem, output=o, time_limit=120).best.formula) for o in range(2)]
    assert found == ["sin(3*x_1)", "x_2**2"]
    product = KAN([2, (1, 1)], 6, seed=0, domain=(-1, 1), dtype=torch.float64)
    for o in range(2):
        assert torch.allclose(with_output(product, o)(x)[:, 0], product(x)[:, o])
    with pytest.raises(InputError, match="output must be"):
        symbolify(model, problem, output=2)


X = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


@pytest.fixture
def model():
    return KAN([2, 1, 1], 6, seed=1, domain=(-1, 1), dtype=torch.float64)


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

"""symbolify: a trained network becomes its formula; edges are put in and taken out without a change of the rest."""

import copy

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.edge_fits import EdgeFit
from edgewise.interpret.symbolic import is_symbolic, symbolify, with_edge
from edgewise.nn.model import KAN
from edgewise.train.fit import fit
from edgewise.train.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problem import Regression


@pytest.fixture(scope="module")
def trained():
    x = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    y = torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2)
    data = Regression(x, y, validation=0.2)
    model = KAN([2, 1, 1], 6, seed=1, dtype=torch.float64)
    fit(model, data, LevenbergMarquardt(), steps=60)
    return model, data


def test_a_trained_network_becomes_its_formula(trained):
    model, data = trained
    state = copy.deepcopy(model.state_dict())
    front = symbolify(model, data, names=["x", "y"], time_limit=60)
    best = front.best
    fresh = np.random.default_rng(5).uniform(-1, 1, (200, 2))
    truth = np.exp(np.sin(np.pi * fresh[:, 0]) + fresh[:, 1] ** 2)
    assert np.abs(best.formula(fresh) - truth).max() < 1e-6 * truth.std()
    assert best.complexity <= 13
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    networks = [entry.model for entry in front if entry.model is not None]
    assert all(is_symbolic(network) for network in networks)


def test_one_edge_at_a_time(trained):
    model, data = trained
    x = data.train.x
    grown = with_edge(model, (0, 1, 0), EdgeFit("sin", 2.0, 0.1, 3.0, -1.0, 0.0, 1))
    before, after = model.layers[0].edges(x), grown.layers[0].edges(x)
    assert torch.equal(before[:, 0], after[:, 0])
    assert torch.allclose(after[:, 1, 0], 3 * torch.sin(2 * x[:, 1] + 0.1) - 1)
    assert not is_symbolic(grown)
    gone = with_edge(grown, (0, 0, 0), EdgeFit("0", 0.0, 0.0, 0.0, 0.7, 1.0, 0))
    assert torch.allclose(gone.layers[0](x), after[:, 1] + 0.7)
    assert gone.config.functions[0] == (("0",), ("sin",))


def test_bad_arguments(trained):
    data = trained[1]
    with pytest.raises(InputError, match="model must be a KAN with one output"):
        symbolify(KAN([2, 2]), data)
    with pytest.raises(InputError, match="data must have 3 inputs"):
        symbolify(KAN([3, 1]), data)
    for settings, message in (({"beam": 0}, "beam must be"), ({"time_limit": -1}, "time_limit must be a number")):
        with pytest.raises(InputError, match=message):
            symbolify(trained[0], data, **settings)
    with pytest.raises(InputError, match="data must be a Regression with tensors, got list"):
        symbolify(trained[0], [])

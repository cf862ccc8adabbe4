"""Modules, functions and objects with `predict` become functions of a tensor; gradients with and without autograd."""

import numpy as np
import pytest
import torch

from edgewise.interpret.black_box import input_gradient, tensor_function
from edgewise.nn.model import KAN


class Predictor:
    def predict(self, X):
        assert isinstance(X, np.ndarray)
        return X[:, 0] ** 3 * np.sin(X[:, 1])


class Chooser(Predictor):
    def predict_proba(self, X):
        return np.stack([X[:, 0], 1 - X[:, 0]], 1)


def points():
    return 0.5 + torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_each_kind_of_function():
    x = points()
    model = KAN([2, 3], dtype=torch.float32)
    assert torch.equal(tensor_function(model)(x), model(x.float()).double())
    assert torch.equal(tensor_function(Predictor())(x)[:, 0], torch.from_numpy(Predictor().predict(x.numpy())))
    assert tensor_function(Chooser())(x).shape == (30, 2)
    assert torch.equal(tensor_function(lambda x: x[:, 0].numpy())(x), x[:, :1])


def test_a_network_in_training_mode_is_evaluated_as_it_predicts_and_left_unchanged():
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5), torch.nn.Linear(2, 1)).double()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    asked = tensor_function(network)(points())
    assert torch.equal(torch.get_rng_state(), random) and network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(asked, network.eval()(points()))


@pytest.mark.parametrize(
    "function", [Predictor(), lambda x: x[:, 0] ** 3 * x[:, 1].sin()], ids=["differences", "autograd"]
)
def test_gradients(function):
    x = points()
    expected = torch.stack([3 * x[:, 0] ** 2 * x[:, 1].sin(), x[:, 0] ** 3 * x[:, 1].cos()], 1)
    torch.testing.assert_close(input_gradient(tensor_function(function), x), expected, rtol=1e-9, atol=1e-10)

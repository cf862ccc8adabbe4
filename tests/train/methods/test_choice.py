"""The method of a fit for which none was named."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.methods.choice import default_method
from edgewise.train.problems import Classification, Regression


def samples(count=40):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
    return x, x[:, 0] * x[:, 1]


def regression():
    return Regression(*samples())


def classification():
    x, y = samples()
    return Classification(x, (y > 0).long())


def kan(width=(2, 3, 1), grid_size=5):
    return KAN(width, grid_size, dtype=torch.float64)


class Quartic(Regression):
    """A loss that is no sum of squares."""

    def loss(self, prediction, data):
        return (prediction - data.y).pow(4).mean()

    def blocks(self):
        return ()

    second_order_blocks = blocks


@pytest.mark.parametrize(
    ("model", "problem", "batch_size", "name", "reason"),
    [
        (kan(), regression(), None, "LevenbergMarquardt", "no more than 5000"),
        (MLP([2, 5, 1], dtype=torch.float64), regression(), None, "LevenbergMarquardt", "no more than 5000"),
        (kan(grid_size=1000), regression(), None, "LBFGS", "9036 parameters are more than 5000"),
        (kan((2, 3, 2)), classification(), None, "LevenbergMarquardt", "no more than 500"),
        (kan((2, 10, 2)), classification(), None, "LevenbergMarquardt", "no more than 500"),
        (kan((2, 20, 2)), classification(), None, "LBFGS", "720 parameters are more than 500"),
        (kan(), Quartic(*samples()), None, "SSBroyden", "the loss has no residuals, 81 parameters are no more"),
        (kan(grid_size=1000), Quartic(*samples()), None, "LBFGS", "no residuals, and 9036 parameters are more"),
        (nn.Linear(2, 1, dtype=torch.float64), regression(), None, "LBFGS", "no chain of layers"),
        (kan(), regression(), 8, "Adam", "minibatches"),
        (kan(), Regression(DataLoader(TensorDataset(*samples()))), None, "Adam", "minibatches"),
    ],
)
def test_the_choice_and_its_reason(model, problem, batch_size, name, reason):
    method, sentence = default_method(model, problem, batch_size)
    assert type(method).__name__ == name
    assert reason in sentence

"""Residual blocks: their loss is what its definition says."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.blocks import Data, ResidualBlock
from edgewise.train.problems import Regression

G = torch.Generator().manual_seed(0)
X, Y = torch.rand(2, 9, 2, generator=G, dtype=torch.float64).unbind()
WEIGHT = torch.rand(9, generator=G, dtype=torch.float64)
DIRECTIONS = torch.eye(2, dtype=torch.float64)


def model():
    return KAN([2, 3, 2], degree=5, dtype=torch.float64)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_regression_is_one_block_with_its_loss(weight):
    problem, network = Regression(X, Y, weight=weight), model()
    (block,) = problem.blocks()
    found = block.loss(network, block.data, {})
    assert torch.allclose(found, problem.loss(network(X), problem.train), rtol=1e-14)


def test_derivatives_come_as_a_jet():
    block = ResidualBlock("b", Data(X, Y), lambda jet, part: jet[2] + jet[4], directions=DIRECTIONS, order=2)
    x = X.clone().requires_grad_()
    first = torch.autograd.grad(model()(x)[:, 1].sum(), x, create_graph=True)[0]
    laplacian = sum(torch.autograd.grad(first[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(2))
    jet = block.jet(model(), X)
    assert torch.allclose((jet[2] + jet[4])[:, 1], laplacian, rtol=1e-9, atol=1e-10)
    assert float(block.loss(model(), block.data, {}).detach()) > 0


def test_derivatives_of_a_model_without_a_jet_are_refused():
    block = ResidualBlock("b", Data(X, Y), lambda jet, part: jet[2], directions=DIRECTIONS, order=2)
    with pytest.raises(InputError, match="model must have a jet"):
        block.loss(torch.nn.Linear(2, 2).double(), block.data, {})

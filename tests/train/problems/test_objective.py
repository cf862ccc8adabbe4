"""The objective in chunks against the objective in one piece."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.settings import FORWARD_CHUNK_NUMBERS
from edgewise.train.objective import Objective
from edgewise.train.penalties import Ridge, Sparsity, edge_magnitudes
from edgewise.train.problems import Classification, Regression

G = torch.Generator().manual_seed(0)
X = torch.rand(50, 2, generator=G, dtype=torch.float64)
Y = torch.rand(50, 2, generator=G, dtype=torch.float64)
WEIGHT = torch.rand(50, generator=G, dtype=torch.float64)
PENALTIES = [None, Ridge(0.1), Sparsity(0.2), Sparsity(0.2) + Ridge(0.1)]
PROBLEMS = [Regression(X, Y, weight=WEIGHT), Regression(X, Y), Classification(X, (Y[:, 0] > 0.5).long())]


def plainly(model, problem, penalty):
    """Value and gradients by plain autograd."""
    data = problem.train
    value = problem.loss(model(data.x), data)
    if penalty is not None:
        sizes = edge_magnitudes(model.trace(data.x), data.weight) if penalty.needs_trace else ()
        value = value + penalty.bind(model).value(sizes)
    return float(value.detach()), torch.autograd.grad(value, list(model.parameters()))


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS, ids=["weighted", "regression", "classification"])
@pytest.mark.parametrize("rows", [7, 1000])
def test_value_and_gradient_are_those_of_plain_autograd(problem, penalty, rows):
    model = KAN([2, 3, 2], dtype=torch.float64)
    objective = Objective(model, problem, penalty, numbers=FORWARD_CHUNK_NUMBERS // rows)
    value, gradients = plainly(model, problem, penalty)
    assert objective.evaluate(problem.train).total == pytest.approx(value, rel=1e-12)
    assert objective.backward(problem.train).total == pytest.approx(value, rel=1e-12)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-13)


def test_frozen_parameters_are_left_out():
    model = KAN([2, 3, 2], dtype=torch.float64)
    model.layers[0].coef.requires_grad_(False)
    objective = Objective(model, PROBLEMS[0], Sparsity(0.1), numbers=FORWARD_CHUNK_NUMBERS // 7)
    objective.backward(PROBLEMS[0].train)
    assert "layers.0.coef" not in objective.parameters
    assert model.layers[0].coef.grad is None
    model.requires_grad_(False)
    with pytest.raises(InputError, match="model must have a trainable parameter"):
        Objective(model, PROBLEMS[0])

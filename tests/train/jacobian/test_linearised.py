"""Linearised networks: rows against autograd, degrees of freedom and GCV against linear regression."""

import math

import numpy as np
import pytest
import torch
from torch.func import functional_call, jacrev

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.blocks import Data
from edgewise.train.jacobian import linearised
from edgewise.train.jacobian.linearised import linearise, output_rows
from edgewise.train.penalties import Ridge, Roughness

RNG = np.random.default_rng(0)
F64 = {"dtype": torch.float64}


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def kan(width=(2, 3, 2), grid_size=3) -> KAN:
    model = KAN(width, grid_size, seed=1, **F64)
    with torch.no_grad():
        model.layers[0].mask[0, 0] = 0
    return model


def frozen(model):
    model.layers[0].base.requires_grad_(False)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("model", [kan(), frozen(kan()), MLP([2, 4, 2], **F64)], ids=["KAN", "frozen", "MLP"])
def test_rows_are_the_derivatives_of_the_outputs(model):
    x = tensor(RNG.uniform(-1.2, 1.2, (7, 2)))
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    expected = jacrev(lambda parameters: functional_call(model, parameters, (x,)))(trained)
    expected = torch.cat([expected[name].movedim(1, 0).flatten(2) for name in trained], 2)
    torch.testing.assert_close(output_rows(model, x), expected, rtol=1e-10, atol=1e-12)
    assert [p.requires_grad for p in model.parameters()].count(True) == len(trained)


def test_gram_and_curvature_are_second_derivatives():
    """The Hessian of the loss where all residuals are zero, and that of the penalty, by autograd."""
    model, x = kan(), tensor(RNG.uniform(-1, 1, (60, 2)))
    weight = tensor(RNG.uniform(0.5, 1.5, 60))
    weight = weight / weight.mean()
    with torch.no_grad():
        data = Data(x, model(x), weight)
    penalty = Ridge(1e-2, base=False) + Roughness(1e-3)
    found = linearise(model, data, penalty)
    names = dict(model.named_parameters())
    flat = torch.cat([p.detach().flatten() for p in names.values()])

    def parameters(theta):
        parts = theta.split([p.numel() for p in names.values()])
        return {name: part.view(p.shape) for part, (name, p) in zip(parts, names.items(), strict=True)}

    def loss(theta):
        away = functional_call(model, parameters(theta), (x,)) - data.y
        return (weight[:, None] * away.square()).mean()

    torch.testing.assert_close(found.gram, torch.func.hessian(loss)(flat), rtol=1e-9, atol=1e-11)
    assert found.losses.tolist() == [0, 0]
    term = penalty.bind(model)
    for k, start in enumerate(torch.eye(len(flat), **F64)[:: len(flat) // 5]):
        for name, p in model.named_parameters():
            p.data.copy_(parameters(start)[name])
            p.grad = None
        term.value(()).backward()
        slope = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])
        torch.testing.assert_close(found.curvature[:, k * (len(flat) // 5)], slope, rtol=1e-10, atol=1e-13)


def line(n: int = 40, ridge: float = 0.03):
    """A linear model fitted by ridge regression, bias without: the model, its data, the hat matrix."""
    X = np.column_stack([RNG.normal(size=(n, 3)), np.ones(n)])
    y = X @ [1.0, -2.0, 0.5, 0.3] + 0.4 * RNG.normal(size=n)
    S = ridge * n * np.diag([1.0, 1, 1, 0])
    hat = X @ np.linalg.solve(X.T @ X + S, X.T)
    theta = np.linalg.solve(X.T @ X + S, X.T @ y)
    model = MLP([3, 1], **F64)
    with torch.no_grad():
        model.layers[0].weight.copy_(tensor(theta[:3, None]))
        model.layers[0].bias.copy_(tensor(theta[3:]))
    return model, Data(tensor(X[:, :3]), tensor(y[:, None])), hat


def test_effective_degrees_and_gcv_are_those_of_the_hat_matrix():
    model, data, hat = line()
    found = linearise(model, data, Ridge(0.03))
    assert found.effective == pytest.approx(np.trace(hat), rel=1e-8)
    y = data.y.numpy()[:, 0]
    residuals = y - hat @ y
    expected = np.mean(residuals**2) / (1 - np.trace(hat) / len(y)) ** 2
    assert found.gcv() == pytest.approx(expected, rel=1e-8)
    assert found.gcv(1.4) > found.gcv()
    assert found.gcv(20.0) == math.inf


def test_chunks_and_picked_rows(monkeypatch):
    model, data, _ = line(500)
    whole = linearise(model, data)
    monkeypatch.setattr(linearised, "ROW_CHUNK_NUMBERS", 70)
    torch.testing.assert_close(linearise(model, data).gram, whole.gram)
    monkeypatch.setattr(linearised, "MOST_PRODUCT_WORK", 4**2 * 250)
    torch.testing.assert_close(linearise(model, data).gram, whole.gram, rtol=0.3, atol=0.3)
    assert not torch.equal(linearise(model, data).gram, whole.gram)

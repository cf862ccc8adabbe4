"""Any base function and a degree for each layer: values, derivatives, training, files and exports."""

import runpy

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

import edgewise
from edgewise import KAN, Regression, fit, refine
from edgewise.export import to_python
from edgewise.ops.activation import ACTIVATIONS, activation_derivatives

X = 2 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


@pytest.mark.parametrize("name", ["gelu", "softplus", "sin"])
def test_derivatives_of_base_functions(name):
    x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    values = ACTIVATIONS[name](x)
    for found in activation_derivatives(x, name, 3):
        torch.testing.assert_close(found, values, rtol=1e-10, atol=1e-12)
        (values,) = torch.autograd.grad(values.sum(), x, create_graph=True)


@pytest.mark.parametrize("base", ["tanh", "relu", torch.nn.GELU(), "softplus", torch.sin])
def test_networks_with_other_bases(base, tmp_path):
    model = KAN([2, 2, 1], 3, base=base, domain=(-1, 1), seed=0, dtype=torch.float64)
    expected = model.layers[0].edges(X).sum(1)
    torch.testing.assert_close(model.layers[0](X), expected)
    slope = torch.func.vmap(torch.func.jacrev(lambda x: model(x)[0]))(X)
    jet = model.jet(X, torch.eye(2, dtype=torch.float64), 1)
    torch.testing.assert_close(jet[1:, :, 0].T, slope)
    report = fit(model, Regression(X, X[:, 0] * X[:, 1]), steps=5)  # needs the Jacobian rows
    assert report.loss < 0.5 * report.history[0].loss
    edgewise.save(model, tmp_path / "model.safetensors")
    assert torch.equal(edgewise.load(tmp_path / "model.safetensors")(X), model(X))
    to_python(model, tmp_path / "model.py")
    scope = runpy.run_path(str(tmp_path / "model.py"))
    np.testing.assert_allclose(scope["predict"](X.numpy()), model(X).detach().numpy(), rtol=1e-12, atol=1e-13)


def test_a_degree_for_each_layer(tmp_path):
    model = KAN([2, 3, 1], 4, [2, 8], domain=(-1, 1), seed=0, dtype=torch.float64)
    assert (model.config.degree, model.config.degrees) == (8, (2, 8))
    assert KAN([2, 3, 1], 4, [3, 3]).config.degrees == ()
    hidden, layer = model.layers[0](X).detach(), model.layers[1]
    inside = hidden.clamp(-1, 1)
    splines = [BSpline(layer.knots[i].numpy(), layer.coef[i, :, 0].detach().numpy(), 8) for i in range(3)]
    values = torch.tensor(sum(spline(inside[:, i].numpy()) for i, spline in enumerate(splines)))
    base = torch.nn.functional.silu(inside) @ layer.base.detach()
    torch.testing.assert_close(layer(inside)[:, 0].detach(), values + base[:, 0], rtol=1e-10, atol=1e-12)
    report = fit(model, Regression(X, torch.sin(2 * X[:, 0]) + X[:, 1] ** 2), steps=10)
    assert report.loss < 1e-3
    finer = refine(model, 8)
    assert finer.config.degrees == (2, 8)
    torch.testing.assert_close(finer(X), model(X), rtol=1e-9, atol=1e-9)
    edgewise.save(model, tmp_path / "model.safetensors")
    again = edgewise.load(tmp_path / "model.safetensors")
    assert again.config == model.config and torch.equal(again(X), model(X))

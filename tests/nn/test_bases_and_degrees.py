"""Any base function and a degree for each layer: values, derivatives, training, files and exports."""

import copy
import runpy

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

import edgewise
from edgewise import KAN, Regression, fit
from edgewise.errors import InputError
from edgewise.export import to_python, to_scipy
from edgewise.nn import KANLayer
from edgewise.ops.activation import ACTIVATIONS, activation_derivatives
from edgewise.train import refine

X = 2 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


@pytest.mark.parametrize("name", ["gelu", "softplus", "sin"])
def test_derivatives_of_base_functions(name):
    x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    values = ACTIVATIONS[name](x)
    for found in activation_derivatives(x, name, 3):
        torch.testing.assert_close(found, values, rtol=1e-10, atol=1e-12)
        (values,) = torch.autograd.grad(values.sum(), x, create_graph=True)


@pytest.mark.slow
@pytest.mark.parametrize("base", ["mish", torch.nn.ELU(0.5)])
def test_networks_with_any_function_of_torch(base, tmp_path):
    x = X.clone().requires_grad_()
    model = KAN([2, 2, 1], 3, base=base, domain=(-1, 1), seed=0, dtype=torch.float64)
    function = torch.nn.functional.mish if base == "mish" else base
    layer = model.layers[0]
    splines = KANLayer(2, 2, grid_size=3, domain=(-1, 1), base="zero", dtype=torch.float64)
    with torch.no_grad():
        splines.coef.copy_(layer.coef)
    torch.testing.assert_close(layer(X), splines(X) + function(X) @ layer.base)
    directions = torch.ones(1, 2, dtype=torch.float64)
    found = model.jet(X, directions, 3)[:, :, 0]
    value = model(x)[:, 0]
    for order in range(4):  # autograd through the layers is the witness
        torch.testing.assert_close(found[order], value, rtol=1e-8, atol=1e-8)
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        value = slope.sum(1)
    report = fit(model, Regression(X, X[:, 0] * X[:, 1]), steps=5)
    assert report.loss < 0.5 * report.history[0].loss
    assert copy.deepcopy(model).config == model.config or isinstance(base, torch.nn.Module)
    torch.testing.assert_close(torch.compile(model, backend="eager")(X), model(X))
    with pytest.raises(InputError, match=r"^model must have a base function of silu"):
        to_python(model, tmp_path / "model.py")
    edge = to_scipy(model)[0][0, 0]
    np.testing.assert_allclose(edge(X[:, 0].numpy()), layer.edges(X)[:, 0, 0].detach().numpy(), atol=1e-12)
    if isinstance(model.config.base, str):
        edgewise.save(model, tmp_path / "model.safetensors")
        assert torch.equal(edgewise.load(tmp_path / "model.safetensors")(X), model(X))
    else:
        with pytest.raises(InputError, match=r"^model must have a base function that torch has under a name"):
            edgewise.save(model, tmp_path / "model.safetensors")


def test_names_of_functions_of_torch():
    assert KAN([1, 1], base=torch.nn.functional.leaky_relu).config.base == "leaky_relu"
    assert KAN([1, 1], base=torch.special.erf).config.base == "erf"
    assert KAN([1, 1], base=torch.nn.LeakyReLU()).config.base == "leaky_relu"
    assert callable(KAN([1, 1], base=torch.nn.LeakyReLU(0.2)).config.base)
    assert KAN([1, 1], base=torch.nn.SiLU(inplace=True)).config.base == "silu"

    def tanh(x):  # not torch's
        return torch.tanh(2 * x)

    assert KAN([1, 1], base=tanh).config.base is tanh


@pytest.mark.parametrize(
    "base, reason",
    [
        (lambda x: torch.softmax(x, -1), "a value depends on the other points, or on chance"),
        (torch.nn.functional.dropout, "a value depends on the other points, or on chance"),
        (torch.nn.PReLU(), "PReLU has weights of its own"),
        (lambda x: x.sum(), "it does not give a tensor of the shape"),
        (lambda x: torch.ones(3) * x, "The size of tensor"),
        (torch.seed, "seed"),
        (lambda x: x.clamp_(-1, 1), "it changes the tensor that it is given"),
        (lambda x: torch.from_numpy(np.sin(x.numpy())), "Can't call numpy"),
        (lambda x: torch.from_numpy(np.sin(x.detach().numpy())), "torch finds no gradient of it"),
    ],
)
def test_what_is_no_base_function(base, reason):
    before = torch.get_rng_state()
    with pytest.raises(InputError, match=rf"^base must apply to each number of a tensor, got .*: .*{reason}"):
        KAN([2, 1], base=base)
    assert torch.equal(torch.get_rng_state(), before)


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

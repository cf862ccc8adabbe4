"""Layers with elementary functions, alone or with splines: values, jets and Jacobian rows, by hand and by autograd."""

import copy
import math

import pytest
import torch

import edgewise
from edgewise.errors import InputError
from edgewise.nn.config import KANConfig
from edgewise.nn.elementary import ELEMENTARY, Elementary, FunctionTable
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN

ROWS = [["sin", "0", "exp"], ["x^2", "sin", "J0"]]


def points(*shape):
    return torch.randn(shape, generator=seeded_generator(2), dtype=torch.float64)


def symbolic_layer(rows=ROWS):
    shape = 4, len(rows), len(rows[0])
    affine = 0.5 + torch.rand(shape, generator=seeded_generator(1), dtype=torch.float64)
    return KANLayer(len(rows), len(rows[0]), functions=rows, affine=affine, dtype=torch.float64)


def mixed_layer():
    return KANLayer(
        2,
        3,
        domain=(-1.2, 0.9),
        functions=[["sin", "", "exp"], ["", "sin", "J0"]],
        affine=symbolic_layer().affine,
        dtype=torch.float64,
        generator=seeded_generator(3),
    )


MAKERS = {"symbolic": symbolic_layer, "mixed": mixed_layer}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def layer(request):
    return request.param()


def test_values_written_out():
    layer, x = symbolic_layer(), points(7, 2)
    a, b, c, d = layer.affine.detach()
    u = a * x[..., None] + b
    functions = [[torch.sin, torch.zeros_like, torch.exp], [torch.square, torch.sin, torch.special.bessel_j0]]
    for i, row in enumerate(functions):
        for o, function in enumerate(row):
            expected = 0 if function is torch.zeros_like else c[i, o] * function(u[:, i, o]) + d[i, o]
            assert torch.allclose(layer.edges(x)[:, i, o], 0 * x[:, i] + expected, rtol=1e-6, atol=1e-6)
    assert layer.mask.tolist() == [[1, 0, 1], [1, 1, 1]]
    assert layer.elementary(0, 1) is None
    assert layer.elementary(1, 0) is ELEMENTARY["x^2"]


def test_own_functions():
    mine = {**ELEMENTARY, **FunctionTable([Elementary("softplus", torch.nn.functional.softplus, "log(1 + exp(x))")])}
    layer = KANLayer(1, 1, functions=[["softplus"]], table=mine, dtype=torch.float64)
    x = points(3, 1)
    assert torch.allclose(layer(x), (1 + x.exp()).log())
    slope = layer.jet(torch.stack([x, torch.ones_like(x)]), 1)[1]
    assert torch.allclose(slope, torch.sigmoid(x))


def test_outside_of_a_domain_nothing_is_made_up():
    layer = KANLayer(1, 2, functions=[["log", "1/x"]], dtype=torch.float64)
    y = layer(torch.tensor([[-1.0], [0.0]], dtype=torch.float64)).detach()
    assert math.isnan(y[0, 0])
    assert math.isinf(y[1, 1])


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([["sine"]], "functions must be named in the table, got 'sine'; it has 0, x,"),
        ([["sin"], []], "functions must be 1 rows of 1 names in layer 0, got"),
        ([], "functions must be 1 rows of 1 names in layer 0, got"),
        ("sin", "functions must be 1 rows of 1 names in layer 0, got"),
    ],
)
def test_bad_functions(functions, message):
    with pytest.raises(InputError, match=message):
        KANLayer(1, 1, functions=functions)


def test_an_edge_can_be_the_sum_of_a_spline_and_a_function(tmp_path):
    functions = [[["+sin", "exp"], ["", "0"]]]
    model = KAN([2, 2], 4, functions=functions, seed=1, dtype=torch.float64)
    assert model.config.functions == ((("+sin", "exp"), ("", "")),)
    layer, x = model.layers[0], points(5, 2)
    alone = copy.deepcopy(layer)
    alone.drop_functions_()
    spline, sine = alone.edges(x), torch.sin(x[:, 0])
    assert torch.equal(layer.edges(x)[:, 0, 0], spline[:, 0, 0] + sine)
    assert torch.equal(layer.mask, torch.ones(2, 2).double() * torch.tensor([[1, 1], [1, 0]]))
    edgewise.save(model, tmp_path / "model.safetensors")
    again = edgewise.load(tmp_path / "model.safetensors")
    assert again.config == model.config and torch.equal(again(x), model(x))
    with torch.no_grad():
        layer.spline_mask[0, 0] = 0
    assert model.config.functions[0][0] == ("sin", "exp")


def test_a_network_of_all_kinds_of_edges():
    functions = (ROWS, None, [["", "sin"]])
    model = KAN([2, 3, 1, 2], grid_size=[0, 4, 3], functions=functions, seed=1, dtype=torch.float64)
    config = model.config
    assert config == KANConfig((2, 3, 1, 2), (0, 4, 3), functions=functions)
    twin = KAN.from_config(config, seed=1, dtype=torch.float64)
    x = points(4, 2)
    assert torch.equal(twin(x), model(x))
    kinds = [(layer.has_splines, layer.has_functions) for layer in model.layers]
    assert kinds == [(False, True), (True, False), (True, True)]
    trace = model.trace(x)
    assert torch.equal(trace.output, model(x))
    jet = model.jet(x, torch.eye(2, dtype=torch.float64), 1)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: model(row[None])[0]))(x)
    assert torch.allclose(jet[1:].permute(1, 2, 0), jacobian, rtol=1e-10, atol=1e-12)

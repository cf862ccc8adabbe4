"""Layers whose edges share functions: against a layer with a spline for each edge, start, groups, what is refused."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn import GroupLayer, KANLayer
from edgewise.nn.layers.initial import seeded_generator


def layer_of(inputs, outputs, **settings):
    return GroupLayer(inputs, outputs, dtype=torch.float64, generator=seeded_generator(0), **settings)


def normal(*shape):
    return torch.randn(shape, generator=seeded_generator(1), dtype=torch.float64)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_the_same_as_a_layer_with_a_spline_for_each_edge(groups):
    shared = layer_of(6, 4, groups=groups, grid_size=5)
    with torch.no_grad():
        shared.coef += normal(*shared.coef.shape)
        shared.bias += normal(4)
    own = KANLayer(6, 4, grid_size=5, domain=(-3.0, 3.0), dtype=torch.float64)
    with torch.no_grad():
        own.base.copy_(shared.weight)
        for i in range(6):
            own.coef[i] = shared.coef[i % groups, :, None] * shared.weight[i]
    x = 2 * normal(20, 6)
    assert torch.allclose(shared(x), own(x) + shared.bias, atol=1e-12)
    assert torch.allclose(shared.edges(x), own.edges(x), atol=1e-12)


@pytest.mark.parametrize("base", ["silu", "identity", "relu", torch.cos])
def test_it_starts_as_a_dense_layer_that_keeps_the_size_of_normal_inputs(base):
    layer = layer_of(400, 300, groups=4, base=base)
    x = normal(200, 400)
    values = layer.functions(x)
    by_name = {"silu": torch.nn.functional.silu, "identity": lambda x: x, "relu": torch.relu}
    assert torch.allclose(values, by_name.get(base, base)(x))
    assert layer(x).square().mean().item() == pytest.approx(1, rel=0.05)


def test_parameters_are_those_of_a_dense_layer_and_a_few_more():
    layer = layer_of(64, 200, groups=8, grid_size=8)
    assert {name: tuple(value.shape) for name, value in layer.named_parameters()} == {
        "weight": (64, 200),
        "bias": (200,),
        "coef": (8, 11),
    }
    assert "groups=8, grid_size=8, degree=3, base=silu" in repr(layer)


def test_a_function_is_learned_that_all_edges_share():
    """y = sum of |x_i| with different weights: the spline takes the shape of the absolute value."""
    from edgewise import LBFGS, Regression, fit

    x, truth = normal(400, 3), torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)
    model = torch.nn.Sequential(layer_of(3, 1, grid_size=12, base="identity"))
    fit(model, Regression(x, x.abs() @ truth), LBFGS(), steps=200)
    line = torch.tensor([[-2.0, -2, -2], [0, 0, 0], [2, 2, 2]], dtype=torch.float64)
    values = model[0].functions(line)[:, 0]
    # The kink between two knots is rounded; the base function alone would give -1.
    assert ((values[0] - values[1]) / (values[2] - values[1])).item() == pytest.approx(1, abs=0.2)
    weights = model[0].weight[:, 0] / model[0].weight[0, 0]
    assert torch.allclose(weights, truth[:, 0], atol=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 4}, "groups must divide in_features, 6, got 4"),
        ({"groups": 0}, "width"),
        ({"base": "zero"}, "base must be a function other than zero"),
        ({"grid_size": 0}, "grid_size"),
        ({"domain": (1.0, 0.0)}, "domain must be"),
    ],
)
def test_what_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        layer_of(6, 2, **settings)

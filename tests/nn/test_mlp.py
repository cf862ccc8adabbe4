"""The baseline equals the same network of torch's own parts, and starts by Glorot's law."""

import pytest
import torch
from torch import nn

from edgewise.nn.mlp import MLP

ACTIVATIONS = {"silu": nn.SiLU, "tanh": nn.Tanh, "relu": nn.ReLU}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_a_sequence_of_torch_layers(activation):
    model = MLP([3, 5, 4, 2], activation=activation, seed=1, dtype=torch.float64)
    parts = []
    for number, layer in enumerate(model.layers):
        linear = nn.Linear(layer.in_features, layer.out_features, dtype=torch.float64)
        with torch.no_grad():
            layer.bias += 0.1 * (number + 1)
            linear.weight.copy_(layer.weight.mT)
            linear.bias.copy_(layer.bias)
        parts += [ACTIVATIONS[activation](), linear] if number else [linear]
    x = torch.linspace(-2, 2, 30, dtype=torch.float64).reshape(10, 3)
    assert torch.allclose(model(x), nn.Sequential(*parts)(x), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("inputs", "outputs"), [(200, 300), (20, 3000)])
def test_weights_start_uniform_by_glorot(inputs, outputs):
    weight = MLP([inputs, outputs], dtype=torch.float64).layers[0].weight.detach()
    bound = (6 / (inputs + outputs)) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert (weight / weight.std()).pow(4).mean().item() == pytest.approx(1.8, abs=0.05)  # uniform

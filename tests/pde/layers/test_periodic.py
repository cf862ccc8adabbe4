"""The periodic layer: same values one period on, and no parameters."""

import torch
from tests.ops.test_jet import numbers

from edgewise.pde.layers.periodic import PeriodicLayer


def test_values():
    layer = PeriodicLayer(3, {1: (-1.0, 2.0)})
    x = numbers(5, 3)
    y = layer(x)
    assert y.shape == (5, 4)
    assert torch.equal(y[:, :2], x[:, [0, 2]])
    assert torch.allclose(y[:, 2], torch.cos(torch.pi * (x[:, 1] + 1)))
    assert torch.allclose(y[:, 3], torch.sin(torch.pi * (x[:, 1] + 1)))
    moved = x + torch.tensor([0.0, 2.0, 0.0])
    assert torch.allclose(layer(moved), y, atol=1e-12)
    assert layer(x.reshape(5, 1, 3)).shape == (5, 1, 4)
    assert not list(layer.parameters())

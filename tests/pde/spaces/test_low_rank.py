"""Networks of low rank: derivatives against those of autograd."""

from itertools import pairwise

import torch

from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.spaces.low_rank import LowRankNetwork


def network(ranks=(1, 2, 3, 1), seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for a, b in pairwise(ranks):
        layer = TensorLayer([torch.linspace(0, 1, 4, dtype=torch.float64)], a * b, degree=5, clamped=True)
        layer.coef.data = torch.randn(layer.coef.shape, generator=generator, dtype=torch.float64)
        layers.append(layer)
    return LowRankNetwork(layers, ranks)


def test_derivatives_along_directions_are_those_of_autograd():
    net = network()
    x = torch.rand(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    directions = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, -1, 2]], dtype=torch.float64)
    jet = net.jet(x, directions, 3)
    for number, direction in enumerate(directions):
        step = torch.zeros(len(x), 1, dtype=torch.float64, requires_grad=True)
        value = net(x + step * direction)
        for order in range(3):
            (value,) = torch.autograd.grad(value.sum(), step, create_graph=True)
            assert torch.allclose(jet[1 + 3 * number + order], value, rtol=1e-8), (number, order)

"""Networks of every kind for a problem in x and t, with coefficients at random."""

import torch

from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.folding import folding_of
from edgewise.pde.problem.singular import SingularFunctions
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.spaces.low_rank import LowRankNetwork
from edgewise.pde.spaces.networks import EnrichedNetwork, FoldedNetwork, TimeElementNetwork, UncertainNetwork


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.float64)


def shaken(network):
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(generator=torch.Generator().manual_seed(2))
    return network


def time_elements(problem):
    parts = [shaken(tensor_network(problem, grid, 3)) for grid in (4, 6)]
    return TimeElementNetwork(parts, torch.tensor([0.0, 1.2, 3.0], dtype=torch.float64), 1)


def folded(problem, inner=time_elements):
    return FoldedNetwork(inner(problem), folding_of(problem.form))


def train(problem):
    line = torch.linspace(0, 1, 5, dtype=torch.float64)
    return LowRankNetwork([TensorLayer([line], 2), TensorLayer([line], 2)], (1, 2, 1))


def uncertain(problem):
    layer = tensor_network(problem, 4, 5).tensor_layer
    root = torch.arange(2.0 * layer.coef.numel(), dtype=torch.float64).reshape(-1, 2)
    return UncertainNetwork(layer, root)


def enriched(problem):
    place = torch.tensor([-1.0, -1.0], dtype=torch.float64)
    functions = SingularFunctions(place, 0.0, 0.0, 0.1, "K", ((0.0, 0, False), (1.0, 0, True)), True, 2.0)
    return EnrichedNetwork(tensor_network(problem, 4, 5).tensor_layer, [functions], zeros(2))

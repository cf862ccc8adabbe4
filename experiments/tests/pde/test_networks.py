"""Networks with hidden layers: the scaled MLP, halved grids, the table of the best."""

import pytest
import torch

from edgewise_experiments.pde.networks import train_kan, train_mlp
from edgewise_experiments.problems.named_equations import named_equation


def test_an_mlp_sees_scaled_coordinates():
    problem = named_equation("heat").make().resampled(60)
    network = train_mlp(problem, (3,), 0)
    plain = torch.nn.Parameter(network.layers[0].weight.detach() * problem.domain.size[:, None] / 2)
    ends = problem.domain.bounds.T
    scaled = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double()
    assert torch.allclose(network.layers[0](ends), scaled @ plain, atol=1e-12)


@pytest.mark.slow
def test_a_kan_ends_on_the_last_grid_and_reports():
    problem, events = named_equation("heat").make().resampled(60), []
    network = train_kan(problem, (2,), (4, 8), 4, [events.append])
    assert network.config.grid_size == (8, 8) and events

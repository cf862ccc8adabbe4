"""Networks with hidden layers: the scaled MLP, halved grids, the table of the best."""

import torch

from edgewise.pde import named_equation
from edgewise_experiments.pde.networks import kan, mlp, network_tables, networks, networks_said


def test_an_mlp_sees_scaled_coordinates():
    problem = named_equation("heat").make().resampled(60)
    network = mlp(problem, (3,), 0, lambda *told: None)
    plain = torch.nn.Parameter(network.layers[0].weight.detach() * problem.domain.size[:, None] / 2)
    ends = problem.domain.bounds.T
    scaled = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double()
    assert torch.allclose(network.layers[0](ends), scaled @ plain, atol=1e-12)


def test_a_kan_ends_on_the_last_grid_and_tells():
    problem, told = named_equation("heat").make().resampled(60), []
    network = kan(problem, (2,), (4, 8), 4, lambda *event: told.append(event))
    assert network.config.grid_size == (8, 8) and told


def test_what_is_run():
    assert len(networks(False)) == len(set(networks(False))) == 16
    assert {name for name, _, _ in networks(True)} == {"heat"}
    assert network_tables([]) == () and networks_said([]) == []
    made = [("heat", "KAN", 1e-6), ("heat", "MLP", 1e-5), ("heat", "MLP", 2e-6), ("poisson", "KAN", 1e-3)]
    rows = [{"problem": name, "model": model, "error": error} for name, model, error in made]
    assert networks_said(rows)[0].endswith("on 1 of 1 problems.")

"""Networks for equations: places of grids, periodicity, and refinement that keeps the function."""

import torch

from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial, Periodic
from edgewise.pde.solver.network import network_for, separable_network
from edgewise.pde.spaces.networks import PeriodicNetwork, fields_of

DOMAIN = Interval(-1, 3) * Time(0, 2)
HEAT = PDE(lambda u: u.t - u.xx, DOMAIN, [Dirichlet(0.0), Initial(0.0)], points=100)
RING = PDE(lambda u: u.t - u.xx, DOMAIN, [Periodic("x"), Initial(0.0)], points=100)


def test_periodic_networks_repeat_themselves():
    network = network_for(RING, (3,), 6, 5, seed=1)
    assert isinstance(network, PeriodicNetwork)
    assert network.kan.config.width == (3, 3, 1)
    x = RING.train.x
    assert torch.allclose(network(x), network(x + torch.tensor([4.0, 0.0])), atol=1e-12)
    directions = torch.eye(2, dtype=torch.float64)
    jet = network.jet(x, directions, 2)
    assert torch.allclose(jet, network.jet(x + torch.tensor([4.0, 0.0]), directions, 2), atol=1e-10)
    assert torch.allclose(jet[0], network(x), atol=1e-14)


def test_hidden_grids_move_when_activations_leave_or_shrink_and_else_stay():
    network = network_for(HEAT, (3,), 8, 5, seed=3)
    x = DOMAIN.bounds[:, 0] + DOMAIN.size * unit_points(200, 2)
    assert fields_of(network).fit_hidden_grids_(x)  # they were not set
    assert not fields_of(network).fit_hidden_grids_(x)
    for factor in (3.0, 0.05):
        with torch.no_grad():
            network.layers[0].coef.mul_(factor)
        assert fields_of(network).fit_hidden_grids_(x)
        hidden, domain = network.layers[0](x), network.layers[1].domain
        assert bool((hidden.amin(0) >= domain[:, 0]).all() and (hidden.amax(0) <= domain[:, 1]).all())
        assert torch.allclose(
            (hidden.amax(0) - hidden.amin(0)) / (domain[:, 1] - domain[:, 0]), torch.full((3,), 1 / 1.6).double()
        )


def test_separable_networks_grow_without_changing():
    system = PDE(
        lambda u, v: (u.t - v.xx, v.t + u.xx), DOMAIN, [Dirichlet({"u": 0.0, "v": 0.0}), Initial({"u": 0.0, "v": 0.0})]
    )
    state = torch.random.get_rng_state()
    network = separable_network(system, 2, 4, 5, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)  # torch's global generator stays as it is
    x, directions = system.train.x[:50], torch.eye(2, dtype=torch.float64)
    assert network(x).shape == (50, 2)
    assert network.rank == 2
    jet = network.jet(x, directions, 3)
    assert torch.allclose(jet[0], network(x), atol=1e-13)
    wider, finer = network.with_rank(5, seed=2), network.halved()
    assert [each.describe() for each in network.larger(0)] == ["rank 2, grid 8", "rank 3, grid 4"]
    assert (wider.rank, finer.rank) == (5, 2)
    assert (wider.describe(), finer.describe()) == ("rank 5, grid 4", "rank 2, grid 8")
    for other in (wider, finer):
        assert torch.allclose(other.jet(x, directions, 3), jet, rtol=1e-9, atol=1e-9)
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["layers.0.coef"]
    assert not fields_of(network).fit_hidden_grids_(x)
    with torch.no_grad():
        wider.layers[0].coef += 0.1  # a term that moves reaches its own field: u has the first five, v the others
        wider.layers[0].coef[:, :, 5:] -= 0.1
    assert not torch.allclose(wider(x)[:, 0], network(x)[:, 0], atol=1e-3)
    assert torch.allclose(wider(x)[:, 1], network(x)[:, 1], atol=1e-12)

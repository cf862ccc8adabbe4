"""Networks for equations: hidden grids that follow the activations."""

import torch

from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.network import network_for
from edgewise.pde.spaces.networks import fields_of

DOMAIN = Interval(-1, 3) * Time(0, 2)
HEAT = PDE(lambda u: u.t - u.xx, DOMAIN, [Dirichlet(0.0), Initial(0.0)], points=100)


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

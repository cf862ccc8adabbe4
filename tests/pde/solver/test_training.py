"""One training: little damping leaves nothing smooth behind."""

import math

import torch

from edgewise.pde.domains.domain import Interval
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.solver.training import linear_method, train_network
from edgewise.train import LevenbergMarquardt


def test_little_damping_leaves_nothing_smooth_behind():
    """On a fine grid J'J sees smooth errors so little that more damping leaves some of them after two steps."""
    problem = PDE(lambda u: u.xx + 20 * u, Interval(0, 1), [Dirichlet(lambda x: torch.cos(math.sqrt(20) * x))])
    errors = []
    for method in (LevenbergMarquardt(damping=1e-6, acceleration=False), linear_method(1000)):
        network = tensor_network(problem, 200, 5)
        sampled = problem.resampled(1, mesh=Mesh(problem.domain, network.layers[0].breakpoints))
        train_network(network, sampled, method, steps=2)
        x = problem.domain.interior(100)
        errors.append(float((network(x)[:, 0] - torch.cos(math.sqrt(20) * x[:, 0])).detach().abs().max()))
    assert errors[1] < 1e-8 and errors[1] < errors[0] / 10

"""One training: linear equations in a few steps, other methods, Ctrl-C, and losses that are not numbers."""

import math

import pytest
import torch

from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.network import count_parameters, tensor_network
from edgewise.pde.solver.training import Patience, linear_method, train_network
from edgewise.train import LevenbergMarquardt


def decay(factor=1.0):
    problem = PDE(lambda u: u.t + factor * u, Time(0, 1), [Initial(1.0)], points=16)
    network = tensor_network(problem, 10, 5)
    return network, problem.resampled(1, mesh=Mesh(problem.domain, network.layers[0].breakpoints))


def test_a_linear_equation_takes_few_steps():
    network, problem = decay()
    report = train_network(network, problem, linear_method(100))
    assert report.steps <= 8
    end = network(torch.ones(1, 1, dtype=torch.float64))
    assert float(end.detach()) == pytest.approx(math.exp(-1), rel=1e-8)
    assert count_parameters(network) == 15
    method = LevenbergMarquardt(damping=1e-6)
    patient, hasty = (
        train_network(*decay(30.0), method, patience=each) for each in (Patience.patient(), Patience.hasty())
    )
    assert hasty.steps < patient.steps and hasty.loss < 2 * patient.loss


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


def test_a_loss_that_is_no_number_is_infinite():
    network, problem = decay()
    with torch.no_grad():
        network.layers[0].coef.fill_(math.nan)
    assert train_network(network, problem, linear_method(100)).loss == math.inf

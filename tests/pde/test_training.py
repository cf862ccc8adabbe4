"""One training: linear equations in a few steps, other methods to their end, Ctrl-C, losses that are no numbers."""

import math

import pytest
import torch

from edgewise import LBFGS
from edgewise.pde.conditions import Initial
from edgewise.pde.domain import Time
from edgewise.pde.equation import PDE
from edgewise.pde.mesh import Mesh
from edgewise.pde.network import tensor_network
from edgewise.pde.training import SLOW_STEPS, SLOW_STEPS_LINEAR, count, linear_method, trained


def decay(factor=1.0):
    problem = PDE(lambda u: u.t + factor * u, Time(0, 1), [Initial(1.0)], points=16)
    network = tensor_network(problem, 10, 5)
    return network, problem.resampled(1, mesh=Mesh(problem.domain, network.layers[0].breakpoints))


def test_a_linear_equation_takes_few_steps():
    network, problem = decay()
    report = trained(network, problem, linear_method(100))
    assert report.steps <= 8
    end = network(torch.ones(1, 1, dtype=torch.float64))
    assert float(end.detach()) == pytest.approx(math.exp(-1), rel=1e-8)
    assert count(network) == 15
    patient, hasty = (
        trained(*decay(30.0), linear_method(100), slow_steps=most) for most in (SLOW_STEPS, SLOW_STEPS_LINEAR)
    )
    assert hasty.steps < patient.steps and hasty.loss < 1.05 * patient.loss


def test_other_methods():
    network, problem = decay()
    assert trained(network, problem, LBFGS(), 5).steps <= 5


def test_an_interrupt_goes_on(monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    network, problem = decay()
    monkeypatch.setattr("edgewise.train.levenberg_marquardt.LevenbergMarquardtRun.step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(network, problem, linear_method(100))


def test_a_loss_that_is_no_number_is_infinite():
    network, problem = decay()
    with torch.no_grad():
        network.layers[0].coef.fill_(math.nan)
    assert trained(network, problem, linear_method(100)).loss == math.inf

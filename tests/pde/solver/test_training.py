"""One training: linear equations in a few steps, other methods, Ctrl-C, and losses that are not numbers."""

import math
import subprocess
import sys

import pytest
import torch

from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.network import count_parameters, tensor_network
from edgewise.pde.solver.training import Patience, linear_method, train_network
from edgewise.train import LBFGS, LevenbergMarquardt


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


def test_other_methods():
    network, problem = decay()
    assert train_network(network, problem, LBFGS(), 5).steps <= 5


def test_an_interrupt_goes_on(monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    network, problem = decay()
    monkeypatch.setattr("edgewise.train.methods.levenberg_marquardt.LevenbergMarquardtRun.step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_network(network, problem, linear_method(100))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_points():
    """A step on a million points, in a process of its own, whose largest size counts."""
    script = (
        "import resource\n"
        "from edgewise import fit\n"
        "from edgewise.train import LevenbergMarquardt\n"
        "from edgewise.pde import PDE, Box, Dirichlet\n"
        "from edgewise.pde.solver.network import network_for\n"
        "square = Box(x=(-1, 1), y=(-1, 1))\n"
        "problem = PDE(lambda u: u.xx + u.yy - 1, square, [Dirichlet(0.0)]).resampled(1_000_000)\n"
        "fit(network_for(problem, (2,), 4, 5, 0), problem, LevenbergMarquardt(acceleration=False), steps=1)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 4  # GiB, where the system counts in KiB


def test_a_loss_that_is_no_number_is_infinite():
    network, problem = decay()
    with torch.no_grad():
        network.layers[0].coef.fill_(math.nan)
    assert train_network(network, problem, linear_method(100)).loss == math.inf

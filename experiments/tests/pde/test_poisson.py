"""The poster's Poisson problem: the paper's loss, the meter's errors, a quick run, the summary of stored rows."""

import math

import pytest
import torch

from edgewise.pde.solver.network import tensor_network
from edgewise_experiments.pde.poisson import Meter, paper_problem
from edgewise_experiments.problems.named_equations import poisson_solution, poisson_source


def test_the_loss_is_the_papers():
    problem = paper_problem(0, interior=300, boundary=80)
    network = tensor_network(problem, 5, 5)  # zero, so that residuals are the source and the boundary values
    inside, boundary = problem.blocks()
    assert (len(inside.data), len(boundary.data)) == (300, 80)
    with torch.no_grad():
        found = float(inside.loss(network, inside.data, {}))
    expected = 0.01 * float(poisson_source(*inside.data.x.unbind(1)).square().mean())
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_meter_measures_means_over_the_domain():
    problem = paper_problem(0, interior=100, boundary=20)
    meter = Meter(problem)
    zero = tensor_network(problem, 5, 5)
    l2, h1 = meter(zero)
    x = torch.rand(400_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    assert l2 == pytest.approx(float(poisson_solution(*x.unbind(1)).square().mean()), rel=0.01)
    slopes = math.pi * torch.stack(
        [
            torch.cos(math.pi * x[:, 0]) * torch.sin(math.pi * x[:, 1] ** 2),
            2 * x[:, 1] * torch.sin(math.pi * x[:, 0]) * torch.cos(math.pi * x[:, 1] ** 2),
        ]
    )
    assert h1 == pytest.approx(l2 + float(slopes.square().sum(0).mean()), rel=0.01)

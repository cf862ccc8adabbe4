"""The poster's Poisson problem: the paper's loss, the meter's errors, a quick run, the summary of stored rows."""

import math

import pytest
import torch

from edgewise.pde.solver.network import tensor_network
from edgewise_experiments.pde.poisson import Meter, paper_problem, sizes_and_errors, summary
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


def made(model, hidden, size, l2, dynamics=(), seed=0):
    numbers = {"parameters": size, "l2_squared": l2, "h1_squared": 10 * l2, "seconds": 9.0, "cpu_seconds": 8.0}
    return {"model": model, "hidden": hidden, "seed": seed, **numbers, "dynamics": list(dynamics)}


def test_summary():
    rows = [
        made("KAN", [5], 400, 1e-10, [[10, 100, 1e-3, 1e-2], [20, 100, 1e-4, 1e-3], [30, 400, 1e-9, 1e-8]]),
        made("MLP", [10, 10], 100, 1e-4),
        made("MLP", [20, 20], 1000, 1e-6),
    ]
    assert sizes_and_errors(rows, "KAN") == [(100, 1e-4, 1e-3), (400, 1e-10, 1e-9)]
    outcome = summary(rows)
    assert outcome.tables[1].rows[0] == ("KAN [2,5,1]", "400", *["1.0e-10"] * 2, *["1.0e-09"] * 2, "1", "8")
    numbers = outcome.key_figures
    assert numbers["lowest errors, KAN"] == "KAN [2,5,1] with 400 parameters, squared L2 1.0e-10, squared H1 1.0e-09"
    assert (numbers["slope of the KAN [2,5,1]"], numbers["slope of the MLPs"]) == ("-10.0", "-2.0")
    more = [made("KAN", [5], 400, 3e-10, seed=1), made("KAN", [5], 400, 2e-10, seed=2), made("pykan", [2], 96, 1e-3)]
    outcome = summary([*rows, *more])
    assert outcome.tables[1].rows[0][1:7] == ("400", "2.0e-10", "3.0e-10", "2.0e-09", "3.0e-09", "3")
    assert outcome.tables[1].rows[-1][0] == "pykan [2,2,1]"
    assert sizes_and_errors([*rows, *more], "KAN")[-1] == (400, 2e-10, 2e-9)
    assert summary([]).tables == ()

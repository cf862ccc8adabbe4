"""Starts of several shapes: the right one is found, with the reason."""

import math
from dataclasses import replace

import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.outcomes import Budget
from edgewise.search import starts as starts_module
from edgewise.search.starts import (
    Start,
    StartPlan,
    _choose_shape,
    _grouped_start,
    best_start,
    edge_count,
    half_grids,
    input_groups,
    shapes_for,
    step_work,
    train_start,
)
from edgewise.train.problems import Regression


def unlimited(stages=None):
    """A budget that no test exceeds; `stages` collects the reported stages."""
    return Budget(work=1e12, report=None if stages is None else lambda at: stages.append(at.stage))


def problem(function, samples=500, features=2):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(samples, features, generator=generator, dtype=torch.float64) - 1
    y = function(x)
    return Regression(x, (y - y.mean()) / y.std(), validation=0.1)


@pytest.mark.slow
def test_the_shape_of_the_function_wins_over_an_additive_one():
    data = problem(lambda x: torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2))
    stages = []
    budget = unlimited(stages)
    start, sentences = best_start(data, [(2, 1), (2, 1, 1)], StartPlan(degree=5, starts=3), budget)
    assert start.width == (2, 1, 1)
    assert start.loss < 1e-8
    assert "[2, 1, 1] is taken" in sentences[-1]
    assert "best of 2 starts" in sentences[1]
    assert budget.work > 0
    assert stages


def test_a_shape_of_quadratic_splines_that_is_exact_ends_the_choice():
    data = problem(lambda x: (x[:, 0] + x[:, 1] ** 2) ** 2, samples=150)
    budget = Budget(work=1e11)
    start, sentences = best_start(data, [(2, 1), (2, 1, 1)], StartPlan(), budget)
    assert start.width == (2, 1, 1) and start.model.config.degree == 2 and start.loss < 1e-20
    assert sentences[0].startswith("[2, 1], one start: held-out error 0.")
    assert sentences[1:] == ["[2, 1, 1] with splines of degree 2 is exact."]
    assert 0 < budget.work < budget.limit


def test_shapes_are_in_order_and_grids_are_halved():
    assert shapes_for(3, 2) == [(3, *hidden, 2) for hidden in ((), (1,), (2,), (3, 1), (3, 2), (4, 3), (7, 4))]
    assert shapes_for(1, 1) == [(1, 1), (1, 2, 1), (1, 3, 2, 1)]
    assert [edge_count(width) for width in ((2, 1), (3, 4, 2))] == [2, 20]
    model = KAN([2, 2, 1], (3, 4), dtype=torch.float64)
    finer, x = half_grids(model), problem(lambda x: x[:, 0]).train.x
    assert finer.config.grid_size == (6, 8) and torch.allclose(finer(x), model(x), atol=1e-12)


def test_nodes_of_groups_begin_where_their_own_networks_end(monkeypatch):
    few = replace(starts_module.SETTINGS, group_starts=2, group_rounds=1, stages=((10, 0.3),), coarse_steps=15)
    monkeypatch.setattr(starts_module, "SETTINGS", few)
    data = problem(lambda x: torch.sin(2 * x[:, 0] * x[:, 2]) + x[:, 1], samples=100, features=3)
    best = Start(0, KAN([3, 2, 1], 4, 2, base="zero", seed=0, dtype=torch.float64), loss=1.0)
    budget = unlimited()
    start = _grouped_start(data, data, best, StartPlan(degree=2), budget)
    first = start.model.layers[0]
    assert sorted(first.mask.mT.tolist()) == [[0, 1, 0], [1, 0, 1]] and budget.work > 0
    with torch.no_grad():
        error = (start.model(data.validation.x) - data.validation.y).square().mean()
    assert float(error) < 0.2
    assert _grouped_start(data, data, best, StartPlan(degree=2), Budget(work=1.0)) is None
    resolved = Start(0, best.model, loss=1e-9)
    assert _grouped_start(data, data, resolved, StartPlan(degree=2), budget) is None


def test_training_a_start_lowers_its_held_out_loss():
    data = problem(lambda x: x[:, 0] + x[:, 1], samples=100)
    budget = unlimited()
    start = Start(0, KAN([2, 1], 4, base="zero", dtype=torch.float64))
    start = train_start(start, data, budget, steps=5, tolerance=1e-6)
    assert 0 <= start.loss < 1e-15
    assert start.report.steps >= 1
    assert budget.work == start.report.steps * step_work(data, start.model)


def test_a_choice_between_shapes_that_the_budget_does_not_pay_takes_the_better_loss():
    data = problem(lambda x: x[:, 0] + x[:, 1], samples=100)
    starts = [
        Start(0, KAN(shape, 4, dtype=torch.float64), loss=loss) for shape, loss in (((2, 1, 1), 2.0), ((2, 1), 1.0))
    ]
    budget = Budget(work=50 * step_work(data, starts[1].model))
    assert _choose_shape(data, starts, budget)[0] is starts[1] and budget.work == 0


def test_inputs_that_act_together_share_a_group():
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(1000, 4, generator=generator, dtype=torch.float64) - 1
    data = Regression(x, torch.stack([x[:, 0] * x[:, 3], x[:, 1] + torch.cos(3 * x[:, 1] * x[:, 2])], 1))
    assert input_groups(data, 2).tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert input_groups(data, 4).tolist() == torch.eye(4).tolist()

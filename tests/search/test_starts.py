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
    best_start,
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


def test_shapes_go_from_additive_to_two_hidden_layers():
    for inputs in (1, 2, 3, 6):
        shapes = shapes_for(inputs, 1)
        assert shapes[0] == (inputs, 1)
        assert len(shapes[-1]) == 4
        assert all((shape[0], shape[-1]) == (inputs, 1) for shape in shapes)
        assert len(set(shapes)) == len(shapes)


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


@pytest.mark.slow
def test_a_function_that_needs_no_hidden_layer_gets_none():
    data = problem(lambda x: torch.sin(2 * x[:, 0]) + x[:, 1] ** 3)
    start, _ = best_start(data, [(2, 1), (2, 1, 1)], StartPlan(degree=5, starts=2), unlimited())
    assert start.width == (2, 1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_start_and_another_seed_another():
    data = problem(lambda x: x[:, 0] * x[:, 1], samples=200)
    first, second, third = (
        best_start(data, [(2, 2, 1)], StartPlan(3, starts=2, seed=seed), unlimited())[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first.model.layers[0].coef, second.model.layers[0].coef)
    assert not torch.equal(first.model.layers[0].coef, third.model.layers[0].coef)


def test_every_start_is_another_one():
    data = problem(lambda x: x[:, 0] * x[:, 1], samples=50)
    starts = [starts_module._initial_start((2, 2, 1), 3, StartPlan(), 2 * number, data).model for number in range(4)]
    weights = torch.stack([model.layers[0].coef.detach() for model in starts])
    assert len(weights.flatten(1).unique(dim=0)) == 4


@pytest.mark.slow
def test_a_shape_that_was_given_is_not_proved():
    """No halving before there is anything to choose."""
    stages = []
    data = problem(lambda x: torch.exp(x[:, 0] + x[:, 1] ** 2))
    start, sentences = best_start(data, [(2, 1, 1)], StartPlan(5, starts=1), unlimited(stages))
    assert set(stages) == {"starts of [2, 1, 1]"} and len(sentences) == 1
    assert start.model.config.grid_size == (4, 4)


def test_work_grows_with_samples_and_grid():
    few, many = problem(lambda x: x[:, 0], 100), problem(lambda x: x[:, 0], 1000)
    coarse, fine = (KAN([2, 5, 1], grid, dtype=torch.float64) for grid in (4, 32))
    assert step_work(few, coarse) < step_work(many, coarse) < step_work(many, fine)


def test_training_a_start_lowers_its_held_out_loss():
    data = problem(lambda x: x[:, 0] + x[:, 1], samples=100)
    start = train_start(Start(0, KAN([2, 1], 4, base="zero", dtype=torch.float64)), data, steps=5, tolerance=1e-6)
    assert 0 <= start.loss < 1e-15
    assert start.report.steps >= 1


def pairs_of_waves(x):
    return torch.exp(sum(torch.sin(math.pi * (x[:, i] ** 2 + x[:, i + 1])) for i in (0, 2)) / 2)


def test_inputs_that_act_together_share_a_group():
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(1000, 4, generator=generator, dtype=torch.float64) - 1
    data = Regression(x, torch.stack([x[:, 0] * x[:, 3], x[:, 1] + torch.cos(3 * x[:, 1] * x[:, 2])], 1))
    assert input_groups(data, 2).tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert input_groups(data, 4).tolist() == torch.eye(4).tolist()


@pytest.mark.slow
def test_groups_fitted_one_after_the_other_start_near_the_minimum(monkeypatch):
    monkeypatch.setattr(starts_module, "SETTINGS", replace(starts_module.SETTINGS, group_rounds=1))
    data = problem(pairs_of_waves, 1000, 4)
    poor = replace(Start(0, KAN([4, 2, 1, 1], 4, 3, base="zero", domain=(-1, 1), dtype=torch.float64)), loss=1.0)
    plan = StartPlan(degree=3, domain=(-1, 1))
    start = starts_module._grouped_start(data, data, poor, plan, unlimited())
    assert start.model.layers[0].mask.sum(1).tolist() == [1.0] * 4
    with torch.no_grad():
        left = (start.model(data.train.x) - data.train.y).square().mean() / data.train.y.square().mean()
    assert left < 0.3  # a sum of groups cannot be the exponential of one
    trained = train_start(start, data, steps=60, tolerance=1e-3)
    assert trained.loss < 1e-3
    assert starts_module._grouped_start(data, data, replace(poor, loss=1e-6), plan, unlimited()) is None

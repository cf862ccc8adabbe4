"""Tests of edgewise.train.smoothing.smooth_fit: noisy functions are smoothed without anybody saying how much."""

import copy
import itertools

import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.train import smoothing
from edgewise.train.jacobian.linearised import linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.penalties import EdgePenalty
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import TRIAL_PLAN, SmoothPlan, gcv_of, penalty_of, short_fit, smooth_fit

# An additive model is linear in its parameters, so that each of its fits takes a step or two.
ADDITIVE_PLAN = SmoothPlan(first=2, settle=0, between=2, updates=10, last=3)


def noisy(function, rows=200, noise=0.1):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    exact = function(x)
    return Regression(x, exact + noise * torch.randn(rows, 1, generator=generator, dtype=torch.float64)), exact


def additive(x):
    return torch.sin(3 * x[:, :1]) + x[:, 1:] ** 2


def product(x):
    return 3 * x[:, :1] * x[:, 1:]


def kan(width, grid_size=4):
    return KAN(width, grid_size, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "width", "plan"), [(additive, (2, 1), ADDITIVE_PLAN), (product, (2, 2, 1), TRIAL_PLAN)]
)
def test_the_error_against_the_function_is_a_fraction_of_the_noise(function, width, plan):
    """A twelfth of the rows as degrees of freedom leave a quarter of the noise, here 0.025."""
    problem, exact = noisy(function)
    model = kan(width)
    report = smooth_fit(model, problem, plan)
    wrong = float((model(problem.train.x).detach() - exact).square().mean().sqrt())
    found = linearise(model, problem.train, penalty_of(report))
    assert wrong < 0.035 and found.effective < 24
    assert gcv_of(model, problem, report) == pytest.approx(found.gcv(1.4))
    assert report.plan["penalty"]["name"] == "EdgePenalty"


@pytest.mark.slow
def test_a_finer_grid_is_smoothed_as_well():
    problem, exact = noisy(additive)
    model = kan((2, 1), 32)
    smooth_fit(model, problem, ADDITIVE_PLAN)
    assert float((model(problem.train.x).detach() - exact).square().mean().sqrt()) < 0.04


@pytest.mark.slow
def test_the_factor_is_kept_only_where_gcv_falls(monkeypatch):
    problem, _ = noisy(additive, 100)
    found = {}
    for factors in ((), (1e6,)):
        monkeypatch.setattr(smoothing, "FACTORS", factors)
        model = kan((2, 1))
        report = smooth_fit(model, problem, ADDITIVE_PLAN)
        found[factors] = [*model.layers[0].coef.flatten().tolist(), gcv_of(model, problem, report)]
    assert found[()] == found[1e6,]


@pytest.mark.slow
def test_progress_rises_to_one_and_an_interruption_ends_it():
    problem, _ = noisy(product, 60)
    seen = []
    plan = SmoothPlan(first=2, settle=1, between=1, updates=2, last=2)
    smooth_fit(kan((2, 2, 1)), problem, plan, progress=lambda at: seen.append(at.share))
    assert all(before <= after for before, after in itertools.pairwise(seen)) and 0.5 < seen[-1] <= 1

    def stop(at):
        if at.share > 0.4:
            raise KeyboardInterrupt

    kept, raised = kan((2, 2, 1)), kan((2, 2, 1))
    assert smooth_fit(kept, problem, plan, progress=stop, on_interrupt="keep").stopped == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        smooth_fit(raised, problem, plan, progress=stop)
    assert all(torch.equal(kept.state_dict()[name], value) for name, value in raised.state_dict().items())


def test_an_interruption_while_domains_move_leaves_the_model_of_the_last_fit():
    problem, _ = noisy(product, 60)
    plan = SmoothPlan(first=2, settle=1, between=1, updates=2, last=2)
    states = []

    def move_half(model, problem):
        states.append(copy.deepcopy(model.state_dict()))
        with torch.no_grad():
            model.layers[0].coef.zero_()
        raise KeyboardInterrupt

    model = kan((2, 2, 1))
    report = smooth_fit(model, problem, plan, adapt=move_half, on_interrupt="keep")
    assert report.stopped == "interrupted" and report.steps == 2
    assert all(torch.equal(states[0][name], value) for name, value in model.state_dict().items())
    with pytest.raises(KeyboardInterrupt):
        smooth_fit(kan((2, 2, 1)), problem, plan, adapt=move_half)


@pytest.mark.slow
def test_domains_move_at_the_planned_updates():
    problem, _ = noisy(product, 60)
    calls = []
    plan = SmoothPlan(first=1, settle=1, between=1, updates=3, last=1)
    smooth_fit(kan((2, 2, 1)), problem, plan, adapt=lambda model, problem: calls.append(1))
    assert len(calls) == 2


def test_other_fits_have_no_such_penalty():
    problem, _ = noisy(additive, 40)
    assert penalty_of(fit(kan((2, 1)), problem, steps=1)) is None
    assert isinstance(penalty_of(short_fit(kan((2, 1)), problem, 1)), EdgePenalty)

"""Adam against torch.optim in a loop of its own."""

import math

import pytest
import torch

from edgewise.nn.mlp import MLP
from edgewise.train.methods.base import Adam
from edgewise.train.objective import Objective
from edgewise.train.problems import Regression

G = torch.Generator().manual_seed(0)
X = torch.rand(30, 2, generator=G, dtype=torch.float64)
PROBLEM = Regression(X, X.sin().sum(1))


@pytest.mark.parametrize("schedule", ["cosine", None])
def test_adam_does_what_torch_does(schedule):
    ours, theirs = MLP([2, 4, 1], dtype=torch.float64), MLP([2, 4, 1], dtype=torch.float64)
    run = Adam(lr=0.05, weight_decay=0.01, schedule=schedule).start(Objective(ours, PROBLEM), steps=8)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.05, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8) if schedule else None
    for _ in range(8):
        result = run.step(PROBLEM.train)
        optimizer.zero_grad()
        (theirs(X) - PROBLEM.train.y).square().mean().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)
    assert result.evaluation.loss == Objective(ours, PROBLEM).loss(PROBLEM.train)  # of the model after the step


def test_a_minibatch_reports_the_loss_before_the_step():
    model = MLP([2, 4, 1], dtype=torch.float64)
    batch = PROBLEM.train.select(slice(0, 5))
    objective = Objective(model, PROBLEM)
    before = objective.loss(batch)
    assert Adam().start(objective, steps=1).step(batch).evaluation.loss == before


def test_a_nonfinite_loss_moves_nothing():
    model = MLP([2, 4, 1], dtype=torch.float64)
    with torch.no_grad():
        model.layers[1].weight[0] = math.inf
    before = [p.detach().clone() for p in model.parameters()]
    result = Adam().start(Objective(model, PROBLEM), steps=1).step(PROBLEM.train)
    assert not result.evaluation.is_finite
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))

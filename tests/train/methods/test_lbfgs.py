"""L-BFGS: quadratics, Rosenbrock, small losses, and losses that are not numbers."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from edgewise.nn.model import KAN
from edgewise.train.methods.quasi_newton import LBFGS, CurvaturePairs
from edgewise.train.objective import Objective
from edgewise.train.problems import Regression


class Rosenbrock(nn.Module):
    """Two outputs whose squares sum to twice Rosenbrock's function of the two parameters."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.point = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=dtype))

    def forward(self, x):
        a, b = self.point
        return torch.stack([10 * (b - a**2), 1 - a])[None].expand(len(x), 2)


def ones(rows=1, outputs=2, dtype=torch.float64):
    return Regression(torch.ones(rows, 1, dtype=dtype), torch.zeros(rows, outputs, dtype=dtype))


def test_rosenbrock_is_solved_without_raising_the_loss():
    model, problem = Rosenbrock(), ones()
    run = LBFGS().start(Objective(model, problem), steps=100)
    losses = []
    for _ in range(100):
        result = run.step(problem.train)
        losses.append(result.evaluation.loss)
        if result.stopped:
            break
    assert len(losses) < 60
    assert all(b <= a for a, b in pairwise(losses))
    assert torch.allclose(model.point, torch.ones(2, dtype=torch.float64), atol=1e-8)


def test_small_losses_do_not_stall():
    # torch.optim.LBFGS ends this one at 1e-13: it drops curvature pairs with y's < 1e-10.
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    model = KAN([1, 1], 10, domain=(-1, 1), dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e-4)
    problem = Regression(x, 1e-4 * torch.sin(3 * x))
    run = LBFGS().start(Objective(model, problem), steps=200)
    for _ in range(200):
        result = run.step(problem.train)
        if result.stopped:
            break
    assert result.evaluation.loss < 1e-16


class Root(nn.Module):
    """sqrt(parameter): not a number left of 0, where a long step leads."""

    def __init__(self):
        super().__init__()
        self.point = nn.Parameter(torch.tensor(0.01, dtype=torch.float64))

    def forward(self, x):
        return self.point.sqrt().expand(len(x), 1) + 1


def test_a_trial_that_is_not_a_number_shortens_the_step():
    model, problem = Root(), ones(outputs=1)
    start = Objective(model, problem).loss(problem.train)
    run = LBFGS().start(Objective(model, problem), steps=5)
    for _ in range(5):
        result = run.step(problem.train)
    assert 0 <= float(model.point.detach()) < 0.01
    assert result.evaluation.loss < start


def test_a_start_that_is_not_a_number_is_reported():
    model, problem = Root(), ones(outputs=1)
    with torch.no_grad():
        model.point.fill_(-1)
    result = LBFGS().start(Objective(model, problem), steps=1).step(problem.train)
    assert not result.evaluation.is_finite
    assert float(model.point.detach()) == -1


@pytest.mark.parametrize("has_metric", [False, True])
def test_the_direction_of_pairs_is_that_of_the_dense_inverse_hessian(has_metric):
    """The witness: the updates of BFGS, from a metric or from the scale of the last pair."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    identity = torch.eye(4, dtype=torch.float64)
    hessian = root @ root.T + identity
    metric = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    moves = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    gradient = torch.randn(4, generator=generator, dtype=torch.float64)
    memory = CurvaturePairs(10, (lambda slope: metric @ slope) if has_metric else None)
    assert memory.is_empty != has_metric
    last = hessian @ moves[-1]
    dense = metric if has_metric else identity * (moves[-1] @ last) / (last @ last)
    for move in moves:
        change = hessian @ move
        memory.remember(move, change, 0.0)
        remaining = identity - torch.outer(move, change) / (move @ change)
        dense = remaining @ dense @ remaining.T + torch.outer(move, move) / (move @ change)
    torch.testing.assert_close(memory.direction(gradient), -dense @ gradient)

"""Levenberg-Marquardt against scipy, and on problems that are degenerate on purpose."""

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.objective import Objective
from edgewise.train.parameters import flattened, write_
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems import Classification, Regression


def samples(n=80, columns=2, seed=0, dtype=torch.float64):
    return 2 * torch.rand(n, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 1


def target(x):
    return torch.exp(torch.sin(math.pi * x[:, :1]) + x[:, 1:2] ** 2)


def run_of(model, problem, penalty=None, **settings):
    return LevenbergMarquardt(**settings).start(Objective(model, problem, penalty), steps=100)


def test_reaches_the_minimum_that_scipy_finds():
    x = samples()
    noise = torch.randn(80, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = Regression(x, target(x) + 0.1 * noise)
    model = MLP([2, 2, 1], activation="tanh", seed=2, dtype=torch.float64)
    twin = copy.deepcopy(model)
    fit(model, problem, LevenbergMarquardt(), steps=300, tolerance=1e-12)

    def residuals(vector):
        write_(list(twin.parameters()), torch.from_numpy(vector))
        with torch.no_grad():
            return ((twin(x) - problem.train.y) / 80**0.5).numpy().ravel()

    scipy = least_squares(residuals, flattened(model.parameters()).numpy(), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    ours = Objective(model, problem).loss(problem.train)
    assert ours == pytest.approx(2 * scipy.cost, rel=1e-7)  # scipy, started here, finds nothing better


def test_a_linear_problem_is_solved_like_lstsq():
    x = samples(200, 1)
    y = torch.sin(4 * x)
    model = KAN([1, 1], 8, base="zero", domain=(-1, 1), dtype=torch.float64)
    fit(model, Regression(x, y), LevenbergMarquardt(), steps=60, tolerance=0.0)
    matrix = basis(x, model.layers[0].knots, 3)[:, 0].numpy()
    best = np.linalg.lstsq(matrix, y.numpy()[:, 0], rcond=None)[0]
    assert np.abs(model.layers[0].coef.detach().numpy()[0, :, 0] - best).max() < 1e-7


@pytest.mark.parametrize("penalty", [Ridge(1e-2), Roughness(1e-3), Ridge(1e-2) + Roughness(1e-3)], ids=str)
def test_quadratic_penalties_are_exact(penalty):
    """A problem linear in the parameters with a quadratic penalty: undamped, one step must reach the minimum."""
    x = samples(100, 1)
    model = KAN([1, 1], 6, domain=(-1, 1), dtype=torch.float64)
    problem = Regression(x, torch.sin(4 * x))
    run = run_of(model, problem, penalty, damping=1e-13)
    run.step(problem.train)
    objective = Objective(model, problem, penalty)
    objective.backward(problem.train)
    assert all(float(p.grad.abs().max()) < 1e-10 for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [None, Sparsity(1e-2), Sparsity(1e-3) + Roughness(1e-5) + Ridge(1e-5)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_step_raises_the_objective(penalty, dtype):
    x = samples(dtype=dtype)
    model = KAN([2, 3, 1], 4, dtype=dtype)
    report = fit(model, Regression(x, target(x)), LevenbergMarquardt(), steps=25, penalty=penalty)
    totals = [record.loss + record.penalty for record in report.history]
    assert len(totals) > 5
    assert all(b < a for a, b in pairwise(totals))
    assert totals[-1] < 0.1 * totals[0]
    assert {p.dtype for p in model.parameters()} == {dtype}


def test_the_reported_loss_is_that_of_the_rounded_parameters():
    x = samples(dtype=torch.float32)
    model, problem = KAN([2, 3, 1], 4, dtype=torch.float32), Regression(x, target(x))
    report = fit(model, problem, LevenbergMarquardt(), steps=10)
    exact = Objective(model.double(), problem.to(torch.float64)).loss(problem.train.to(torch.float64))
    assert report.loss == pytest.approx(exact, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", [LevenbergMarquardt(), LevenbergMarquardt(factorised=10)], ids=["direct", "free"])
def test_cross_entropy(method):
    """Rings that no line parts: nothing but certainty is left to learn."""
    x = samples(200)
    labels = (x.square().sum(1) > 0.5).long() + (x.square().sum(1) > 1.0).long()
    model = KAN([2, 2, 3], 4, dtype=torch.float64)
    report = fit(model, Classification(x, labels), method, steps=30, penalty=Ridge(1e-5))
    totals = [record.loss + record.penalty for record in report.history]
    assert all(b < a for a, b in pairwise(totals))
    assert report.metric == ("accuracy", 1.0)
    assert report.loss < 0.02


def test_a_step_below_the_least_gain_ends_the_training():
    x = samples(200, 1)
    problem = Regression(x, torch.sin(4 * x))
    model = KAN([1, 1], 8, base="zero", domain=(-1, 1), dtype=torch.float64)
    run = run_of(model, problem, damping=0.1, least_gain=0.5)
    results = [run.step(problem.train)]
    while results[-1].stopped is None:
        results.append(run.step(problem.train))
    assert "least gain" in results[-1].message
    losses = [each.evaluation.total for each in results]
    assert losses[0] > 2 * losses[1]  # it goes on while steps gain more


DEGENERATE = {
    "duplicates": lambda: (samples(1).expand(30, 2), torch.ones(30, 1, dtype=torch.float64)),
    "few samples": lambda: (samples(3), target(samples(3))),
    "one sample": lambda: (samples(1), target(samples(1))),
    "constant target": lambda: (samples(50), torch.full((50, 1), 3.0, dtype=torch.float64)),
    "zero target": lambda: (samples(50), torch.zeros(50, 1, dtype=torch.float64)),
    "constant column": lambda: (samples(50) * torch.tensor([0.0, 1.0]), target(samples(50))),
    "huge target": lambda: (samples(50), 1e150 * target(samples(50))),
    "tiny target": lambda: (samples(50), 1e-150 * target(samples(50))),
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_problems_end_cleanly(kind):
    x, y = DEGENERATE[kind]()
    model = KAN([2, 3, 1], 4, dtype=torch.float64)
    report = fit(model, Regression(x, y), LevenbergMarquardt(), steps=30)
    assert report.stopped in ("converged", "max_steps", "no_progress")
    assert report.message.endswith(".")
    assert report.loss <= report.history[0].loss
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    if kind in ("few samples", "one sample", "duplicates"):
        assert report.loss < 1e-12

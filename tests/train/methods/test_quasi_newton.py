"""SSBroyden against scipy's BFGS, textbook formulas, exact line searches, and losses that are not numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.quasi_newton import SSBroyden, scaling, update_
from edgewise.train.objective import Objective
from edgewise.train.parameters import write_
from edgewise.train.penalties import Ridge
from edgewise.train.problems import Classification, Regression


def vectors(count, n=6, seed=0):
    return torch.randn(count, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(n=6, seed=1, condition=1e3):
    q = torch.linalg.qr(vectors(n, n, seed))[0]
    return q @ torch.diag(torch.logspace(0, math.log10(condition), n, dtype=torch.float64)) @ q.mT


def samples(n=150, columns=2, seed=0, dtype=torch.float64):
    return 2 * torch.rand(n, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 1


def target(x):
    return torch.exp(torch.sin(math.pi * x[:, :1]) + x[:, 1:2] ** 2)


class Chain(nn.Module):
    """Outputs whose squares sum to the extended Rosenbrock function of `n` parameters."""

    def __init__(self, n=8, dtype=torch.float64):
        super().__init__()
        self.point = nn.Parameter(torch.tensor([-1.2, 1.0] * (n // 2), dtype=dtype))

    def forward(self, x):
        a, b = self.point[:-1], self.point[1:]
        return torch.cat([10 * (b - a**2), 1 - a])[None].expand(len(x), -1)


def chain(n=8, dtype=torch.float64):
    return Chain(n, dtype), Regression(torch.ones(1, 1, dtype=dtype), torch.zeros(1, 2 * n - 2, dtype=dtype))


def test_gets_as_deep_as_scipy_with_no_more_steps():
    model, problem = chain()
    objective = Objective(model, problem)

    def value(point):
        write_([model.point], torch.from_numpy(point))
        loss = objective.backward(problem.train).loss
        return loss, model.point.grad.numpy().copy()

    scipy = minimize(value, model.point.detach().numpy().copy(), jac=True, method="BFGS", options={"gtol": 1e-9})
    model, problem = chain()
    report = fit(model, problem, SSBroyden(), steps=scipy.nit + 20, tolerance=0.0)
    assert report.loss <= max(scipy.fun, 1e-20)
    assert torch.allclose(model.point, torch.ones(8, dtype=torch.float64), atol=1e-8)


def naive(inverse, s, y, tau, phi):
    """The formula of the class docstring, written out."""
    hy, ys = inverse @ y, float(y @ s)
    yhy = float(y @ hy)
    v = math.sqrt(yhy) * (s / ys - hy / yhy)
    inside = inverse - torch.outer(hy, hy) / yhy + phi * torch.outer(v, v)
    return inside / tau + torch.outer(s, s) / ys


@pytest.mark.parametrize("first", [False, True])
def test_update_is_the_formula_of_the_paper(first):
    inverse = torch.eye(6, dtype=torch.float64) if first else positive()
    for s, y in zip(vectors(40, seed=2), vectors(40, seed=3), strict=True):
        if float(s @ y) <= 0:
            continue
        bend = float(s @ torch.linalg.solve(inverse, s))
        b, h = bend / float(y @ s), float(y @ inverse @ y) / float(y @ s)
        tau, phi = scaling(b, h, 6, is_first=first)
        expected, found = naive(inverse, s, y, tau, phi), inverse.clone()
        assert update_(found, s, y, bend, is_first=first)
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
        assert torch.allclose(found @ y, s, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))  # the secant equation
        assert float(torch.linalg.eigvalsh(found)[0]) > 0


def published(b, h, n):
    """tau and phi by Al-Baali and Khalfan as Kiyani et al. print them, one line per symbol, numpy."""
    a = b * h - 1
    c = np.sqrt(a / (1 + a))
    rho = min(1, h * (1 - c))
    theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
    sigma = 1 + a * theta
    tau1 = min(1, 1 / b)
    tau = tau1 * min(sigma ** (1 / (1 - n)), 1 / theta) if theta > 0 else min(tau1 * sigma ** (1 / (1 - n)), sigma)
    return tau, (1 - theta) / (1 + a * theta)


@pytest.mark.parametrize("b", [1e-4, 0.3, 0.999, 1.5, 40.0, 1e6])
@pytest.mark.parametrize("excess", [1e-6, 0.1, 3.0, 1e5])
def test_scaling_is_the_published_one(b, excess):
    h = (1 + excess) / b
    assert scaling(b, h, 10) == pytest.approx(published(b, h, 10), rel=1e-6)


def test_exact_line_searches_solve_a_quadratic_in_as_many_steps_as_parameters():
    matrix, point = positive(seed=7), vectors(1, seed=8)[0]
    inverse, gradient = torch.eye(6, dtype=torch.float64), matrix @ point
    start = float(gradient.norm())
    for number in range(6):
        direction = -inverse @ gradient
        length = -float(direction @ gradient) / float(direction @ matrix @ direction)
        move = length * direction
        update_(inverse, move, matrix @ move, -length * float(move @ gradient), is_first=number == 0)
        gradient = gradient + matrix @ move
    assert float(gradient.norm()) < 1e-7 * start


def test_update_refuses_a_matrix_that_is_not_positive_definite():
    s = torch.ones(3, dtype=torch.float64)
    assert not update_(-torch.eye(3, dtype=torch.float64), s, s, 1.0)
    assert not update_(torch.eye(3, dtype=torch.float64), s, s, math.nan)


def regression(dtype):
    x = samples(dtype=dtype)
    return Regression(x, target(x))


def classes(dtype):
    x = samples(dtype=dtype)
    return Classification(x, x[:, 0].sign().long() + 1, classes=3)


PROBLEMS = {
    "kan": lambda dtype: (KAN([2, 3, 1], 4, dtype=dtype), regression(dtype)),
    "mlp": lambda dtype: (MLP([2, 8, 1], activation="tanh", dtype=dtype), regression(dtype)),
    "classes": lambda dtype: (MLP([2, 6, 3], dtype=dtype), classes(dtype)),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("penalty", [None, Ridge(1e-4)], ids=str)
@pytest.mark.parametrize("kind", PROBLEMS)
def test_no_step_raises_the_objective(kind, penalty, dtype):
    model, problem = PROBLEMS[kind](dtype)
    report = fit(model, problem, SSBroyden(), steps=60, penalty=penalty, tolerance=0.0)
    totals = [record.loss + record.penalty for record in report.history]
    assert all(b <= a for a, b in pairwise(totals))
    assert totals[-1] < 0.1 * totals[0]
    assert {p.dtype for p in model.parameters()} == {dtype}

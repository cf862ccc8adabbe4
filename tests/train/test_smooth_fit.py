"""Tests of edgewise.train.smoothing.smooth_fit: noisy functions are smoothed without anybody saying how much."""

import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.outcomes import Budget, OutOfTime
from edgewise.train.jacobian.linearised import linearise
from edgewise.train.problems import Regression
from edgewise.train.smoothing import smooth_fit


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


@pytest.mark.parametrize(
    ("function", "width", "rows"),
    [(additive, (2, 1), 200), pytest.param(product, (2, 2, 1), 200, marks=pytest.mark.slow)],
)
def test_the_error_against_the_function_is_a_fraction_of_the_noise(function, width, rows):
    """A twelfth of the rows as degrees of freedom leave a quarter of the noise, here 0.025."""
    problem, exact = noisy(function, rows)
    model = kan(width)
    penalty = smooth_fit(model, problem)
    wrong = float((model(problem.train.x).detach() - exact).square().mean().sqrt())
    assert wrong < 0.035 and linearise(model, problem.train, penalty).effective < 24


def test_the_time_of_the_caller_ends_it():
    problem, _ = noisy(product, 60)
    with Budget(seconds=0.0).holds(), pytest.raises(OutOfTime):
        smooth_fit(kan((2, 2, 1)), problem)

"""A distilled KAN predicts as the original does, in its units, and the report's errors are those on fresh points."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.transform.distillation import distil
from edgewise.nn.mlp import MLP


def test_a_function_on_a_box_in_its_units():
    def function(x):
        return 1e3 * (torch.sin(math.pi * x[:, 0] / 1e4) + (x[:, 1] - 100) ** 2) + 5

    model, report = distil(function, domain=[(0, 1e4), (100, 102)], hidden=(), grid_sizes=(4, 8), samples=200)
    x = torch.rand(500, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x = x * torch.tensor([1e4, 2.0]) + torch.tensor([0.0, 100.0])
    with torch.no_grad():
        error = float((model(x)[:, 0] - function(x)).square().mean().sqrt())
    assert error < 1.0 and error == pytest.approx(report.rmse, rel=0.5)
    assert report.relative_error == pytest.approx(report.rmse / 1000, rel=0.7)
    coarse = distil(function, domain=[(0, 1e4), (100, 102)], hidden=(), grid_sizes=(4,), samples=200)[1]
    assert report.relative_error < coarse.relative_error / 4
    assert report.calls == 200 + 200 + 200 + 200
    assert str(report).startswith(f"A KAN of {report.parameters} parameters")


@pytest.mark.slow
def test_a_network_on_data_whose_columns_are_related():
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 1] = 2 * x[:, 0]
    seen = []
    network = MLP([2, 3, 2], seed=0)

    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network

        def forward(self, x):
            seen.append(x)
            return self.inner(x)

    model, report = distil(Watched(), x, hidden=(2,), grid_sizes=(4,), samples=150)
    assert model.config.width == (2, 2, 2)
    assert report.relative_error < 0.05
    points = torch.cat(seen)
    assert float((points[:, 1] - 2 * points[:, 0]).abs().max()) < 1e-5  # new points keep the relation
    assert not any(p.grad is not None for p in network.parameters())


@pytest.mark.slow
def test_an_object_with_predict_and_flags():
    class Step:
        def predict(self, X):
            assert set(np.unique(X[:, 1])) <= {0.0, 1.0}
            return np.exp(X[:, 0]) * (1 + X[:, 1])

    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=200), rng.integers(0, 2, 200)], 1)
    _, report = distil(Step(), X, hidden=(2,), grid_sizes=(4,), samples=150)
    assert report.relative_error < 0.05


def test_a_constant_is_exact():
    model, report = distil(lambda x: torch.full((len(x),), 7.0), domain=[(0, 1)], hidden=(), samples=20)
    assert report.max_error < 1e-13 and report.relative_error < 1e-13
    assert float(model(torch.tensor([[0.3]], dtype=torch.float64)).detach()) == pytest.approx(7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "x or domain must be given"),
        ({"domain": [(1, 0)]}, "domain must be rows"),
        ({"domain": [(0, 1)], "samples": 3}, "samples must be at least 10"),
        ({"domain": [(0, 1)], "grid_sizes": (4, 6)}, "grid_sizes must be multiples"),
        ({"domain": [(0, 1)], "grid_sizes": (0, 4)}, "grid_sizes must be an integer of at least 1, got 0"),
        ({"domain": [(-1, 1)], "model": lambda x: x[:, 0].log()}, "model must be finite"),
    ],
)
def test_bad_arguments_are_refused(settings, message):
    arguments = {"model": lambda x: x[:, 0]} | settings
    with pytest.raises(InputError, match=message):
        distil(**arguments)

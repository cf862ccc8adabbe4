"""A distilled KAN predicts as the original does, in its units, and the report's errors are those on fresh points."""

import math

import pytest
import torch

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

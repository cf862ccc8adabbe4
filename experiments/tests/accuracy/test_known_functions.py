"""A measured row has the right units and fresh points; the table beside the paper has the right ratios."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edgewise_experiments.accuracy import known_functions
from edgewise_experiments.accuracy.known_functions import (
    Effort,
    measure,
)
from edgewise_experiments.data.target import TargetFunction, of_columns

TARGET = TargetFunction(
    "hill",
    "100*a**2 + b",
    of_columns(lambda a, b: 100 * a**2 + b),
    ("a", "b"),
    (0, -3),
    (2, 3),
    None,
    {"kan": 1e-4, "mlp": 1},
)
SMALL = Effort(samples=200, held_out=50, width=(2, 1), budget=0.001)


def fake(monkeypatch, stopped="finished"):
    """A model that is wrong by 0.25 in the scale of the training."""

    def approximate(problem, **settings):
        seen.append((problem, settings))
        model = torch.nn.Linear(2, 1, dtype=torch.float64)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.constant_(model.bias, 0.25)
        model.config = SimpleNamespace(width=(2, 1), degree=5, grid_size=(4,))
        phase = SimpleNamespace(grid_size=(4,), parameters=3, loss=0.25, validation_loss=1.0, seconds=0.1)
        return SimpleNamespace(model=model, stopped=stopped, phases=(phase,), sentences=("so",))

    seen = []
    monkeypatch.setattr(known_functions, "approximate", approximate)
    return seen


def test_units_and_fresh_points(monkeypatch):
    seen = fake(monkeypatch)
    row = measure(TARGET, 3, SMALL, lambda at: None)
    ((problem, settings),) = seen
    assert (len(problem.train), len(problem.validation)) == (200, 50)
    x, y = TARGET.sample(200, 3, edges=0.5)
    assert problem.train.x.numpy() == pytest.approx((x - [1, 0]) / [1, 3])  # from [0, 2], [-3, 3] to [-1, 1]
    assert (float(problem.train.y.mean()), float(problem.train.y.std())) == (
        pytest.approx(0),
        pytest.approx(1, rel=0.01),
    )
    assert settings["width"] == (2, 1) and settings["seed"] == 3
    fresh, values = TARGET.sample(10_000, 1_000_003)
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((values - (y.mean() + 0.25 * y.std())) ** 2)))
    assert row["phases"][0]["train_rmse"] == pytest.approx(0.5 * y.std())
    used = np.concatenate([problem.train.x, problem.validation.x]) * [1, 3] + [1, 0]
    assert not set(map(tuple, fresh.round(9))) & set(map(tuple, used.round(9)))


def test_an_interrupted_row_is_none(monkeypatch):
    fake(monkeypatch, stopped="interrupted")
    with pytest.raises(KeyboardInterrupt):
        measure(TARGET, 0, SMALL, lambda at: None)

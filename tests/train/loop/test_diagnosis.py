"""Metrics of the user in the history, and what a fit says that is stuck, cut short, or at the noise."""

import pytest
import torch

from edgewise.checkpoint import codec
from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.loop.diagnosis import advice_if_stuck, neighbour_correlation
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.base import Adam
from edgewise.train.problems import Regression

GENERATOR = torch.Generator().manual_seed(0)
X = 2 * torch.rand(300, 2, generator=GENERATOR, dtype=torch.float64) - 1
NOISE = torch.randn(300, 1, generator=GENERATOR, dtype=torch.float64)
WAVE = torch.sin(4 * X[:, :1])


def test_residuals_of_neighbours():
    assert abs(neighbour_correlation(X, NOISE)) < 0.2
    assert neighbour_correlation(X, WAVE) > 0.9
    assert neighbour_correlation(X, 0 * WAVE) == 0


def test_noise_is_no_failure_and_a_smooth_rest_is_one():
    model = KAN([2, 2, 1], 3, dtype=torch.float64)
    with torch.no_grad():
        for layer in model.layers:
            layer.mask.zero_()
    assert advice_if_stuck(model, Regression(X, NOISE), 1.0) == ""
    sentence = advice_if_stuck(model, Regression(X, WAVE), float(WAVE.square().mean()))
    assert "is stuck or too small" in sentence and "approximate" in sentence


def test_metrics_are_recorded_and_come_back():
    problem = Regression(X, WAVE, validation=0.2)
    metrics = {"max": lambda p, y: (p - y).abs().max(), "rows": lambda p, y: len(y)}
    report = fit(KAN([2, 1], 3, dtype=torch.float64), problem, steps=3, metrics=metrics)
    assert [set(record.metrics) for record in report.history] == [{"max", "rows"}] * 4
    last = report.history[-1]
    assert last.metrics["rows"] == 60 and last.metrics["max"] ** 2 >= last.validation_loss
    assert codec.read(FitReport, codec.plain(report), "report") == report


def test_grids_follow_the_activations_of_a_fit_by_adam():
    losses, problem = [], Regression(X, torch.exp(WAVE))
    for every in (None, 10):
        model = KAN([2, 3, 1], 5, seed=0, dtype=torch.float64)
        report = fit(model, problem, Adam(lr=0.03), steps=60, move_grids=every, keep_state=True)
        losses.append(report.loss)
    assert losses[1] < losses[0]
    again = KAN([2, 3, 1], 5, seed=0, dtype=torch.float64)
    half = fit(again, problem, Adam(lr=0.03), steps=60, move_grids=10, callbacks=[lambda event: event.step == 25])
    assert half.steps == 25
    with pytest.raises(InputError, match="move_grids needs a KAN and Adam"):
        fit(model, problem, steps=3, move_grids=10)

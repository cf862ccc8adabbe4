"""Events of a fit: what callbacks are told."""

import pytest
import torch

from edgewise.nn.mlp import MLP
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import StepEvent
from edgewise.train.methods.base import Adam
from edgewise.train.problems.regression import Regression


def event(step, seconds=6.0):
    return StepEvent(step, 10, 1.0, 0.0, None, 1.0, seconds, MLP([1, 1]), dict)


@pytest.mark.parametrize(("step", "left"), [(3, 14.0), (10, 0.0), (0, 60.0)])
def test_time_left_at_the_pace_so_far(step, left):
    assert event(step).seconds_left == pytest.approx(left)


def test_every_step_of_a_minibatch_fit_is_told_with_the_latest_validation_loss():
    x = torch.rand(20, 1, generator=torch.Generator().manual_seed(0))
    events = []
    problem = Regression(x, x, validation=(x, x))
    report = fit(MLP([1, 1]), problem, Adam(), steps=9, batch_size=5, callbacks=[events.append])
    by_step = {record.step: record.validation_loss for record in report.history}
    assert [e.step for e in events] == list(range(1, 10))
    assert sorted(by_step) == [0, 4, 8, 9]
    assert [e.validation_loss for e in events] == [by_step[k] for k in (0, 0, 0, 4, 4, 4, 4, 8, 9)]
    assert [e.best_loss for e in events] == [min(v for k, v in by_step.items() if k <= e.step) for e in events]

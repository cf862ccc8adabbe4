"""Reports as JSON, and the events of a fit."""

import math

import torch

from edgewise.checkpoint import codec
from edgewise.nn.mlp import MLP
from edgewise.outcomes import Progress, StopReason
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport, StepRecord
from edgewise.train.methods.base import Adam
from edgewise.train.problems import Regression

REPORT = FitReport(
    stopped=StopReason.MAX_STEPS,
    message="The planned steps, 2, were made.",
    steps=2,
    best_step=1,
    loss=0.1,
    validation_loss=None,
    metric=("rmse", 0.1**0.5),
    seconds=1.5,
    history=(StepRecord(0, 1.0, None, 0.0, 0.1), StepRecord(1, 0.1, None, 0.0, 0.2)),
    plan={"method": {"name": "Adam", "betas": [0.9, 0.999]}, "seed": 0},
)


def test_a_file_keeps_a_report():
    back = codec.read(FitReport, codec.plain(REPORT), "report")
    assert back == REPORT and isinstance(back.stopped, StopReason)
    broken = FitReport(**{**REPORT.__dict__, "loss": math.nan, "metric": None, "validation_loss": math.inf})
    back = codec.read(FitReport, codec.plain(broken), "report")
    assert math.isnan(back.loss) and back.validation_loss == math.inf and back.metric is None


def test_events_of_a_minibatch_fit_have_the_latest_validation_loss():
    x = torch.rand(20, 1, generator=torch.Generator().manual_seed(0))
    events = []
    problem = Regression(x, x, validation=(x, x))
    report = fit(MLP([1, 1]), problem, Adam(), steps=9, batch_size=5, callbacks=[events.append])
    by_step = {record.step: record.validation_loss for record in report.history}
    assert all(isinstance(e, Progress) and e.share == e.step / 9 for e in events)
    assert [e.step for e in events] == list(range(1, 10))
    assert sorted(by_step) == [0, 4, 8, 9]
    assert [e.validation_loss for e in events] == [by_step[k] for k in (0, 0, 0, 4, 4, 4, 4, 8, 9)]
    assert [e.best_loss for e in events] == [min(v for k, v in by_step.items() if k <= e.step) for e in events]

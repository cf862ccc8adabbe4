"""Reports as JSON."""

import json
import math

import pytest

from edgewise.errors import InputError
from edgewise.train.loop.reports import FitReport, StepRecord

REPORT = FitReport(
    stopped="max_steps",
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


def test_round_trip():
    assert FitReport.from_json(REPORT.to_json()) == REPORT
    assert json.loads(REPORT.to_json())["metric"] == ["rmse", 0.1**0.5]


def test_losses_that_are_not_finite_survive():
    broken = FitReport(**{**REPORT.__dict__, "loss": math.nan, "metric": None, "validation_loss": math.inf})
    back = FitReport.from_json(broken.to_json())
    assert math.isnan(back.loss)
    assert back.validation_loss == math.inf
    assert back.metric is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"metric": 1}', REPORT.to_json()[:-1]])
def test_other_text_gets_a_sentence(text):
    with pytest.raises(InputError, match="text must be the JSON of a FitReport"):
        FitReport.from_json(text)

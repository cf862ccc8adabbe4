"""Tests of the training history."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.plot import training_history
from edgewise.plot.style import render
from edgewise.train import StepRecord


def records(loss, validation):
    pairs = enumerate(zip(loss, validation, strict=True))
    return [StepRecord(k, a, b, penalty=0.0, seconds=0.0) for k, (a, b) in pairs]


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_both_losses_and_the_kept_step():
    report = SimpleNamespace(history=records([3.0, 2.0, 1.0], [3, 1.5, 2]), best_step=1)
    figure = training_history(report)
    assert figure.axes[0].get_yscale() == "log"
    drawn = lines(figure)
    np.testing.assert_array_equal(drawn["training"].get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal(drawn["validation"].get_ydata(), [3, 1.5, 2])
    np.testing.assert_array_equal(drawn["kept: step 1"].get_xydata(), [[1, 1.5]])
    render(figure, ".svg")


def test_undefined_losses_are_gaps():
    figure = training_history(records([3.0, np.nan, 1.0, np.inf], [2.0, None, 1.0, None]))
    np.testing.assert_array_equal(lines(figure)["validation"].get_xdata(), [0, 2])
    render(figure, ".png")
    with pytest.raises(InputError, match="at least one step with a finite loss, got 1"):
        training_history(records([np.nan], [None]))
    with pytest.raises(InputError, match="got 0 steps"):
        training_history([])


def test_a_long_history_is_thinned_but_keeps_its_ends():
    line = lines(training_history(records(np.linspace(2, 1, 10_000), [None] * 10_000)))["training"]
    assert len(line.get_xdata()) == 2000
    assert line.get_xdata()[[0, -1]].tolist() == [0, 9999]

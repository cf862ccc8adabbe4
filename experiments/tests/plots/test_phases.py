"""Continual learning: curves and errors after each group of samples."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.phases import phase_curves, phase_errors


def test_curves():
    x = np.linspace(-1, 1, 21)
    models = {"KAN": [x, 2 * x], "MLP": [0 * x, 3 * x]}
    figure = phase_curves(x, x**2, models, centres=(-0.5, 0.5))
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["after peak 1", "after peak 2", "", ""]
    assert np.array_equal(figure.axes[3].lines[1].get_ydata(), 3 * x)
    assert figure.axes[0].lines[1].get_color() != figure.axes[2].lines[1].get_color()
    left, right = (figure.axes[k].patches[0].get_extents().bounds for k in (0, 1))
    assert left[0] < right[0]
    with pytest.raises(InputError, match=r"models must have 2 curves each, got \['MLP'\]"):
        phase_curves(x, x, {"KAN": [x, x], "MLP": [x]}, centres=(-0.5, 0.5))


def test_errors():
    groups = {"1-D": {"KAN": [1e-5, 1e-4], "MLP": [0.1, 0.5]}, "2-D": {"MLP": [0.2, 0.3]}}
    figure = phase_errors(groups, ylabel="RMSE")
    first, second = figure.axes
    assert first.get_yscale() == "log" and list(first.lines[0].get_xdata()) == [1, 2]
    assert second.lines[0].get_color() == first.lines[1].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["KAN", "MLP"]
    with pytest.raises(InputError, match="at least one panel"):
        phase_errors({}, ylabel="RMSE")

"""Figures that compare errors: positions, ticks, legends and refusals."""

import numpy as np
import pytest

from edgewise_experiments.plots.errors import Curve, error_curves

SIZES = [5, 10, 20, 40]


def curve(label, power, slope=None):
    return Curve(label, SIZES, [0.1 * (5 / size) ** power for size in SIZES], slope)


def test_curves_and_guides():
    groups = {
        "f": [curve("cubic", 4, -4), curve("quintic", 6, -6)],
        "g": [curve("quintic", 6, -6), Curve("other", [3, 5], [1e-2, 1e-3])],
    }
    figure = error_curves(groups, xlabel="grid size", ylabel="RMSE")
    left, right = figure.axes
    assert [left.get_title(loc="left"), left.get_xscale(), left.get_yscale()] == ["f", "log", "log"]
    (cubic, guide, *_), (quintic, *_) = left.lines, right.lines
    assert np.array_equal(cubic.get_ydata(), groups["f"][0].y)
    (x0, x1), (y0, y1) = guide.get_data()
    assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(-4)
    assert y0 > cubic.get_ydata()[0] and y1 >= 0.99 * min(cubic.get_ydata())
    assert quintic.get_color() == left.lines[2].get_color() != cubic.get_color()
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["cubic", "slope −4", "quintic", "slope −6", "other"]
    assert list(right.xaxis.get_majorticklocs()) == [3, 5, 10, 20, 40]

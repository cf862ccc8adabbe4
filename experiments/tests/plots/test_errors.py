"""Figures that compare errors: positions, ticks, legends and refusals."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.errors import Curve, Span, error_bar_chart, error_curves, error_dots

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


@pytest.mark.parametrize("low", [1e-4, 0.06, 0.28])
def test_a_short_axis_has_more_than_powers_of_ten(low):
    figure = error_curves({"f": [Curve("a", [1, 2], [low, 0.3])]}, xlabel="", ylabel="")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    bottom, top = axes.get_ylim()
    assert bottom < low < 0.3 < top
    shown = [text.get_text() for text in axes.get_yticklabels() if bottom <= text.get_position()[1] <= top]
    assert len(shown) >= 2 and ("0.1" in shown) == (low == 0.06)


def test_dots():
    series = {"ours": [Span(1e-8, 1e-9, 1e-7), None], "paper": [Span.of([1e-4]), Span.of([3e-3, 1e-3, 2e-3])]}
    (axes,) = error_dots(["a", "b"], series, xlabel="RMSE").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    ours, paper = axes.lines
    assert (list(ours.get_xdata()), list(ours.get_ydata())) == ([1e-8], [0])
    assert (list(paper.get_xdata()), list(paper.get_ydata())) == ([1e-4, 2e-3], [0, 1])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first name on top
    assert axes.collections[1].get_segments()[1].tolist() == [[1e-3, 1], [3e-3, 1]]


def test_bars_that_are_cut_show_their_value():
    names = list("abcd")
    series = {"ours": [Span.of([1.0])] * 4, "other": [Span.of([2.0]), Span.of([500.0]), Span.of([2.0]), None]}
    (axes,) = error_bar_chart(names, series, ylabel="%").axes
    heights = sorted(bar.get_height() for bar in axes.patches)
    assert heights[:6] == [1, 1, 1, 1, 2, 2] and heights[6] < 10
    assert [text.get_text() for text in axes.texts] == ["500"]
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["ours", "other"]


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda: error_curves({}, xlabel="", ylabel=""), "groups must hold at least one curve, got none"),
        (
            lambda: error_curves({"f": [Curve("c", [1], [0.0])]}, xlabel="", ylabel=""),
            "the curve 'c' must have positive numbers, got 0.0",
        ),
        (lambda: error_dots(["a"], {"s": [None]}, xlabel=""), "series must hold at least one value, got none"),
        (lambda: error_dots(["a"], {"s": [Span(1, 0, 1)]}, xlabel=""), "the series 's' must have positive numbers"),
        (
            lambda: error_bar_chart(["a"], {"s": [Span(1, 1, 1)] * 2}, ylabel=""),
            "'s' must have 1 entries like names, got 2",
        ),
    ],
)
def test_refusals(draw, sentence):
    with pytest.raises(InputError, match=sentence):
        draw()

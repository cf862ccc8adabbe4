"""Errors as dots and bars: positions, cuts, legends and refusals."""

import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.marks import Span, error_bar_chart, error_dots


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

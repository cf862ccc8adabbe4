"""Figures of predictions against observations, for numbers and for classes."""

import numpy as np

from edgewise.plot import confusion, parity
from edgewise.plot.style import render


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_scores_in_the_corner():
    y, prediction = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 6.0])
    (text,) = texts(parity(y, prediction))
    assert text == "$R^2$ = 0.2000\nRMSE = 1\n4 rows"  # 1 - 4/5, sqrt(4/4)


def test_many_rows_become_hexagons_that_hold_them_all():
    y = np.random.default_rng(0).normal(size=5000)
    figure = parity(y, y + 0.1)
    (hexagons,) = figure.axes[0].collections
    assert hexagons.get_array().sum() == 5000
    assert len(render(figure, ".svg")) < 200_000


def test_counts_and_rates():
    y = np.array(["a", "a", "a", "b", "c"])
    prediction = np.array(["a", "a", "b", "b", "b"])
    figure = confusion(y, prediction)
    found = texts(figure)
    assert "2\n67%" in found and "1\n33%" in found  # a as a, a as b
    assert "67% of 3" in found and "0% of 1" in found  # recall of a, c
    assert found.count("100%") == 1 and found.count("33%") == 1 and "–" in found  # precision of a, b, c
    assert figure.get_suptitle() == "60.0 % of 5 right"


def test_ordinal_classes_count_near_misses():
    figure = confusion(np.array([-2, 0, 2, 4]), np.array([-2, 2, 2, -2]), classes=[-2, 0, 2, 4])
    assert figure.get_suptitle() == "50.0 % of 4 right, 75.0 % at most one class off"
    assert figure.axes[0].get_yticklabels()[0].get_text() == "−2"
    uneven = confusion(np.array([1, 2, 10]), np.array([1, 2, 10]))
    assert "off" not in uneven.get_suptitle()

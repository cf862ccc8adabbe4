"""The figure of a motion shows data, fits, forecast, fixed points and the front."""

import numpy as np

from edgewise import find_dynamics

T = np.linspace(0, 6, 60)


def test_one_coordinate():
    figure = find_dynamics(T, 1 / (1 + 9 * np.exp(-T))).figure()
    trajectory, portrait, front = figure.axes
    assert [text.get_text() for text in trajectory.get_legend().get_texts()] == ["data", "fit", "forecast"]
    assert trajectory.get_xlim()[1] > 8  # the forecast goes on
    assert [text.get_text() for text in portrait.get_legend().get_texts()] == ["unstable", "stable"]
    assert portrait.get_ylabel() == "x'" and front.get_yscale() == "log"

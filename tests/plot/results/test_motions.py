"""The figure of a motion shows data, fits, forecast, fixed points and the front."""

import numpy as np
import pytest

from edgewise import find_dynamics

T = np.linspace(0, 6, 60)


def test_one_coordinate():
    figure = find_dynamics(T, 1 / (1 + 9 * np.exp(-T))).figure()
    trajectory, portrait, front = figure.axes
    assert [text.get_text() for text in trajectory.get_legend().get_texts()] == ["data", "fit", "forecast"]
    assert trajectory.get_xlim()[1] > 8  # the forecast goes on
    assert [text.get_text() for text in portrait.get_legend().get_texts()] == ["unstable", "stable"]
    assert portrait.get_ylabel() == "x'" and front.get_yscale() == "log"


@pytest.mark.slow
def test_a_map_and_second_order_have_figures_too():
    angle = np.cos(1.3 * T)
    portrait = find_dynamics(T, angle, order=2).figure().axes[1]
    assert (portrait.get_xlabel(), portrait.get_ylabel()) == ("x", "x'")
    x = [0.3]
    for _ in range(40):
        x.append(3.6 * x[-1] * (1 - x[-1]))
    assert len(find_dynamics(np.arange(41.0), np.array(x), kind="map").figure().axes) == 3

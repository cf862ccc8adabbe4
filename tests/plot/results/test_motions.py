"""The figure of a motion shows data, fits, forecast, fixed points and the front."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise import find_dynamics
from edgewise.dynamics import DynamicsSettings

T = np.linspace(0, 6, 60)


def test_one_coordinate():
    figure = find_dynamics(T, 1 / (1 + 9 * np.exp(-T))).figure()
    trajectory, portrait, front = figure.axes
    assert [text.get_text() for text in trajectory.get_legend().get_texts()] == ["data", "fit", "forecast"]
    assert trajectory.get_xlim()[1] > 8  # the forecast goes on
    assert [text.get_text() for text in portrait.get_legend().get_texts()] == ["unstable", "stable"]
    assert portrait.get_ylabel() == "x'" and front.get_yscale() == "log"


def test_a_motion_that_no_system_follows_has_its_samples_and_no_front():
    motion = find_dynamics(T, np.exp(-T), settings=DynamicsSettings(usual_seconds=1e-3))
    assert np.isnan(motion.choice.error).all()
    front = motion.figure().axes[-1]
    assert front.get_legend() is None and not len(front.collections[0].get_offsets())
    silent = replace(motion, noise=np.zeros(1))
    assert silent.figure().axes[-1].get_ylim()[0] > 0


def logistic_map(count):
    x = [0.3]
    for _ in range(count - 1):
        x.append(3.7 * x[-1] * (1 - x[-1]))
    return x


def test_points_of_rest_of_a_map_lie_on_the_diagonal():
    portrait = find_dynamics(np.arange(40.0), logistic_map(40), kind="map").figure().axes[1]
    points = [one for one in portrait.get_lines() if one.get_label() == "unstable"]
    assert len(points) == 1 and points[0].get_xdata() == points[0].get_ydata()


def test_a_state_on_which_something_acts_is_drawn_against_that():
    x = np.exp(-T) + 0.1 * np.sin(3 * T)
    short = DynamicsSettings(usual_seconds=1e-3)
    driven = find_dynamics(T, x, inputs={"force": np.sin(3 * T)}, settings=short)
    delayed = find_dynamics(T, x, delays=[0.5], settings=short)
    for motion, name in ((driven, "force"), (delayed, "x(t - 0.5)")):
        portrait = motion.figure().axes[1]
        assert portrait.get_ylabel() == name
        line = portrait.get_lines()[0].get_xydata()
        np.testing.assert_array_equal(line, motion.evidence.runs[0].columns(motion.choice.kind))


@pytest.mark.slow
def test_states_of_a_map_are_points():
    x = logistic_map(40)
    motion = find_dynamics(np.arange(39.0), np.column_stack([x[1:], x[:-1]]), kind="map")
    assert motion.figure().axes[2].get_lines()[0].get_linestyle() == "None"

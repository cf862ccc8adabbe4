"""The strong Wolfe line search: both conditions, values that are not numbers, and values that are all rounding."""

import math

import pytest

from edgewise.train.methods.quasi_newton import CURVATURE, DECREASE, LineSearchPoint, strong_wolfe


@pytest.mark.parametrize("length", [0.01, 1.0, 1000.0])
def test_line_search_meets_both_wolfe_conditions(length):
    def attempt(t):  # falls from 0, minimum near 3.1, infinite beyond 5
        value = -t * math.exp(-t / 3) + 0.01 * t * t if t < 5 else math.inf
        slope = (t / 3 - 1) * math.exp(-t / 3) + 0.02 * t
        return LineSearchPoint(t, value, slope, point=t)

    found = strong_wolfe(attempt, 0.0, -1.0, length, 25)
    assert found.value <= -DECREASE * found.length
    assert abs(found.slope) <= CURVATURE


def test_line_search_turns_back_where_the_slope_has_changed_its_sign():
    def attempt(t):  # lower than at 0, but steep, beyond the minimum at 1.1
        return LineSearchPoint(t, -t + 5 * max(t - 1, 0) ** 2, -1 + 10 * max(t - 1, 0), point=t)

    found = strong_wolfe(attempt, 0.0, -1.0, 1.3, 10)
    assert 1 < found.length < 1.2
    assert abs(found.slope) <= CURVATURE


def test_line_search_gives_up_where_nothing_falls():
    assert strong_wolfe(lambda t: LineSearchPoint(t, 1.0 + t, 1.0, point=t), 1.0, -1.0, 1.0, 25) is None
    assert strong_wolfe(lambda t: LineSearchPoint(t, math.nan, math.nan, point=t), 1.0, -1.0, 1.0, 25) is None


def test_near_rounding_the_slope_decides():
    """1 + (t - 1)^2 / 2 - 1/2 in units of 1e-17 on top of 1: every value is 1, the minimum is at 1."""

    def attempt(t):
        return LineSearchPoint(t, 1.0, 1e-17 * (t - 1), point=t)

    found = strong_wolfe(attempt, 1.0, -1e-17, 1.3, 25)
    assert abs(found.slope) <= CURVATURE * 1e-17
    steep = strong_wolfe(lambda t: LineSearchPoint(t, 1.0, 1e-17 * (2 * t - 1), point=t), 1.0, -1e-17, 3.0, 25)
    assert abs(steep.slope) <= CURVATURE * 1e-17


def test_a_flat_trial_without_decrease_is_not_near_rounding():
    """A flat bump as high as the start, half a step away the minimum: the bump is refused."""

    def attempt(t):
        return LineSearchPoint(t, 1 - 1e-5 if t == 2.0 else 1 - t + 0.5 * t * t, 0.0 if t == 2.0 else t - 1, point=t)

    assert strong_wolfe(attempt, 1.0, -1.0, 2.0, 25).value < 0.9

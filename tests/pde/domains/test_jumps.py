"""Jumps on a line are located to rounding, and steep smooth functions have none."""

import numpy as np
import pytest

from edgewise.pde.domains.jumps import jumps_on_line, points_of_line


def jumps(function, least=1e-6):
    return jumps_on_line(lambda x: function(x)[:, None, None], points_of_line(-1.0, 2.0, 513), least)


@pytest.mark.parametrize("place", [0.0, 0.5, 1 / 3, 1.99])
def test_a_jump_lies_after_its_place(place):
    (left,) = jumps(lambda x: np.where(x > place, 2.0, 1.0) + np.sin(x))
    assert left <= place < np.nextafter(left, 2.0) + 1e-15


def test_all_jumps_are_located():
    assert jumps(lambda x: np.floor(4 * x)) == pytest.approx(
        [-0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    )


@pytest.mark.parametrize(
    "function",
    [
        np.abs,
        lambda x: np.tanh(1e4 * x),
        lambda x: np.sqrt(np.abs(x)),
        lambda x: 0 * x,
        lambda x: np.where(np.abs(x - 0.3) < 1e-4, np.inf, np.sign(x - 0.3)),
    ],
)
def test_what_is_continuous_or_infinite_has_none(function):
    assert jumps(function) == []

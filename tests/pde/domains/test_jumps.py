"""Jumps on a line are located to rounding."""

import numpy as np
import pytest

from edgewise.pde.domains.jumps import jumps_on_line, points_of_line


def jumps(function, least=1e-6):
    return jumps_on_line(lambda x: function(x)[:, None, None], points_of_line(-1.0, 2.0, 513), least)


def test_all_jumps_are_located():
    assert jumps(lambda x: np.floor(4 * x)) == pytest.approx(
        [-0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    )

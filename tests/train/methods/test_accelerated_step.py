"""Geodesic acceleration on residuals whose curvature is known."""

import pytest
import torch

from edgewise.train.methods.levenberg_marquardt import DIFFERENCE_STEP, accelerated_step

ONE = torch.ones(1, dtype=torch.float64)


def around(residual):
    """The second difference by a share of the move from 0 to 1."""
    return residual(-DIFFERENCE_STEP * ONE) + residual(DIFFERENCE_STEP * ONE) - 2 * residual(0 * ONE)


@pytest.mark.parametrize("curvature", [0.0, 0.3, -0.2])
def test_a_parabola_is_followed(curvature):
    """r(p) = p - 1 + c p^2 / 2 at p = 0: v = 1, r_vv = c, so that the bent move is 1 - c / 2."""
    found = accelerated_step(ONE, lambda w: -w, around(lambda p: p - 1 + curvature * p.square() / 2), ONE)
    assert float(found) == pytest.approx(1 - curvature / 2, abs=1e-12)


def test_too_much_curvature_and_no_numbers():
    assert accelerated_step(ONE, lambda w: -w, around(lambda p: p.square()), ONE) is None
    assert accelerated_step(ONE, lambda w: -w, around(lambda p: p / 0), ONE) is None

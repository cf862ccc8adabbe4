"""Singular functions: derivatives against difference quotients, equations that they solve, corners and holes."""

import math

import pytest
import torch

from edgewise.pde import Box, Disk, LShape, Polygon
from edgewise.pde.problem.singular import SingularFunctions, corners_of

POINT = torch.tensor([0.1, 0.2], dtype=torch.float64)
X = 0.6 + 0.5 * torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ALONG = torch.tensor([[1, 0], [0, 1], [1, 2]], dtype=torch.float64)
POWERS = ((2 / 3, 0, False), (3.0, 2, True), (2.0, 1, False), (-1.0, 0, True))
WAVES = ((0.0, 0, False), (1.0, 0, True), (3.0, 0, False))
EVERY = [SingularFunctions(POINT, 0.3, -1.0, 1.7, kind, POWERS) for kind in ("1", "log z", "log |z|")]
EVERY += [SingularFunctions(POINT, 0.3, -1.0, 0.4, kind, WAVES, True, 2.3) for kind in ("K", "Y")]


@pytest.mark.parametrize("functions", EVERY, ids=lambda functions: functions.kind)
def test_derivatives(functions):
    jet, step = functions.jet(X, ALONG, 2), 1e-4
    for number, direction in enumerate(ALONG):
        ahead, back = functions.jet(X + step * direction)[0], functions.jet(X - step * direction)[0]
        assert torch.allclose((ahead - back) / (2 * step), jet[1 + 2 * number], rtol=1e-5, atol=1e-5)
        assert torch.allclose((ahead + back - 2 * jet[0]) / step**2, jet[2 + 2 * number], rtol=1e-4, atol=1e-4)


def test_equations_that_they_solve():
    """Powers and logarithms without conj(z) are harmonic; Bessel functions are waves, or the opposite."""
    powers, _, logarithms, growing, waves = EVERY
    for functions, square in ((powers, 0.0), (growing, -(2.3**2)), (waves, 2.3**2)):
        jet = functions.jet(X, ALONG[:2], 2)
        left = jet[2] + jet[4] + square * jet[0]
        harmonic = [n for n, term in enumerate(functions.terms) if not term[1]]
        assert float(left[:, harmonic].abs().max()) < 1e-12 * float(jet.abs().max())
    alone = SingularFunctions(POINT, 0.0, -math.pi, 1.7, "log |z|", ((0.0, 0, False),))
    assert torch.allclose(alone.jet(X)[0, :, 0], 2 * ((X - POINT).norm(dim=1) / 1.7).log())
    assert logarithms.jet(X).shape == (1, 9, 4)


@pytest.mark.parametrize("backwards", [False, True])
def test_corners_of_a_polygon(backwards):
    domain = LShape()
    corners = corners_of(Polygon(domain.corners.flip(0).tolist()) if backwards else domain)
    openings = {tuple(corner.point.tolist()): corner.opening for corner in corners}
    assert len(corners) == 6 and openings[0.0, 0.0] == pytest.approx(1.5 * math.pi)
    assert sum(opening == pytest.approx(math.pi / 2) for opening in openings.values()) == 5
    (reentrant,) = [corner for corner in corners if corner.opening > math.pi]
    assert reentrant.start == pytest.approx(0) and reentrant.cut == pytest.approx(-math.pi / 4)


def test_a_corner_between_parts_of_edges():
    opening = 5 * math.pi / 3
    (corner,) = corners_of(Disk() - Polygon([(0, 0), (2, -2 * math.sqrt(3)), (2, 0)]))
    assert corner.point.tolist() == pytest.approx([0, 0], abs=1e-12) and corner.opening == pytest.approx(opening)
    assert corner.cut == pytest.approx((opening - 2 * math.pi) / 2)
    notched = corners_of(Box(x=(-1, 1), y=(-1, 1)) - Box(x=(0, 2), y=(-2, 0)))
    assert sorted(round(corner.opening / math.pi, 9) for corner in notched) == [0.5] * 5 + [1.5]

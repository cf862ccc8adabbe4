"""Singular functions of corners: harmonic before the cut, zero on both edges, and with derivatives that are right."""

import math

import pytest
import torch

from edgewise.pde.domains.shapes import LShape, Polygon
from edgewise.pde.problem.fields import function_jet
from edgewise.pde.problem.singular import SINGULAR, corner_functions

NOTCHED = Polygon([(0, 0), (2, 0), (2, 2), (1.2, 2), (1.0, 1.0), (0.8, 2), (0, 2)])  # a reentrant corner of 338 degrees


def test_corners_are_found_in_either_sense():
    (corner,) = corner_functions(LShape())
    assert corner.corner.tolist() == [0, 0] and corner.radius == pytest.approx(1)
    assert corner.opening == pytest.approx(1.5 * math.pi) and corner.start == 0
    backwards = Polygon(LShape().corners.flip(0).tolist())
    (other,) = corner_functions(backwards)
    assert other.opening == corner.opening and other.start == corner.start
    (notch,) = corner_functions(NOTCHED)
    assert notch.opening == pytest.approx(2 * math.pi - 2 * math.atan(0.2))
    assert corner_functions(Polygon([(0, 0), (1, 0), (0, 1)])) == []


@pytest.mark.parametrize("domain", [LShape(), NOTCHED])
def test_derivatives_are_those_of_the_functions(domain):
    (corner,) = corner_functions(domain)
    which = [0, 1, 2, len(corner.terms) // 2, len(corner.terms) - 1]
    functions = corner.chosen(which)
    x = domain.interior(40)
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)

    def plain(x):
        away = x - corner.corner
        share = away.square().sum(1) / corner.radius**2
        turned = torch.tensor(corner.opening / 2 + corner.start - math.pi, dtype=torch.float64)  # the cut lies outside
        across = torch.atan2(
            away[:, 0] * -turned.sin() + away[:, 1] * turned.cos(),
            away[:, 0] * turned.cos() + away[:, 1] * turned.sin(),
        )
        angle = torch.where(across < 0, across + 2 * math.pi, across) + turned - corner.start
        columns = []
        for exponent, is_sine, more in functions.terms:
            wave = torch.sin(exponent * angle) if is_sine else torch.cos(exponent * angle)
            chebyshev, after = torch.ones_like(share), 2 * share - 1
            for _ in range(more):
                chebyshev, after = after, 2 * (2 * share - 1) * after - chebyshev
            radial = (
                (1 - share).clamp(min=0) ** SINGULAR.cut_off * chebyshev * (share * corner.radius**2) ** (exponent / 2)
            )
            columns.append(radial * wave)
        return torch.stack(columns, 1)

    expected, found = function_jet(plain, x, directions, 2), functions.jet(x, directions, 2)
    assert float((expected - found).abs().max()) < 1e-10 * float(expected.abs().max())
    edge = corner.corner + 0.5 * corner.radius * torch.tensor(
        [[math.cos(a), math.sin(a)] for a in (corner.start, corner.start + corner.opening)], dtype=torch.float64
    )
    sines = corner.chosen(
        [n for n, (a, s, _) in enumerate(corner.terms) if s and abs(math.sin(a * corner.opening)) < 1e-9]
    )
    assert float(sines(edge).abs().max()) < 1e-12

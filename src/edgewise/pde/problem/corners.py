"""Functions that are singular at the reentrant corners of a polygon, as solutions of equations of second order are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from edgewise.pde.domains.shapes import Polygon, distance_to_line

# Largest exponent of the radius. A choice: what is left is as smooth as splines of degree 5 to 9 need.
MOST_EXPONENT = 9.0
# Degree of the polynomial of the radius for an exponent of zero, and one less for each unit of the exponent. A choice:
# it makes up for the cut-off to eight digits of an eigenvalue.
MOST_POLYNOMIAL = 11.0
# Power with which functions vanish at the radius around the corner. A choice: they have four derivatives there.
CUT_OFF = 5
# An exponent that is closer to a whole number belongs to a polynomial, or to a logarithm beside one.
WHOLE_EXPONENT = 1e-6


@dataclass(frozen=True, eq=False)
class CornerFunctions:
    """Products r^a T_j(r^2) sin(a t) or cos(a t) in polar coordinates about a corner, cut off smoothly at a radius.

    Harmonic functions with zero values, or zero normal derivatives, on both edges of a corner of opening w are sums of
    r^a sin(a t), or cosines, with a = k pi / w; with one of each on the two edges a is (k - 1/2) pi / w [1]_.
    Chebyshev polynomials T_j make up for the cut-off and for the terms of lower order.

    Parameters
    ----------
    corner : Tensor
        Its place, (2,).
    start : float
        Angle of the first edge, from which t runs to the second.
    opening : float
        Angle w between the edges inside the domain.
    radius : float
        Distance at which the functions have vanished.
    terms : tuple
        Of each function the exponent a, whether it is a sine, and j.

    References
    ----------
    .. [1] P. Grisvard, "Elliptic Problems in Nonsmooth Domains", 1985, ch. 4.
    """

    corner: Tensor
    start: float
    opening: float
    radius: float
    terms: tuple[tuple[float, bool, int], ...]

    def chosen(self, which: Sequence[int]) -> CornerFunctions:
        """Only the functions of these numbers."""
        terms = tuple(self.terms[number] for number in which)
        return CornerFunctions(self.corner, self.start, self.opening, self.radius, terms)

    def __call__(self, x: Tensor) -> Tensor:
        """Values (b, functions) at points x (b, 2)."""
        return self.jet(x, None, 0)[0]

    def jet(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """Jet (C, b, functions) at points x (b, 2), of order at most 2; the components are those of `edgewise.ops.jet`.

        Each function is the product of a polynomial in the squared radius and the real or imaginary part of z^a.
        """
        along = x.new_zeros(0, 2) if directions is None or not order else directions
        jet = x.new_zeros(1 + len(along) * order, len(x), len(self.terms))
        near = ((x - self.corner).square().sum(1) < self.radius**2).nonzero()[:, 0]
        away = x[near] - self.corner
        square = away.square().sum(1)
        margin = (2 * math.pi - self.opening) / 2  # the cut lies in the middle of the outside
        angle = torch.remainder(torch.atan2(away[:, 1], away[:, 0]) - self.start + margin, 2 * math.pi) - margin

        @cache
        def power(exponent: float, is_sine: bool, derivative: int, turned: float) -> Tensor:
            """Derivative of z^a along a direction of length 1 that is turned by an angle from the first edge."""
            factor = math.prod(exponent - k for k in range(derivative))
            left = exponent - derivative
            phase = left * angle + derivative * turned
            return factor * square ** (left / 2) * (phase.sin() if is_sine else phase.cos())

        share, inner = square / self.radius**2, 1 - square / self.radius**2

        @cache
        def polynomial(more: int, derivative: int) -> Tensor:
            """Derivative of (1 - s)^CUT_OFF T_more(s) by the squared radius, s radius^2."""
            total, chebyshev = torch.zeros_like(share), Chebyshev.basis(more, domain=[0, 1])
            for k in range(derivative + 1):
                of_cut = (-1) ** k * math.perm(CUT_OFF, k) * inner ** (CUT_OFF - k)
                factor = chebyshev.deriv(derivative - k) if k < derivative else chebyshev
                total = total + math.comb(derivative, k) * of_cut * torch.from_numpy(factor(share.numpy()))
            return total / self.radius ** (2 * derivative)

        for column, (exponent, is_sine, more) in enumerate(self.terms):
            wave, radial = power(exponent, is_sine, 0, 0.0), polynomial(more, 0)
            jet[0, near, column] = radial * wave
            for number, direction in enumerate(along):
                length = float(direction.norm())
                turned = math.atan2(float(direction[1]), float(direction[0])) - self.start
                wave_1, slope = length * power(exponent, is_sine, 1, turned), 2 * (away @ direction)
                radial_1 = polynomial(more, 1) * slope
                jet[1 + number * order, near, column] = radial_1 * wave + radial * wave_1
                if order > 1:
                    wave_2 = length**2 * power(exponent, is_sine, 2, turned)
                    radial_2 = polynomial(more, 2) * slope.square() + 2 * length**2 * polynomial(more, 1)
                    jet[2 + number * order, near, column] = radial_2 * wave + 2 * radial_1 * wave_1 + radial * wave_2
        return jet


def corner_functions(polygon: Polygon) -> list[CornerFunctions]:
    """Functions for every corner at which the angle inside is more than 180 degrees, of all kinds of conditions."""
    corners = polygon.corners if polygon.is_counterclockwise else polygon.corners.flip(0)
    found = []
    for number, corner in enumerate(corners):
        following, before = corners[(number + 1) % len(corners)] - corner, corners[number - 1] - corner
        start = math.atan2(float(following[1]), float(following[0]))
        opening = (math.atan2(float(before[1]), float(before[0])) - start) % (2 * math.pi)
        if opening <= math.pi * (1 + WHOLE_EXPONENT):
            continue
        others = torch.cat([corners[(number + 1) % len(corners) :], corners[: (number + 1) % len(corners)]])
        starts, ends = others[:-2], others[1:-1]  # of all edges but those at the corner
        radius = float(distance_to_line(corner - starts, ends - starts).min())
        terms = []
        for half in (0.0, 0.5):
            exponents = [(k - half) * math.pi / opening for k in range(1, 2 * len(corners) + 40)]
            for exponent in exponents:
                if exponent < MOST_EXPONENT and abs(exponent - round(exponent)) > WHOLE_EXPONENT:
                    more = range(int(MOST_POLYNOMIAL - exponent) + 1)
                    terms += [(exponent, is_sine, j) for is_sine in (True, False) for j in more]
        found.append(CornerFunctions(corner, start, opening, radius, tuple(terms)))
    return found

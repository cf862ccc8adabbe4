"""Functions that are singular at points on or outside the boundary: at corners of a domain, and in its round holes.

`SingularFunctions` solve an equation of the plane but for its lower terms, at corners and in holes of any domain;
`CornerFunctions` of reentrant corners of polygons are cut off, with the values that conditions ask for on both edges.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from edgewise.checks import Shape, Within
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.shapes import distance_to_line


@dataclass(frozen=True)
class SingularSettings:
    """Functions that are singular at corners and in holes."""

    inside_hole: float = 0.5  # of the radius of a hole: nearer to its centre the functions stay as they are there
    at_corner: float = 1e-150  # distance from a corner, relative to the domain, below which it counts as this one
    # Shares of a piece at which it is looked at whether it is straight, to which precision, and points on a ray from a
    # corner and on a circle: far above rounding.
    near_end: float = 0.1
    straight_to: float = 1e-9
    ray_points: int = 2000
    circle_points: int = 7
    # Largest exponent of the radius: the remainder of the expansion is as smooth as splines of degree 5 to 9 need.
    most_exponent: float = 9.0
    # Degree of the polynomial of the radius for an exponent of zero, and one less for each unit of the exponent: it
    # makes up for the cut-off to eight digits of an eigenvalue.
    most_polynomial: float = 11.0
    # Power with which functions vanish at the radius around the corner: they have four derivatives there.
    cut_off: int = 5
    # An exponent that is closer to a whole number belongs to a polynomial, or to a logarithm beside one.
    whole_exponent: float = 1e-6


SINGULAR = SingularSettings()
# Exponents in files lie far above those of any solution, and low enough that a forged file takes no time.
Terms = tuple[tuple[Annotated[float, Within(-1000.0, 1000.0)], Annotated[int, Within(0, 1000)], bool], ...]


@dataclass(frozen=True, eq=False)
class SingularFunctions:
    """Real or imaginary parts of z^a conj(z)^q L about a point, or of B_a(k r) exp(i a angle).

    L is 1, log z or log |z|^2, and z the place relative to the point, turned and scaled. On both edges of a corner
    powers with the right exponents fulfil the conditions of an equation whose leading part is the Laplacian [1].
    Negative powers and log |z|^2 are the functions around a hole; Bessel functions K of the second kind where the
    equation is laplacian u = k^2 u, and Y where it is laplacian u = -k^2 u [2].

    [1] P. Grisvard, "Elliptic Problems in Nonsmooth Domains", 1985, ch. 4.

    [2] I. Vekua, "New Methods for Solving Elliptic Equations", 1967, ch. 3.
    """

    point: Annotated[Tensor, Shape(2), Within()]  # the place
    turn: Annotated[float, Within()]  # direction of angle zero
    cut: Annotated[float, Within()]  # the smallest angle: there the values of log z jump
    scale: Annotated[float, Within()]  # unit of length; for a hole its radius
    kind: str  # the factor L, or the Bessel functions
    terms: Terms  # of each function the exponents a and q, and whether it is an imaginary part
    is_hole: bool = False  # whether the point lies in a hole
    wave: Annotated[float, Within(0.0)] = 0.0  # the number k, for Bessel functions

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with functions from a file."""
        if self.kind not in ("1", "log z", "log |z|", "K", "Y"):
            return "an unknown kind"
        is_bessel = self.kind in ("K", "Y")
        if is_bessel != (self.wave > 0) or not self.scale > 0:
            return "another wave number or scale"
        if not self.terms or (is_bessel and any(a < 0 or a != int(a) for a, _, _ in self.terms)):
            return "other exponents"
        return ""

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, functions) at points x (b, 2), of any order; the components are those of `edgewise.ops.jet`.

        With D and E for the derivatives by z and conj(z), the derivative along a direction d is d D + conj(d) E.
        """
        # Directions along which there are derivatives, and the place relative to the point.
        along = _directions(x, directions, order)
        unit = cmath.rect(1 / self.scale, -self.turn)
        away = x - self.point
        z = torch.complex(away[:, 0], away[:, 1]) * unit
        size = z.abs()
        least = SINGULAR.at_corner
        if self.is_hole:
            least = SINGULAR.inside_hole
        z = torch.where(size < least, torch.where(size > 0, z / size, 1.0) * least, z)
        # Complex derivatives D and E by z and its conjugate.
        most = order * bool(len(along))
        if self.wave:
            table = self._bessel_table(z, most)
        else:
            table = self._power_table(z, most)
        is_imaginary = torch.tensor([term[2] for term in self.terms])

        def part(values: Tensor) -> Tensor:
            return torch.where(is_imaginary, values.imag, values.real)

        # The binomial theorem for (d D + conj(d) E)^k.
        parts = [part(table[0, 0])]
        for direction in along.tolist():
            step = complex(*direction) * unit
            for k in range(1, order + 1):
                factors = [math.comb(k, j) * step**j * step.conjugate() ** (k - j) for j in range(k + 1)]
                terms = [factor * table[j, k - j] for j, factor in enumerate(factors)]
                parts.append(part(sum(terms[1:], terms[0])))
        return torch.stack(parts)

    def _power_table(self, z: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
        """Derivatives (b, functions), k times by z and l times by conj(z), of z^a conj(z)^q L, by (k, l)."""
        angle = torch.remainder(z.angle() - self.cut, 2 * math.pi) + self.cut
        log = torch.complex(z.abs().log(), angle)[:, None]
        a, q = torch.tensor([term[:2] for term in self.terms], dtype=torch.float64).unbind(1)
        base = (a * log.real + q * log.real + 1j * (a - q) * log.imag).exp()
        factor = {"1": torch.ones_like(log), "log z": log, "log |z|": 2 * log.real.to(log.dtype)}[self.kind]
        by_z, by_conjugate = {"1": (0, 0), "log z": (1, 0), "log |z|": (1, 1)}[self.kind]  # slope of L times z
        table = {}
        for l in range(order + 1):
            for k in range(order + 1 - l):
                # The derivative is (first L + second) z^(a - k) conj(z)^(q - l).
                first = torch.ones_like(a)
                second = torch.zeros_like(a)
                for exponent, taken, slope in ((a, k, by_z), (q, l, by_conjugate)):
                    for step in range(taken):
                        second = second * (exponent - step) + first * slope
                        first = first * (exponent - step)
                powers = z[:, None] ** -k * z[:, None].conj() ** -l
                table[k, l] = (first * factor + second) * base * powers
        return table

    def _bessel_table(self, z: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
        """The same of B_n(k r) exp(i n angle), whose derivatives are such functions with n - 1 and n + 1."""
        numbers = [int(term[0]) for term in self.terms]
        wave = self.wave * self.scale
        at = wave * torch.cat([z.abs(), z.new_ones(1).abs()])  # the last one is on the circle
        if self.kind == "K":
            values = [torch.special.modified_bessel_k0(at), torch.special.modified_bessel_k1(at)]
            sign = 1.0
        else:
            values = [torch.special.bessel_y0(at), torch.special.bessel_y1(at)]
            sign = -1.0
        # Recurrence from order to order, upwards, in which both functions are stable.
        for n in range(1, max(numbers) + order):
            values.append(2 * n / at * values[n] + sign * values[n - 1])
        # Derivatives by z and conj(z) lower and raise the order.
        every = torch.stack(values, 1)
        angle = z.angle()[:, None]
        number = torch.tensor(numbers)
        on_circle = every[-1, number].abs()
        table = {}
        for l in range(order + 1):
            for k in range(order + 1 - l):
                factor = (-sign * wave / 2) ** k * (-wave / 2) ** l
                shifted = number - k + l
                signs = torch.where((shifted < 0) & (shifted % 2 == 1), sign, 1.0).to(every.dtype)
                sizes = factor * signs / on_circle * every[:-1, shifted.abs()]
                table[k, l] = torch.polar(torch.ones_like(sizes), shifted * angle) * sizes
        return table


def _directions(x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """Directions (D, 2) along which a jet has derivatives, none where it has values alone."""
    if directions is None or not order:
        return x.new_zeros(0, 2)
    return directions


@dataclass(frozen=True, eq=False)
class Corner:
    """A place at which two pieces of a boundary meet that are straight there."""

    point: Tensor  # the place, (2,)
    start: float  # direction of the first piece, and the angle from it through the domain to the second one
    opening: float
    pieces: tuple[str, str]  # names of both pieces
    # angle, from the first piece, of a ray from the place that does not meet the domain; None if there is no such ray
    cut: float | None


def corners_of(domain: Domain) -> list[Corner]:
    """All corners of a domain in the plane between pieces that are straight there."""
    ends = []
    reach = float(domain.size.max())
    for piece in domain.pieces:
        if piece.path is None:
            continue
        for low, high in piece.spans:
            near = (high - low) * torch.tensor([0.0, SINGULAR.near_end, 2 * SINGULAR.near_end], dtype=torch.float64)
            for x, normal in (piece.path(low + near), piece.path(high - near)):
                along = x[1:] - x[:1]
                bend = float((along[1] - 2 * along[0]).norm())
                if bend < SINGULAR.straight_to * float(along.norm()) and float(along.norm()):
                    ends.append((piece.name, x[0], along[0] / along[0].norm(), normal[0]))
    # Pairs of ends at one place, the first of which has the domain on its left.
    corners = []
    for number, (name, point, first, normal) in enumerate(ends):
        if float(first[1] * normal[0] - first[0] * normal[1]) < 0:
            continue  # the domain lies clockwise from this piece
        for other, (second_name, place, second, _) in enumerate(ends):
            if other != number and float((place - point).norm()) < SINGULAR.straight_to * reach:
                start = math.atan2(float(first[1]), float(first[0]))
                opening = (math.atan2(float(second[1]), float(second[0])) - start) % (2 * math.pi)
                if opening > SINGULAR.straight_to:
                    cut = _free_angle(domain, point, start, opening)
                    corners.append(Corner(point, start, opening, (name, second_name), cut))
    return corners


def _free_angle(domain: Domain, point: Tensor, start: float, opening: float) -> float | None:
    """Angle, from the first piece, in (opening - 2 pi, 0) of a ray that stays outside of the domain."""
    reach = float(domain.size.norm())
    for share in (0.5, 0.25, 0.75, 0.1, 0.9):
        angle = share * (opening - 2 * math.pi)
        direction = torch.tensor([math.cos(start + angle), math.sin(start + angle)], dtype=torch.float64)
        steps = reach * torch.linspace(0, 1, SINGULAR.ray_points + 1, dtype=torch.float64)[1:, None]
        if not bool(domain.contains(point + steps * direction).any()):
            return angle
    return None


def holes_of(domain: Domain) -> list[tuple[Tensor, float]]:
    """Centres and radii of all whole circles in the boundary of a domain of which it lies outside."""
    found = []
    for piece in domain.pieces:
        if piece.path is None or not piece.is_whole_curve or domain.dimension != 2:
            continue
        x, normal = piece.path(torch.arange(SINGULAR.circle_points, dtype=torch.float64) / SINGULAR.circle_points)
        center = x.mean(0)
        radii = (x - center).norm(dim=1)
        is_round = float(radii.max() - radii.min()) < SINGULAR.straight_to * float(radii.max())
        if is_round and bool(((x - center) * normal).sum(1).max() < -SINGULAR.straight_to * radii.max()):
            found.append((center, float(radii.mean())))
    return found


@dataclass(frozen=True, eq=False)
class CornerFunctions:
    """Products r^a T_j(r^2) sin(a t) or cos(a t) in polar coordinates about a corner, cut off smoothly at a radius.

    Harmonic functions with zero values, or zero normal derivatives, on both edges of a corner of opening w are sums of
    r^a sin(a t), or cosines, with a = k pi / w; with one of each on the two edges a is (k - 1/2) pi / w [1]. Chebyshev
    polynomials T_j make up for the cut-off and for the terms of lower order.

    [1] P. Grisvard, "Elliptic Problems in Nonsmooth Domains", 1985, ch. 4.
    """

    corner: Tensor  # its place, (2,)
    start: float  # angle of the first edge, from which t runs to the second
    opening: float  # angle w between the edges inside the domain
    radius: float  # distance at which the functions have vanished
    terms: tuple[tuple[float, bool, int], ...]  # of each function the exponent a, whether it is a sine, and j

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
        # Polar coordinates around the corner.
        along = _directions(x, directions, order)
        jet = x.new_zeros(1 + len(along) * order, len(x), len(self.terms))
        near = ((x - self.corner).square().sum(1) < self.radius**2).nonzero()[:, 0]
        away = x[near] - self.corner
        square = away.square().sum(1)
        margin = (2 * math.pi - self.opening) / 2  # the cut lies in the middle of the outside
        angle = torch.remainder(torch.atan2(away[:, 1], away[:, 0]) - self.start + margin, 2 * math.pi) - margin

        # Angular and radial factors, each with its derivatives.
        @cache
        def power(exponent: float, is_sine: bool, derivative: int, turned: float) -> Tensor:
            """Derivative of z^a along a direction of length 1 that is turned by an angle from the first edge."""
            factor = math.prod(exponent - k for k in range(derivative))
            left = exponent - derivative
            phase = left * angle + derivative * turned
            wave = phase.sin() if is_sine else phase.cos()
            return factor * square ** (left / 2) * wave

        # The radial factor is cut off smoothly at the radius.
        share = square / self.radius**2
        inner = 1 - square / self.radius**2

        @cache
        def polynomial(more: int, derivative: int) -> Tensor:
            """Derivative of (1 - s)^SINGULAR.cut_off T_more(s) by the squared radius, s radius^2."""
            total = torch.zeros_like(share)
            chebyshev = Chebyshev.basis(more, domain=[0, 1])
            for k in range(derivative + 1):
                of_cut = (-1) ** k * math.perm(SINGULAR.cut_off, k) * inner ** (SINGULAR.cut_off - k)
                factor = chebyshev.deriv(derivative - k)
                total = total + math.comb(derivative, k) * of_cut * torch.from_numpy(factor(share.numpy()))
            return total / self.radius ** (2 * derivative)

        # Product rule for the radial and the angular factor.
        for column, (exponent, is_sine, more) in enumerate(self.terms):
            wave = power(exponent, is_sine, 0, 0.0)
            radial = polynomial(more, 0)
            jet[0, near, column] = radial * wave
            for number, direction in enumerate(along):
                length = float(direction.norm())
                turned = math.atan2(float(direction[1]), float(direction[0])) - self.start
                wave_1 = length * power(exponent, is_sine, 1, turned)
                slope = 2 * (away @ direction)
                radial_1 = polynomial(more, 1) * slope
                jet[1 + number * order, near, column] = radial_1 * wave + radial * wave_1
                # Second derivatives.
                if order > 1:
                    wave_2 = length**2 * power(exponent, is_sine, 2, turned)
                    radial_2 = polynomial(more, 2) * slope.square() + 2 * length**2 * polynomial(more, 1)
                    jet[2 + number * order, near, column] = radial_2 * wave + 2 * radial_1 * wave_1 + radial * wave_2
        return jet


def corner_functions(domain: Domain) -> list[CornerFunctions]:
    """Functions for every corner of a polygon with an angle above 180 degrees inside, of all kinds of conditions."""
    corners = domain.corners
    found = []
    for number, corner in enumerate(corners):
        following = corners[(number + 1) % len(corners)] - corner
        before = corners[number - 1] - corner
        start = math.atan2(float(following[1]), float(following[0]))
        opening = (math.atan2(float(before[1]), float(before[0])) - start) % (2 * math.pi)
        if opening <= math.pi * (1 + SINGULAR.whole_exponent):
            continue
        others = torch.cat([corners[(number + 1) % len(corners) :], corners[: (number + 1) % len(corners)]])
        # of all edges but those at the corner
        starts = others[:-2]
        ends = others[1:-1]
        radius = float(distance_to_line(corner - starts, ends - starts).min())
        terms = []
        for half in (0.0, 0.5):
            exponents = [(k - half) * math.pi / opening for k in range(1, 2 * len(corners) + 40)]
            for exponent in exponents:
                if exponent < SINGULAR.most_exponent and abs(exponent - round(exponent)) > SINGULAR.whole_exponent:
                    more = range(int(SINGULAR.most_polynomial - exponent) + 1)
                    terms += [(exponent, is_sine, j) for is_sine in (True, False) for j in more]
        found.append(CornerFunctions(corner, start, opening, radius, tuple(terms)))
    return found

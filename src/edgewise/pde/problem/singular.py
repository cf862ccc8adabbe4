"""Functions that are singular at points on or outside the boundary: at corners of a domain, and in its round holes."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.pde.domains.domain import Domain

INSIDE_HOLE = 0.5  # of the radius of a hole: nearer to its centre the functions stay as they are there. A choice
AT_CORNER = 1e-150  # distance from a corner, relative to the domain, below which it counts as this one. A choice
# Shares of a piece at which it is looked at whether it is straight, to which precision, and points on a ray from a
# corner and on a circle. Choices: far above rounding.
NEAR_END, STRAIGHT_TO, RAY_POINTS, CIRCLE_POINTS = 0.1, 1e-9, 2000, 7
SINGULAR_KINDS = ("1", "log z", "log |z|", "K", "Y")
Terms = tuple[tuple[float, int, bool], ...]


@dataclass(frozen=True, eq=False)
class SingularFunctions:
    """Real or imaginary parts of z^a conj(z)^q L about a point, or of B_a(k r) exp(i a angle).

    L is 1, log z or log |z|^2, and z the place relative to the point, turned and scaled. On both edges of a corner
    powers with the right exponents fulfil the conditions of an equation whose leading part is the Laplacian [1]_.
    Negative powers and log |z|^2 are the functions around a hole; Bessel functions K of the second kind where the
    equation is laplacian u = k^2 u, and Y where it is laplacian u = -k^2 u [2]_.

    Parameters
    ----------
    point : Tensor
        The place, (2,).
    turn, cut : float
        Direction of angle zero, and the smallest angle: there the values of log z jump.
    scale : float
        Unit of length; for a hole its radius.
    kind : {"1", "log z", "log |z|", "K", "Y"}
        The factor L, or the Bessel functions.
    terms : tuple
        Of each function the exponents a and q, and whether it is an imaginary part.
    is_hole : bool
        Whether the point lies in a hole.
    wave : float
        The number k, for Bessel functions.

    References
    ----------
    .. [1] P. Grisvard, "Elliptic Problems in Nonsmooth Domains", 1985, ch. 4.
    .. [2] I. Vekua, "New Methods for Solving Elliptic Equations", 1967, ch. 3.
    """

    point: Tensor
    turn: float
    cut: float
    scale: float
    kind: str
    terms: Terms
    is_hole: bool = False
    wave: float = 0.0

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, functions) at points x (b, 2), of any order; the components are those of `edgewise.ops.jet`.

        With D and E for the derivatives by z and conj(z), the derivative along a direction d is d D + conj(d) E.
        """
        along = x.new_zeros(0, 2) if directions is None or not order else directions
        unit, away = cmath.rect(1 / self.scale, -self.turn), x - self.point
        z = torch.complex(away[:, 0], away[:, 1]) * unit
        size, least = z.abs(), INSIDE_HOLE if self.is_hole else AT_CORNER
        z = torch.where(size < least, torch.where(size > 0, z / size, 1.0) * least, z)
        most = order if len(along) else 0
        table = self._bessel_table(z, most) if self.wave else self._power_table(z, most)
        is_imaginary = torch.tensor([term[2] for term in self.terms])

        def part(values: Tensor) -> Tensor:
            return torch.where(is_imaginary, values.imag, values.real)

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
                first, second = torch.ones_like(a), torch.zeros_like(a)
                for exponent, taken, slope in ((a, k, by_z), (q, l, by_conjugate)):
                    for step in range(taken):
                        first, second = first * (exponent - step), second * (exponent - step) + first * slope
                powers = z[:, None] ** -k * z[:, None].conj() ** -l
                table[k, l] = (first * factor + second) * base * powers
        return table

    def _bessel_table(self, z: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
        """The same of B_n(k r) exp(i n angle), whose derivatives are such functions with n - 1 and n + 1."""
        numbers = [int(term[0]) for term in self.terms]
        wave = self.wave * self.scale
        at = wave * torch.cat([z.abs(), z.new_ones(1).abs()])  # the last one is on the circle
        if self.kind == "K":
            values, sign = [torch.special.modified_bessel_k0(at), torch.special.modified_bessel_k1(at)], 1.0
        else:
            values, sign = [torch.special.bessel_y0(at), torch.special.bessel_y1(at)], -1.0
        for n in range(1, max(numbers) + order):
            values.append(2 * n / at * values[n] + sign * values[n - 1])
        every, angle = torch.stack(values, 1), z.angle()[:, None]
        number = torch.tensor(numbers)
        on_circle, table = every[-1, number].abs(), {}
        for l in range(order + 1):
            for k in range(order + 1 - l):
                factor = (-sign * wave / 2) ** k * (-wave / 2) ** l
                shifted = number - k + l
                signs = torch.where((shifted < 0) & (shifted % 2 == 1), sign, 1.0).to(every.dtype)
                sizes = factor * signs / on_circle * every[:-1, shifted.abs()]
                table[k, l] = torch.polar(torch.ones_like(sizes), shifted * angle) * sizes
        return table


@dataclass(frozen=True, eq=False)
class Corner:
    """A place at which two pieces of a boundary meet that are straight there.

    Parameters
    ----------
    point : Tensor
        The place, (2,).
    start, opening : float
        Direction of the first piece, and the angle from it through the domain to the second one.
    pieces : tuple of str
        Names of both pieces.
    cut : float or None
        Angle, from the first piece, of a ray from the place that does not meet the domain; None if there is no such
        ray.
    """

    point: Tensor
    start: float
    opening: float
    pieces: tuple[str, str]
    cut: float | None


def corners_of(domain: Domain) -> list[Corner]:
    """All corners of a domain in the plane between pieces that are straight there."""
    ends, reach = [], float(domain.size.max())
    for piece in domain.pieces:
        if piece.at is None:
            continue
        for shares in ((0.0, NEAR_END, 2 * NEAR_END), (1.0, 1 - NEAR_END, 1 - 2 * NEAR_END)):
            x, normal = piece.at(torch.tensor(shares, dtype=torch.float64))
            along = x[1:] - x[:1]
            bend = float((along[1] - 2 * along[0]).norm())
            if bend < STRAIGHT_TO * float(along.norm()) and float(along.norm()):
                ends.append((piece.name, x[0], along[0] / along[0].norm(), normal[0]))
    corners = []
    for number, (name, point, first, normal) in enumerate(ends):
        if float(first[1] * normal[0] - first[0] * normal[1]) < 0:
            continue  # the domain lies clockwise from this piece
        for other, (second_name, place, second, _) in enumerate(ends):
            if other != number and float((place - point).norm()) < STRAIGHT_TO * reach:
                start = math.atan2(float(first[1]), float(first[0]))
                opening = (math.atan2(float(second[1]), float(second[0])) - start) % (2 * math.pi)
                if opening > STRAIGHT_TO:
                    cut = _free_angle(domain, point, start, opening)
                    corners.append(Corner(point, start, opening, (name, second_name), cut))
    return corners


def _free_angle(domain: Domain, point: Tensor, start: float, opening: float) -> float | None:
    """Angle, from the first piece, in (opening - 2 pi, 0) of a ray that stays outside of the domain."""
    reach = float(domain.size.norm())
    for share in (0.5, 0.25, 0.75, 0.1, 0.9):
        angle = share * (opening - 2 * math.pi)
        direction = torch.tensor([math.cos(start + angle), math.sin(start + angle)], dtype=torch.float64)
        steps = reach * torch.linspace(0, 1, RAY_POINTS + 1, dtype=torch.float64)[1:, None]
        if not bool(domain.contains(point + steps * direction).any()):
            return angle
    return None


def holes_of(domain: Domain) -> list[tuple[Tensor, float]]:
    """Centres and radii of all whole circles in the boundary of a domain of which it lies outside."""
    found = []
    for piece in domain.pieces:
        if piece.at is None or domain.dimension != 2:
            continue
        x, normal = piece.at(torch.arange(CIRCLE_POINTS, dtype=torch.float64) / CIRCLE_POINTS)
        center = x.mean(0)
        radii = (x - center).norm(dim=1)
        is_round = float(radii.max() - radii.min()) < STRAIGHT_TO * float(radii.max())
        if is_round and bool(((x - center) * normal).sum(1).max() < -STRAIGHT_TO * radii.max()):
            found.append((center, float(radii.mean())))
    return found

"""Domains made of two others: union, intersection and difference, in any dimension."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import DOMAINS, Domain, Piece
from edgewise.pde.domains.sampling import accepted_points, unit_points


@dataclass(frozen=True)
class CombinedSettings:
    """Boundaries of combined domains."""

    span_places: int = 2048  # along a curve, between which it enters or leaves another domain once
    span_bisections: int = 48  # by which such places are found, to rounding
    # Steps off the boundary by which levels change at a point where two boundaries touch: one, times a gradient.
    touching: float = 100.0


COMBINED = CombinedSettings()


class _Composite(Domain):
    """Union, intersection or difference of two domains of the same coordinates.

    Volume and measures of pieces are estimated from quasi-random points.
    """

    is_combined = True
    _side = 1  # sign of the normals of the second domain, and, but in a union, of its level

    def __init__(self, first: Domain, second: Domain):
        if not isinstance(second, Domain) or first.coordinates != second.coordinates:
            if isinstance(second, Domain):
                came = second.coordinates
            else:
                came = type(second).__name__
            raise InputError(f"both domains must have the coordinates {first.coordinates}, got {came}")
        self.first, self.second, self.coordinates = first, second, first.coordinates
        self.bounds = self._bounds()
        box = self.bounds[:, 0] + self.size * unit_points(DOMAINS.quadrature_points, self.dimension, "sobol", 1)
        self.volume = float(self.size.prod()) * float(self.contains(box).double().mean())
        if not self.volume:
            raise InputError("the domain must have a volume and a boundary, got an empty one")
        taken = {piece.name for piece in first.pieces}
        pieces = [self._remaining_part(piece, piece.name, 1, False) for piece in first.pieces]
        for piece in second.pieces:
            name = _free_name(piece.name, taken)
            taken.add(name)
            pieces.append(self._remaining_part(piece, name, self._side, True))
        self.pieces = tuple(piece for piece in pieces if piece is not None)

    def _bounds(self) -> Tensor:
        raise NotImplementedError

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.first.level(x), self._side * self.second.level(x))

    def _remaining_part(self, piece: Piece, name: str, side: int, second: bool) -> Piece | None:
        """The part of a piece that bounds the whole domain: the domain lies on one side of its points only."""
        # Points of the piece that bound the whole domain.
        step = DOMAINS.off_boundary_step * float(self.size.max())

        def kept(x: Tensor, normal: Tensor) -> Tensor:
            real = (self.level(x + step * normal) > 0) & (self.level(x - step * normal) < 0)
            # shared parts count once
            if second:
                return real & (self.first.level(x).abs() > step / 2)
            return real

        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            def draw(number: int) -> tuple[Tensor, Tensor]:
                x, normal = piece.sample(number, how, seed)
                return torch.stack([x, side * normal], 1), kept(x, side * normal)

            both = accepted_points(draw, count, how, DOMAINS.least_share)
            if both is None:
                raise InputError(f"piece {name!r} of the boundary must have a measure, got next to none")
            return both[:, 0], both[:, 1]

        # Share of the piece that remains.
        x, normal = piece.sample(DOMAINS.quadrature_points, "grid", 0)
        remaining = kept(x, side * normal)
        share = float(remaining.double().mean())
        other = self.first if second else self.second
        off = other.level(x[remaining]).abs()
        if share < DOMAINS.least_share and not (off > COMBINED.touching * step).any():
            return None  # nothing, or a point where the two boundaries touch
        # Stretches of a curve that remain.
        at = None
        part_of = None
        spans = piece.spans
        curve = piece.path
        measure = share * piece.measure
        if curve is not None:

            def part_of(share: Tensor) -> tuple[Tensor, Tensor]:
                x, normal = curve(share)
                return x, side * normal

            if share == 1 and piece.at is not None:
                at = part_of
            else:
                spans = _kept_spans(curve, piece.spans, lambda x, normal: kept(x, side * normal), other)
                whole = sum(high - low for low, high in piece.spans)
                measure = piece.measure * sum(high - low for low, high in spans) / whole
        is_initial = piece.is_initial and side == 1
        return Piece(name, measure, sample, at, piece.coordinate, is_initial, part_of, spans, piece.distance)


def _kept_spans(
    curve: Callable[[Tensor], tuple[Tensor, Tensor]],
    spans: Sequence[tuple[float, float]],
    kept: Callable[[Tensor, Tensor], Tensor],
    other: Domain,
) -> tuple[tuple[float, float], ...]:
    """Ends of the shares of a curve, within given ones, that are kept; they lie on the boundary of the other domain."""
    least = DOMAINS.off_boundary_step * float(other.size.max())
    found = list[tuple[float, float]]()
    for first, last in spans:
        count = max(2, math.ceil(COMBINED.span_places * (last - first)))
        share = first + (last - first) * (torch.arange(count, dtype=torch.float64) + 0.5) / count
        states = kept(*curve(share))
        number = (states[1:] != states[:-1]).nonzero()[:, 0]
        start = share[number]
        end = share[number + 1]
        levels = [other.level(curve(each)[0]) for each in (start, end)]
        # Where the other boundary is crossed, its level is zero there, to rounding.
        is_crossed = (levels[0] * levels[1] < 0) & (torch.minimum(*(each.abs() for each in levels)) > least)
        for _ in range(COMBINED.span_bisections):
            middle = (start + end) / 2
            x, normal = curve(middle)
            same = torch.where(is_crossed, other.level(x) * levels[0] > 0, kept(x, normal) == states[number])
            start = torch.where(same, middle, start)
            end = torch.where(same, end, middle)
        ends = [first, *((start + end) / 2).tolist(), last]
        are_kept = [bool(states[0]), *states[number + 1].tolist()]
        found += [pair for pair, is_kept in zip(pairwise(ends), are_kept, strict=True) if is_kept]
    return tuple(found)


ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth")


def _free_name(name: str, taken: set[str]) -> str:
    """The name itself, or "second ...", "third ..." if pieces of these names are there already."""
    first, _, rest = name.partition(" ")
    base = rest if first in ORDINALS or re.fullmatch(r"\d+th", first) else name
    numbered = (f"{ordinal} {base}" for ordinal in (*ORDINALS, *(f"{n}th" for n in range(13, 13 + len(taken)))))
    if name not in taken:
        return name
    return next(each for each in (base, *numbered) if each not in taken)


class Union(_Composite):
    """Union of two domains: `a | b`.

    Pieces of the boundary keep their names; where a name is taken, that of the second domain becomes "second ...",
    "third ..." and so on.

    Raises
    ------
    InputError
        The domains have different coordinates.

    Examples
    --------
    >>> from edgewise.pde import Interval
    >>> union = Interval(0, 2) | Interval(1, 3)
    >>> union.boundary_names, round(union.volume, 2)
    (('x=0', 'x=3'), 3.0)
    """

    def _bounds(self) -> Tensor:
        both = torch.stack([self.first.bounds, self.second.bounds])
        return torch.stack([both[..., 0].amin(0), both[..., 1].amax(0)], 1)

    def level(self, x: Tensor) -> Tensor:
        return torch.minimum(self.first.level(x), self.second.level(x))


class Difference(_Composite):
    """Difference of two domains: `a - b`, the points of the first that are not in the second.

    Pieces of the boundary have names as in `Union`; normals point out of the difference.

    Raises
    ------
    InputError
        The domains have different coordinates, or nothing is left.

    Examples
    --------
    >>> from edgewise.pde import Interval
    >>> (Interval(0, 3) - Interval(1, 2)).boundary_names
    ('x=0', 'x=3', 'x=1', 'x=2')
    """

    _side = -1

    def _bounds(self) -> Tensor:
        return self.first.bounds


class Intersection(_Composite):
    """Intersection of two domains: `a & b`, the points in both.

    Pieces of the boundary have names as in `Union`.

    Raises
    ------
    InputError
        The domains have different coordinates, or no common points.

    Examples
    --------
    >>> from edgewise.pde import Interval
    >>> lens = Interval(0, 2) & Interval(1, 3)
    >>> lens.boundary_names, round(lens.volume, 2)
    (('x=2', 'x=1'), 1.0)
    """

    def _bounds(self) -> Tensor:
        both = torch.stack([self.first.bounds, self.second.bounds])
        bounds = torch.stack([both[..., 0].amax(0), both[..., 1].amin(0)], 1)
        if bool((bounds[:, 0] >= bounds[:, 1]).any()):
            raise InputError(
                "the domain must have a volume and a boundary, got an empty one, of domains that lie apart"
            )
        return bounds

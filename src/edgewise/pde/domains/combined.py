"""Domains made of two others: union, intersection and difference, in any dimension."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import DOMAINS, Curve, Domain, Piece
from edgewise.pde.domains.sampling import accepted_points, bisected, unit_points


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
        came = getattr(second, "coordinates", type(second).__name__)
        if came != first.coordinates:
            raise InputError(f"both domains must have the coordinates {first.coordinates}, got {came}")
        self.first = first
        self.second = second
        self.coordinates = first.coordinates
        self.bounds = self._bounds()
        # Volume by quasi-random points of the box.
        box = self.bounds[:, 0] + self.size * unit_points(DOMAINS.quadrature_points, self.dimension, "sobol", 1)
        self.volume = float(self.size.prod()) * float(self.contains(box).double().mean())
        if not self.volume:
            raise InputError("the domain must have a volume and a boundary, got an empty one")
        # Pieces of both boundaries, as far as they remain.
        pieces = [(piece, 1, False) for piece in first.pieces] + [(piece, self._side, True) for piece in second.pieces]
        remaining = []
        for name, (piece, side, is_second) in zip(self._names(), pieces, strict=True):
            remaining.append(self._remaining_part(piece, name, side, is_second))
        self.pieces = tuple(piece for piece in remaining if piece is not None)

    def _bounds(self) -> Tensor:
        raise NotImplementedError

    def _names(self) -> list[str]:
        """Names of the pieces of both boundaries; in a difference, one that is alone is "outer" or "inner"."""
        names = [piece.name for piece in self.first.pieces]
        others = [piece.name for piece in self.second.pieces]
        if self._side < 0 and len(names) == 1:
            names = ["outer"]
        if self._side < 0 and len(others) == 1:
            others = ["inner"]
        for name in others:
            names.append(_free_name(name, set(names)))
        return names

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.first.level(x), self._side * self.second.level(x))

    def _remaining_part(self, piece: Piece, name: str, side: int, second: bool) -> Piece | None:
        """The part of a piece that bounds the whole domain: the domain lies on one side of its points only."""
        # Points of the piece that bound the whole domain.
        step = DOMAINS.off_boundary_step * float(self.size.max())
        if second:
            other = self.first
        else:
            other = self.second

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
        off = other.level(x[remaining]).abs()
        if share < DOMAINS.least_share and not (off > COMBINED.touching * step).any():
            return None  # nothing, or a point where the two boundaries touch
        is_initial = piece.is_initial and side == 1
        remaining_part = Piece(
            name, share * piece.measure, sample, None, piece.coordinate, is_initial, piece.spans, piece.distance
        )
        curve = piece.path
        if curve is None:
            return remaining_part

        # Stretches of a curve that remain.
        def path(share: Tensor) -> tuple[Tensor, Tensor]:
            x, normal = curve(share)
            return x, side * normal

        if share == 1 and piece.is_whole_curve:
            return replace(remaining_part, path=path)
        spans = _kept_spans(curve, piece.spans, lambda x, normal: kept(x, side * normal), other)
        whole = sum(high - low for low, high in piece.spans)
        measure = piece.measure * sum(high - low for low, high in spans) / whole
        return replace(remaining_part, path=path, spans=spans, measure=measure)


def _kept_spans(
    curve: Curve,
    spans: Sequence[tuple[float, float]],
    kept: Callable[[Tensor, Tensor], Tensor],
    other: Domain,
) -> tuple[tuple[float, float], ...]:
    """Ends of the shares of a curve, within given ones, that are kept; they lie on the boundary of the other domain."""
    least = DOMAINS.off_boundary_step * float(other.size.max())
    found = list[tuple[float, float]]()
    for first, last in spans:
        count = max(2, math.ceil(COMBINED.span_places * (last - first)))
        # Places between which the curve enters or leaves once at most.
        share = first + (last - first) * (torch.arange(count, dtype=torch.float64) + 0.5) / count
        states = kept(*curve(share))
        number = (states[1:] != states[:-1]).nonzero()[:, 0]
        start = share[number]
        end = share[number + 1]
        # Where the other boundary is crossed, its level is zero there, to rounding.
        levels = [other.level(curve(each)[0]) for each in (start, end)]
        is_crossed = (levels[0] * levels[1] < 0) & (torch.minimum(*(each.abs() for each in levels)) > least)

        def is_before(
            share: Tensor, is_crossed: Tensor = is_crossed, level: Tensor = levels[0], state: Tensor = states[number]
        ) -> Tensor:
            x, normal = curve(share)
            return torch.where(is_crossed, other.level(x) * level > 0, kept(x, normal) == state)

        start, end = bisected(start, end, is_before, COMBINED.span_bisections)
        ends = [first, *((start + end) / 2).tolist(), last]
        are_kept = [bool(states[0]), *states[number + 1].tolist()]
        found += [pair for pair, is_kept in zip(pairwise(ends), are_kept, strict=True) if is_kept]
    return tuple(found)


def _free_name(name: str, taken: set[str]) -> str:
    """The name itself, or "second ...", "third ..." if pieces of these names are there already."""
    if name not in taken:
        return name
    ordinals = "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()  # noqa: SIM905
    base = re.sub(rf"^({'|'.join(ordinals)}|\d+th) ", "", name)
    numbered = (f"{ordinal} {base}" for ordinal in (*ordinals, *(f"{n}th" for n in range(13, 13 + len(taken)))))
    return next(each for each in (base, *numbered) if each not in taken)


class Union(_Composite):
    """Union of two domains: `a | b`; names of pieces that are taken become "second ...", "third ..." and so on."""

    def _bounds(self) -> Tensor:
        both = torch.stack([self.first.bounds, self.second.bounds])
        return torch.stack([both[..., 0].amin(0), both[..., 1].amax(0)], 1)

    def level(self, x: Tensor) -> Tensor:
        return torch.minimum(self.first.level(x), self.second.level(x))


class Difference(_Composite):
    """Difference of two domains: `a - b`, the points of the first that are not in the second, with normals outwards.

    Names of pieces are as of a union. Where the boundary of a domain is one piece, as of a disk, a ball or a level set,
    it is "outer" for the first domain and "inner" for the second one, as those of an annulus.
    """

    _side = -1

    def _bounds(self) -> Tensor:
        return self.first.bounds


class Intersection(_Composite):
    """Intersection of two domains: `a & b`, the points in both."""

    def _bounds(self) -> Tensor:
        both = torch.stack([self.first.bounds, self.second.bounds])
        bounds = torch.stack([both[..., 0].amax(0), both[..., 1].amin(0)], 1)
        if bool((bounds[:, 0] >= bounds[:, 1]).any()):
            raise InputError(
                "the domain must have a volume and a boundary, got an empty one, of domains that lie apart"
            )
        return bounds

"""Domains of space at every moment of a time, or for every value of a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import DOMAINS, Box, Domain, Piece
from edgewise.pde.domains.sampling import gauss_legendre, product_rule


@dataclass(frozen=True)
class ProductSettings:
    """Points of domains over time."""

    # Panels of time for domains over time, and largest number of points of a product rule over space and time: 32
    # points in time resolve a few periods, and the whole rule is evaluated within seconds.
    time_panels: int = 4
    product_points: int = 2**17
    # A prime between the seeds of points of space and those of times, so that they are independent.
    time_seed_step: int = 7919


PRODUCTS = ProductSettings()


class OverTime(Domain):
    """A domain of space at every moment of a time, as `Disk() * Time(0, 1)`, or for every value of a parameter.

    The pieces of its boundary are those of space, and the first and the last moment, as "t=0" and "t=1".
    """

    space: Domain

    def __init__(self, space: Domain, time: Box):
        if time.coordinates[0] in space.coordinates:
            raise InputError(f"space must have no coordinate {time.coordinates[0]}, got {', '.join(space.coordinates)}")
        self.space = space
        self.time = time
        self.coordinates = (*space.coordinates, *time.coordinates)
        self.bounds = torch.cat([space.bounds, time.bounds])
        self.volume = space.volume * time.volume
        first, last = (self._moment(piece) for piece in time.pieces)
        self.pieces = (*(self._wall(piece) for piece in space.pieces), first, last)

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.space.level(x[:, :-1]), self.time.level(x[:, -1:]))

    def contains(self, x: Tensor) -> Tensor:
        return self.space.contains(x[:, :-1]) & self.time.contains(x[:, -1:])

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        moments = [piece.name for piece in self.named(names) if piece.coordinate == self.time.coordinates[0]]
        walls = [name for name in names if name not in moments]
        values = []
        if walls:
            values.append(self.space.factor(x[:, :-1], walls))
        if moments:
            values.append(self.time.factor(x[:, -1:], moments))
        return reduce(torch.mul, values)

    def until(self, axis: int, moment: float) -> Domain:
        """Space up to a moment."""
        first = float(self.bounds[axis, 0])
        return self.space * Box(**{self.coordinates[axis]: (first, moment)})

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        first, last = self.time.bounds[0].tolist()
        space = self.space.quadrature(points)
        if points is None:
            time = gauss_legendre(DOMAINS.gauss, first, last, PRODUCTS.time_panels)
        else:
            time = gauss_legendre(points, first, last)
        if points is None and len(space[0]) * len(time[0]) > PRODUCTS.product_points:
            return super().quadrature()
        return product_rule(space, time)

    def _wall(self, piece: Piece) -> Piece:
        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            x, normal = piece.sample(count, how, seed)
            if len(x) == 1:  # a wall that is a point
                x = x.expand(count, -1)
                normal = normal.expand(count, -1)
            # As many times as points of space, in an order of their own: time must not follow the place on the wall.
            t = self.time.interior(len(x), how.replace("grid", "sobol"), seed + PRODUCTS.time_seed_step)
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            return torch.cat([x, t[order]], 1), torch.cat([normal, torch.zeros_like(t)], 1)

        return Piece(piece.name, piece.measure * self.time.volume, sample, coordinate=piece.coordinate)

    def _moment(self, end: Piece) -> Piece:
        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            x = self.space.interior(count, how, seed)
            t, normal = end.sample(1, how, seed)
            return torch.cat([x, t.expand(len(x), 1)], 1), torch.cat([torch.zeros_like(x), normal.expand(len(x), 1)], 1)

        return Piece(end.name, self.space.volume, sample, coordinate=end.coordinate, is_initial=end.is_initial)

"""Where an equation holds: what every domain gives, boxes of any dimension, domains over time, unions, differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.sampling import gauss_legendre, unit_points

TIME = "t"  # the coordinate of this name is time, all others are space

QUADRATURE_POINTS = 2**14  # where no product rule fits; relative errors of some 1e-4 for smooth functions
GAUSS = 8  # points of a panel
# Step off a boundary, relative to the domain's size, that tells on which side of it a union or difference lies.
STEP = 1e-7
LEAST_SHARE = 1e-3  # of its box or piece that a domain must fill, or it counts as empty


@dataclass(frozen=True)
class Piece:
    """A part of a boundary.

    measure: its length, area ... (1 for a point).
    sample: (count, how, seed) to points (count, n) and outward normals (count, n); one row where it is a point.
    at: of a curve, shares of its length (b,) to points and outward normals, (b, n) each; None where it is no curve.
    """

    name: str
    measure: float
    sample: Callable[[int, str, int], tuple[Tensor, Tensor]]
    at: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None

    @classmethod
    def curve(cls, name: str, length: float, at: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Piece:
        """A curve that is known by its points."""
        return cls(name, length, lambda count, how, seed: at(unit_points(count, 1, how, seed)[:, 0]), at)


class Domain:
    """What boxes, disks and the others have in common. Points are float64, in the units of the user's coordinates.

    `a | b` is the union of two domains, `a - b` their difference, `a * Time(0, 1)` one at every moment.

    Attributes:
        coordinates: their names in order; the one named "t" is time.
        bounds: (n, 2), the ends of the smallest box around it.
        volume: length, area ... including time; of unions and differences to about three digits.
        pieces: of the boundary; "t=..." are the first and the last moment.
    """

    coordinates: tuple[str, ...]
    bounds: Tensor
    volume: float
    pieces: tuple[Piece, ...]

    def level(self, x: Tensor) -> Tensor:
        """(b, n) -> (b,): below 0 inside, 0 on the boundary, above 0 outside; near the boundary about the distance."""
        raise NotImplementedError

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """(b,): a smooth function that is 0 on these pieces of the boundary only, of size 1 inside."""
        raise InputError(
            f"hard conditions need a box, a disk, an annulus or one of them over time, got {type(self).__name__}"
        )

    @property
    def dimension(self) -> int:
        return len(self.coordinates)

    @property
    def size(self) -> Tensor:
        """The sides of the box around it, (n,)."""
        return self.bounds[:, 1] - self.bounds[:, 0]

    @property
    def boundary_names(self) -> tuple[str, ...]:
        """The pieces of the boundary, without the first and last moment."""
        return tuple(piece.name for piece in self.pieces if not piece.name.startswith(f"{TIME}="))

    def contains(self, x: Tensor) -> Tensor:
        """(b, n) -> (b,), True inside and on the boundary."""
        return self.level(x) <= 0

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        """Points inside, (count, n); a grid may hold more. See `unit_points` for how and seed."""
        low, sides = self.bounds[:, 0], self.size
        drawn = count
        while drawn * LEAST_SHARE <= count + 100:
            x = low + sides * unit_points(drawn, self.dimension, how, seed)
            x = x[self.contains(x)]
            if len(x) >= count:
                return x if how == "grid" else x[:count]
            drawn = math.ceil(1.05 * drawn * count / max(len(x), count / 10)) + 1
        raise InputError("the domain must have a volume, got next to none among points of its box")

    def boundary(
        self, count: int, how: str = "sobol", seed: int = 0, names: Sequence[str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Points on pieces of the boundary and their outward normals, about (count, n) each.

        names: of pieces; all but the first and last moment if left out. Every piece gets its share by measure.
        """
        chosen = self.named(self.boundary_names if names is None else names)
        whole = sum(piece.measure for piece in chosen)
        drawn = [
            piece.sample(max(1, round(count * piece.measure / whole)), how, seed + number)
            for number, piece in enumerate(chosen)
        ]
        return torch.cat([x for x, _ in drawn]), torch.cat([normal for _, normal in drawn])

    def named(self, names: Sequence[str]) -> list[Piece]:
        """The pieces of these names."""
        pieces = {piece.name: piece for piece in self.pieces}
        wrong = [name for name in names if name not in pieces]
        if wrong or not names:
            known = ", ".join(f'"{name}"' for name in pieces)
            raise InputError(f"on must name pieces of the boundary, {known}, got {wrong[0] if wrong else 'none'!r}")
        return [pieces[name] for name in names]

    def quadrature(self) -> tuple[Tensor, Tensor]:
        """Points (q, n) and weights (q,) that sum to the volume; exact for smooth functions on boxes and disks."""
        x = self.interior(QUADRATURE_POINTS, "sobol", seed=1)
        return x, torch.full((len(x),), self.volume / len(x), dtype=torch.float64)

    def __mul__(self, time: Box) -> Domain:
        """This domain at every moment of a time, as `Disk() * Time(0, 1)`."""
        if not isinstance(time, Box) or time.coordinates != (TIME,):
            raise InputError(f"a domain must be multiplied by a Time, got {type(time).__name__}")
        return OverTime(self, time)

    def __or__(self, other: Domain) -> Domain:
        """The points in either."""
        return Union(self, other)

    def __sub__(self, other: Domain) -> Domain:
        """The points of this one that are not in the other."""
        return Difference(self, other)


class Box(Domain):
    """An interval, rectangle, box ... by the ends of each coordinate: `Box(x=(-1, 1), y=(0, 2))`.

    Pieces are named by the coordinate and its value, as "x=-1". `Box.cube(10)` has the coordinates x1 .. x10.

    Args:
        ends: (low, high) of each coordinate, whose name is a letter and perhaps a number; t is time.

    Raises:
        InputError: no coordinate, another name, or not low < high, both finite.
    """

    def __init__(self, **ends: tuple[float, float]):
        if not ends:
            raise InputError("a box must have a coordinate, as Box(x=(0, 1)), got none")
        for name, pair in ends.items():
            _check_name(name)
            if not (isinstance(pair, tuple | list) and len(pair) == 2 and -math.inf < pair[0] < pair[1] < math.inf):
                raise InputError(f"{name} must be (low, high) with low < high, got {pair!r}")
        self.coordinates = tuple(ends)
        self.bounds = torch.tensor([list(map(float, pair)) for pair in ends.values()], dtype=torch.float64)
        self.volume = float(self.size.prod())
        self.pieces = tuple(self._face(axis, side) for axis in range(self.dimension) for side in (0, 1))

    @classmethod
    def cube(cls, dimension: int, low: float = 0.0, high: float = 1.0) -> Box:
        """The same ends for the coordinates x1 .. xn."""
        return cls(**{f"x{number}": (low, high) for number in range(1, dimension + 1)})

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.bounds[:, 0] - x, x - self.bounds[:, 1]).amax(1)

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        return self.bounds[:, 0] + self.size * unit_points(count, self.dimension, how, seed)

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        share = (x - self.bounds[:, 0]) / self.size
        values = []
        for axis, (low, high) in enumerate(zip(self.pieces[::2], self.pieces[1::2], strict=True)):
            at_low, at_high = low.name in names, high.name in names
            values += [share[:, axis]] if at_low else []
            values += [(4 if at_low else 1) * (1 - share[:, axis])] if at_high else []
        return reduce(torch.mul, values)

    def quadrature(self) -> tuple[Tensor, Tensor]:
        if self.dimension > 3:
            return super().quadrature()
        panels = (32, 16, 3)[self.dimension - 1]
        rules = [gauss_legendre(GAUSS, low, high, panels) for low, high in self.bounds.tolist()]
        x = torch.cartesian_prod(*[nodes for nodes, _ in rules]).reshape(-1, self.dimension)
        weights = torch.cartesian_prod(*[weights for _, weights in rules]).reshape(-1, self.dimension)
        return x, weights.prod(1)

    def __mul__(self, time: Box) -> Domain:
        if isinstance(time, Box) and time.coordinates == (TIME,) and TIME not in self.coordinates:
            both = {**dict(zip(self.coordinates, self.bounds.tolist(), strict=True)), TIME: time.bounds[0].tolist()}
            return Box(**both)
        return super().__mul__(time)

    def _face(self, axis: int, side: int) -> Piece:
        value = float(self.bounds[axis, side])
        others = [i for i in range(self.dimension) if i != axis]

        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            share = unit_points(count, len(others), how, seed)
            x = torch.full((len(share), self.dimension), value, dtype=torch.float64)
            x[:, others] = self.bounds[others, 0] + self.size[others] * share
            normal = torch.zeros_like(x)
            normal[:, axis] = 2 * side - 1
            return x, normal

        return Piece(f"{self.coordinates[axis]}={value:.12g}", float(self.size[others].prod()), sample)


def Interval(low: float, high: float, name: str = "x") -> Box:
    """The box of one coordinate; its pieces are points, as "x=0". Raises InputError unless low < high, both finite."""
    return Box(**{name: (low, high)})


def Time(low: float, high: float) -> Box:
    """The time from low to high: the interval of the coordinate t. Raises InputError unless low < high, both finite."""
    return Interval(low, high, TIME)


class OverTime(Domain):
    """A domain of space at every moment of a time: `Disk() * Time(0, 1)`; pieces of space, then "t=0" and "t=1".

    Args:
        space: without the coordinate t.
        time: from `Time`.

    Raises:
        InputError: space has the coordinate t.
    """

    def __init__(self, space: Domain, time: Box):
        if TIME in space.coordinates:
            raise InputError(f"space must have no coordinate {TIME}, got {', '.join(space.coordinates)}")
        self.space, self.time = space, time
        self.coordinates = (*space.coordinates, TIME)
        self.bounds = torch.cat([space.bounds, time.bounds])
        self.volume = space.volume * time.volume
        first, last = (self._moment(piece) for piece in time.pieces)
        self.pieces = (*(self._wall(piece) for piece in space.pieces), first, last)

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.space.level(x[:, :-1]), self.time.level(x[:, -1:]))

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        moments = [name for name in names if name.startswith(f"{TIME}=")]
        walls = [name for name in names if name not in moments]
        values = [self.space.factor(x[:, :-1], walls)] if walls else []
        values += [self.time.factor(x[:, -1:], moments)] if moments else []
        return reduce(torch.mul, values)

    def quadrature(self) -> tuple[Tensor, Tensor]:
        (x, a), (t, b) = self.space.quadrature(), gauss_legendre(GAUSS, *self.time.bounds[0].tolist(), panels=4)
        if len(x) * len(t) > 2**17:  # only where space has a rule of few points is a product of the two one of few
            return super().quadrature()
        both = torch.cat([x.repeat_interleave(len(t), 0), t.repeat(len(x))[:, None]], 1)
        return both, (a[:, None] * b).flatten()

    def _wall(self, piece: Piece) -> Piece:
        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            x, normal = piece.sample(count, how, seed)
            if len(x) == 1:  # a wall that is a point
                x, normal = x.expand(count, -1), normal.expand(count, -1)
            # Scrambled apart from the points of space, and as many: time must not follow the place along the wall.
            t = self.time.interior(len(x), "uniform" if how == "uniform" else "sobol", seed + 7919)
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            return torch.cat([x, t[order]], 1), torch.cat([normal, torch.zeros_like(t)], 1)

        return Piece(piece.name, piece.measure * self.time.volume, sample)

    def _moment(self, end: Piece) -> Piece:
        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            x = self.space.interior(count, how, seed)
            t, normal = end.sample(1, how, seed)
            return torch.cat([x, t.expand(len(x), 1)], 1), torch.cat([torch.zeros_like(x), normal.expand(len(x), 1)], 1)

        return Piece(end.name, self.space.volume, sample)


class _Composite(Domain):
    """Two domains of the same coordinates as one. Volume and measures are estimated from quasi-random points."""

    def __init__(self, first: Domain, second: Domain):
        if not isinstance(second, Domain) or first.coordinates != second.coordinates:
            came = second.coordinates if isinstance(second, Domain) else type(second).__name__
            raise InputError(f"both domains must have the coordinates {first.coordinates}, got {came}")
        self.first, self.second, self.coordinates = first, second, first.coordinates
        self.bounds = self._bounds()
        box = self.bounds[:, 0] + self.size * unit_points(QUADRATURE_POINTS, self.dimension, "sobol", 1)
        self.volume = float(self.size.prod()) * float(self.contains(box).double().mean())
        taken = {piece.name for piece in first.pieces}
        pieces = [self._part(piece, piece.name, 1, False) for piece in first.pieces]
        for piece in second.pieces:
            name = f"second {piece.name}" if piece.name in taken else piece.name
            pieces.append(self._part(piece, name, self._side, True))
        self.pieces = tuple(piece for piece in pieces if piece is not None)

    _side = 1  # of the second domain's normals

    def _bounds(self) -> Tensor:
        raise NotImplementedError

    def _part(self, piece: Piece, name: str, side: int, second: bool) -> Piece | None:
        """What is left of a piece: points off which the domain lies on one side only."""
        step = STEP * float(self.size.max())

        def kept(x: Tensor, normal: Tensor) -> Tensor:
            real = (self.level(x + step * normal) > 0) & (self.level(x - step * normal) < 0)
            return real & (self.first.level(x).abs() > step / 2) if second else real  # shared parts count once

        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            drawn = count
            while drawn * LEAST_SHARE <= count + 100:
                x, normal = piece.sample(drawn, how, seed)
                keep = kept(x, side * normal)
                if int(keep.sum()) >= min(count, len(x)):
                    x, normal = x[keep], side * normal[keep]
                    return (x, normal) if how == "grid" else (x[:count], normal[:count])
                drawn = math.ceil(1.05 * drawn * count / max(int(keep.sum()), count / 10)) + 1
            raise InputError(f"piece {name!r} of the boundary must have a measure, got next to none")

        x, normal = piece.sample(QUADRATURE_POINTS, "grid", 0)
        share = float(kept(x, side * normal).double().mean())
        return Piece(name, share * piece.measure, sample) if share else None


class Union(_Composite):
    """Points in either of two domains: `a | b`. Pieces keep their names; "second ..." where both have one.

    Raises InputError where they have other coordinates.
    """

    def _bounds(self) -> Tensor:
        both = torch.stack([self.first.bounds, self.second.bounds])
        return torch.stack([both[..., 0].amin(0), both[..., 1].amax(0)], 1)

    def level(self, x: Tensor) -> Tensor:
        return torch.minimum(self.first.level(x), self.second.level(x))


class Difference(_Composite):
    """Points of the first domain that are not in the second: `a - b`. Pieces as in `Union`, normals out of the rest.

    Raises InputError where they have other coordinates.
    """

    _side = -1

    def _bounds(self) -> Tensor:
        return self.first.bounds

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.first.level(x), -self.second.level(x))


def _check_name(name: str) -> None:
    if not (name[0].isalpha() and len(name[0].encode()) == 1 and (len(name) == 1 or name[1:].isdigit())):
        raise InputError(f"a coordinate must be a letter, perhaps with a number, as x or x10, got {name!r}")

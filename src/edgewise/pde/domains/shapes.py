"""Domains in the plane other than boxes: disk, annulus, polygon, L-shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.pde.domains.domain import (
    Domain,
    Piece,
    check_center,
    check_coordinates,
    check_ends,
    finite_number,
    positive_number,
)
from edgewise.pde.domains.sampling import gauss_legendre


@dataclass(frozen=True)
class ShapeSettings:
    """Points of quadratures: rounding for functions of a few periods."""

    # Of the trapezoidal rule around a circle, which converges faster than any power for smooth functions (L. Trefethen,
    # J. Weideman, SIAM Review 56, 2014, 385).
    angles: int = 96
    radii: int = 3  # panels of Gauss-Legendre points along the radius
    radius_points: int = 8  # of each of these panels
    on_edge: float = 1e-12  # of the size of a polygon: corners that are so near to an edge lie on it; rounding
    polygon_points: int = 24  # of each coordinate of a part of a polygon between two corners


SHAPES = ShapeSettings()


@typed
class Annulus(Domain):
    """Domain between two circles around a centre; the pieces of its boundary are "outer" and "inner".

    Parameters
    ----------
    inner, outer : float
        Radii, 0 < inner < outer.
    center : sequence of float
        Two coordinates of the centre.
    coordinates : sequence of str
        Two names.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> Annulus(0.5, 1.0).boundary_names
    ('outer', 'inner')
    """

    def __init__(
        self, inner: float, outer: float, center: Sequence[float] = (0.0, 0.0), coordinates: Sequence[str] = ("x", "y")
    ):
        if not 0 < finite_number(inner, "inner") < finite_number(outer, "outer"):
            raise InputError(f"an annulus must have radii 0 < inner < outer, got {inner!r} and {outer!r}")
        self._place(inner, outer, center, coordinates)
        self.pieces = (self._circle("outer", outer, 1), self._circle("inner", inner, -1))

    def _place(self, inner: float, outer: float, center: Sequence[float], coordinates: Sequence[str]) -> None:
        self.center = check_center(center, 2)
        self.inner = float(inner)
        self.outer = float(outer)
        self.coordinates = check_coordinates(coordinates, 2)
        self.bounds = self.center[:, None] + torch.tensor([-self.outer, self.outer], dtype=torch.float64)
        self.volume = math.pi * (self.outer**2 - self.inner**2)

    def level(self, x: Tensor) -> Tensor:
        radius = (x - self.center).norm(dim=1)
        if self.inner:
            return torch.maximum(radius - self.outer, self.inner - radius)
        return radius - self.outer

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        square = (x - self.center).square().sum(1)
        value = torch.ones_like(square)
        if self.pieces[0].name in names:
            value = value * (self.outer**2 - square) / (self.outer**2 - self.inner**2)
        if "inner" in names:
            value = value * (square - self.inner**2) / (self.outer**2 - self.inner**2)
        return value

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        # Gauss and Legendre's rule along the radius, and the trapezoidal rule around the circle.
        if points is None:
            angles = SHAPES.angles
            radius, weights = gauss_legendre(SHAPES.radius_points, self.inner, self.outer, SHAPES.radii)
        else:
            angles = 2 * points
            radius, weights = gauss_legendre(points, self.inner, self.outer)
        angle = torch.arange(angles, dtype=torch.float64) * (2 * math.pi / angles)
        around = torch.stack([angle.cos(), angle.sin()], 1)
        x = self.center + (radius[:, None, None] * around).flatten(0, 1)
        return x, (radius * weights * (2 * math.pi / angles)).repeat_interleave(angles)

    def _circle(self, name: str, radius: float, side: int) -> Piece:
        def at(share: Tensor) -> tuple[Tensor, Tensor]:
            angle = 2 * math.pi * share
            normal = torch.stack([angle.cos(), angle.sin()], 1)
            return self.center + radius * normal, side * normal

        def distance(x: Tensor) -> Tensor:
            return ((x - self.center).norm(dim=1) - radius).abs()

        return Piece.curve(name, 2 * math.pi * radius, at, distance)


@typed
class Disk(Annulus):
    """Domain within a circle; its boundary is the piece "circle".

    Parameters
    ----------
    radius : float
        Radius, positive.
    center : sequence of float
        Two coordinates of the centre.
    coordinates : sequence of str
        Two names.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> round(Disk(2.0).volume, 6)
    12.566371
    """

    def __init__(
        self, radius: float = 1.0, center: Sequence[float] = (0.0, 0.0), coordinates: Sequence[str] = ("x", "y")
    ):
        radius = positive_number(radius, "radius")
        self._place(0.0, radius, center, coordinates)
        self.pieces = (self._circle("circle", radius, 1),)


@typed
class Polygon(Domain):
    """Domain within a closed polygonal line that does not cross itself.

    The pieces of its boundary are "edge 1" from the first corner to the second, "edge 2", and so on.

    Parameters
    ----------
    corners : sequence of sequence of float
        Corners, (m, 2) with m of at least three, in either sense.
    coordinates : sequence of str
        Two names.

    Raises
    ------
    InputError
        There are fewer corners, or the line touches or crosses itself.

    Examples
    --------
    >>> Polygon([(0, 0), (1, 0), (0, 1)]).volume
    0.5
    """

    def __init__(self, corners: Sequence[Sequence[float]], coordinates: Sequence[str] = ("x", "y")):
        try:
            points = torch.tensor([list(map(float, corner)) for corner in corners], dtype=torch.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"corners must be pairs of numbers, as [(0, 0), (1, 0), (0, 1)]; {error}") from error
        if points.ndim != 2 or len(points) < 3 or points.shape[1] != 2:
            raise InputError(f"corners must have shape (m, 2) with m of at least 3, got {tuple(points.shape)}")
        if not bool(points.isfinite().all()):
            raise InputError("corners must be finite numbers, got one that is not")
        following = points.roll(-1, 0)
        _check_simple(points, following)
        # Shoelace formula: positive for corners in counterclockwise order.
        area = float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum() / 2)
        self.coordinates = check_coordinates(coordinates, 2)
        self.volume = abs(area)
        self._line = points  # corners in their given order
        self._sense = math.copysign(1.0, area)
        self.bounds = torch.stack([points.amin(0), points.amax(0)], 1)
        self.pieces = tuple(self._edge(number) for number in range(len(points)))

    @property
    def corners(self) -> Tensor:
        return self._line if self._sense > 0 else self._line.flip(0)

    @property
    def is_of_cells(self) -> bool:
        edges = self._line.roll(-1, 0) - self._line
        return bool((edges == 0).any(1).all())

    def level(self, x: Tensor) -> Tensor:
        start = self._line
        end = self._line.roll(-1, 0)
        along = end - start
        offset = x[:, None] - start
        distance = distance_to_line(offset, along).amin(1)
        # A ray to the right crosses the boundary an odd number of times from inside.
        is_across = (start[:, 1] > x[:, None, 1]) != (end[:, 1] > x[:, None, 1])
        slope = along[:, 0] / torch.where(along[:, 1] == 0, torch.ones_like(along[:, 1]), along[:, 1])
        crosses = is_across & (x[:, None, 0] < start[:, 0] + slope * offset[..., 1])
        return torch.where(crosses.sum(1) % 2 == 1, -distance, distance)

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        count = points or SHAPES.polygon_points
        start = self._line
        end = self._line.roll(-1, 0)
        # Stripes from corner to corner, which lines across enter and leave through edges.
        parts = []
        weights = []
        for left, right in pairwise(self._line[:, 0].unique().tolist()):
            crossed = (torch.minimum(start, end)[:, 0] <= left) & (torch.maximum(start, end)[:, 0] >= right)
            a = start[crossed]
            b = end[crossed]
            x, share = gauss_legendre(count, left, right)
            # Places of the edges along each line, (q, edges), in their order.
            ends = a[:, 1] + (x[:, None] - a[:, 0]) / (b - a)[:, 0] * (b - a)[:, 1]
            ends = ends.sort(1).values
            for bottom, top in zip(ends[:, ::2].unbind(1), ends[:, 1::2].unbind(1), strict=True):
                y, own = gauss_legendre(count, 0.0, 1.0)
                nodes = bottom[:, None] + (top - bottom)[:, None] * y
                parts.append(torch.stack([x[:, None].expand_as(nodes), nodes], 2).flatten(0, 1))
                weights.append((share[:, None] * (top - bottom)[:, None] * own).flatten())
        return torch.cat(parts), torch.cat(weights)

    def _edge(self, number: int) -> Piece:
        start = self._line[number]
        end = self._line[(number + 1) % len(self._line)]
        length = float((end - start).norm())
        outward = self._sense * torch.stack([end[1] - start[1], start[0] - end[0]]) / length

        def at(share: Tensor) -> tuple[Tensor, Tensor]:
            return start + share[:, None] * (end - start), outward.expand(len(share), 2)

        def distance(x: Tensor) -> Tensor:
            return distance_to_line(x - start, end - start)

        return Piece.curve(f"edge {number + 1}", length, at, distance)


def _check_simple(start: Tensor, end: Tensor) -> None:
    """Raise an InputError where a closed line from corner to corner, (m, 2) each, touches or crosses itself."""
    if bool((start == end).all(1).any()):
        raise InputError(
            f"corners must differ from their neighbours, got {tuple(start[(start == end).all(1)][0].tolist())} twice"
        )
    # Corners on edges that are not their own, and edges that cross.
    number = torch.arange(len(start))
    along = end - start
    offset = start[:, None] - start
    is_own = (number[:, None] == number) | (number[:, None] == (number + 1) % len(start))
    touches = ~is_own & (distance_to_line(offset, along) <= SHAPES.on_edge * (start.amax(0) - start.amin(0)).max())
    side = along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0]  # of each corner, by the edges
    is_apart = side * side.roll(-1, 0) < 0  # the ends of an edge are on both sides of another one
    crosses = is_apart & is_apart.T
    if not bool((touches | crosses).any()):
        return
    # The first fault, in words.
    if bool(touches.any()):
        corner, edge = (touches.nonzero()[0] + 1).tolist()
        where = f"corner {corner}, {tuple(start[corner - 1].tolist())}, lies on edge {edge}"
    else:
        one, edge = (crosses.nonzero()[0] + 1).tolist()
        where = f"edge {one} crosses edge {edge}"
    raise InputError(f"corners must be those of a line that does not touch or cross itself, got one whose {where}")


def distance_to_line(offset: Tensor, along: Tensor) -> Tensor:
    """Distances (...) of points from straight lines (..., n), given by the points less the start of each line."""
    share = ((offset * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    return (offset - share[..., None] * along).norm(dim=-1)


def LShape(low: float = -1.0, high: float = 1.0) -> Polygon:
    """The square [low, high]^2 of x and y without its lower right quarter; the reentrant corner is the centre.

    The pieces of its boundary are "edge 1" to "edge 6", counterclockwise from the lower left corner, the first of them
    at the bottom.

    Parameters
    ----------
    low, high : float
        Ends of the square.

    Returns
    -------
    Polygon

    Raises
    ------
    InputError
        The ends are not finite numbers with low < high.

    Examples
    --------
    >>> LShape().volume
    3.0
    """
    low, high = check_ends(low, high)
    middle = (low + high) / 2
    return Polygon([(low, low), (middle, low), (middle, middle), (high, middle), (high, high), (low, high)])

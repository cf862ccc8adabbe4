"""Domains in space other than boxes: ball, of any dimension, and cylinder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.pde.domains.domain import Domain, Piece, check_center, check_coordinates, check_ends, positive_number
from edgewise.pde.domains.sampling import gauss_legendre, product_rule, unit_points
from edgewise.pde.domains.shapes import Disk


@dataclass(frozen=True)
class SolidSettings:
    """Points of quadratures: rounding for functions of a few periods, with 15,000 to 30,000 points."""

    radius_points: int = 16  # Gauss-Legendre points along the radius
    axis_points: int = 24  # the same along the axis
    angles: int = 48  # around the axis, which the trapezoidal rule sums
    least_probability: float = 1e-12  # of a normal number, so that it is finite


SOLIDS = SolidSettings()


@typed
class Ball(Domain):
    """Domain within a sphere of any dimension from two on; its boundary is the piece "sphere".

    Parameters
    ----------
    radius : float
        Radius, positive.
    center : sequence of float, optional
        As many coordinates of the centre as there are names; the origin if left out.
    coordinates : sequence of str
        Names, two or more.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> round(Ball().volume, 6), Ball().boundary_names
    (4.18879, ('sphere',))
    >>> shell = Ball() - Ball(0.5)
    >>> shell.boundary_names
    ('outer', 'inner')
    >>> five = Ball(coordinates=("a", "b", "c", "d", "e"))
    >>> five.dimension, round(five.volume, 6)  # 8 pi^2 / 15
    (5, 5.263789)
    """

    def __init__(
        self, radius: float = 1.0, center: Sequence[float] | None = None, coordinates: Sequence[str] = ("x", "y", "z")
    ):
        self.radius = positive_number(radius, "radius")
        self.coordinates = check_coordinates(coordinates)
        count = len(self.coordinates)
        if count < 2:
            raise InputError(f"coordinates must be two or more names, got {self.coordinates!r}")
        self.center = check_center((0.0,) * count if center is None else center, count)
        self.bounds = self.center[:, None] + torch.tensor([-self.radius, self.radius], dtype=torch.float64)
        self.volume = math.pi ** (count / 2) / math.gamma(count / 2 + 1) * self.radius**count
        self.pieces = (Piece("sphere", count * self.volume / self.radius, self._sample, distance=self._distance),)

    def level(self, x: Tensor) -> Tensor:
        return (x - self.center).norm(dim=1) - self.radius

    def _distance(self, x: Tensor) -> Tensor:
        return self.level(x).abs()

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        return 1 - (x - self.center).square().sum(1) / self.radius**2

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        if self.dimension <= 3 or how == "grid":
            return super().interior(count, how, seed)
        # A ball of many dimensions is a small part of its box.
        share = unit_points(count, self.dimension + 1, how, seed)
        radii = self.radius * share[:, -1:] ** (1 / self.dimension)
        return self.center + radii * _turned(share[:, :-1])

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        if self.dimension != 3:
            return super().quadrature(points)
        # Gauss and Legendre's rules along the radius and the axis, and the trapezoidal rule around it.
        r, a = gauss_legendre(points or SOLIDS.radius_points, 0, self.radius)
        height, b = gauss_legendre(points or SOLIDS.axis_points, -1, 1)
        angles = 2 * (points or SOLIDS.angles // 2)
        angle = torch.arange(angles, dtype=torch.float64) * (2 * math.pi / angles)
        r, height, angle = (each.flatten() for each in torch.meshgrid(r, height, angle, indexing="ij"))
        weights = (a[:, None] * b).flatten().repeat_interleave(angles) * r**2 * (2 * math.pi / angles)
        return self.center + r[:, None] * _directions(height, angle), weights

    def _sample(self, count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
        if self.dimension == 3:
            share = unit_points(count, 2, how, seed)
            normal = _directions(2 * share[:, 0] - 1, 2 * math.pi * share[:, 1])
        else:
            normal = _turned(unit_points(count, self.dimension, how, seed))
        return self.center + self.radius * normal, normal


@typed
class Cylinder(Domain):
    """Domain within a circular cylinder along the last coordinate; its pieces are "side", "bottom" and "top".

    Parameters
    ----------
    radius : float
        Radius, positive.
    low, high : float
        Ends of the last coordinate, low < high.
    center : sequence of float
        First two coordinates of the axis.
    coordinates : sequence of str
        Three names.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    A pipe.

    >>> pipe = Cylinder(1.0, 0, 2) - Cylinder(0.5, 0, 2)
    >>> pipe.boundary_names
    ('side', 'bottom', 'top', 'second side')
    """

    def __init__(
        self,
        radius: float = 1.0,
        low: float = 0.0,
        high: float = 1.0,
        center: Sequence[float] = (0.0, 0.0),
        coordinates: Sequence[str] = ("x", "y", "z"),
    ):
        self.low, self.high = check_ends(low, high)
        self.coordinates = check_coordinates(coordinates, 3)
        self.disk = Disk(radius, center, self.coordinates[:2])
        ends = torch.tensor([[self.low, self.high]], dtype=torch.float64)
        self.bounds = torch.cat([self.disk.bounds, ends])
        self.volume = self.disk.volume * (self.high - self.low)
        around = 2 * math.pi * self.disk.outer * (self.high - self.low)
        side = Piece("side", around, self._side, distance=self._from_side)
        self.pieces = (side, self._end("bottom", -1), self._end("top", 1))

    def level(self, x: Tensor) -> Tensor:
        along = torch.maximum(self.low - x[:, 2], x[:, 2] - self.high)
        return torch.maximum(self.disk.level(x[:, :2]), along)

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        share = (x[:, 2] - self.low) / (self.high - self.low)
        # A factor for each piece, of height one.
        value = torch.ones_like(share)
        if "side" in names:
            value = self.disk.factor(x[:, :2], ["circle"])
        if "bottom" in names:
            value = value * share
        if "top" in names:
            value = value * (1 - share)
        if "bottom" in names and "top" in names:
            value = 4 * value
        return value

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        line = gauss_legendre(points or SOLIDS.axis_points, self.low, self.high)
        return product_rule(self.disk.quadrature(points), line)

    def _side(self, count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
        share = unit_points(count, 2, how, seed)
        normal = _directions(torch.zeros_like(share[:, 0]), 2 * math.pi * share[:, 0])
        x = self.disk.outer * normal
        x[:, :2] += self.disk.center
        x[:, 2] = self.low + (self.high - self.low) * share[:, 1]
        return x, normal

    def _from_side(self, x: Tensor) -> Tensor:
        beyond = x[:, 2] - x[:, 2].clamp(self.low, self.high)
        return torch.hypot(self.disk.level(x[:, :2]), beyond)

    def _end(self, name: str, side: int) -> Piece:
        place = self.low
        if side > 0:
            place = self.high

        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            share = unit_points(count, 2, how, seed)
            # Polar coordinates with an even density: the root of a share is the radius.
            angle = 2 * math.pi * share[:, 0]
            around = torch.stack([angle.cos(), angle.sin()], 1) * (self.disk.outer * share[:, 1:].sqrt())
            height = torch.full_like(angle, place)
            normal = torch.zeros(len(angle), 3, dtype=torch.float64)
            normal[:, 2] = side
            return torch.cat([self.disk.center + around, height[:, None]], 1), normal

        def distance(x: Tensor) -> Tensor:
            return torch.hypot(self.disk.level(x[:, :2]).clamp(min=0), x[:, 2] - place)

        return Piece(name, self.disk.volume, sample, coordinate=self.coordinates[2], distance=distance)


def _directions(height: Tensor, angle: Tensor) -> Tensor:
    """Unit vectors of these heights and angles around the third axis, (b, 3)."""
    ring = (1 - height.square()).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), height], 1)


def _turned(share: Tensor) -> Tensor:
    """Unit vectors in all directions alike, (b, n), from points of the unit cube: normal numbers have no direction."""
    normal = torch.special.ndtri(share.clamp(SOLIDS.least_probability, 1 - SOLIDS.least_probability))
    return normal / normal.norm(dim=1, keepdim=True)

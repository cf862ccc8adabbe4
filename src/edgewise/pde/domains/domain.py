"""Domains of equations: the base class, and boxes of any dimension."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from edgewise.checks import check_count, is_list, is_sequence
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.pde.domains.sampling import accepted_points, gauss_legendre, unit_points
from edgewise.presentation import typed_text

TIME = "t"  # the coordinate of this name is time, all others are space, but for those that `Parameter` makes


@dataclass(frozen=True)
class DomainSettings:
    """Quadrature over domains, and how near to a boundary a point is on it."""

    # Quasi-random points of a quadrature where no product rule fits: errors of some 1e-4 for smooth functions.
    quadrature_points: int = 2**14
    # Gauss-Legendre points of a panel, and panels of each coordinate by the dimension of a box: rounding for functions
    # of a few periods, and at most 2e4 points.
    gauss: int = 8
    panels: tuple[int, ...] = (32, 16, 3)
    plane_cells: int = 8  # of each coordinate of a domain of the plane, for the same
    # Step off a boundary, relative to the size of the domain, by which the side is found on which a union or a
    # difference lies: far above rounding (1e-16) and far below the details of any domain.
    off_boundary_step: float = 1e-7
    # Share of its box, or of its piece of boundary, that a domain must fill, or it counts as empty.
    least_share: float = 1e-3
    # Share of the sides of the domain: points farther out are outside; above the rounding of float32.
    far_outside: float = 1e-6
    rounding: float = 1e-12  # of shares of a curve
    on_boundary: float = 1e-9  # of the size: points of a grid this far outside count as points of the boundary


DOMAINS = DomainSettings()


def finite_number(value: object, name: str) -> float:
    """The value as a float; an InputError unless it is a finite number."""
    try:
        number = float(value)  # type: ignore[arg-type]  # or TypeError
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, str | bytes) or not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {value!r:.60}")
    return number


def positive_number(value: object, name: str) -> float:
    """The value as a float; an InputError unless it is a finite number above zero."""
    number = finite_number(value, name)
    if number <= 0:
        raise InputError(f"{name} must be a positive number, got {value!r}")
    return number


def check_ends(low: object, high: object) -> tuple[float, float]:
    """The ends of an interval as floats; an InputError unless they are finite numbers with low < high."""
    ends = finite_number(low, "low"), finite_number(high, "high")
    if not ends[0] < ends[1]:
        raise InputError(f"low must be less than high, got {low!r} and {high!r}")
    return ends


def check_center(center: Sequence[float], dimension: int) -> Tensor:
    """The centre of a domain, (dimension,); an InputError unless it is `dimension` finite numbers."""
    is_row = is_list(center)
    if not is_row or len(center) != dimension:
        count = "two" if dimension == 2 else dimension
        raise InputError(f"center must be {count} numbers, as {(0,) * dimension}, got {center!r:.60}")
    return torch.tensor([finite_number(each, "center") for each in center], dtype=torch.float64)


def check_coordinates(names: object, dimension: int | None = None) -> tuple[str, ...]:
    """The names of coordinates as a tuple; an InputError unless they are different, well formed and of this number."""
    if not isinstance(names, Iterable) or isinstance(names, Mapping):
        raise InputError(f"coordinates must be names, as ('x', 'y'), got {names!r:.60}")
    names = tuple(names)
    for name in names:
        if not (isinstance(name, str) and re.fullmatch(r"[a-zA-Z]\d*", name, re.ASCII)):
            raise InputError(f"a coordinate must be a letter, perhaps with a number, as x or x10, got {name!r}")
    if len(set(names)) < len(names) or len(names) != (dimension or len(names)):
        raise InputError(f"coordinates must be {dimension or 'all'} different names, got {names!r}")
    return names


class ParameterName(str):
    """Name of a coordinate that is a parameter of a family of problems, neither space nor time."""


def is_space(name: str) -> bool:
    """True for the name of a coordinate of space: neither time nor a parameter."""
    return name != TIME and not isinstance(name, ParameterName)


Curve = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps shares of the length of a curve (b,) to points on it and outward normals there, (b, n) each."""


@dataclass(frozen=True)
class Piece:
    """A piece of the boundary of a domain."""

    name: str  # name by which conditions refer to it
    measure: float  # length, area ...; 1 for a point
    # maps (count, how, seed) to points (count, n) and outward normals (count, n); one row where it is a point
    sample: Callable[[int, str, int], tuple[Tensor, Tensor]]
    path: Curve | None = None  # of which the piece is all or a part
    coordinate: str | None = None  # that is constant on the piece: of faces of boxes and moments of time
    is_initial: bool = False  # whether it is the first moment of a domain over time
    spans: tuple[tuple[float, float], ...] = ((0.0, 1.0),)  # shares of the curve that the piece has, smooth in each
    # maps points (b, n) to their distances from the piece, (b,), or from a larger surface that it is a part of
    distance: Callable[[Tensor], Tensor] | None = None

    @property
    def is_whole_curve(self) -> bool:
        """True for all of a curve, not for a part of it."""
        return self.path is not None and sum(high - low for low, high in self.spans) > 1 - DOMAINS.rounding

    @property
    def is_time_end(self) -> bool:
        """True for the first and the last moment of a domain over time."""
        return self.coordinate == TIME

    @classmethod
    def curve(
        cls,
        name: str,
        length: float,
        at: Curve,
        distance: Callable[[Tensor], Tensor] | None = None,
    ) -> Piece:
        """A curve of this length, given by its points at shares of the length."""

        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            return at(unit_points(count, 1, how, seed)[:, 0])

        return cls(name, length, sample, at, distance=distance)


class Domain:
    """Base class of all domains. Points are float64, in the units of the user's coordinates.

    `a | b` is the union of two domains, `a & b` their intersection, `a - b` their difference, `a * Time(0, 1)` the
    domain a at every moment, and `a * Parameter("m", 1, 2)` the same for every value of a parameter.

    Attributes
    ----------
    coordinates : tuple of str
        Names of the coordinates in order; the one named "t" is time.
    bounds : Tensor
        Ends of the smallest box around the domain, (n, 2).
    volume : float
        Length, area ... including time; for unions and differences to about three digits.
    pieces : tuple of Piece
        Pieces of the boundary; for domains over time also the first and the last moment, "t=...".

    Examples
    --------
    A square with a round hole, and the same over time.

    >>> from edgewise.pde import Disk
    >>> domain = Box(x=(-1, 1), y=(-1, 1)) - Disk(0.5)
    >>> domain.boundary_names
    ('x=-1', 'x=1', 'y=-1', 'y=1', 'inner')
    >>> (domain * Time(0, 1)).coordinates
    ('x', 'y', 't')
    """

    is_box: ClassVar[bool] = False  # whether it is the product of intervals, which splines of the coordinates fill
    is_combined: ClassVar[bool] = False  # whether it is the union, the intersection or the difference of two others
    space: Domain | None = None  # of which it is the product with a time or a parameter, where that is no box
    coordinates: tuple[str, ...]
    bounds: Tensor
    volume: float
    pieces: tuple[Piece, ...]
    _made_from: tuple[tuple, dict]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        domain = super().__new__(cls)
        domain._made_from = arguments, options
        return domain

    def __reduce__(self) -> tuple:
        # Made anew from the arguments of the constructor, since the functions of pieces cannot be pickled.
        arguments, options = self._made_from
        return partial(type(self), *arguments, **options), ()

    def level(self, x: Tensor) -> Tensor:
        """Level-set function at points x (b, n), (b,): negative inside, 0 on the boundary, positive outside.

        Near the boundary it is about the distance from it.
        """
        raise NotImplementedError

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Smooth function at points x (b, n), (b,), that is 0 on these pieces of the boundary only, of size 1 inside.

        Raises
        ------
        InputError
            The domain has no such function.
        """
        raise InputError(
            f"hard conditions need a box, a disk, an annulus or one of them over time, got {type(self).__name__}"
        )

    @property
    def dimension(self) -> int:
        """Number of coordinates, time included."""
        return len(self.coordinates)

    @property
    def size(self) -> Tensor:
        """Sides of the box around the domain, (n,)."""
        return self.bounds[:, 1] - self.bounds[:, 0]

    @property
    def ends(self) -> dict[str, tuple[float, float]]:
        """Ends of the box around the domain by the names of the coordinates."""
        return {name: (low, high) for name, (low, high) in zip(self.coordinates, self.bounds.tolist(), strict=True)}

    @property
    def corners(self) -> Tensor:
        """Corners of a polygon, counterclockwise, (m, 2); none of all other domains."""
        return self.bounds.new_zeros(0, 2)

    @property
    def is_of_cells(self) -> bool:
        """True where the domain is made of whole cells of a grid along the coordinates."""
        return self.is_box

    @property
    def boundary_names(self) -> tuple[str, ...]:
        """Names of the pieces of the boundary, without the first and last moment and the ends of parameters."""
        return tuple(p.name for p in self.pieces if p.coordinate is None or is_space(p.coordinate))

    def contains(self, x: Tensor) -> Tensor:
        """True for points x (b, n) inside or on the boundary, (b,)."""
        return self.level(x) <= 0

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        """Points inside, (count, n); a grid may have more. See `unit_points` for `how` and `seed`."""

        def draw(number: int) -> tuple[Tensor, Tensor]:
            x = self.bounds[:, 0] + self.size * unit_points(number, self.dimension, how, seed)
            return x, self.contains(x)

        x = accepted_points(draw, count, how, DOMAINS.least_share)
        if x is None:
            raise InputError("the domain must have a volume, got next to none among points of its box")
        return x

    def boundary(
        self, count: int, how: str = "sobol", seed: int = 0, names: Sequence[str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Points on pieces of the boundary and their outward normals, about (count, n) each.

        Every piece gets a share by its measure. `names` are all pieces but the first and last moment if left out.
        """
        chosen = self.named(self.boundary_names if names is None else names)
        whole = sum(piece.measure for piece in chosen)
        drawn = [
            piece.sample(max(1, round(count * piece.measure / whole)), how, seed + number)
            for number, piece in enumerate(chosen)
        ]
        return torch.cat([x for x, _ in drawn]), torch.cat([normal for _, normal in drawn])

    def named(self, names: Sequence[str]) -> list[Piece]:
        """The pieces of these names; an InputError for a name that is none, or for no name."""
        pieces = {piece.name: piece for piece in self.pieces}
        if not pieces:
            raise InputError("the domain must have a volume and a boundary, got an empty one")
        wrong = [name for name in names if name not in tuple(pieces)]
        if wrong or not names:
            known = ", ".join(f'"{name}"' for name in pieces)
            right = f'on="{list(pieces)[-1]}"'
            raise InputError(f"on must name pieces of the boundary, {known}, as {right}, got {[*wrong, 'none'][0]!r}")
        return [pieces[name] for name in names]

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        """Quadrature over the domain: points (q, n), and weights (q,) that sum to the volume.

        Errors are at rounding for smooth functions on boxes of at most three dimensions, balls, triangulations, and
        domains of the plane whose details are wider than an eighth of their size (1e-6 for finer details), and about
        1e-4 elsewhere.

        Parameters
        ----------
        points : int, optional
            Number of points of each coordinate, as an integral in an equation has; many if left out.

        Raises
        ------
        InputError
            There is no rule of so few points.
        """
        # Domains of the plane: Gauss-Legendre points in the cells of a grid, with rules for cells that the boundary
        # cuts.
        if self.dimension == 2 and is_space(self.coordinates[-1]):
            from edgewise.pde.domains.mesh import Mesh, even_lines  # imported late: it needs this module

            cells = 1
            if points is None:
                cells = DOMAINS.plane_cells
                points_of_interval = DOMAINS.gauss
            else:
                points_of_interval = math.ceil(points / 2)
            return Mesh(self, even_lines(self, [cells, cells]), points_of_interval).cut()[:2]
        if points is not None:
            raise InputError(
                "integrals over an area in an equation must be over domains of the plane, boxes, balls, cylinders or "
                f"triangulations, got {type(self).__name__} of {', '.join(self.coordinates)}"
            )
        return self.sampled_quadrature()

    def sampled_quadrature(self) -> tuple[Tensor, Tensor]:
        """The same by quasi-random points: errors of about 1e-4, also for functions that jump."""
        x = self.interior(DOMAINS.quadrature_points, "sobol", seed=1)
        return x, torch.full((len(x),), self.volume / len(x), dtype=torch.float64)

    def until(self, axis: int, moment: float) -> Domain:
        """The box of the domain up to a value of a coordinate, by its number, as the last moment of an integration."""
        last = {self.coordinates[axis]: (float(self.bounds[axis, 0]), moment)}
        return Box(**{**self.ends, **last})

    def __mul__(self, time: Box) -> Domain:
        """The domain at every moment of a time, as `Disk() * Time(0, 1)`, or for every value of a parameter."""
        if not _is_factor(time):
            box = "; a box of several axes is Box(x=(0, 1), y=(0, 1))" * isinstance(time, Box)
            raise InputError(f"a domain must be multiplied by a Time or a Parameter, got {type(time).__name__}{box}")
        from edgewise.pde.domains.products import OverTime  # imported late: it needs this module

        return OverTime(self, time)

    def __or__(self, other: Domain) -> Domain:
        """Union: the points in either domain."""
        return _combined().Union(self, other)

    def __and__(self, other: Domain) -> Domain:
        """Intersection: the points in both domains."""
        return _combined().Intersection(self, other)

    def __sub__(self, other: Domain) -> Domain:
        """Difference: the points of this domain that are not in the other."""
        return _combined().Difference(self, other)


def _combined() -> ModuleType:
    """The module of unions, intersections and differences, which needs this one."""
    from edgewise.pde.domains import combined

    return combined


def covers(domain: Domain, x: Tensor) -> Tensor:
    """True for points x (b, n) inside a domain, on its boundary, or outside by rounding alone, (b,)."""
    return domain.level(x) <= DOMAINS.on_boundary * float(domain.size.max())


def checked_points(domain: Domain, x: Tensor | ArrayLike, beyond: str = "extrapolated", stacklevel: int = 3) -> Tensor:
    """A user's points (b, n), or (b,) on one coordinate, as float64 (b, n).

    Where some are outside the box around the domain, a warning calls the values there `beyond`.
    """
    try:
        if not isinstance(x, Tensor):
            x = torch.from_numpy(np.array(x, dtype=np.float64))
        points = x.detach().double()
    except (TypeError, ValueError) as error:
        raise InputError(f"x must be numbers of shape (b, {domain.dimension}), got {x!r:.60}") from error
    if points.ndim < 2 and domain.dimension == 1:
        points = points.reshape(-1, 1)
    if points.ndim != 2 or points.shape[1] != domain.dimension:
        raise InputError(f"x must have shape (b, {domain.dimension}), got {tuple(points.shape)}")
    # Points beyond the bounds by more than rounding.
    excess = torch.maximum(domain.bounds[:, 0] - points, points - domain.bounds[:, 1]) / domain.size
    outside = int((excess > DOMAINS.far_outside).any(1).sum())
    if outside:
        ends = ", ".join(
            f"{name} in [{typed_text(low)}, {typed_text(high)}]" for name, (low, high) in domain.ends.items()
        )
        where = f"{outside} of {len(points)} points lie outside the domain, {ends}"
        warnings.warn(f"{where}: values there are {beyond}", EdgewiseWarning, stacklevel=stacklevel)
    return points


class Box(Domain):
    """An interval, rectangle or box of any dimension, by the ends of each coordinate.

    Pieces of the boundary are named by the coordinate and its value, as "x=-1".

    Parameters
    ----------
    **ends : tuple of float
        Low and high end of each coordinate, whose name is a letter and perhaps a number; t is time.

    Raises
    ------
    InputError
        There is no coordinate, a name is another one, or the ends are not finite with low < high.

    Examples
    --------
    >>> box = Box(x=(-1, 1), y=(0, 2))
    >>> box.volume, box.boundary_names
    (4.0, ('x=-1', 'x=1', 'y=0', 'y=2'))
    >>> box.interior(5).shape
    torch.Size([5, 2])
    """

    is_box = True

    def __init__(self, *unnamed: object, **ends: tuple[float, float]):
        if unnamed:
            raise InputError(f"the sides of a box must have names, as Box(x=(0, 1), y=(0, 1)), got {unnamed[0]!r:.60}")
        if not ends:
            raise InputError("a box must have a coordinate, as Box(x=(0, 1)), got none")
        for name, pair in ends.items():
            check_coordinates([name])
            if not is_sequence(pair) or len(pair) != 2:
                raise InputError(f"{name} must be (low, high) with low < high, got {pair!r}")
            if not finite_number(pair[0], f"low end of {name}") < finite_number(pair[1], f"high end of {name}"):
                raise InputError(f"{name} must be (low, high) with low < high, got {pair!r}")
        self.coordinates = tuple(ends)
        self.bounds = torch.tensor([list(map(float, pair)) for pair in ends.values()], dtype=torch.float64)
        self.volume = float(self.size.prod())
        self.pieces = tuple(self._face(axis, side) for axis in range(self.dimension) for side in (0, 1))

    @classmethod
    def cube(cls, dimension: int, low: float = 0.0, high: float = 1.0) -> Box:
        """The cube of these ends with the coordinates x1 .. xn."""
        check_count(dimension, "dimension")
        return cls(**{f"x{number}": (low, high) for number in range(1, dimension + 1)})

    def level(self, x: Tensor) -> Tensor:
        return torch.maximum(self.bounds[:, 0] - x, x - self.bounds[:, 1]).amax(1)

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        return self.bounds[:, 0] + self.size * unit_points(count, self.dimension, how, seed)

    def factor(self, x: Tensor, names: Sequence[str]) -> Tensor:
        self.named(names)
        share = (x - self.bounds[:, 0]) / self.size
        # Straight lines that vanish on one face, and parabolas of height 1 that vanish on two opposite ones.
        values = []
        for axis, faces in enumerate(zip(self.pieces[::2], self.pieces[1::2], strict=True)):
            at_low, at_high = (face.name in names for face in faces)
            if at_low:
                values.append(share[:, axis])
            if at_high:
                values.append(1 - share[:, axis])
            if at_low and at_high:
                values[-1] = 4 * values[-1]
        return reduce(torch.mul, values)

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        if points is None and self.dimension > 3:
            return super().quadrature()
        # A product of Gauss and Legendre's rules.
        count = points or DOMAINS.gauss
        panels = 1
        if points is None:
            panels = DOMAINS.panels[self.dimension - 1]
        rules = [gauss_legendre(count, low, high, panels) for low, high in self.bounds.tolist()]
        x = torch.cartesian_prod(*[nodes for nodes, _ in rules]).reshape(-1, self.dimension)
        weights = torch.cartesian_prod(*[weights for _, weights in rules]).reshape(-1, self.dimension)
        return x, weights.prod(1)

    def __mul__(self, time: Box) -> Domain:
        if _is_factor(time) and time.coordinates[0] not in self.coordinates:
            return Box(**self.ends, **time.ends)
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

        def at(share: Tensor) -> tuple[Tensor, Tensor]:
            x = torch.full((len(share), 2), value, dtype=torch.float64)
            x[:, others] = self.bounds[others, 0] + self.size[others] * share[:, None]
            return x, torch.eye(2, dtype=torch.float64)[axis].expand(len(share), 2) * (2 * side - 1)

        # In the plane a face is a curve by its arc length; at the low end of time it is the first moment.
        name = self.coordinates[axis]
        is_initial = name == TIME and side == 0
        measure = float(self.size[others].prod())
        curve = at if self.dimension == 2 else None

        def distance(x: Tensor) -> Tensor:
            nearest = x.clamp(self.bounds[:, 0], self.bounds[:, 1])
            nearest[:, axis] = value
            return (x - nearest).norm(dim=1)

        return Piece(f"{name}={typed_text(value, 12)}", measure, sample, curve, name, is_initial, distance=distance)


def Interval(low: float, high: float, name: str = "x") -> Box:
    """The box of one coordinate; the pieces of its boundary are points, as "x=0".

    Parameters
    ----------
    low, high : float
        Ends, finite with low < high.
    name : str
        Name of the coordinate: a letter and perhaps a number.

    Returns
    -------
    Box

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> Interval(0, 2).boundary_names
    ('x=0', 'x=2')
    """
    check_coordinates([name])
    return Box(**{name: (low, high)})


def Time(low: float, high: float) -> Box:
    """The time from low to high: the interval of the coordinate t.

    Parameters
    ----------
    low, high : float
        First and last moment, finite with low < high.

    Returns
    -------
    Box

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> (Interval(0, 2) * Time(0, 1)).coordinates
    ('x', 't')
    """
    return Interval(low, high, TIME)


def Parameter(name: str, low: float, high: float) -> Box:
    """The values of a parameter from low to high: a coordinate that is neither space nor time.

    A domain times a parameter is the domain of a family of problems, one for each value: conditions hold for all of
    them, and `laplacian`, `gradient`, fluxes and normals leave the parameter out.

    Parameters
    ----------
    name : str
        Name of the parameter: a letter and perhaps a number, not t.
    low, high : float
        Ends, finite with low < high.

    Returns
    -------
    Box

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> from edgewise.pde import PDE, Dirichlet, laplacian, solve
    >>> domain = Interval(0, 1) * Parameter("m", 0.1, 4)
    >>> domain.boundary_names
    ('x=0', 'x=1')
    >>> family = solve(PDE(lambda u, m: laplacian(u) + m * u, domain, [Dirichlet(1.0)]))
    >>> family([[0.5, 1.0], [0.5, 4.0]]).round(6)  # 1/cos(sqrt(m)/2)
    array([[1.139494],
           [1.850816]])
    """
    check_coordinates([name])
    if name == TIME:
        raise InputError(f"name of a parameter must not be {TIME}, which is time")
    return Box(**{ParameterName(name): (low, high)})


def _is_factor(other: object) -> bool:
    """True for a domain of one coordinate that is time or a parameter."""
    return isinstance(other, Box) and other.dimension == 1 and not is_space(other.coordinates[0])

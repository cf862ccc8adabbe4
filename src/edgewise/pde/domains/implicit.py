"""Domains given by a function that is negative inside (`LevelSet`)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.checks import check_kind
from edgewise.errors import InputError
from edgewise.ops.jet import shape_or_type
from edgewise.pde.domains.combined import Intersection
from edgewise.pde.domains.domain import Box, Domain, Piece
from edgewise.pde.domains.sampling import unit_points


@dataclass(frozen=True)
class SurfaceSettings:
    """How points are found on the surface of a level set."""

    # Half the width of the strip around the surface from which points are moved onto it, relative to the box: points
    # are even to about its share of the radius of curvature.
    strip: float = 0.03
    steps: int = 12  # of Newton's method towards the surface
    on_surface: float = 1e-12  # distance that counts as none, relative to the box: rounding
    points: int = 2**15  # of the box, by which the measure of the surface is estimated: two to three digits
    most_drawn: int = 2**22  # points of the box among which those near the surface are sought: about a second
    no_gradient: float = 1e-12  # a gradient below this size is none, so that a level there is a value, not a distance


SURFACE = SurfaceSettings()


class LevelSet(Intersection):
    """Domain where a function is negative, within a box; its boundary is the piece "level" and faces of the box.

    Parameters
    ----------
    function : callable
        Differentiable function of coordinates (b,) by name, or of `points` (b, n), to (b,): negative inside, 0 on the
        boundary, with a gradient there.
    box : mapping, optional
        Ends of each coordinate by name; or give them as keywords.
    **ends : tuple of float
        Low and high end of each coordinate, as for `Box`.

    Raises
    ------
    InputError
        The function has other arguments, is negative nowhere in the box, or has no sign change in it.

    Examples
    --------
    An ellipse, and a wavy half of a square.

    >>> ellipse = LevelSet(lambda x, y: x**2 / 4 + y**2 - 1, x=(-3, 3), y=(-2, 2))
    >>> round(ellipse.volume, 1), ellipse.boundary_names
    (6.3, ('level',))
    >>> LevelSet(lambda x, y: y - 0.1 * torch.sin(3 * x), x=(-1, 1), y=(-1, 1)).boundary_names
    ('level', 'x=-1', 'x=1', 'y=-1')
    """

    def __init__(self, function: Callable, box: Mapping | None = None, **ends: tuple[float, float]):
        check_kind(box, Mapping | None, "box must give the ends of each coordinate by name")
        inside = Box(**{**{name: tuple(pair) for name, pair in (box or {}).items()}, **ends})
        super().__init__(_Negative(function, inside), inside)


class _Negative(Domain):
    """The points of a box, and around it, at which a function is negative."""

    def __init__(self, function: Callable, box: Box):
        if not callable(function):
            raise InputError(f"function must be a function of coordinates, as lambda x, y: ..., got {function!r:.60}")
        self.function = function
        self.coordinates = box.coordinates
        self.bounds = box.bounds
        # Names of its arguments.
        names = inspect.signature(function).parameters
        unknown = [name for name in names if name not in (*box.coordinates, "points")]
        if unknown or not names:
            allowed = ", ".join((*box.coordinates, "points"))
            raise InputError(f"function may take {allowed}, got {[*unknown, 'no argument'][0]!r}")
        self._names = tuple(names)
        self._extent = float(box.size.max())
        # Measure of the surface, by the share of points near it.
        near, _ = self._near_surface(SURFACE.points, "sobol", 1)
        strip = 2 * SURFACE.strip * self._extent
        measure = 1.0  # of a point
        if box.dimension > 1:
            measure = box.volume * len(near) / SURFACE.points / strip
        self.pieces = (Piece("level", measure, self._sample, distance=lambda x: self.level(x).abs()),)
        if not len(near):
            raise InputError("function must change its sign within the box, got no point near which it vanishes")

    def _value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            points = x.detach().requires_grad_()
            table = {**dict(zip(self.coordinates, points.unbind(1), strict=True)), "points": points}
            values = self.function(**{name: table[name] for name in self._names})
            if not isinstance(values, Tensor) or tuple(values.shape) != (len(x),) or not values.requires_grad:
                raise InputError(
                    f"function must return a differentiable tensor of shape (b,) = ({len(x)},), got "
                    f"{shape_or_type(values)}"
                )
            (gradient,) = torch.autograd.grad(values.sum(), points)
        return values.detach(), gradient

    def level(self, x: Tensor) -> Tensor:
        values, gradient = self._value_and_gradient(x)
        return values / gradient.norm(dim=1).clamp(min=SURFACE.no_gradient)

    def _near_surface(self, drawn: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
        """Points of the surface (m, n) next to those of `drawn` points of the box that lie near it, and normals."""
        # Points of a strip around the surface.
        how = how.replace("grid", "sobol")
        x = self.bounds[:, 0] + self.size * unit_points(drawn, self.dimension, how, seed)
        x = x[self.level(x).abs() < 3 * SURFACE.strip * self._extent]
        if not len(x):
            return x, x
        # Newton's method along the gradient.
        start = x
        for _ in range(SURFACE.steps):
            values, gradient = self._value_and_gradient(x)
            x = x - (values / gradient.square().sum(1).clamp(min=SURFACE.no_gradient**2))[:, None] * gradient
        # Points that have arrived beside their start, within the box.
        values, gradient = self._value_and_gradient(x)
        size = gradient.norm(dim=1, keepdim=True).clamp(min=SURFACE.no_gradient)
        is_close = (x - start).norm(dim=1) < SURFACE.strip * self._extent
        is_inside = ((x >= self.bounds[:, 0]) & (x <= self.bounds[:, 1])).all(1)
        kept = (values / size[:, 0]).abs().le(SURFACE.on_surface * self._extent) & is_close & is_inside
        return x[kept], (gradient / size)[kept]

    def _sample(self, count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
        drawn = max(1000, 4 * count)
        while drawn <= SURFACE.most_drawn:
            x, normal = self._near_surface(drawn, how, seed)
            if len(x) >= count or (self.dimension == 1 and len(x)):
                if self.dimension > 1:
                    return x[:count], normal[:count]
                # Each point of a line once.
                places = (x / (100 * SURFACE.on_surface * self._extent)).round()
                first = [int((places == place).nonzero()[0, 0]) for place in places.unique()]
                return x[first], normal[first]
            drawn = max(2 * drawn, math.ceil(1.1 * drawn * count / max(len(x), 1)))
        raise InputError("function must vanish on a surface with a gradient, got too few points on it")

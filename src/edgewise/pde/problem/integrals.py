"""Integrals in equations: quadrature along a line or over a domain, with values that are computed beforehand.

The values of a field at all quadrature points of an equation come from one forward pass of the network. `PlaceRecorder`
collects the points, `ValueReader` hands out the values, and `IntegralCalls` gives each integral its key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise.checks import check_count, check_kind
from edgewise.errors import InputError
from edgewise.ops.jet import shape_or_type
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.sampling import gauss_legendre
from edgewise.pde.problem.fields import Elsewhere, Field, values_of

IntegralKey = tuple[str, int | tuple[int, ...], int]
"""Identity of an integral: field, axis (or axes), and number among the integrals of that field along that axis; delays,
which have one point that no rule chose, have negative numbers."""


@dataclass(frozen=True)
class IntegralSettings:
    """Points of an integral that gives no number of them."""

    # On a line: exact for polynomials up to degree 47, which leaves rounding only for smooth integrands.
    line: int = 24
    # Of each coordinate of a domain: exact up to degree 23 on boxes, with 144 points in the plane.
    domain: int = 12


SETTINGS = IntegralSettings()


class Rule(NamedTuple):
    """A rule by which integrals are computed."""

    factor: int = 1  # factor by which their points exceed those that the equation gives them
    # whether points on lines are denser towards both ends, for integrands that have no bound there
    is_graded: bool = False
    axis: int | None = None  # number of a coordinate on whose lines there are so many points between each two cuts
    cuts: tuple[float, ...] = ()  # places on these lines, in order, as the ends of time elements

    def multiple(self, axis: int | tuple[int, ...]) -> int:
        """Factor by which points of an integral along a coordinate, or several, exceed its stated number."""
        pieces = 1
        if axis == self.axis:
            pieces += len(self.cuts)
        return pieces * self.factor ** len(as_axes(axis))


GIVEN_RULE = Rule()  # as the equation gives it
_rule: ContextVar[Rule] = ContextVar("rule of integrals", default=GIVEN_RULE)


@contextmanager
def integrals_by(rule: Rule) -> Iterator[None]:
    """Within this block, integrals are computed by this rule."""
    token = _rule.set(rule)
    try:
        yield
    finally:
        _rule.reset(token)


def integral(
    u: Field,
    low: float | Tensor | None = None,
    high: float | Tensor | None = None,
    integrand: Callable[..., Tensor] | None = None,
    *,
    along: str | None = None,
    over: Domain | None = None,
    points: int | None = None,
) -> Tensor:
    """Integral of a field, or of a function of it, along one coordinate or over a domain, with all others held fixed.

    The quadrature is that of Gauss and Legendre, for other domains than boxes see `Domain.quadrature`. The interval
    from low to high, or the domain `over`, must lie in that of the equation, and its ends must not depend on fields or
    unknown coefficients.

    Parameters
    ----------
    u : Field
        A field of an equation or a condition.
    low, high : float or Tensor
        Ends of the interval: numbers, or functions of the coordinates, (b,). Left out where there is `over`.
    integrand : callable, optional
        Maps values of u (b, points) and places s (b, points) on the line to (b, points); u itself if left out. For
        `over` it takes the places of each of its coordinates in order.
    along : str, optional
        Name of the coordinate of integration; if left out, the only coordinate of space, or time where there is none.
    over : Domain, optional
        Domain of some of the coordinates, for an integral over an area or a volume: any domain of the plane, a box,
        `Ball`, `Cylinder` or `Triangulation`. Make it outside the equation, which is called many times.
    points : int, optional
        Number of quadrature points of each coordinate (twice as many around a circle, and as many on each interval of
        a line through a cut domain); 24, and 12 for `over`, if left out. `solve` compares them with
        twice as many, and where they differ takes more, or those of a rule for integrands that have no bound at the
        ends of the line, as Abel's kernel 1 / sqrt(x - s).

    Returns
    -------
    Tensor
        Shape (b,).

    Raises
    ------
    InputError
        u is no field of an equation, along or a coordinate of `over` is none of its coordinates, the limits are no
        numbers of this shape or lie outside the domain, or the integrand has another shape.

    Notes
    -----
    Where the points of the integral are the same for all points of the equation, as over a domain of all coordinates,
    the field is evaluated there once; else at all of them for every point of the equation, 144 in a box of the plane.
    Fewer `points` are faster where kernel and field are smooth. A kernel that has no bound inside the interval, as
    log |x - s|, needs two integrals that end there. The rule for such ends is that of Gauss and Legendre in a variable
    of which the place is a cubic polynomial that is flat at both ends [1]_: exact to rounding for roots.

    References
    ----------
    .. [1] R. Kress, "A Nystrom method for boundary integral equations in domains with corners", Numer. Math. 58, 1990,
       145.

    Examples
    --------
    The Volterra equation u(x) = 1 + (integral of u from 0 to x), whose solution is the exponential function.

    >>> from edgewise.pde import PDE, Interval, solve
    >>> problem = PDE(lambda u, x: u - 1 - integral(u, 0.0, x), Interval(0, 1), [], solution=lambda x: x.exp())
    >>> solve(problem, budget=0.001).errors().relative_l2 < 1e-8
    True

    A kernel: `integral(u, 0, 1, lambda u, s: torch.exp(x[:, None] - s) * u)`; one over the unit square:
    `integral(u, over=Box(x=(0, 1), y=(0, 1)), integrand=lambda u, s, t: x[:, None] * s * t * u)`.
    """
    if not isinstance(u, Field) or u.elsewhere is None:
        raise InputError("integral must be of a field of an equation or a condition")
    if not (integrand is None or callable(integrand)):
        raise InputError(f"integrand must be a function of u and s, (b, points) each, got {type(integrand).__name__}")
    if points is not None:
        check_count(points, "points")
    # Points and weights of the rule.
    axis: int | tuple[int, ...]
    if over is None:
        axis, places, weights = _on_line(u, low, high, along, points)
    else:
        axis, places, weights = _over(u, over, points)
        if (low, high, along) != (None, None, None):
            raise InputError("integral must have either limits low and high or a domain `over`, got both")
    # The integrand of the field there.
    values = u.elsewhere(axis, places)
    places, weights = (each.to(values.dtype) for each in (places, weights))
    integrated = values
    if integrand is not None:
        lines = places.reshape(*places.shape[:2], -1).unbind(2)
        integrated = integrand(values, *(line.expand(values.shape) for line in lines))
    # Quadrature.
    if shape_or_type(integrated) != tuple(values.shape):
        raise InputError(
            f"integrand must return shape (b, points) = {tuple(values.shape)}, got {shape_or_type(integrated)}"
        )
    return (integrated * weights).sum(1)


def _on_line(
    u: Field, low: float | Tensor | None, high: float | Tensor | None, along: str | None, points: int | None
) -> tuple[int, Tensor, Tensor]:
    """Axis, places (b, points) along it, or (1, points), and weights of the same shape."""
    lines = u.space or u.coordinates
    if along is None and len(lines) == 1:
        along = lines[0]
    if along not in u.coordinates:
        raise InputError(f"along must be one of {', '.join(u.coordinates)}, got {along!r}")
    for name, limit in (("low", low), ("high", high)):
        check_kind(limit, int | float | Tensor | Field, f"{name} must be a number or a tensor of shape (b,)")
    start, end = (torch.as_tensor(values_of(each), dtype=torch.float64).reshape(-1, 1) for each in (low, high))
    # Gauss and Legendre's rule on (0, 1).
    rule = _rule.get()
    nodes, weights = gauss_legendre((points or SETTINGS.line) * rule.factor, 0.0, 1.0)
    if rule.is_graded:
        # Roots of the distance to an end are analytic in the new variable, and one over them, times its slope, too.
        weights = weights * 6 * nodes * (1 - nodes)
        nodes = nodes**2 * (3 - 2 * nodes)
    # The rule on each piece of the line between cuts.
    axis = u.coordinates.index(along)
    first = start.minimum(end)
    last = start.maximum(end)
    edges = torch.cat([first, last], 1)[..., None]
    if axis == rule.axis:
        cuts = torch.tensor(rule.cuts, dtype=torch.float64)
        edges = torch.cat([first, cuts.clamp(first, last), last], 1)[..., None]
    lengths = edges.diff(dim=1)
    return axis, (edges[:, :-1] + lengths * nodes).flatten(1), (lengths * weights).flatten(1) * (end - start).sign()


def _over(u: Field, over: Domain, points: int | None) -> tuple[tuple[int, ...], Tensor, Tensor]:
    """Axes, places (1, q, axes) in a domain, and weights (1, q)."""
    check_kind(over, Domain, "over must be a domain, as Box(x=(0, 1), y=(0, 1)) or Disk(0.5)")
    unknown = [name for name in over.coordinates if name not in u.coordinates]
    if unknown:
        raise InputError(f"over must have coordinates of the domain, {', '.join(u.coordinates)}, got {unknown[0]}")
    places, weights = _rule_of(over, (points or SETTINGS.domain) * _rule.get().factor)
    return tuple(map(u.coordinates.index, over.coordinates)), places[None], weights[None]


@lru_cache(maxsize=16)
def _rule_of(over: Domain, points: int) -> tuple[Tensor, Tensor]:
    """Rule of a domain, which an equation asks for at each call."""
    return over.quadrature(points)


def as_axes(axis: int | tuple[int, ...]) -> list[int]:
    """The axes of an integral along a coordinate, or over several, as a list."""
    return [axis] if isinstance(axis, int) else list(axis)


def axes_of(key: IntegralKey) -> list[int]:
    """The axes of an integral as a list."""
    return as_axes(key[1])


def at_places(x: Tensor, axis: int | tuple[int, ...], places: Tensor) -> Tensor:
    """The points x (b, n) with other values of one coordinate, (b, q) or (1, q), or of k, (1, q, k): (b, q, n)."""
    if len(places) not in (1, len(x)):
        raise InputError(f"low and high must be numbers or of shape (b,) = ({len(x)},), got ({len(places)},)")
    axes = as_axes(axis)
    # Places in the whole domain are the same for all points, and stand in memory once.
    rows = x
    if len(places) == 1 and len(axes) == x.shape[1]:
        rows = x[:1]
    at = rows[:, None].repeat(1, places.shape[1], 1)
    at[..., axes] = places.to(at.dtype).reshape(*places.shape[:2], -1)
    return at.expand(len(x), -1, -1)


def once(rows: Tensor) -> Tensor:
    """The first row of a tensor whose rows are all the same one in memory, and all rows of others."""
    if rows.stride(0) == 0:
        return rows[:1]
    return rows


class IntegralCalls:
    """The integrals of one evaluation of an equation, each with a key of its own.

    Shapes: values (b, q).

    The key is the field, the axis and the number among the integrals of that field along that axis, so that values
    reach the right integral although they are computed beforehand, in one forward pass. `ValueReader` compares the
    places too, since a branch of the equation could change the order of two integrals with the same field and axis.
    """

    def __init__(self, values: Callable[[IntegralKey, Tensor], Tensor]):
        self._values = values
        self._counts = Counter[tuple[str, int | tuple[int, ...], bool]]()
        self.points: dict[IntegralKey, int] = {}

    def of(self, field: str) -> Elsewhere:
        """`Field.elsewhere` of this field."""

        def elsewhere(axis: int | tuple[int, ...], places: Tensor, is_delay: bool = False) -> Tensor:
            number = self._counts[field, axis, is_delay]
            if is_delay:
                number = -1 - number
            key = (field, axis, number)
            self._counts[field, axis, is_delay] += 1
            self.points[key] = places.shape[1]
            return self._values(key, places)

        return elsewhere

    def check(self, expected: Mapping[IntegralKey, int]) -> None:
        """Raise an InputError unless the integrals were the same as in the first evaluation of the equation."""
        if self.points != expected:
            names = [
                ", ".join(f"{field} (axis {axis}, {count} points)" for (field, axis, _), count in keys.items())
                or "none"
                for keys in (expected, self.points)
            ]
            raise InputError(
                f"an equation or a condition must have the same integrals at all points and for all values of its "
                f"fields: {names[0]} on its first call, got {names[1]}"
            )


class PlaceRecorder:
    """Source of values for `IntegralCalls` that keeps the points of each integral, (b, q, n), and returns zeros."""

    def __init__(self, x: Tensor):
        self._x = x
        self.places: dict[IntegralKey, Tensor] = {}

    def __call__(self, key: IntegralKey, places: Tensor) -> Tensor:
        at = at_places(self._x, key[1], places)
        self.places[key] = at
        return at.new_zeros(at.shape[:2])


class ValueReader:
    """Source of values for `IntegralCalls` that reads values computed beforehand, and checks where they belong.

    Shapes: values (q, b, fields), places (b, c), scales (n,).
    """

    def __init__(
        self,
        values: Tensor,
        places: Tensor,
        points: Mapping[IntegralKey, int],
        fields: Sequence[str],
        scales: Tensor,
    ):
        self._values = values
        self._places = places
        self._fields = fields
        self._scales = scales
        # Columns of the values of each integral, and of its recorded places.
        widths = {key: count * len(axes_of(key)) for key, count in points.items()}
        self._columns, self._recorded = (
            {
                key: slice(end - count, end)
                for (key, count), end in zip(each.items(), accumulate(each.values()), strict=True)
            }
            for each in (points, widths)
        )

    def __call__(self, key: IntegralKey, places: Tensor) -> Tensor:
        field, axis, _ = key
        columns = self._columns.get(key)
        if columns is None or columns.stop - columns.start != places.shape[1]:
            # The set of integrals is another one, which `IntegralCalls.check` reports afterwards.
            return self._values.new_zeros(self._values.shape[1], places.shape[1])
        recorded = self._places[:, self._recorded[key]]
        allowed = torch.finfo(recorded.dtype).eps ** 0.5 * float(self._scales[axes_of(key)].amax())
        if len(recorded) and not float((places.detach().flatten(1) - once(recorded)).abs().amax()) <= allowed:
            raise InputError(
                f"an equation or a condition must have the same integrals at all points and for all values of its "
                f"fields and unknown coefficients: the limits of an integral of {field} (axis {axis}) are not those "
                f"of its first call"
            )
        return self._values[columns, :, self._fields.index(field)].mT

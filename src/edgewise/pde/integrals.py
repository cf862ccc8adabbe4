"""Integral terms of equations: the fields at Gauss-Legendre points of a line through each point, by quadrature."""

from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.calculus import Elsewhere, Field
from edgewise.pde.sampling import gauss_legendre

INTEGRAL_POINTS = 24  # exact for polynomials up to degree 47

Limit = float | Tensor


def integral(
    u: Field,
    low: Limit,
    high: Limit,
    integrand: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    along: str | None = None,
    points: int = INTEGRAL_POINTS,
) -> Tensor:
    """The integral of u, or of a function of it, along one coordinate from low to high, all others held: (b,).

    As `integral(u, 0.0, x)`, or `integral(u, 0, 1, lambda u, s: torch.exp(x[:, None] - s) * u)` for the kernel
    exp(x - s). By Gauss-Legendre quadrature; between low and high must lie in the domain.

    Args:
        u: a field of an equation or a condition.
        low, high: numbers, or functions of the coordinates, (b,).
        integrand: of u (b, points) and the places s (b, points) on the line to (b, points).
        along: the coordinate's name; the only one of space if left out, or time where there is none.
        points: of the quadrature.

    Raises:
        InputError: u is no field of an equation, or along names none of its coordinates.
    """
    axis = _axis(u, along)
    nodes, weights = gauss_legendre(points, 0.0, 1.0)
    start, length = (torch.as_tensor(each, dtype=torch.float64).reshape(-1, 1) for each in (low, high - low))
    places = start + length * nodes
    values = u.elsewhere(axis, places)
    places = places.to(values.dtype).expand(values.shape)
    found = values if integrand is None else integrand(values, places)
    if not isinstance(found, Tensor) or found.shape != values.shape:
        came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"integrand must return shape (b, points) = {tuple(values.shape)}, got {came}")
    return (found * weights.to(values.dtype)).sum(1) * length[:, 0].to(values.dtype)


def _axis(u: Field, along: str | None) -> int:
    if not isinstance(u, Field) or u.elsewhere is None:
        raise InputError("integral must be of a field of an equation or a condition")
    lines = u.space or u.coordinates
    if along is None and len(lines) == 1:
        along = lines[0]
    if along not in u.coordinates:
        raise InputError(f"along must be one of {', '.join(u.coordinates)}, got {along!r}")
    return u.coordinates.index(along)


def at_places(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """The points x (b, n) with other values of one coordinate, (b, q) or (1, q): (b, q, n)."""
    at = x[:, None].repeat(1, places.shape[1], 1)
    at[..., axis] = places.to(at.dtype)
    return at


class Recorder:
    """Notes the places where a function asks for fields besides the points x (b, n), and gives zeros."""

    def __init__(self, x: Tensor):
        self._x, self._found = x, []

    def __call__(self, axis: int, places: Tensor) -> Tensor:
        at = at_places(self._x, axis, places)
        self._found.append(at)
        return at.new_zeros(at.shape[:2])

    @property
    def places(self) -> Tensor:
        """(b, q, n), in the order in which they were asked for."""
        return torch.cat(self._found, 1)


def readers(values: Tensor) -> list[Elsewhere]:
    """For each field what reads its values (q, b, fields) at places in that same order, whichever field asks."""
    taken = [0]

    def reader(slot: int) -> Elsewhere:
        def read(axis: int, places: Tensor) -> Tensor:
            first, count = taken[0], places.shape[1]
            taken[0] += count
            if taken[0] > len(values):
                raise InputError("the equation must ask for the same integrals at all points, got one more")
            return values[first : first + count, :, slot].mT

        return read

    return [reader(slot) for slot in range(values.shape[2])]

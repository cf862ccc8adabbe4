"""What equations are written with: fields with derivatives by name, read off jets along few directions.

Integral terms of equations: the fields at Gauss-Legendre points of a line through each point, by quadrature."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.jet import seed_jet
from edgewise.pde.domains.domain import TIME
from edgewise.pde.domains.sampling import gauss_legendre

Index = tuple[int, ...]  # how often each coordinate is differentiated by
Elsewhere = Callable[[int, Tensor], Tensor]  # axis, its values there (b, q) or (1, q) -> those of a field, (b, q)
_COORDINATE = re.compile(r"[a-zA-Z]\d*")
# A mixed derivative is a combination of pure ones along a few directions; the coefficients are ratios of small whole
# numbers, so what is solved for comes out to rounding or not at all.
_EXACT = 1e-9


class Field:
    """One component of the solution at some points: `u.xx`, `u.xy`, `u.t` are its derivatives, (b,) each.

    It takes part in arithmetic and in torch functions like the tensor of its values, `u.value` (b,).

    Args:
        derivative: of a multi-index to the values (b,) of that derivative.
        coordinates: their names in order; a letter and perhaps digits, as x, t, x10.
        elsewhere: gives values at other places, for `integral`; None where there are none.
    """

    def __init__(
        self,
        derivative: Callable[[Index], Tensor],
        coordinates: Sequence[str],
        elsewhere: Elsewhere | None = None,
    ):
        self._derivative, self._coordinates, self.elsewhere = derivative, tuple(coordinates), elsewhere

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of all coordinates, in order."""
        return self._coordinates

    @property
    def value(self) -> Tensor:
        """The values, (b,)."""
        return self._derivative((0,) * len(self._coordinates))

    @property
    def space(self) -> tuple[str, ...]:
        """The names of the coordinates but time."""
        return tuple(name for name in self._coordinates if name != TIME)

    def derivative(self, *names: str) -> Tensor:
        """The derivative by the coordinates of these names, one after the other, (b,)."""
        return self._derivative(tuple(names.count(coordinate) for coordinate in self._coordinates))

    def __getattr__(self, name: str) -> Tensor:
        letters = _COORDINATE.findall(name)
        if "".join(letters) != name or not set(letters) <= set(self._coordinates):
            raise AttributeError(
                f"a field has derivatives by {', '.join(self._coordinates)}, as u.{self._coordinates[0]}; got .{name}"
            )
        return self.derivative(*letters)

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        plain = {name: _values(option) for name, option in (options or {}).items()}
        return function(*_values(arguments), **plain)

    def __neg__(self):
        return -self.value

    def __abs__(self):
        return self.value.abs()


def _values(item):
    """The same with the values of fields in place of the fields, in tuples and lists too."""
    if isinstance(item, tuple | list):
        return type(item)(_values(each) for each in item)
    return item.value if isinstance(item, Field) else item


def _forward(name: str):
    function = getattr(operator, name)
    return lambda self, other: function(self.value, _values(other))


def _reflected(name: str):
    function = getattr(operator, name)
    return lambda self, other: function(_values(other), self.value)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Field, f"__{_name}__", _forward(_name))
    setattr(Field, f"__r{_name}__", _reflected(_name))


def gradient(u: Field) -> Tensor:
    """The derivatives by every coordinate of space, (b, d)."""
    return torch.stack([u.derivative(name) for name in u.space], -1)


def laplacian(u: Field) -> Tensor:
    """The sum of the second derivatives by every coordinate of space, (b,)."""
    return sum(u.derivative(name, name) for name in u.space)


def hessian(u: Field) -> Tensor:
    """The second derivatives by the coordinates of space, (b, d, d)."""
    return torch.stack([torch.stack([u.derivative(a, b) for b in u.space], -1) for a in u.space], -2)


def divergence(*fields: Field) -> Tensor:
    """Of a vector field, one `Field` per coordinate of space: u.x + v.y + ..., (b,)."""
    _check_components("divergence", fields, (len(fields[0].space) if fields else 0,))
    return sum(field.derivative(name) for field, name in zip(fields, fields[0].space, strict=True))


def curl(*fields: Field) -> Tensor:
    """Of a vector field in the plane, v.x - u.y, (b,); in space, the vector (b, 3)."""
    _check_components("curl", fields, (2, 3))
    _check_components("curl", fields, (len(fields[0].space),))
    if len(fields) == 2:
        (u, v), (x, y) = fields, fields[0].space
        return v.derivative(x) - u.derivative(y)
    (u, v, w), (x, y, z) = fields, fields[0].space
    parts = [(w, y, v, z), (u, z, w, x), (v, x, u, y)]
    return torch.stack([a.derivative(p) - b.derivative(q) for a, p, b, q in parts], -1)


def _check_components(what: str, fields: Sequence[Field], expected: tuple[int, ...]) -> None:
    if len(fields) not in expected:
        counts = " or ".join(map(str, expected))
        raise InputError(f"{what} takes {counts} fields, one per coordinate of space, got {len(fields)}")


@dataclass(frozen=True)
class Stencil:
    """How to read derivatives off a jet.

    directions: (D, n) of the jet, float64; None where only values are needed.
    order: of the jet.
    recipes: for every multi-index, the components of the jet and their coefficients in its sum.
    """

    directions: Tensor | None
    order: int
    recipes: dict[Index, tuple[tuple[int, float], ...]]

    @property
    def components(self) -> int:
        """Of the jet, C."""
        return 1 if self.directions is None else 1 + len(self.directions) * self.order

    def fields(
        self, jet: Tensor, coordinates: Sequence[str], elsewhere: Sequence[Elsewhere] | None = None
    ) -> list[Field]:
        """One field per output of a jet (C, b, out); elsewhere: for each of them, see `Field`."""
        others = [None] * jet.shape[2] if elsewhere is None else elsewhere
        return [Field(self._reader(jet, output), coordinates, other) for output, other in enumerate(others)]

    def _reader(self, jet: Tensor, output: int) -> Callable[[Index], Tensor]:
        def derivative(index: Index) -> Tensor:
            recipe = self.recipes.get(index)
            if recipe is None:
                raise InputError(
                    "the equation must ask for the same derivatives at all points, got one more than on its first call"
                )
            terms = [jet[c, :, output] if factor == 1 else factor * jet[c, :, output] for c, factor in recipe]
            return sum(terms[1:], terms[0])

        return derivative


def stencil(indices: Iterable[Index], dimension: int) -> Stencil:
    """The stencil for these derivatives: pure ones along the axes, mixed ones by polarisation.

    Along a direction v the k-th derivative is the sum over |a| = k of k!/a! v^a times the derivative a, so a mixed one
    is a combination of those along enough directions, as 2 u_xy = D^2_(1,1) u - D^2_(1,0) u - D^2_(0,1) u.
    """
    wanted = sorted(set(indices), key=lambda index: (sum(index), index))
    order = max((sum(index) for index in wanted), default=0)
    directions: list[Index] = []
    combinations: dict[Index, list[tuple[Index, float]]] = {}
    for index in wanted:
        if sum(index):
            combinations[index] = _combination(index, directions)
            directions += [v for v, _ in combinations[index] if v not in directions]
    recipes = {index: ((0, 1.0),) for index in wanted if not sum(index)}
    for index, terms in combinations.items():
        recipes[index] = tuple((1 + directions.index(v) * order + sum(index) - 1, factor) for v, factor in terms)
    tensor = torch.tensor(directions, dtype=torch.float64).reshape(-1, dimension) if directions else None
    return Stencil(tensor, order, recipes)


def _combination(index: Index, taken: list[Index]) -> list[tuple[Index, float]]:
    """Directions and factors: the pure derivatives of order |index| along them sum to the derivative `index`."""
    order, support = sum(index), [i for i, count in enumerate(index) if count]
    if len(support) == 1:
        return [(tuple(int(i == support[0]) for i in range(len(index))), 1.0)]
    candidates = [v for v in taken if all(v[i] == 0 for i in range(len(index)) if i not in support)]
    candidates += [v for v in _directions(support, len(index), order) if v not in candidates]
    monomials = [a for a in product(range(order + 1), repeat=len(support)) if sum(a) == order]
    target = torch.tensor([float(a == tuple(index[i] for i in support)) for a in monomials], dtype=torch.float64)
    columns = torch.tensor([[_power(v, a, support) for v in candidates] for a in monomials], dtype=torch.float64)
    keep = next(n for n in range(1, len(candidates) + 1) if _solved(columns[:, :n], target) is not None)
    chosen = list(range(keep))
    for number in reversed(range(keep)):  # drop what is not needed, the newest first
        fewer = [c for c in chosen if c != number]
        if fewer and _solved(columns[:, fewer], target) is not None:
            chosen = fewer
    factors = _solved(columns[:, chosen], target)
    return [(candidates[c], float(factor)) for c, factor in zip(chosen, factors, strict=True)]


def _solved(columns: Tensor, target: Tensor) -> Tensor | None:
    """The least combination of columns that equals the target, or None."""
    solution = torch.linalg.pinv(columns) @ target
    return solution if float((columns @ solution - target).abs().max()) < _EXACT else None


def _power(direction: Index, exponents: Index, support: list[int]) -> float:
    """k!/a! v^a."""
    value = factorial(sum(exponents))
    for i, exponent in zip(support, exponents, strict=True):
        value = value * direction[i] ** exponent / factorial(exponent)
    return value


def _directions(support: list[int], dimension: int, order: int) -> list[Index]:
    """Whole directions within the support, small entries first; of each pair v, -v the one that starts positive."""
    found = []
    for entries in product(range(-order + 1, order), repeat=len(support)):
        if next((entry for entry in entries if entry), -1) > 0:
            direction = [0] * dimension
            for i, entry in zip(support, entries, strict=True):
                direction[i] = entry
            found.append(tuple(direction))
    return sorted(found, key=lambda v: (max(map(abs, v)), sum(map(abs, v)), [-entry for entry in v]))


def function_jet(function: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """The jet (C, b, out) of any differentiable function (b, n) -> (b, out), by nested autograd: slow, for set-up."""
    jet = seed_jet(x, directions, order)
    with torch.enable_grad():
        components = [function(x)]
        for direction in () if len(jet) == 1 else directions:
            s = torch.zeros(len(x), dtype=x.dtype, device=x.device, requires_grad=True)
            columns = []
            for column in function(x + s[:, None] * direction).unbind(1):
                chain = []
                for _ in range(order):
                    if column.requires_grad:
                        (column,) = torch.autograd.grad(column.sum(), s, create_graph=True, materialize_grads=True)
                    else:
                        column = torch.zeros_like(s)
                    chain.append(column)
                columns.append(torch.stack(chain))
            components += torch.stack(columns, -1).unbind(0)
    return torch.stack(components).detach()


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

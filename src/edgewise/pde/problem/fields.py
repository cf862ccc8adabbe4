"""Fields of an equation: derivatives by name, read from jets along few directions.

An equation is a Python function of `Field` objects. `u.xx` is a tensor with the second derivative at every point, so
that an equation reads as on paper. All derivatives that an equation needs come from one forward pass of the network: a
jet (values and pure derivatives along a few directions) from which a `Stencil` combines every mixed derivative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import factorial, prod
from typing import Any

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.jet import seed_jet
from edgewise.pde.domains.domain import TIME, is_space

Index = tuple[int, ...]
"""Multi-index of a derivative: the order of differentiation by each coordinate."""
Elsewhere = Callable[..., Tensor]
"""Values of a field with coordinates replaced: (axis, values (b, q) or (1, q), for a delay) -> (b, q), or (k axes,
values (1, q, k)) -> (b, q)."""
Past = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""Maps moments (b,) to those of them that the domain has, where they are not later than the first one, and the history
there, (b,) each."""


class Field:
    """One component of the solution at some points, with its derivatives as attributes.

    `u.xx`, `u.xy` and `u.t` are tensors of shape (b,). A field takes part in arithmetic and in torch functions like the
    tensor of its values, `u.value`.

    Parameters
    ----------
    derivative : callable
        Maps a multi-index to the values (b,) of that derivative.
    coordinates : sequence of str
        Names of the coordinates in order: a letter and perhaps digits, as x, t, x10.
    elsewhere : callable, optional
        Values with some coordinates replaced, for `integral` and delays, see `Elsewhere`.
    past : callable, optional
        Moments and history of delays, see `Past`.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0])
    >>> u = Field(lambda index: x**2 if index == (0,) else 2 * x, ["x"])
    >>> (u * u.x + 1).tolist()
    [1.0, 3.0]
    """

    def __init__(
        self,
        derivative: Callable[[Index], Tensor],
        coordinates: Sequence[str],
        elsewhere: Elsewhere | None = None,
        past: Past | None = None,
    ):
        self._derivative = derivative
        self._coordinates = tuple(coordinates)
        self.elsewhere = elsewhere
        self._past = past
        self.points: Tensor | None = None  # at which the field is evaluated, (b, n): set by the context of an equation
        self.asked: set[str] | None = None  # takes the names of arguments of functions beside it: set there, too

    def with_past(self, past: Past) -> Field:
        """The same field, with values at earlier moments."""
        return Field(self._derivative, self._coordinates, self.elsewhere, past)

    def times(self, factor: float) -> Field:
        """The field times a number, with all of its derivatives and integrals; its history stays as it is."""
        product = Field(lambda index: factor * self._derivative(index), self._coordinates, past=self._past)
        elsewhere = self.elsewhere
        if elsewhere is not None:
            product.elsewhere = lambda *places: factor * elsewhere(*places)
        return product

    def stretched(self, axis: int, rate: float) -> Field:
        """The field as a function of another coordinate in the place of one, which changes at a rate with it."""
        return Field(lambda index: rate ** index[axis] * self._derivative(index), self._coordinates)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of all coordinates, in order."""
        return self._coordinates

    @property
    def value(self) -> Tensor:
        """Values of the field, (b,)."""
        return self._derivative((0,) * len(self._coordinates))

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the coordinates except time and parameters."""
        return tuple(name for name in self._coordinates if is_space(name))

    def derivative(self, *names: str) -> Tensor:
        """Derivative by the coordinates of these names, one after the other, (b,)."""
        wrong = [name for name in names if not (isinstance(name, str) and name in self._coordinates)]
        if wrong:
            raise InputError(
                f"a derivative must be by names among {', '.join(self._coordinates)}, each once per order, "
                f"got {wrong[0]!r:.40}: fractional derivatives are not possible"
            )
        return self._derivative(tuple(names.count(coordinate) for coordinate in self._coordinates))

    def __getattr__(self, name: str) -> Tensor:
        try:
            names = derivative_names(name, self._coordinates)
        except InputError:
            raise AttributeError(
                f"a field has derivatives by {', '.join(self._coordinates)}, as u.{self._coordinates[0]}; got .{name}"
            ) from None
        return self.derivative(*names)

    @classmethod
    def __torch_function__(
        cls, function: Callable, types: Any, arguments: Sequence = (), options: Mapping | None = None
    ) -> Any:
        return function(*values_of(arguments), **{name: values_of(option) for name, option in (options or {}).items()})

    def __call__(self, *places: Any) -> Tensor:
        """Values at earlier moments, (b,), as u(t - 1): before the first one those of `Initial` there."""
        if len(places) != 1 or self._past is None or self.elsewhere is None:
            raise InputError(
                "a field has values at the point and at earlier moments alone, as u(t - 1) over the time t with "
                "Initial, whose value is the history: elsewhere it is a value plus the integral of its derivative, as "
                "u + integral(v, 0.0, 0.5) on x=0 for u(0.5), with a field v that is u.x; got "
                f"u({', '.join(f'{type(each).__name__}' for each in places)})"
            )
        moments = torch.as_tensor(values_of(places[0]), dtype=torch.float64)
        known, is_history, history = self._past(moments)
        later = self.elsewhere(self._coordinates.index(TIME), known[:, None], True)[:, 0]
        return torch.where(is_history, history.to(later.dtype), later)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise InputError("an equation must use functions of torch, as torch.sin(u), got one of numpy")

    def __bool__(self) -> bool:
        raise InputError("a field has no truth value, for it has many values: use torch.where(u > 0, ...)")

    def __lt__(self, other: Operand) -> Tensor:
        return self.value < values_of(other)

    def __le__(self, other: Operand) -> Tensor:
        return self.value <= values_of(other)

    def __gt__(self, other: Operand) -> Tensor:
        return self.value > values_of(other)

    def __ge__(self, other: Operand) -> Tensor:
        return self.value >= values_of(other)

    def __neg__(self) -> Tensor:
        return -self.value

    def __abs__(self) -> Tensor:
        return self.value.abs()

    def __add__(self, other: Operand) -> Tensor:
        return self.value + values_of(other)

    def __radd__(self, other: Operand) -> Tensor:
        return values_of(other) + self.value

    def __sub__(self, other: Operand) -> Tensor:
        return self.value - values_of(other)

    def __rsub__(self, other: Operand) -> Tensor:
        return values_of(other) - self.value

    def __mul__(self, other: Operand) -> Tensor:
        return self.value * values_of(other)

    def __rmul__(self, other: Operand) -> Tensor:
        return values_of(other) * self.value

    def __truediv__(self, other: Operand) -> Tensor:
        return self.value / values_of(other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return values_of(other) / self.value

    def __pow__(self, other: Operand) -> Tensor:
        return self.value ** values_of(other)

    def __rpow__(self, other: Operand) -> Tensor:
        return values_of(other) ** self.value


Operand = Field | Tensor | float


def derivative_names(text: str, coordinates: Sequence[str]) -> list[str]:
    """The coordinates by which "xx" or "xt" differentiates, one after the other."""
    names = re.findall(r"[a-zA-Z]\d*", str(text))
    if "".join(names) != text or not set(names) <= set(coordinates):
        raise InputError(
            f"a derivative must be by {', '.join(coordinates)}, as {2 * coordinates[0]!r}, got {text!r:.40}"
        )
    return names


def values_of(item: Any) -> Any:
    """The argument with every field replaced by its values, within tuples and lists too."""
    match item:
        case Field():
            return item.value
        case tuple() | list():
            return type(item)(values_of(each) for each in item)
        case _:
            return item


def gradient(u: Field) -> Tensor:
    """Gradient of a field: derivatives by every coordinate of space.

    Parameters
    ----------
    u : Field
        A field of an equation or a condition.

    Returns
    -------
    Tensor
        Shape (b, d) for d coordinates of space.

    Raises
    ------
    InputError
        u is no field.

    Examples
    --------
    The eikonal equation, whose solution is the distance from one end.

    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> problem = PDE(lambda u: gradient(u).square().sum(1) - 1, Interval(0, 1), [Dirichlet(0.0, on="x=0")])
    >>> problem.form.order, problem.form.is_linear
    (1, False)
    """
    _check_fields("gradient", (u,))
    return torch.stack([u.derivative(name) for name in u.space], -1)


def laplacian(u: Field) -> Tensor:
    """Laplacian of a field: sum of the second derivatives by every coordinate of space.

    Parameters
    ----------
    u : Field
        A field of an equation or a condition.

    Returns
    -------
    Tensor
        Shape (b,).

    Raises
    ------
    InputError
        u is no field.

    Examples
    --------
    >>> from edgewise.pde import PDE, Dirichlet, Disk
    >>> PDE(lambda u: laplacian(u) + 4, Disk(), [Dirichlet(0.0)]).form.order
    2
    """
    _check_fields("laplacian", (u,))
    return _sum(u.derivative(name, name) for name in u.space)


def hessian(u: Field) -> Tensor:
    """Hessian of a field: second derivatives by the coordinates of space.

    Parameters
    ----------
    u : Field
        A field of an equation or a condition.

    Returns
    -------
    Tensor
        Shape (b, d, d) for d coordinates of space.

    Raises
    ------
    InputError
        u is no field.

    Examples
    --------
    >>> from edgewise.pde import PDE, Dirichlet, Disk
    >>> problem = PDE(lambda u: hessian(u).square().sum((1, 2)) - 1, Disk(), [Dirichlet(0.5)])
    >>> problem.form.order, problem.form.is_linear
    (2, False)
    """
    _check_fields("hessian", (u,))
    return torch.stack([torch.stack([u.derivative(a, b) for b in u.space], -1) for a in u.space], -2)


def divergence(*fields: Field) -> Tensor:
    """Divergence of a vector field, u.x + v.y + ...

    Parameters
    ----------
    *fields : Field
        Components of the vector field, one for each coordinate of space.

    Returns
    -------
    Tensor
        Shape (b,).

    Raises
    ------
    InputError
        The number of components is not the number of coordinates of space.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> u = Field(lambda index: 2 * x if index == (1,) else x**2, ["x"])
    >>> divergence(u).tolist()
    [2.0, 4.0]
    """
    _check_fields("divergence", fields)
    if not fields:
        raise InputError("divergence takes one field per coordinate of space, got none")
    _check_components("divergence", fields, (len(fields[0].space),))
    return _sum(field.derivative(name) for field, name in zip(fields, fields[0].space, strict=True))


def curl(*fields: Field) -> Tensor:
    """Curl of a vector field in two or three dimensions of space.

    Parameters
    ----------
    *fields : Field
        Components of the vector field, one for each coordinate of space.

    Returns
    -------
    Tensor
        In the plane v.x - u.y, shape (b,); in space the vector, shape (b, 3).

    Raises
    ------
    InputError
        There are not two or three components, or their number is not the number of coordinates of space.

    Examples
    --------
    A rigid rotation (-y, x) has the curl 2.

    >>> one = torch.ones(2)
    >>> u, v = (Field(lambda index, s=s: s * one, ["x", "y"]) for s in (-1.0, 1.0))
    >>> curl(u, v).tolist()
    [2.0, 2.0]
    """
    _check_components("curl", fields, (2, 3))
    _check_components("curl", fields, (len(fields[0].space),))
    if len(fields) == 2:
        u, v = fields
        x, y = u.space
        return v.derivative(x) - u.derivative(y)
    u, v, w = fields
    x, y, z = u.space
    parts = [(w, y, v, z), (u, z, w, x), (v, x, u, y)]
    return torch.stack([a.derivative(p) - b.derivative(q) for a, p, b, q in parts], -1)


def _sum(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    for term in others:
        first = first + term
    return first


def _check_fields(name: str, fields: Sequence[Field]) -> None:
    for field in fields:
        if not isinstance(field, Field):
            note = "; derivatives of derivatives are written out, as u.xxxx + 2 * u.xxyy + u.yyyy"
            came = type(field).__name__
            raise InputError(
                f"{name} must be of fields of an equation or a condition, got {came}{note * isinstance(field, Tensor)}"
            )


def _check_components(name: str, fields: Sequence[Field], expected: tuple[int, ...]) -> None:
    _check_fields(name, fields)
    if len(fields) not in expected:
        counts = " or ".join(map(str, expected))
        raise InputError(f"{name} takes {counts} fields, one per coordinate of space, got {len(fields)}")


def field_leaf(values: Tensor) -> Tensor:
    """Values of a field or of a derivative as a leaf of a graph that `depends_on_fields` recognizes."""
    # A tensor has no such attribute by itself.
    setattr(values.requires_grad_(), "is_field_leaf", True)  # noqa: B010
    return values


def depends_on_fields(result: Tensor, other_than: Sequence[Tensor]) -> bool:
    """Return whether a result of the dry run depends on fields, other than through these tensors."""
    known = {each.grad_fn for each in other_than}
    pending = [result.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in known:
            continue
        if getattr(getattr(node, "variable", None), "is_field_leaf", False):
            return True
        known.add(node)
        pending += [each for each, _ in node.next_functions]
    return False


@dataclass(frozen=True)
class Stencil:
    """Rules by which derivatives are combined from the components of a jet."""

    directions: Tensor | None  # directions of the jet, (D, n) float64; None where only values are needed
    order: int  # order of the jet
    # for every multi-index the components of the jet and their coefficients in its sum
    recipes: dict[Index, tuple[tuple[int, float], ...]]

    @property
    def components(self) -> int:
        """Number C of components of the jet."""
        if self.directions is None:
            return 1
        return 1 + len(self.directions) * self.order

    def fields(
        self, jet: Tensor, coordinates: Sequence[str], elsewhere: Sequence[Elsewhere | None] | None = None
    ) -> list[Field]:
        """One field for each output of a jet (C, b, out), with `elsewhere` of each of them (see `Field`)."""
        others = elsewhere or [None] * jet.shape[2]

        def derivative(output: int, index: Index) -> Tensor:
            recipe = self.recipes.get(index)
            if recipe is None:
                raise InputError(
                    "the equation must ask for the same derivatives at all points, got one more than on its first call"
                )
            return _sum(jet[c, :, output] if factor == 1 else factor * jet[c, :, output] for c, factor in recipe)

        return [Field(partial(derivative, output), coordinates, other) for output, other in enumerate(others)]


def stencil(indices: Iterable[Index], dimension: int) -> Stencil:
    """Stencil for derivatives by their multi-indices: pure ones along the axes, mixed ones by polarisation."""
    # Along a direction v the k-th derivative is the sum over |a| = k of k!/a! v^a times the derivative a, so a mixed
    # one is a combination of those along enough directions, as 2 u_xy = D^2_(1,1) u - D^2_(1,0) u - D^2_(0,1) u.
    # Directions of all derivatives, of which later ones use those before.
    wanted = sorted(set(indices), key=lambda index: (sum(index), index))
    order = max((sum(index) for index in wanted), default=0)
    directions: list[Index] = []
    combinations: dict[Index, list[tuple[Index, float]]] = {}
    for index in wanted:
        if sum(index):
            combinations[index] = _combination(index, directions)
            directions += [v for v, _ in combinations[index] if v not in directions]
    # Components of the jet: values, then the derivatives of each direction by their order.
    recipes: dict[Index, tuple[tuple[int, float], ...]] = {index: ((0, 1.0),) for index in wanted if not sum(index)}
    for index, terms in combinations.items():
        recipes[index] = tuple((1 + directions.index(v) * order + sum(index) - 1, factor) for v, factor in terms)
    if not directions:
        return Stencil(None, order, recipes)
    return Stencil(torch.tensor(directions, dtype=torch.float64).reshape(-1, dimension), order, recipes)


def _combination(index: Index, taken: list[Index]) -> list[tuple[Index, float]]:
    """Directions and factors with which pure derivatives of order |index| sum to the derivative `index`.

    Directions that are `taken` already are preferred; new ones have small integer entries within the support of the
    index, and of each pair v, -v the one whose first entry is positive.
    """
    order = sum(index)
    support = [i for i, count in enumerate(index) if count]
    # A derivative along one coordinate is a directional one.
    if len(support) == 1:
        return [(tuple(int(i == support[0]) for i in range(len(index))), 1.0)]
    # Candidates: directions that are taken, then small integer ones.
    candidates = [v for v in taken if all(v[i] == 0 for i in range(len(index)) if i not in support)]
    fresh = []
    for entries in product(range(-order + 1, order), repeat=len(support)):
        if next((entry for entry in entries if entry), -1) > 0:
            placed = dict(zip(support, entries, strict=True))
            fresh.append(tuple(placed.get(i, 0) for i in range(len(index))))
    fresh.sort(key=lambda v: (max(map(abs, v)), sum(map(abs, v)), [-entry for entry in v]))
    candidates += [v for v in fresh if v not in candidates]
    # Coefficients of the multinomial theorem.
    monomials = [a for a in product(range(order + 1), repeat=len(support)) if sum(a) == order]
    target = torch.tensor([float(a == tuple(index[i] for i in support)) for a in monomials], dtype=torch.float64)
    columns = torch.tensor(
        [
            [
                factorial(order) * prod(v[i] ** power / factorial(power) for i, power in zip(support, a, strict=True))
                for v in candidates
            ]
            for a in monomials
        ],
        dtype=torch.float64,
    )

    def factors_of(chosen: Sequence[int]) -> Tensor | None:
        """Least-norm factors of these columns that sum to the target, or None where no factors do."""
        part = columns[:, list(chosen)]
        solution = torch.linalg.pinv(part) @ target
        # Exact factors are ratios of small integers: the misfit is either at rounding or of size one.
        is_exact = float((part @ solution - target).abs().max()) < 1e-9
        return solution if is_exact else None

    # As few directions as give the derivative.
    count = next(n for n in range(1, len(candidates) + 1) if factors_of(range(n)) is not None)
    chosen = list(range(count))
    for number in reversed(range(count)):  # drop directions that are not needed, the newest first
        fewer = [c for c in chosen if c != number]
        if fewer and factors_of(fewer) is not None:
            chosen = fewer
    factors = factors_of(chosen)
    assert factors is not None
    return [(candidates[c], float(factor)) for c, factor in zip(chosen, factors, strict=True)]


def function_jet(function: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """Jet of any differentiable function, by nested automatic differentiation; slow, for set-up and checks."""
    # The function maps points (b, n) to (b, out), directions are (D, n), or None for values alone. The jet (1 + D *
    # order, b, out) has no gradients; the order of its components is that of `edgewise.ops.jet`.
    jet = seed_jet(x, directions, order)
    with torch.enable_grad():
        components = [function(x)]
        # Along each direction a chain of derivatives of each output.
        if len(jet) == 1 or directions is None:
            directions = x[:0]
        for direction in directions:
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

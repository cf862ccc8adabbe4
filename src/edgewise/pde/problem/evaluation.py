"""What a user's function sees: fields, coordinates and coefficients by the names of its arguments; and its dry run."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.problem.fields import Field, Index, at_places

LINEAR = 1e-9  # relative: what rounding may leave of a sum that is zero
POINTS, NORMAL = "points", "normal"  # arguments for all coordinates at once, (b, n), and outward normals, (b, n)


@dataclass(frozen=True, eq=False)
class Scene:
    """Some points with all that is known there.

    x: (b, n); fields by name; coefficients by name, (b,) each; normal: (b, n) on a boundary, None inside.
    """

    coordinates: tuple[str, ...]
    x: Tensor
    fields: Mapping[str, Field]
    coefficients: Mapping[str, Tensor]
    normal: Tensor | None = None

    def call(self, function: Callable, what: str):
        """The function of what its arguments name."""
        return call_by_name(function, self.named, what)

    def value(self, value, what: str) -> Tensor:
        """A number, or a function of coordinates by their names, at the points: (b,)."""
        return value_at(value, self.coordinates, self.x, what)

    @property
    def named(self) -> dict:
        everything = {**coordinate_table(self.coordinates, self.x), **self.coefficients, **self.fields}
        return everything if self.normal is None else {**everything, NORMAL: self.normal}


def argument_names(function: Callable, what: str) -> tuple[str, ...]:
    """The names of a function's arguments.

    Raises:
        InputError: it is no function, or takes arguments that have no names.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} must be a function with named arguments, as lambda x, y: ..., got {function!r}"
        ) from error
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if not all(parameter.kind in kinds for parameter in parameters):
        raise InputError(f"{what} must be a function with named arguments, as lambda x, y: ..., got {function!r}")
    return tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)


def call_by_name(function: Callable, table: Mapping, what: str):
    """The function of those entries that its arguments name."""
    names = argument_names(function, what)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise InputError(f"{what} may take {', '.join(table)}, got an argument named {unknown[0]!r}")
    return function(**{name: table[name] for name in names})


def coordinate_table(coordinates: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """Each coordinate (b,) by name, and all of them as "points"."""
    return {**dict(zip(coordinates, x.unbind(1), strict=True)), POINTS: x}


def value_at(value, coordinates: Sequence[str], x: Tensor, what: str) -> Tensor:
    """A number, or a function of coordinates by their names, at the points x (b, n): (b,)."""
    if callable(value):
        value = call_by_name(value, coordinate_table(coordinates, x), what)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = x.new_tensor(float(value))
    if not isinstance(value, Tensor) or tuple(value.shape) not in ((), (len(x),), (1,)):
        came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"{what} must be a number or a function that returns shape (b,), got {came}")
    return value.to(x.dtype).expand(len(x))


def columns(result, count: int, what: str) -> list[Tensor]:
    """What an equation returned, one residual (b,), several of them or (b, r), as a list of (b,)."""
    parts = list(result) if isinstance(result, tuple | list) else [result]
    found: list[Tensor] = []
    for part in parts:
        part = part.value if isinstance(part, Field) else part
        shape = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
        if shape == (count,):
            found.append(part)
        elif isinstance(part, Tensor) and part.ndim == 2 and len(part) == count:
            found += part.unbind(1)
        else:
            raise InputError(f"{what} must return residuals of shape (b,) = ({count},), got {shape}")
    if not found:
        raise InputError(f"{what} must return at least one residual, got none")
    return found


@dataclass(frozen=True)
class Probe:
    """What a dry run found.

    indices: the derivatives that were asked for, by field.
    sizes: of each residual, (r,), for fields that are waves of size 1 with one period along each side of the domain:
        divided by it, a residual is about as large as the error of the field that it stands for.
    integrated: fields of which integrals were asked for.
    """

    indices: Mapping[str, frozenset[Index]]
    sizes: Tensor
    integrated: frozenset[str] = frozenset()

    def order(self, field: str, axes: Sequence[int]) -> int:
        """The highest derivative of a field by these coordinates together."""
        return max((sum(index[axis] for axis in axes) for index in self.indices[field]), default=0)


def probe(
    residuals: Callable[[Scene], list[Tensor]],
    fields: Sequence[str],
    coordinates: Sequence[str],
    sides: Tensor,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
) -> Probe:
    """Runs the residuals once at x (b, n) on plane waves, recording what is asked for and how much it matters."""
    wave = 2 * math.pi / sides
    asked: dict[tuple[str, Index], Tensor] = {}
    placed: list[tuple[str, Tensor]] = []

    def field(number: int, name: str) -> Field:
        def elsewhere(axis: int, places: Tensor) -> Tensor:
            value = (at_places(x, axis, places) @ wave + 1.3 * number + 0.4).cos().requires_grad_()
            placed.append((name, value))
            return value

        def derivative(index: Index) -> Tensor:
            if (name, index) not in asked:
                phase = x @ wave + 1.3 * number + 0.4 + sum(index) * math.pi / 2
                value = math.prod(float(k) ** times for k, times in zip(wave, index, strict=True)) * phase.cos()
                asked[name, index] = value.requires_grad_()
            return asked[name, index]

        return Field(derivative, coordinates, elsewhere)

    numbers = {name: x.new_full((len(x),), value) for name, value in coefficients.items()}
    waves = {name: field(number, name) for number, name in enumerate(fields)}
    with torch.enable_grad():
        found = residuals(Scene(tuple(coordinates), x, waves, numbers, normal))
    sizes = [_size(residual, asked, [value for _, value in placed], wave) for residual in found]
    indices = {name: frozenset(index for other, index in asked if other == name) for name in fields}
    return Probe(indices, torch.stack(sizes), frozenset(name for name, _ in placed))


def adds_up(
    residuals: Callable[[Scene], list[Tensor]],
    fields: Sequence[str],
    coordinates: Sequence[str],
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
) -> bool:
    """Whether the residuals at x (b, n) are linear in the fields: r(u + v) - r(u) - r(v) + r(0) = 0 for random u, v."""
    generator = torch.Generator().manual_seed(1)
    drawn: dict[tuple[str, Index] | int, Tensor] = {}

    def found(*shares: float) -> Tensor:
        numbers_of_integrals = count()

        def elsewhere(axis: int, places: Tensor) -> Tensor:
            number = next(numbers_of_integrals)
            if number not in drawn:
                drawn[number] = torch.randn(2, len(x), places.shape[1], generator=generator, dtype=x.dtype)
            u, v = drawn[number]
            return shares[0] * u + shares[1] * v

        def field(name: str) -> Field:
            def derivative(index: Index) -> Tensor:
                if (name, index) not in drawn:
                    drawn[name, index] = torch.randn(2, len(x), generator=generator, dtype=x.dtype)
                u, v = drawn[name, index]
                return shares[0] * u + shares[1] * v

            return Field(derivative, coordinates, elsewhere)

        numbers = {name: x.new_full((len(x),), value) for name, value in coefficients.items()}
        scene = Scene(tuple(coordinates), x, {name: field(name) for name in fields}, numbers, normal)
        return torch.stack(residuals(scene))

    parts = [found(1.0, 1.0), -found(1.0, 0.0), -found(0.0, 1.0), found(0.0, 0.0)]
    size = sum(part.abs() for part in parts).amax()
    return bool(sum(parts).abs().amax() <= LINEAR * size)


def _size(
    residual: Tensor, asked: Mapping[tuple[str, Index], Tensor], placed: Sequence[Tensor], wave: Tensor
) -> Tensor:
    total = residual.new_zeros(())
    if residual.requires_grad:
        leaves = [*asked.values(), *placed]
        slopes = torch.autograd.grad(residual.sum(), leaves, retain_graph=True, materialize_grads=True)
        for slope in slopes[len(asked) :]:
            total = total + slope.abs().sum(1).square().mean()
        for (_, index), slope in zip(asked, slopes[: len(asked)], strict=True):
            weight = math.prod(float(k) ** times for k, times in zip(wave, index, strict=True))
            total = total + weight**2 * slope.square().mean()
    return total.sqrt() + 0 * residual.detach().sum()  # not a number where the residual is none

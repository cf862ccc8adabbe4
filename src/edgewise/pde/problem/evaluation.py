"""Evaluation of a user's function at points, with arguments chosen by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import is_function, is_sequence
from edgewise.errors import InputError
from edgewise.ops.jet import shape_or_type
from edgewise.pde.domains.domain import TIME
from edgewise.pde.problem.fields import Field, Past

# argument names for all coordinates (b, n) and for outward normals (b, n)
POINTS = "points"
NORMAL = "normal"

Value = float | Callable[..., Tensor]
"""A number, or a function of coordinates by their names, (b,) each, or of `points` (b, n), to (b,)."""


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """Points and all that a user's function may use there."""

    coordinates: tuple[str, ...]  # names of the coordinates
    x: Tensor  # points, (b, n)
    fields: Mapping[str, Field]  # fields by name
    coefficients: Mapping[str, Tensor]  # unknown coefficients by name, (b,) each
    normal: Tensor | None = None  # outward normals, (b, n), on a boundary
    measured: Tensor | None = None  # measured values, (b,), at points of observations
    asked: set[str] | None = None  # takes the names of the arguments of all functions that are called, unless None

    def __post_init__(self) -> None:
        for each in self.fields.values():
            each.points = self.x
            each.asked = self.asked

    def call(self, function: Callable, name: str) -> Any:
        """Call a function with the fields, coordinates, coefficients and normals that its arguments name."""
        table = {**coordinate_table(self.coordinates, self.x), **self.coefficients, **self.fields}
        if self.normal is not None:
            table[NORMAL] = self.normal
        if self.asked is not None:
            self.asked.update(argument_names(function, name))
        return call_by_name(function, table, name)

    def value(self, value: Value, name: str) -> Tensor:
        """A number, or a function of coordinates by their names, at the points: (b,)."""
        if self.asked is not None and callable(value):
            self.asked.update(argument_names(value, name))
        return value_at(value, self.coordinates, self.x, name)


Residuals = Callable[[EvaluationContext], list[Tensor]]
"""Function that returns the residuals of an equation or a condition at the points of a context, (b,) each."""


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Add a note with the name of the residuals to every error of the user's function that leaves the block.

    A derivative that is called, as in u.t(t - 1), and one of an expression, as (k * u.x).x, become an InputError.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        match error:
            case TypeError() if "'Tensor' object is not callable" in str(error):
                raise InputError(
                    f"{name} may call fields only, as u(t - 1): derivatives such as u.t have no delay"
                ) from error
            # An unknown attribute of up to four letters, the order of equations, is taken for a derivative.
            case AttributeError(obj=Tensor(), name=str(missing)) if 0 < len(missing) <= 4:
                raise InputError(
                    f"{name} may take derivatives of fields only, got .{missing} of an expression: write it out, as "
                    "u * u.xx + u.x**2 for (u * u.x).x, or use diffusion"
                ) from error
        error.add_note(f"This error was raised in the evaluation of {name}.")
        raise


def argument_names(function: Callable, name: str) -> tuple[str, ...]:
    """Names of a function's required arguments."""
    wrong = f"{name} must be a function with named arguments, as lambda x, y: ..., got {function!r}"
    if not is_function(function):
        raise InputError(wrong)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(wrong) from error
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if not all(parameter.kind in kinds for parameter in parameters):
        raise InputError(wrong)
    return tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)


def call_by_name(function: Callable, table: Mapping[str, Any], name: str) -> Any:
    """Call a function with those entries of a table that its arguments name."""
    names = argument_names(function, name)
    unknown = [each for each in names if each not in table]
    if unknown:
        raise InputError(f"{name} may take {', '.join(table)}, got an argument named {unknown[0]!r}")
    return function(**{each: table[each] for each in names})


def coordinate_table(coordinates: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """Each coordinate (b,) by its name, and all of them (b, n) as "points"."""
    return {**dict(zip(coordinates, x.unbind(1), strict=True)), POINTS: x}


def value_at(value: Value, coordinates: Sequence[str], x: Tensor, name: str) -> Tensor:
    """A number, or a function of coordinates by their names, at the points x (b, n): (b,)."""
    result: Any = value
    if callable(value):
        result = call_by_name(value, coordinate_table(coordinates, x), name)
    if isinstance(result, int | float | np.number | np.ndarray) and not isinstance(result, bool):
        result = torch.as_tensor(result, dtype=x.dtype)
    if not isinstance(result, Tensor) or tuple(result.shape) not in ((), (len(x),), (1,)):
        raise InputError(f"{name} must be a number or a function that returns shape (b,), got {shape_or_type(result)}")
    return result.to(x.dtype).expand(len(x))


def residual_columns(result: Any, count: int, name: str) -> list[Tensor]:
    """The result of an equation, one residual (b,), several of them or (b, r), as a list of tensors (b,)."""
    residuals: list[Tensor] = []
    # Fields count by their values, and matrices by their columns.
    for part in result if is_sequence(result) else [result]:
        match part:
            case Field():
                residuals.append(part.value)
            case Tensor() if part.shape == (count,):
                residuals.append(part)
            case Tensor() if part.ndim == 2 and len(part) == count:
                residuals += part.unbind(1)
            case _:
                raise InputError(f"{name} must return residuals of shape (b,) = ({count},), got {shape_or_type(part)}")
        if residuals and residuals[-1].is_complex():
            raise InputError(
                f"{name} must return real residuals, got {residuals[-1].dtype}: return real and imaginary part"
            )
    if not residuals:
        raise InputError(f"{name} must return at least one residual, got none")
    return residuals


@dataclass(frozen=True)
class EquationResiduals:
    """Residuals of an equation as a function of a context; a class, so that a problem can be pickled."""

    equation: Callable  # the user's function, see `PDE`
    # values of fields at the first moment and before, for delays
    history: Mapping[str, Value] = field(default_factory=dict)
    first: float = -math.inf  # that moment

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        if self.history:
            remembered = {
                name: context.fields[name].with_past(self._past(history, context))
                for name, history in self.history.items()
            }
            context = replace(context, fields={**context.fields, **remembered})
        return residual_columns(context.call(self.equation, "equation"), len(context.x), "equation")

    def _past(self, history: Value, context: EvaluationContext) -> Past:
        """See `Past`."""
        axis = context.coordinates.index(TIME)

        def past(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            # Moments that are later by rounding are those of the point.
            moments = moments.to(context.x.dtype).expand(len(context.x))
            now = context.x[:, axis]
            if bool((moments > now + 1e-12 * now.abs().amax()).any()):
                raise InputError(
                    "a delay must look back in time, as u(t - 1), got a later moment than that of the point"
                )
            before = context.x.detach().clone()
            before[:, axis] = moments.detach().clamp(max=self.first)
            values = value_at(history, context.coordinates, before, "value")
            return moments.clamp(min=self.first), moments <= self.first, values

        return past

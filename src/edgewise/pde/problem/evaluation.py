"""Evaluation of a user's function at points, with arguments chosen by name; and the dry run of an equation."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import TIME, Domain
from edgewise.pde.problem.fields import Field, Index, Past, field_leaf
from edgewise.pde.problem.integrals import GIVEN_RULE, IntegralCalls, IntegralKey, Rule, at_places, axes_of

# Largest defect of linearity that rounding may leave, relative to the terms: far above the rounding of fourth
# derivatives (1e-12) and far below the defect of any nonlinear term at fields of size one.
LINEAR = 1e-9
# Largest distance of quadrature points from the domain, relative to its size: far above rounding.
OUTSIDE = 1e-9
LATEST = 1e-12  # a delayed moment that is later than its point by this share is rounding
LONGEST_ORDER = 4  # letters of an unknown attribute that is taken for a derivative: the orders of equations
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

    def __post_init__(self) -> None:
        for each in self.fields.values():
            each.points = self.x

    def call(self, function: Callable, name: str) -> Any:
        """Call a function with the fields, coordinates, coefficients and normals that its arguments name."""
        table = {**coordinate_table(self.coordinates, self.x), **self.coefficients, **self.fields}
        return call_by_name(function, table if self.normal is None else {**table, NORMAL: self.normal}, name)

    def value(self, value: Value, name: str) -> Tensor:
        """A number, or a function of coordinates by their names, at the points: (b,)."""
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
        if isinstance(error, TypeError) and "'Tensor' object is not callable" in str(error):
            raise InputError(
                f"{name} may call fields only, as u(t - 1): derivatives such as u.t have no delay"
            ) from error
        if isinstance(error, AttributeError) and isinstance(error.obj, Tensor):
            missing = str(error.name)
        else:
            missing = ""
        if 0 < len(missing) <= LONGEST_ORDER:
            raise InputError(
                f"{name} may take derivatives of fields only, got .{missing} of an expression: write it out, as "
                "u * u.xx + u.x**2 for (u * u.x).x, or use diffusion"
            ) from error
        error.add_note(f"This error was raised in the evaluation of {name}.")
        raise


def argument_names(function: Callable, name: str) -> tuple[str, ...]:
    """Names of a function's required arguments."""
    wrong = f"{name} must be a function with named arguments, as lambda x, y: ..., got {function!r}"
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
    result: Any = call_by_name(value, coordinate_table(coordinates, x), name) if callable(value) else value
    if isinstance(result, int | float | np.number | np.ndarray) and not isinstance(result, bool):
        result = torch.as_tensor(result, dtype=x.dtype)
    if not isinstance(result, Tensor) or tuple(result.shape) not in ((), (len(x),), (1,)):
        came = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise InputError(f"{name} must be a number or a function that returns shape (b,), got {came}")
    return result.to(x.dtype).expand(len(x))


def residual_columns(result: Any, count: int, name: str) -> list[Tensor]:
    """The result of an equation, one residual (b,), several of them or (b, r), as a list of tensors (b,)."""
    parts = list(result) if isinstance(result, tuple | list) else [result]
    residuals: list[Tensor] = []
    for part in parts:
        part = part.value if isinstance(part, Field) else part
        shape = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
        if isinstance(part, Tensor) and part.is_complex():
            raise InputError(f"{name} must return real residuals, got {part.dtype}: return real and imaginary part")
        if shape == (count,):
            residuals.append(part)
        elif isinstance(part, Tensor) and part.ndim == 2 and len(part) == count:
            residuals += part.unbind(1)
        else:
            raise InputError(f"{name} must return residuals of shape (b,) = ({count},), got {shape}")
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
            fields = {
                name: each.with_past(self._past(self.history[name], context)) if name in self.history else each
                for name, each in context.fields.items()
            }
            context = replace(context, fields=fields)
        return residual_columns(context.call(self.equation, "equation"), len(context.x), "equation")

    def _past(self, history: Value, context: EvaluationContext) -> Past:
        """See `Past`."""
        axis = context.coordinates.index(TIME)

        def past(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            moments = moments.to(context.x.dtype).expand(len(context.x))
            now = context.x[:, axis]
            if bool((moments > now + LATEST * now.abs().amax()).any()):
                raise InputError(
                    "a delay must look back in time, as u(t - 1), got a later moment than that of the point"
                )
            before = context.x.detach().clone()
            before[:, axis] = moments.detach().clamp(max=self.first)
            values = value_at(history, context.coordinates, before, "value")
            return moments.clamp(min=self.first), moments <= self.first, values

        return past


class Trial(NamedTuple):
    """Functions on which residuals are tried: level + height cos(...), with one period along each side of the domain.

    Parameters
    ----------
    level : float
        Mean value.
    height : float
        Amplitude.
    """

    level: float
    height: float


# Trials in their order: a wave of amplitude 1; one that is positive everywhere, for roots and logarithms, negative, or
# smaller than 1 in magnitude. And how many times larger the residuals of the first one are than those of the second
# where the equation is singular at zero, as 1 / u.
WAVE = Trial(0.0, 1.0)
WAVE_TRIALS = (WAVE, Trial(2.0, 1.0), Trial(-2.0, 1.0), Trial(0.5, 0.25), Trial(0.0, 0.5), Trial(-0.5, 0.25))
SINGULAR_AT_ZERO = 100.0


@dataclass(frozen=True)
class Requirements:
    """Quantities that residuals are computed from, as determined by a dry run."""

    derivatives: Mapping[str, frozenset[Index]]  # multi-indices of the derivatives of each field
    # size of each residual, (r,), for fields that are waves of amplitude 1 with one period along each side of the
    # domain: divided by it, a residual is about as large as the error of the field that it stands for
    sizes: Tensor
    # number of quadrature points of each integral, by key
    integrals: Mapping[IntegralKey, int] = field(default_factory=dict)
    rule: Rule = GIVEN_RULE  # the rule by which integrals are computed
    # mean slope of the residuals by each derivative, by the field and the multi-index, with its sign
    slopes: Mapping[tuple[str, Index], float] = field(default_factory=dict)
    trial: Trial = WAVE  # functions on which the residuals are finite

    def with_rule(self, rule: Rule) -> Requirements:
        """The same with integrals that are computed by another rule."""
        points = {
            key: count if key[2] < 0 else count // self.rule.multiple(key[1]) * rule.multiple(key[1])
            for key, count in self.integrals.items()
        }
        return replace(self, integrals=points, rule=rule)

    @property
    def keys(self) -> list[tuple[int, Index]]:
        """All derivatives, each with the number of its field."""
        return [(slot, index) for slot, indices in enumerate(self.derivatives.values()) for index in indices]

    @property
    def integrated_fields(self) -> frozenset[str]:
        """Names of the fields that are integrated."""
        return frozenset(name for name, _, _ in self.integrals)

    def order(self, name: str, axes: Sequence[int]) -> int:
        """Highest derivative of a field by these coordinates together."""
        return max((sum(index[axis] for axis in axes) for index in self.derivatives[name]), default=0)

    def acts_as_time(self, name: str, axis: int, axes: Iterable[int]) -> bool:
        """Return whether a field may evolve along a coordinate, among these, from all of its conditions at one end.

        It may where the order is 1, where no other coordinate has derivatives, and where the order is 2 while another
        coordinate has derivatives of second order with the opposite sign, or of a higher order.
        """
        order = self.order(name, [axis])
        others = {other: self.order(name, [other]) for other in axes if other != axis}
        if order <= 1 or not any(others.values()):
            return True

        def second(other: int) -> float:
            """Mean slope of the residuals by the second derivative of the field by a coordinate; 0 without one."""
            return sum(
                slope
                for (each, index), slope in self.slopes.items()
                if each == name and index[other] == sum(index) == 2
            )

        return order == 2 and any(highest > 2 or second(axis) * second(other) < 0 for other, highest in others.items())


def dry_run(
    residuals: Residuals,
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
) -> Requirements:
    """Evaluate residuals on plane waves and record the derivatives and integrals that they use, and their sizes.

    Shapes: x (b, n), normal (b, n).
    """
    # The waves are the first of `WAVE_TRIALS` on which the residuals are finite. The size of a residual is the root of
    # the sum of squares of its slopes by each derivative, times the size of that derivative for a wave of one period
    # along the domain.

    def tried(trial: Trial) -> Requirements:
        return _tried(residuals, fields, domain, x, coefficients, normal, trial)

    plain = tried(WAVE)
    is_finite = bool(plain.sizes.isfinite().all())
    others = (tried(trial) for trial in WAVE_TRIALS[1 : 3 if is_finite else None])
    other = next((found for found in others if bool(found.sizes.isfinite().all())), None)
    if other is None or (is_finite and not bool((plain.sizes > SINGULAR_AT_ZERO * other.sizes).any())):
        return plain
    return other


def _tried(
    residuals: Residuals,
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None,
    trial: Trial,
) -> Requirements:
    """Requirements by the functions of one trial, see `dry_run`."""
    derivatives: dict[tuple[str, Index], Tensor] = {}
    integrated: list[Tensor] = []

    def values_elsewhere(key: IntegralKey, places: Tensor) -> Tensor:
        if places.requires_grad:
            if key[2] < 0:
                what = "a delay"
            else:
                what = "the limits of an integral"
            raise InputError(f"{what} must not depend on fields or unknown coefficients")
        points = at_places(x, key[1], places)
        outside = domain.level(points.flatten(0, 1)).amax() / domain.size.max()
        if outside > OUTSIDE:
            raise InputError(
                f"the limits of an integral of {key[0]} must lie in the domain, got points outside it along "
                f"{', '.join(domain.coordinates[axis] for axis in axes_of(key))}"
            )
        values = _wave(domain, points, fields.index(key[0]), trial)
        integrated.append(field_leaf(values) if key[2] < 0 else values.requires_grad_())
        return integrated[-1]

    calls = IntegralCalls(values_elsewhere)

    def derivative(name: str, index: Index) -> Tensor:
        if (name, index) not in derivatives:
            derivatives[name, index] = field_leaf(_wave(domain, x, fields.index(name), trial, index))
        return derivatives[name, index]

    context = _context_of(fields, domain, x, coefficients, normal, derivative, calls)
    with torch.enable_grad():
        for number in context.coefficients.values():
            number.requires_grad_()
        results = residuals(context)
        sizes = []
        mean_slopes = dict.fromkeys(derivatives, 0.0)
        for residual in results:
            total = residual.new_zeros(())
            leaves = [*derivatives.values(), *integrated]
            if residual.requires_grad and leaves:
                slopes = torch.autograd.grad(residual.sum(), leaves, retain_graph=True, materialize_grads=True)
                for slope in slopes[len(derivatives) :]:
                    total = total + slope.abs().sum(1).square().mean()
                for (name, index), slope in zip(derivatives, slopes[: len(derivatives)], strict=True):
                    total = total + wave_scale(domain, index) ** 2 * slope.square().mean()
                    mean_slopes[name, index] += float(slope.mean())
            sizes.append(total.sqrt() + 0 * residual.detach().sum())  # not a number where the residual is not
    indices = {name: frozenset(index for other, index in derivatives if other == name) for name in fields}
    return Requirements(indices, torch.stack(sizes), calls.points, slopes=mean_slopes, trial=trial)


def _context_of(
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None,
    derivative: Callable[[str, Index], Tensor],
    calls: IntegralCalls,
) -> EvaluationContext:
    """Context at points x (b, n) of fields whose derivatives, by name and index, are those of a function."""

    def field_of(name: str) -> Field:
        return Field(lambda index: derivative(name, index), domain.coordinates, calls.of(name))

    numbers = {name: x.new_full((len(x),), value) for name, value in coefficients.items()}
    return EvaluationContext(domain.coordinates, x, {name: field_of(name) for name in fields}, numbers, normal)


def wave_scale(domain: Domain, index: Index) -> float:
    """Size of a derivative of a wave of amplitude 1 with one period along each side of the domain."""
    return math.prod(float(k) ** times for k, times in zip(2 * math.pi / domain.size, index, strict=True))


def _wave(domain: Domain, x: Tensor, number: int, trial: Trial, index: Index | None = None) -> Tensor:
    """Values of the wave of a field at points x (..., n), or of one of its derivatives.

    Each field has a phase of its own: waves in step would cancel in some equations.
    """
    if index is None:
        index = (0,) * domain.dimension
    phase = x @ (2 * math.pi / domain.size) + 1.3 * number + 0.4 + sum(index) * math.pi / 2
    wave = trial.height * wave_scale(domain, index) * phase.cos()
    return wave if any(index) else trial.level + wave


def check_pointwise(
    residuals: Residuals,
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
    trial: Trial = WAVE,
) -> None:
    """Check that residuals are the same at each call and that those of a point depend on that point alone."""
    # The arguments are those of `dry_run`.
    every_other = slice(None, None, 2)
    whole = wave_residuals(residuals, fields, domain, x, coefficients, normal, trial)
    normal = None if normal is None else normal[every_other]
    part = wave_residuals(residuals, fields, domain, x[every_other], coefficients, normal, trial)
    rounding = torch.finfo(whole.dtype).eps ** 0.5 * float(whole.abs().amax())
    same_count = whole.shape[1] == part.shape[1]
    # The rounding is finite where the dry run was, unless the residuals are others at each call.
    if not (same_count and math.isfinite(rounding) and torch.allclose(whole[every_other], part, 0.0, rounding)):
        raise InputError(
            "residuals must be the same at every call and depend at each point on the values there alone, without "
            "random numbers or means over the points; got other values for half of the points"
        )


@torch.no_grad()
def wave_residuals(
    residuals: Residuals,
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
    trial: Trial = WAVE,
) -> Tensor:
    """Residuals of the waves of a dry run, whose arguments these are, at points x (b, n): (b, residuals)."""
    calls = IntegralCalls(lambda key, places: _wave(domain, at_places(x, key[1], places), fields.index(key[0]), trial))

    def derivative(name: str, index: Index) -> Tensor:
        return _wave(domain, x, fields.index(name), trial, index)

    return torch.stack(residuals(_context_of(fields, domain, x, coefficients, normal, derivative, calls)), 1)


def place_words(coordinates: Sequence[str], x: Tensor, wrong: Tensor) -> str:
    """Words for the first of the points x (b, n) where `wrong` (b,) is true, as "x = 0.5, y = 1"."""
    place = x[wrong][0].tolist()
    return ", ".join(f"{name} = {value:.4g}" for name, value in zip(coordinates, place, strict=True))


def not_finite_words(values: Tensor, domain: Domain, x: Tensor) -> str:
    """Words for the first point at which residuals (b, r) are no finite numbers, or derivatives of them."""
    wrong = ~values.isfinite().all(1)
    if not bool(wrong.any()):
        return "derivatives by the fields that are not"
    first = values[wrong][0]
    return f"{float(first[~first.isfinite()][0])} at {place_words(domain.coordinates, x, wrong)}"


def is_linear_in_fields(
    residuals: Residuals,
    fields: Sequence[str],
    domain: Domain,
    x: Tensor,
    coefficients: Mapping[str, float],
    normal: Tensor | None = None,
) -> bool:
    """Test whether residuals are linear in the fields: r(u + v) - r(u) - r(v) + r(0) = 0 for random u and v.

    The arguments are those of `dry_run`.
    """
    generator = torch.Generator().manual_seed(1)
    drawn: dict[tuple[str, Index] | IntegralKey, Tensor] = {}

    def evaluate(u_share: float, v_share: float) -> Tensor:
        def combination(key: tuple[str, Index] | IntegralKey, *shape: int) -> Tensor:
            if key not in drawn:
                drawn[key] = torch.randn(2, *shape, generator=generator, dtype=x.dtype)
            u, v = drawn[key]
            return u_share * u + v_share * v

        calls = IntegralCalls(lambda key, places: combination(key, len(x), places.shape[1]))

        def derivative(name: str, index: Index) -> Tensor:
            return combination((name, index), len(x))

        return torch.stack(residuals(_context_of(fields, domain, x, coefficients, normal, derivative, calls)))

    parts = torch.stack([evaluate(1.0, 1.0), -evaluate(1.0, 0.0), -evaluate(0.0, 1.0), evaluate(0.0, 0.0)])
    sizes = parts.abs().sum(0).amax(1)  # of each residual: they may have different units
    return bool(sizes.isfinite().all()) and bool((parts.sum(0).abs().amax(1) <= LINEAR * sizes).all())

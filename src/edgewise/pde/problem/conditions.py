"""Conditions of an equation: on the boundary, at the first moment, periodicity, and measured values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_number, is_number
from edgewise.errors import InputError
from edgewise.ops.jet import multiply
from edgewise.pde.domains.domain import DOMAINS, TIME, Domain
from edgewise.pde.problem.evaluation import EvaluationContext, Value, residual_columns, value_at
from edgewise.pde.problem.fields import Field, function_jet

Kind = TypeVar("Kind")
FieldValues = Value | Mapping[str, Value]
"""A value, see `Value`, or one for each of several fields by their names."""


def of_kind(conditions: Iterable[object], kind: type[Kind]) -> tuple[Kind, ...]:
    """The conditions of one class, in their order."""
    return tuple(condition for condition in conditions if isinstance(condition, kind))


class BoundaryCondition(Protocol):
    """A condition that holds on pieces of the boundary: residuals that vanish there.

    Every condition on the boundary has these two methods and a weight; a class of one's own may have them too.
    """

    @property
    def weight(self) -> float:
        """Factor of the mean squared residual in the loss."""

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        """Names of the pieces of the boundary on which the condition holds."""

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at points of those pieces, (b,) each, zero where the condition holds."""


class _OnPieces:
    """The pieces of a condition that names them, by `on`."""

    on: str | Sequence[str] | None
    weight: float
    has_normal_derivative: ClassVar[bool] = False  # so that it holds in space alone

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        """Names of the pieces of the boundary on which the condition holds."""
        names = self.on
        if names is None:
            names = domain.boundary_names
        elif isinstance(names, str) or not isinstance(names, Iterable):
            names = (names,)
        pieces = domain.named(names)
        moment = next((piece.name for piece in pieces if piece.is_time_end), None)
        if moment is not None and self.has_normal_derivative:
            raise InputError(
                f"on of {type(self).__name__} must name pieces of the boundary in space, got {moment!r}: a rate of "
                "change at the first moment is given by Initial(value, rate=...)"
            )
        return tuple(piece.name for piece in pieces)


@dataclass(frozen=True)
class Condition(_OnPieces):
    """Any condition, by residuals that vanish on pieces of the boundary.

    Parameters
    ----------
    residual : callable
        A function like that of the equation. Its arguments are chosen by their names: fields, coordinates (b,),
        unknown coefficients (b,), `points` (b, n) for all coordinates, outward normals `normal` (b, n). It returns one
        or several residuals (b,), or (b, r).
    on : str or sequence of str, optional
        Names of pieces of the boundary; the whole boundary without first and last moment if left out.
    weight : float
        Factor of the mean squared residual, each residual in units of the field (see `PDE`).

    Raises
    ------
    InputError
        With the problem that it is given to: an unknown piece or argument, a wrong shape, or residuals that do not
        depend on the solution.

    Examples
    --------
    Radiation at one end of a rod.

    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> radiation = Condition(lambda u: u.x + u**4, on="x=1")
    >>> PDE(lambda u: u.xx, Interval(0, 1), [Dirichlet(1.0, on="x=0"), radiation]).form.is_linear
    False
    """

    residual: Callable
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at the points of a context, (b,) each."""
        return residual_columns(context.call(self.residual, "residual"), len(context.x), "residual")


@dataclass(frozen=True)
class Dirichlet(_OnPieces):
    """Given values on pieces of the boundary: u = value.

    Parameters
    ----------
    value : float, callable or mapping
        In the units of the field: a number, a function of coordinates (b,) by name or of all `points` (b, n) to (b,);
        for several fields a mapping of the given ones, as {"u": 1.0, "v": 0.0}.
    on : str or sequence of str, optional
        Names of pieces of the boundary; the whole boundary without first and last moment if left out.
    weight : float
        Factor of the mean squared residual.
    hard : bool
        Whether the condition holds exactly, by construction: u = value + factor * network, where the factor vanishes on
        these pieces [1]_. The value must then be known all over the domain. Possible for boxes, disks and annuli, also
        over time, once for each field, without integrals.

    Raises
    ------
    InputError
        With the problem that it is given to: an unknown piece or field, a value of another shape, or a domain without
        such a factor.

    References
    ----------
    .. [1] I. Lagaris, A. Likas, D. Fotiadis, "Artificial neural networks for solving ordinary and partial differential
       equations", IEEE Trans. Neural Networks 9, 1998, 987.

    Examples
    --------
    >>> from edgewise.pde import Box
    >>> Dirichlet(lambda x, y: x * y, on=["x=0", "y=0"]).pieces(Box(x=(0, 1), y=(0, 1)))
    ('x=0', 'y=0')
    """

    value: FieldValues = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0
    hard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.hard, bool):
            raise InputError(f"hard must be True or False, got {self.hard!r}")

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at the points of a context, (b,) each."""
        values = by_field(self.value, tuple(context.fields))
        return [context.fields[name] - context.value(value, "value") for name, value in values.items()]


@dataclass(frozen=True)
class Robin(_OnPieces):
    """A combination of value and normal derivative on pieces of the boundary: a u + b du/dn = value.

    The vector n is the outward normal in space, of length 1.

    Parameters
    ----------
    a, b : float or callable
        Numbers, or functions of coordinates (b,) by name to (b,); b has the unit of a length times that of a.
    value : float, callable or mapping
        As for `Dirichlet`, in the units of a u.
    on, weight
        As for `Dirichlet`; the residual is divided by its size for a wave of one period (see `PDE`).

    Raises
    ------
    InputError
        With the problem that it is given to: an unknown piece or field, or a value of another shape.

    Examples
    --------
    Cooling at the ends of a rod by air of temperature 20.

    >>> Robin(1.0, 0.5, 20.0).b
    0.5
    """

    has_normal_derivative = True
    a: Value
    b: Value
    value: FieldValues = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at the points of a context, (b,) each."""
        a = context.value(self.a, "a")
        b = context.value(self.b, "b")
        values = by_field(self.value, tuple(context.fields))
        return [
            a * context.fields[name]
            + b * _normal_derivative(context.fields[name], context)
            - context.value(value, "value")
            for name, value in values.items()
        ]


@dataclass(frozen=True)
class Neumann(_OnPieces):
    """Given normal derivative on pieces of the boundary: du/dn = value.

    The vector n is the outward normal in space, of length 1.

    Parameters
    ----------
    value : float, callable or mapping
        As for `Dirichlet`, in the units of the field over those of length; positive where u grows outwards.
    on, weight
        As for `Dirichlet`; the residual is divided by its size for a wave of one period (see `PDE`).

    Raises
    ------
    InputError
        With the problem that it is given to: an unknown piece or field, or a value of another shape.

    Examples
    --------
    An insulated end of a rod.

    >>> from edgewise.pde import Interval
    >>> Neumann(0.0, on="x=1").pieces(Interval(0, 1))
    ('x=1',)
    """

    has_normal_derivative = True
    value: FieldValues = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at the points of a context, (b,) each."""
        values = by_field(self.value, tuple(context.fields))
        return [
            _normal_derivative(context.fields[name], context) - context.value(value, "value")
            for name, value in values.items()
        ]


@dataclass(frozen=True)
class Initial:
    """Given values at the first moment: u = value and, for equations of second order in time, du/dt = rate.

    In an equation with delays, as u(t - 1), value is the history too: where it depends on t, its values before the
    first moment are those of the field.

    Parameters
    ----------
    value : float, callable or mapping
        As for `Dirichlet`: a number, a function of coordinates (b,) to (b,), or one of these for each field.
    rate : float, callable or mapping, optional
        The same for the first derivative in time, in the units of the field over those of time.
    weight : float
        Factor of the mean squared residual.

    Raises
    ------
    InputError
        With the problem that it is given to: a domain without the coordinate t, an unknown field, or a value of another
        shape.

    Examples
    --------
    A pendulum that is released at the angle 2, and an equation with a delay.

    >>> from edgewise.pde import PDE, Time, solve
    >>> PDE(lambda u: u.tt + torch.sin(u), Time(0, 10), [Initial(2.0, rate=0.0)]).form.order
    2
    >>> late = solve(PDE(lambda u, t: u.t + u(t - 1), Time(0, 2), [Initial(1.0)]))
    >>> late([[2.0]]).round(9)  # 1 - t + (t - 1)^2 / 2
    array([[-0.5]])
    """

    value: FieldValues = 0.0
    rate: FieldValues | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        """Name of the piece of the boundary that is the first moment."""
        names = tuple(piece.name for piece in domain.pieces if piece.is_initial)
        if not names:
            raise InputError("Initial needs a domain with the coordinate t, as Interval(0, 1) * Time(0, 1)")
        return names

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Residuals at the points of a context, (b,) each."""
        names = tuple(context.fields)
        residuals = [
            context.fields[name] - context.value(value, "value") for name, value in by_field(self.value, names).items()
        ]
        if self.rate is not None:
            residuals += [
                context.fields[name].derivative(TIME) - context.value(rate, "rate")
                for name, rate in by_field(self.rate, names, "rate").items()
            ]
        return residuals


@dataclass(frozen=True)
class Periodic:
    """Periodicity with the length of the domain in some coordinates, by construction of the network.

    It takes the place of all conditions on the two ends of each of these coordinates, of t too: a condition that names
    no piece of the boundary holds on the other ones.

    Parameters
    ----------
    *coordinates : str
        Names of the coordinates.

    Raises
    ------
    InputError
        With the problem that it is given to: a coordinate that the domain does not have.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Interval, Time
    >>> conditions = [Periodic("x"), Initial(lambda x: torch.sin(torch.pi * x))]
    >>> PDE(lambda u: u.t + u.x, Interval(-1, 1) * Time(0, 1), conditions).form.periodic
    ('x',)
    """

    coordinates: tuple[str, ...]

    def __init__(self, *coordinates: str):
        if not coordinates:
            raise InputError("Periodic must name a coordinate, as Periodic('x'), got none")
        object.__setattr__(self, "coordinates", coordinates)


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured values of one field at scattered points, for unknown coefficients or where conditions are missing.

    Parameters
    ----------
    x : Tensor or array-like
        Points, (N, n), coordinates in the order of the domain.
    values : Tensor or array-like
        Measured values, (N,), in the units of the field.
    field : str, optional
        Name of the field, if there are several.
    weight : float
        Factor of the mean squared residual. Small, for the solution must follow the equation, which has no noise,
        rather than the noise of the values.

    Raises
    ------
    InputError
        Other shapes, numbers that are not finite; with the problem, an unknown field.

    Examples
    --------
    >>> t = torch.linspace(0, 2, 30, dtype=torch.float64)[:, None]
    >>> Observations(t, torch.exp(-0.7 * t[:, 0])).weight
    0.001
    """

    x: Tensor
    values: Tensor
    field: str | None = None
    weight: float = 1e-3

    def __post_init__(self) -> None:
        check_weight(self.weight)
        # Points and values as tensors, copied from what came.
        for name in ("x", "values"):
            given = getattr(self, name)
            if not isinstance(given, Tensor):
                try:
                    object.__setattr__(self, name, torch.from_numpy(np.array(given, dtype=np.float64)))
                except (TypeError, ValueError) as error:
                    raise InputError(f"{name} of observations must be numbers, got {given!r:.60}") from error
        # Shapes, and real finite numbers.
        if self.x.ndim != 2:
            raise InputError(f"x of observations must have shape (N, n), got {tuple(self.x.shape)}")
        if tuple(self.values.shape) != (len(self.x),) or len(self.x) == 0:
            raise InputError(f"values must have shape ({len(self.x)},) like x, got {tuple(self.values.shape)}")
        if self.x.is_complex() or self.values.is_complex():
            raise InputError("observations must be real numbers, got complex ones")
        if not bool(self.x.isfinite().all() and self.values.isfinite().all()):
            raise InputError("observations must be finite, got a value that is not")

    def check(self, domain: Domain, fields: Sequence[str]) -> None:
        """Raise an InputError unless the points and the field are those of a problem."""
        if self.x.shape[1] != domain.dimension:
            raise InputError(f"observations must have x of shape (N, {domain.dimension}), got {tuple(self.x.shape)}")
        if float((domain.level(self.x.double()) / domain.size.max()).amax()) > DOMAINS.far_outside:
            raise InputError("observations must have x in the domain of the equation, got points outside it")
        if (self.field is None and len(fields) > 1) or self.field not in (None, *fields):
            raise InputError(f"observations must name a field of {', '.join(fields)}, got {self.field!r}")

    def residuals(self, context: EvaluationContext) -> list[Tensor]:
        """Difference between the field and the measured values of a context, one tensor (b,)."""
        assert context.measured is not None
        return [context.fields[self.field or next(iter(context.fields))] - context.measured]


@dataclass(frozen=True)
class UnknownField:
    """A field of the equation that only measured values determine, such as a conductivity a(x) from temperatures.

    Of all fields that agree with the equation, the conditions and the measured values within their noise, `solve` takes
    smooth ones, with the strength of the smoothing and the size of the noise of the largest restricted likelihood, and
    the order of the smoothed derivatives, 2 to 4, of the least generalised cross-validation; the same smoothing holds
    for measured fields that lack conditions. `Solution.standard_error` gives standard errors, from the profile of the
    likelihood where the problem is not linear in the field.
    All measured values have the same noise; the weights of `Observations` do not count. Standard errors are nan
    where at most two values more are measured than parameters are determined: their noise is not known then.

    Parameters
    ----------
    field : str
        Name of the field.

    Raises
    ------
    InputError
        With the problem that it is given to: an unknown field, no `Observations`, hard conditions, an `Interface`, or
        more than three coordinates. On three coordinates there is one coarse grid only, and `solve` refuses more
        fields than it holds.

    Examples
    --------
    A conductivity from temperatures with noise: (a u')' = -2 with a = 1 has u = x (1 - x).

    >>> from edgewise.pde import PDE, Interval, solve
    >>> x = torch.linspace(0, 1, 200, dtype=torch.float64)
    >>> noise = 0.002 * torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    >>> measured = Observations(x[:, None], x * (1 - x) + noise, field="u")
    >>> conditions = [Dirichlet({"u": 0.0}), measured, UnknownField("a")]
    >>> solution = solve(PDE(lambda u, a: a.x * u.x + a * u.xx + 2, Interval(0, 1), conditions))
    >>> bool(abs(solution([[0.1]])[0, 1] - 1) < 3 * solution.standard_error([[0.1]], "a")[0] < 0.1)
    True
    """

    field: str

    def check(self, fields: Sequence[str]) -> None:
        """Raise an InputError unless the field is one of a problem."""
        if self.field not in fields:
            raise InputError(f"UnknownField must name a field of {', '.join(fields)}, got {self.field!r:.40}")


@dataclass(frozen=True, eq=False)
class HardConditions:
    """Dirichlet conditions that hold by construction: field = value + factor * network, factor 0 on their pieces."""

    domain: Domain  # domain of the equation
    fields: tuple[str, ...]  # names of all fields, in the order of the network's outputs
    # value and pieces of the boundary for each field that has a hard condition
    values: Mapping[str, tuple[Value, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def among(cls, conditions: Sequence, domain: Domain, fields: tuple[str, ...]) -> "HardConditions":
        """The hard ones among the conditions of a problem."""
        values: dict[str, tuple[Value, tuple[str, ...]]] = {}
        for condition in (each for each in of_kind(conditions, Dirichlet) if each.hard):
            pieces = condition.pieces(domain)
            domain.factor(domain.interior(1), pieces)  # raises where the domain has none
            for name, value in by_field(condition.value, fields).items():
                if name in values:
                    raise InputError(f"hard conditions must be one for each field, got two for {name}")
                values[name] = (value, pieces)
        return cls(domain, fields, values)

    def jets(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor | None:
        """Jets of factor and value at points x (b, n), (b, fields with a hard condition, 2, C); None without any."""
        parts = []
        for name in self.fields:
            if name in self.values:
                value, pieces = self.values[name]

                def factor_and_value(x: Tensor, value: Value = value, pieces: tuple[str, ...] = pieces) -> Tensor:
                    given = value_at(value, self.domain.coordinates, x, "value")
                    return torch.stack([self.domain.factor(x, pieces), given], 1)

                parts.append(function_jet(factor_and_value, x, directions, order).permute(1, 2, 0))
        return torch.stack(parts, 1) if parts else None

    def apply(self, jet: Tensor, hard_jets: Tensor | None, order: int) -> Tensor:
        """Jet of the fields from that of the network, (C, b, fields) both, and from `jets` at the same points."""
        if hard_jets is None:
            return jet
        outputs = list(jet.unbind(2))
        slots = [slot for slot, name in enumerate(self.fields) if name in self.values]
        for slot, (factor, value) in zip(slots, hard_jets.permute(1, 2, 3, 0), strict=True):
            outputs[slot] = multiply(factor[..., None], outputs[slot][..., None], order)[..., 0] + value
        return torch.stack(outputs, 2)


def check_weight(weight: object) -> None:
    """Raise an InputError unless the weight of a loss is a number of at least 0."""
    check_number(weight, "weight")


def by_field(value: FieldValues, fields: Sequence[str], label: str = "value") -> dict[str, Value]:
    """The value of each field that has one: a mapping as it is, and a single value for the only field."""
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in fields]
        if unknown or not value:
            raise InputError(f"{label} must be given for fields among {', '.join(fields)}, got {list(value)}")
        return dict(value)
    if len(fields) > 1:
        example = dict.fromkeys(fields, value if is_number(value) else 0.0)
        raise InputError(
            f"{label} must say for which of the fields {', '.join(fields)}, as {example}, got {value!r:.60}; every "
            "argument of the equation is a field unless it is a coordinate or stands in coefficients="
        )
    return {fields[0]: value}


def _normal_derivative(u: Field, context: EvaluationContext) -> Tensor:
    """Derivative along the outward normal in space, (b,)."""
    assert context.normal is not None
    total = torch.zeros_like(context.x[:, 0])
    for name in u.space:
        total = total + context.normal[:, context.coordinates.index(name)] * u.derivative(name)
    return total

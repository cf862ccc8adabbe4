"""What holds on the boundary, at the start, and at measured points."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import TIME, Domain
from edgewise.pde.problem.evaluation import Scene, columns
from edgewise.pde.problem.fields import Field

# A number, a function of coordinates by their names, or one of these for each of several fields.
Value = float | Callable[..., Tensor] | Mapping[str, float | Callable[..., Tensor]]


@dataclass(frozen=True)
class Condition:
    """Any condition: residuals that are zero on pieces of the boundary, as `Condition(lambda u, t: u.x + u**2 - t)`.

    Args:
        residual: a function like the equation's, its arguments told by their names: fields, coordinates (b,), unknown
            coefficients (b,), `points` (b, n) for all coordinates, outward normals `normal` (b, n). It returns one or
            several residuals (b,), or (b, r).
        on: names of pieces of the boundary, one or several; if None the whole boundary without first and last moment.
        weight: times the mean of the squared residuals, each in units of an error of the field (see `PDE`).

    Raises:
        InputError: with the problem it is given to: an unknown piece, an unknown argument, a wrong shape, or residuals
            that do not depend on the solution.
    """

    residual: Callable
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        """Where it holds."""
        return _named(domain, self.on)

    def residuals(self, scene: Scene) -> list[Tensor]:
        """What is to be zero, (b,) each."""
        return columns(scene.call(self.residual, "residual"), len(scene.x), "residual")


@dataclass(frozen=True)
class Dirichlet:
    """u = value on pieces of the boundary, as `Dirichlet(lambda x, y: x * y, on="x=0")`.

    Args:
        value: in the field's units: a number, a function of coordinates (b,) by name, or of all `points` (b, n), to
            (b,); of several fields a mapping of those that are held, as {"u": 1.0, "v": 0.0}.
        on: names of pieces of the boundary, one or several; if None the whole boundary without first and last moment.
        weight: times the mean of the squared misfit.
        hard: by construction, exactly: u = value + factor * network, where the factor vanishes on these pieces (I.
            Lagaris, A. Likas, D. Fotiadis, IEEE Trans. Neural Networks 9, 1998, 987). The value must then be known all
            over the domain. Boxes, disks, annuli, also over time; at most one for each field; without integrals.

    Raises:
        InputError: with the problem it is given to: an unknown piece or field, a value of another shape, a domain
            without such a factor.
    """

    value: Value = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0
    hard: bool = False

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        return _named(domain, self.on)

    def residuals(self, scene: Scene) -> list[Tensor]:
        wanted = by_field(self.value, tuple(scene.fields)).items()
        return [scene.fields[name] - scene.value(value, "value") for name, value in wanted]


@dataclass(frozen=True)
class Robin:
    """a u + b du/dn = value on pieces of the boundary, with n the outward normal in space, of length 1.

    Args:
        a, b: numbers, or functions of coordinates (b,) by name to (b,); b times the field's units over length.
        value: as for `Dirichlet`, in the units of a u.
        on, weight: as for `Dirichlet`; the misfit is divided by its size for a wave of one period (see `PDE`).

    Raises:
        InputError: with the problem it is given to: an unknown piece or field, a value of another shape.
    """

    a: float | Callable[..., Tensor]
    b: float | Callable[..., Tensor]
    value: Value = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        return _named(domain, self.on)

    def residuals(self, scene: Scene) -> list[Tensor]:
        a, b = scene.value(self.a, "a"), scene.value(self.b, "b")
        wanted = by_field(self.value, tuple(scene.fields)).items()
        return [
            a * scene.fields[name] + b * normal_derivative(scene.fields[name], scene) - scene.value(value, "value")
            for name, value in wanted
        ]


@dataclass(frozen=True)
class Neumann:
    """du/dn = value on pieces of the boundary, with n the outward normal in space, of length 1.

    Args:
        value: as for `Dirichlet`, in the field's units over length; positive where u grows outwards.
        on, weight: as for `Dirichlet`; the misfit is divided by its size for a wave of one period (see `PDE`).

    Raises:
        InputError: with the problem it is given to: an unknown piece or field, a value of another shape.
    """

    value: Value = 0.0
    on: str | Sequence[str] | None = None
    weight: float = 1.0

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        return _named(domain, self.on)

    def residuals(self, scene: Scene) -> list[Tensor]:
        wanted = by_field(self.value, tuple(scene.fields)).items()
        return [normal_derivative(scene.fields[name], scene) - scene.value(value, "value") for name, value in wanted]


@dataclass(frozen=True)
class Initial:
    """At the first moment u = value and, where the equation is of second order in time, du/dt = rate.

    Args:
        value: as for `Dirichlet`: a number, or a function of coordinates (b,) to (b,), or one of these for each field.
        rate: the same for the first derivative in time, in the field's units over time; None where there is none.
        weight: times the mean of the squared misfit.

    Raises:
        InputError: with the problem it is given to: a domain without the coordinate t, an unknown field, a value of
            another shape.
    """

    value: Value = 0.0
    rate: Value | None = None
    weight: float = 1.0

    def pieces(self, domain: Domain) -> tuple[str, ...]:
        moments = [piece.name for piece in domain.pieces if piece.name not in domain.boundary_names]
        if not moments:
            raise InputError("Initial needs a domain with the coordinate t, as Interval(0, 1) * Time(0, 1)")
        return (moments[0],)

    def residuals(self, scene: Scene) -> list[Tensor]:
        names = tuple(scene.fields)
        found = [
            scene.fields[name] - scene.value(value, "value") for name, value in by_field(self.value, names).items()
        ]
        if self.rate is not None:
            found += [
                scene.fields[name].derivative(TIME) - scene.value(rate, "rate")
                for name, rate in by_field(self.rate, names).items()
            ]
        return found


@dataclass(frozen=True)
class Periodic:
    """The solution repeats itself with the domain's length in these coordinates, by construction: `Periodic("x")`.

    It stands for all conditions on the two ends of each of them.

    Raises:
        InputError: with the problem it is given to: a coordinate that the domain has not.
    """

    coordinates: tuple[str, ...]

    def __init__(self, *coordinates: str):
        object.__setattr__(self, "coordinates", coordinates)


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured values of one field at scattered points, for unknown coefficients or where conditions are missing.

    Args:
        x: points, coordinates in the domain's order, (N, n).
        values: in the field's units, (N,).
        field: its name, if there are several.
        weight: times the mean of the squared misfit; small, for the solution must follow the equation, which has no
            noise, rather than the noise of the values.

    Raises:
        InputError: other shapes, numbers that are not finite; with the problem, an unknown field.
    """

    x: Tensor
    values: Tensor
    field: str | None = None
    weight: float = 1e-3

    def __post_init__(self):
        if not (isinstance(self.x, Tensor) and self.x.ndim == 2 and isinstance(self.values, Tensor)):
            raise InputError("observations must be tensors x of shape (N, n) and values of shape (N,)")
        if tuple(self.values.shape) != (len(self.x),) or len(self.x) == 0:
            raise InputError(f"values must have shape ({len(self.x)},) like x, got {tuple(self.values.shape)}")
        if not bool(self.x.isfinite().all() and self.values.isfinite().all()):
            raise InputError("observations must be finite, got a value that is not")


def normal_derivative(field: Field, scene: Scene) -> Tensor:
    """The derivative along the outward normal in space, (b,)."""
    slots = [(name, scene.coordinates.index(name)) for name in field.space]
    return sum(scene.normal[:, axis] * field.derivative(name) for name, axis in slots)


def by_field(value: Value, fields: Sequence[str]) -> dict:
    """The value of each field that has one."""
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in fields]
        if unknown or not value:
            raise InputError(f"value must be given for fields among {', '.join(fields)}, got {list(value)}")
        return dict(value)
    if len(fields) > 1:
        example = "{" + f"{fields[0]!r}: 0.0" + "}"
        raise InputError(f"value must say for which of the fields {', '.join(fields)}, as {example}, got {value!r}")
    return {fields[0]: value}


def _named(domain: Domain, on: str | Sequence[str] | None) -> tuple[str, ...]:
    names = (on,) if isinstance(on, str) else on
    return tuple(piece.name for piece in domain.named(domain.boundary_names if names is None else names))

"""Interfaces across which a solution or its derivatives jump, parts between them, and diffusion in flux form.

A network has one output for each field on each part. At a point the fields are the outputs of the part in which it
lies (`Parts.select`); on an interface those of both sides, which `InterfaceResiduals` joins.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from edgewise.checks import check_kind, is_number, is_sequence
from edgewise.errors import InputError
from edgewise.ops.jet import shape_or_type
from edgewise.pde.domains.combined import Intersection
from edgewise.pde.domains.domain import DOMAINS, Box, Domain, finite_number, is_space
from edgewise.pde.domains.implicit import LevelSet
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.conditions import FieldValues, by_field, check_weight, of_kind
from edgewise.pde.problem.dry_run import Requirements
from edgewise.pde.problem.evaluation import EvaluationContext, Residuals, coordinate_table
from edgewise.pde.problem.fields import Field, Index, depends_on_fields, gradient, laplacian
from edgewise.presentation import typed_text

# Distance from an interface, relative to the domain, within which a point is moved off it, and of the first of two
# points from which coefficients of each side are extrapolated: far above rounding, and its square below it.
BESIDE = 1e-9
OTHER_SIDE = " beyond"  # after the name of a field: the one outside of the interface


@dataclass(frozen=True)
class Interface:
    """A surface inside the domain across which the solution or its derivatives may jump.

    The domain is cut into parts by all its interfaces, and on each part every field is a function of its own. On the
    interface they are joined by their values and, for equations of second order, by their fluxes. The flux is made from
    the equation: for one in flux form, div(k grad u) + ... = 0 (see `diffusion`), it is n . k grad u; in general
    n . A grad u, where A are the factors of the second derivatives.

    Parameters
    ----------
    on : str, Domain or callable
        "x=0.5", the points of one coordinate at a value; or a domain whose boundary within the domain of the equation
        is the interface; or a function of coordinates (b,) by name, of `points` (b, n), that is negative inside and
        vanishes on it. Of the coordinates of space, or of all.
    value : float, callable or mapping
        Jump of the field: outside minus inside, where x < 0.5 is the inside of "x=0.5". A number, a function of
        coordinates by name, or one for each of several fields; 0, no jump, if left out, for all fields.
    flux : float, callable or sequence
        Jump of n . A grad u, outside minus inside, with n from the inside outwards; one for each equation of second
        order, if there are several. Its sign follows the equation as it is written: for the heat equation as
        `u.t - diffusion(u, k)` it is the jump of -k du/dn, and of k du/dn as `diffusion(u, k) - u.t`.
    weight : float
        Factor of the mean squared residual.

    Raises
    ------
    InputError
        With the problem that it is given to: a domain of other coordinates, no boundary inside the domain of the
        equation, an unknown field, or an equation of higher order.

    Notes
    -----
    With the domain x < 0.5 on one side, conditions are [u] = value and [n . A grad u] = flux, where [.] is the jump:
    see R. LeVeque, Z. Li, "The immersed interface method for elliptic equations with discontinuous coefficients and
    singular sources", SIAM J. Numer. Anal. 31, 1994, 1019.

    Examples
    --------
    Heat through two layers, the second of which conducts three times as well.

    >>> from edgewise.pde import PDE, Dirichlet, Interval, diffusion, solve
    >>> def k(x):
    ...     return torch.where(x < 0.5, 1.0, 3.0)
    >>> conditions = [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1"), Interface(on="x=0.5")]
    >>> solution = solve(PDE(lambda u: diffusion(u, k), Interval(0, 1), conditions))
    >>> solution([[0.25], [0.5], [0.75]])[:, 0].round(9).tolist()
    [0.375, 0.75, 0.875]
    """

    on: str | Domain | Callable
    value: FieldValues | None = None
    flux: float | Callable | Sequence = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def inside(self, domain: Domain) -> Domain:
        """The inner side as a domain; an InputError where it has no boundary in the domain of the equation."""
        on = self.on
        names = domain.coordinates
        # A domain whose boundary is the interface.
        match on:
            case str():
                # A plane of one coordinate, as the end of a box.
                name, _, number = on.partition("=")
                name = name.strip()
                if name not in names:
                    raise InputError(f'on of an Interface must be like "{names[0]}=0.5", got {on!r}')
                try:
                    value = finite_number(float(number), "on")
                except ValueError as error:
                    raise InputError(f'on of an Interface must be like "{name}=0.5", got {on!r}') from error
                low, high = domain.ends[name]
                if not low < value < high:
                    raise InputError(
                        f"on must lie inside the domain, {name} between {typed_text(low)} and {typed_text(high)}, got "
                        f"{on!r}"
                    )
                on = Box(**{**domain.ends, name: (low, value)})
            case Domain():
                pass
            case _:
                if not callable(on):
                    raise InputError(f'on of an Interface must be "x=0.5", a domain or a function, got {on!r:.60}')
                on = LevelSet(on, domain.ends)
        # The same at every moment.
        for name in names:
            if not is_space(name) and name not in on.coordinates:
                on = on * Box(**{name: domain.ends[name]})
        if on.coordinates != names:
            raise InputError(f"on must have the coordinates {', '.join(names)}, got {', '.join(on.coordinates)}")
        return on


class Surface(Intersection):
    """The boundary of a domain, as far as it lies inside another one: pieces of a domain without the rest."""

    def __init__(self, first: Domain, second: Domain):
        super().__init__(first, second)
        own = {piece.name for piece in first.pieces}
        self.pieces = tuple(piece for piece in self.pieces if piece.name not in own)
        if not self.pieces:
            raise InputError(
                "an Interface must have a part of its boundary inside the domain of the equation, got one that has none"
            )


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts into which interfaces cut a domain: points that are inside the same of them."""

    domain: Domain  # domain of the equation
    inner: tuple[Domain, ...]  # inner side of each interface

    def _pattern(self, x: Tensor) -> Tensor:
        sides = [domain.contains(x).long() << place for place, domain in enumerate(self.inner)]
        return torch.stack(sides).sum(0)

    @cached_property
    def _patterns(self) -> Tensor:
        """Patterns of the parts, in order; a bit of each is 1 inside an interface."""
        points_between = 32  # at which a part between two planes is looked for
        # Points of the domain, among which parts of a thousandth of it are seen.
        bounds = self.domain.bounds
        unit = unit_points(DOMAINS.quadrature_points, len(bounds), "sobol", 1)
        samples = [bounds[:, 0] + self.domain.size * unit]
        # And in the middle between planes, however thin the part between them is.
        for axis in range(len(bounds)):
            ends = torch.cat([bounds[axis], *(each.bounds[axis] for each in self.inner)]).unique()
            for middle in ((ends[1:] + ends[:-1]) / 2).tolist():
                between = samples[0][:points_between].clone()
                between[:, axis] = middle
                samples.append(between)
        x = torch.cat(samples)
        return self._pattern(x[self.domain.contains(x)]).unique()

    @property
    def count(self) -> int:
        """Number of parts."""
        return len(self._patterns)

    def number(self, x: Tensor) -> Tensor:
        """Number of the part in which each point x (b, n) lies, (b,)."""
        found = torch.searchsorted(self._patterns, self._pattern(x))
        return found.clamp(max=self.count - 1)

    def beside(self, x: Tensor) -> Tensor:
        """Points x (b, n), moved off the interfaces where they lie on one, so that they are in one part."""
        size = float(self.domain.size.max())
        close = torch.stack([domain.level(x).abs() for domain in self.inner]).amin(0) < BESIDE * size
        if not bool(close.any()):
            return x
        # Along no axis and no diagonal, so that straight interfaces are left.
        step = 10 * BESIDE * size * torch.tensor([0.618**k for k in range(x.shape[1])], dtype=x.dtype)
        ahead = x + step
        moved = torch.where(self.domain.contains(ahead)[:, None], ahead, x - step)
        return torch.where(close[:, None], moved, x)

    def domains(self, fields: int) -> list[Domain]:
        """The part on which each output of a network counts, as domains that know what they contain."""
        return [_Part(self, number) for number in range(self.count) for _ in range(fields)]

    def select(self, jet: Tensor, number: Tensor, fields: int) -> Tensor:
        """Outputs (C, b, k * fields) of the parts of numbers (b, k) from those of a jet (C, b, parts * fields)."""
        every = jet.unflatten(2, (self.count, fields))
        index = number[None, :, :, None].expand(len(jet), -1, -1, fields)
        return every.gather(2, index).flatten(2)


class _Part(Domain):
    """One part of a domain, for the question what it contains."""

    def __init__(self, parts: Parts, number: int):
        self.parts = parts
        self.number = number
        self.coordinates = parts.domain.coordinates
        self.bounds = parts.domain.bounds

    def contains(self, x: Tensor) -> Tensor:
        return self.parts.domain.contains(x) & (self.parts.number(x) == self.number)


def parts_of(conditions: Sequence, domain: Domain) -> Parts | None:
    """The parts into which the interfaces among conditions cut a domain; None without an interface."""
    interfaces = of_kind(conditions, Interface)
    if not interfaces:
        return None
    parts = Parts(domain, tuple(interface.inside(domain) for interface in interfaces))
    if parts.count < 2:
        raise InputError("an Interface must cut the domain into parts, got one with all or nothing of it inside")
    return parts


@dataclass(frozen=True)
class InterfaceResiduals:
    """Residuals of an interface: jumps of values and of fluxes, less the given jumps.

    Fields of the context are those inside, and with `OTHER_SIDE` after their names those outside.
    """

    interface: Interface
    equation: Residuals  # residuals of the equation
    requirements: Requirements  # those of the equation
    fields: tuple[str, ...]  # names of the fields
    step: float  # distance from the interface at which coefficients are taken

    def order(self, name: str, coordinates: Sequence[str]) -> int:
        """Order of the equation in space for a field."""
        return self.requirements.order(name, [k for k, each in enumerate(coordinates) if is_space(each)])

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        # An equation of second order in space has jumps of values and fluxes, one of first order of values alone.
        space = {name: self.order(name, context.coordinates) for name in self.fields}
        if max(space.values()) > 2:
            raise InputError(
                f"an Interface must be of an equation of order at most 2 in space, got {max(space.values())}: write it "
                "as a system, for a beam (k u'')'' = f as u.xx - m / k, m.xx - f"
            )
        given = self.interface.value
        if given is None:
            highest = max(space.values())
            given = {name: 0.0 for name in self.fields if space[name] == highest}
        # Jumps of values.
        residuals = [
            context.fields[name + OTHER_SIDE] - context.fields[name] - context.value(value, "value")
            for name, value in by_field(given, self.fields).items()
        ]
        if max(space.values()) < 2:
            return residuals
        # Jumps of fluxes, less the given ones.
        inner, outer = (self._fluxes(context, side) for side in (-1, 1))
        jumps = self.interface.flux
        if not is_sequence(jumps):
            jumps = [jumps] * len(inner)
        if len(jumps) != len(inner):
            raise InputError(f"flux of an Interface must be one for each of {len(inner)} equations, got {len(jumps)}")
        return residuals + [
            outside - inside - context.value(jump, "flux")
            for inside, outside, jump in zip(inner, outer, jumps, strict=True)
        ]

    def _fluxes(self, context: EvaluationContext, side: int) -> list[Tensor]:
        """Fluxes n . A grad u on one side, (b,) each, for every equation of second order."""
        assert context.normal is not None
        normal = context.normal
        names = context.coordinates
        space = [axis for axis, name in enumerate(names) if is_space(name)]
        leaves: dict[tuple[str, Index], Tensor] = {}

        true_fields = {name: context.fields[name + OTHER_SIDE * (side > 0)] for name in self.fields}

        # Fields with leaves in place of second derivatives.
        def beside(name: str) -> Field:

            def derivative(index: Index) -> Tensor:
                if sum(index) < 2:
                    return true_fields[name].derivative(
                        *(each for each, count in zip(names, index, strict=True) if count)
                    )
                if (name, index) not in leaves:
                    leaves[name, index] = torch.ones_like(context.x[:, 0]).requires_grad_()
                return leaves[name, index]

            return Field(derivative, names)

        # Coefficients of second derivatives, extrapolated from one and two steps beside the interface.
        with torch.enable_grad():
            near, far = (
                self.equation(
                    EvaluationContext(
                        names,
                        context.x + side * steps * self.step * normal,
                        {name: beside(name) for name in self.fields},
                        context.coefficients,
                    )
                )
                for steps in (1, 2)
            )
            fluxes = []
            # Jacobian of each equation by second derivatives: the matrix A.
            for at_step, at_two in zip(near, far, strict=True):
                residual = 2 * at_step - at_two  # extrapolated to the interface
                if not (residual.requires_grad and leaves):
                    continue
                factors = torch.autograd.grad(
                    residual.sum(), list(leaves.values()), create_graph=True, materialize_grads=True
                )
                # Conormal derivative n . A grad u.
                total = torch.zeros_like(context.x[:, 0])
                has_second = False
                for (name, index), factor in zip(leaves, factors, strict=True):
                    axes = [axis for axis in space for _ in range(index[axis])]
                    if len(axes) == 2 and bool((factor != 0).any()):
                        has_second = True
                        for one, other in (axes, axes[::-1]):
                            slope = true_fields[name].derivative(names[other])
                            total = total + factor * normal[:, one] * slope / 2
                if has_second:
                    fluxes.append(total)
        return fluxes


def two_sided(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of the fields inside, then of those outside of an interface."""
    return (*fields, *(name + OTHER_SIDE for name in fields))


def sides_of(parts: Parts, x: Tensor, normal: Tensor | None, is_interface: bool) -> Tensor:
    """Numbers of the parts at points x (b, n) of a boundary with outward normals: (b, 1), or (b, 2) on an interface."""
    if normal is None:
        return parts.number(x)[:, None]
    step = DOMAINS.off_boundary_step * float(parts.domain.size.max()) * normal
    inside = parts.number(x - step)
    if is_interface:
        return torch.stack([inside, parts.number(x + step)], 1)
    return inside[:, None]


_noted: ContextVar[list[tuple[Tensor, Tensor]] | None] = ContextVar("_noted", default=None)


@contextmanager
def noted_diffusion() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Note the coefficients of `diffusion` that are functions, (b,), and their gradients, (b, n), as it is called.

    Derivatives of a residual alone do not distinguish div(k grad u) from k times the Laplacian where k jumps.
    """
    noted = list[tuple[Tensor, Tensor]]()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def diffusion(u: Field, coefficient: float | Field | Callable[..., Tensor]) -> Tensor:
    """Divergence of a coefficient times the gradient of a field, div(k grad u): diffusion in flux form.

    Parameters
    ----------
    u : Field
        A field of an equation.
    coefficient : float, Field or callable
        k: a number, a field of the equation, or a differentiable function of coordinates (b,) by name, of `points`
        (b, n) and of `value` (b,), the field's own value, to (b,). It must not use fields in another way. Where it
        jumps, give the place as an `Interface`, at which k du/dn is then continuous; linear evolutions on an interval
        or a rectangle keep it so without one, to a few digits.

    Returns
    -------
    Tensor
        Shape (b,): k times the Laplacian plus the gradient of k times that of u.

    Raises
    ------
    InputError
        u is no field, or the coefficient is neither a number nor a field nor such a function.

    Examples
    --------
    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> problem = PDE(lambda u: diffusion(u, lambda x: 1 + x), Interval(0, 1), [Dirichlet(lambda x: x)])
    >>> problem.form.order, problem.form.is_linear
    (2, True)
    """
    check_kind(u, Field, "diffusion must be of a field of an equation")
    # Coefficients that are fields or numbers.
    wanted = "coefficient must be a number, a field or a function of coordinates"
    match coefficient:
        case Field():
            return coefficient * laplacian(u) + (gradient(coefficient) * gradient(u)).sum(1)
        case Tensor():
            came = f"a tensor of shape {tuple(coefficient.shape)}; a function is written as lambda x: 1 + x"
            raise InputError(f"{wanted}, got {came}")
        case _ if not callable(coefficient):
            if not is_number(coefficient):
                raise InputError(f"{wanted}, got {coefficient!r:.60}")
            return coefficient * laplacian(u)
    if u.points is None:
        raise InputError("diffusion must be of a field of an equation, got one without points")
    # The coefficient and its gradient, by points and by the value of the field.
    names = tuple(inspect.signature(coefficient).parameters)
    # Arguments that the coefficient takes.
    if u.asked is not None:
        u.asked.update(names)
    with torch.enable_grad():
        points = u.points.detach().requires_grad_()
        table = coordinate_table(u.coordinates, points)
        leaves = [points]
        if "value" in names:
            value = u.value
            leaf = value.view_as(value)
            if not value.requires_grad:
                leaf = value.detach().requires_grad_()
            table["value"] = leaf
            leaves.append(leaf)
        # Its values at the points, as leaves of their own gradient.
        unknown = [name for name in names if name not in table]
        if unknown:
            raise InputError(f"coefficient may take {', '.join(table)}, value, got an argument named {unknown[0]!r}")
        k = coefficient(**{name: table[name] for name in names})
        if shape_or_type(k) not in ((), (len(points),)):
            raise InputError(f"coefficient must return shape (b,) = ({len(points)},), got {shape_or_type(k)}")
        if depends_on_fields(k, leaves[1:]):
            raise InputError(
                "coefficient must depend on fields by its argument `value`, that of the diffused field, alone, got one "
                "that uses others: write k * laplacian(u) + (gradient(v) * gradient(u)).sum(1) for k = 1 + v"
            )
        k = _as_written(k, points.dtype).expand(len(points))
        noted = _noted.get()
        if not k.requires_grad:  # constant on each side of a jump
            if noted is not None:
                noted.append((k, torch.zeros_like(points)))
            return k * laplacian(u)
        # Gradient of the coefficient by the points, and slope by the value.
        slopes = torch.autograd.grad(k.sum(), leaves, create_graph=True, materialize_grads=True)
        if noted is not None:
            noted.append((k.detach(), slopes[0].detach()))
        plain = {**coordinate_table(u.coordinates, u.points), "value": u.value}
        if not coefficient(**{name: plain[name] for name in names}).requires_grad:  # but for the leaves made here
            k = k.detach()
            slopes = tuple(slope.detach() for slope in slopes)
        by_point, *by_value = slopes
    # Product rule: div(k grad u) = k div grad u + grad k . grad u.
    total = k * laplacian(u)
    for name in u.space:
        slope = u.derivative(name)
        along = by_point[:, u.coordinates.index(name)]
        for each in by_value:
            along = along + each * slope
        total = total + along * slope
    return total


def _as_written(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in this dtype, with the written decimals, as 0.1, where `torch.where` made float32 of a few constants."""
    if values.dtype != torch.float32 or dtype == torch.float32 or values.requires_grad:
        return values.to(dtype)
    constants, place = values.unique(return_inverse=True)
    if len(constants) > 64:  # of a function, not of constants
        return values.to(dtype)
    return torch.tensor([float(str(each)) for each in constants.numpy()], dtype=dtype, device=values.device)[place]

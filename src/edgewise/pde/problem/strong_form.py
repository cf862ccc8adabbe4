"""The strong form of a problem: an equation on a domain with its conditions, checked once, without any points.

Order, linearity, integrals and the sizes of residuals are determined here, when the problem is stated. `Collocation`
samples points for a strong form and makes it a problem that `fit` trains on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import torch
from torch import Tensor

from edgewise.errors import InputError, warn_caller
from edgewise.pde.domains.domain import TIME, Domain, finite_number
from edgewise.pde.problem.checks import (
    check_coefficients_matter,
    check_direction,
    check_enough_conditions,
    check_no_contradiction,
    check_statement,
    check_together,
    conditions_by_place,
)
from edgewise.pde.problem.conditions import (
    BoundaryCondition,
    FieldValues,
    HardConditions,
    Initial,
    Observations,
    Periodic,
    UnknownField,
    by_field,
    check_weight,
    of_kind,
)
from edgewise.pde.problem.dry_run import PROBE_SEEDS, PROBES, DryRun, Requirements, not_finite_words, probes
from edgewise.pde.problem.evaluation import (
    NORMAL,
    POINTS,
    EquationResiduals,
    Residuals,
    Value,
    argument_names,
    errors_named,
    value_at,
)
from edgewise.pde.problem.integrals import IntegralKey, Rule
from edgewise.pde.problem.interfaces import (
    BESIDE,
    Interface,
    InterfaceResiduals,
    Parts,
    Surface,
    parts_of,
    two_sided,
)
from edgewise.train.blocks import BlockRole


@dataclass(frozen=True, eq=False)
class ResidualTerm:
    """Residuals of the equation or of one condition, with all that is needed to sample and evaluate them."""

    role: BlockRole  # purpose in the problem
    label: str  # kind of the condition, for messages
    residuals: Residuals  # see `Residuals`
    requirements: Requirements  # derivatives, integrals and sizes of the residuals
    weight: float = 1.0  # factor of the mean squared residual in the loss
    pieces: tuple[str, ...] = ()  # names of the pieces of the boundary where it holds; empty for the equation
    is_hard: bool = False  # whether it holds by construction and needs no points
    surface: Surface | None = None  # for interfaces: the domain whose pieces are meant, instead of that of the equation
    # for the equation on a domain with interfaces: sizes of its residuals on each part, (parts, r)
    part_sizes: Tensor | None = None

    @property
    def is_interface(self) -> bool:
        """True for residuals that join both sides of an interface."""
        return self.surface is not None

    def constrains(self, field: str, along: Collection[int] = ()) -> int:
        """Largest number of its residuals that constrain a field, by its integrals along the given axes too."""
        has_integral = any(name == field and axis in along for name, axis, _ in self.requirements.integrals)
        if self.requirements.derivatives[field] or has_integral:
            return len(self.requirements.sizes)
        return 0


class Feature(StrEnum):
    """What a problem may hold beside equations with conditions on its boundary; the value is a clause about it."""

    INTERFACES = "there are interfaces"
    COEFFICIENTS = "there are unknown coefficients"
    OBSERVATIONS = "there are measured values"
    UNKNOWN_FIELDS = "there are unknown fields"
    INTEGRALS = "there are integrals"
    DELAYS = "there are delays"
    HARD_CONDITIONS = "there are hard conditions"


@dataclass(frozen=True, eq=False)
class StrongForm:
    """An equation on a domain with its conditions. Made by `strong_form_of`."""

    equation: Callable  # the user's function, see `PDE`
    domain: Domain
    conditions: tuple  # all conditions, as given
    coefficients: Mapping[str, float]  # unknown coefficients and the values at which they start
    fields: tuple[str, ...]  # names, in the order of the network's outputs
    solution: Mapping[str, Value] | None  # known solution of each field, for errors only
    equation_term: ResidualTerm
    condition_terms: tuple[ResidualTerm, ...]  # of each condition on the boundary
    hard: HardConditions  # conditions that hold by construction
    periodic: tuple[str, ...]  # coordinates in which the solution is periodic
    order: int  # of the highest derivative, in the equation or in a condition
    is_linear: bool  # whether equation and conditions are linear in the fields
    parts: Parts | None = None  # into which interfaces cut the domain: on each the fields are functions of their own
    # by how much each field has been divided, where the problem was stated in other units; empty where it was not
    units: Mapping[str, float] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Number of outputs of a network: one for each field on each part."""
        if self.parts is None:
            return len(self.fields)
        return len(self.fields) * self.parts.count

    @cached_property
    def time(self) -> int | None:
        """Number of the coordinate that acts as time: t, or the only one that does and starts from its lower end.

        A periodic one does not, for nothing begins there.
        """
        names = self.domain.coordinates
        needs = self.equation_term.requirements
        found = list[int]()
        if TIME in self.periodic:
            return None
        if TIME in names:
            return names.index(TIME)
        # Coordinates along which all fields evolve from conditions at the lower end.
        for axis, name in enumerate(names):
            ends = [piece.name for piece in self.domain.pieces if piece.coordinate == name]
            given = [[term for term in self.condition_terms if end in term.pieces] for end in ends]
            orders = {field: needs.order(field, [axis]) for field in self.fields}
            is_start = len(ends) == 2 and bool(given[0]) and not given[1] and any(orders.values())
            if is_start and all(
                sum(term.constrains(field) for term in given[0]) >= order
                and needs.acts_as_time(field, axis, range(len(names)))
                for field, order in orders.items()
                if order
            ):
                found.append(axis)
        return found[0] if len(found) == 1 else None

    @cached_property
    def level(self) -> float:
        """A constant at which the equation and the conditions are defined as far as their trials know: mostly zero."""
        levels = [term.requirements.trial.level for term in (self.equation_term, *self.condition_terms)]
        return next((level for level in levels if level), 0.0)

    @cached_property
    def surplus_conditions(self) -> str:
        """Words for conditions that are more than the equation needs along a coordinate; "" where there are none."""
        if self.observations or self.coefficients or self.parts is not None:
            return ""
        return next((each.words for each in conditions_by_place(self) if each.given > each.needed), "")

    @property
    def weight(self) -> float:
        """Weight of the equation against the conditions."""
        return self.equation_term.weight

    @property
    def observations(self) -> tuple[Observations, ...]:
        """Measured values among the conditions."""
        return of_kind(self.conditions, Observations)

    @property
    def smoothed_fields(self) -> tuple[str, ...]:
        """Fields that `UnknownField` names, and with these the measured fields that lack conditions."""
        unknown = [condition.field for condition in of_kind(self.conditions, UnknownField)]
        if not unknown:
            return ()
        for observed in self.observations:
            name = observed.field or self.fields[0]
            try:
                check_enough_conditions(self, name)
            except InputError:
                unknown.append(name)
        return tuple(dict.fromkeys(unknown))

    @cached_property
    def features(self) -> frozenset[Feature]:
        """What the problem holds beside equations with conditions on its boundary."""
        held = {
            Feature.INTERFACES: self.parts is not None,
            Feature.COEFFICIENTS: bool(self.coefficients),
            Feature.OBSERVATIONS: bool(self.observations),
            Feature.UNKNOWN_FIELDS: bool(self.smoothed_fields),
            Feature.INTEGRALS: any(number >= 0 for (_, _, number), _ in self._integrals),
            Feature.DELAYS: any(number < 0 for _, _, number in self.equation_term.requirements.integrals),
            Feature.HARD_CONDITIONS: bool(self.hard.values),
        }
        return frozenset(feature for feature, is_held in held.items() if is_held)

    @property
    def has_integrals(self) -> bool:
        """True if the equation or a condition contains integrals of fields, or fields at other moments."""
        return bool(self._integrals)

    @property
    def box_points(self) -> int:
        """Largest number of points of an integral over a box, 0 without any."""
        return max((count for (_, axis, _), count in self._integrals if not isinstance(axis, int)), default=0)

    @property
    def _integrals(self) -> list[tuple[IntegralKey, int]]:
        """Keys of all integrals and delays of the equation and the conditions, with their numbers of points."""
        terms = (self.equation_term, *self.condition_terms)
        return [each for term in terms for each in term.requirements.integrals.items()]

    @property
    def integral_rule(self) -> Rule:
        """The rule by which integrals are computed."""
        return self.equation_term.requirements.rule

    @property
    def has_exact_solution(self) -> bool:
        """True if the solution is known for every field."""
        return self.solution is not None and set(self.solution) == set(self.fields)

    def exact(self, x: Tensor) -> Tensor:
        """The known solution at points x (b, n): (b, fields)."""
        if self.solution is None or not self.has_exact_solution:
            raise InputError("solution must be given for every field to know errors")
        with errors_named("the known solution"):
            values = [value_at(self.solution[name], self.domain.coordinates, x, "solution") for name in self.fields]
        return torch.stack(values, 1)


def strong_form_of(
    equation: Callable,
    domain: Domain,
    conditions: Sequence,
    *,
    coefficients: Mapping[str, float] | None = None,
    weight: float = 1.0,
    solution: FieldValues | None = None,
    is_linear: bool | None = None,
) -> StrongForm:
    """State a problem: check it, and determine its order, its linearity and the sizes of its residuals.

    Arguments are those of `PDE`; it is tested whether the problem is linear unless that is known, `is_linear`.
    """
    check_statement(domain, conditions, coefficients)
    check_weight(weight)
    conditions = tuple(conditions)
    # Fields, numbers of coefficients and periodic coordinates.
    numbers = {name: finite_number(value, f"coefficient {name}") for name, value in (coefficients or {}).items()}
    fields = _field_names(equation, domain, numbers)
    known = None if solution is None else known_solution(solution, fields, domain)
    periodic = tuple(name for condition in of_kind(conditions, Periodic) for name in condition.coordinates)
    unknown = [name for name in periodic if name not in domain.coordinates]
    if unknown:
        raise InputError(f"Periodic must name coordinates among {', '.join(domain.coordinates)}, got {unknown[0]!r}")
    initial = of_kind(conditions, Initial)
    if TIME in periodic and initial:
        raise InputError(
            "conditions must not have both Initial and Periodic('t'), under which nothing begins, got both"
        )
    # Conditions that hold by construction, and parts between interfaces.
    hard = HardConditions.among(conditions, domain, fields)
    parts = parts_of(conditions, domain)
    if parts is not None and hard.values:
        raise InputError(f"conditions must not be hard where there are interfaces, got {', '.join(hard.values)}")
    check_no_contradiction(conditions, domain, fields)

    # Dry runs of the equation and of all conditions.
    initial_values = [by_field(each.value, fields) for each in initial]
    first = -math.inf
    if initial_values:
        first = float(domain.bounds[domain.coordinates.index(TIME), 0])
    residuals = EquationResiduals(
        equation, {name: value for each in initial_values for name, value in each.items()}, first
    )
    run = DryRun(residuals, fields, domain, numbers, probes(domain)[0])
    equation_term = _equation_term(run, parts, float(weight))
    inner_sides = iter(parts.inner if parts is not None else ())
    runs: list[tuple[ResidualTerm, DryRun]] = [(equation_term, run)]
    # Measured values and unknown fields have terms of their own.
    observations = of_kind(conditions, Observations)
    unknown_fields = of_kind(conditions, UnknownField)
    for observed in observations:
        observed.check(domain, fields)
    for unknown_field in unknown_fields:
        unknown_field.check(fields)
    # Other conditions hold on the boundary, or between parts.
    for condition in conditions:
        match condition:
            case Observations() | UnknownField() | Periodic():
                continue
            case Interface():
                surface = Surface(domain, next(inner_sides))
                runs.append(_interface_term(condition, surface, equation_term, fields, numbers))
            case _:
                runs.append(_condition_term(condition, domain, fields, numbers, periodic))
    # The form, and checks of what belongs together.
    check_coefficients_matter(runs, numbers)
    axes = range(domain.dimension)
    form = StrongForm(
        equation=equation,
        domain=domain,
        conditions=conditions,
        coefficients=numbers,
        fields=fields,
        solution=known,
        equation_term=equation_term,
        condition_terms=tuple(term for term, _ in runs[1:]),
        hard=hard,
        periodic=periodic,
        order=max(term.requirements.order(name, axes) for term, _ in runs for name in fields),
        is_linear=bool(is_linear),
        parts=parts,
    )
    if not (observations or unknown_fields or numbers):
        # Only some of them can hold, mostly.
        for each in conditions_by_place(form):
            if each.given > each.allowed:
                warn_caller(
                    f"{each.words[0].upper()}{each.words[1:]}: only {each.allowed} of them can hold, unless the others "
                    "follow from these."
                )
    # Each field needs enough conditions, where the equation carries it in.
    if not observations:
        for name in fields:
            check_enough_conditions(form, name)
        check_direction(form)
    if is_linear is None:
        form = replace(form, is_linear=all(run.is_linear() for _, run in runs))
    check_together(form)
    return form


def _equation_term(run: DryRun, parts: Parts | None, weight: float) -> ResidualTerm:
    """The term of the equation; an InputError where it is not what `PDE` describes."""
    with errors_named("the equation"):
        requirements = run.requirements()
    if parts is not None and requirements.integrals:
        raise InputError("equation must have neither integrals nor delays where there are interfaces")
    # Every field occurs, and residuals are finite, depend on the fields, and on one point at a time.
    for name in run.fields:
        if not requirements.derivatives[name] and name not in requirements.integrated_fields:
            raise InputError(f"equation must use every field that it takes, got {name} unused")
    _check_values(run, requirements, None, "the equation", "equation")
    if not bool((requirements.sizes > 0).all()):
        raise InputError("equation must return residuals that all depend on the solution")
    with errors_named("the equation"):
        run.check_pointwise(requirements.trial)
    term = ResidualTerm(BlockRole.EQUATION, "equation", run.residuals, requirements, weight)
    # Residuals have sizes of their own in each part between interfaces.
    if parts is None:
        return term
    return replace(term, part_sizes=_part_sizes(parts, run, requirements.sizes))


def _check_values(run: DryRun, requirements: Requirements, pieces: Sequence[str] | None, name: str, what: str) -> None:
    """Raise an InputError where residuals are no finite numbers at some point inside, or on pieces of the boundary.

    `name` stands in notes of the user's errors, and `what` begins the sentence of ours.
    """
    if not requirements.integrals:
        x, normal = probes(run.domain, pieces, 4096)  # many, for poles may be narrow
        run = replace(run, x=x, normal=normal)
    with errors_named(name):
        values = run.values(requirements.trial)
    if not bool(requirements.sizes.isfinite().all() & values.isfinite().all()):
        wrong = not_finite_words(values, run.domain, run.x)
        raise InputError(f"{what} must be finite for a smooth solution, got {wrong}")


def with_integrals_by(form: StrongForm, rule: Rule) -> StrongForm:
    """The same problem with integrals that are computed by another rule."""

    def changed(term: ResidualTerm) -> ResidualTerm:
        return replace(term, requirements=term.requirements.with_rule(rule))

    terms = tuple(changed(term) for term in form.condition_terms)
    return replace(form, equation_term=changed(form.equation_term), condition_terms=terms)


def known_solution(solution: FieldValues, fields: Sequence[str], domain: Domain) -> dict[str, Value]:
    """The known solution of each field that has one, as `PDE` takes it; an InputError where it has no values."""
    known = by_field(solution, fields, "solution")
    with errors_named("the known solution"):
        for value in known.values():
            value_at(value, domain.coordinates, probes(domain)[0], "solution")
    return known


def _field_names(equation: Callable, domain: Domain, coefficients: Mapping[str, float]) -> tuple[str, ...]:
    """Names of those arguments of the equation that are neither coordinates nor coefficients."""
    taken = {*domain.coordinates, *coefficients, POINTS, NORMAL}
    fields = tuple(name for name in argument_names(equation, "equation") if name not in taken)
    clash = set(coefficients) & {*domain.coordinates, POINTS, NORMAL}
    if clash:
        raise InputError(f"coefficients must not be named like coordinates, got {sorted(clash)[0]!r}")
    if not fields:
        raise InputError(
            f"equation must take a field besides {', '.join(sorted(taken - {POINTS, NORMAL}))}, as lambda u, x: ..."
        )
    return fields


def _condition_term(
    condition: BoundaryCondition,
    domain: Domain,
    fields: tuple[str, ...],
    coefficients: Mapping[str, float],
    periodic: tuple[str, ...],
) -> tuple[ResidualTerm, DryRun]:
    """Residuals of a condition on the boundary, and their dry run.

    A condition that names no piece holds on the boundary without the ends of periodic coordinates, where there is more.
    """
    # Conditions answer by their residuals; users write some of their own.
    if isinstance(condition, type):
        raise InputError(f"conditions must be Dirichlet, Neumann ..., got the class {condition.__name__}")
    if not callable(getattr(condition, "residuals", None)):
        raise InputError(f"conditions must be Dirichlet, Neumann ..., got {type(condition).__name__}")
    # Points of a dry run on its pieces, and its requirements there.
    pieces = condition.pieces(domain)
    if getattr(condition, "on", pieces) is None:
        pieces = tuple(each.name for each in domain.named(pieces) if each.coordinate not in periodic) or pieces
    run = DryRun(condition.residuals, fields, domain, coefficients, *probes(domain, pieces))
    name = f"{type(condition).__name__} on {', '.join(pieces)}"
    what = f"a condition on {', '.join(pieces)}"
    with errors_named(name):
        requirements = run.requirements()
    # Residuals are finite, depend on the solution, and on one point at a time.
    _check_values(run, requirements, pieces, name, what)
    if not bool((requirements.sizes > 0).all()):
        raise InputError(f"{what} must depend on the solution")
    with errors_named(name):
        run.check_pointwise(requirements.trial)
    term = ResidualTerm(
        role=BlockRole.CONDITION,
        label=type(condition).__name__,
        residuals=condition.residuals,
        requirements=requirements,
        weight=condition.weight,
        pieces=pieces,
        is_hard=getattr(condition, "hard", False),
    )
    return term, run


def _interface_term(
    interface: Interface,
    surface: Surface,
    equation: ResidualTerm,
    fields: tuple[str, ...],
    coefficients: Mapping[str, float],
) -> tuple[ResidualTerm, DryRun]:
    """Residuals that join the two sides of an interface, and their dry run."""
    domain = surface.first
    pieces = tuple(piece.name for piece in surface.pieces)
    x, normal = surface.boundary(PROBES, "sobol", PROBE_SEEDS[1], pieces)
    # Dry run at points of the surface, with fields on both sides of it.
    step = BESIDE * float(domain.size.max())
    residuals = InterfaceResiduals(interface, equation.residuals, equation.requirements, fields, step)
    run = DryRun(residuals, two_sided(fields), domain, coefficients, x, normal)
    with errors_named(f"Interface on {', '.join(pieces)}"):
        requirements = run.requirements()
    if not bool((requirements.sizes > 0).all() & requirements.sizes.isfinite().all()):
        raise InputError(f"an Interface on {', '.join(pieces)} must be where the equation is finite")
    term = ResidualTerm(
        BlockRole.CONDITION, "Interface", residuals, requirements, interface.weight, pieces, surface=surface
    )
    return term, run


def _part_sizes(parts: Parts, run: DryRun, sizes: Tensor) -> Tensor:
    """Sizes of the equation's residuals on each part, (parts, r); those of the whole where a part has too few points.

    Where a coefficient is a thousand times as large in one part, its residuals are so as well.
    """
    x = parts.domain.interior(16 * PROBES, "sobol", seed=PROBE_SEEDS[0])  # some in each part that is not tiny
    number = parts.number(x)
    rows = []
    for part in range(parts.count):
        inside = x[number == part][:PROBES]
        of_part = sizes
        if len(inside):
            of_part = replace(run, x=inside).requirements().sizes
        rows.append(torch.where((of_part > 0) & of_part.isfinite(), of_part, sizes))
    return torch.stack(rows)

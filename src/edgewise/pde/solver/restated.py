"""Problems that are stated anew: in units in which all fields are near one, and up to an earlier moment.

`units_of` finds the sizes of all fields from the equations, the conditions and the measured values; `in_units` states a
problem for fields that are divided by them, and `solution_in_units` multiplies the outputs of its network by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.conditions import Observations
from edgewise.pde.problem.dry_run import DryRun, Trial, probes, wave_scale
from edgewise.pde.problem.evaluation import (
    EvaluationContext,
    Residuals,
)
from edgewise.pde.problem.linearisation import Jet, linearise, smooth_jet
from edgewise.pde.problem.strong_form import Feature, ResidualTerm, StrongForm, strong_form_of, with_integrals_by
from edgewise.pde.solver.solution import Solution, field_values
from edgewise.pde.spaces.networks import fields_of
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class UnitSettings:
    """How the sizes of fields are found."""

    # Sizes of all fields, as powers of two, up to which a problem is solved as it is stated: what is within a factor
    # of 32 costs a digit at most.
    near_one: int = 5
    # Rounds in which the sizes of fields in a nonlinear problem are found, the share of a change that a round takes
    # over, and the change, as a power of two, below which they are found: 5 to 10 rounds were seen.
    rounds: int = 40
    taken_over: float = 0.7
    settled: float = 0.3
    least_source: float = 1e-6  # of the other entries of its row: smaller sources are rounding, as of a sine at pi
    directly: float = 4.0  # weight of a row with one field, which determines its size alone
    least_pull: float = 1e-3  # of the size of a field towards one, where nothing else determines its size
    # Points at which sources are looked at once more, as many as see a feature of a part of 1e-5 of an interval within
    # a few milliseconds, and by which factor larger they must be there to count: a narrow
    # peak between the probes of a dry run is not a source of 1e-30.
    source_points: int = 1 << 16
    unseen_peak: float = 32.0
    points: int = 500  # at which the sizes of fields are compared: two digits of a mean
    # Sources below this size, in units of the field, that change by a share of their size where places change by
    # rounding, have no digit.
    small_source: float = 1e-12
    changed: float = 0.1


SETTINGS = UnitSettings()
NOTHING = Trial(0.0, 0.0)  # fields that are zero


@dataclass(frozen=True, eq=False)
class ResidualsInUnits:
    """Residuals as a function of fields that are divided by units, see `Residuals`."""

    residuals: Residuals  # the residuals as a function of the fields themselves
    units: Mapping[str, float]  # unit of each field
    has_sources: bool = True  # else residuals of fields that are zero, which are rounding, are subtracted

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        fields = {name: field.times(self.units[name]) for name, field in context.fields.items()}
        residuals = self.residuals(replace(context, fields=fields))
        if self.has_sources:
            return residuals
        zero = {name: field.times(0.0) for name, field in context.fields.items()}
        sources = self.residuals(replace(context, fields=zero))
        return [residual - source for residual, source in zip(residuals, sources, strict=True)]


def in_own_units(
    problem: Collocation, start: Solution | None
) -> tuple[Collocation, Solution | None, Mapping[str, float]]:
    """A problem that begins at the coefficients of an earlier solution, and that solution, in units; and the units."""
    if start is not None and start.problem.form.hard.values:
        units = {}
    else:
        units = units_of(problem.form)
    problem = in_units(problem, units)
    if start is not None:
        start = solution_in_units(start, problem, {name: 1 / unit for name, unit in units.items()})
        known = {name: value for name, value in start.unknowns.items() if name in problem.unknowns}
        problem = problem.with_unknowns({**problem.unknowns, **known})
    return problem, start, units


def _has_sources(form: StrongForm) -> bool:
    """Whether a source has a digit, or none is other than zero; that of sin(x)^2 + cos(x)^2 - 1 has none."""
    if form.observations or Feature.INTEGRALS in form.features:
        return True
    # Residuals of zero fields at points, and at points moved by rounding.
    given = form.fields, form.domain, form.coefficients
    is_zero = True
    for term in (form.equation_term, *form.condition_terms):
        x, normal = probes(form.domain, term.pieces or None)
        moved = x * (1 + 4 * torch.finfo(x.dtype).eps)
        before, after = (DryRun(term.residuals, *given, at, normal).values(NOTHING) for at in (x, moved))
        sizes = before.norm(dim=0)
        is_small = before.abs().amax(0) / term.requirements.sizes < SETTINGS.small_source
        is_rounding = is_small & ((after - before).norm(dim=0) >= SETTINGS.changed * sizes)
        if not bool(is_rounding.all()):
            return True
        is_zero = is_zero and not bool(sizes.any())
    return is_zero


def units_of(form: StrongForm) -> dict[str, float]:
    """Sizes of the fields, rounded to powers of two; empty if they are all near one, or not known.

    They are one where sources are rounding, which is no evidence of a size.
    """
    # The rows of a matrix are the residuals of the equation and of all conditions, its columns are the fields, for
    # waves as long as the domain, and the sources. Factors of its rows and columns bring all entries as near to one as
    # they can, in the mean square of logarithms, where the column of the sources has no factor [1]: those of the
    # columns are the sizes. They change with the units of the statement as the fields do. In a nonlinear problem the
    # entries depend on the sizes, round after round.
    # [1] A. Curtis, J. Reid, "On the automatic scaling of matrices for Gaussian elimination", J. Inst. Maths Applics
    # 10, 1972, 118.
    # Problems that are solved as they are stated.
    if form.features & {Feature.UNKNOWN_FIELDS, Feature.INTERFACES, Feature.DELAYS, Feature.HARD_CONDITIONS}:
        return {}
    terms = [(term, *probes(form.domain, term.pieces or None)) for term in (form.equation_term, *form.condition_terms)]
    given = form.fields, form.domain, form.coefficients

    def sources(term: ResidualTerm, x: Tensor, normal: Tensor | None) -> Tensor:
        """Root mean squares (residuals,) of residuals without fields."""
        values = DryRun(term.residuals, *given, x, normal).values(NOTHING)
        return values.square().mean(0).sqrt() / term.requirements.sizes

    # Sources at few points, and at many where these see a peak.
    at_probes = torch.cat([sources(*each) for each in terms])
    looks = [(term, *probes(form.domain, term.pieces or None, SETTINGS.source_points)) for term, _, _ in terms]
    dense = torch.cat([sources(*each) for each in looks])
    known = torch.where(dense > SETTINGS.unseen_peak * at_probes, dense, at_probes)
    if not _has_sources(form):
        return dict.fromkeys(form.fields, 1.0)
    # Fixed-point iteration for the logarithms of the sizes.
    exponents = torch.zeros(len(form.fields), dtype=torch.float64)
    for number in range(SETTINGS.rounds):
        rows = torch.cat([_wave_rows(form, *each, exponents.exp2().tolist()) for each in terms])
        sizes = known
        for observed in form.observations:
            of_field = torch.zeros_like(rows[:1])
            of_field[0, form.fields.index(observed.field or form.fields[0])] = 1.0
            rows = torch.cat([rows, of_field])
            sizes = torch.cat([sizes, observed.values.double().square().mean().sqrt()[None]])
        new = _balanced(rows, torch.where(sizes.isfinite(), sizes, 0.0))
        if not bool(new.isfinite().all()):
            return {}
        # Damped update, rounded to powers of two once it has settled.
        change = float((new - exponents).abs().max())
        if number:
            exponents = exponents + SETTINGS.taken_over * (new - exponents)
        else:
            exponents = new  # those before are zeros
        if change < SETTINGS.settled:
            exponents = exponents.round()
            is_near = float(exponents.abs().max()) < SETTINGS.near_one
            if is_near:
                return {}
            return dict(zip(form.fields, exponents.exp2().tolist(), strict=True))
    return {}


def _wave_rows(
    form: StrongForm, term: ResidualTerm, x: Tensor, normal: Tensor | None, sizes: Sequence[float]
) -> Tensor:
    """Sizes (residuals, fields) of residuals for waves of amplitude 1, about fields of these sizes."""
    rows = x.new_zeros(len(term.requirements.sizes), len(form.fields))
    waves = {key: wave_scale(form.domain, key[1]) for key in term.requirements.keys}
    jet = {key: sizes[key[0]] * waves[key] * each for key, each in smooth_jet(form, term, x).items()}

    def elsewhere(jet: Jet, field: int, axis: int | tuple[int, ...], places: Tensor, is_delay: bool = False) -> Tensor:
        return x.new_full((len(x), places.shape[1]), sizes[field])

    jacobian = linearise(form, term, x, normal, jet, elsewhere=elsewhere)[1]
    for (number, field, index), part in jacobian.items():
        rows[number, field] += waves[field, index] * part.square().mean().sqrt()
    return rows


def _balanced(rows: Tensor, sources: Tensor) -> Tensor:
    """Logarithms to base 2 of the sizes of fields, (fields,), from entries (rows, fields) and sources (rows,)."""
    found = _fitted(torch.cat([rows, sources[:, None]], 1), 1.0)
    sources = torch.where(sources > SETTINGS.least_source * (rows * found.exp2()).amax(1), sources, 0.0)
    return _fitted(torch.cat([rows, sources[:, None]], 1), SETTINGS.directly)


def _fitted(entries: Tensor, directly: float) -> Tensor:
    """Logarithms of the factors of all columns but the last one, whose factor is one; `directly` as in the settings."""
    row, column = (entries > 0).nonzero(as_tuple=True)
    count = len(entries)
    fields = entries.shape[1] - 1
    system = entries.new_zeros(len(row) + fields, count + fields + 1)
    says_directly = (entries[:, :-1] > 0).sum(1) == 1
    weight = (1.0 + (directly - 1.0) * says_directly.double())[row]
    places = torch.arange(len(row))
    system[places, row] = system[places, count + column] = weight
    system[len(row) :, count : count + fields] = SETTINGS.least_pull * torch.eye(fields, dtype=entries.dtype)
    wanted = torch.cat([-weight * entries[row, column].log2(), entries.new_zeros(fields)])
    return torch.linalg.lstsq(system[:, :-1], wanted[:, None], driver="gelsd").solution[count:, 0]


def in_units(problem: Collocation, units: Mapping[str, float]) -> Collocation:
    """The same problem for fields that are divided by units, without a known solution; itself without units."""
    form = problem.form
    if not units:
        return problem
    # Residuals of the scaled fields, with their requirements anew.
    terms = list[ResidualTerm]()
    is_linear = True
    has_sources = _has_sources(form)
    for term in (form.equation_term, *form.condition_terms):
        residuals = ResidualsInUnits(term.residuals, units, has_sources)
        x, normal = probes(form.domain, term.pieces or None)
        run = DryRun(residuals, form.fields, form.domain, form.coefficients, x, normal)
        requirements = run.requirements().with_rule(term.requirements.rule)
        terms.append(replace(term, residuals=residuals, requirements=requirements))
        is_linear = is_linear and run.is_linear()

    # Measured values in the same units.
    def divided(condition: object) -> object:
        if not isinstance(condition, Observations):
            return condition
        return replace(condition, values=condition.values.double() / units[condition.field or form.fields[0]])

    restated = replace(
        form,
        equation_term=terms[0],
        condition_terms=tuple(terms[1:]),
        conditions=tuple(divided(condition) for condition in form.conditions),
        solution=None,
        units=units,
        is_linear=is_linear,
    )
    return Collocation(restated, problem.sampling, problem.unknowns)


def solution_in_units(solution: Solution, problem: Collocation, units: Mapping[str, float]) -> Solution:
    """A solution of `in_units(problem, units)` as one of the problem itself, or of its beginning in time.

    Its estimate is the largest that the relative error may be in these units, where one field outweighs the others.
    """
    if not units:
        return solution
    # The stated problem, as far as the solution came, with its rule of integrals and coefficients.
    reached = solution.problem.domain.bounds
    time = problem.form.time
    rule = solution.problem.form.integral_rule
    if time is not None and not torch.equal(reached, problem.domain.bounds):
        problem = until(problem, time, float(reached[time, 1]))
    if rule != problem.form.integral_rule:
        problem = Collocation(with_integrals_by(problem.form, rule), problem.sampling, problem.unknowns)
    if problem.unknowns and set(problem.unknowns) == set(solution.unknowns):
        problem = problem.with_unknowns(solution.unknowns)
    # Fields in the units of the statement; a relative error counts each field by its size there.
    factors = torch.tensor([units[name] for name in problem.fields], dtype=torch.float64)
    values = field_values(solution.model, solution.problem, problem.domain.interior(SETTINGS.points, "sobol"))
    most = float(values.norm() * factors.max() / (values * factors).norm().clamp(min=ABOVE_ZERO))
    return replace(
        solution,
        model=fields_of(solution.model).scaled(factors),
        problem=problem,
        error_estimate=solution.error_estimate * max(most, 1.0),
    )


def until(problem: Collocation, axis: int, moment: float) -> Collocation:
    """The problem up to a moment of the coordinate that is time, by its number."""
    form = problem.form
    domain = problem.domain.until(axis, moment)
    weight = form.weight
    known = form.solution
    is_linear = form.is_linear
    shorter = strong_form_of(form.equation, domain, form.conditions, weight=weight, solution=known, is_linear=is_linear)
    return in_units(Collocation(with_integrals_by(shorter, form.integral_rule)), form.units)

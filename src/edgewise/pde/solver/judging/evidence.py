"""Evidence about a solution that does not come from the points and the grid on which it was made.

`judge` takes a network that solves a problem, however it was made, and measures

- the residual at fresh points that are sought where it is large (`residuals`),
- a correction: the equation of the error, solved on another grid (`correction`),
- the smallest singular value of the linearised problem among smooth functions, which is zero where a function may be
  added to the solution (`uniqueness`),
- integrals by a rule of twice as many points, jumps of the equation's leading coefficients, and whether u = 0 solves
  the problem.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgewise.outcomes import OutOfTime, check_time
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.dry_run import place_words
from edgewise.pde.problem.features import Look, NarrowFeature, look_at_functions, missed_features
from edgewise.pde.problem.strong_form import Feature, StrongForm
from edgewise.pde.solver.judging.correction import CORRECTION, correction_of
from edgewise.pde.solver.judging.residuals import (
    SEARCH,
    WorstCase,
    integrals_gap,
    residual_size,
    worst_case_points,
)
from edgewise.pde.solver.judging.scatter import misfits_of, scatter_of
from edgewise.pde.solver.judging.uniqueness import (
    Weakest,
    block_squares,
    coefficient_jump,
    undetermined_coefficients,
    unsolved_by_zero,
    weakest_direction,
)
from edgewise.pde.solver.solution import Stage, field_values
from edgewise.pde.spaces.networks import fields_of
from edgewise.presentation import percent_text, typed_text
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.pde.tiers.unknown_fields import InverseFit


@dataclass(frozen=True)
class EvidenceSettings:
    """Sizes of residuals, misfits and singular values that speak against a solution."""

    scatter_points: int = 500  # at which the scatter of the fields is measured: two digits of a mean
    # A residual, in units of the field, above which a solution does not count as one: at one per cent of the solution's
    # own size it could not be distinguished from another problem's.
    largest_residual: float = 1e-2
    # The same where there are more conditions than the equation needs: a contradicting condition leaves a residual
    # on every grid, one that follows from the others none.
    largest_with_surplus: float = 1e-4
    # Smallest ratio of residual to function, both in units of the field, that counts as determined, by dimension: above
    # what splines of the coarse space leave of functions of a period or two that have no residual, and in time below
    # what a growth of errors by a factor of a million leaves.
    undetermined: tuple[float, float, float] = (1e-7, 1e-5, 1e-4)
    # The same for equations in time alone: initial values leave nothing free but what the equation does not contain,
    # which rounding alone makes other than zero, while stiff equations let errors grow by more than a million.
    undetermined_in_time: float = 1e-12
    small_solution: float = 1e-9  # fields below this size are zero, for coordinates and data of size 1
    # Distance of a coordinate from zero, relative to the domain, above which its rounding is looked at, and the step of
    # the difference by which a field changes with it, relative to the domain: three digits fewer than float64 has.
    many_sizes_away: float = 1e3
    rounding_step: float = 1e-6
    named_features: int = 3  # features that no grid resolves of which there is a sentence
    unmoved: float = 1e-9  # relative change of a coefficient that is rounding
    # Misfits of measured values, relative to their spread, above which they are looked at, and standard deviations of
    # the correlation of neighbours, of independent noise, above which they are no noise: a fit of less than 99 % of the
    # variance is poor unless the values have noise, which exceeds four standard deviations once in 30,000 times.
    largest_misfit: float = 0.1
    unlikely: float = 4.0
    # A residual up to this size, in units of the field of a solution of size 1, is rounding: ten times that of float64.
    # The error that it leaves is as many times larger as the smallest singular value is below one.
    rounded: float = 1e-15
    # At two standard errors from its largest value the likelihood must fall as it does at one of a linear problem; else
    # the bars of the linearised problem are half as wide as they ought to be.
    fallen_least: float = 1.0
    # estimate where the residual alone is known, relative to it: errors of 0.1 to 4 times were measured
    unchecked: float = 10.0


EVIDENCE = EvidenceSettings()


@dataclass(frozen=True)
class Evidence:
    """Results of the checks of a solution."""

    estimate: float  # estimated relative L2 error; nan where no check gave one
    # mean residual, in magnitude, of the equation at sought points and of the conditions, in units of the field (see
    # `PDE`)
    residual: float
    checks: tuple[str, ...]  # what was checked, with numbers: parts of a sentence
    doubts: tuple[str, ...]  # sentences on what speaks against the solution; empty where nothing does
    is_final: bool = False  # whether a finer network could not help, for the fault is in the problem
    # relative error of the fields that noise in measured values leaves, one standard error; 0 without them
    noise: float = 0.0
    # standard errors of unknown coefficients, from the same noise
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    # residual over the smallest singular value of a linear problem, relative to the fields, which smooth errors do not
    # exceed; infinity where it is not known
    bound: float = math.inf

    @property
    def whole_estimate(self) -> float:
        """Estimated relative error with the part that noise in measured values leaves, which no finer grid lowers."""
        if math.isfinite(self.noise):
            return math.hypot(self.estimate, self.noise)
        return math.nan

    @property
    def is_sound(self) -> bool:
        """True if nothing speaks against the solution."""
        return not self.doubts

    @property
    def trust(self) -> str:
        """All of it in words: doubts first, then what was checked."""
        checked = f"Checked: {'; '.join(self.checks)}."
        if self.doubts:
            return f"Not to be trusted: {' '.join(self.doubts)} {checked}"
        return checked


def judge(
    network: nn.Module,
    problem: Collocation,
    *,
    change: float = math.nan,
    estimate: float = math.nan,
    work: float = CORRECTION.work,
    points: WorstCase | None = None,
    is_minimum: bool = False,
) -> Evidence:
    """Judge a solution by evidence that is independent of how it was made.

    `is_minimum` is whether it is a minimum of nonlinear least squares, at which two grids may rest that agree.
    """
    # The correction e solves the equation linearised about u, R(u) + R'(u) e = 0, by least squares on another grid, so
    # that ||e|| is the error but for the error of e itself, which the residual of u + e shows. A residual that is
    # rounding alone bounds the error only by the residual over the smallest singular value. Where the time of a solve
    # is over, the checks end, and a sentence of the evidence states it.
    # Residuals at the sought points, and the size of the fields there.
    if points is None:
        points = worst_case_points(network, problem)
    residual = residual_size(network, problem, points)
    x = points.x
    weights = points.weights
    values = field_values(network, problem, x)
    size = float((weights[:, None] * values.square()).sum().sqrt() / weights.sum().sqrt())
    # Estimate of the tier, and the difference of its last two levels.
    estimates = list[float]()
    checks = []
    doubts = []
    if not math.isnan(estimate):
        estimates.append(estimate)
    elif not math.isnan(change):
        estimates.append(change)
    if not math.isnan(change):
        checks.append(f"two solutions on different grids agree to {typed_text(change, 1)}")
    checks.append(
        f"the mean residual at {len(x):,} fresh points, more where it is large, is {typed_text(residual, 1)} in "
        "units of the field"
    )
    if not math.isfinite(residual):
        doubts.append(f"The residual is not a number: {_place_of_nan(network, problem, x)}.")
        return Evidence(math.nan, residual, tuple(checks), tuple(doubts))
    # An equation that does not hold.
    surplus = problem.form.surplus_conditions
    allowed = EVIDENCE.largest_residual
    if surplus:
        allowed = EVIDENCE.largest_with_surplus
    if residual > allowed:
        why = "the problem may have no solution"
        missed = residual / max(size, residual)
        if surplus:
            # Contradicting conditions leave what solution there is to chance.
            why = f"{why}, for {surplus}"
            missed = 1.0
        doubts.append(
            f"The equation does not hold: its mean residual is {typed_text(residual, 1)} in units of the field. It "
            f"may be out of reach of the budget, or {why}."
        )
        estimates.append(missed)
    # Results of checks that the problem or the time may leave out.
    noise = 0.0
    of_problem = list[str]()
    errors = dict[str, float]()
    relative = residual / max(size, ABOVE_ZERO)
    most = math.inf
    of_rounding = 0.0  # least error; no estimate of one, for the residual may be much larger
    # Misfits of measured values that are no noise.
    for misfit in misfits_of(network, problem):
        if misfit.share > EVIDENCE.largest_misfit and misfit.deviations > EVIDENCE.unlikely:
            doubts.append(
                f"The solution misses the measured values of {misfit.field} by {percent_text(misfit.share)} of their "
                "spread, and neighbouring ones alike: coefficients may begin elsewhere, or the values belong to "
                "another equation."
            )
            estimates.append(misfit.share)
    try:
        # Quadrature error of integrals.
        if Feature.INTEGRALS in problem.form.features:
            gap = integrals_gap(network, problem, x)
            checks.append(f"integrals by two rules agree to {typed_text(gap, 1)}")
            estimates.append(gap / max(size, ABOVE_ZERO))
            if gap > SEARCH.largest_gap:
                doubts.append(
                    f"Integrals by two rules differ by {typed_text(gap, 1)}: give `integral` more points, or divide "
                    "it where its integrand has a peak or no bound."
                )
        # Smallest singular value of the linearised problem, which costs least of all: stability, and uniqueness.
        check_time()
        weakest = weakest_direction(network, problem)
        if weakest is not None and weakest.size > 0:
            if problem.form.is_linear:
                most = relative / weakest.size
            elif is_minimum:
                estimates.append(min(relative / weakest.size, 1.0))
            of_rounding = min(relative, EVIDENCE.rounded) / weakest.size
        # The equation of the error, and the spread by the noise of measured values.
        corrected = correction_of(network, problem, points, residual, work, is_only=math.isnan(change))
        if corrected is not None:
            checks.append(f"the equation of the error, solved on another grid, gives {typed_text(corrected, 1)}")
            estimates.append(corrected)
        check_time()
        scatter = scatter_of(network, problem, x[:: max(1, len(x) // EVIDENCE.scatter_points)])
        noise, errors = scatter.fields / max(size, ABOVE_ZERO), dict(scatter.standard_errors)
        if noise > EVIDENCE.rounded:
            checks.append(f"noise of the measured values leaves a relative standard error of {typed_text(noise, 1)}")
        # Trivial solutions and null vectors.
        of_problem = _doubts_of_uniqueness(network, problem, residual, size, weakest, checks, errors)
        if of_problem:
            estimates.append(1.0)  # another solution may differ by as much as the solution is large
    except OutOfTime:
        checks.append("there was no time for further checks")
        if is_minimum or not any(estimates):
            checks.append(f"the estimate is {typed_text(EVIDENCE.unchecked)} times the residual at least")
            estimates.append(EVIDENCE.unchecked * relative)
    # Without another estimate: the bound of a linear problem, or the residual, which in units of the field is about the
    # error of a smooth solution.
    if not any(estimates) and math.isfinite(most):
        estimates.append(most)
    elif not any(estimates):
        estimates.append(relative)
    estimate = max(*estimates, of_rounding, _rounding_of_coordinates(network, problem, x, values))
    return Evidence(estimate, residual, tuple(checks), (*doubts, *of_problem), bool(of_problem), noise, errors, most)


def _rounding_of_coordinates(network: nn.Module, problem: Collocation, x: Tensor, values: Tensor) -> float:
    """Relative change of the fields by the rounding of coordinates far from zero, as seconds since 1970; else 0."""
    low, high = problem.domain.bounds.mT
    largest = problem.domain.bounds.abs().amax(1)
    step = EVIDENCE.rounding_step * problem.domain.size
    change = 0.0
    for axis in (largest > EVIDENCE.many_sizes_away * problem.domain.size).nonzero()[:, 0].tolist():
        moved = x.clone()
        moved[:, axis] = (x[:, axis] + step[axis]).clamp(low[axis], high[axis])
        rate = (field_values(network, problem, moved) - values).norm() / step[axis]
        change += float(rate * largest[axis]) * torch.finfo(x.dtype).eps
    return change / max(float(values.norm()), ABOVE_ZERO)


def _doubts_of_uniqueness(
    network: nn.Module,
    problem: Collocation,
    residual: float,
    size: float,
    weakest: Weakest | None,
    checks: list[str],
    errors: dict[str, float],
) -> list[str]:
    """Sentences on solutions that are trivial, not unique, or of another problem than the one that was meant.

    Coefficients that nothing determines are removed from those with standard errors.
    """
    doubts = list[str]()
    # Coefficients that nothing determines.
    for name in undetermined_coefficients(network, problem):
        errors.pop(name, None)
        first = problem.form.coefficients[name]
        moved = abs(float(problem.unknowns[name].detach()) - first) > EVIDENCE.unmoved * (1 + abs(first))
        value = "is the one at which it started"
        if moved:
            value = "depends on the one at which it started, as that of a factor of a product that is known"
        doubts.append(f"Nothing determines the coefficient {name}: its value {value}.")
    # Rank of the linearised problem, and the trivial solution.
    dimension = problem.domain.dimension
    in_time = problem.form.time is not None
    if dimension == 1 and in_time:
        least = EVIDENCE.undetermined_in_time
    else:
        least = EVIDENCE.undetermined[min(dimension, 3) - 1]
    is_unique = weakest is not None and weakest.size >= least
    if size < EVIDENCE.small_solution and not (is_unique and problem.form.is_linear) and not unsolved_by_zero(problem):
        can_search = not problem.form.is_linear and problem.form.time is None and problem.domain.is_box
        if can_search:
            more = "; other_solutions looks for more"
        else:
            more = ""
        doubts.append(
            f"The solution is u = 0, which solves every homogeneous problem; another one was not found{more}."
        )
    # A null vector of the linearised problem.
    if weakest is not None and not is_unique:
        if len(problem.fields) > 1:
            to = " and ".join(weakest.fields)
        else:
            to = "it"
        doubts.append(
            f"The solution is not unique: {weakest.words} may be added to {to}, and the residual stays the same."
        )
        if residual > math.sqrt(least):
            doubts.append("The residual does not vanish either, so that the data contradict each other.")
    elif weakest is not None:
        for name in weakest.zero_means:
            checks.append(f"{name} is determined up to a function of time, and its mean over space is zero")
        checks.append(f"no smooth function may be added to it (smallest singular value {typed_text(weakest.size, 1)})")
    # Leading coefficients that jump.
    jump = place_of_jump(problem.form)
    if jump:
        doubts.append(
            f"A leading coefficient of the equation jumps near {jump}, where derivatives of the solution jump too: "
            "give Interface(on=...) there, or write the equation as a system of first order, with the flux as a field."
        )
    return doubts


def place_of_jump(form: StrongForm) -> str:
    """Words for a place at which a leading coefficient jumps; "" where none does."""
    jump = coefficient_jump(form)
    if jump is None:
        return ""
    axis, place = jump
    return f"{form.domain.coordinates[axis]} = {typed_text(place, 4)}"


def _place_of_nan(network: nn.Module, problem: Collocation, x: Tensor) -> str:
    """Words for the first point at which the equation or a condition is not a number."""
    names = problem.domain.coordinates
    fresh = problem.resampled(1, SEARCH.condition_points, how="sobol", interior=x)
    for block in fresh.blocks():
        wrong = ~block_squares(block, network, problem).isfinite()
        if bool(wrong.any()):
            return f"{block.name} gives none at {place_words(names, block.data.x, wrong)}"
    return "the network has values that are none"


def with_features(found: Evidence, network: nn.Module, problem: Collocation, points: int) -> Evidence:
    """Evidence with the result of a look at given functions, beside residuals at a number of points."""
    look = look_at_functions(problem.form)
    # Features that are narrower than the intervals of the grid where they lie, if there is one.
    grid = fields_of(network).grid
    breakpoints = None
    if grid is not None:
        breakpoints = list(grid.breakpoints)
        moments = fields_of(network).moments
        if moments is not None:
            breakpoints[moments[0]] = moments[1]
    missed = sentences_of_features(problem, look.features, breakpoints)
    if missed:
        estimate = max(1.0, found.estimate)  # 1 also where the estimate is nan
        found = replace(found, doubts=(*missed, *found.doubts), estimate=estimate, is_final=True)
    # Functions between whose points nothing was seen, but for the residuals.
    unseen = clause_of_left_out(problem, look, points, "the distance of points at which residuals were taken")
    if unseen:
        found = replace(found, checks=(*found.checks, unseen))
    return found


def clause_of_left_out(problem: Collocation, look: Look, points: int, distance: str) -> str:
    """Clause on functions that a look has left out, and what a number of points may miss of them; "" if there are none.

    The distance of the points is named, as a noun.
    """
    if not look.left_out:
        return ""
    labels = ", ".join(look.left_out)
    apart = percent_text(points ** (-1 / problem.domain.dimension))
    return (
        f"there was no time to look for narrow features of the given functions ({labels}): one that is narrower "
        f"than about {apart} of the domain, {distance}, may be missed"
    )


def sentences_of_features(
    problem: Collocation, features: Sequence[NarrowFeature], breakpoints: Sequence[Tensor] | None
) -> list[str]:
    """Sentences on features of given functions that breakpoints of each axis do not resolve, or no grid at all."""
    names = problem.domain.coordinates
    labels = {"equation": "The equation"}
    return [
        f"{labels.get(each.label, each.label)} has a feature of width {typed_text(each.width, 1)} near "
        f"{names[each.axis]} = {typed_text(each.place)}, which no interval of the grid resolves: divide the domain "
        "there, or make it wider."
        for each in missed_features(features, breakpoints)[: EVIDENCE.named_features]
    ]


def evidence_of_fields(
    fit: InverseFit, names: Sequence[str], stage: Stage, gap: float, errors: Tensor, values: Tensor
) -> Evidence:
    """Judgement of fields from measured values: their gap to a coarser grid, standard errors and values (N, fields)."""
    if math.isnan(gap):
        checks = []
    else:
        checks = [f"two grids agree to {typed_text(gap, 1)} of a standard error"]
    # Differences of grids, residual, and noise.
    checks.append(f"the residual at fresh points is {typed_text(stage.residual, 1)} in units of the field")
    checks.append(
        f"the measured values have a noise of {typed_text(fit.noise, 3)} and determine {typed_text(fit.freedom, 3)} "
        f"parameters, with {', '.join(names)} smoothed by restricted likelihood of derivatives of order {fit.order}"
    )
    if fit.has_noise and fit.is_settled and not fit.rises:
        checks.append("there was no time for further checks")
    # Fields that vanish.
    doubts = [
        f"The field {name} is 0, with which the equation holds whatever the measured values are, as where it is known "
        "up to a factor alone: give it a value somewhere."
        for name, size in zip(fit.problem.fields, values.abs().amax(0).tolist(), strict=True)
        if name in names and size < EVIDENCE.small_solution
    ]
    # Profiles of the likelihood along the least known directions.
    for name, ends in fit.rises.items():
        fallen = (
            f"two standard errors off along the least known direction of {name}, the likelihood falls as at "
            f"{typed_text(ends[0], 2)} and {typed_text(ends[1], 2)} of them"
        )
        if min(ends) < EVIDENCE.fallen_least:
            doubts.append(f"Error bars are those of a linear problem, which this is not: {fallen}.")
        else:
            checks.append(fallen)
    # What speaks against the fit.
    if not stage.residual <= EVIDENCE.largest_residual:
        doubts.append("The equation does not hold.")
    if not fit.has_noise:
        doubts.append(
            f"The number of measured values, {fit.values}, is too small to know their noise, so that there are no "
            "standard errors."
        )
    if not fit.is_settled:
        doubts.append("The search for the fields ended before fields, smoothing and noise had settled.")
    return Evidence(
        stage.change,
        stage.residual,
        tuple(checks),
        tuple(doubts),
        noise=float(errors.norm()) / max(float(values.norm()), ABOVE_ZERO),
        standard_errors=fit.standard_errors,
    )

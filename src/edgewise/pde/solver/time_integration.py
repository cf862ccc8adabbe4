"""Levels of an evolution: integrations in time, each sharper than the one before, or each on a finer even grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver import messages
from edgewise.pde.solver.driver import Levels, Task
from edgewise.pde.solver.judging.evidence import Evidence
from edgewise.pde.solver.judging.residuals import SEARCH
from edgewise.pde.solver.judging.uniqueness import block_squares
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.record import ESTIMATES, Record, fall_of_integration
from edgewise.pde.solver.restated import until
from edgewise.pde.solver.solution import field_values
from edgewise.pde.tiers.level import Begun, Level
from edgewise.presentation import percent_text, typed_text
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.spaces.grid_problem import GridProblem
    from edgewise.pde.tiers.evolution.stepper import Method, TimeStepper


@dataclass(frozen=True)
class IntegrationSettings:
    """Tolerances, grids and forecasts of integrations in time, one after another."""

    first_tolerance: float = 30.0  # time elements: the first integration has so many times the tolerance
    finer: float = 1.3  # factor of the first grids from one to the next: two are never the same
    # Largest tolerance of a first integration, and of one after another that would not have reached the last moment;
    # how much sharper ones get that are looser than usual: where one is dear, a hundredth of its tolerance is out of
    # reach.
    most_tolerance: float = 1e-3
    most_loose_tolerance: float = 1e-1
    sharper_if_loose: float = 10.0
    # Shares of the budget, or of the time limit, from which on, and up to which, a first integration is given up for
    # one with a larger tolerance if it would not reach the last moment at its present pace: a tenth is lost, and half
    # is left for the other one.
    forecast_from: float = 0.1
    forecast_to: float = 0.5
    # Of the time: a first integration that has not come so far with half of the budget is given up; a solution that
    # ends before it is no evidence, and gives way to another tier.
    least_begun: float = 1e-2
    # A later integration ends where its present pace needs this multiple of the remaining work or time: paces vary.
    out_of_reach: float = 2.0
    # Even grids: growth of the work from one to the next, and tolerance in time of the first integration, which falls
    # as the square of the intervals, as errors in space about do. For the work 3.5 to 4.6 times was measured.
    even_dearer: float = 4.0
    even_tolerance: float = 1e-2
    elements_of_rule: int = 3  # over which a judgement integrates by a rule of 24 points: its degree is 47
    coarse_gap: float = 0.1  # of the field: a coarse integration leaves less at an outflow, also beside jumps


INTEGRATION = IntegrationSettings()


class Watch:
    """Counts and reports the work of one integration in time, and ends it where a limit is over.

    With a `method` the cost of the rest is forecast, and an integration ends that would not reach the last moment. A
    check of another one has the rest of the time, whatever its work.
    """

    def __init__(self, record: Record, tolerance: float, method: Method | None = None, *, is_check: bool = False):
        self.record = record
        self.limits = record.limits
        self.tolerance = tolerance
        self.method = method
        self.is_check = is_check
        self.spent = self.limits.work
        self.began = self.limits.seconds
        self.looser: float | None = None  # a tolerance with which the last moment may be reached
        self.is_out_of_reach = False
        self._begin: tuple[float, float] | None = None

    def __call__(self, share: float, elements: int, work: float) -> bool:
        """Receive the share of the time, the number of time elements and the work; return whether to go on."""
        # Work and progress of the time elements so far.
        limits = self.limits
        limits.work = self.spent + work
        name = "time element"
        if self.is_check:
            name = "check, time element"
        self.record.report(f"{name} {elements}, {percent_text(share)} of the time", self.tolerance**2)
        if self.is_check:
            return not limits.past_deadline
        # Limits, and the forecast of the rest.
        limits.has_result = limits.has_result or elements > 0
        if limits.over is not None:
            return False
        if self.method is not None:
            self._forecast(self.method, share, elements, work)
        return self.looser is None and not self.is_out_of_reach

    def left(self, work: float) -> float:
        """Receive the work inside of a time element; return what the budget leaves."""
        self.limits.work = self.spent + work
        return self.limits.work_left

    def _forecast(self, method: Method, share: float, elements: int, work: float) -> None:
        """Compare the work of the rest, at the pace of late, with what the limits leave."""
        limits = self.limits
        limit = limits.work_within_reach(self.spent, self.began)
        # The pace of time elements after the first ones gives the work up to the last moment.
        is_first = not self.record.count
        if is_first and share < INTEGRATION.least_begun and limits.work > INTEGRATION.forecast_to * limits.limit:
            self.is_out_of_reach = True
        elif work > INTEGRATION.forecast_from / 2 * limit and elements >= method.growing:
            self._begin = self._begin or (share, work)  # the first time elements are short
            if work > INTEGRATION.forecast_from * limit:
                needed = (1 - share) * (work - self._begin[1]) / max(share - self._begin[0], ABOVE_ZERO)
                excess = needed / max(limit - limits.work, ABOVE_ZERO)
                if not is_first:
                    self.is_out_of_reach = excess > INTEGRATION.out_of_reach
                elif (
                    excess > 1
                    and work < INTEGRATION.forecast_to * limit
                    and self.tolerance < INTEGRATION.most_loose_tolerance
                ):
                    # A larger tolerance whose integration is foreseen to end within the limits.
                    steps = math.ceil(min(math.log(excess, method.dearer), 10))
                    most = INTEGRATION.most_loose_tolerance
                    if self.tolerance < INTEGRATION.most_tolerance:
                        most = INTEGRATION.most_tolerance
                    self.looser = min(self.tolerance * ESTIMATES.sharper**steps, most)


def integrations(task: Task, record: Record, grid_problem: GridProblem, method: Method) -> Levels:
    """Integrate over the whole time by elements, again and again, each time with a sharper tolerance.

    Where not even the first integration reaches the last moment, its time elements are the solution up to the moment
    that it reached.
    """
    limits = task.limits
    problem = task.problem
    first, least = method.tolerances
    allowed = min(max(INTEGRATION.first_tolerance * task.tolerance, first), INTEGRATION.most_tolerance)
    passed = 0
    while True:
        # One integration, as far as it comes: a limit or Ctrl-C inside of a time element leaves the time elements
        # before it.
        watch = Watch(record, allowed, method)
        stepper = method.stepper(grid_problem, allowed, watch, INTEGRATION.finer**passed, watch.left)
        level_so_far = partial(_level_of, stepper, problem, allowed)
        record.begun = Begun(level_so_far)
        result = stepper.run()
        if watch.looser is not None:
            allowed = watch.looser
            continue
        # The only beginning is a solution; one after a whole integration only serves to judge that.
        is_whole = result is not None and result.is_complete
        is_first = not record.count
        level = level_so_far()
        if level is not None and (is_whole or is_first or not watch.is_out_of_reach):
            yield level
        limits.check()
        if is_first and not is_whole:
            if watch.is_out_of_reach:
                return Ending(StopReason.BUDGET)
            return Ending(StopReason.NO_PROGRESS)
        if is_whole and record.error <= task.tolerance:
            return Ending(StopReason.NO_PROGRESS, messages.other_evidence(record))
        if not watch.is_out_of_reach and (not is_whole or allowed <= least):
            return Ending(StopReason.NO_PROGRESS, messages.Clause.NOT_SHARPER)
        # A sharper tolerance, where the limits allow one; else a comparison with a larger one, which costs less.
        passed += 1
        within_reach = limits.work_within_reach(watch.spent, watch.began)
        if watch.is_out_of_reach or limits.work + method.dearer * (limits.work - watch.spent) > within_reach:
            reason = StopReason.BUDGET
            limit = "budget"
            if within_reach < limits.limit:
                reason = StopReason.TIME_LIMIT
                limit = "time limit"
            if record.count == 1 and (record.is_resolved or not task.facts.has_fronts):
                yield from _coarser_integration(record, grid_problem, method)
            return Ending(reason, f"A sharper integration is out of reach of the {limit}")
        # A tolerance that is a little sharper is enough where the estimate is near; others may reach rounding. The
        # error beside a jump of the start falls with its grid, no faster than such tolerances do.
        is_near = (
            record.error <= fall_of_integration(INTEGRATION.sharper_if_loose) * task.tolerance
            or stepper.solver.has_rough_initial
        )
        sharper = INTEGRATION.sharper_if_loose
        if not is_near:
            sharper = _ratio_of_tolerances(allowed)
        allowed = max(allowed / sharper, least)


def _ratio_of_tolerances(tolerance: float) -> float:
    """Ratio of the tolerances of two integrations that are compared: less where a tolerance is loose, and so dear."""
    if tolerance <= INTEGRATION.most_tolerance:
        return ESTIMATES.sharper
    return INTEGRATION.sharper_if_loose


def _level_of(stepper: TimeStepper, problem: Collocation, allowed: float) -> Level | None:
    """An integration in time as a level, whose problem ends where it does; None if there is not even one element."""
    result = stepper.result()
    if result is None:
        return None
    # Residuals of an equation with memory take the rule of the integration.
    if stepper.memory is not None:
        rule = stepper.memory.rule(INTEGRATION.elements_of_rule)
        problem = Collocation(with_integrals_by(problem.form, rule), problem.sampling)
    # The problem up to the moment that was reached.
    if not result.is_complete:
        assert problem.form.time is not None
        problem = until(problem, problem.form.time, result.reached)
    return Level(
        network=stepper.evolution.grid_problem.as_stated(result.network),
        loss=allowed,
        points=result.points,
        problem=problem,
        tolerance=allowed,
        data_error=stepper.solver.initial_error,
    )


def _coarser_integration(record: Record, grid_problem: GridProblem, method: Method) -> Iterator[Level]:
    """A larger tolerance than that of the only integration, to compare: it costs less than a sharper one.

    Without a second one nothing knows by how much errors grow in time. Only the time limit ends it, or Ctrl-C.
    """
    allowed = _ratio_of_tolerances(record.level.loss) * record.level.loss
    stepper = method.stepper(grid_problem, allowed, Watch(record, allowed, is_check=True), 1 / INTEGRATION.finer)
    record.begun = None
    result = stepper.run()
    level = _level_of(stepper, record.problem, allowed)
    if level is not None and result is not None and result.is_complete:
        yield level


def check_by_coarse_integration(task: Task, record: Record, grid_problem: GridProblem) -> None:
    """Raise the error of `check_outflow` after a coarse integration in weak form: within a second."""
    from edgewise.pde.tiers.galerkin.rough import WEAK_FORM  # imported late: `import edgewise` stays light

    watch = Watch(record, INTEGRATION.even_tolerance, is_check=True)
    result = WEAK_FORM.stepper(grid_problem, INTEGRATION.even_tolerance, watch).run()
    if result is not None and result.is_complete:
        check_outflow(result.network, task.problem, grid_problem, INTEGRATION.coarse_gap)


def check_outflow(network: nn.Module, problem: Collocation, grid_problem: GridProblem, allowed: float) -> None:
    """Raise an InputError where a solution contradicts a condition at an outflow, which determines nothing.

    `allowed` is the largest mean gap, relative to the field.
    """
    size = float(
        field_values(network, problem, problem.domain.interior(ESTIMATES.fresh_points, "sobol")).square().mean().sqrt()
    )
    # Root mean square misfit of each outflow condition.
    leaving = Collocation(replace(problem.form, condition_terms=grid_problem.outflow_conditions)).resampled(
        1, SEARCH.condition_points
    )
    for term, block in zip(grid_problem.outflow_conditions, leaving.with_role(BlockRole.CONDITION), strict=True):
        gap = float(block_squares(replace(block, weight=1.0), network, problem).mean().sqrt())
        if gap > allowed * size:
            (name,), (piece,) = problem.fields, term.pieces
            raise InputError(
                f"conditions of an equation of first order must hold where it carries {name} into the domain, got "
                f"{term.label} on {piece!r}, where {name} leaves with other values, {typed_text(gap, 1)} off in the "
                "mean"
            )


def even_grids(task: Task, record: Record, grid_problem: GridProblem, method: Method, why: str) -> Levels:
    """Integrate in time on finer and finer even grids; `why` names the reason why residuals are no evidence."""
    limits = task.limits
    problem = task.problem
    finer = 1.0
    dimension = problem.domain.dimension - 1
    while True:
        # One integration, as far as it comes.
        watch = Watch(record, task.tolerance)
        allowed = max(task.tolerance, INTEGRATION.even_tolerance / finer**2)
        stepper = method.stepper(grid_problem, allowed, watch, finer, watch.left)
        level_so_far = partial(_even_level_of, stepper, problem, task.tolerance, why)
        record.begun = None
        if not record.count:
            record.begun = Begun(level_so_far)
        result = stepper.run()
        level = level_so_far()
        if level is not None and (not record.count or (result is not None and result.is_complete)):
            yield level
        limits.check()
        if not record.count or not record.is_complete:
            return Ending(StopReason.NO_PROGRESS)
        # The next grid, as far as the method and the budget allow.
        finer *= ESTIMATES.even_growth
        if round(finer * method.first_intervals[dimension]) > method.most_intervals[dimension]:
            return Ending(StopReason.NO_PROGRESS, messages.Clause.LARGEST_GRID)
        if limits.work + INTEGRATION.even_dearer * (limits.work - watch.spent) > limits.limit:
            return Ending(StopReason.BUDGET, messages.Clause.GRID_OUT_OF_REACH)


def _even_level_of(stepper: TimeStepper, problem: Collocation, tolerance: float, why: str) -> Level | None:
    """An integration on an even grid as a level; `why` names the reason why residuals are no evidence."""
    level = _level_of(stepper, problem, tolerance)
    if level is None:
        return None
    return replace(level, tolerance=None, no_residuals=why)


def evidence_of_even_grids(record: Record) -> Evidence:
    """Judgement by the changes from grid to grid: residuals at points are no evidence.

    In the reason `{length}` stands for that of the longest interval.
    """
    form = record.problem.form
    lengths = form.domain.size / torch.tensor(record.stages[-1].grid_size)
    longest = max(float(each) for axis, each in enumerate(lengths) if axis != form.time)
    why = record.level.no_residuals.format(length=typed_text(longest, 2))
    changes = record.changes
    if not changes:
        return Evidence(1.0, 0.0, (why,), ("There was one grid only, and nothing to compare it with.",))
    agree = f"two solutions on different grids agree to {typed_text(changes[-1], 1)}"
    return Evidence(record.error, 0.0, (agree, why), ())

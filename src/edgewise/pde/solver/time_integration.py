"""Levels of an evolution: passes through time, each sharper than the one before, or each on a finer even grid."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.errors import InputError
from edgewise.outcomes import OutOfTime, StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver import messages
from edgewise.pde.solver.driver import Levels, Task
from edgewise.pde.solver.judging.evidence import Evidence
from edgewise.pde.solver.judging.residuals import CONDITION_POINTS
from edgewise.pde.solver.judging.uniqueness import block_squares
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.record import EVEN_GROWTH, FRESH_POINTS, SHARPER_MARCH, Record, fall_of_pass
from edgewise.pde.solver.restated import until
from edgewise.pde.solver.solution import field_values
from edgewise.pde.tiers.level import Level
from edgewise.settings import ABOVE_ZERO
from edgewise.train.problems.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.spaces.statement import Statement
    from edgewise.pde.tiers.evolution.stepper import Method, TimeIntegration, TimeStepper

FIRST_MARCH = 30.0  # slabs of time: the first pass has so many times the tolerance
FINER_MARCH = 1.3  # factor of the first grids from pass to pass: two passes are never the same
# Largest tolerance of a first pass, and of one after another that would not have reached the last moment; how much
# sharper passes get that are looser than usual: where a pass is dear, a hundredth of its tolerance is out of reach.
MOST_MARCH = 1e-3
MOST_LOOSE_MARCH = 1e-1
SHARPER_LOOSE_MARCH = 10.0
# Shares of the budget, or of the time limit, from which on, and up to which, a first pass is given up for one with a
# larger tolerance if it would not reach the last moment at its present pace: a tenth is lost, and half is left for the
# other one.
FORECAST_FROM = 0.1
FORECAST_TO = 0.5
# Of the time: a first pass that has not come so far with half of the budget is given up; a solution that ends before
# it is no evidence, and gives way to another tier.
LEAST_BEGUN = 1e-2
# A later pass ends where at its present pace it would need so many times what is left: paces vary.
OUT_OF_REACH = 2.0
# Even grids: growth of the work from pass to pass, and tolerance in time of the first pass, which falls as the square
# of the intervals, as errors in space about do. For the work 3.5 to 4.6 times was measured.
EVEN_DEARER = 4.0
EVEN_TOLERANCE = 1e-2
SLABS_OF_RULE = 3  # over which a judgement integrates by a rule of 24 points: its degree is 47
COARSE_GAP = 0.1  # of the field: a coarse pass leaves less at an outflow, also beside jumps


class Forecast:
    """What a pass through time is about to cost; it ends one that would not reach the last moment."""

    def __init__(self, record: Record, allowed: float, method: Method):
        self.record = record
        self.limits = record.limits
        self.allowed = allowed
        self.method = method
        self.spent, self.began = self.limits.work, self.limits.seconds
        self.looser: float | None = None  # a tolerance with which the pass may reach the last moment
        self.is_out_of_reach = False
        self._begin: tuple[float, float] | None = None

    def __call__(self, share: float, slabs: int, work: float) -> bool:
        """Receive the share of the time, the number of slabs and the work of the pass; return whether to go on."""
        limits = self.limits
        limits.work = self.spent + work
        limits.has_result = limits.has_result or slabs > 0
        self.record.report(f"slab {slabs}, {100 * share:.0f} % of the time", self.allowed**2)
        if limits.over is not None:
            return False
        limit = limits.work_within_reach(self.spent, self.began)
        is_first = not self.record.levels
        if is_first and share < LEAST_BEGUN and limits.work > FORECAST_TO * limits.limit:
            self.is_out_of_reach = True
        elif work > FORECAST_FROM / 2 * limit and slabs >= self.method.growing:
            self._begin = self._begin or (share, work)  # the pace of late, for first slabs are short
            if work > FORECAST_FROM * limit:
                needed = (1 - share) * (work - self._begin[1]) / max(share - self._begin[0], ABOVE_ZERO)
                excess = needed / max(limit - limits.work, ABOVE_ZERO)
                if not is_first:
                    self.is_out_of_reach = excess > OUT_OF_REACH
                elif excess > 1 and work < FORECAST_TO * limit and self.allowed < MOST_LOOSE_MARCH:
                    steps = math.ceil(min(math.log(excess, self.method.dearer), 10))
                    most = MOST_MARCH if self.allowed < MOST_MARCH else MOST_LOOSE_MARCH
                    self.looser = min(self.allowed * SHARPER_MARCH**steps, most)
        return self.looser is None and not self.is_out_of_reach


def passes(task: Task, record: Record, statement: Statement, method: Method) -> Levels:
    """Pass through time in slabs, again and again, each time with a sharper tolerance.

    Where not even the first pass reaches the last moment, its slabs are the solution up to the moment that it reached.
    """
    limits = task.limits
    problem = task.problem
    first, least = method.tolerances
    allowed = min(max(FIRST_MARCH * task.tolerance, first), MOST_MARCH)
    passed = 0
    while True:
        # One pass, as far as it comes: a limit or Ctrl-C inside of a slab leaves the slabs before it.
        forecast = Forecast(record, allowed, method)
        stepper = method.stepper(statement, allowed, forecast, FINER_MARCH**passed, task.start)
        cut = _run(stepper)
        result = stepper.result()
        if stepper.memory is not None:
            rule = stepper.memory.rule(SLABS_OF_RULE)
            problem = Collocation(with_integrals_by(problem.form, rule), problem.sampling)
        if forecast.looser is not None and cut is None:
            allowed = forecast.looser
            continue
        # The only beginning is a solution; one after a whole pass only serves to judge that. What has cut a pass ends
        # them all, whatever the pass says of the one before.
        is_whole = result is not None and result.is_complete
        is_first = not record.levels
        if result is not None and cut is None and (is_whole or is_first):
            yield _level_of(result, problem, allowed)
        elif result is not None and (is_whole or is_first or not forecast.is_out_of_reach):
            record.add(_level_of(result, problem, allowed))
        if cut is not None:
            raise cut
        limits.check()
        if is_first and not is_whole:
            return Ending(StopReason.BUDGET if forecast.is_out_of_reach else StopReason.NO_PROGRESS)
        if is_whole and record.error <= task.tolerance:
            return Ending(StopReason.NO_PROGRESS, messages.other_evidence(record))
        if not forecast.is_out_of_reach and (not is_whole or allowed <= least):
            return Ending(StopReason.NO_PROGRESS, messages.NOT_SHARPER)
        # A sharper pass, where the limits allow one; else one with a larger tolerance, which costs less.
        passed += 1
        within_reach = limits.work_within_reach(forecast.spent, forecast.began)
        if forecast.is_out_of_reach or limits.work + method.dearer * (limits.work - forecast.spent) > within_reach:
            reason = StopReason.TIME_LIMIT if within_reach < limits.limit else StopReason.BUDGET
            if len(record.levels) == 1 and (record.is_resolved or not task.facts.has_fronts):
                _compare_coarser_pass(task, record, statement, method)
                if record.agrees(task.tolerance):
                    return Ending(StopReason.CONVERGED, messages.agreement(record))
            return Ending(reason, messages.PASS_OUT_OF_REACH[reason])
        # A pass that is a little sharper is enough where the estimate is near the tolerance; others may reach rounding.
        # The error beside a jump of the start falls with its grid, no faster than such passes do.
        is_near = record.error <= fall_of_pass(SHARPER_LOOSE_MARCH) * task.tolerance or stepper.solver.has_rough_initial
        sharper = SHARPER_MARCH if allowed <= MOST_MARCH and not is_near else SHARPER_LOOSE_MARCH
        allowed = max(allowed / sharper, least)


def _run(stepper: TimeStepper) -> OutOfTime | KeyboardInterrupt | None:
    """Run a pass through time; what has cut it inside of a slab, None where nothing has."""
    try:
        stepper.run()
    except (OutOfTime, KeyboardInterrupt) as error:
        return error
    return None


def _level_of(result: TimeIntegration, problem: Collocation, allowed: float) -> Level:
    """A pass as a level, whose problem ends where the pass does."""
    if not result.is_complete:
        assert problem.form.time is not None
        problem = until(problem, problem.form.time, result.reached)
    return Level(network=result.network, loss=allowed, points=result.points, problem=problem, tolerance=allowed)


def _compare_coarser_pass(task: Task, record: Record, statement: Statement, method: Method) -> None:
    """Compare the only pass through time with one of a larger tolerance, which costs less than a sharper one.

    Without a second pass nothing knows by how much errors grow in time. Only the time limit ends it, or Ctrl-C.
    """
    limits = task.limits
    tolerance = record.level.loss
    allowed = (SHARPER_MARCH if tolerance <= MOST_MARCH else SHARPER_LOOSE_MARCH) * tolerance
    spent = limits.work

    def watch(share: float, slabs: int, work: float) -> bool:
        limits.work = spent + work
        record.report(f"check, slab {slabs}, {100 * share:.0f} % of the time", allowed**2)
        return not limits.past_deadline

    stepper = method.stepper(statement, allowed, watch, 1 / FINER_MARCH)
    cut = _run(stepper)
    if isinstance(cut, KeyboardInterrupt):
        raise cut
    result = stepper.result()
    if result is not None and result.is_complete:
        record.add(_level_of(result, record.problem, allowed))


def check_by_coarse_pass(task: Task, statement: Statement) -> None:
    """Raise the error of `check_outflow` after a coarse pass in weak form: within a second."""
    from edgewise.pde.tiers.galerkin.rough import WEAK_FORM  # imported late: `import edgewise` stays light

    stepper = WEAK_FORM.stepper(statement, EVEN_TOLERANCE, lambda *_: not task.limits.past_deadline)
    result = stepper.run()
    task.limits.work += stepper.evolution.work
    if result is not None and result.is_complete:
        check_outflow(result.network, task.problem, statement, COARSE_GAP)


def check_outflow(network: nn.Module, problem: Collocation, statement: Statement, allowed: float) -> None:
    """Raise an InputError where a solution contradicts a condition at an outflow, which determines nothing.

    `allowed` is the largest mean gap, relative to the field.
    """
    size = float(field_values(network, problem, problem.domain.interior(FRESH_POINTS, "sobol")).square().mean().sqrt())
    leaving = Collocation(replace(problem.form, condition_terms=statement.outflow_conditions)).resampled(
        1, CONDITION_POINTS
    )
    for term, block in zip(statement.outflow_conditions, leaving.with_role(BlockRole.CONDITION), strict=True):
        gap = float(block_squares(replace(block, weight=1.0), network, problem).mean().sqrt())
        if gap > allowed * size:
            (name,), (piece,) = problem.fields, term.pieces
            raise InputError(
                f"conditions of an equation of first order must hold where it carries {name} into the domain, got "
                f"{term.label} on {piece!r}, where {name} leaves with other values, {gap:.1g} off in the mean"
            )


def even_grids(task: Task, record: Record, statement: Statement, method: Method, why: str) -> Levels:
    """Pass through time on finer and finer even grids; `why` names the reason why residuals are no evidence."""
    limits = task.limits
    problem = task.problem
    finer = 1.0
    dimension = problem.domain.dimension - 1

    def watch(share: float, slabs: int, work: float) -> bool:
        limits.work = spent + work
        limits.has_result = limits.has_result or slabs > 0
        record.report(f"slab {slabs}, {100 * share:.0f} % of the time", task.tolerance**2)
        return limits.over is None

    while True:
        spent = limits.work
        stepper = method.stepper(statement, max(task.tolerance, EVEN_TOLERANCE / finer**2), watch, finer)
        cut = _run(stepper)
        result = stepper.result()
        level = None
        if result is not None and (result.is_complete or not record.levels):
            level = replace(_level_of(result, problem, task.tolerance), tolerance=None, no_residuals=why)
        if level is not None and cut is None:
            yield level
        elif level is not None:
            record.add(level)
        if cut is not None:
            raise cut
        limits.check()
        if not record.levels or not record.is_complete:
            return Ending(StopReason.NO_PROGRESS)
        finer *= EVEN_GROWTH
        if round(finer * method.first_intervals[dimension]) > method.most_intervals[dimension]:
            return Ending(StopReason.NO_PROGRESS, messages.LARGEST_GRID)
        if limits.work + EVEN_DEARER * (limits.work - spent) > limits.limit:
            return Ending(StopReason.BUDGET, messages.GRID_OUT_OF_REACH)


def evidence_of_even_grids(record: Record) -> Evidence:
    """Judgement by the changes from grid to grid: residuals at points are no evidence.

    In the reason `{length}` stands for that of the longest interval.
    """
    form = record.problem.form
    lengths = form.domain.size / torch.tensor(record.stages[-1].grid_size)
    longest = max(float(each) for axis, each in enumerate(lengths) if axis != form.time)
    why = record.level.no_residuals.format(length=longest)
    changes = record.changes
    if not changes:
        return Evidence(1.0, 0.0, (why,), ("There was one grid only, and nothing to compare it with.",))
    agree = f"two solutions on different grids agree to {changes[-1]:.1g}"
    return Evidence(record.error, 0.0, (agree, why), ())

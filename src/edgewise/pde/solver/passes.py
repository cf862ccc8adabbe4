"""Passes through time, each sharper than the one before, until two of them agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.errors import InputError
from edgewise.outcomes import OutOfTime, StopReason
from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver.history import (
    FRESH_POINTS,
    LEAST_BEGINNING,
    ROUNDING,
    SHARPER_MARCH,
    SLOWEST_FALL,
    UNLIKE,
    History,
    TrainedNetwork,
    fall_of_pass,
)
from edgewise.pde.solver.judging.evidence import LARGEST_RESIDUAL, Evidence
from edgewise.pde.solver.judging.residuals import CONDITION_POINTS
from edgewise.pde.solver.judging.uniqueness import block_squares
from edgewise.pde.solver.solution import field_values
from edgewise.settings import ABOVE_ZERO
from edgewise.train.problems.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.spaces.statement import Statement
    from edgewise.pde.tiers.evolution.problem import Known
    from edgewise.pde.tiers.evolution.stepper import Method, TimeIntegration

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
# A later pass ends where at its present pace it would need so many times what is left: paces vary.
OUT_OF_REACH = 2.0
# Even grids: growth of the number of intervals of a coordinate from pass to pass, and of the work; tolerance in time of
# the first pass, which falls as the square of the intervals, as errors in space about do. For the work 3.5 to 4.6 times
# was measured.
EVEN_GROWTH = 1.5
EVEN_DEARER = 4.0
EVEN_TOLERANCE = 1e-2
SLABS_OF_RULE = 3  # over which a judgement integrates by a rule of 24 points: its degree is 47
COARSE_GAP = 0.1  # of the field: a coarse pass leaves less at an outflow, also beside jumps
CHECK_INTERRUPTED = "Interrupted; the solution is that of the only pass, which was not compared with a coarser one."
STOPPED = {
    StopReason.BUDGET: "the budget was spent in a sharper one",
    StopReason.TIME_LIMIT: "the time was over in a sharper one",
    StopReason.INTERRUPTED: "a sharper one was interrupted",
}


class PassWatch:
    """Reports the progress of a pass through time, and ends one that would not reach the last moment."""

    def __init__(self, history: History, allowed: float, stop: list[StopReason], method: Method):
        self.history = history
        self.allowed = allowed
        self.stop = stop
        self.spent, self.began = history.work, history.seconds
        self.method = method
        self.looser: float | None = None
        self.is_out_of_reach = False
        self._begin: tuple[float, float] | None = None

    def __call__(self, share: float, slabs: int, work: float) -> bool:
        history = self.history
        history.work = self.spent + work
        history.has_result = history.has_result or slabs > 0
        history.report_progress(f"slab {slabs}, {100 * share:.0f} % of the time", self.allowed**2)
        limit = history.work_within_reach(self.spent, self.began)
        if history.exhausted:
            self.stop.append(history.exhausted[0])
        elif history.best is None and share < LEAST_BEGINNING and history.work > FORECAST_TO * history.limit:
            self.is_out_of_reach = True
        elif work > FORECAST_FROM / 2 * limit and slabs >= self.method.growing:
            self._begin = self._begin or (share, work)  # the pace of late, for first slabs are short
            if work > FORECAST_FROM * limit:
                needed = (1 - share) * (work - self._begin[1]) / max(share - self._begin[0], ABOVE_ZERO)
                excess = needed / max(limit - history.work, ABOVE_ZERO)
                if history.best is not None:
                    self.is_out_of_reach = excess > OUT_OF_REACH
                elif excess > 1 and work < FORECAST_TO * limit and self.allowed < MOST_LOOSE_MARCH:
                    steps = math.ceil(min(math.log(excess, self.method.dearer), 10))
                    most = MOST_MARCH if self.allowed < MOST_MARCH else MOST_LOOSE_MARCH
                    self.looser = min(self.allowed * SHARPER_MARCH**steps, most)
        return not self.stop and self.looser is None and not self.is_out_of_reach


def solve_in_passes(
    problem: Collocation, statement: Statement, history: History, tolerance: float, known: Known
) -> tuple[StopReason, str] | None:
    """Pass through time in slabs, again and again, each time with a sharper tolerance, until two passes agree.

    Where not even the first pass reaches the last moment, its slabs are the solution up to the moment that it reached.
    """
    method = _method_of(problem)
    allowed = min(max(FIRST_MARCH * tolerance, method.tolerances[0]), MOST_MARCH)
    costs = list[float]()
    stop: list[StopReason] = []
    while True:
        spent = history.work
        watch = PassWatch(history, allowed, stop, method)
        stepper = method.stepper(statement, allowed, watch, FINER_MARCH ** len(costs), known)
        result = history.passed(problem, stepper, stop)
        if stepper.memory is not None:
            rule = stepper.memory.rule(SLABS_OF_RULE)
            problem = Collocation(with_integrals_by(problem.form, rule), problem.sampling)
        if watch.looser is not None and not stop:
            allowed = watch.looser
            continue
        if result is not None and result.is_complete:
            history.add_stage(TrainedNetwork(result.network, problem, allowed, result.tier), result.points)
            if history.error_estimate <= tolerance:
                agree = f"Two passes through time agree to {history.error_estimate:.1g}"
                estimate = history.evidence().estimate
                if estimate <= UNLIKE * tolerance:
                    return StopReason.CONVERGED, f"{agree}, within the tolerance."
                return StopReason.NO_PROGRESS, f"{agree}, but other evidence puts the error at {estimate:.1g}."
        elif history.best is None:
            if result is None or history.aside is not None:
                return None
            if watch.is_out_of_reach:
                reason = StopReason.BUDGET
            else:
                reason = StopReason.NO_PROGRESS
            ended = history.begun(problem, result, allowed, stop[0] if stop else reason, gives_way=not stop)
            if stop or watch.is_out_of_reach:
                return ended
            return _solve_smoothed(problem, statement, history, tolerance, ended)
        elif result is not None and not watch.is_out_of_reach:
            history.compare_beginning(result.network, result.reached)
        is_last = result is None or not result.is_complete or allowed <= method.tolerances[1]
        if is_last and not (stop or watch.is_out_of_reach):
            return StopReason.NO_PROGRESS, history.message_with_residual("A sharper pass through time is no better")
        if stop:
            return stop[0], f"The solution is that of the last complete pass; {STOPPED[stop[0]]}."
        costs.append(history.work - spent)
        within_reach = history.work_within_reach(spent, watch.began)
        if watch.is_out_of_reach or history.work + method.dearer * costs[-1] > within_reach:
            if within_reach < history.limit:
                reason = StopReason.TIME_LIMIT
            else:
                reason = StopReason.BUDGET
            limits = "time limit" if reason is StopReason.TIME_LIMIT else "budget"
            ended = reason, history.message_with_residual(f"A sharper pass is out of reach of the {limits}")
            if len(history.stages) == 1:
                if history.fresh_residual > LARGEST_RESIDUAL:  # slabs that do not see how coarse their grid is
                    smoothed = _solve_smoothed(problem, statement, history, tolerance, ended)
                    if smoothed is not ended:
                        return smoothed
                if _is_check_interrupted(problem, statement, history):
                    return StopReason.INTERRUPTED, CHECK_INTERRUPTED
            return ended
        # A pass that is a little sharper is enough where the estimate is near the tolerance; others may reach rounding.
        # The error beside a jump of the start falls with its grid, no faster than such passes do.
        is_near = (
            history.error_estimate <= fall_of_pass(SHARPER_LOOSE_MARCH) * tolerance or stepper.solver.has_rough_initial
        )
        if allowed <= MOST_MARCH and not is_near:
            sharper = SHARPER_MARCH
        else:
            sharper = SHARPER_LOOSE_MARCH
        allowed = max(allowed / sharper, method.tolerances[1])


def _method_of(problem: Collocation) -> Method:
    """The method of integration in time on the domain of a problem."""
    from edgewise.pde.tiers.evolution.collocation import COLLOCATION  # imported late: `import edgewise` stays light
    from edgewise.pde.tiers.galerkin.cut_slabs import CUT_CELLS, CUT_CELLS_OF_SOLIDS, MOST_CUT_AXES

    if isinstance(problem.domain, Box):
        return COLLOCATION
    return CUT_CELLS_OF_SOLIDS if problem.domain.dimension == MOST_CUT_AXES else CUT_CELLS


def _is_check_interrupted(problem: Collocation, statement: Statement, history: History) -> bool:
    """Compare the only pass through time with one of a larger tolerance, which costs less than a sharper one.

    Without a second pass nothing knows by how much errors grow in time. Only the time limit ends it, or Ctrl-C, and
    whether that did is returned.
    """
    assert history.best is not None
    if history.best.loss <= MOST_MARCH:
        coarser = SHARPER_MARCH
    else:
        coarser = SHARPER_LOOSE_MARCH
    spent = history.work
    allowed = coarser * history.best.loss

    def watch(share: float, slabs: int, work: float) -> bool:
        history.work = spent + work
        history.report_progress(f"check, slab {slabs}, {100 * share:.0f} % of the time", allowed**2)
        return not history.past_deadline

    try:
        result = _method_of(problem).stepper(statement, allowed, watch, 1 / FINER_MARCH).run()
    except (KeyboardInterrupt, OutOfTime) as error:  # the solution itself is complete
        return isinstance(error, KeyboardInterrupt)
    if result is not None and result.is_complete:
        history.add_stage_before(TrainedNetwork(result.network, problem, allowed, result.tier), result.points)
    return False


def check_by_coarse_pass(problem: Collocation, statement: Statement, history: History) -> None:
    """Raise the error of `check_outflow` after a coarse pass in weak form: within a second."""
    from edgewise.pde.tiers.galerkin.rough import WEAK_FORM  # imported late, as below

    stepper = WEAK_FORM.stepper(statement, EVEN_TOLERANCE, lambda *_: not history.past_deadline)
    result = stepper.run()
    history.spend(stepper.evolution.work)
    if result is not None and result.is_complete:
        check_outflow(result.network, problem, statement, COARSE_GAP)


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


def solve_in_weak_form(
    problem: Collocation, statement: Statement, history: History, tolerance: float, rough: str
) -> tuple[StopReason, str] | None:
    """Pass through time in weak form on even grids, for the reason that `rough_part` has named.

    Returns the reason of the end and a sentence, or None where not even the first slab has a solution.
    """
    from edgewise.pde.tiers.galerkin.rough import WEAK_FORM  # imported late: `import edgewise` stays light

    why = f"the equation holds in its weak form, for its {rough} rough, so that residuals say nothing"
    stop = list[StopReason]()
    ended = _solve_on_even_grids(problem, history, tolerance, statement, WEAK_FORM, why, stop)
    if ended is None or isinstance(ended, tuple):
        return ended
    if stop:
        reason = stop[0]
    else:
        reason = StopReason.NO_PROGRESS
    clause = history.ended_early(problem, ended, tolerance, reason)
    history.judged(_evidence_of_even_grids(history, [], why))
    return reason, f"{clause}."


def _solve_smoothed(
    problem: Collocation,
    statement: Statement,
    history: History,
    tolerance: float,
    ended: tuple[StopReason, str] | None,
) -> tuple[StopReason, str] | None:
    """Integrate in time on even grids with smoothed fronts, where the elements of time ended early or wrong.

    Returns the stop reason and a sentence: `ended` where no integration reaches the last moment.
    """
    from edgewise.pde.tiers.evolution.collocation import SMOOTHED
    from edgewise.pde.tiers.evolution.hyperviscosity import smooths

    if not smooths(statement):
        return ended
    why = (
        "fronts are thinner than any grid within reach, and a hyperviscosity smooths them over a few intervals of "
        "{length:.2g}, so that residuals say nothing"
    )
    stop = list[StopReason]()
    smoothed = _solve_on_even_grids(problem, history, tolerance, statement, SMOOTHED, why, stop)
    if isinstance(smoothed, tuple):
        history.remark = ""
        return smoothed
    if stop:  # the budget, the time or the user
        return stop[0], ended[1] if ended else history.message_with_residual("A pass with fronts smoothed was ended")
    return ended


def _solve_on_even_grids(
    problem: Collocation,
    history: History,
    tolerance: float,
    statement: Statement,
    method: Method,
    why: str,
    stop: list[StopReason],
) -> tuple[StopReason, str] | TimeIntegration | None:
    """Pass through time on finer and finer even grids, until two of them agree or the budget is spent.

    `why` names the reason why residuals are no evidence, and `stop` gets why a limit or Ctrl-C ended it. Returns the
    reason of the end and a sentence; where not even the first pass reaches the last moment, that pass.
    """
    finer = 1.0
    changes = list[float]()
    is_complete = False
    dimension = problem.domain.dimension - 1

    def watch(share: float, slabs: int, work: float) -> bool:
        history.work = spent + work
        history.has_result = history.has_result or slabs > 0
        history.report_progress(f"slab {slabs}, {100 * share:.0f} % of the time", tolerance**2)
        stop.extend([history.exhausted[0]] if history.exhausted else [])
        return not stop

    while not stop:
        spent = history.work
        stepper = method.stepper(statement, max(tolerance, EVEN_TOLERANCE / finer**2), watch, finer)
        result = history.passed(problem, stepper, stop)
        if result is not None and result.is_complete:
            history.add_stage(TrainedNetwork(result.network, problem, tolerance, result.tier), result.points)
            changes.extend([history.stages[-1].change] if is_complete else [])
            history.judged(_evidence_of_even_grids(history, changes, why))
            is_complete = True
        elif not is_complete:
            return result
        if stop:
            break
        if history.evidence().estimate <= tolerance:
            return StopReason.CONVERGED, f"Two grids agree to {history.stages[-1].change:.1g}, within the tolerance."
        finer *= EVEN_GROWTH
        if round(finer * method.first_intervals[dimension]) > method.most_intervals[dimension]:
            return StopReason.NO_PROGRESS, "The largest grid is reached."
        if history.work + EVEN_DEARER * (history.work - spent) > history.limit:
            return StopReason.BUDGET, "A finer grid is out of reach of the budget."
    return stop[0], "The solution is that of the last complete pass."


def _evidence_of_even_grids(history: History, changes: Sequence[float], why: str) -> Evidence:
    """Judgement by the changes from grid to grid: residuals at points are no evidence.

    `why` is the reason, in which `{length}` stands for that of the longest interval.

    Errors are taken to fall from grid to grid as slowly as any two differences did, and at best with the length of the
    intervals, so that what is left is the sum of a geometric series.
    """
    assert history.best is not None
    form = history.best.problem.form
    lengths = form.domain.size / torch.tensor(history.stages[-1].grid_size)
    why = why.format(length=max(float(each) for axis, each in enumerate(lengths) if axis != form.time))
    if not changes:
        return Evidence(1.0, 0.0, (why,), ("There was one grid only, and nothing to compare it with.",))
    fall = max([1 / EVEN_GROWTH, *(after / before for before, after in pairwise(changes) if before > 0)])
    fall = min(fall, SLOWEST_FALL)
    agree = f"two solutions on different grids agree to {changes[-1]:.1g}"
    return Evidence(max(changes[-1] * fall / (1 - fall), ROUNDING), 0.0, (agree, why), ())

"""Record of one tier: its levels, what was measured of them, the error that they imply, and the judgement of the best.

Residuals and differences are measured at fresh points, which no level was made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.outcomes import StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver import messages
from edgewise.pde.solver.judging.correction import CORRECTION
from edgewise.pde.solver.judging.evidence import EVIDENCE, Evidence, judge, with_features
from edgewise.pde.solver.judging.residuals import WorstCase, residual_size, worst_case_points
from edgewise.pde.solver.judging.uniqueness import squared_residuals
from edgewise.pde.solver.limits import Ending, Limits
from edgewise.pde.solver.network import count_parameters
from edgewise.pde.solver.solution import Stage, field_values
from edgewise.pde.spaces.networks import fields_of
from edgewise.pde.tiers.level import Begun, Doubt, Level
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.pde.solver.driver import Tier


@dataclass(frozen=True)
class EstimateSettings:
    """Points at which levels are compared, and what their differences say of errors."""

    fresh_points: int = 2000  # points at which residuals and changes are measured: two digits of a root mean square
    fresh_seed: int = 31  # added to the seed of the solve, so that these points are not among those of the training
    # Stages whose ratio of change and residual counts for networks that may rest at a poor minimum.
    remembered: int = 3
    # Largest factor from one change to the next that is taken for a rate of convergence: above it is noise.
    slowest_fall: float = 0.9
    # Relative error that leaves no digit: half a unit of the first one is at most half of a number.
    no_digit: float = 0.5
    # Largest residual that is found, relative to the mean, of a solution that is smooth in time: it is about 1.
    uneven: float = 1e3
    # Largest factor by which an integration in time with a hundredth of the tolerance is believed to be better: 7 to 50
    # were measured on equations with known solutions.
    fall_of_integrations: float = 20.0
    even_growth: float = 1.5  # of the number of intervals of a coordinate from one even grid to the next
    sharper: float = 100.0  # an integration in time has so much less of a tolerance than the one before
    # A difference of two integrations in time is extrapolated to at most this multiple of the time in which it was
    # seen. Measured: to ten times that time it is no evidence.
    longest_followed: float = 2.0
    compared_points: int = 256  # at a moment, at which two integrations in time are compared
    most_growth: float = 700.0  # logarithm of the largest factor that float64 holds
    rounding: float = 1e-16  # no estimate is below it: relative rounding of float64
    correction_share: float = 0.1  # of the work so far, for the equation of the error: it costs a step of a stage
    # its multiply-adds in a second, a third of those of `StepCost`: it also evaluates residuals
    correction_pace: float = 1e9
    # Factor by which the estimate from all evidence may exceed the tolerance once two solutions agree to it: it holds
    # parts that are bounds, not errors.
    unlike: float = 10.0
    lowered: float = 0.9  # share of the residual of a grid below which a finer one counts as having lowered it
    # points of the search for large residuals, as a multiple of the fresh points, in one to three dimensions
    search_of_fresh: float = 3.0


ESTIMATES = EstimateSettings()


class Record:
    """Numbers of all levels of a tier, and its best level.

    The best one of `before`, an earlier tier, is compared with the first one where the domain is the same.
    """

    def __init__(self, tier: Tier, problem: Collocation, limits: Limits, seed: int = 0, before: Record | None = None):
        # What is solved, by which method, within which limits.
        self.tier = tier
        self.stated = problem
        self.limits = limits
        self.seed = seed
        self.before = before
        self.remark = ""
        if before is not None:
            self.remark = before.remark
        # Levels so far, and how they ended.
        self.count = 0  # number of levels
        self.stages: list[Stage] = []
        self.divergence = math.nan  # of the only level from an integration that ended earlier
        self.has_stalled = False  # whether finer levels were no better, so that errors fall no longer as residuals do
        self.is_doubted = False
        self.ended = StopReason.NO_PROGRESS  # why there are no more levels
        self.begun: Begun | None = None  # the level that the tier works at
        # The best level, the one with the least loss, and the last two.
        self._level: Level | None = None
        self._least: Level | None = None  # that with the least loss
        self.last: Level | None = None
        self.previous: Level | None = None  # that before the last
        self._is_beginning = False  # whether the last one only served to judge the best
        self._of_beginning = 0.0  # as `divergence`, of an integration that ended in the first half of the time
        # Judgement and worst-case points of the best level, once they are needed.
        self._evidence: Evidence | None = None
        self._worst_case: tuple[WorstCase, float] | None = None
        self._draw_points(problem)

    @property
    def level(self) -> Level:
        """The best level."""
        assert self._level is not None
        return self._level

    @property
    def problem(self) -> Collocation:
        """The problem that the best level solves."""
        return self.level.problem or self.stated

    @property
    def is_complete(self) -> bool:
        """Whether the best level solves the problem on the whole domain, and not only up to an earlier moment."""
        return torch.equal(self.problem.domain.bounds, self.stated.domain.bounds)

    def add(self, level: Level) -> None:
        """Measure a level, which becomes the best one, unless it only serves to judge the best one.

        That is an integration in time that ends early, after one that does not, or one with a larger tolerance.
        """
        self.begun = None
        self.limits.work += level.work
        self.limits.has_result = True
        problem = level.problem or self.stated
        # An integration that ends earlier only serves to judge.
        is_same = torch.equal(problem.domain.bounds, self._bounds)
        self._is_beginning = self.count > 0 and not is_same
        if self._is_beginning:
            self._compare_beginning(level, problem)
            return
        if not is_same:
            self._draw_points(problem)
        # A level is compared with the best one before, the first one with that of an earlier tier of the same domain.
        is_check = self.count == 1 and level.tolerance is not None and level.tolerance > (self.level.tolerance or 0.0)
        origin = self.before
        if self.count and not is_check:
            origin = self
        if origin is not None and not torch.equal(origin.problem.domain.bounds, self._bounds):
            origin = None
        # The residual at fresh points, and the difference from the level before. Where a limit ends them, nothing is
        # kept of the level.
        began = self.limits.seconds
        squares = squared_residuals(level.network, problem, self.fresh_points)
        at_fresh = WorstCase(self.fresh_points, torch.full_like(squares, 1 / len(squares)), squares)
        self._fresh_seconds = self.limits.seconds - began
        fields = field_values(level.network, problem, self.fresh_points)
        change = math.nan
        if origin is not None:
            change = _gap(fields, field_values(origin.level.network, origin.problem, self.fresh_points))
        stage = Stage(
            grid_size=fields_of(level.network).grid_sizes,
            parameters=count_parameters(level.network) + len(problem.unknowns),
            points=level.points,
            loss=level.loss,
            residual=float(squares.mean().sqrt()),
            change=change,
            seconds=round(self.limits.seconds, 3),
        )
        # One with a larger tolerance goes before the only level.
        if is_check:
            of_best = field_values(self.level.network, self.problem, self.fresh_points)
            finer = replace(self.stages[-1], change=_gap(of_best, fields), seconds=stage.seconds)
            self.stages[-1:] = [stage, finer]
            self.count += 1
            self.previous = level
            self._evidence = None
            return
        if not self.count and origin is not None:
            self.stages = list(origin.stages)
        self.stages.append(stage)
        self.count += 1
        self.previous = self.last
        self.last = level
        self._become(level, at_fresh)
        if self._least is None or level.loss < self._least.loss:
            self._least = level
            self._least_at_fresh = at_fresh
        self.report(fields_of(level.network).describe(), level.loss)

    def report(self, stage: str, loss: float) -> None:
        """Pass on what is being done."""
        self.limits.best_loss = None
        if self._level is not None:
            self.limits.best_loss = self._level.loss
        self.limits.report(stage, loss=loss)

    def return_to_least(self, *, has_stalled: bool) -> None:
        """Take the level with the least loss for the best one, perhaps after finer ones that were no better."""
        assert self._least is not None
        self.has_stalled = has_stalled
        if has_stalled or self._least is not self._level:
            self._become(self._least, self._least_at_fresh)

    def _become(self, level: Level, at_fresh: WorstCase) -> None:
        self._level = level
        self.at_fresh = at_fresh
        self._evidence = None
        self._worst_case = None

    def _draw_points(self, problem: Collocation) -> None:
        """Fresh points in the domain of a problem, which may end earlier than the whole one."""
        self._bounds = problem.domain.bounds
        self.fresh_points = problem.domain.interior(
            ESTIMATES.fresh_points, "sobol", seed=self.seed + ESTIMATES.fresh_seed
        )

    def _compare_beginning(self, level: Level, problem: Collocation) -> None:
        """Estimate the error of the only level, an integration in time, from another that ends at an earlier moment.

        Their difference is followed to the last moment: it grows on by the same factor in the same time where it more
        than doubled in the second half of the common time, as in chaotic problems, and by the same power of time
        elsewhere. It stays where it fell, as after a start that jumps. A beginning shorter than half of the time is
        no evidence for what follows: the error at its end is a lower bound.
        """
        if len(self.stages) != 1:
            return
        axis = problem.form.time
        assert axis is not None
        begin, end = self.problem.domain.bounds[axis].tolist()
        reached = float(problem.domain.bounds[axis, 1])
        x = self.fresh_points[: ESTIMATES.compared_points].clone()
        # Differences of the two integrations in the middle and at the end of the common time.
        gaps = []
        for share in (0.5, 1.0):
            x[:, axis] = begin + share * (reached - begin)
            gaps.append(_gap(*(field_values(each, self.problem, x) for each in (level.network, self.level.network))))
        half, whole = gaps
        times = (end - begin) / (reached - begin)
        self._evidence = None
        if times > ESTIMATES.longest_followed:
            self._of_beginning = max(gaps)
            return
        # Extrapolation to the last moment, exponential or by a power of time.
        growth = whole / max(half, ABOVE_ZERO)
        if growth > 2:
            exponent = 2 * (times - 1) * math.log(growth)
        else:
            exponent = math.log2(max(growth, 1.0)) * math.log(times)
        self.divergence = max(min(whole * math.exp(min(exponent, ESTIMATES.most_growth)), 1.0), ESTIMATES.rounding)

    @property
    def worst_case(self) -> WorstCase:
        """Fresh points for the best network, see `worst_case_points`; once for each level."""
        return self._search()[0]

    def _search(self) -> tuple[WorstCase, float]:
        """Points of a worst-case search, and the size of the residual there."""
        if self._worst_case is None:
            with self.limits.judging():
                is_long = self.limits.seconds_left < ESTIMATES.search_of_fresh * self._fresh_seconds
                if is_long:
                    points = self.at_fresh
                else:
                    points = worst_case_points(self.level.network, self.problem, self.seed)
            self._worst_case = points, residual_size(self.level.network, self.problem, points)
        return self._worst_case

    @property
    def residual(self) -> float:
        """Mean residual of the best level at the points that were sought for it."""
        return self._search()[1]

    @property
    def is_resolved(self) -> bool:
        """Whether the best level fulfils the equation at all."""
        return self.residual <= EVIDENCE.largest_residual

    def residual_of(self, level: Level) -> float:
        """Mean residual of another level at those fresh points that were sought for the best one; see `judge`."""
        problem = level.problem or self.stated
        points = self.worst_case._replace(squares=squared_residuals(level.network, problem, self.worst_case.x))
        residual = residual_size(level.network, problem, points)
        if not math.isfinite(residual):
            return math.inf
        return residual

    @property
    def changes(self) -> list[float]:
        """Relative differences of the levels, each from the one before."""
        return [stage.change for stage in self.stages[len(self.stages) - self.count + 1 :]]

    @property
    def error(self) -> float:
        """Estimate of the relative error of the last level from the levels; nan where there is nothing to compare."""
        return self.tier.error(self)

    def evidence(self) -> Evidence:
        """Judgement of the best level; made once for each."""
        if self._evidence is None:
            found = self.tier.judge(self)
            found = with_features(found, self.level.network, self.problem, len(self.fresh_points))
            if found.is_sound and found.estimate >= ESTIMATES.no_digit:
                size = typed_text(found.estimate, 1)
                doubt = f"The estimated error is {size} times the solution itself, so that no digit of it is known."
                found = replace(found, doubts=(doubt,))
            self._evidence = found
        return self._evidence

    def examined(self) -> Evidence:
        """Judgement of the best level by evidence that is independent of how it was made, see `judge`."""
        # Work for the equation of the error.
        level = self.level
        work = max(ESTIMATES.correction_share * min(self.limits.work, self.limits.limit), CORRECTION.work)
        if level.tolerance is not None:
            work = max(work, CORRECTION.work_of_elements)
        # Independent evidence at the worst-case points.
        points = self.worst_case
        change = self.stages[-1].change
        if len(self.stages) == 1:
            change = self.error
        with self.limits.judging():
            found = judge(
                level.network,
                self.problem,
                change=change,
                estimate=self.error,
                work=min(work, ESTIMATES.correction_pace * self.limits.seconds_left),
                points=points,
                is_minimum=level.is_graded and not self.problem.form.is_linear,
            )
        if len(self.stages) == 1 and level.tolerance is not None and math.isnan(self.divergence):
            # Residuals are those of all moments in the mean, and say little of errors that grow towards the last.
            check = f"the only integration in time had a tolerance of {typed_text(level.tolerance, 1)}"
            estimate = max(found.estimate, min(level.tolerance, found.bound), self._of_beginning)
            found = replace(found, checks=(*found.checks, check), estimate=estimate)
        # Error of the representation of the data, as of an initial field on a grid.
        if level.data_error:
            check = (
                f"sources and conditions, as the method represents them, are off by {typed_text(level.data_error, 1)}"
            )
            found = replace(found, checks=(*found.checks, check))
        return found

    def agrees(self, tolerance: float) -> bool:
        """Whether two levels agree to the tolerance, and no independent evidence contradicts them."""
        if not self.error <= tolerance:
            return False
        found = self.evidence()
        if self.tier.judges_itself:
            return True
        return found.residual <= EVIDENCE.largest_residual and found.estimate <= self.tier.unlike * tolerance

    def verdict(self, tolerance: float) -> Ending | None:
        """Why the last level is the last one that is needed, None where it is not."""
        if self._is_beginning:
            return None
        doubt = self.level.doubt
        if doubt is not None:
            self.doubt(doubt)
            return Ending(StopReason.NO_PROGRESS, messages.Clause.NO_HELP)
        if not self.agrees(tolerance):
            return None
        return Ending(StopReason.CONVERGED, messages.agreement(self))

    def cut(self, reason: StopReason) -> Ending:
        """Add the level that a limit or Ctrl-C has cut, as far as it came."""
        begun = self.begun
        if begun is None:
            return Ending(reason)
        level = begun.level()
        if level is None:
            return Ending(reason)
        self.add(level)
        if reason is StopReason.INTERRUPTED:
            return Ending(reason, begun.sentence)
        return Ending(reason)

    def settle(self, ending: Ending) -> None:
        """Choose the best level once there are no more."""
        self.ended = ending.reason
        if self.count:
            self.tier.settle(self, has_stalled=ending.reason is StopReason.NO_PROGRESS)

    def doubt(self, doubt: Doubt) -> None:
        """Doubt the best level, whose error is unknown then, if nothing else does or the doubt stands alone.

        For at a fold no solution is unique; surplus conditions are named too.
        """
        found = self.evidence()
        self.is_doubted = True
        if found.is_sound or doubt.is_alone:
            doubts: tuple[str, ...] = (doubt.sentence,)
            if self.problem.form.surplus_conditions:
                doubts = (*found.doubts, doubt.sentence)
            self._evidence = replace(found, doubts=doubts, estimate=max(found.estimate, 1.0))


def _gap(new: Tensor, old: Tensor) -> float:
    """Root mean square of the difference of two tables of fields, relative to the first one."""
    return float((new - old).norm() / new.norm().clamp(min=ABOVE_ZERO))


def error_of_networks(record: Record) -> float:
    """Error of a network that may rest at a poor minimum, so that its last change is too small.

    The last change is about the error of the level before, and residuals at fresh points fall as the error does or more
    slowly; the largest ratio of change and residual of the last levels counts.
    """
    if len(record.stages) < 2:
        return record.divergence
    return max(_by_residuals(record, list(pairwise(record.stages))[-ESTIMATES.remembered :]), ESTIMATES.rounding)


def error_of_grids(record: Record) -> float:
    """Error of a finer grid.

    A grid that leaves the residual was not finer where the error comes from, so that its change is little evidence: the
    last one that lowered the residual counts as well. Where finer grids were no better the last change itself counts.
    Beside a corner residuals fall faster than errors: changes that fall by a constant factor q from level to level
    leave q / (1 - q) times the last one.
    """
    if len(record.stages) < 2:
        return record.divergence
    pairs = list(pairwise(record.stages))[-ESTIMATES.remembered :]
    lowered = [pair for pair in pairs if pair[1].residual < ESTIMATES.lowered * pair[0].residual]
    rest = rest_of_series(record.stages[-2].change, record.stages[-1].change)
    by_residuals = _by_residuals(record, lowered[-1:] + pairs[-1:])
    return max(by_residuals, rest, record.level.data_error, ESTIMATES.rounding)


def error_of_least_squares(record: Record) -> float:
    """Error of a finer grid of least squares, whose points miss a source without a bound as those before did.

    Two such grids agree beside it and share an error that their change does not show. It falls as the residual at fresh
    points does, so that the ratios of the last levels count, as with networks.
    """
    error = error_of_grids(record)
    if record.has_stalled or len(record.stages) < 2:
        return error
    return max(error, error_of_networks(record))


def error_of_collocation(record: Record) -> float:
    """Error of a finer grid whose loss is the square of the error that its residual implies.

    The ratio of a change and the error implied before, the effectivity index [1], is alike from grid to grid: where it
    falls, two grids share an error, as beside a source without a bound, and the larger one counts.

    [1] M. Ainsworth, J. Oden, "A Posteriori Error Estimation in Finite Element Analysis", 2000, section 1.4.
    """
    pairs = list(pairwise(record.stages))[-2:]
    if not pairs:
        return record.divergence
    index = max((after.change / math.sqrt(before.loss) for before, after in pairs if before.loss > 0), default=0.0)
    shared = min(index * math.sqrt(record.stages[-1].loss), max(after.change for _, after in pairs))
    return max(error_of_grids(record), shared)


def rest_of_series(before: float, last: float) -> float:
    """What is left of a geometric series after its last two terms; 0 where the first of them is none.

    It is the last term where terms do not fall, which are none of a series yet.
    """
    if not before > 0:
        return 0.0
    if last >= before:
        return last
    ratio = min(last / before, ESTIMATES.slowest_fall)
    return last * ratio / (1 - ratio)


def error_of_integrations(record: Record) -> float:
    """Error of a sharper integration in time.

    Its residual falls faster than its error, which grows from time element to time element; one that stays large at a
    place, as where the start contradicts the boundary, leaves an error that need not fall.
    """
    if len(record.stages) < 2:
        return record.divergence
    last, before = record.stages[-1], record.stages[-2]
    is_even = record.residual <= ESTIMATES.uneven * last.residual
    fall = 1.0
    if is_even:
        fall = fall_of_integration(before.loss / last.loss)
    return max(error_of_grids(record), last.change / fall)


def error_of_even_grids(record: Record) -> float:
    """Error of the finest of even grids, whose residuals at points are no evidence.

    Errors are taken to fall from grid to grid as slowly as any two differences did, and at best with the length of the
    intervals, so that the rest is the sum of a geometric series.
    """
    changes = record.changes
    if not changes:
        return math.nan
    fall = max([1 / ESTIMATES.even_growth, *(after / before for before, after in pairwise(changes) if before > 0)])
    fall = min(fall, ESTIMATES.slowest_fall)
    return max(changes[-1] * fall / (1 - fall), ESTIMATES.rounding)


def _by_residuals(record: Record, pairs: Sequence[tuple[Stage, Stage]]) -> float:
    """The last residual times the largest ratio of change and residual, at most the largest change."""
    largest = max(after.change for _, after in pairs)
    if record.has_stalled:
        return largest
    # Richardson's extrapolation in the residual: errors fall as residuals do, and the change is the difference of two.
    ratios = []
    for before, after in pairs:
        fall = before.residual - after.residual
        if after.residual >= ESTIMATES.lowered * before.residual:
            fall = before.residual
        if fall > 0:
            ratios.append(after.change / fall)
    return min(max(ratios, default=0.0) * record.stages[-1].residual, largest)


def fall_of_integration(sharper: float) -> float:
    """Largest factor by which an integration is believed to be better, from the factor between the two tolerances."""
    return ESTIMATES.fall_of_integrations ** min(max(math.log(sharper) / math.log(ESTIMATES.sharper), 0.0), 1.0)

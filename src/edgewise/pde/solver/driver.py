"""The only outer loops of a solve: levels of a tier until two agree, and tiers until one is good enough."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeVar

from torch import Tensor

from edgewise.outcomes import OutOfTime, StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver import messages
from edgewise.pde.solver.facts import Facts
from edgewise.pde.solver.judging.evidence import Evidence
from edgewise.pde.solver.limits import Ending, Limits
from edgewise.pde.solver.plan import Plan
from edgewise.pde.solver.record import ESTIMATES, Record, error_of_grids
from edgewise.pde.tiers.level import Level

Levels = Generator[Level, None, Ending]
"""Levels of a tier, each better than the one before, and why there are no more."""


@dataclass(frozen=True)
class Task:
    """A problem in its own units, and what may be spent on it."""

    problem: Collocation
    facts: Facts
    plan: Plan
    limits: Limits
    tolerance: float
    start: Callable[[Tensor], Tensor] | None = None  # fields (N, fields) of a like problem at points (N, n)


class Tier:
    """A method of solution: the problems that it solves, its levels, and the error of the last one."""

    name: ClassVar[str]  # see `Solution`
    of_levels: ClassVar[str] = "grids"  # what its levels are
    unit: ClassVar[str] = ""  # of its errors, after a number
    own_tolerance: ClassVar[float | None] = None  # in place of the user's, where errors have another unit
    unlike: ClassVar[float] = ESTIMATES.unlike  # factor by which independent evidence may exceed the tolerance
    judges_itself: ClassVar[bool] = False  # whether residuals at points are no evidence, so that it judges itself
    is_compared: ClassVar[bool] = True  # whether its first level is compared with the last one of the tier before
    no_better: ClassVar[str] = ""  # clause where the tier before remains the best

    def solves(self, facts: Facts) -> bool:
        """Whether the method fits such problems."""
        raise NotImplementedError

    def levels(self, task: Task, record: Record) -> Levels:
        """Levels from coarse to fine, each recorded before the next one begins."""
        raise NotImplementedError

    def error(self, record: Record) -> float:
        """Relative error of the last level that the levels imply; nan where there is nothing to compare."""
        return error_of_grids(record)

    def judge(self, record: Record) -> Evidence:
        """Judgement of the best level."""
        return record.examined()

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        """Look at the best level once more; an InputError where it shows that the problem is not well posed."""
        return ending

    def settle(self, record: Record, *, has_stalled: bool) -> None:
        """Choose the best level once there are no more, and say whether finer ones were no better."""

    def gives_way(self, record: Record) -> bool:
        """Whether another tier may do better than the levels of this one, which are the last it has."""
        return False

    def follows(self, best: Attempt | None, task: Task) -> bool:
        """Whether the tier is worth trying after the best attempt so far."""
        return best is None or (
            best.ending.reason is not StopReason.CONVERGED and best.record.tier.gives_way(best.record)
        )

    def is_better(self, record: Record, other: Record) -> bool:
        """Whether its best level is better than that of an earlier tier.

        Residuals are compared, and estimated errors where the equation held: a jump of a source keeps residuals large.
        """
        if other.is_resolved and other.is_complete:
            return record.evidence().estimate < other.evidence().estimate
        return record.residual < other.residual


@dataclass(frozen=True)
class Attempt:
    """What a tier has found."""

    record: Record
    ending: Ending


L = TypeVar("L")
Received = TypeVar("Received", contravariant=True)


class Measured(Protocol[Received]):
    """Keeps levels and decides when they are enough; a `Record`, or that of eigenvalues."""

    limits: Limits

    def add(self, level: Received, /) -> None:
        """Measure a level."""

    def verdict(self, tolerance: float, /) -> Ending | None:
        """Why the last level is the last one that is needed, None where it is not."""

    def cut(self, reason: StopReason, /) -> Ending:
        """Keep what there is of a level that a limit or Ctrl-C has cut."""

    def settle(self, ending: Ending, /) -> None:
        """Choose the best level once there are no more."""


def refine(levels: Generator[L, None, Ending], record: Measured[L], tolerance: float) -> Ending:
    """Take levels until two agree, the limits end or the levels do."""
    try:
        while True:
            # One level and its measurement; the generator runs on only where that is not enough.
            record.add(next(levels))
            verdict = record.verdict(tolerance)
            if verdict is not None:
                return verdict
            record.limits.check()
    except StopIteration as end:
        ending: Ending = end.value
    except (OutOfTime, KeyboardInterrupt) as error:
        ending = record.cut(StopReason.of(error))
    # Levels that stop because a limit is over end by that limit.
    if ending.reason is StopReason.NO_PROGRESS and record.limits.over is not None:
        ending = Ending(record.limits.over)
    record.settle(ending)
    return ending


def first_good(task: Task, tiers: Sequence[Tier]) -> Attempt:
    """Try tiers in their order until one is good enough or the limits end, and return the best attempt.

    Ctrl-C is raised again, and an InputError of a time limit, where there is none yet.
    """
    best: Attempt | None = None
    for tier in tiers:
        record: Record | None = None
        ending = Ending(StopReason.NO_PROGRESS)
        try:
            # Levels of a tier, if it solves such problems and may do better.
            if not (tier.follows(best, task) and tier.solves(task.facts)):
                continue
            before: Record | None = None
            if best is not None and tier.is_compared:
                before = best.record
            record = Record(tier, task.problem, task.limits, task.plan.seed, before)
            if best is not None and not best.record.is_complete:
                record.remark = messages.hardly_begun(best.record)
            ending = refine(tier.levels(task, record), record, tier.own_tolerance or task.tolerance)
            if record.count:
                ending = tier.conclude(task, record, ending)
            if ending.reason is StopReason.INTERRUPTED:
                task.limits.hurry()
            best = _better(best, record, ending)
        except (OutOfTime, KeyboardInterrupt) as error:
            # What is cut here is a choice, a comparison or a last look: a tier that has converged is kept, else the
            # earlier one, or the only one as far as it came.
            has_converged = ending.reason is StopReason.CONVERGED
            kept = record
            if best is not None and not has_converged:
                kept = best.record
            ending = _cut(ending, StopReason.of(error))
            best = None
            if kept is not None and kept.count:
                best = Attempt(kept, ending)
        # The end, where a limit is over, or where there is nothing to go on with.
        is_interrupted = ending.reason is StopReason.INTERRUPTED
        if is_interrupted:
            task.limits.hurry()
        if best is not None and (is_interrupted or task.limits.over is not None):
            return best
        if is_interrupted:
            raise KeyboardInterrupt
        if best is None and (task.limits.is_late or task.limits.past_deadline):
            raise messages.nothing_in_time(task.problem, task.limits)
    if best is None:
        raise messages.too_high_order(task.problem.form)
    return best


def _cut(ending: Ending, reason: StopReason) -> Ending:
    """How a tier has ended whose last look was cut for a reason: no limit takes back that it has converged."""
    if ending.reason is StopReason.INTERRUPTED:
        return ending
    if ending.reason is not StopReason.CONVERGED:
        return Ending(reason)
    if reason is not StopReason.INTERRUPTED:
        return ending
    return Ending(reason, f"{ending.clause} {messages.Clause.INTERRUPTED_OTHERS}")


def _better(best: Attempt | None, record: Record, ending: Ending) -> Attempt | None:
    """The better one of two attempts, which has ended as the last one did where a limit ended that."""
    if record.count and (best is None or record.tier.is_better(record, best.record)):
        return Attempt(record, ending)
    if best is None:
        return None
    if ending.reason not in (StopReason.NO_PROGRESS, StopReason.CONVERGED):
        return Attempt(best.record, ending)
    return Attempt(best.record, replace(best.ending, clause=record.tier.no_better or best.ending.clause))

"""Work and time of a solve: what is spent, what is left, and who hears of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgewise.outcomes import Deadline, OutOfTime, Progress, ProgressCallback, StopReason
from edgewise.settings import EQUATION_BUDGET_WORK


@dataclass(frozen=True)
class ReserveSettings:
    """Seconds of a time limit for the judgement and for a first result."""

    # Share and most seconds of a time limit that are left for the judgement; seconds beyond it for a first result, so
    # that a short limit has one; and seconds for the judgement after Ctrl-C: a judgement takes a tenth of a second to
    # some seconds, and nobody waits for more than a few after Ctrl-C.
    reserved_share: float = 0.15
    most_reserved: float = 5.0
    first_grace: float = 0.25
    interrupted_seconds: float = 1.0


RESERVE = ReserveSettings()


@dataclass(frozen=True)
class Ending:
    """Why levels ended, and a clause about it, or a sentence, which needs no residual beside it; "" for the usual."""

    reason: StopReason
    clause: str = ""


class OutOfWork(OutOfTime):
    """Raised where the budget of work is spent."""


class Limits(Deadline):
    """Work and seconds that a solve may take.

    `spend` counts work and `check` raises where a limit is over; inside of tiers `check_time` and `foreseen` of
    `edgewise.outcomes` do so for the time.
    """

    def __init__(
        self,
        budget: float = 1.0,
        time_limit: float | None = None,
        progress: ProgressCallback | None = None,
        earlier_seconds: float = 0.0,
        is_judged: bool = True,
    ):
        super().__init__(self._seconds_left)
        self.limit = budget * EQUATION_BUDGET_WORK
        self.time_limit = time_limit
        self.progress = progress
        self.work = 0.0
        self.began = time.perf_counter() - earlier_seconds
        self.has_result = False  # before there is one, a short time limit has some grace
        self.is_judged = (
            is_judged  # whether some of the time is left for a judgement, and a first result has some grace
        )
        self._is_judging = False

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self.began

    @property
    def reserved(self) -> float:
        """Seconds of the time limit that are left for the judgement."""
        if self.time_limit is None or not self.is_judged:
            return 0.0
        return min(RESERVE.reserved_share * self.time_limit, RESERVE.most_reserved)

    @property
    def past_deadline(self) -> bool:
        """True once the time for the solve is over, which leaves some of the limit for its judgement."""
        return self.time_limit is not None and self.seconds > self.time_limit - self.reserved

    @property
    def over(self) -> StopReason | None:
        """The limit that is over; None where there is some of both."""
        if self.work > self.limit:
            return StopReason.BUDGET
        if self.past_deadline:
            return StopReason.TIME_LIMIT
        return None

    def spend(self, work: float) -> None:
        """Count multiply-adds."""
        self.work += work

    def check(self) -> None:
        """Raise OutOfWork or OutOfTime where a limit is over."""
        if self.over is StopReason.BUDGET:
            raise OutOfWork
        if self.over is StopReason.TIME_LIMIT:
            raise OutOfTime

    def _seconds_left(self) -> float:
        """Seconds until no further part of the work begins: more for a first result, and for the judgement."""
        if self.time_limit is None:
            return math.inf
        if self._is_judging or not self.is_judged:
            beyond = 0.0
        elif self.has_result:
            beyond = -self.reserved
        else:
            beyond = RESERVE.first_grace
        return self.time_limit + beyond - self.seconds

    def work_within_reach(self, work: float, seconds: float) -> float:
        """Most work of the solve that the budget and the time allow, at the pace since so much work and seconds."""
        passed = self.seconds - seconds
        if self.time_limit is None or not (self.work > work and passed > 0):
            return self.limit
        left = max(self.time_limit - self.reserved - self.seconds, 0.0)
        return min(self.limit, self.work + (self.work - work) / passed * left)

    def allows(self, kind: str, work: float) -> bool:
        """Whether so much work of a kind would end before the time limit, at the pace of the last part of it."""
        return self.time_limit is None or self.seconds + self.seconds_for(kind, work) <= self.time_limit

    def hurry(self) -> None:
        """After Ctrl-C: leave the judgement a second."""
        soon = self.seconds + RESERVE.interrupted_seconds
        self.time_limit = soon if self.time_limit is None else min(self.time_limit, soon)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Let a judgement have the time that is reserved for it."""
        self._is_judging = True
        try:
            with self.holds():
                yield
        finally:
            self._is_judging = False

    def report(self, stage: str, loss: float, best_loss: float | None = None) -> None:
        """Pass a `Progress` to the callback, if there is one."""
        if self.progress is not None:
            self.progress(Progress(stage, min(self.work / self.limit, 1.0), loss, best_loss, self.seconds))

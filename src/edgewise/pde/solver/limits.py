"""Work and time of a solve: the spent part, the remaining part, and the listener of its progress."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgewise.outcomes import Budget, ProgressCallback, StopReason
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


class Limits(Budget):
    """Work and seconds that a solve may take; some of the time is left for its judgement."""

    def __init__(
        self,
        budget: float = 1.0,
        time_limit: float | None = None,
        progress: ProgressCallback | None = None,
        earlier_seconds: float = 0.0,
        is_judged: bool = True,
    ):
        super().__init__(time_limit, budget * EQUATION_BUDGET_WORK, progress, began=time.monotonic() - earlier_seconds)
        self.best_loss = None
        self.has_result = False  # before there is one, a short time limit has some grace
        # Whether some of the time is left for a judgement, and a first result has some grace.
        self.is_judged = is_judged
        self._is_judging = False

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
    def seconds_left(self) -> float:
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

    @property
    def over(self) -> StopReason | None:
        """The limit that is over, the work before the time; None where there is some of both."""
        if self.work > self.limit:
            return StopReason.BUDGET
        return super().over

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
        self.time_limit = min(self.time_limit or math.inf, soon)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Let a judgement have the time that is reserved for it."""
        self._is_judging = True
        try:
            with self.holds():
                yield
        finally:
            self._is_judging = False

"""Time, work and progress of one search."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from edgewise.outcomes import OutOfTime, Progress, ProgressCallback, StopReason


def limit_of(error: OutOfTime | MemoryError) -> StopReason:
    """Return the limit by which a search ends."""
    if isinstance(error, OutOfTime):
        return StopReason.TIME_LIMIT
    return StopReason.MEMORY_LIMIT


class Clock:
    """The seconds and the work of a search so far, its time limit, and its progress callback."""

    def __init__(
        self,
        limit: float | None = None,
        progress: ProgressCallback | None = None,
        *,
        now: Callable[[], float] = time.perf_counter,
        began: float | None = None,
    ) -> None:
        # Seconds that the search may take; None for as long as it takes.
        self.limit = limit
        self.progress = progress
        # Seconds at which `check` ends the present stage; infinite if it may take as long as it takes.
        self.end = math.inf
        # What is done now, for people, and the share of the planned work that is done.
        self.stage = "search"
        self.share = 0.0
        # Multiply-adds so far, about.
        self.work = 0.0
        # Smallest held-out loss so far, NaN before there is any.
        self.best_loss = math.nan
        # The clock, and the reading at which the time began to count.
        self._now = now
        self._began = now() if began is None else began

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process: the seconds so far, and no callback."""
        return {**vars(self), "progress": None, "_began": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._began = self._now() - state["_began"]  # clocks of machines have nothing in common but their pace

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return self._now() - self._began

    @property
    def left(self) -> float:
        """Seconds to the limit, at least 0; infinite without a limit."""
        if self.limit is None:
            return math.inf
        return max(self.limit - self.seconds, 0.0)

    @property
    def is_over(self) -> bool:
        """True if the limit is reached."""
        return self.left <= 0

    def allow(self, share: float | None) -> None:
        """Let the next stage take this share of the time that is left; None for as long as it takes."""
        if share is None or self.limit is None:
            self.end = math.inf
        else:
            self.end = self.seconds + share * self.left

    def check(self) -> None:
        """Raise OutOfTime if the present stage has had its time; to be called between pieces of work."""
        if self.seconds >= self.end:
            raise OutOfTime

    def follow(self, *, is_whole: bool = False) -> Callable[[Progress], bool]:
        """Return a callback of a fit that reports its loss, and its share if the fit is all the work there is.

        It ends the fit when the limit is reached.
        """

        def report(event: Progress) -> bool:
            self.report(share=event.share if is_whole else None, loss=event.loss)
            return self.is_over

        return report

    def report(self, stage: str | None = None, share: float | None = None, loss: float | None = None) -> None:
        """Tell the callback where the search is; the share never falls."""
        self.stage = stage or self.stage
        self.share = max(self.share, min(share or 0.0, 1.0))
        if self.progress is not None:
            self.progress(Progress(self.stage, self.share, loss, self.best_loss, self.seconds))

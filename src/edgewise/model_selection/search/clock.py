"""Time, work and progress of one search."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from edgewise.outcomes import Progress, ProgressCallback


class Clock:
    """The seconds and the work of a search so far, its time limit, and its progress callback.

    Parameters
    ----------
    limit : float, optional
        Seconds that the search may take.
    progress : callable, optional
        Receives a `Progress`.

    Attributes
    ----------
    stage : str
        What is being done, for people.
    share : float
        Share of the planned work that is done.
    work : float
        Multiply-adds so far, about.
    best_loss : float
        Smallest held-out loss so far, NaN before there is any.

    Examples
    --------
    >>> clock = Clock(limit=60)
    >>> clock.is_over, clock.left <= 60
    (False, True)
    """

    def __init__(self, limit: float | None = None, progress: ProgressCallback | None = None) -> None:
        self.limit, self.progress = limit, progress
        self.stage, self.share, self.work, self.best_loss = "search", 0.0, 0.0, math.nan
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds to the limit, at least 0; infinite without a limit."""
        return math.inf if self.limit is None else max(self.limit - self.seconds, 0.0)

    @property
    def is_over(self) -> bool:
        """True if the limit is reached."""
        return self.left <= 0

    def follow(self, *, is_whole: bool = False) -> Callable[[Progress], None]:
        """Return a callback of a fit that reports its loss, and its share if the fit is all the work there is."""

        def report(event: Progress) -> None:
            self.report(share=event.share if is_whole else None, loss=event.loss)

        return report

    def report(self, stage: str | None = None, share: float | None = None, loss: float | None = None) -> None:
        """Tell the callback where the search is; the share never falls."""
        self.stage = stage or self.stage
        self.share = max(self.share, min(share or 0.0, 1.0))
        if self.progress is not None:
            self.progress(Progress(self.stage, self.share, loss, self.best_loss, self.seconds))

"""Progress and outcomes of long work, in one vocabulary for every fit, search and solve."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Literal, TypeVar, get_args

from edgewise.checks import is_one_of
from edgewise.errors import InputError, memory_errors
from edgewise.settings import WORK_A_SECOND

__all__ = ["Progress", "StopReason"]


class StopReason(StrEnum):
    """Why a fit, a search or a solve ended.

    A member is a string, so that `report.stopped == "converged"` holds and JSON stores the plain word. `sentence`
    explains it.

    Examples
    --------
    >>> from edgewise.outcomes import StopReason
    >>> StopReason("budget").sentence
    'The budget of work is spent.'
    >>> StopReason.CONVERGED == "converged"
    True
    """

    CONVERGED = "converged"
    MAX_STEPS = "max_steps"
    NO_PROGRESS = "no_progress"
    BUDGET = "budget"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    NONFINITE = "nonfinite"
    INTERRUPTED = "interrupted"
    CALLBACK = "callback"

    @property
    def sentence(self) -> str:
        """The reason as one full sentence."""
        sentences = {
            StopReason.CONVERGED: (
                "The work is complete: the requested accuracy is reached or every planned stage is done."
            ),
            StopReason.MAX_STEPS: "The largest allowed number of steps is made.",
            StopReason.NO_PROGRESS: "No further step lowers the objective.",
            StopReason.BUDGET: "The budget of work is spent.",
            StopReason.TIME_LIMIT: "The time limit is reached.",
            StopReason.MEMORY_LIMIT: "The memory limit is reached.",
            StopReason.NONFINITE: "The loss is no longer a finite number.",
            StopReason.INTERRUPTED: "The work was interrupted by the user (Ctrl-C); the best result so far is kept.",
            StopReason.CALLBACK: "A callback asked to stop; the best result so far is kept.",
        }
        return sentences[self]

    @classmethod
    def of(cls, error: BaseException) -> StopReason:
        """The limit or the request that an exception stands for, which has ended long work."""
        ends = (
            (OutOfWork, StopReason.BUDGET),
            (OutOfTime, StopReason.TIME_LIMIT),
            (MemoryError, StopReason.MEMORY_LIMIT),
            (KeyboardInterrupt, StopReason.INTERRUPTED),
        )
        return next(reason for kind, reason in ends if isinstance(error, kind))

    @property
    def is_user_request(self) -> bool:
        """True if the user ended the work, by Ctrl-C or through a callback."""
        return self in (StopReason.INTERRUPTED, StopReason.CALLBACK)

    @property
    def is_out_of_time(self) -> bool:
        """True if there are no seconds left: the time is over, or the user ended the work."""
        return self is StopReason.TIME_LIMIT or self.is_user_request


@dataclass(frozen=True)
class Progress:
    """State of a fit, a search or a solve while it runs; every progress callback receives one.

    Parameters
    ----------
    stage : str
        Description of the current stage, for people.
    share : float
        Share of the planned work that is done, from 0 to 1.
    loss : float, optional
        Latest training loss, or None where no training runs.
    best_loss : float, optional
        Smallest held-out loss (or training loss without held-out data) so far.
    seconds : float
        Wall seconds since the start.

    Examples
    --------
    >>> from edgewise.outcomes import Progress
    >>> Progress("grid of 10 intervals", share=0.25, seconds=30.0).seconds_left
    90.0
    """

    stage: str
    share: float
    loss: float | None = None
    best_loss: float | None = None
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float:
        """Wall seconds to the end of all planned work at the pace so far: an upper bound, as most work ends early."""
        return self.seconds * (1 - self.share) / max(self.share, 1e-9)


Item = TypeVar("Item")
Result = TypeVar("Result")

OnInterrupt = Literal["raise", "keep"]
"""Effect of Ctrl-C on long work: "raise" passes the KeyboardInterrupt on, "keep" returns the best result so far."""


def check_on_interrupt(value: object) -> OnInterrupt:
    """Return the argument `on_interrupt`; raise InputError unless it is "raise" or "keep"."""
    if not is_one_of(value, get_args(OnInterrupt)):
        raise InputError(f"on_interrupt must be 'raise' or 'keep', got {value!r}")
    return value  # type: ignore[return-value]


ProgressCallback = Callable[[Progress], object]
"""Function that receives a `Progress`; its return value is ignored unless the caller documents a use for it."""


class OutOfTime(Exception):
    """Raised inside of long work where the time that a part of it may take is over, or does not suffice for the next.

    Waiting in vain for a file or a network is a TimeoutError and not this.
    """


class OutOfWork(OutOfTime):
    """Raised where the budget of work is spent."""


class Budget:
    """Work in multiply-adds and seconds that long work may take, what it has taken so far, and who hears of it.

    Decisions that rest on counted work alone take the same course on a busy machine. The parts of a budget (`share`)
    count into one account. While it holds, whatever is called, however deep, counts its work (`spend`) and asks for the
    time (`check_time`, `foreseen`). What ends the work raises OutOfTime, and the loop that owns the best result catches
    that once, as it does Ctrl-C (`ends`).
    """

    def __init__(
        self,
        seconds: float | None = None,
        work: float = math.inf,
        report: ProgressCallback | None = None,
        *,
        began: float | None = None,
        whole: Budget | None = None,
    ):
        # Its seconds since the beginning, None for as long as it takes, and the work in the account at which it is
        # spent.
        self.time_limit = seconds
        self.limit = work
        self.progress = report
        # What is done now, for people, the share of the planned work that is done, and the smallest held-out loss.
        self.stage = ""
        self.done = 0.0
        self.best_loss: float | None = math.nan
        # The limit or Ctrl-C that has ended the last block of `ends`; None where nothing has.
        self.ended_by: StopReason | None = None
        # The account, of the budget of which this is a part: its work, and whether its time has ended a part of it.
        self.whole: Budget = whole or self
        self._work = 0.0
        self._is_late = False
        # A reading of `time.monotonic` at the beginning, and seconds for a unit of work, of the last part of each kind.
        if whole is not None:
            began = whole.began
        self.began: float = time.monotonic() if began is None else began
        self._paces: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process: the seconds so far, and no callback."""
        return {**vars(self), "progress": None, "began": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.began = time.monotonic() - state["began"]  # clocks of machines have nothing in common but their pace

    @classmethod
    def planned(cls, time_limit: float | None, usual: float) -> Budget:
        """Work that a core does in the seconds of a time limit, which ends it; without one that of `usual` seconds."""
        return cls(time_limit, WORK_A_SECOND * (usual if time_limit is None else time_limit))

    @property
    def work(self) -> float:
        """Work so far, of the whole."""
        return self.whole._work

    @work.setter
    def work(self, work: float) -> None:
        self.whole._work = work

    @property
    def work_left(self) -> float:
        """Work until this budget is spent; negative after it."""
        return self.limit - self.work

    @property
    def seconds(self) -> float:
        """Wall seconds since the beginning."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """Seconds until the time is over, negative after it; infinite without a limit."""
        return math.inf if self.time_limit is None else self.time_limit - self.seconds

    @property
    def limit_words(self) -> str:
        """The time limit, for sentences."""
        return f"time limit of {self.time_limit or 0.0:g} s"

    @property
    def past_deadline(self) -> bool:
        """True once the time is over."""
        return self.time_limit is not None and self.seconds >= self.time_limit

    @property
    def over(self) -> StopReason | None:
        """The limit that is over; None where there is some of both."""
        if self.past_deadline:
            self.whole._is_late = True
            return StopReason.TIME_LIMIT
        return StopReason.BUDGET if self.work >= self.limit else None

    @property
    def is_over(self) -> bool:
        """True once the work is spent or the time is over."""
        return self.over is not None

    @property
    def is_late(self) -> bool:
        """Whether the time has ended a part of the whole."""
        return self.whole._is_late

    def check(self) -> None:
        """Raise OutOfWork or OutOfTime where a limit is over."""
        over = self.over
        if over is not None:
            raise OutOfWork if over is StopReason.BUDGET else OutOfTime

    def need(self, seconds: float) -> None:
        """Raise OutOfTime unless this number of seconds is left."""
        if self.seconds_left < seconds:
            self.whole._is_late = True
            raise OutOfTime

    def seconds_for(self, kind: str, work: float) -> float:
        """Seconds that so much work takes at the pace of the last part of its kind; 0 where there was none."""
        return self._paces.get(kind, 0.0) * work

    def took(self, kind: str, work: float, seconds: float) -> None:
        """Keep the pace of a part that has ended; one without work shows none."""
        if work > 0:
            self._paces[kind] = seconds / work

    def share(self, part: float) -> Budget:
        """A budget with this part of the work that is left, and of the seconds where they are limited."""
        time_limit = self.time_limit
        if time_limit is not None:
            seconds = self.seconds
            time_limit = seconds + part * max(time_limit - seconds, 0.0)
        return Budget(time_limit, self.work + part * max(self.work_left, 0.0), self.progress, whole=self.whole)

    def at_most(self, work: float) -> Budget:
        """A budget with at most so much of the work that is left."""
        return Budget(self.time_limit, min(self.limit, self.work + work), self.progress, whole=self.whole)

    def after(self, work: float, seconds: float) -> Budget:
        """What is left after the work and the seconds of an earlier part of the same search."""
        time_limit = None if self.time_limit is None else self.time_limit - seconds
        return Budget(time_limit, self.limit - work, self.progress, whole=self.whole)

    def reporting(self, report: ProgressCallback | None) -> Budget:
        """The same budget with another receiver of progress."""
        return Budget(self.time_limit, self.limit, report, whole=self.whole)

    def keep_best(self, loss: float) -> None:
        """Keep the smallest held-out loss."""
        if self.best_loss is None or not self.best_loss <= loss:
            self.best_loss = loss

    def report(self, stage: str = "", share: float | None = None, loss: float | None = None) -> None:
        """Tell the callback what is being done; the share, by default that of the work, never falls."""
        self.stage = stage or self.stage
        if self.progress is not None:
            if share is None:
                share = 0.0
                if 0 < self.limit < math.inf:
                    share = self.work / self.limit
            self.done = max(self.done, min(share, 1.0))
            self.progress(Progress(self.stage, self.done, loss, self.best_loss, self.seconds))

    @contextmanager
    def ends(self, *, keep_interrupted: bool) -> Iterator[None]:
        """Let a limit, or Ctrl-C unless it is to be raised, end a block of the loop that owns the best result."""
        try:
            with memory_errors():
                yield
        except (OutOfTime, MemoryError) as error:
            self.ended_by = StopReason.of(error)
        except KeyboardInterrupt:
            if not keep_interrupted:
                raise
            self.ended_by = StopReason.INTERRUPTED
            self.progress = None  # it may be what raised

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C has ended the last block of `ends`."""
        return self.ended_by is StopReason.INTERRUPTED

    @contextmanager
    def holds(self) -> Iterator[None]:
        """Let the budget hold for all that a block calls."""
        token = _budget.set(self)
        try:
            yield
        finally:
            _budget.reset(token)


_budget: ContextVar[Budget | None] = ContextVar("edgewise_budget", default=None)


def with_budget(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The function under the budget of the work that calls this, for threads and processes, which would have none."""
    budget = _budget.get()
    return function if budget is None else partial(_held, budget, function)


def _held(budget: Budget, function: Callable[[Item], Result], item: Item) -> Result:
    with budget.holds():
        return function(item)


def spend(work: float) -> None:
    """Count multiply-adds into the budget of the work that calls this, if it has one; see `Budget.holds`."""
    budget = _budget.get()
    if budget is not None:
        budget.whole._work += work


def check_time() -> None:
    """Raise OutOfTime where the time of the work that calls this is over; see `Budget.holds`."""
    budget = _budget.get()
    if budget is not None:
        budget.need(0.0)


def is_affordable(kind: str, work: float, share: float) -> bool:
    """Whether work would end within a share of the time that is left, at the pace of the last part of its kind."""
    budget = _budget.get()
    return budget is None or budget.seconds_for(kind, work) <= share * budget.seconds_left


@contextmanager
def foreseen(kind: str, work: float) -> Iterator[None]:
    """Begin a part of long work that nothing interrupts, unless it would not end in time; OutOfTime if so.

    Its work, in any unit, is done at the pace of the last part of the same kind; the first one only needs some time.
    """
    budget = _budget.get()
    if budget is None:
        yield
        return
    budget.need(budget.seconds_for(kind, work))
    began = budget.seconds
    yield
    budget.took(kind, work, budget.seconds - began)

"""Progress and outcomes of long work, in one vocabulary for every fit, search and solve."""

from __future__ import annotations

import atexit
import logging
import math
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from queue import SimpleQueue
from typing import Any, Literal, TypeVar, get_args

from edgewise.errors import InputError

__all__ = ["Progress", "StopReason"]

LOGGER = logging.getLogger("edgewise")
LOGGER.addHandler(logging.NullHandler())  # as libraries do, so that nothing is printed unless the user asks for it

WAIT_SECONDS = 0.05  # between two looks at the clock while native code runs: short for people
PACE_SECONDS = 2.0  # of work before an upper bound is shown: before, the pace is not known
REFRESH_SECONDS = 0.2  # between two updates of the line: more often nobody can read
# characters of that line and of its bar
LINE_WIDTH = 100
LINE_BAR = 20


T = TypeVar("T")


class NativeThread:
    """A thread of its own for native code, and for what only the thread that has made it frees, as factors of SuperLU.

    Ctrl-C and a deadline leave a call at once. It then runs to its end in its thread, for which only the end of the
    process waits, as one that ends while LAPACK works dies by a segmentation fault; a further Ctrl-C ends it at once.
    What the thread keeps is freed there once nobody holds the object any more.
    """

    def __init__(self) -> None:
        self._server = _Server()
        self._server.start()
        weakref.finalize(self, self._server.calls.put, None)

    def __call__(self, call: Callable[[list[Any]], T]) -> T:
        """Result of a call in the thread; OutOfTime where the time is over, see `Budget`.

        The function takes the list of what the thread keeps, and releases the interpreter's lock, as factorisations of
        numpy, scipy and torch do.
        """
        future: Future[T] = Future()
        self._server.calls.put((call, future))
        while True:
            try:
                return future.result(WAIT_SECONDS)
            except TimeoutError:
                check_time()


class _Server(threading.Thread):
    """Runs calls one after the other, until there is None; a daemon, so that none without work stops a process."""

    def __init__(self) -> None:
        super().__init__(name="edgewise native code", daemon=True)
        # Puts from a collection of garbage are allowed, whatever this thread does: no other queue promises so.
        self.calls: SimpleQueue[tuple[Callable[[list[Any]], Any], Future[Any]] | None] = SimpleQueue()
        self.is_busy = False

    def run(self) -> None:
        kept: list[Any] = []
        while (item := self.calls.get()) is not None:
            self.is_busy = True
            call, future = item
            try:
                future.set_result(call(kept))
            # What native code raises, and warnings that the user has made errors.
            except (ArithmeticError, MemoryError, RuntimeError, ValueError, Warning) as error:
                future.set_exception(error)
            finally:
                future.cancel()  # does nothing to a future that has a result
                self.is_busy = False
            del item, call, future  # so that what they hold lives no longer than the call
        kept.clear()


def _servers() -> list[_Server]:
    return [thread for thread in threading.enumerate() if isinstance(thread, _Server)]


@atexit.register
def _wait_for_native_code() -> None:
    try:
        for server in _servers():
            server.calls.put(None)
            server.join()
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGINT)


def interruptible(call: Callable[[], T]) -> T:
    """Return the result of a long call of native code, from which Ctrl-C and a deadline return at once.

    OutOfTime where the time is over, see `Budget`; `call` is as for a `NativeThread`, without arguments.
    """
    return NativeThread()(lambda kept: call())


def native_call_goes_on() -> bool:
    """Return whether a call of native code still runs from which a deadline or Ctrl-C has returned."""
    return any(server.is_busy for server in _servers())


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
        return _SENTENCES[self]

    @property
    def is_user_request(self) -> bool:
        """True if the user ended the work, by Ctrl-C or through a callback."""
        return self in (StopReason.INTERRUPTED, StopReason.CALLBACK)


_SENTENCES = {
    StopReason.CONVERGED: "The work is complete: the requested accuracy is reached or every planned stage is done.",
    StopReason.MAX_STEPS: "The largest allowed number of steps is made.",
    StopReason.NO_PROGRESS: "No further step lowers the objective.",
    StopReason.BUDGET: "The budget of work is spent.",
    StopReason.TIME_LIMIT: "The time limit is reached.",
    StopReason.MEMORY_LIMIT: "The memory limit is reached.",
    StopReason.NONFINITE: "The loss is no longer a finite number.",
    StopReason.INTERRUPTED: "The work was interrupted by the user (Ctrl-C); the best result so far is kept.",
    StopReason.CALLBACK: "A callback asked to stop; the best result so far is kept.",
}


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


OnInterrupt = Literal["raise", "keep"]
"""Effect of Ctrl-C on long work: "raise" passes the KeyboardInterrupt on, "keep" returns the best result so far."""


def check_on_interrupt(value: object) -> OnInterrupt:
    """Return the argument `on_interrupt`; raise InputError unless it is "raise" or "keep"."""
    if value not in get_args(OnInterrupt):
        raise InputError(f"on_interrupt must be 'raise' or 'keep', got {value!r}")
    return value  # type: ignore[return-value]


ProgressCallback = Callable[[Progress], object]
"""Function that receives a `Progress`; its return value is ignored unless the caller documents a use for it."""


def check_progress(progress: object, *, has_line: bool = False) -> None:
    """Raise InputError unless the argument `progress` is a function or None, or, for work with a line, a bool."""
    if progress is None or callable(progress) or (has_line and isinstance(progress, bool)):
        return
    kinds = "True, False or a function of one Progress" if has_line else "a function of one Progress or None"
    raise InputError(f"progress must be {kinds}, got {progress!r}")


class OutOfTime(Exception):
    """Raised inside of long work where the time that a part of it may take is over, or does not suffice for the next.

    Waiting in vain for a file or a network is a TimeoutError and not this.
    """


class OutOfWork(OutOfTime):
    """Raised where the budget of work is spent."""


WORK_A_SECOND = 3e9  # multiply-adds of elementwise code that a core does in about a second
CALL_WORK = 5e3  # work that stands for the fixed time of a call of numpy
PRODUCT_SPEED = 4.0  # how many times faster a multiply-add is within a product of matrices


class Budget:
    """Work in multiply-adds and seconds that long work may take, what it has taken so far, and who hears of it.

    Decisions that rest on counted work alone take the same course on a busy machine. The parts of a budget (`share`)
    count into one account. While it holds, whatever is called, however deep, counts its work (`spend`) and asks for the
    time (`check_time`, `foreseen`). What ends the work raises OutOfTime, and the loop that owns the best result catches
    that once, as it does Ctrl-C.
    """

    def __init__(
        self,
        limit: float = math.inf,
        time_limit: float | None = None,
        progress: ProgressCallback | None = None,
        *,
        began: float | None = None,
        whole: Budget | None = None,
    ):
        # The work in the account at which this budget is spent, and its seconds since the beginning; None for as long
        # as it takes.
        self.limit = limit
        self.time_limit = time_limit
        self.progress = progress
        # What is done now, for people, the share of the planned work that is done, and the smallest held-out loss.
        self.stage = ""
        self.done = 0.0
        self.best_loss: float | None = math.nan
        # The account, of the budget of which this is a part: its work, and whether its time has ended a part of it.
        self.whole: Budget = whole or self
        self._work = 0.0
        self._is_late = False
        # A reading of `time.monotonic`, and seconds for a unit of work, of the last part of each kind.
        if whole is not None:
            began = whole._began
        self._began: float = time.monotonic() if began is None else began
        self._paces: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process: the seconds so far, and no callback."""
        return {**vars(self), "progress": None, "_began": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._began = time.monotonic() - state["_began"]  # clocks of machines have nothing in common but their pace

    @classmethod
    def planned(cls, time_limit: float | None, usual: float) -> Budget:
        """Work that a core does in the seconds of a time limit, which ends it; without one that of `usual` seconds."""
        return cls(WORK_A_SECOND * (usual if time_limit is None else time_limit), time_limit)

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
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        """Seconds until the time is over, negative after it; infinite without a limit."""
        return math.inf if self.time_limit is None else self.time_limit - self.seconds

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
        """Raise OutOfTime unless so many seconds are left."""
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
        return Budget(self.work + part * max(self.work_left, 0.0), time_limit, self.progress, whole=self.whole)

    def at_most(self, work: float) -> Budget:
        """A budget with at most so much of the work that is left."""
        return Budget(min(self.limit, self.work + work), self.time_limit, self.progress, whole=self.whole)

    def after(self, work: float, seconds: float) -> Budget:
        """What is left after the work and the seconds of an earlier part of the same search."""
        time_limit = None if self.time_limit is None else self.time_limit - seconds
        return Budget(self.limit - work, time_limit, self.progress, whole=self.whole)

    def reporting(self, progress: ProgressCallback | None) -> Budget:
        """The same budget with another receiver of progress."""
        return Budget(self.limit, self.time_limit, progress, whole=self.whole)

    def keep_best(self, loss: float) -> None:
        """Keep the smallest held-out loss."""
        if self.best_loss is None or not self.best_loss <= loss:
            self.best_loss = loss

    def report(self, stage: str = "", share: float | None = None, loss: float | None = None) -> None:
        """Tell the callback what is being done; the share, by default that of the work, never falls."""
        self.stage = stage or self.stage
        if self.progress is not None:
            if share is None:
                share = self.work / self.limit if 0 < self.limit < math.inf else 0.0
            self.done = max(self.done, min(share, 1.0))
            self.progress(Progress(self.stage, self.done, loss, self.best_loss, self.seconds))

    @contextmanager
    def holds(self) -> Iterator[None]:
        """Let the budget hold for all that a block calls."""
        token = _budget.set(self)
        try:
            yield
        finally:
            _budget.reset(token)


_budget: ContextVar[Budget | None] = ContextVar("edgewise_budget", default=None)

NO_LIMIT = Budget()


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


def duration_text(seconds: float) -> str:
    """Write a duration as people say it, rounded up to whole seconds, minutes or tens of minutes."""
    if seconds <= 90:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    if minutes <= 60:
        return f"{minutes} min"
    hours, tens = divmod(math.ceil(minutes / 10), 6)
    return f"{hours} h" + (f" {10 * tens} min" if tens else "")


def clock_text(progress: Progress) -> str:
    """Write the time that has passed and, once the pace is known, an upper bound of what is left, named so."""
    minutes, seconds = divmod(int(progress.seconds), 60)
    text = f"{minutes}:{seconds:02d}"
    if progress.share > 0 and progress.seconds >= PACE_SECONDS:
        text += f", at most {duration_text(progress.seconds_left)} more"
    return text


@contextmanager
def reported(
    progress: ProgressCallback | bool | None, work: str, *, verbose: bool | int = False
) -> Iterator[ProgressCallback | None]:
    """Join the callbacks of long work: the user's, a line on terminals, the log; None without any.

    Every new stage is logged under the name "edgewise" with level INFO. The line, which names the work and is there
    where `progress` or `verbose` is True, goes to stderr, where it is a terminal or a notebook; in a pipe there is
    none.
    """
    is_asked = progress is True or bool(verbose)
    callback = None if isinstance(progress, bool) else progress
    shows = is_asked and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    logs = LOGGER.isEnabledFor(logging.INFO)
    if callback is None and not shows and not logs:
        yield None
        return
    start = time.perf_counter()
    stage = ""
    shown_at = -math.inf

    def report(at: Progress) -> object:
        nonlocal stage, shown_at
        elapsed = time.perf_counter() - start
        timed = replace(at, seconds=at.seconds or elapsed)
        if logs and at.stage != stage:
            LOGGER.info("%s: %s (%.0f %%, %s)", work, at.stage, 100 * at.share, clock_text(timed))
        stage = at.stage
        if shows and elapsed - shown_at >= REFRESH_SECONDS:
            shown_at = elapsed
            filled = round(LINE_BAR * min(max(at.share, 0.0), 1.0))
            bar = "#" * filled + "." * (LINE_BAR - filled)
            sys.stderr.write(f"\r{f'{work} [{bar}] {clock_text(timed)}  {at.stage}':{LINE_WIDTH}.{LINE_WIDTH}}")
            sys.stderr.flush()
        return None if callback is None else callback(at)

    try:
        yield report
    finally:
        if shown_at > -math.inf:
            sys.stderr.write("\r" + " " * LINE_WIDTH + "\r")
            sys.stderr.flush()
        if logs:
            LOGGER.info("%s: ended after %.1f seconds", work, time.perf_counter() - start)

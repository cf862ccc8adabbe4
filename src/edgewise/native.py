"""Long calls of native code, from which Ctrl-C and a time limit return at once."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from edgewise.outcomes import check_time

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
                return future.result(0.05)  # seconds between two looks at the clock: short for people
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

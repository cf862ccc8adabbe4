"""Ctrl-C and the end of a process by the system: an answer within seconds, also during imports and in compiled code.

SIGTERM, which batch systems send before a job's time is over, and SIGHUP, which a closed terminal sends, act as Ctrl-C:
the best result so far is written. The exit code then is 128 plus the number of the signal, as shells report it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

TOLD_AFTER = 2.0  # seconds that compiled code may go on before a sentence appears
NOTHING_KEPT = b"edgewise: interrupted; nothing was kept\n"
NAMES = {"SIGINT": "Ctrl-C", "SIGTERM": "end requested (SIGTERM)", "SIGHUP": "the terminal was closed (SIGHUP)"}


@contextmanager
def importing() -> Iterator[None]:
    """Let Ctrl-C end the process with one line and exit code 130 while nothing has begun.

    No KeyboardInterrupt is raised, which modules that are half imported could hide.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    former = {number: signal.signal(number, _end_at_once) for number in _handled_signals()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _handled_signals() -> list[int]:
    """Return the signals that end the work, as far as the system has them; `nohup` makes SIGHUP one that is ignored."""
    numbers = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
    return [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]


def _end_at_once(number: int, frame: FrameType | None) -> None:
    _write(NOTHING_KEPT)
    os._exit(128 + number)


def _write(line: bytes) -> None:
    with suppress(OSError):  # the terminal may be closed
        os.write(2, line)


def finish(step: Callable[[], T]) -> tuple[T, bool]:
    """Run a short last step, which keeps earlier work, and once more if Ctrl-C meets it; return whether it did."""
    try:
        return step(), False
    except KeyboardInterrupt:
        return step(), True


class InterruptWatch:
    """A thread that answers Ctrl-C while the main thread is in compiled code, where Python's handler cannot run yet.

    After some seconds a sentence confirms that Ctrl-C was noticed; a second Ctrl-C before the computation ends stops
    the process. Python drops an interrupt that meets a callback of the garbage collector or a destructor; it is sent
    again.
    """

    def __init__(self) -> None:
        self._handled = self._received = 0
        self._ended_by: int | None = None
        self._is_sent_again = False

    def start(self) -> None:
        """Watch from now on, in the main thread of the command line."""
        # Python's C handler writes the number of each signal into this pipe at once, whatever the main thread does.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        numbers = _handled_signals()
        for number in numbers:
            signal.signal(number, self._raise)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading, numbers), daemon=True).start()
        sys.unraisablehook = self._send_again

    def end(self, code: str | int | None) -> str | int | None:
        """Return the exit code of the process, which is that of the signal if the system ended the work.

        All is written then: a signal from now on ends the process at once with that code.
        """
        ended = code if self._ended_by is None else 128 + self._ended_by

        def leave(number: int, frame: FrameType | None) -> None:
            with suppress(OSError, RuntimeError, ValueError):  # a pipe that nobody reads, amid a flush, or closed
                if sys.stdout is not None:
                    sys.stdout.flush()
            os._exit(ended if isinstance(ended, int) else int(ended is not None))  # as sys.exit understands it

        for number in _handled_signals():
            signal.signal(number, leave)
        return ended

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self._handled = max(self._handled + 1, self._received)  # the watching thread may count this one later
        if not self._is_sent_again:  # at once: keeping what there is may take a moment
            name = NAMES[signal.Signals(number).name]
            _write(b"edgewise: %s; ending and keeping what there is\n" % name.encode())
        self._is_sent_again = False
        if number != signal.SIGINT:
            self._ended_by = number
        # A closed terminal: both streams go nowhere, since writing to it is an error.
        if hasattr(signal, "SIGHUP") and number == signal.SIGHUP:  # writing to a closed terminal is an error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                if os.isatty(stream):
                    os.dup2(nowhere, stream)
            os.close(nowhere)
        raise KeyboardInterrupt

    def _send_again(self, dropped: sys.UnraisableHookArgs) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(dropped)
            return
        self._is_sent_again = True
        number = self._ended_by or signal.SIGINT
        send = partial(signal.raise_signal, number)
        if hasattr(signal, "pthread_kill"):  # it also ends a call in which the main thread waits
            send = partial(signal.pthread_kill, threading.main_thread().ident or 0, number)
        # A hundredth of a second later: time for the callback that dropped it to end.
        again = threading.Timer(0.01, send)
        again.daemon = True
        again.start()

    def _watch(self, reading: int, numbers: list[int]) -> None:
        while received := os.read(reading, 1):
            if received[0] not in numbers:
                continue
            # A second signal before the first was handled ends the process without results.
            if self._received > self._handled:
                _write(NOTHING_KEPT)
                os._exit(128 + received[0])
            self._received += 1
            threading.Thread(target=self._tell, args=(self._received,), daemon=True).start()

    def _tell(self, which: int) -> None:
        time.sleep(TOLD_AFTER)
        if self._handled < which:
            _write(b"edgewise: ends after the present computation; Ctrl-C again stops at once, without results\n")

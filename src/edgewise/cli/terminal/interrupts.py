"""Ctrl-C while modules are imported, and while compiled code runs: an answer within seconds at any moment."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgewise.cli.terminal.exit_codes import INTERRUPTED

TOLD_AFTER = 2.0  # seconds that compiled code may go on before the user is told so; a choice
NOTHING_KEPT = b"edgewise: interrupted; nothing was kept\n"
NOTICED = b"edgewise: Ctrl-C; ending and keeping what there is\n"
WAITING = b"edgewise: ends after the present computation; Ctrl-C again stops at once, without results\n"


@contextmanager
def importing() -> Iterator[None]:
    """Let Ctrl-C end the process with one line and exit code 130 while nothing has begun.

    No KeyboardInterrupt is raised, which modules that are half imported could hide.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    former = signal.signal(signal.SIGINT, _end_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os.write(2, NOTHING_KEPT)
    os._exit(INTERRUPTED)


class InterruptWatch:
    """A thread that answers Ctrl-C while the main thread is in compiled code, where Python's handler cannot run yet.

    After some seconds it says that Ctrl-C was noticed; a second Ctrl-C before the computation ends stops the process.
    """

    def __init__(self) -> None:
        self._handled = self._received = 0

    def start(self) -> None:
        """Watch from now on, in the main thread of the command line."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.signal(signal.SIGINT, self._raise)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), daemon=True).start()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self._handled = self._received
        os.write(2, NOTICED)  # at once, since keeping what there is may take a moment
        raise KeyboardInterrupt

    def _watch(self, reading: int) -> None:
        while received := os.read(reading, 1):
            if received[0] != signal.SIGINT:
                continue
            if self._received > self._handled:
                os.write(2, NOTHING_KEPT)
                os._exit(INTERRUPTED)
            self._received += 1
            threading.Thread(target=self._tell, args=(self._received,), daemon=True).start()

    def _tell(self, which: int) -> None:
        time.sleep(TOLD_AFTER)
        if self._handled < which:
            os.write(2, WAITING)

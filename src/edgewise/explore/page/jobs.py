"""One job at a time in the background of a page: its share that is done, and its end when another one begins."""

from __future__ import annotations

import threading

from edgewise.errors import CancelledError


class Jobs:
    """Numbers of jobs; a higher one cancels those before it."""

    def __init__(self) -> None:
        self.number = 0
        self.share = 0.0
        self._lock = threading.Lock()

    def begin(self) -> int:
        """End the present job, and return the number of a new one."""
        with self._lock:
            self.number += 1
            self.share = 0.0
            return self.number

    def progress(self, number: int, share: float) -> bool:
        """Note the share of a job that is done; return whether it is cancelled."""
        with self._lock:
            if number == self.number:
                self.share = share
            return number != self.number

    def check(self, number: int, share: float) -> None:
        """Note the share of a job that is done; raise CancelledError if it is cancelled."""
        if self.progress(number, share):
            raise CancelledError

"""Who hears of long work: the user's callback, a line on terminals, and the log."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from edgewise.checks import is_function
from edgewise.errors import InputError
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.presentation import clock_text

LOGGER = logging.getLogger("edgewise")
LOGGER.addHandler(logging.NullHandler())  # as libraries do, so that nothing is printed unless the user asks for it


def check_progress(progress: object, *, has_line: bool = False) -> None:
    """Raise InputError unless the argument `progress` is a function or None, or, for work with a line, a bool."""
    if progress is None or is_function(progress) or (has_line and isinstance(progress, bool)):
        return
    kinds = "a function of one Progress or None"
    if has_line:
        kinds = "True, False or a function of one Progress"
    raise InputError(f"progress must be {kinds}, got {progress!r}")


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
    width = 100  # characters of the line, and of its bar
    length = 20
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
        # The line is written five times a second: more often nobody can read.
        if shows and elapsed - shown_at >= 0.2:
            shown_at = elapsed
            filled = round(length * min(max(at.share, 0.0), 1.0))
            bar = "#" * filled + "." * (length - filled)
            sys.stderr.write(f"\r{f'{work} [{bar}] {clock_text(timed)}  {at.stage}':{width}.{width}}")
            sys.stderr.flush()
        return None if callback is None else callback(at)

    try:
        yield report
    finally:
        if shown_at > -math.inf:
            sys.stderr.write("\r" + " " * width + "\r")
            sys.stderr.flush()
        if logs:
            LOGGER.info("%s: ended after %.1f seconds", work, time.perf_counter() - start)

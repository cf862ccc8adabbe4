"""Runs a function in a process of its own, with its CPU seconds limited, and reads what it returns and what it used."""

import contextlib
import os
import pickle
import resource
import signal
import sys
from importlib import import_module

MIB = 1024  # ru_maxrss is in KiB on Linux


def cpu_seconds() -> float:
    """CPU seconds of this process so far, those of its ended children included."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def isolated(function, limit: float):
    """Call `function` in a forked process; return (result or None, error or None, peak memory in MiB).

    The parent must not have started threads; it only imports, so that no fit is charged for imports.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _child(function, limit, reading, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    _, status, usage = os.wait4(child, 0)
    peak = round(usage.ru_maxrss / MIB)
    if os.WIFSIGNALED(status):
        used = usage.ru_utime + usage.ru_stime
        over = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) and used >= 0.95 * limit
        return None, f"more than {limit:g} CPU seconds" if over else f"ended by signal {os.WTERMSIG(status)}", peak
    result, error = pickle.loads(content) if content else (None, "ended without a result")
    return result, error, peak


def _child(function, limit: float, reading: int, writing: int) -> None:
    os.close(reading)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            outcome = function(), None
    except Exception as error:
        outcome = None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    with os.fdopen(writing, "wb") as stream:
        pickle.dump(outcome, stream)
    os._exit(0)


def import_like(function, limit: float = 60.0) -> None:
    """Import what `function` imports, found by calling it in another process."""

    def modules():
        function()
        return sorted(sys.modules)

    names, _, _ = isolated(modules, limit)
    for name in names or ():
        if name not in sys.modules and not name.startswith("__"):
            with contextlib.suppress(Exception), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                import_module(name)

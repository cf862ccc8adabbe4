"""Errors of a command become one sentence on stderr and an exit code; the option --debug shows the traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

from edgewise.errors import EdgewiseError, FileError
from edgewise.escaping import terminal_line
from edgewise.files.whole import reason

# Errors of writing to a stream; those of files are FileErrors.
STREAM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@contextmanager
def guard(context: typer.Context) -> Iterator[None]:
    """Run the body of a command; turn its errors into a sentence and an exit code unless --debug is set.

    The code is 1 where the input or a file is wrong; a wrong command line is 2, Typer's own code.
    """
    debug = bool(context.obj and context.obj.get("debug"))
    try:
        from edgewise.processes import memory_limit  # imported late: it needs numpy, `--help` does not

        with memory_limit(context.obj and context.obj.get("memory_limit")):
            yield
        if sys.stdout is not None:
            sys.stdout.flush()  # while errors of the stream still have a sentence
    except (typer.Exit, typer.BadParameter):
        raise
    # Interrupts of the user and of the reader of a pipe.
    except KeyboardInterrupt as error:
        print_error(str(error) or "interrupted; nothing was kept")
        raise typer.Exit(130) from None  # 128 + SIGINT, as shells report it
    except BrokenPipeError:  # the reader of a pipe (head, less) has ended
        _leave_standard_output()
        raise typer.Exit(0) from None
    # Errors in what the user gave, which a sentence explains.
    except EdgewiseError as error:
        if debug:
            raise
        print_error(str(error))
        raise typer.Exit(1) from None
    # What remains is a full disk behind standard output, or a bug of ours.
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in STREAM_ERRORS and error.filename is None:
            _leave_standard_output()
            print_error(f"cannot write to standard output: {reason(error)}")
            raise typer.Exit(1) from None
        summary = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print_error(
            f"this is a bug in Edgewise ({summary}); please report it with the traceback that "
            f"`edgewise --debug {context.info_name} ...` shows"
        )
        raise typer.Exit(70) from None  # EX_SOFTWARE of BSD's sysexits.h


def standard_output() -> TextIO:
    """Return the stream of results; FileError where the process was started without one."""
    if sys.stdout is None:
        raise FileError("cannot write to standard output: it is closed")
    return sys.stdout


def _leave_standard_output() -> None:
    """Send the rest nowhere: Python would complain again when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(sentence: str) -> None:
    """Print one line on stderr; characters that could control the terminal are escaped."""
    typer.echo(f"edgewise: {terminal_line(sentence)}", err=True)

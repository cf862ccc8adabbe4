"""From errors to exit codes: one sentence on stderr, and no traceback unless --debug asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from edgewise.errors import EdgewiseError

FAILED = 1  # something about the input or the files, said in a sentence
USAGE = 2  # the command itself was wrong; Click's own code
BUG = 70  # EX_SOFTWARE of BSD's sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@contextmanager
def guard(context: typer.Context) -> Iterator[None]:
    """Runs a command: errors become a sentence and an exit code; `edgewise --debug` raises them as they are."""
    debug = bool(context.obj and context.obj.get("debug"))
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        say_error("interrupted; nothing was kept")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of a pipe (head, less) had enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except EdgewiseError as error:
        if debug:
            raise
        say_error(str(error))
        raise typer.Exit(FAILED) from None
    except Exception as error:
        if debug:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        say_error(
            f"this is a bug in Edgewise ({what}); please report it with the traceback that "
            f"`edgewise --debug {context.info_name} ...` shows"
        )
        raise typer.Exit(BUG) from None


def say_error(sentence: str) -> None:
    """One line on stderr; characters that could move a terminal's cursor are shown as escapes."""
    typer.echo(f"edgewise: {printable(sentence)}", err=True)


def printable(text: object) -> str:
    """A text from a file (a column name, a class) as one line that cannot control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))

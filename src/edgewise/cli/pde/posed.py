"""EQUATION on the command line: a name of the library, or a Python file that defines `problem`."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgewise.cli.shared.guard import printable
from edgewise.errors import EdgewiseError, InputError
from edgewise.files import read_bytes
from edgewise.pde import EQUATIONS, Collocation

_TRIED = 16  # points on which an exact solution is tried before the work begins


@dataclass(frozen=True, eq=False)
class Posed:
    """A problem to solve. name: as the user gave it; statement: a sentence; file: where it stands, None for a name."""

    name: str
    statement: str
    problem: Collocation
    file: Path | None = None


def open_problem(text: str) -> Posed:
    """The equation of this name, or the `problem` that this Python file defines; its `exact` too, if it has one.

    The file is run, as `python FILE.py` would: it is the user's own. A name of the library wins over a file.

    Raises:
        InputError: there is no such equation, or the file is not as above; it says in which line.
        FileError: the file is missing or cannot be read.
    """
    named = {equation.name: equation for equation in EQUATIONS}
    if text in named:
        return Posed(text, named[text].statement, named[text].make())
    if not text.endswith(".py"):
        raise InputError(
            f"EQUATION must be a file that ends in .py or one of {', '.join(named)}, got {printable(text)!r:.80}"
        )
    read_bytes(text)
    file = Path(os.path.abspath(text))
    with blamed(file):
        scope = runpy.run_path(str(file), run_name="edgewise_problem")
        if not isinstance(scope.get("problem"), Collocation):
            came = type(scope["problem"]).__name__ if "problem" in scope else "no such name"
            raise InputError(
                f"{text} must define `problem`, as problem = PDE(equation, domain, conditions), got {came}"
            )
        problem = _with_exact(scope["problem"], scope.get("exact"))
    words = " ".join((scope.get("__doc__") or "").strip().partition("\n\n")[0].split())
    return Posed(text, words or f"the problem in {text}", problem, file)


@contextmanager
def blamed(file: Path | None) -> Iterator[None]:
    """Within it, an error that comes out of the user's file is an InputError that names the line; others pass."""
    if file is None:
        yield
        return
    sys.path.insert(0, str(file.parent))
    try:
        yield
    except SyntaxError as error:
        if error.filename != str(file):
            raise
        raise InputError(f"{file.name}, line {error.lineno}: {error.msg}") from error
    except SystemExit as error:
        raise InputError(
            f"{file.name} must define `problem` and go on, it ended with exit code {error.code}"
        ) from error
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        if not lines:
            raise
        what = str(error) if isinstance(error, EdgewiseError) else f"{type(error).__name__}: {error}"
        raise InputError(f"{file.name}, line {lines[-1]}: {' '.join(what.split())}") from error
    finally:
        sys.path.remove(str(file.parent))


def _with_exact(problem: Collocation, exact: Callable | Mapping[str, Callable] | None) -> Collocation:
    """The problem with this solution, tried at a few points; as it is where `exact` is None."""
    if exact is None:
        return problem
    try:
        known = problem.with_solution(exact)
        known.exact(problem.domain.interior(_TRIED))
    except InputError as error:
        raise InputError(f"`exact` must fit the problem: {error}") from error
    return known

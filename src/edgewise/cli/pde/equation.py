"""EQUATION on the command line: a Python file that defines `problem`."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import InputError, message_of
from edgewise.pde import Collocation


@dataclass(frozen=True, eq=False)
class Equation:
    """A problem to solve."""

    name: str  # EQUATION as the user gave it
    statement: str  # the problem in one sentence
    problem: Collocation  # the equation with its domain and conditions
    file: Path  # the Python file that defines it


def open_equation(text: str) -> Equation:
    """Return the equation that a Python file defines as `problem`."""
    # The file is the user's own and is run, as `python FILE.py` would. If it defines `exact`, that is the exact
    # solution.
    file = Path(os.path.abspath(text))
    with errors_with_line(file):
        scope = runpy.run_path(str(file), run_name="edgewise_problem")
        problem = scope.get("problem")
        exact = scope.get("exact")
        if not isinstance(problem, Collocation):
            if "problem" in scope:
                given = type(problem).__name__
            else:
                given = "no such name"
            raise InputError(
                f"{text} must define `problem`, as problem = PDE(equation, domain, conditions), got {given}"
            )
        if exact is not None:
            try:
                problem = problem.with_solution(exact)
                problem.exact(problem.domain.interior(16))  # before the work begins
            except InputError as error:
                raise InputError(f"`exact` must fit the problem: {error}") from error
    words = " ".join((scope.get("__doc__") or "").strip().partition("\n\n")[0].split())
    return Equation(text, words or f"the problem in {text}", problem, file)


@contextmanager
def errors_with_line(file: Path) -> Iterator[None]:
    """Turn an error that starts in the user's file into an InputError that names the line; let other errors pass.

    The file may import modules from its own folder.
    """
    sys.path.insert(0, str(file.parent))
    try:
        yield
    # The last frame in the user's file names the line; an error without such a frame is ours.
    except SyntaxError as error:
        if error.filename != str(file):
            raise
        raise InputError(f"{file.name}, line {error.lineno}: {error.msg}") from error
    except SystemExit as error:
        raise InputError(
            f"{file.name} must define `problem` without ending the process, it ended with exit code {error.code}"
        ) from error
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        if not lines:
            raise
        message = " ".join(message_of(error).split())
        raise InputError(f"{file.name}, line {lines[-1]}: {message}") from error
    finally:
        sys.path.remove(str(file.parent))

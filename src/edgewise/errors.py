"""The errors and warnings of Edgewise; each message is one sentence: the argument, the expectation and the value."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "CancelledError",
    "CheckpointError",
    "EdgewiseError",
    "EdgewiseWarning",
    "FileError",
    "InputError",
    "MemoryLimitError",
    "MissingExtraError",
    "ProcessError",
    "SolutionWarning",
    "missing_extra",
    "warn_caller",
]


class EdgewiseError(Exception):
    """Base class of every error that Edgewise raises on purpose.

    Examples
    --------
    >>> import edgewise
    >>> try:
    ...     edgewise.KAN([2])
    ... except edgewise.errors.EdgewiseError as error:
    ...     print(type(error).__name__)
    InputError
    """

    def __str__(self) -> str:
        """Return the message in one line: the values that it shows, such as arrays, may have several."""
        return re.sub(r"\s*\n\s*", " ", super().__str__())


def message_of(error: BaseException) -> str:
    """Return the message of an error, with its type where it is none of Edgewise."""
    if isinstance(error, EdgewiseError):
        return str(error)
    return f"{type(error).__name__}: {error}"


class InputError(EdgewiseError, ValueError):
    """An argument is wrong; the message names the argument, what was expected and what was given.

    Examples
    --------
    >>> import edgewise
    >>> try:
    ...     edgewise.KAN([2, 1], grid_size=0)
    ... except ValueError as error:
    ...     print(type(error).__name__)
    InputError
    """


class FileError(EdgewiseError, OSError):
    """A file cannot be read or written: it is missing, a folder, empty or damaged, or the disk is full.

    Examples
    --------
    >>> import edgewise
    >>> try:
    ...     edgewise.load("missing.safetensors")
    ... except FileError as error:
    ...     print(error)
    cannot read missing.safetensors: no such file
    """


class CheckpointError(FileError):
    """A model file is damaged, unsafe, or of a format that this version does not know.

    Examples
    --------
    >>> from edgewise.checkpoint import from_bytes
    >>> try:
    ...     from_bytes(b"")
    ... except CheckpointError as error:
    ...     print(error)
    must be a model saved by Edgewise, got an empty file
    """


class MemoryLimitError(EdgewiseError, MemoryError):
    """The work needs more memory than `edgewise.processes.memory_limit` allows.

    Examples
    --------
    >>> issubclass(MemoryLimitError, MemoryError)
    True
    """


class MissingExtraError(EdgewiseError, ImportError):
    """An optional dependency is not installed; the message ends with the pip command that installs it.

    Examples
    --------
    >>> try:
    ...     raise missing_extra("matplotlib", "plot", "Drawing a figure")
    ... except MissingExtraError as error:
    ...     print(error)
    Drawing a figure needs matplotlib, which is not installed: pip install 'edgewise[plot]'
    """


class ProcessError(EdgewiseError, RuntimeError):
    """One of several processes that fit a model together has ended, hangs, or did not arrive.

    Examples
    --------
    >>> issubclass(ProcessError, RuntimeError)
    True
    """


class CancelledError(EdgewiseError):
    """The caller ended an edit before it was made; the network is as it was.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.explore import CancelledError, Session
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> session = Session(KAN([1, 1], dtype=torch.float64), x, x[:, 0])
    >>> try:
    ...     session.preview({"kind": "refit", "refit": 5, "train": "all"}, lambda share: share > 0.5)
    ... except CancelledError:
    ...     print("as it was")
    as it was
    """


class EdgewiseWarning(UserWarning):
    """A problem that does not stop the work, such as data outside a given domain.

    Examples
    --------
    >>> import warnings
    >>> import edgewise
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", edgewise.errors.EdgewiseWarning)
    """


class SolutionWarning(EdgewiseWarning):
    """The solution of a differential equation is not to be trusted, or ends before the last moment.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     solution = solve(PDE(lambda u: u.t - u**2, Time(0, 2), [Initial(1.0)]))  # u = 1 / (1 - t)
    >>> print(str(caught[0].message).partition(". ")[0])
    Time elements became too short, as where a solution blows up or jumps: it ends at t = 1
    """


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """Return the error for an optional package that is not installed.

    Parameters
    ----------
    package : str
        Name of the package on the package index.
    extra : str
        Extra of Edgewise that installs it.
    purpose : str
        Beginning of the sentence: the task that needs the package.

    Returns
    -------
    MissingExtraError
        Its message names the command that installs the extra.

    Examples
    --------
    >>> print(missing_extra("matplotlib", "plot", "Drawing a network"))
    Drawing a network needs matplotlib, which is not installed: pip install 'edgewise[plot]'
    """
    return MissingExtraError(f"{purpose} needs {package}, which is not installed: pip install 'edgewise[{extra}]'")


def warn_caller(message: str, category: type[Warning] = EdgewiseWarning) -> None:
    """Warn at the line outside of Edgewise, torch and scikit-learn that led to the call.

    Parameters
    ----------
    message : str
        One clear sentence.
    category : type of Warning
        Class of the warning.

    Notes
    -----
    Python 3.12 has `skip_file_prefixes` for this, earlier versions have not. Cross-validation of scikit-learn resets
    the filters of warnings for every fold; warnings of folds that differ in numbers alone are shown once.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_caller("The sea is rough.")
    >>> print(caught[0].message)
    The sea is rough.
    """
    # Up the stack to the line that called the first of these packages.
    inner = {"edgewise", "torch", "sklearn", "joblib"}
    frame = sys._getframe(1)
    level = 2
    folds = False
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in inner:
        folds |= frame.f_globals["__name__"].startswith("sklearn.model_selection")
        frame = frame.f_back
        level = level + 1
    # Within folds a sentence is shown once, whatever its numbers.
    registry = frame.f_globals.setdefault("__warningregistry__", {})  # where Python itself notes what it has shown
    key = (re.sub(r"\d[\d.,]*", "0", message), category, frame.f_lineno, "folds")
    if not (folds and key in registry):
        warnings.warn(message, category, stacklevel=level)
    if folds:
        registry[key] = True


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise MemoryError, as numpy does, where torch raises a RuntimeError for a lack of memory."""
    try:
        yield
    except RuntimeError as error:
        words = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")
        if any(each in str(error) for each in words):
            raise MemoryError(str(error)) from error
        raise

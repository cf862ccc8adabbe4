"""Checks of arguments that several rooms share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import TypeGuard

from edgewise.errors import InputError


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether `value` is a finite int or float, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` is an integer, of Python or of numpy, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_count(value: object, name: str, least: int = 1) -> None:
    """Raise InputError unless `value` is an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_names(names: Sequence[str] | None, inputs: int) -> tuple[str, ...]:
    """Return the names of the inputs as a tuple; without names they are x_1, x_2, ...

    Raises
    ------
    InputError
        If the names are not one different, nonempty text for each input.
    """
    if names is None:
        return tuple(f"x_{k + 1}" for k in range(inputs))
    names = tuple(names)
    if len(names) != inputs or not all(isinstance(name, str) and name for name in names) or len(set(names)) < inputs:
        raise InputError(f"names must be {inputs} different texts, one for each input, got {names!r}")
    return names


def check_options(function: str, options: Mapping[str, object], known: type | Iterable[str]) -> None:
    """Raise InputError if `options` contains a name that the function does not know.

    Parameters
    ----------
    function : str
        Name of the function, for the message.
    options : mapping
        The keyword arguments that were given.
    known : TypedDict class or iterable of str
        The names that are allowed.

    Examples
    --------
    >>> from typing import TypedDict
    >>> class FitOptions(TypedDict, total=False):
    ...     seed: int
    >>> check_options("fit", {"sed": 1}, FitOptions)
    Traceback (most recent call last):
    edgewise.errors.InputError: fit has no option 'sed'; its further options are seed
    """
    names = list(known.__annotations__) if isinstance(known, type) else list(known)
    unknown = next((name for name in options if name not in names), None)
    if unknown is not None:
        raise InputError(f"{function} has no option {unknown!r}; its further options are {', '.join(names)}")

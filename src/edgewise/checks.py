"""Checks of arguments that several rooms share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgewise.errors import InputError


def is_number(value) -> bool:
    """A finite int or float, not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_count(value, name: str, least: int = 1) -> None:
    """Raises InputError unless `value` is an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_names(names: Sequence[str] | None, inputs: int) -> tuple[str, ...]:
    """The names of the inputs, x_1, x_2, ... where none are given. Raises InputError where they don't fit."""
    if names is None:
        return tuple(f"x_{k + 1}" for k in range(inputs))
    names = tuple(names)
    if len(names) != inputs or not all(isinstance(name, str) and name for name in names) or len(set(names)) < inputs:
        raise InputError(f"names must be {inputs} different texts, one for each input, got {names!r}")
    return names

"""Old names of arguments keep working for one release and warn with the new name."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from edgewise.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a decorator that accepts the keyword `old` in place of `new`, with a DeprecationWarning.

    Parameters
    ----------
    old, new : str
        Former and present name of the argument.

    Raises
    ------
    InputError
        When the decorated function is called with both keywords.

    Examples
    --------
    >>> @renamed_argument("data", "problem")
    ... def double(problem):
    ...     return 2 * problem
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     double(data=3)
    6
    >>> str(caught[0].message)
    'the argument data of double is now called problem'
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise InputError(f"{new} and its former name {old} must not both be given")
                message = f"the argument {old} of {function.__name__} is now called {new}"
                warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate

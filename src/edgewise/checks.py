"""Checks of arguments that several rooms share."""

from __future__ import annotations

import math
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence, Sized
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from itertools import islice
from numbers import Integral, Real
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Self,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from edgewise.errors import EdgewiseError, InputError

if TYPE_CHECKING:
    import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


def is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether `value` names a file or a folder."""
    return isinstance(value, str | os.PathLike)


def is_real(value: object) -> TypeGuard[float]:
    """Return whether `value` is a number of Python or numpy, perhaps infinite or NaN, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def are_texts(values: Iterable[object]) -> TypeGuard[Iterable[str]]:
    """Return whether all values are texts."""
    return all(isinstance(value, str) for value in values)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether `value` is a finite int or float, and not a bool."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond the floats
        return False


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` is an integer, of Python or of numpy, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_count(value: object, name: str, least: int = 1) -> int:
    """Return `value` as an int; raise InputError unless it is an integer, of Python or numpy, of at least `least`."""
    if is_integer(value) and value >= 1 << 63:  # beyond the integers of numpy and torch
        raise InputError(f"{name} must be an integer of at most 2**63 - 1, got {value!r}")
    if not is_integer(value) or value < least:
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def check_number(value: object, name: str, *, positive: bool = False, of: str = "") -> None:
    """Raise InputError unless `value` is a finite number of at least 0, or above 0 if it must be positive."""
    if not is_number(value) or value < 0 or (positive and value == 0):
        if positive:
            kind = f"positive number{of}"
        else:
            kind = f"number{of} of at least 0"
        raise InputError(f"{name} must be a {kind}, got {value!r}")


def check_finite(cells: np.ndarray, name: str) -> None:
    """Raise InputError for the first number of an array that is NaN or infinite."""
    import numpy as np

    cells = np.atleast_1d(cells)
    if cells.dtype.kind == "f" and not np.isfinite(cells).all():
        place = np.argwhere(~np.isfinite(cells))[0]
        where = f"row {place[0] + 1}"
        if cells.ndim == 2:
            where += f" of column {place[1] + 1}"
        raise InputError(f"{name} must hold finite numbers, got {cells[tuple(place)]} in {where}, counted from 1")


def check_kind(value: object, kind: type | types.UnionType, demand: str) -> Any:
    """Return `value` if it is of a class, else raise InputError; the demand begins it, as "problem must be a PDE"."""
    if not isinstance(value, kind):
        raise InputError(f"{demand}, got {type(value).__name__}")
    return value


def is_function(value: object) -> TypeGuard[Callable[..., Any]]:
    """Return whether `value` can be called and is no class: who gives a class means an object of it."""
    return callable(value) and not isinstance(value, type)


def is_list(value: object) -> TypeGuard[Collection[Any]]:
    """Return whether `value` has items and is no text; an array of no dimension has none."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes) and getattr(value, "ndim", 1) > 0


def is_sequence(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return whether `value` is a list or a tuple, between which no argument distinguishes."""
    return isinstance(value, list | tuple)


def json_object(value: object) -> dict[str, Any]:
    """Return a value of a file in JSON if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def is_integers(value: object, least: int = 0) -> TypeGuard[Sequence[int]]:
    """Return whether `value` is a sequence of at least so many integers."""
    return isinstance(value, Sequence) and len(value) >= least and all(is_integer(item) for item in value)


def is_one_of(value: object, words: Iterable[str]) -> TypeGuard[str]:
    """Return whether `value` is one of some words; other types, whose comparison may be an array, are none."""
    return isinstance(value, str) and value in words


def typed(function: F) -> F:
    """Let a public function, or a class, answer arguments of another type than their annotation by an InputError.

    Arguments are looked at only where the function has failed, so that a call costs nothing and other types may do as
    well; an error for arguments of the right types is passed on as it came.
    """
    if isinstance(function, type):
        function.__init__ = typed(function.__init__)  # type: ignore[misc]
        return function

    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except EdgewiseError:
            raise
        except Exception as error:
            # Python's own sentence names the function where there are too many, too few or unknown arguments.
            trace = error.__traceback__
            is_entered = trace is not None and trace.tb_next is not None
            if is_entered and (fault := _wrong_type(function, arguments, keywords)):
                raise InputError(fault) from error
            raise

    return call  # type: ignore[return-value]


def _wrong_type(function: Callable[..., object], arguments: Sequence[object], keywords: Mapping[str, object]) -> str:
    """Return a sentence about the first argument that is not of its type; "" if there is none."""
    given = signature(function).bind(*arguments, **keywords).arguments
    for name, value in given.items():
        annotation = function.__annotations__.get(name, Any)
        kind = annotation
        if isinstance(annotation, str):
            try:
                place = types.SimpleNamespace(__annotations__={name: annotation})
                kind = get_type_hints(place, getattr(function, "__globals__", {}))[name]
            except NameError:  # a name that only type checkers import
                continue
        if not _is_of_type(value, kind):
            words = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
            return f"{name} must be of type {words}, got {value!r:.80}"
    return ""


def _is_of_type(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type as signatures name them; True for types that say nothing of it."""
    looked_at = 100  # of a sequence, for the type of its items
    origin = get_origin(kind) or kind
    arguments = get_args(kind)
    if kind is None or kind is types.NoneType:
        return value is None
    if origin is Annotated:
        return _is_of_type(value, arguments[0])
    if origin in (Union, types.UnionType):
        return any(_is_of_type(value, each) for each in arguments)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool_"  # of numpy
    if origin is int:
        return is_integer(value)
    if origin is float:
        return is_real(value)
    if origin in (Mapping, dict) and arguments:
        if not isinstance(value, Mapping):
            return False
        return all(all(map(_is_of_type, pair, arguments)) for pair in islice(value.items(), looked_at))
    if origin in (Sequence, list, tuple, Iterable):
        is_sequence: bool = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        rank = getattr(value, "ndim", 1)
        is_sequence = is_sequence and (rank == 1 or (rank > 1 and get_origin((*arguments, Any)[0]) is not None))
        if not is_sequence or not isinstance(value, Sized) or not arguments or arguments[-1:] != arguments[:1]:
            return is_sequence
        items: Any = value
        return all(_is_of_type(item, arguments[0]) for item in islice(items, looked_at))
    is_silent = getattr(origin, "_is_protocol", False) and not getattr(origin, "_is_runtime_protocol", False)
    if origin is Any or is_silent or not isinstance(origin, type):
        return True
    is_right = isinstance(value, origin)
    # An array has real numbers: these kinds of numpy's dtypes are complex numbers, objects, texts, records and times.
    kind_of_numbers = getattr(getattr(value, "dtype", None), "kind", "f")
    return is_right and kind_of_numbers not in "cOSUVmM" and not getattr(value, "is_complex", bool)()


def numbered(letter: str, count: int) -> tuple[str, ...]:
    """Return the names of what has none: the letter alone for one, else x1, x2, ..."""
    if count == 1:
        return (letter,)
    return tuple(f"{letter}{k + 1}" for k in range(count))


def check_names(names: Sequence[str] | None, inputs: int) -> tuple[str, ...]:
    """Return the names of the inputs as a tuple; without names they are `numbered`."""
    if names is None:
        return numbered("x", inputs)
    texts: tuple[str, ...] = ()
    if isinstance(names, str) or is_list(names):  # each letter of a text is a name
        texts = tuple(names)
    if len(texts) != inputs or not are_texts(texts) or not all(texts) or len(set(texts)) < inputs:
        raise InputError(f"names must be {inputs} different texts, one for each input, got {names!r:.80}")
    return texts


def check_labels(names: Sequence[object] | None, default: Sequence[str], argument: str = "names") -> tuple[str, ...]:
    """Return names as texts, the default ones where none are given; raise InputError unless they are as many."""
    if names is None:
        return tuple(default)
    if not is_list(names) or len(names) != len(default):
        raise InputError(f"{argument} must hold {len(default)} names, got {names!r:.80}")
    return tuple(map(str, names))


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the known name that is most like it, or all known names."""
    names = list(known)
    similar = get_close_matches(name, names, n=1)
    if similar:
        return f"did you mean {similar[0]!r}?"
    return f"the known ones are {', '.join(names)}"


def check_options(function: Callable[..., object], options: Mapping[str, object], known: type) -> None:
    """Raise InputError if `options` contains a name that neither a function or class nor the TypedDict `known` has."""
    unknown = next((name for name in options if name not in known.__annotations__), None)
    if unknown is not None:
        parameters = signature(function).parameters.values()
        names = [one.name for one in parameters if one.kind is not Parameter.VAR_KEYWORD]
        raise InputError(
            f"{function.__name__} has no option {unknown!r}; {unknown_name(unknown, [*names, *known.__annotations__])}"
        )


class Shape:
    """Mark of an array or tensor in a file: its sizes, numbers or names of sizes within a record, and its dtype."""

    def __init__(self, *sizes: int | str, dtype: str = "float64"):
        self.sizes = sizes
        self.dtype = dtype

    def __str__(self) -> str:
        return f"{self.dtype} of shape ({', '.join(map(str, self.sizes))})"

    def fault(self, value: Any, sizes: MutableMapping[str, int]) -> str:
        """Return what is wrong with an array; `sizes` are those known by name, to which those of this array come."""
        shape = tuple(value.shape)
        fits = len(shape) == len(self.sizes) and str(value.dtype).removeprefix("torch.") == self.dtype
        for size, expected in zip(shape, self.sizes, strict=False):
            if isinstance(expected, str):
                expected = sizes.setdefault(expected, size)
            fits = fits and size == expected
        if fits:
            return ""
        return f"{str(value.dtype).removeprefix('torch.')} of shape {shape}"


class Within:
    """Mark of a number, an array or a tensor in a file: finite numbers within bounds."""

    def __init__(self, least: float = -math.inf, most: float = math.inf):
        self.least = least
        self.most = most

    def __str__(self) -> str:
        least = f" of at least {self.least:g}" if self.least > -math.inf else ""
        most = f" of at most {self.most:g}" if self.most < math.inf else ""
        return f"finite numbers{least}{most}"

    def fault(self, value: Any, sizes: MutableMapping[str, int]) -> str:
        """Return what is wrong with a number or an array."""
        inside = (value >= self.least) & (value <= self.most) & (abs(value) < math.inf)
        if not isinstance(inside, bool):
            inside = inside.all()
        return "" if inside else "others"


class KnownKeywords:
    """Base of classes that refuse an unknown keyword argument by the name of the class that was called.

    Python names the class whose `__init__` is inherited instead, which a user may never have heard of.
    """

    def __new__(cls, *arguments: object, **keywords: object) -> Self:
        """Make the object if `__init__` takes all keyword arguments."""
        parameters = signature(cls.__init__).parameters.values()
        names = [one.name for one in parameters if one.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)]
        if not any(one.kind is Parameter.VAR_KEYWORD for one in parameters):
            for name in keywords:
                if name not in names:
                    raise InputError(f"{cls.__name__} has no argument {name!r}; {unknown_name(name, names[1:])}")
        return super().__new__(cls)

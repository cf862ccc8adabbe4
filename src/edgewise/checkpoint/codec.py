"""Objects in files: dataclasses become plain values and come back checked, as their annotations and marks say.

A file is read as if an enemy had written it. `plain` turns a dataclass into dictionaries, lists and numbers, which
`strict_json` writes; `read` gives the dataclass back, and every wrong type, shape, bound, unknown or missing field is a
CheckpointError with one sentence. Marks are those of `checks`, as in Annotated[np.ndarray, Shape("rows", 2)]. What
annotations cannot say, a method `fault(sizes)` of the dataclass does: it returns what is wrong, or "". A class whose
form in files is another dataclass has that as `stored_form`, made by `to_stored` and turned back by `from_stored`. A
field with metadata={"stored": False} stays out, one with metadata={"optional": True} where it is empty.

The command line reads headers with it before torch is there.
"""

from __future__ import annotations

import types
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from edgewise.checks import is_one_of, is_sequence, json_object
from edgewise.errors import CheckpointError, InputError

T = TypeVar("T")

LARGEST_WHOLE = 1 << 63  # whole numbers of files fit numpy's and torch's

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "null",
    list: "a list",
    tuple: "a list",
    dict: "an object",
    np.ndarray: "a list of numbers",
}


def plain(value: Any) -> Any:
    """Return a value with each dataclass in it as a dictionary, arrays and tuples as lists, and enum members as values.

    Tensors and dictionaries stay what they are.
    """
    if hasattr(value, "stored_form"):
        value = value.to_stored()
    if is_dataclass(value):
        items = {field: getattr(value, field.name) for field in _stored(type(value))}
        return _tag(type(value)) | {
            field.name: plain(item) for field, item in items.items() if not _is_optional(field) or item
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if is_sequence(value):
        return list(map(plain, value))
    return value


def read(kind: type[T] | types.UnionType, value: Any, what: str, sizes: Mapping[str, int] | None = None) -> T:
    """Return the object of a kind that `plain` wrote; CheckpointError, with the name `what`, for anything else.

    `sizes` are the named sizes of shapes of arrays, such as the inputs of a network.
    """
    result: T = _read(kind, value, what, ChainMap({}, dict(sizes or {})))
    return result


def _stored(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.metadata.get("stored", True)]


def _is_optional(field: Field[Any]) -> bool:
    return bool(field.metadata.get("optional", False))


def _tag(kind: type) -> dict[str, str]:
    """The entry that names a class among others that may stand in its place; such a class has a constant `kind`."""
    name = vars(kind).get("kind")
    return {"kind": name} if isinstance(name, str) and get_origin(hints(kind)["kind"]) is ClassVar else {}


@cache
def hints(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass with their marks, by the names of the fields."""
    return get_type_hints(kind, include_extras=True)


def _read(kind: Any, value: Any, place: str, sizes: ChainMap[str, int]) -> Any:
    """Return a value of a kind, which is any annotation; `place` is its name in messages."""
    origin = get_origin(kind) or kind
    arguments = get_args(kind)
    # Marks of shapes and bounds, and values that may have one of several types.
    if origin is Annotated:
        result = _read(arguments[0], value, place, sizes)
        for mark in arguments[1:]:
            if fault := mark.fault(result, sizes):
                raise CheckpointError(f"must have {mark} in {place}, got {fault}")
        return result
    if origin in (Union, types.UnionType):
        return _read_one_of(arguments, value, place, sizes)
    if origin is Any:
        return value
    # Plain words, and containers whose items are read in their turn.
    if origin is Literal:
        if not any(type(value) is type(each) and value == each for each in arguments):
            raise _unexpected(f"one of {', '.join(map(repr, arguments))}", place, value)
        return value
    if origin is tuple and arguments[-1] is not Ellipsis:
        if not is_sequence(value) or len(value) != len(arguments):
            raise _unexpected(f"a list of {len(arguments)}", place, value)
        return tuple(_read(each, item, place, sizes) for each, item in zip(arguments, value, strict=True))
    if origin in (tuple, list):
        if not isinstance(value, list | origin):
            raise _unexpected(WORDS[origin], place, value)
        return origin(_read(arguments[0], item, f"{place}[{k}]", sizes) for k, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _unexpected(WORDS[origin], place, value)
        return {
            _read(arguments[0], key, f"the keys of {place}", sizes): _read(arguments[1], item, f"{place} values", sizes)
            for key, item in value.items()
        }
    # Arrays, classes with a form of their own in files, and records.
    if origin is np.ndarray:
        return _read_array(value, place)
    if hasattr(origin, "stored_form"):
        return _made(origin.from_stored, {"stored": _read(origin.stored_form, value, place, sizes)}, place)
    if is_dataclass(origin):
        return _read_record(origin, value, place, ChainMap({}, *sizes.maps[1:]))
    # Enumerations and numbers.
    if issubclass(origin, Enum):
        if not is_one_of(value, [each.value for each in origin]):
            raise _unexpected(f"one of {', '.join(repr(each.value) for each in origin)}", place, value)
        return origin(value)
    if origin is float and type(value) is int and abs(value) < LARGEST_WHOLE:
        return float(value)
    # A bool is no number, while a parameter is a tensor.
    is_right = isinstance(value, origin) and (type(value) is origin or origin not in WORDS)
    if not is_right or (origin is int and not -LARGEST_WHOLE <= value < 2 * LARGEST_WHOLE):
        raise _unexpected(_words(origin), place, value)
    return value


def _read_one_of(kinds: Sequence[Any], value: Any, place: str, sizes: ChainMap[str, int]) -> Any:
    """Return a value of the first kind that it can be; tags distinguish records."""
    # None where a field may be missing.
    if value is None and types.NoneType in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not types.NoneType]
    # Records carry their kind as a tag.
    tagged: dict[str, Any] = {_tag(kind)["kind"]: kind for kind in kinds if is_dataclass(kind) and _tag(kind)}  # type: ignore[arg-type]
    if tagged:
        name = json_object(value).get("kind")
        if not is_one_of(name, tagged):
            raise _unexpected(f"an object of kind {' or '.join(tagged)}", place, value)
        return _read(tagged[name], value, place, sizes)
    if len(kinds) == 1:
        return _read(kinds[0], value, place, sizes)
    # Of kinds without tags, the first that reads the value without a fault.
    for kind in kinds:
        with suppress(CheckpointError):
            return _read(kind, value, place, sizes)
    raise _unexpected(" or ".join(map(_words, kinds)), place, value)


def _read_array(value: Any, place: str) -> np.ndarray:
    """Return lists of numbers, which may be nested, as an array of float64."""
    pending = [value]
    while pending:
        item = pending.pop()
        if is_sequence(item):
            pending.extend(item)
        elif type(item) is not float and not (type(item) is int and abs(item) < LARGEST_WHOLE):
            raise _unexpected(WORDS[np.ndarray], place, item)
    try:
        return np.array(value, dtype=np.float64)
    except ValueError as error:  # lists of different lengths
        raise _unexpected(WORDS[np.ndarray], place, value) from error


def _read_record(kind: Any, value: Any, place: str, sizes: ChainMap[str, int]) -> Any:
    """Return a dataclass from the dictionary of its fields; sizes that its arrays give to names hold in it alone."""
    # The fields of the record are all there, and nothing else.
    names = [field.name for field in _stored(kind)]
    if not isinstance(value, dict):
        raise _unexpected(f"an object with {', '.join(names)}", place, value)
    expected = [*_tag(kind), *names]
    optional = {field.name for field in _stored(kind) if _is_optional(field)}
    if missing := [name for name in expected if name not in value and name not in optional]:
        raise CheckpointError(f"must have {missing[0]} in {place}, got none")
    if any(value[name] != word for name, word in _tag(kind).items()):
        raise _unexpected(f"an object of kind {_tag(kind)['kind']}", place, value)
    if unknown := [name for name in value if name not in expected]:
        raise CheckpointError(f"must have {', '.join(names)} in {place}, got also {_shown(unknown[0])}")
    # Values of the fields, then what the class itself knows about a fault.
    values = {name: _read(hints(kind)[name], value[name], f"{place}.{name}", sizes) for name in names if name in value}
    result = _made(kind, values, place)
    if hasattr(result, "fault") and (fault := result.fault(sizes)):
        raise CheckpointError(f"must have {place} as it was written, got {fault}")
    return result


def _made(make: Callable[..., T], values: Mapping[str, Any], place: str) -> T:
    """Return an object of checked values, whose own checks come last."""
    try:
        return make(**values)
    except InputError as error:
        raise CheckpointError(f"must have a possible {place}: {_shown(str(error), 200)[1:-1]}") from error


def _words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is Annotated:
        return _words(get_args(kind)[0])
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return WORDS.get(origin, f"a {origin.__name__}")


def _unexpected(expected: str, place: str, value: Any) -> CheckpointError:
    shown = f"a {type(value).__name__}"
    if value is None or isinstance(value, bool | int | float | str):
        shown = _shown(value)
    return CheckpointError(f"must have {expected} as {place}, got {shown}")


def _shown(value: Any, most: int = 40) -> str:
    """The first characters of a wrong value in a message, and of a name: a file may have any."""
    return ascii(value[:most]) if isinstance(value, str) else ascii(value)[:most]

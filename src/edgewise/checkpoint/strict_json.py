"""JSON for files: parsed strictly, with a form of trees that keeps tensors, tuples and every float exactly."""

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from edgewise.errors import CheckpointError, InputError

MAX_DEPTH = 64  # optimiser states nest 5 deep; json's own limit is the interpreter's stack


def parse(text: str, what: str) -> Any:
    """Return the value of a JSON text; `what` is its name in errors.

    Stricter than the standard library: no repeated keys, no NaN or Infinity, no number beyond float64, at most
    `MAX_DEPTH` levels. The message of the CheckpointError is the second half of a sentence, "must ..., got ...".
    """
    # The depth of brackets outside of texts, before Python's own recursion meets it. Texts match from any quote on,
    # closed or not, and never backtrack: linear time on hostile text.
    outside = re.sub(r'"(?:[^"\\]++|\\.)*+"?', "", text, flags=re.DOTALL)
    depth = 0
    for bracket in re.findall(r"[\[{\]}]", outside):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise CheckpointError(f"must have a {what} nested at most {MAX_DEPTH} levels deep, got a deeper one")

    def refuse(constant: str) -> Any:
        raise CheckpointError(f"must have JSON numbers in its {what}, got {constant}")

    def finite_float(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else refuse(digits[:20])

    pairs_hook = partial(_dictionary, what=what)
    try:
        return json.loads(text, object_pairs_hook=pairs_hook, parse_constant=refuse, parse_float=finite_float)
    except ValueError as error:  # JSONDecodeError, and whole numbers of thousands of digits
        raise CheckpointError(f"must have a {what} in JSON, got something else ({error})") from error


def dump(value: Any) -> str:
    """Return compact JSON in ASCII; the same value always gives the same text."""
    return json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def encode(value: Any, what: str, tensors: dict[str, Tensor] | None, *, prefix: str = "", depth: int = 1) -> Any:
    """Return a value as plain JSON values; InputError, with its name `what`, where something in it has no form.

    Values are dictionaries, lists, tuples, numbers, text and None. One that JSON lacks becomes an object with one key
    that starts with "$": {"$float": "nan"}, {"$tuple": [...]}, {"$tensor": name}, and {"$dict": [[key, value], ...]}
    for dictionaries with keys other than plain text. `tensors` receives the tensors, under `prefix` and a number; None
    refuses them. `depth` counts the levels above this value.
    """
    if depth > MAX_DEPTH // 3:  # a level takes up to three brackets, those of "$dict"
        raise InputError(f"{what} must nest at most {MAX_DEPTH // 3} levels deep, it nests deeper")

    def inner(item: Any) -> Any:
        return encode(item, what, tensors, prefix=prefix, depth=depth + 1)

    if isinstance(value, np.generic):  # a numpy number is as good as Python's
        value = value.item()
    match value:
        # Values that JSON has.
        case None | bool() | str():
            return value
        case int():
            if abs(value) >= 1 << 1024:  # Python refuses to read thousands of digits
                raise InputError(f"{what} must hold whole numbers below 2^1024, got a larger one")
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case list():
            return [inner(item) for item in value]
        # Values that JSON lacks, as objects with one key that starts with "$".
        case float():
            return {"$float": str(float(value))}
        case Tensor() if tensors is not None:
            name = f"{prefix}{len(tensors)}"
            tensors[name] = value
            return {"$tensor": name}
        case Mapping():
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {str(key): inner(item) for key, item in value.items()}
            return {"$dict": [[inner(key), inner(item)] for key, item in value.items()]}
        case tuple():
            return {"$tuple": [inner(item) for item in value]}
    kinds = "dictionaries, lists, tuples, numbers, text and None" + ("" if tensors is None else " and tensors")
    raise InputError(f"{what} must be made of {kinds}, got {type(value).__module__}.{type(value).__qualname__}")


def decode(value: Any, what: str, tensors: dict[str, Tensor]) -> Any:
    """Return the value that `encode` wrote; takes each tensor in it out of `tensors`."""

    def inner(item: Any) -> Any:
        return decode(item, what, tensors)

    match value:
        # Values that JSON has.
        case list():
            return [inner(item) for item in value]
        case dict() if not any(key.startswith("$") for key in value):
            return {key: inner(item) for key, item in value.items()}
        # Objects with one key that starts with "$"; a pattern alone would let other keys pass.
        case {"$float": "nan" | "inf" | "-inf" as name} if len(value) == 1:
            return float(name)
        case {"$tuple": list() as items} if len(value) == 1:
            return tuple(inner(item) for item in items)
        case {"$dict": list() as items} if len(value) == 1:
            if not all(isinstance(pair, list) and len(pair) == 2 for pair in items):
                raise CheckpointError(f"must give dictionaries in its {what} as pairs, got something else")
            pairs = [(inner(key), inner(item)) for key, item in items]
            if not all(_is_key(key) for key, _ in pairs):
                raise CheckpointError(f"must have numbers or text as keys in its {what}, got something else")
            return _dictionary(pairs, what)
        case {"$tensor": str() as name} if len(value) == 1:
            if name not in tensors:
                raise CheckpointError(f"must name each tensor of its {what} once, got {name[:40]!a}")
            return tensors.pop(name)
        case dict():
            raise CheckpointError(f"must have known forms in its {what}, got {min(value)[:40]!a}")
    return value


def _dictionary(pairs: list[tuple[Any, Any]], what: str) -> dict[Any, Any]:
    """Return the dictionary of some pairs; CheckpointError where two have one key."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise CheckpointError(f"must give each key of its {what} once, got one twice")
    return result


def _is_key(key: Any) -> bool:
    """Return True for values that can be the key of a dictionary: text, numbers, None, and tuples of these."""
    match key:
        case None | bool() | int() | float() | str():
            return True
        case tuple():
            return all(map(_is_key, key))
    return False

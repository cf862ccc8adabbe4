"""JSON in checkpoints: the tree form keeps every value exactly, the parser refuses what is not strict JSON."""

import math
import struct
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgewise.checkpoint import strict_json
from edgewise.errors import CheckpointError, InputError

plain = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | st.text()
keys = plain.filter(lambda key: key == key)  # a dictionary finds no nan again
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


def same(a, b):
    """Equal in type and, for floats, in bits but for the payload of nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return a == b


def round_trip(value):
    tensors = {}
    text = strict_json.dump(strict_json.encode(value, "state", tensors, prefix="t"))
    left = dict(tensors)
    result = strict_json.decode(strict_json.parse(text, "state"), "state", left)
    assert not left
    return result


@pytest.mark.slow
@given(trees)
def test_every_value_comes_back(value):
    assert same(round_trip(value), value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", np.zeros(2), 1j, print])
def test_other_types_are_refused(value):
    with pytest.raises(InputError, match=r"^state must be made of dictionaries, lists"):
        strict_json.encode([value], "state", {})


def test_too_deep_and_too_large_are_refused_when_saving():
    loop = []
    loop.append(loop)
    with pytest.raises(InputError, match="nest at most 21 levels"):
        strict_json.encode(loop, "extra", None)
    with pytest.raises(InputError, match="below 2"):
        strict_json.encode(1 << 1024, "extra", None)


def test_the_deepest_that_is_saved_is_read():
    value = 0
    for _ in range(strict_json.MAX_DEPTH // 3 - 1):
        value = {0: value}
    assert same(round_trip(value), value)


def test_as_many_levels_are_read_as_are_allowed():
    most = strict_json.MAX_DEPTH
    value = strict_json.parse("[" * most + "]" * most, "extra")
    for _ in range(most - 1):
        (value,) = value
    assert value == []
    with pytest.raises(CheckpointError, match=f"nested at most {most} levels"):
        strict_json.parse("[" * (most + 1) + "]" * (most + 1), "extra")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "got NaN"),
        ("[-Infinity]", "got -Infinity"),
        ("[1e999]", "got 1e999"),
        ('{"a": 1, "a": 1}', "got one twice"),
        ("[" * 65 + "]" * 65, "at most 64 levels"),
        ("[" * 10**6, "at most 64 levels"),
        ('{"a":' * 10**5, "at most 64 levels"),
        ("[" + "9" * 10**5 + "]", "in JSON"),
        ("", "in JSON"),
        ("{'a': 1}", "in JSON"),
        ('{"a": 1} {}', "in JSON"),
        ('"\x01"', "in JSON"),
    ],
)
def test_text_that_is_not_strict_json(text, message):
    with pytest.raises(CheckpointError, match=message):
        strict_json.parse(text, "state")


@pytest.mark.parametrize("text", ['"' + '\\"' * 10**6, '"' * 10**6 + "\\", "\\" * 10**6])
def test_hostile_quotes_take_linear_time(text):
    start = time.process_time()
    with pytest.raises(CheckpointError):
        strict_json.parse(text, "header")
    assert time.process_time() - start < 5  # it takes 0.1; in quadratic time it would take days


@pytest.mark.parametrize(
    "value",
    [
        {"$float": "1.5"},
        {"$float": math.pi},
        {"$float": []},
        {"$tuple": 3},
        {"$dict": {"a": 1}},
        {"$dict": [[1]]},
        {"$dict": [[1, 2], [1, 3]]},
        {"$dict": [[[1], 2]]},
        {"$dict": [[{"a": 1}, 2]]},
        {"$tensor": "absent"},
        {"$tensor": ["t"]},
        {"$unknown": 1},
        {"$float": "nan", "b": 1},
        [{"$tensor": "t"}, {"$tensor": "t"}],
    ],
)
def test_forms_that_no_save_writes(value):
    with pytest.raises(CheckpointError, match="state"):
        strict_json.decode(value, "state", {"t": torch.zeros(1)})

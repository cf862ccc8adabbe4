"""Dataclasses as plain values: they come back equal, and everything else is refused in a sentence."""

import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from edgewise.checkpoint import codec
from edgewise.checks import Shape, Within
from edgewise.errors import CheckpointError, InputError
from edgewise.outcomes import StopReason


@dataclass(frozen=True)
class Round:
    kind: ClassVar[str] = "round"
    radius: Annotated[float, Within(0)]


@dataclass(frozen=True)
class Square:
    kind: ClassVar[str] = "square"
    sides: tuple[int, int]

    def __post_init__(self):
        if self.sides == (13, 13):
            raise InputError("sides must not be 13")


@dataclass(frozen=True, eq=False)
class Whole:
    name: str
    shapes: tuple[Round | Square, ...]
    stopped: StopReason
    mark: Literal["", ","] | None
    limits: Annotated[np.ndarray, Shape("inputs", 2), Within()]
    more: Annotated[np.ndarray, Shape("rows")]
    again: Annotated[np.ndarray, Shape("rows")]
    tensor: Annotated[Tensor, Shape("rows", dtype="float32")]
    facts: dict[str, Any] = field(default_factory=dict)
    known: dict[str | int, float | None] = field(default_factory=dict)
    kept: bool = True
    secret: object = field(default=None, metadata={"stored": False})

    def fault(self, sizes):
        return "no rows" if sizes["rows"] == 0 else ""


def whole():
    numbers = np.array([1.0, math.nan])
    return Whole(
        "a",
        (Round(1.0), Square((1, 2))),
        StopReason.BUDGET,
        None,
        np.array([[0.0, 1.0]]),
        numbers,
        numbers,
        torch.ones(2),
        {"t": (1, [2])},
        {"x": None, 3: 1.5},
        secret=object(),
    )


def read(value):
    return codec.read(Whole, value, "whole", {"inputs": 1})


def test_it_comes_back():
    tree = codec.plain(whole())
    again = read(tree)
    assert codec.plain(again).keys() == tree.keys() and "secret" not in tree and again.secret is None
    assert again.shapes == whole().shapes and again.stopped is StopReason.BUDGET
    assert again.facts == {"t": (1, [2])} and again.known == {"x": None, 3: 1.5}
    assert again.limits.tobytes() == whole().limits.tobytes() and np.isnan(again.more[1])
    assert json.dumps(tree["shapes"]) == '[{"kind": "round", "radius": 1.0}, {"kind": "square", "sides": [1, 2]}]'


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", 3, "text as whole.name, got 3"),
        ("name", None, "text as whole.name, got None"),
        ("shapes", {}, "a list as whole.shapes, got a dict"),
        ("shapes", [{"kind": "oval"}], "an object of kind round or square as whole.shapes\\[0\\], got a dict"),
        ("shapes", [{"kind": "round"}], "radius in whole.shapes\\[0\\], got none"),
        ("shapes", [{"kind": "round", "radius": -1.0}], "finite numbers of at least 0 in .*radius, got others"),
        ("shapes", [{"kind": "round", "radius": math.inf}], "finite numbers of at least 0 in .*radius, got others"),
        ("shapes", [{"kind": "round", "radius": True}], "a number as .*radius, got True"),
        ("shapes", [{"kind": "square", "sides": [1]}], "a list of 2 as .*sides"),
        ("shapes", [{"kind": "square", "sides": [1, 2.0]}], "a whole number as .*sides"),
        ("shapes", [{"kind": "square", "sides": [1, 1 << 64]}], "a whole number"),
        ("shapes", [{"kind": "square", "sides": [13, 13]}], "a possible whole.shapes.*: sides must not be 13"),
        ("shapes", [{"kind": "round", "radius": 1.0, "\n" * 99: 1}], "got also"),
        ("stopped", "tired", "one of 'converged', .* as whole.stopped, got 'tired'"),
        ("mark", ".", "one of '', ',' as whole.mark, got '.'"),
        ("limits", [[0.0, 1.0]] * 2, r"of shape \(inputs, 2\) in whole.limits, got .* of shape \(2, 2\)"),
        ("limits", [[0.0, 1.0], [0.0]], "a list of numbers as whole.limits"),
        ("limits", [["0", 1.0]], "a list of numbers as whole.limits, got '0'"),
        ("limits", [[math.nan, 1.0]], "finite numbers in whole.limits"),
        ("limits", 10**400, "a list of numbers as whole.limits, got 1000"),
        ("again", [1.0], r"float64 of shape \(rows\) in whole.again"),
        ("tensor", torch.ones(2).double(), "float32 of shape .* in whole.tensor, got float64"),
        ("tensor", [1.0], "a Tensor as whole.tensor, got a list"),
        ("facts", [], "an object as whole.facts"),
        ("known", {1.5: None}, "text or a whole number as the keys of whole.known"),
        ("known", {"x": "y"}, "a number as whole.known"),
        ("kept", 1, "true or false as whole.kept, got 1"),
        ("other", 1, "got also 'other'"),
        ("secret", 1, "got also 'secret'"),
        ("more", [], "rows"),
    ],
)
def test_everything_else_is_refused_in_a_sentence(name, value, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        read(codec.plain(whole()) | {name: value})
    text = str(caught.value)
    assert text.startswith("must have ") and text.isprintable() and len(text) < 300


def test_missing_fields_and_faults():
    tree = codec.plain(whole())
    for name in tree:
        with pytest.raises(CheckpointError, match=f"must have {name} in whole, got none"):
            read({key: value for key, value in tree.items() if key != name})
    with pytest.raises(CheckpointError, match="must have whole as it was written, got no rows"):
        read(tree | {"more": [], "again": [], "tensor": torch.ones(0)})
    with pytest.raises(CheckpointError, match=r"must have an object with name, shapes, .* as whole, got 3"):
        read(3)

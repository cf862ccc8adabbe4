"""Fronts as plain values: the same formulas come back, and all other values are refused."""

import json
import math

import numpy as np
import pytest

from edgewise.checkpoint import codec, strict_json
from edgewise.discovery.finder import find_formula
from edgewise.errors import CheckpointError
from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.outcomes import StopReason

X = np.random.default_rng(0).uniform(0.5, 2, (200, 2))


def there_and_back(front):
    text = json.dumps(strict_json.encode(codec.plain(front), "front", None), allow_nan=False)
    return codec.read(Front, strict_json.decode(json.loads(text), "front", {}), "front", {"inputs": 2})


def test_the_same_front_comes_back():
    front = find_formula(X, np.exp(-X[:, 0]) / X[:, 1] / np.sqrt(2 * np.pi), names=["a b", "c"], time_limit=5)
    again = there_and_back(front)
    assert str(again) == str(front) and again.best.formula == front.best.formula
    assert again.stopped is front.stopped is StopReason.CONVERGED
    assert [entry.formula for entry in again] == [entry.formula for entry in front]
    np.testing.assert_array_equal(again.best.formula(X), front.best.formula(X))


def test_every_kind_of_part_and_numbers_that_are_none():
    node = parse_expression("besselj0(3*a)**-0.5 + abs(a)*c*1.23456789e-30 + 2*pi", ["a", "c"])
    front = Front((FrontEntry(Formula(node, ("a", "c")), 0.1, outside=math.inf),), 10, 1.0, ("said",), 3, 0)
    again = there_and_back(front)
    assert again[0].formula == front[0].formula and again[0].outside == math.inf and math.isnan(again[0].fresh)
    assert (again.samples, again.variance, again.messages, again.held_out, again.chosen) == (10, 1.0, ("said",), 3, 0)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [["input", 2]],
        [["input", -1]],
        [["input", 0], ["call", "system"]],
        [["input", 0], ["+", 2]],
        [["input", 0], ["+", 1]],
        [["input", 0], ["+", -1]],
        [["input", 0], ["input", 0]],
        [["number", 1.0, 1, 0, ""]],
        [["number", "text"]],
        [["number", 1.0, 1, 2]],
        [["input", 0]] * 20_000,
    ],
)
def test_other_tokens_are_refused(tokens):
    front = Front((FrontEntry(Formula(parse_expression("a", ["a", "c"]), ("a", "c")), 0.1),), 10, 1.0)
    fields = codec.plain(front)
    fields["entries"][0]["formula"]["tokens"] = tokens
    with pytest.raises(CheckpointError, match=r"^must have "):
        codec.read(Front, fields, "front", {"inputs": 2})


def test_other_fields_are_refused():
    front = Front((FrontEntry(Formula(parse_expression("a", ["a", "c"]), ("a", "c")), 0.1),), 10, 1.0)
    changes = (
        {"version": 2},
        {"loss_name": 3},
        {"entries": []},
        {"chosen": 1},
        {"chosen": True},
        {"samples": 0},
        {"as_good": [1]},
    )
    for change in (*changes, {"samples": math.inf}, {"held_out": math.inf}):  # 1e999 in a file
        with pytest.raises(CheckpointError, match=r"^must have "):
            codec.read(Front, {**codec.plain(front), **change}, "front", {"inputs": 2})
    with pytest.raises(CheckpointError, match="got formulas of other inputs"):
        codec.read(Front, codec.plain(front), "front", {"inputs": 3})

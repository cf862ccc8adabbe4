"""Fronts as plain values: the same formulas come back, and all other values are refused."""

import json
import math

import numpy as np
import pytest

from edgewise.checkpoint import codec, strict_json
from edgewise.discovery.finder import find_formula
from edgewise.errors import CheckpointError, InputError
from edgewise.formulas.expression import Add, Multiply, Number, parse_expression
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


def formula_there_and_back(formula):
    return codec.read(Formula, json.loads(json.dumps(codec.plain(formula))), "formula")


@pytest.mark.parametrize(
    "text",
    ["a/3*c - (a + c) - 2.5", "(a + c) + 1/a", "-a*c", "(-2)**2*a", "(a**2)**3", "a**c", "(2*a)*(c*3)", "a - -2*c/7"],
)
def test_a_text_holds_the_tree_as_it_is(text):
    formula = Formula(parse_expression(text, ["a", "c"]), ("a", "c"))
    assert formula_there_and_back(formula) == formula


def test_a_sum_that_could_not_be_read_back_is_not_written():
    formula = Formula(Add(tuple(Number(float(k)) for k in range(3000))), ())
    with pytest.raises(InputError, match="formulas must have at most 2,000 terms in a sum to be stored, got 3,000"):
        formula.to_stored()
    node = Number(0.1)
    for _ in range(22):
        node = Multiply((node, *[Number(1.25)] * 1900))
    with pytest.raises(InputError, match="formulas must have at most 200,000 characters to be stored, got"):
        Formula(node, ()).to_stored()


def test_closed_forms_and_the_bits_of_constants_come_back():
    formula = Formula(Add((Number(3 / (20 * math.pi), (3, 20, "1/pi")), Number(0.1 + 0.2), Number(2.0))), ())
    assert formula_there_and_back(formula) == formula
    assert codec.plain(formula)["text"] == "0.047746482927568605 + 0.30000000000000004 + 2.0"


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": None},
        {"text": "x3"},
        {"text": "a"},
        {"text": "system(x1)"},
        {"text": "x1.real"},
        {"text": "x1 x2"},
        {"text": "9" * 5000},
        {"text": "9**9**9**9**9*x1"},
        {"text": "exp(" * 180 + "x1" + ")" * 180},
        {"text": "-" * 100_000 + "x1"},
        {"text": "x1" + " + x1" * 30_000},
        {"text": "x1" + " " * 300_000},
        {"text": "2.0*x1"},
        {"text": "2.0*x1", "closed_forms": [[2, 0, ""]]},
        {"text": "2.0*x1", "closed_forms": [[2, 1]]},
        {"text": "2.0*x1", "closed_forms": [[2, 1, "system"]]},
        {"text": "2.0*x1", "closed_forms": [[True, 1, ""]]},
        {"text": "2.0*x1", "closed_forms": [[3, 1, ""]]},
        {"text": "2.0*x1", "closed_forms": [[-2, -1, ""]]},
        {"text": "x1  # hi"},
        {"text": "0x10*x1", "closed_forms": [None]},
        {"text": "ｘ1"},
        {"names": ["a", "a"]},
    ],
)
def test_other_texts_are_refused(fields):
    front = Front((FrontEntry(Formula(parse_expression("a", ["a", "c"]), ("a", "c")), 0.1),), 10, 1.0)
    stored = codec.plain(front)
    stored["entries"][0]["formula"] |= fields
    with pytest.raises(CheckpointError, match=r"^must have "):
        codec.read(Front, stored, "front", {"inputs": 2})

"""Fronts as plain values: the same formulas come back, and all other values are refused."""

import json
import math

import numpy as np
import pytest

from edgewise.discovery.finder import find_formula
from edgewise.errors import CheckpointError
from edgewise.formulas.expression import Add, Number, parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.serialisation import (
    expression_fields,
    expression_from_fields,
    front_fields,
    front_from_fields,
)
from edgewise.outcomes import StopReason

X = np.random.default_rng(0).uniform(0.5, 2, (200, 2))


def test_the_same_front_comes_back():
    front = find_formula(X, np.exp(-X[:, 0]) / X[:, 1] / np.sqrt(2 * np.pi), names=["a b", "c"], time_limit=5)
    text = json.dumps(front_fields(front), allow_nan=False)
    again = front_from_fields(json.loads(text), 2)
    assert str(again) == str(front) and again.best.formula == front.best.formula
    assert again.stopped is front.stopped is StopReason.CONVERGED
    assert [entry.formula for entry in again] == [entry.formula for entry in front]
    np.testing.assert_array_equal(again.best.formula(X), front.best.formula(X))


def test_every_kind_of_part_and_numbers_that_are_none():
    node = parse_expression("besselj0(3*a)**-0.5 + abs(a)*c*1.23456789e-30 + 2*pi", ["a", "c"])
    front = Front((FrontEntry(Formula(node, ("a", "c")), 0.1, outside=math.inf),), 10, 1.0, ("said",), 3, 0)
    again = front_from_fields(json.loads(json.dumps(front_fields(front), allow_nan=False)), 2)
    assert again[0].formula == front[0].formula and again[0].outside == math.inf and math.isnan(again[0].fresh)
    assert (again.samples, again.variance, again.messages, again.held_out, again.chosen) == (10, 1.0, ("said",), 3, 0)


@pytest.mark.parametrize(
    "formula",
    ["a/3*c - (a + c) - 2.5", "(a + c) + 1/a", "-a*c", "(-2)**2*a", "(a**2)**3", "a**c", "(2*a)*(c*3)", "a - -2*c/7"],
)
def test_a_text_holds_the_tree_as_it_is(formula):
    node = parse_expression(formula, ["a", "c"])
    assert expression_from_fields(json.loads(json.dumps(expression_fields(node, 2))), 2) == node


def test_closed_forms_and_the_bits_of_constants_come_back():
    node = Add((Number(3 / (20 * math.pi), (3, 20, "1/pi")), Number(0.1 + 0.2), Number(math.inf), Number(2.0)))
    assert expression_from_fields(expression_fields(node, 0), 0) == node
    assert expression_fields(node, 0)["text"] == "0.047746482927568605 + 0.30000000000000004 + 1e999 + 2.0"


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": None},
        {"text": "x_3"},
        {"text": "a"},
        {"text": "system(x_1)"},
        {"text": "x_1.real"},
        {"text": "x_1 x_2"},
        {"text": "9" * 5000},
        {"text": "9**9**9**9**9*x_1"},
        {"text": "exp(" * 180 + "x_1" + ")" * 180},
        {"text": "-" * 100_000 + "x_1"},
        {"text": "x_1" + " + x_1" * 30_000},
        {"text": "x_1" + " " * 300_000},
        {"text": "2.0*x_1"},
        {"text": "2.0*x_1", "closed_forms": [[2, 0, ""]]},
        {"text": "2.0*x_1", "closed_forms": [[2, 1]]},
        {"text": "2.0*x_1", "closed_forms": [[2, 1, "system"]]},
        {"text": "2.0*x_1", "closed_forms": [[True, 1, ""]]},
    ],
)
def test_other_texts_are_refused(fields):
    front = Front((FrontEntry(Formula(parse_expression("a", ["a", "c"]), ("a", "c")), 0.1),), 10, 1.0)
    stored = front_fields(front)
    stored["entries"][0] |= fields
    with pytest.raises((CheckpointError, ValueError)):
        front_from_fields(stored, 2)


def test_other_fields_are_refused():
    front = Front((FrontEntry(Formula(parse_expression("a", ["a", "c"]), ("a", "c")), 0.1),), 10, 1.0)
    changes = ({"version": 2}, {"entries": []}, {"chosen": 1}, {"chosen": True}, {"samples": 0}, {"names": ["a"]})
    for change in (*changes, {"samples": math.inf}, {"held_out": math.inf}):  # 1e999 in a file
        with pytest.raises((CheckpointError, ValueError)):
            front_from_fields({**front_fields(front), **change}, 2)

"""Random expressions are kept, written in every form and read back; none of it raises."""

import json
import warnings

import numpy as np
import pytest

from edgewise.checkpoint import codec
from edgewise.errors import EdgewiseError
from edgewise.formulas.expression import complexity, evaluate, parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from tests.discovery.test_random_expressions import random_expression

NAMES = ("x", "y", "z")
COUNT = 250
WITH_SYMPY = 25  # of them: sympy takes a second for some


def same(first, second, rtol=1e-9):
    """Whether two arrays agree where both are finite, relative to their size."""
    both = np.isfinite(first) & np.isfinite(second)
    return np.allclose(first[both], second[both], rtol=rtol, atol=1e-300)


def written(write):
    """What a function writes; None if it refuses in a sentence."""
    try:
        return write()
    except EdgewiseError as error:
        assert "\n" not in str(error)
        return None


@pytest.mark.slow
def test_random_expressions_in_every_form():
    draw = np.random.default_rng(0)
    x = draw.uniform(0.5, 2, (20, 3))
    read_back = programs = 0
    for number in range(COUNT):
        node = random_expression(draw, 4, 3)
        formula = Formula(node, NAMES)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            values = evaluate(node, x)
            front = Front((FrontEntry(formula, 0.1),), 20, 1.0)
            again = codec.read(Front, json.loads(json.dumps(codec.plain(front))), "front", {"inputs": 3})
            assert again[0].formula == formula and complexity(again[0].formula.expression) == complexity(node)
            text = formula.text(digits=None)
            assert same(evaluate(parse_expression(text, NAMES), x), values), text
            read_back += 1
            simple = formula.simplified()
            assert written(simple.latex) and written(formula.latex)
            source = written(formula.python)
            assert written(formula.c) is None or source is not None
            if source is not None:
                place = {}
                exec(compile(source, "formula", "exec"), place)
                assert same(np.broadcast_to(place["f"](x), len(x)), values), source
                programs += 1
            if number < WITH_SYMPY:
                written(formula.sympy)
    assert read_back == COUNT and programs > 0.9 * COUNT

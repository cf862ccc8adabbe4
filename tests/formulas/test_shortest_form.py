"""Shortest forms have the same values and fewer symbols; signs are resolved only where the data allow it."""

import numpy as np
import pytest

from edgewise.formulas.expression import complexity, evaluate, parse_expression
from edgewise.formulas.printing import as_text
from edgewise.formulas.rewriting import expanded, factored, shortest_form

NAMES = ("a", "b", "c")


def points(low=0.5, high=1.5):
    return np.random.default_rng(0).uniform(low, high, (200, 3))


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("(a + b - 1)**2/4 - (a - b - 1)**2/4", "b*(a - 1)"),
        ("sqrt(2*a**2*b**2 + 2*a**2*c**2)", "1.5*a*sqrt(b**2 + c**2)"),
        ("5*a**4 + 5*b**4 + 5*c**4 - 5", "5*(a**4 + b**4 + c**4 - 1)"),
        ("a*b + a*c + a", "a*(b + c + 1)"),
        ("a**2/b + a/b", "a*(a + 1)/b"),
        ("abs(a)*b", "a*b"),
        ("(2.5*a + 1.5)/(0.25*a + 1)", "10 - 34/(a + 4)"),
        ("c*(2.5*a + 1.5)/(0.25*a + 1)", "c*(10 - 34/(a + 4))"),
        ("2.5*a/(0.25*a + 1)", "10*a/(a + 4)"),
        ("0.0376/(1/(a + 19) + 0.00466)", "8.07 - 1732/(a + 233.6)"),
        ("exp(3/(2/(a*b + 1.7) + 5.1))", "1.8*exp(-0.23/(a*b + 2.1))"),
        ("tanh(atanh(a/2*b/2))", "a*b/4"),
        ("tanh(5*(b**4 + (a**2 + c**2)**2 - 1) - 10*a**2*c**2)", "tanh(5*(a**4 + b**4 + c**4 - 1))"),
    ],
)
def test_shorter_and_equal(text, most):
    node, x = parse_expression(text, NAMES), points()
    found = shortest_form(node, x)
    np.testing.assert_allclose(evaluate(found, x), evaluate(node, x), rtol=1e-12, atol=1e-14)
    assert complexity(found) <= complexity(parse_expression(most, NAMES)), as_text(found, NAMES)


def test_signs_are_settled_by_the_data_alone():
    node = parse_expression("sqrt(a**2*b)", NAMES)
    x = points()
    x[:, 0] *= -1
    np.testing.assert_allclose(evaluate(shortest_form(node, x), x), evaluate(node, x), rtol=1e-12)
    both = points(-1, 1)
    both[:, 1] = np.abs(both[:, 1])
    np.testing.assert_allclose(evaluate(shortest_form(node, both), both), evaluate(node, both), rtol=1e-12)
    assert "abs" in as_text(shortest_form(parse_expression("abs(a)", NAMES), both), NAMES)


@pytest.mark.parametrize("text", ["a + b*c", "sin(a)", "exp(a)*(b - 2)", "3.5"])
def test_what_is_short_stays(text):
    node = parse_expression(text, NAMES)
    assert shortest_form(node, points()) == node


@pytest.mark.parametrize("text", ["(a + b)*(a - c)", "(a - 2*b + 1)**3", "2*(a + b)*sin(c)", "(a + b)**9*c"])
@pytest.mark.parametrize("change", [expanded, factored])
def test_the_values_stay(text, change):
    node, x = parse_expression(text, NAMES), points()
    np.testing.assert_allclose(evaluate(change(node), x), evaluate(node, x), rtol=1e-9)

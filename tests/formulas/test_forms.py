"""Usual forms have the values of the formulas they replace, and are those that people write."""

import numpy as np
import pytest

from edgewise.formulas import as_text, parse_expression, simplify
from edgewise.formulas.expression import evaluate
from edgewise.formulas.rewriting import (
    in_usual_form,
    shortest_form,
    with_completed_squares,
    with_double_angles,
    with_joined_waves,
    with_merged_roots,
)

X = np.random.default_rng(0).uniform(0.1, 0.9, (50, 4))
NAMES = list("abcd")


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("sqrt(a)/sqrt(b)*c", "c*sqrt(a/b)"),
        ("sqrt(a)*sqrt(b + 1)", "sqrt(a*(b + 1))"),
        ("exp(a)/(sqrt(b)*sqrt(c))", "exp(a)/sqrt(b*c)"),
        ("sqrt(a)*b", "sqrt(a)*b"),
    ],
)
def test_products_of_square_roots_are_the_root_of_a_product(text, merged):
    node = simplify(parse_expression(text, NAMES))
    form = with_merged_roots(node)
    np.testing.assert_allclose(evaluate(form, X), evaluate(node, X), rtol=1e-12)
    assert as_text(form, NAMES).count("sqrt") == 1
    np.testing.assert_allclose(evaluate(parse_expression(merged, NAMES), X), evaluate(node, X), rtol=1e-12)


@pytest.mark.parametrize("outer", ["sin", "cos", "tan"])
@pytest.mark.parametrize("inner", ["asin", "acos", "atan"])
def test_a_function_of_an_inverse_keeps_its_values(outer, inner):
    node = parse_expression(f"{outer}({inner}(a*b))", NAMES)
    np.testing.assert_allclose(evaluate(in_usual_form(node), X), evaluate(node, X), rtol=1e-12)


@pytest.mark.parametrize("text", ["exp(a - log(b) - 0.9189)", "exp(2*log(a) + b)", "exp(a + b)", "exp(-(a + log(b)))"])
def test_exponentials_keep_their_values(text):
    node = parse_expression(text, NAMES)
    np.testing.assert_allclose(evaluate(in_usual_form(node), X), evaluate(node, X), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "squares"),
    [
        ("a**2 - 2*a*b + b**2 + c**2 - 2*c*d + d**2", 2),
        ("4*a**2 + 4*a*b + b**2", 1),
        ("a**2 + b**2 + a*b", 0),
        ("a**2 - 2*a + 1 + b", 1),
        ("3*a**2 - 6*a*b + 3*b**2", 1),
    ],
)
def test_squares_are_completed_only_where_they_are_whole(text, squares):
    node = parse_expression(text, NAMES)
    form = with_completed_squares(node)
    np.testing.assert_allclose(evaluate(form, X), evaluate(node, X), rtol=1e-9, atol=1e-12)
    assert as_text(form, NAMES).count(")**2") == squares


@pytest.mark.parametrize(
    "text, waves",
    [
        ("0.7*cos(a) - 2*sin(a) + b", 1),
        ("cos(a + 1) + 3*sin(a + 1)", 1),
        ("cos(a) + sin(b)", 2),
        ("sin(a) + c*cos(a)", 2),
    ],
)
def test_waves_of_one_argument_are_joined(text, waves):
    node = simplify(parse_expression(text, NAMES))
    joined = with_joined_waves(node)
    np.testing.assert_allclose(evaluate(joined, X), evaluate(node, X), rtol=1e-12)
    assert sum(as_text(joined, NAMES).count(name) for name in ("sin(", "cos(")) == waves


@pytest.mark.parametrize(
    "text, powers",
    [
        ("3*sin(a + b)**2 - 3*sin(a + b)**4 + c", 1),
        ("cos(a)**4 - cos(a)**2", 1),
        ("sin(a)**2 - sin(b)**4", 2),
        ("2*sin(a)**2 - sin(a)**4", 2),
    ],
)
def test_powers_of_a_wave_become_its_double_angle_only_where_they_are_equal(text, powers):
    node = simplify(parse_expression(text, NAMES))
    form = with_double_angles(node)
    np.testing.assert_allclose(evaluate(form, X), evaluate(node, X), rtol=1e-9, atol=1e-12)
    assert sum(as_text(form, NAMES).count(name) for name in ("sin(", "cos(")) == powers


def test_an_exponent_that_was_fitted_to_rounding_is_whole():
    node = parse_expression("exp(2.000000000000004*log(a/b) - 0.9999999999999961*log(c))", NAMES)
    assert as_text(simplify(in_usual_form(simplify(node))), NAMES) == "(a/b)**2/c"


def test_a_logarithm_within_a_product_in_an_exponent_becomes_a_power():
    node = parse_expression("exp(-2.39*(log(a) - 4.61))", NAMES)
    form = simplify(in_usual_form(node))
    assert "log" not in as_text(form, NAMES)
    np.testing.assert_allclose(evaluate(form, X), evaluate(node, X), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*(log(b) - log(c))", "a*log(b/c)"),
        ("3*log(a) - 3*log(b) + c", "3*log(a/b) + c"),
        ("log(a) + log(b)", "log(a*b)"),
        ("log(a) - 2.5*log(b)", "log(a) - 2.5*log(b)"),
    ],
)
def test_logarithms_of_one_factor_are_one_logarithm(text, expected):
    x = np.random.default_rng(0).uniform(1, 5, (30, len(NAMES)))
    assert as_text(shortest_form(parse_expression(text, NAMES), x), NAMES) == expected

"""Expression trees: values and slopes by finite differences, complexity by hand, reading text without running it."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import (
    Call,
    Number,
    Power,
    Variable,
    complexity,
    constant_values,
    evaluate,
    parse_expression,
    used_variables,
    values_and_derivatives,
    with_constants,
)
from edgewise.formulas.formula import Formula
from edgewise.nn.elementary import ELEMENTARY

NAMES = ("x", "y", "z")
TEXTS = [
    "exp(-x**2/2)/sqrt(2*pi*y**2)",
    "2.5*x*y - 3*z + 1",
    "asin(0.5*x)*acos(0.3*y) + atan(2*z)",
    "atanh(0.4*x) + tanh(3*y) + sinh(0.2*z) + cosh(1.1*x)",
    "besselj0(20*x) + abs(x - 0.4) + tan(0.5*y)",
    "1/(1 + 2*x*y)**1.5 + log(0.3*z)**2",
    "sign(x - 0.5)*cos(y*3 + 1)",
]


def points(rows=9):
    return np.random.default_rng(0).uniform(0.2, 0.9, (rows, 3))


@pytest.mark.parametrize("text", TEXTS)
def test_values_and_slopes(text):
    node, x = parse_expression(text, NAMES), points()
    value, rows = values_and_derivatives(node, x)
    np.testing.assert_allclose(value, evaluate(node, x), rtol=1e-14)
    numbers = constant_values(node)
    assert rows.shape == (9, len(numbers))
    for k, number in enumerate(numbers):
        step = 1e-6 * max(abs(number), 1)
        up, down = ([*numbers[:k], number + sign * step, *numbers[k + 1 :]] for sign in (1, -1))
        slope = (evaluate(with_constants(node, up), x) - evaluate(with_constants(node, down), x)) / (2 * step)
        np.testing.assert_allclose(rows[:, k], slope, rtol=1e-5, atol=1e-7)


def test_values_by_numpy():
    x, y, z = points().T
    expected = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi * y**2)
    np.testing.assert_allclose(evaluate(parse_expression(TEXTS[0], NAMES), points()), expected, rtol=1e-15)
    expected = 1 / (1 + 2 * x * y) ** 1.5 + np.log(0.3 * z) ** 2
    np.testing.assert_allclose(evaluate(parse_expression(TEXTS[5], NAMES), points()), expected, rtol=1e-15)


@pytest.mark.parametrize("row", ELEMENTARY.values(), ids=list(ELEMENTARY))
def test_every_elementary_function_has_a_text_that_is_it(row):
    x = torch.linspace(0.1, 0.9, 15, dtype=torch.float64)
    value = evaluate(parse_expression(row.text), x[:, None].numpy())
    np.testing.assert_allclose(value, row.function(x).numpy(), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x", 1),
        ("2.5", 1),
        ("x + y", 3),
        ("x - y", 3),
        ("x/y", 3),
        ("1/x", 2),
        ("sqrt(x)", 2),
        ("x**2", 3),
        ("-x", 1),
        ("sin(x)", 2),
        ("x*y/z", 5),
        ("1/(x*y)", 4),
        ("2/x**2", 5),
        ("(a + b)/(1 + a*b)", 9),
        ("tanh(atanh(a) + atanh(b))", 6),
    ],
)
def test_complexity_counts_symbols(text, count):
    assert complexity(parse_expression(text, ("x", "y", "z", "a", "b"))) == count


def test_numbers_are_exact_where_they_are():
    assert parse_expression("3") == Number(3.0, (3, 1, ""))
    assert parse_expression("0.25").exact is None
    assert parse_expression("pi") == Number(math.pi, (1, 1, "pi"))
    assert parse_expression("x**-2") == Power(Variable(0), -2.0)
    assert used_variables(parse_expression("z*x", NAMES)) == [0, 2]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.real",
        "x[0]",
        "lambda: x",
        "f(x)",
        "x if x else y",
        "exp(x, y)",
        "exp",
        "'a'",
        "True",
        "x; y",
        "",
        "x = 1",
        "1j",
        "[x]",
        "sin(x=x)",
        "(" * 300 + "x" + ")" * 300,
        "q",
        "x @ x",
        "9" * 400,
    ],
)
def test_other_text_is_refused_and_never_run(text):
    with pytest.raises(InputError, match=r"^text must be a formula"):
        parse_expression(text, NAMES)


def test_domain_violations_are_described():
    x = np.linspace(-1, 1, 11)[:, None]
    (sentence,) = domain_violations(parse_expression("log(x)"), x)
    assert sentence == "log(x) needs x > 0, its argument goes from -1 to 1"
    assert "not at 0" in domain_violations(parse_expression("1/x"), x)[0]
    assert domain_violations(parse_expression("1/(x + 2)"), x) == []
    assert "x >= 0" in domain_violations(parse_expression("sqrt(x)"), x)[0]
    assert np.isnan(evaluate(Call("log", Variable(0)), x)[:5]).all()


def test_derivatives_by_inputs_stand_behind_those_by_constants():
    node = parse_expression("2.5*x*sin(x*y) + x/(y + 0.5) - exp(x)", ("x", "y"))
    x = np.random.default_rng(3).uniform(0.5, 2.0, (20, 2))
    _, derivatives = values_and_derivatives(node, x, [1, 0])
    constants = len(constant_values(node))
    np.testing.assert_array_equal(derivatives[:, :constants], values_and_derivatives(node, x)[1])
    for place, column in ((constants, 1), (constants + 1, 0)):
        step = 1e-6 * np.eye(2)[column]
        slope = (evaluate(node, x + step) - evaluate(node, x - step)) / 2e-6
        np.testing.assert_allclose(derivatives[:, place], slope, rtol=1e-7, atol=1e-8)
    assert not values_and_derivatives(parse_expression("x + 1.5", ("x", "y")), x, [1])[1][:, 1].any()


def test_a_constant_formula_takes_rows_of_no_columns():
    assert Formula(Number(2.0), ())(np.zeros((3, 0))).tolist() == [2.0, 2.0, 2.0]

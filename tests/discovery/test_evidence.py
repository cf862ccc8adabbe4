"""Formulas claim what the data decide: no functions of indicators, years from an origin, no digit beyond its error."""

import numpy as np
import pytest

from edgewise.discovery.curves.simple_forms import stepwise_sums
from edgewise.discovery.evidence import (
    counted_from_origins,
    determines_slopes,
    origins,
    with_decided_digits,
    with_lines_for_two_values,
)
from edgewise.formulas.constants import constant_values, fit_constants
from edgewise.formulas.expression import Call, Power, evaluate, parse_expression, used_variables, walk
from edgewise.formulas.printing import as_text
from edgewise.formulas.rewriting import simplify

NAMES = ("area", "year", "[city is Köln]")


def houses(rows=300, noise=0.1):
    random = np.random.default_rng(0)
    area, year, city = random.uniform(40, 200, rows), random.uniform(1950, 2020, rows), random.integers(0, 2, rows)
    y = area * (1 + 0.5 * city) + 0.8 * (year - 1990)
    return np.stack([area, year, city.astype(float)], 1), y + noise * y.std() * random.normal(size=rows)


def functions_of(node, column):
    return [p for p in walk(node) if isinstance(p, Call | Power) and used_variables(p) == [column]]


def test_sums_have_no_functions_of_indicators_and_count_years_from_an_origin():
    X, y = houses()
    for node in stepwise_sums(X, y):
        assert not functions_of(node, 2)
        assert all(isinstance(p, Power) and as_text(p.base, NAMES) == "year - 1990" for p in functions_of(node, 1))


def test_origins_are_round_numbers_in_the_middle():
    X, _ = houses()
    assert {column: number.value for column, number in origins(X).items()} == {1: 1990.0}
    node = simplify(parse_expression("2*year + 3*area - 4000 + log(area)", NAMES))
    text = as_text(counted_from_origins(node, origins(X)), NAMES)
    assert "2*(year - 1990)" in text
    np.testing.assert_allclose(evaluate(counted_from_origins(node, origins(X)), X), evaluate(node, X), rtol=1e-12)


def test_a_function_of_two_values_is_a_line_with_the_same_values():
    X, _ = houses(50)
    node = parse_expression("cos([city is Köln])*(area - year)**2 + exp(2*[city is Köln])", NAMES)
    line = with_lines_for_two_values(node, X)
    assert not functions_of(line, 2)
    np.testing.assert_allclose(evaluate(line, X), evaluate(node, X), rtol=1e-9)


def test_digits_are_those_that_the_data_decide():
    """Collinear columns: each constant alone is vague, their sum is not, and the rounded formula keeps it."""
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 1)) + 0.01 * random.normal(size=(200, 2))
    y = x @ [1.2345678, 2.3456789] + 0.1 * random.normal(size=200)
    fitted = fit_constants(parse_expression("1.1*a + 2.1*b + 0.3", "ab"), x, y)
    node = with_decided_digits(fitted.expression, x, y)
    design = np.column_stack([x, np.ones(200)])
    solution, squares = np.linalg.lstsq(design, y, rcond=None)[:2]
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares / 197)
    first, second, _ = constant_values(node)
    assert 0.1 < errors[0] < 1 and abs(first - solution[0]) < 0.05 and len(f"{first:.10g}") == 3  # one decimal
    assert len(f"{second:.10g}") <= 6
    rise = np.sum((evaluate(node, x) - y) ** 2) - squares
    assert 0 <= rise <= 3 * 0.25 * squares / 197 * 1.01


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("0.51*tanh(3.1*a - 1.2)", ""),
        ("2.7*exp(-31.0*a) + 0.3*b", ""),
        ("1.1*(a + 1.5)**2.7", ""),
        ("a**2.3/(0.2 + a**2.3) - 0.7*b", ""),
        ("10.1/(exp(2.2/(a + 0.2)) - 1)", ""),
        ("0.51*tanh(5000.1*a - 1500.3)", "0.51*sign(a - 0.3)"),
        ("0.32*atan(1.7e14*a - 5.1e13) + 0.2*b", "0.5*sign(a - 0.3) + 0.2*b"),
        ("exp(-1.07e35*exp(-277.1*a)) + 0.1*b", "0.5*sign(a - 0.3) + 0.5 + 0.1*b"),
        ("1/(1 + (3.3*a)**(-300.7)) + 0.2*b", "0.5*sign(a - 0.3) + 0.5 + 0.2*b"),
        ("2.3*tanh(542.1*a - 166.1) - 1.6*tanh(496.1*a - 152.2) + 0.1*b", "0.7*sign(a - 0.3) + 0.1*b"),
        ("(1 + tanh(801.1*a - 401.2))*(1 + tanh(911.1*b - 711.2))", "(1 + sign(a - 0.5))*(1 + sign(b - 0.78))"),
    ],
)
def test_a_function_may_not_be_a_step_between_two_rows(text, step, noise):
    random = np.random.default_rng(2)
    x = random.uniform(0.1, 1, (200, 2))
    node = parse_expression(text, ("a", "b"))
    y = evaluate(parse_expression(step or text, ("a", "b")), x)
    y = y + noise * y.std() * random.normal(size=200)
    fitted = fit_constants(node, x, y, steps=60)
    assert determines_slopes(fitted.expression, x, y, 1e-18 * y.var()) is (step == "")

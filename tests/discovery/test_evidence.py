"""Formulas claim what the data decide: no functions of indicators, years from an origin, no digit beyond its error."""

import numpy as np

from edgewise.discovery.curves.simple_forms import stepwise_sums
from edgewise.discovery.evidence import (
    counted_from_origins,
    determines_constants,
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


def test_a_slope_that_no_row_determines_is_seen_and_small_terms_may_be_uncertain():
    x = np.linspace(-1, 1, 100)[:, None]

    def determines(text, variance=1e-4):
        return determines_constants(parse_expression(text, ("a",)), x, variance)

    assert determines("0.51*tanh(3.1*a - 1.2)") and not determines("0.51*tanh(5000.1*a - 1500.3)")
    assert not determines("0.51*tanh(5000.1*a - 1500.3)", 0.0)  # no residual at a row depends on the slope
    assert determines("2.7*a + 0.0001") and determines("(a + 0.0001)**2")  # may be 0
    assert determines("2.7*a + 0.0001*a**2") and determines("1.1*(a + 1.5)**2.7")
    assert not determines("1.1*(a + 1.5)**2.7", 1e4)

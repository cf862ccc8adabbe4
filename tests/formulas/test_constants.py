"""Constants: fitted up to rounding errors, and rounded to closed forms only where the data allow it."""

import math

import numpy as np
import pytest

from edgewise.formulas.constants import (
    closed_forms,
    evidence_for,
    fit_constants,
    mean_squared_error,
    recognise,
    relative_error,
    value_of,
    without_redundant_constants,
)
from edgewise.formulas.expression import (
    Number,
    closed_unit,
    constant_values,
    evaluate,
    parse_expression,
    with_constants,
)
from edgewise.formulas.printing import as_text

NAMES = ("x", "y")


def points(rows=200):
    return np.random.default_rng(0).uniform(0.3, 1.2, (rows, 2))


def freed(text, values):
    node = parse_expression(text, NAMES)
    return with_constants(node, values)


def test_a_fit_finds_the_constants_of_its_data():
    x = points()
    y = 2.5 * np.exp(-1.3 * x[:, 0]) + np.sin(4 * x[:, 1])
    fitted = fit_constants(freed("2*exp(-1.0*x) + sin(3.8*y)", [2.0, -1.0, 3.8]), x, y)
    assert constant_values(fitted.expression) == pytest.approx([2.5, -1.3, 4.0], rel=1e-10)
    assert fitted.loss < 1e-24
    assert all(error < 1e-9 for error in fitted.errors)


def test_a_factor_of_another_size_than_the_other_constants_is_fitted():
    """3e11 beside an exponent and an activation temperature: residuals change by 1e-11 where the factor does by 1."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(280, 320, 300), rng.uniform(0.1, 2, 300)])
    y = 3.2e11 * x[:, 1] ** 0.75 * np.exp(-7540 / x[:, 0])
    start = parse_expression("319000000000.5*exp(0.749*log(y))*exp(-7536.4/x)", NAMES)
    fitted = fit_constants(start, x, y, steps=200)
    assert relative_error(fitted.expression, x, y) < 1e-9


def test_standard_errors_are_those_of_linear_regression():
    x = points()
    y = 2 * x[:, 0] + 1 * x[:, 1] + 0.1 * np.random.default_rng(1).normal(size=200)
    fitted = fit_constants(freed("1.0*x + 1.0*y", [1.0, 1.0]), x, y)
    coefficients, loss = np.linalg.lstsq(x, y, rcond=None)[:2]
    np.testing.assert_allclose(constant_values(fitted.expression), coefficients, rtol=1e-8)
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * loss / 198)
    np.testing.assert_allclose(fitted.errors, errors, rtol=1e-6)


def test_what_is_undefined_is_no_fit():
    assert fit_constants(parse_expression("log(x - 0.7)", NAMES), points(), np.ones(200)) is None
    assert math.isinf(mean_squared_error(parse_expression("log(x - 0.7)", NAMES), points(), np.ones(200)))
    assert math.isinf(relative_error(parse_expression("log(x - 0.7)", NAMES), points(), np.ones(200)))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (0.5, (1, 2, "")),
        (math.pi / 2, (1, 2, "pi")),
        (math.sqrt(2), (1, 1, "sqrt(2)")),
        (-3.0, (-3, 1, "")),
        (0.0, (0, 1, "")),
    ],
)
def test_known_numbers(value, form):
    assert next(closed_forms(value + 1e-9, 1e-7)) == form


def test_recognition_without_noise():
    x = points()
    y = np.exp(-(x[:, 0] ** 2) / 2) / np.sqrt(2 * np.pi) + np.pi * x[:, 1]
    start = freed("0.4*exp(-0.5*x**2) + 3.1*y", [0.4, -0.5, 3.1])
    found = recognise(fit_constants(start, x, y), x, y)
    text = as_text(found.expression, NAMES)
    assert "pi*y" in text and "-1/2" in text and "sqrt(2*pi)" in text
    assert found.loss < 1e-24


def test_recognition_with_noise_keeps_to_the_errors():
    x = points(500)
    y = 2.0 * x[:, 0] + 0.377 * x[:, 1] + 0.01 * np.random.default_rng(1).normal(size=500)
    found = recognise(fit_constants(freed("1.0*x + 1.0*y", [1.0, 1.0]), x, y), x, y)
    first, second = constant_values(found.expression)
    assert first == 2.0
    assert second == pytest.approx(0.377, abs=0.003)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (math.pi**2, (1, 1, "pi**2")),
        (3 / (20 * math.pi), (3, 20, "1/pi")),
        (8 / 15, (8, 15, "")),
        (2 / math.pi**2, (2, 1, "1/pi**2")),
        (math.sqrt(2 / math.pi), (2, 1, "1/sqrt(2*pi)")),
    ],
)
def test_closed_forms_of_textbooks_are_recognised(value, form):
    assert next(closed_forms(value, 1e-9)) == form
    assert evidence_for(form, value, 1e-9) > 1e3


def test_fractions_of_units_have_parts_of_at_most_16():
    assert closed_unit(15 / 16 * math.pi) == (15, 16, "pi") and closed_unit(16 * math.pi) == (16, 1, "pi")
    assert closed_unit(math.pi / 17) is None and closed_unit(17 * math.pi) is None


def test_products_of_units_stay_exact():
    pi, root = Number(math.pi, (1, 1, "pi")), Number(math.sqrt(2), (1, 1, "sqrt(2)"))
    assert pi.times(pi).exact == (1, 1, "pi**2") and root.times(root).exact == (2, 1, "")
    assert pi.inverse().exact == (1, 1, "1/pi") and pi.to_power(2.0).exact == (1, 1, "pi**2")
    assert pi.times(root).exact is None and pi.times(pi.inverse()).exact == (1, 1, "")
    for number in (pi.times(pi), pi.inverse(), pi.to_power(-2.0), root.to_power(3.0)):
        assert value_of(number.exact) == pytest.approx(number.value, rel=1e-14)


@pytest.mark.parametrize(("text", "shorter"), [("2.5*sqrt(0.16*x)", "sqrt(x)"), ("2.5*(0.4*x)", "x")])
def test_constants_that_all_make_up_for_each_other_leave_none(text, shorter):
    """The search for a formula had ended with an IndexError where its last constant was left out."""
    x, node = np.linspace(0.1, 1.0, 20)[:, None], parse_expression(text)
    assert as_text(without_redundant_constants(node, x, evaluate(node, x)), ["x"]) == shorter


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_standard_errors_keep_to_the_unit_of_an_input(unit):
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, (200, 1))
    y = 3.0 * x[:, 0] + 0.5 + 0.1 * rng.normal(size=200)
    design = np.column_stack([x[:, 0], np.ones(200)])
    inverse = np.linalg.inv(design.T @ design)
    fitted = fit_constants(parse_expression("1.5*x + 0.1"), x * unit, y)
    residuals = y - evaluate(fitted.expression, x * unit)
    expected = np.sqrt(np.diag(inverse) * np.sum(residuals**2) / 198) / np.array([unit, 1.0])
    np.testing.assert_allclose(fitted.errors, expected, rtol=1e-6)

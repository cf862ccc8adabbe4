"""Constants that only rounding has put into a formula are dropped, and no others."""

import numpy as np
import pytest

from edgewise.formulas import as_text, evaluate, parse_expression
from edgewise.formulas.rewriting import without_noise

X = np.random.default_rng(0).uniform(-1, 1, (200, 2))


@pytest.mark.parametrize(
    ("noisy", "shorter"),
    [
        ("1e-17*a + sin(b)", "sin(b)"),
        ("sin(b + 1e-18) + 1e-17", "sin(b)"),
        ("1.0000000000000002*exp(0.99999999999999989*b)", "exp(b)"),
        ("-1.0000000000000002*b", "-b"),
        ("exp(3e-17*a*b + b)", "exp(b)"),
        ("1e-12*a + b", "1e-12*a + b"),  # small, but far above rounding
        ("1.0000001*b", "1*b"),  # printed with six digits
        ("a + 1e9*(b + 1e-17)", "a + 1e+09*b"),
        ("exp(40*a)*(b + 1e-13)", "exp(40*a)*(b + 1e-13)"),
        ("1e-17", "1e-17"),
    ],
)
def test_noise(noisy, shorter):
    node = parse_expression(noisy, "ab")
    found = without_noise(node, X)
    assert as_text(found, "ab") == shorter
    np.testing.assert_allclose(evaluate(found, X) * np.ones(200), evaluate(node, X), rtol=0, atol=1e-6)


def test_a_small_factor_counts_where_the_input_is_large():
    node = parse_expression("1e-17*a + sin(b)", "ab")
    assert without_noise(node, X * 1e17) == node
    assert without_noise(node, X * 10) != node


def test_rows_without_a_value_do_not_count():
    node = parse_expression("log(a) + 1e-18*b", "ab")
    assert as_text(without_noise(node, X), "ab") == "log(a)"
    assert without_noise(node, -np.abs(X)) == node


@pytest.mark.slow
def test_all_changes_together_stay_within_rounding():
    text = " + ".join(f"{size}e-17*a" for size in range(1, 400))
    node = parse_expression(f"b + {text}", "ab")
    found = without_noise(node, X)
    change = np.abs(evaluate(found, X) - evaluate(node, X)).max()
    assert 0 < change < 2.3e-16 * 2000

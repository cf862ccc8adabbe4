"""The sentences about the domain of a formula are true."""

import numpy as np
import pytest

from edgewise.formulas.domains import domain_report, domain_violations, undefined_share
from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula

X = np.random.default_rng(0).uniform(1, 3, (100, 2))


def of(text):
    return Formula(parse_expression(text, ["a", "b"]), ("a", "b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log(a)", "log(a) needs a > 0, as on these data: 1."),
        ("sqrt(a - 2)", "sqrt(a - 2) needs a - 2 >= 0, but on these data it does NOT: -0.9"),
        ("1/(a + b)", "1/(a + b) needs a + b not at 0, as on these data: 2."),
        ("1/(a - b)", "needs a - b not at 0, but on these data it does NOT"),
        ("1/(a - b)**2", "needs (a - b)**2 not at 0, but on these data it comes down to 0 between rows"),
        ("sin(a - b)**2/(a - b)**2", "and comes down to 0 on these data, where the whole formula stays bounded"),
        ("asin(a/4)", "needs -1 <= a/4 <= 1, as on these data"),
        ("tan(a)", "tan(a) needs a not at 1.5708 + k * 3.14159, but on these data it does NOT"),
    ],
)
def test_conditions(text, expected):
    assert any(expected in sentence for sentence in domain_report(of(text), X)), domain_report(of(text), X)


@pytest.mark.parametrize(
    ("text", "is_defined"),
    [
        ("sin(a)/a", True),
        ("tanh(1/a)", False),
        ("abs(a)/a", False),
        ("a*tanh(1/a)", True),
        ("b + 0.5*atan(1/a)", False),
        # A gap of one point is no pole.
        ("sin(a - b)/(a - b)", True),
        ("sin(a)/(a - b)", False),
        ("(cos(a) - 1)*a**-2", True),
        ("1/a", False),
        # Even powers come down to zero without a change of sign.
        ("1/(a - b)**2", False),
        ("3/(2*(a - b)**4)", False),
        ("1/abs(a)", False),
        ("log(a**2)", False),
        ("a*log(a**2)", True),
        ("(1 - cos(a))/a**2", True),
        ("exp(-1/a**2)", True),
        ("1/(a + 3)**2", True),
        ("sqrt(a**2)", True),
    ],
)
def test_a_bounded_formula_may_neither_jump_nor_have_a_pole_between_rows(text, is_defined):
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    assert (domain_violations(of(text).expression, x) == []) is is_defined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/(a**2 + b**2)", "not at 0, but between the rows it comes down to 0, near a = 0, b = 0: 0.0"),
        ("log((a - 0.3)**2 + (b + 0.2)**2)", "comes down to 0, near a = 0.3, b = -0.2: 0.00"),
        ("a**4/(a**2 + b**2)", "near a = 0, b = 0, where the whole formula stays bounded: 0.0"),
        ("1/(a**2 + b**2 + 0.001)", "as on these data: 0.00"),
        ("1/(1 - a*b)", "as on these data: 0.0"),
    ],
)
def test_zeros_between_rows_of_what_has_one_sign(text, expected):
    around = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert expected in domain_report(of(text), around)[0]


def test_beyond_the_data():
    assert domain_report(of("a*b + exp(a)"), X) == ("It is defined everywhere.",)
    assert undefined_share(of("sqrt(a - 0.99)"), X) > 0.1
    assert domain_report(of("sqrt(a - 0.99)"), X)[-1].startswith("Up to 20 % beyond the range")
    assert undefined_share(of("log(a)"), X) == 0

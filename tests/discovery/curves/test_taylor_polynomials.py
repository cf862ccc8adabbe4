"""Functions whose argument stays near 0 become Taylor polynomials where noise hides the difference."""

import time

import numpy as np
import pytest

from edgewise.discovery.curves.assembly import with_taylor_polynomials
from edgewise.formulas.constants import fit_constants
from edgewise.formulas.expression import Call, complexity, parse_expression, walk

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-2, 2, (500, 1))


@pytest.mark.parametrize(
    "text",
    [
        "exp(-800.3*cosh(0.0352*x) + 800.1)",
        "exp(800.3/cosh(0.0352*x) - 800.6)",
        "exp(400.3*besselj0(0.0703*x) - 400.6)",
    ],
)
def test_a_bell_is_a_bell(text):
    y = 0.7 * np.exp(-0.5 * X[:, 0] ** 2)
    noisy = y + 0.005 * RANDOM.normal(size=len(y))
    absurd = fit_constants(parse_expression(text), X, noisy)
    assert absurd.loss < 1e-3
    found = with_taylor_polynomials(absurd, X, noisy, floor=1e-16)
    calls = [part.name for part in walk(found.expression) if isinstance(part, Call)]
    assert calls == ["exp"] and found.loss < 1.02 * absurd.loss
    assert complexity(found.expression) < 10


def test_what_the_data_tell_apart_stays():
    y = np.cosh(0.2 * X[:, 0])
    exact = fit_constants(parse_expression("1.01*cosh(0.21*x) + 0.01"), X, y)
    assert with_taylor_polynomials(exact, X, y, floor=1e-16) is exact
    wide = fit_constants(parse_expression("exp(-0.9*cosh(1.1*x) + 0.1)"), X, np.exp(-np.cosh(X[:, 0])))
    assert with_taylor_polynomials(wide, X, np.exp(-np.cosh(X[:, 0])) + RANDOM.normal(size=len(X)), floor=1e-16) is wide


def test_after_the_deadline_nothing_is_tried():
    noisy = 1 - 0.5 * X[:, 0] ** 2 + 0.1 * RANDOM.normal(size=len(X))
    fitted = fit_constants(parse_expression("-800.3*cosh(0.0352*x) + 801.3"), X, noisy)
    assert with_taylor_polynomials(fitted, X, noisy, floor=1e-16, deadline=time.monotonic() - 1) is fitted

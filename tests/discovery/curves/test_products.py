"""Products of simple functions: the right one comes first, in much noise too, with the constants of the fit."""

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery.curves.features import candidate_features
from edgewise.discovery.curves.products import simple_products
from edgewise.discovery.least_squares.links import possible_links
from edgewise.formulas.expression import evaluate
from edgewise.formulas.printing import as_text


def points(count=3, rows=1500):
    return np.random.default_rng(0).uniform(0.5, 2, (rows, count))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda a, b, c: 2 * a * b / (b**2 + c**2) + 1, "2*a*b/(b**2 + c**2) + 1"),
        (lambda a, b, c: 3 * np.sin(a) * np.exp(b) - 1, "3*sin(a)*exp(b) - 1"),
        (lambda a, b, c: np.sqrt(b) / c**2, "sqrt(b)/c**2"),
    ],
)
def test_the_right_product_comes_first(function, text):
    x = points()
    y = function(*x.T)
    for noise in (0.0, 0.3):
        noisy = y + noise * y.std() * np.random.default_rng(1).normal(size=len(y))
        best = simple_products(candidate_features(x, [0, 1, 2]), next(possible_links(noisy)), noisy)[0]
        if noise == 0:
            np.testing.assert_allclose(evaluate(best, x), y, rtol=1e-9)
        np.testing.assert_allclose(evaluate(best, x), y, atol=0.1 * y.std())
    assert set(as_text(best, ("a", "b", "c"), 1)) >= set("abc"[: 2 if "c" not in text else 3]) & set(text)


def test_under_a_link():
    x = points(2)
    y = np.exp(x[:, 0] * x[:, 1] - 2)
    link = next(link for link in possible_links(y) if link.name == "exp")
    best = simple_products(candidate_features(x, [0, 1]), link, y)[0]
    np.testing.assert_allclose(evaluate(best, x), y, rtol=1e-9)


@pytest.mark.slow
def test_a_rule_like_that_of_the_slope_of_knots_is_found_in_rounded_noise():
    x = points(rows=1000)
    a, b, c = x.T
    y = 2 * np.round(4 * a * b / (b**2 + c**2) + 0.6 * np.random.default_rng(2).normal(size=len(x)))
    best = find_formula(x, y, names=["a", "b", "c"]).best.formula
    assert best.complexity <= 15
    np.testing.assert_allclose(best(x), 8 * a * b / (b**2 + c**2), atol=0.1 * y.std())

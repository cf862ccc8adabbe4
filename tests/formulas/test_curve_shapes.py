"""Shapes of curves: the functions that made them come first, exactly, fast oscillations and compositions included."""

import numpy as np
import pytest
import scipy.special

from edgewise.formulas.curve_fits import curve_shapes
from edgewise.formulas.expression import evaluate

CURVES = {
    "J0(20u)": (lambda u: scipy.special.j0(20 * u), -1, 1),
    "sin(40u)": (lambda u: np.sin(40 * u), -1, 1),
    "1/sqrt(1 - u^2)": (lambda u: 3 / np.sqrt(1 - u * u), -0.8, 0.8),
    "1/(1 - cos)": (lambda u: 1 / np.sin(u / 2) ** 2, 1.2, 5),
    "sin^2/u^2": (lambda u: np.sin(u / 2) ** 2 / (u / 2) ** 2, -6, 6),
    "log": (lambda u: 2 * np.log(u) - 1, 0.25, 4),
    "quartic": (lambda u: 5 * u**4 + 1, -1, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CURVES)
def test_the_function_that_made_a_curve_comes_first(name):
    function, low, high = CURVES[name]
    u = np.random.default_rng(0).uniform(low, high, 400)
    best = curve_shapes(u, function(u))[0]
    assert best.error < 1e-10
    fresh = np.linspace(low + 0.01, high - 0.013, 97)
    np.testing.assert_allclose(evaluate(best.expression, fresh[:, None]), function(fresh), rtol=1e-8, atol=1e-8)
    assert best.complexity <= 14


@pytest.mark.parametrize(
    "function",
    [
        lambda u: np.tanh(2 * u - 3),
        lambda u: 3 * np.exp(-1.3 * u) + 2,
        lambda u: np.exp(-((u - 1) ** 2)),
        lambda u: np.sqrt(u + 0.5),
        lambda u: np.arctan(3 * u - 4),
    ],
    ids=["tanh", "exp", "gaussian", "sqrt", "arctan"],
)
def test_functions_with_the_best_starts_are_refined(function):
    u = np.random.default_rng(0).uniform(0.25, 4, 60)
    assert curve_shapes(u, function(u))[0].error < 1e-10


def test_what_is_known_within_a_tolerance_is_the_simplest():
    u = np.linspace(-1, 1, 200)
    s = 2 * u + 0.01 * np.random.default_rng(0).normal(size=200)
    best = curve_shapes(u, s, tolerance=0.01)[0]
    assert best.complexity <= 5


def test_a_constant():
    best = curve_shapes(np.linspace(0, 1, 30), np.full(30, 2.5))[0]
    assert (best.complexity, best.error) == (1, 0.0)

"""Fits of single edges: exact for what is in the table, free of scale, within domains."""

import numpy as np
import pytest
import torch

from edgewise.formulas.constants import free_places
from edgewise.formulas.curve_fits import EdgeFit, edge_fits, scaled_function
from edgewise.formulas.expression import Variable, constant_values, evaluate
from edgewise.formulas.printing import as_text
from edgewise.nn.elementary import ELEMENTARY


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sin", "exp", "x^2", "log", "tanh", "sqrt", "J0", "1/x", "arcsin"])
def test_finds_every_kind_and_its_numbers(name):
    u = np.random.default_rng(0).uniform(0.1, 0.8, 300)
    value = ELEMENTARY[name].function(torch.from_numpy(1.1 * u)).numpy()
    best = min(edge_fits(u, 0.7 * value - 2), key=lambda found: found.error)
    assert best.error < 1e-8
    inner = torch.from_numpy(best.a * u + best.b)
    again = best.c * ELEMENTARY[best.name].function(inner).numpy() + best.d
    np.testing.assert_allclose(again, 0.7 * value - 2, rtol=1e-7)


@pytest.mark.parametrize(("middle", "rate"), [(0.6, 70.0), (-20.0, 3.0), (1000.0, 0.5), (5000.0, 2.0)])
def test_an_exponential_is_found_where_the_input_varies_little(middle, rate):
    u = middle + np.linspace(-1, 1, 200) / rate
    s = 2 * np.exp(rate * (u - middle)) - 1
    table = {name: ELEMENTARY[name] for name in ("x", "exp", "sinh")}
    found = {fit.name: fit for fit in edge_fits(u, s, table=table)}
    if rate * middle > 700:  # the factor c is no number
        assert "exp" not in found
    else:
        fit = found["exp"]
        assert fit.a == pytest.approx(rate, rel=1e-6) and fit.error < 1e-7
        np.testing.assert_allclose(fit.c * np.exp(fit.a * u + fit.b) + fit.d, s, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "a", "b"), [("tanh", 3.0, 0.7), ("sin", 2.0, 0.5), ("exp", 1.5, 0.0)])
def test_shifts_of_the_input_are_found_as_well(name, a, b):
    u = np.linspace(-1, 1, 100)
    function = ELEMENTARY[name].function
    s = 1.3 * function(torch.from_numpy(a * u + b)).numpy() - 2
    (fit,) = edge_fits(u, s, table={name: ELEMENTARY[name]})
    again = fit.c * function(torch.from_numpy(fit.a * u + fit.b)).numpy() + fit.d
    np.testing.assert_allclose(again, s, rtol=1e-7)
    assert fit.error < 1e-8


def test_only_constants_other_than_one_and_its_negative_are_free():
    u = np.linspace(0.1, 0.9, 5)
    for constants, free, text in (
        ((2.5, 1.0, -1.0, 0.5), [2.5, 0.5], "-sin(2.5*x + 1) + 0.5"),
        ((-1.0, -1.0, 3.5, 1.0), [3.5], "3.5*sin(-x - 1) + 1"),
        ((0.0, 0.5, 0.0, -1.0), [0.5], "0*sin(0*x + 0.5) - 1"),
        ((1.0, 0.0, 1.0, 0.0), [], "sin(x)"),
    ):
        node = scaled_function(ELEMENTARY["sin"], constants, Variable(0))
        values = constant_values(node)
        assert [values[place] for place in free_places(node)] == free
        assert as_text(node, ["x"]) == text
        a, b, c, d = constants
        np.testing.assert_allclose(evaluate(node, u[:, None]), c * np.sin(a * u + b) + d, rtol=1e-12)


def test_a_flat_edge_is_none():
    (found,) = edge_fits(np.linspace(0, 1, 20), np.full(20, 3.0))
    assert (found.name, found.d) == ("0", 3.0)


@pytest.mark.parametrize("name", [name for name in ELEMENTARY if name != "0"])
def test_the_expression_has_the_values_of_the_edge(name):
    fit = EdgeFit(name, 0.7, 0.11, -1.3, 0.4, 0.0, 8)
    u = np.linspace(0.1, 0.9, 50)
    inner = torch.from_numpy(0.7 * u + 0.11)
    expected = -1.3 * ELEMENTARY[name].function(inner).numpy() + 0.4
    np.testing.assert_allclose(evaluate(fit.expression(), u[:, None]), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("fit", "text"),
    [
        (EdgeFit("exp", 2.5, 0.0, 3.5, 0.0, 0.0, 5), "3.5*exp(2.5*x)"),
        (EdgeFit("sin", 1.0, 0.0, 1.0, 0.25, 0.0, 5), "sin(x) + 0.25"),
        (EdgeFit("x", 1.0, 0.0, 2.5, -0.5, 0.0, 5), "2.5*x - 0.5"),
        (EdgeFit("x^2", 1.0, -0.3, -1.0, 0.0, 0.0, 5), "-(x - 0.3)**2"),
        (EdgeFit("0", 0.0, 0.0, 0.0, 0.75, 0.0, 0), "0.75"),
    ],
)
def test_the_expression_leaves_out_factors_of_one_and_shifts_of_zero(fit, text):
    assert as_text(fit.expression(), ["x"]) == text

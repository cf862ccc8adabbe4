"""Networks compiled from formulas equal them to rounding."""

import random

import numpy as np
import pytest
import torch

from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Multiply,
    Number,
    Power,
    Variable,
    evaluate,
    parse_expression,
)
from edgewise.interpret.symbolic.from_formula_text import from_formula

NAMES = ["x", "y", "z"]


def points(rows=60):
    return np.random.default_rng(0).uniform(0.2, 0.9, (rows, 3))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "3",
        "2*x - 3*y + 1",
        "exp(sin(pi*x) + y**2)",
        "x*y",
        "-2*x*y*z + x",
        "x/y",
        "x + sin(x) + sin(2*x)",
        "sqrt((x - y)**2 + (y - z)**2)",
        "(x + y)/(1 + x*y)",
        "x*exp(-y/2)/(1 + z**3)**2",
        "cos(x*y + z) * (x + 1) + 4",
        "x*(y + z*(x + y*z))",
        "2*(x + 3*(y - 1))",
        "log(x)**2 + log(x)",
        "1/sqrt(2*pi*x**2) * exp(-y**2/(2*x**2))",
        "x**7 + y**-12 - z**2.5",
        "x**0.3 * (x + y)**-1.7",
        "exp(2)*x**0 + sin(1/3)*y + (0*x)",
        "besselj0(20*x) + sign(y - 1/2) * abs(z)",
    ],
)
def test_the_network_is_the_formula(text):
    x = points()
    expected = evaluate(parse_expression(text, NAMES), x)
    model = from_formula(text, NAMES)
    with torch.no_grad():
        value = model(torch.from_numpy(x))[:, 0].numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
    assert model.config.width[0] == 3 and model.config.width[-1] == 1


def test_several_outputs_and_training():
    model = from_formula(["x*y", "x + y"], ["x", "y"])
    x = torch.tensor([[2.0, 5.0], [1.0, -3.0]], dtype=torch.float64)
    torch.testing.assert_close(model(x), torch.stack([x[:, 0] * x[:, 1], x.sum(1)], 1))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def random_formula(draw, depth):
    kind = draw.random()
    if depth == 0 or kind < 0.15:
        return Variable(draw.randrange(3)) if draw.random() < 0.7 else Number(round(draw.uniform(-3, 3), 2))
    if kind < 0.65:
        parts = tuple(random_formula(draw, depth - 1) for _ in range(draw.choice([2, 2, 3])))
        return Add(parts) if kind < 0.4 else Multiply(parts)
    inner = random_formula(draw, depth - 1)
    if kind < 0.8:
        return Power(inner, draw.choice([2, 3, 4, 5, 6, 7, 11, 0.5, 1.5, 2.5, -1, -2, -7, -0.5, 0.3, -1.7, 0, 1]))
    return Call(draw.choice(list(FUNCTIONS)), inner)


def test_any_formula_of_the_grammar():
    draw, x, tried = random.Random(0), points(20), 0
    while tried < 150:
        formula = random_formula(draw, draw.randrange(1, 5))
        expected = evaluate(formula, x)
        if not np.isfinite(expected).all() or np.abs(expected).max() > 1e6:
            continue
        tried += 1
        with torch.no_grad():
            value = from_formula(formula, NAMES)(torch.from_numpy(x))[:, 0].numpy()
        np.testing.assert_allclose(value, expected, atol=1e-9 * (1e-3 + np.abs(expected).max()))


def test_expressions_of_sympy():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b")
    formula = sympy.exp(sympy.sin(sympy.pi * a) + sympy.Abs(b) ** 2) + sympy.E
    x = torch.tensor([[0.3, -2.0]], dtype=torch.float64)
    assert from_formula(formula)(x).item() == pytest.approx(float(formula.subs({a: 0.3, b: -2.0})))
    assert from_formula([a + b, a * b]).config.width[-1] == 2

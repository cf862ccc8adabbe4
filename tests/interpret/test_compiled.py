"""Networks compiled from formulas equal them to rounding."""

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.compiled import kan_from_formula
from edgewise.interpret.expression import evaluate, parse

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
    ],
)
def test_the_network_is_the_formula(text):
    x = points()
    expected = evaluate(parse(text, NAMES), x)
    model = kan_from_formula(text, NAMES)
    with torch.no_grad():
        value = model(torch.from_numpy(x))[:, 0].numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
    assert model.config.width[0] == 3 and model.config.width[-1] == 1


def test_shapes_are_small():
    assert kan_from_formula("exp(sin(pi*x) + y**2)", ["x", "y"]).config.width == (2, 1, 1)
    product = kan_from_formula("x*y", ["x", "y"]).config
    assert product.width == (2, 1) and product.products == ((2,),)


def test_several_outputs_and_training():
    model = kan_from_formula(["x*y", "x + y"], ["x", "y"])
    x = torch.tensor([[2.0, 5.0], [1.0, -3.0]], dtype=torch.float64)
    torch.testing.assert_close(model(x), torch.stack([x[:, 0] * x[:, 1], x.sum(1)], 1))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="powers of"):
        kan_from_formula("x**7", ["x"])
    with pytest.raises(InputError, match="formula"):
        kan_from_formula("x +", ["x"])
    with pytest.raises(InputError, match="must not be empty"):
        kan_from_formula([], ["x"])
    with pytest.raises(InputError, match="names must name every input"):
        kan_from_formula(parse("x + y", ["x", "y"]), ["x"])

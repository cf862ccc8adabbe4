"""Networks with more layers or nodes compute the same function."""

import pytest
import torch

from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.transform.resize import deepen, widen
from edgewise.nn.model import KAN


def sample(rows, columns, size=1.0):
    return size * torch.randn(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"base": "zero", "degree": 1}, {"products": [(2,), ()]}])
@pytest.mark.parametrize("before", [None, 0, 1])
def test_deepen_is_the_same_function(settings, before):
    model = KAN([3, 4, 2], grid_size=3, seed=0, dtype=torch.float64, **settings)
    grown = deepen(model, before)
    x = sample(200, 3, size=3)  # beyond the domains too
    torch.testing.assert_close(grown(x), model(x), rtol=1e-12, atol=1e-12)
    nodes = 3 if before == 0 else 4
    assert grown.config.width == ((3, 3, 4, 2) if before == 0 else (3, 4, nodes, 2))
    assert len(model.layers) == len(grown.layers) - 1


@pytest.mark.parametrize("settings", [{}, {"base": "zero"}, {"products": [(2, 3), ()]}])
@pytest.mark.parametrize("data", [None, sample(50, 3)])
def test_widen_is_the_same_function(settings, data):
    model = KAN([3, 4, 2], grid_size=3, seed=0, dtype=torch.float64, **settings)
    grown = widen(model, 2, x=data, seed=1)
    x = sample(100, 3, size=2)
    torch.testing.assert_close(grown(x), model(x), rtol=1e-13, atol=1e-13)
    assert grown.config.width == (3, 6, 2)
    assert grown.config.products == model.config.products and model.config.width == (3, 4, 2)
    assert grown.layers[0].coef[:, :, 2:4].abs().sum() > 0
    assert bool((grown.layers[-1].knots.diff() > 0).all())


FORMULAS = ["exp(sin(pi*x) + y**2)", "x*y/(x + 3)", "x*sin(y)*exp(x) + y"]


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("data", [None, sample(50, 2)])
def test_elementary_edges_stay_and_splines_are_added(text, data):
    model = from_formula(text)
    x = sample(100, 2)
    expected = model(x)
    for layer in range(1, len(model.config.width) - 1):
        grown = widen(model, 2, layer=layer, x=data)
        torch.testing.assert_close(grown(x), expected, rtol=1e-13, atol=1e-13)
        assert grown.config.width[layer] == model.config.width[layer] + 2
        torch.testing.assert_close(widen(grown, 1, layer=layer)(x), expected, rtol=1e-13, atol=1e-13)
    for before in range(len(model.config.width) - 1):
        grown = deepen(model, before, x=data)
        torch.testing.assert_close(grown(x), expected, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(widen(grown, 1, layer=1)(x), expected, rtol=1e-11, atol=1e-11)

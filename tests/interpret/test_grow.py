"""More layers or nodes, the same function."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.grow import deeper, wider
from edgewise.nn.model import KAN
from edgewise.train.fit import fit
from edgewise.train.lbfgs import LBFGS
from edgewise.train.problem import Regression


def sample(rows, columns, size=1.0):
    return size * torch.randn(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"base": "zero", "degree": 1}, {"products": [(2,), ()]}])
@pytest.mark.parametrize("before", [None, 0, 1])
def test_deeper_is_the_same_function(settings, before):
    model = KAN([3, 4, 2], grid_size=3, seed=0, dtype=torch.float64, **settings)
    grown = deeper(model, before)
    x = sample(200, 3, size=3)  # beyond the domains too
    torch.testing.assert_close(grown(x), model(x), rtol=1e-12, atol=1e-12)
    nodes = 3 if before == 0 else 4
    assert grown.config.width == ((3, 3, 4, 2) if before == 0 else (3, 4, nodes, 2))
    assert len(model.layers) == len(grown.layers) - 1


@pytest.mark.parametrize("settings", [{}, {"base": "zero"}, {"products": [(2, 3), ()]}])
@pytest.mark.parametrize("data", [None, sample(50, 3)])
def test_wider_is_the_same_function(settings, data):
    model = KAN([3, 4, 2], grid_size=3, seed=0, dtype=torch.float64, **settings)
    grown = wider(model, 2, x=data, seed=1)
    x = sample(100, 3, size=2)
    torch.testing.assert_close(grown(x), model(x), rtol=1e-13, atol=1e-13)
    assert grown.config.width == (3, 6, 2)
    assert grown.config.products == model.config.products and model.config.width == (3, 4, 2)
    assert grown.layers[0].coef[:, :, 2:4].abs().sum() > 0
    assert bool((grown.layers[-1].knots.diff() > 0).all())


def test_what_was_added_can_be_trained():
    x = sample(100, 2)
    data = Regression(x, x[:, 0] * x[:, 1])
    model = KAN([2, 1, 1], grid_size=3, seed=0, dtype=torch.float64)
    before = fit(model, data, LBFGS(), steps=30).loss
    after = fit(wider(model, 3, x=x), data, LBFGS(), steps=60).loss
    assert after < before / 4


def test_bad_arguments_are_refused():
    model = KAN([2, 3, 1])
    with pytest.raises(InputError, match="before must be a layer of edges from 0 to 1"):
        deeper(model, 2)
    with pytest.raises(InputError, match="degree 0"):
        deeper(KAN([2, 1], degree=0))
    with pytest.raises(InputError, match="layer must be one of hidden nodes, from 1 to 1"):
        wider(model, 2, layer=2)
    with pytest.raises(InputError, match="nodes must be"):
        wider(model, 0)

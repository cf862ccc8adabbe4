"""The separable layer: products of splines that start around a number."""

import torch
from tests.ops.test_jet import numbers
from tests.pde.layers.test_layer_contract import separable

from edgewise.nn.layers.spline import KANLayer


def test_it_multiplies_the_edges_of_a_kan_layer():
    layer, x = separable(), numbers(7, 3).tanh()
    sums = KANLayer(3, 2, grid_size=4, degree=5, domain=(-1.5, 1.5), base="zero", dtype=torch.float64)
    with torch.no_grad():
        sums.coef.copy_(layer.coef)
    assert torch.allclose(layer.edges(x), sums.edges(x), rtol=1e-12, atol=1e-13)
    assert torch.allclose(layer(x), sums.edges(x).prod(1), rtol=1e-12, atol=1e-13)
    assert layer(x.reshape(7, 1, 3)).shape == (7, 1, 2)
    assert (layer.in_features, layer.out_features, layer.grid_size) == (3, 2, 4)
    assert "3 -> 2" in repr(layer)


def test_splines_start_around_a_number():
    x = numbers(50, 3).tanh()
    assert torch.allclose(separable(around=1.0).edges(x), separable().edges(x) + 1, rtol=1e-12, atol=1e-12)

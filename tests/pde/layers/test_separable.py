"""The separable layer: products of splines, jets equal nested autograd, exact rows of the Jacobian."""

import pytest
import torch
from tests.ops.test_jet import line_derivatives, numbers
from torch.func import functional_call, jacrev

from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.jet import along, seed_jet
from edgewise.pde.layers.separable import SeparableLayer


def made(inputs=3, outputs=2, **settings):
    settings = {"grid_size": 4, "degree": 5, "domain": (-1.5, 1.5), "dtype": torch.float64, **settings}
    return SeparableLayer(inputs, outputs, generator=seeded_generator(1), **settings)


def test_it_multiplies_the_edges_of_a_kan_layer():
    layer, x = made(), numbers(7, 3).tanh()
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
    assert torch.allclose(made(around=1.0).edges(x), made().edges(x) + 1, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1, 2, 4])
@pytest.mark.parametrize("inputs", [1, 3])
def test_jets(order, inputs):
    layer, x, directions = made(inputs), numbers(5, inputs).tanh(), numbers(2, inputs, seed=4)
    found = layer.jet(seed_jet(x, directions, order), order)
    assert torch.allclose(found[0], layer(x), rtol=1e-12, atol=1e-13)
    for d, direction in enumerate(directions if order else ()):
        expected = line_derivatives(layer, x, direction, order)
        assert (along(found, order)[d] - expected).abs().max() <= 1e-10 * (expected.abs().max() + 1)


@pytest.mark.parametrize("order", [0, 2])
def test_rows(order):
    layer, x = made(), numbers(5, 3).tanh()
    jet = seed_jet(x, torch.eye(3, dtype=torch.float64), order)
    sensitivity = numbers(len(jet), 5, 2, seed=9)

    def pulled(coef):
        return (functional_call(_Jet(layer), {"layer.coef": coef}, (jet, order)) * sensitivity).sum((0, 2))

    expected = jacrev(pulled)(layer.coef.detach()).flatten(1)
    (found,) = layer.jacobian_segments(jet, sensitivity, order)
    assert found.parameter == "coef"
    assert torch.allclose(dense_rows(found, layer.coef.numel()), expected, rtol=1e-10, atol=1e-10)


class _Jet(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, jet, order):
        return self.layer.jet(jet, order)

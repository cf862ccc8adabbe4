"""The layers of equations: jets equal nested autograd, rows of the Jacobian equal `jacrev`. Join by LAYERS."""

import pytest
import torch
from tests.ops.test_jet import line_derivatives, numbers
from torch.func import functional_call, jacrev

from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.segments import dense_rows
from edgewise.ops.jet import along, seed_jet
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer

POINTS = torch.tensor([[-1.5, -1.0, -0.9, 0.2, 1.0, 1.2, 1.5], [-1.2, -0.3, 0.0, 0.1, 0.6, 1.0, 1.2]]).double()


def separable(inputs=3, outputs=2, **settings):
    settings = {"grid_size": 4, "degree": 5, "domain": (-1.5, 1.5), "dtype": torch.float64, **settings}
    return SeparableLayer(inputs, outputs, generator=seeded_generator(1), **settings)


def tensor(inputs=2, outputs=2, periodic=None, degree=5):
    layer = TensorLayer([*POINTS, *POINTS][:inputs], outputs, degree=degree, periodic=periodic)
    with torch.no_grad():
        layer.coef.copy_(numbers(*layer.coef.shape, seed=3))
    return layer


LAYERS = {
    "periodic": (PeriodicLayer(2, {0: (0.3, 1.5), 1: (0.0, 4.0)}), 2),
    "separable, one input": (separable(1), 1),
    "separable": (separable(), 3),
    "tensor, one input": (tensor(1), 1),
    "tensor": (tensor(), 2),
    "tensor, one periodic input": (tensor(periodic=(True, False)), 2),
    "tensor, the other one": (tensor(periodic=(False, True)), 2),
    "tensor, periodic": (tensor(periodic=(True, True)), 2),
    "tensor, three inputs": (tensor(3), 3),
}
every_layer = pytest.mark.parametrize(("layer", "inputs"), LAYERS.values(), ids=LAYERS.keys())


@every_layer
@pytest.mark.parametrize("order", [0, 1, 2, 4])
def test_jets(layer, inputs, order):
    x, directions = numbers(5, inputs).tanh(), numbers(2, inputs, seed=4)
    found = layer.jet(seed_jet(x, directions, order), order)
    assert torch.allclose(found[0], layer(x), rtol=1e-12, atol=1e-13)
    for d, direction in enumerate(directions if order else ()):
        expected = line_derivatives(layer, x, direction, order)
        assert (along(found, order)[d] - expected).abs().max() <= 1e-10 * (expected.abs().max() + 1)


class _Jet(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, jet, order):
        return self.layer.jet(jet, order)


@every_layer
@pytest.mark.parametrize("order", [0, 2])
def test_rows(layer, inputs, order):
    x = 1.15 * numbers(9, inputs).tanh()
    jet = seed_jet(x, torch.eye(inputs, dtype=torch.float64), order)
    outputs = layer(x).shape[1]
    sensitivity = numbers(len(jet), 9, outputs, seed=9)
    if not list(layer.parameters()):
        assert layer.jacobian_segments(jet, sensitivity, order) == ()
        return

    def pulled(coef):
        return (functional_call(_Jet(layer), {"layer.coef": coef}, (jet, order)) * sensitivity).sum((0, 2))

    expected = jacrev(pulled)(layer.coef.detach()).flatten(1)
    (found,) = layer.jacobian_segments(jet, sensitivity, order)
    assert found.parameter == "coef" and bool((found.starts.diff(dim=1) > 0).all())
    assert torch.allclose(dense_rows(found, layer.coef.numel()), expected, rtol=1e-10, atol=1e-10)

"""The tensor layer: scipy's tensor-product splines, jets, exact rows, more knots, periods."""

import numpy as np
import pytest
import torch
from scipy.interpolate import NdBSpline
from tests.ops.test_jet import line_derivatives, numbers
from torch.func import functional_call, jacrev

from edgewise.errors import InputError
from edgewise.nn.layers.segments import dense_rows
from edgewise.ops.jet import along, seed_jet
from edgewise.pde.layers.tensor_product import TensorLayer

POINTS = [torch.tensor([-1.5, -1.0, -0.9, 0.2, 1.0, 1.2, 1.5]), torch.tensor([-1.2, -0.3, 0.0, 0.1, 0.6, 1.0, 1.2])]
POINTS = [points.double() for points in POINTS]


def made(inputs=2, outputs=2, periodic=None, degree=5):
    points = (POINTS * 2)[:inputs]
    layer = TensorLayer(points, outputs, degree=degree, periodic=periodic)
    with torch.no_grad():
        layer.coef.copy_(numbers(*layer.coef.shape, seed=3))
    return layer


@pytest.mark.parametrize("degree", [5, (3, 11)])
def test_it_is_scipys_tensor_product(degree):
    layer, x = made(degree=degree), numbers(9, 2).tanh()
    knots = tuple(row[0].numpy() for row in layer.knots)
    expected = NdBSpline(knots, layer.coef.detach().numpy(), degree)(x.numpy())
    assert np.allclose(layer(x).detach().numpy(), expected, rtol=1e-11, atol=1e-12)
    assert layer(x.reshape(3, 3, 2)).shape == (3, 3, 2)
    assert (layer.in_features, layer.out_features, layer.grid_sizes) == (2, 2, (6, 6))
    assert "2 -> 2, grid_sizes=(6, 6)" in repr(layer)


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1, 2, 4])
@pytest.mark.parametrize(
    ("inputs", "periodic"), [(1, None), (2, None), (2, (True, False)), (2, (True, True)), (3, None)]
)
def test_jets(order, inputs, periodic):
    layer, x = made(inputs, periodic=periodic), numbers(5, inputs).tanh()
    directions = numbers(2, inputs, seed=4)
    found = layer.jet(seed_jet(x, directions, order), order)
    assert torch.allclose(found[0], layer(x), rtol=1e-12, atol=1e-13)
    for d, direction in enumerate(directions if order else ()):
        expected = line_derivatives(layer, x, direction, order)
        assert (along(found, order)[d] - expected).abs().max() <= 1e-10 * (expected.abs().max() + 1)


@pytest.mark.parametrize("periodic", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("order", [0, 2])
def test_rows(order, periodic):
    layer, x = made(periodic=periodic), 1.15 * numbers(9, 2).tanh()
    jet = seed_jet(x, torch.eye(2, dtype=torch.float64), order)
    sensitivity = numbers(len(jet), 9, 2, seed=9)

    def pulled(coef):
        return (functional_call(_Jet(layer), {"layer.coef": coef}, (jet, order)) * sensitivity).sum((0, 2))

    expected = jacrev(pulled)(layer.coef.detach()).flatten(1)
    (found,) = layer.jacobian_segments(jet, sensitivity, order)
    assert found.parameter == "coef"
    assert bool((found.starts.diff(dim=1) > 0).all())
    assert torch.allclose(dense_rows(found, layer.coef.numel()), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("periodic", [(False, False), (True, False)])
def test_more_knots_hold_the_same_function(periodic):
    layer, x = made(periodic=periodic), 1.2 * numbers(40, 2).tanh()
    finer = [torch.cat([points, (points[1:3] + points[:2]) / 2]).sort().values for points in POINTS]
    other = layer.with_breakpoints(finer)
    assert other.grid_sizes == (8, 8)
    directions = torch.eye(2, dtype=torch.float64)
    old, new = (each.jet(seed_jet(x, directions, 4), 4) for each in (layer, other))
    assert (old - new).abs().amax() <= 1e-11 * old.abs().amax()


def test_a_periodic_input_repeats_with_all_derivatives():
    layer = made(periodic=(True, False))
    x = torch.tensor([[-1.5, 0.3], [1.5, 0.3], [0.4, 0.3], [3.4, 0.3], [-2.6, 0.3]], dtype=torch.float64)
    jet = layer.jet(seed_jet(x, torch.eye(2, dtype=torch.float64), 4), 4)
    assert torch.allclose(jet[:, 0], jet[:, 1], rtol=1e-9, atol=1e-9)
    assert torch.allclose(jet[:, 2], jet[:, 3], rtol=1e-9, atol=1e-9)
    assert torch.allclose(jet[:, 2], jet[:, 4], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"breakpoints": []}, r"^breakpoints must be given for 1 to 4 inputs, got 0$"),
        ({"degree": 12}, r"^degree must be 1 to 11, for all inputs or for each, got 12$"),
        ({"breakpoints": [torch.zeros(3)]}, r"^breakpoints must be increasing, "),
        ({"periodic": [True, False]}, r"^a periodic input must have 6 intervals or more, got 3$"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, message):
    points = [torch.linspace(0, 1, 4), torch.linspace(0, 1, 4)]
    with pytest.raises(InputError, match=message):
        TensorLayer(**{"breakpoints": points, "out_features": 1, "degree": 5, **arguments})


class _Jet(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, jet, order):
        return self.layer.jet(jet, order)

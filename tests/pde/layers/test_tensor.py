"""The tensor layer: scipy's tensor-product splines, more knots, periods."""

import numpy as np
import pytest
import torch
from scipy.interpolate import NdBSpline
from tests.ops.test_jet import numbers
from tests.pde.layers.test_layer_contract import POINTS, tensor

from edgewise.ops.jet import seed_jet


@pytest.mark.parametrize("degree", [5, (3, 11)])
def test_it_is_scipys_tensor_product(degree):
    layer, x = tensor(degree=degree), numbers(9, 2).tanh()
    knots = tuple(row[0].numpy() for row in layer.knots)
    expected = NdBSpline(knots, layer.coef.detach().numpy(), degree)(x.numpy())
    assert np.allclose(layer(x).detach().numpy(), expected, rtol=1e-11, atol=1e-12)
    assert layer(x.reshape(3, 3, 2)).shape == (3, 3, 2)
    assert (layer.in_features, layer.out_features, layer.grid_sizes) == (2, 2, (6, 6))
    assert "2 -> 2, grid_sizes=(6, 6)" in repr(layer)


@pytest.mark.parametrize("periodic", [(False, False), (True, False)])
def test_more_knots_hold_the_same_function(periodic):
    layer, x = tensor(periodic=periodic), 1.2 * numbers(40, 2).tanh()
    finer = [torch.cat([points, (points[1:3] + points[:2]) / 2]).sort().values for points in POINTS]
    other = layer.with_breakpoints(finer)
    assert other.grid_sizes == (8, 8)
    directions = torch.eye(2, dtype=torch.float64)
    old, new = (each.jet(seed_jet(x, directions, 4), 4) for each in (layer, other))
    assert (old - new).abs().amax() <= 1e-11 * old.abs().amax()

"""Edges of scipy.interpolate: equal to those of the layer, on the line beyond the domain too."""

import numpy as np
import pytest
import torch
from tests.export.networks import case, every_function

from edgewise.export.scipy_edges import to_scipy
from edgewise.nn.layers.product import ProductLayer

KANS = ["degree 0", "degree 1", "degree 2", "degree 5", "float32", "masked", "uneven", "mixed", "formula"]


@pytest.mark.parametrize("name", KANS)
def test_edges_are_those_of_the_layers(name):
    model, x, _ = case(name)
    trace = model.trace(x)
    number = 0
    for layer, inputs, edges in zip(model.layers, trace.inputs, trace.edges, strict=True):
        if isinstance(layer, ProductLayer):
            continue
        functions = to_scipy(model)[number]
        number += 1
        assert set(functions) == set(map(tuple, layer.mask.nonzero().tolist()))
        for (i, o), function in functions.items():
            expected = edges[:, i, o].detach().numpy()
            value = function(inputs[:, i].detach().numpy())
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-11)
    assert number == len(to_scipy(model))


def test_every_elementary_function_and_any_shape():
    x = torch.linspace(0.1, 0.9, 40, dtype=torch.float64)[:, None]
    model = every_function()
    expected = model(x).detach().numpy()
    for (_, o), function in to_scipy(model)[0].items():
        np.testing.assert_allclose(function(x.numpy()[:, 0]), expected[:, o], rtol=1e-12, atol=1e-12)
        assert function(np.full((2, 3), 0.5)).shape == (2, 3) and function(0.5).shape == ()


def test_a_spline_is_differentiated_and_integrated_by_scipy():
    model, _, _ = case("degree 1")
    spline = to_scipy(model)[0][0, 1].spline
    at = np.array([-5.0, -0.3, 0.31, 7.0])
    x = torch.tensor(at)[:, None].expand(-1, 2)
    jet = model.layers[0].jet(torch.stack([x, torch.eye(2).double()[0].expand(4, 2)]), 1)
    np.testing.assert_allclose(spline.derivative()(at), jet[1, :, 1].detach(), atol=1e-12)
    assert spline.integrate(-1, 1) == pytest.approx(np.mean(spline(np.linspace(-1, 1, 200001))) * 2, abs=1e-5)

"""Segments of the layers' Jacobians against torch.func, at every order of the jets."""

import pytest
import torch
from tests.nn.test_layer_contract import LAYERS, points
from torch.func import functional_call, jacrev

from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.segments import dense_rows


@pytest.fixture(params=LAYERS.values(), ids=LAYERS.keys())
def make_layer(request):
    return request.param


@pytest.mark.parametrize("order", range(5))
def test_rows_equal_functional_jacobians(make_layer, order):
    layer = make_layer(3, 2)
    x = torch.randn(1 + 2 * order, 7, 3, generator=seeded_generator(4), dtype=torch.float64)
    sensitivity = torch.randn(1 + 2 * order, 7, 2, generator=seeded_generator(5), dtype=torch.float64)
    parameters = {name: value.detach() for name, value in layer.named_parameters()}

    def pulled(parameters):
        y = functional_call(JetOf(layer), {f"layer.{name}": value for name, value in parameters.items()}, (x, order))
        return (y * sensitivity).sum((0, 2))

    expected = jacrev(pulled)(parameters)
    with torch.no_grad():
        found = {part.parameter: part for part in layer.jacobian_segments(x, sensitivity, order)}
    assert found.keys() == expected.keys()
    for name, part in found.items():
        rows = dense_rows(part, parameters[name].numel())
        size = float(expected[name].abs().max())
        assert float((rows - expected[name].flatten(1)).abs().max()) <= 1e-12 * max(size, 1)


class JetOf(torch.nn.Module):
    """`layer.jet` as a forward, since functional_call calls nothing else."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, order):
        return self.layer(x[0])[None] if order == 0 else self.layer.jet(x, order)


def test_an_empty_batch(make_layer):
    layer = make_layer(3, 2)
    for part in layer.jacobian_segments(points(1, 0, 3), points(1, 0, 2)):
        size = layer.get_parameter(part.parameter).numel()
        assert dense_rows(part, size).shape == (0, size)

"""Convolutions with functions: linear functions give torch's convolution, and shapes and hostile input are as there."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn import KANConv1d, KANConv2d


@pytest.mark.parametrize(
    ("kind", "twin", "shape"),
    [(KANConv1d, torch.nn.Conv1d, (4, 3, 17)), (KANConv2d, torch.nn.Conv2d, (4, 3, 9, 12))],
)
@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}])
def test_linear_functions_are_a_convolution_of_torch(kind, twin, shape, settings):
    generator = torch.Generator().manual_seed(0)
    layer = kind(3, 5, 3, base="identity", generator=generator, dtype=torch.float64, **settings)
    other = twin(3, 5, 3, bias=False, dtype=torch.float64, **settings)
    with torch.no_grad():
        layer.layer.coef.zero_()
        other.weight.copy_(layer.layer.base.T.view_as(other.weight))
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(layer(x), other(x), rtol=1e-12, atol=1e-12)


def test_every_place_has_the_same_functions():
    layer = KANConv2d(2, 3, (2, 1), stride=(2, 1), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(2, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = layer(x)
    assert y.shape == (2, 3, 2, 5)
    patch = x[1, :, 2:4, 3].flatten()
    torch.testing.assert_close(y[1, :, 1, 3], layer.layer(patch))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KANConv2d(0, 1, 3), "in_channels must be"),
        (lambda: KANConv2d(1, 1, (3, 3, 3)), "kernel_size must be an integer or two"),
        (lambda: KANConv1d(1, 1, 3, padding=-1), "padding must be an integer of at least 0"),
        (lambda: KANConv2d(1, 1, 3)(torch.rand(2, 3, 8, 8)), "x must have shape .batch, 1, height, width."),
        (lambda: KANConv1d(1, 1, 3)(torch.rand(2, 1, 2)), "x must be at least as large as the kernel"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()

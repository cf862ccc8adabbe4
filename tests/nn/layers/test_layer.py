"""The spline layer against its definition, written out with scipy; masks, base functions, domains."""

import re

import numpy as np
import pytest
import torch
from tests.ops.spline_cases import scipy_basis

from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.spline import KANLayer

BASES = {"silu": lambda x: x / (1 + np.exp(-x)), "identity": lambda x: x, "zero": np.zeros_like}


def make_layer(inputs=3, outputs=2, **settings):
    return KANLayer(inputs, outputs, dtype=torch.float64, generator=seeded_generator(0), **settings)


def points(count, inputs=3):
    return 2 * torch.rand(count, inputs, generator=seeded_generator(1), dtype=torch.float64) - 1


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("grid_size", [1, 5])
def test_forward_is_its_definition(base, degree, grid_size):
    layer = make_layer(base=base, degree=degree, grid_size=grid_size, init="paper")
    layer.mask[1, 0] = 0
    x = points(20)
    splines = np.einsum("big,igo->bio", scipy_basis(x, layer.knots, degree), layer.coef.detach())
    weight = np.zeros((3, 2)) if layer.base is None else layer.base.detach().numpy()
    edges = layer.mask.numpy() * (splines + weight * BASES[base](x.numpy())[..., None])
    assert np.abs(layer(x).detach().numpy() - edges.sum(1)).max() < 1e-14
    assert np.abs(layer.edges(x).detach().numpy() - edges).max() < 1e-14


def test_a_masked_edge_is_zero_and_gets_no_gradient():
    layer = make_layer()
    layer.mask[1, 0] = 0
    x = points(8)
    assert not layer.edges(x)[:, 1, 0].any()
    layer(x).square().sum().backward()
    for gradient in (layer.coef.grad.amax(1), layer.base.grad):
        assert gradient[1, 0] == 0
        assert gradient[0, 0] != 0 and gradient[1, 1] != 0
    coef, _ = layer.jacobian_segments(x[None], torch.ones(1, 8, 2, dtype=torch.float64))
    assert not dense_rows(coef, layer.coef.numel()).view(8, *layer.coef.shape)[:, 1, :, 0].any()


def test_domain_defaults_to_minus_one_to_one_and_waits_for_fit():
    layer = make_layer()
    assert layer.domain.tolist() == [[-1.0, 1.0]] * 3
    assert not layer.domain_is_set
    assert make_layer(domain=(0, 1)).domain_is_set


@pytest.mark.parametrize("convert", [list, tuple, np.array, torch.tensor])
def test_domain_one_for_all_or_one_per_input(convert):
    assert make_layer(domain=convert([0.0, 4.0])).domain.tolist() == [[0.0, 4.0]] * 3
    rows = [[0.0, 1.0], [-2.0, 1e9], [5.0, 5.25]]
    assert make_layer(domain=convert(rows)).domain.tolist() == rows


ROW = "domain must be (low, high) with low < high, or one such row per input, got "
ROOM = "domain must leave room for 100 distinct intervals in torch.float32, got "


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("ab", "domain must be (low, high), or one such row per input, got 'ab'"),
        ((None, 1), "domain must be (low, high), or one such row per input, got (None, 1)"),
        (5, ROW + "5.0"),
        ((1, 1), ROW + "[1.0, 1.0]"),
        ((1, 0), ROW + "[1.0, 0.0]"),
        ((0, float("nan")), ROW + "[0.0, nan]"),
        ((0, float("inf")), ROW + "[0.0, inf]"),
        ([(0, 1), (0, 1)], ROW + "[[0.0, 1.0], [0.0, 1.0]]"),
        ([(0, 1), (0, 1), (1, 0)], ROW + "[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]"),
        ((1e6, 1e6 + 1), ROOM + "[1000000.0, 1000001.0]"),
        ((-1e39, 1e39), ROOM + "[-1e+39, 1e+39]"),
    ],
)
def test_bad_domain_gets_one_sentence(domain, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        KANLayer(3, 2, grid_size=100, domain=domain, dtype=torch.float32)

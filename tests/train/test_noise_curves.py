"""Curves of the noise: values of their splines, constant ends, and files."""

import pytest
import torch

from edgewise.checkpoint import codec
from edgewise.errors import CheckpointError
from edgewise.train.noise_curves import NoiseCurves


def straight(slope):
    """Curves of one input and the prediction; the log deviation is slope * input + prediction, within [-1, 1]."""
    knots = torch.arange(-3, 5, dtype=torch.float64).expand(1, 2, 8)
    line = torch.arange(-1, 3, dtype=torch.float64)
    coef = torch.stack([slope * line, line])[None]
    limits = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
    return NoiseCurves(torch.tensor([2]), knots, coef, limits, torch.tensor([[-1.0, 1.0]], dtype=torch.float64))


def test_the_deviation_is_the_exponential_of_the_sum_and_ends_with_the_rows():
    x = torch.zeros(5, 4, dtype=torch.float64)
    x[:, 2] = torch.tensor([0.0, 0.25, 1.0, 7.0, -9.0])
    prediction = torch.tensor([[0.5], [0.5], [0.5], [0.5], [99.0]], dtype=torch.float64)
    expected = torch.tensor([0.5, 0.25, -0.5, -0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(straight(-1.0).std(x, prediction)[:, 0].log(), expected)
    assert straight(-9.0).std(x, prediction).log().min() == -1.0


SIZES = {"inputs": 3, "outputs": 1}


def test_fields_give_the_curves_back_and_damaged_ones_are_refused():
    curves = straight(0.5)
    x, prediction = torch.rand(6, 3, dtype=torch.float64), torch.rand(6, 1, dtype=torch.float64)
    again = codec.read(NoiseCurves, codec.plain(curves), "curves", SIZES)
    assert torch.equal(again.std(x, prediction), curves.std(x, prediction))
    damaged = {
        "inputs": torch.tensor([3]),
        "knots": -curves.knots.contiguous(),
        "coef": curves.coef * torch.nan,
        "limits": curves.limits.flip(-1).contiguous(),
        "ends": curves.ends.expand(2, 2).contiguous(),
    }
    for name, value in damaged.items():
        with pytest.raises(CheckpointError, match=r"^must have .* curves"):
            codec.read(NoiseCurves, codec.plain(curves) | {name: value}, "curves", SIZES)
    with pytest.raises(CheckpointError, match=r"must have a Tensor as curves.coef, got a list"):
        codec.read(NoiseCurves, codec.plain(curves) | {"coef": [1.0]}, "curves", SIZES)

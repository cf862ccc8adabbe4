"""Predictions a batch at a time are those of all rows at once."""

import pytest
import torch

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.prediction import evaluation_mode, predict_in_batches
from edgewise.settings import FORWARD_CHUNK_NUMBERS


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_batches_are_the_same_as_all_rows_at_once(rows):
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = KAN([2, 3, 1], dtype=torch.float64)
    y = predict_in_batches(model, x, numbers=FORWARD_CHUNK_NUMBERS // rows)
    torch.testing.assert_close(y, model(x).detach(), rtol=1e-13, atol=1e-14)
    assert not y.requires_grad
    axes = torch.eye(2, dtype=torch.float64)
    jet = predict_in_batches(lambda part: model.jet(part, axes, 2), x, numbers=FORWARD_CHUNK_NUMBERS // rows)
    torch.testing.assert_close(jet, model.jet(x, axes, 2).detach(), rtol=1e-13, atol=1e-13)


def test_no_batch_is_larger_than_asked_for():
    sizes = []
    predict_in_batches(lambda part: (sizes.append(len(part)), part)[1], torch.zeros(20_000, 1))
    assert sizes == [8192, 8192, 3616]


def test_the_mode_of_a_model_is_restored():
    model = MLP([1, 1]).train()
    with pytest.raises(ZeroDivisionError), evaluation_mode(model):
        assert not model.training
        raise ZeroDivisionError
    assert model.training

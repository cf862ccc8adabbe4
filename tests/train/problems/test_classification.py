"""The factor of the softmax's second derivative, and its extremes."""

import pytest
import torch

from edgewise.train.blocks import CrossEntropyBlock, Data, softmax_factor


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_rows_multiply_to_the_second_derivative(classes):
    logits = torch.randn(50, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    p = logits.softmax(1)
    rows = softmax_factor(p)
    assert rows.shape == (classes - 1, 50, classes)
    expected = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    assert float((torch.einsum("rbc,rbd->bcd", rows, rows) - expected).abs().max()) < 1e-15


@pytest.mark.parametrize("sure", [0, 1, 2])
def test_certainty_is_finite(sure):
    logits = torch.zeros(1, 3, dtype=torch.float64)
    logits[0, sure] = 2000.0
    p = logits.softmax(1)
    assert not softmax_factor(p).any()
    local = CrossEntropyBlock("b", Data(logits, torch.tensor([0]))).local_model(
        logits[None], Data(logits, torch.tensor([0])), {}
    )
    assert bool(local.rows.isfinite().all())
    assert torch.allclose(local.slope[0].sum(1), torch.zeros(1, dtype=torch.float64))

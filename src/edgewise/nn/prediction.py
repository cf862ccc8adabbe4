"""Predictions of a model for any number of rows in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgewise.settings import FORWARD_CHUNK_NUMBERS

# Rows of a batch where the layers of the model are unknown: some hundred numbers for each of them take a few MiB, and a
# torch call on so many rows still takes far longer than its overhead.
BATCH_ROWS = 8192


def predict_in_batches(model: Callable[[Tensor], Tensor], x: Tensor, *, rows: int | None = None) -> Tensor:
    """Evaluate a model on many rows, a batch at a time and without gradients. Shapes: model (n, in), x (N, in)."""
    if rows is None:
        if isinstance(model, nn.Module):
            rows = rows_in_memory(model)
        else:
            rows = BATCH_ROWS
    with torch.no_grad():
        if len(x) <= rows:
            return model(x)
        return torch.cat([model(part) for part in x.split(rows)], -2)


def rows_in_memory(network: nn.Module) -> int:
    """Number of rows, at least 1024, with which the widest layer holds about `FORWARD_CHUNK_NUMBERS` numbers."""
    widest = 128
    for module in network.modules():
        coef = getattr(module, "coef", None)
        if isinstance(coef, Tensor):  # basis values and edges of each input, and the outputs
            inputs, *counts, outputs = coef.shape
            widest = max(widest, inputs * (sum(counts) + outputs))
    return max(1024, FORWARD_CHUNK_NUMBERS // widest)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode within a `with` block; its mode is restored at the end."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)

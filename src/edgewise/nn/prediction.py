"""Predictions of a model for any number of rows in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgewise.settings import ROW_NUMBERS, chunks


def predict_in_batches(model: Callable[[Tensor], Tensor], x: Tensor, *, numbers: int | None = None) -> Tensor:
    """Evaluate a model on many rows, a chunk at a time and without gradients. Shapes: model (n, in), x (N, in)."""
    if numbers is None:
        if isinstance(model, nn.Module):
            numbers = numbers_of_row(model)
        else:
            numbers = ROW_NUMBERS
    parts = list(chunks(len(x), numbers))
    with torch.no_grad():
        if len(parts) <= 1:
            return model(x)
        return torch.cat([model(x[part]) for part in parts], -2)


def numbers_of_row(network: nn.Module) -> int:
    """Count of the numbers that the widest layer holds for one row."""
    widest = 128  # a layer of another kind, and the overhead of a call
    for module in network.modules():
        coef = getattr(module, "coef", None)
        if isinstance(coef, Tensor):  # basis values and edges of each input, and the outputs
            inputs, *counts, outputs = coef.shape
            widest = max(widest, inputs * (sum(counts) + outputs))
    return widest


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode within a `with` block; its mode is restored at the end."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)

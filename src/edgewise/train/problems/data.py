"""Samples, as tensors: what problems and their residual blocks are made from."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Data:
    """Samples. x: (N, in); y: (N, out), or (N,) integer labels; weight: (N,) relative weights, None for ones."""

    x: Tensor
    y: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: Tensor | slice) -> "Data":
        """The samples at `index`, in that order."""
        weight = None if self.weight is None else self.weight[index]
        return Data(self.x[index], self.y[index], weight)

    def chunks(self, rows: int) -> Iterator[tuple["Data", float]]:
        """The samples in order, at most `rows` at a time, each chunk with its share of all samples.

        A loss is a mean over samples, so the loss of the whole is the sum of share times loss of a chunk.
        """
        if rows >= len(self):
            yield self, 1.0
            return
        for start in range(0, len(self), rows):
            part = self.select(slice(start, start + rows))
            yield part, len(part) / len(self)

    def to(self, dtype: torch.dtype) -> "Data":
        """The same samples with floating-point tensors in `dtype`; labels stay integers."""
        y = self.y.to(dtype) if self.y.is_floating_point() else self.y
        return Data(self.x.to(dtype), y, None if self.weight is None else self.weight.to(dtype))

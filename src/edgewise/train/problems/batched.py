"""Training samples that a loader brings anew for every pass, for methods that need all of them (`BatchedData`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.problems.data import Data


@dataclass(frozen=True, eq=False)
class BatchedData(Data):
    """Samples of a loader, of which one batch is in memory at a time.

    `chunks` goes through all of them, so sums over samples are those over the whole table. The tensors `x`, `y` and
    `weight`, and `select`, are those of the first samples alone, for whoever needs to see some.
    """

    # returns an iterator over all batches; it gives the same samples each time
    epoch: Callable[[], Iterator[Data]] = field(default=lambda: iter(()), repr=False)
    count: int = 0  # number of samples in all
    dtype: torch.dtype | None = None  # floating-point dtype of the batches; as they come by default

    @classmethod
    def of(cls, first: Data, epoch: Callable[[], Iterator[Data]]) -> BatchedData:
        """Count the samples in a pass over all batches; `first` are some samples to see."""
        return cls(first.x, first.y, first.weight, epoch=epoch, count=sum(len(part) for part in epoch()))

    def __len__(self) -> int:
        return self.count

    def select(self, index: Tensor | slice) -> Data:
        """Some of the first samples."""
        return Data(self.x, self.y, self.weight).select(index)

    def chunks(self, rows: int) -> Iterator[tuple[Data, float]]:
        """Samples in order, at most `rows` at a time, each chunk with its share of all samples."""
        seen = 0
        for batch in self.epoch():
            data = batch if self.dtype is None else batch.to(self.dtype)
            for part, share in data.chunks(rows):
                seen += len(part)
                yield part, share * len(data) / self.count
        if seen != self.count:
            raise InputError(
                f"the DataLoader must give the same samples in every pass, got {seen} after {self.count} before"
            )

    def to(self, dtype: torch.dtype) -> BatchedData:
        """Same samples with floating-point tensors in `dtype`."""
        first = Data(self.x, self.y, self.weight).to(dtype)
        return replace(self, x=first.x, y=first.y, weight=first.weight, dtype=dtype)

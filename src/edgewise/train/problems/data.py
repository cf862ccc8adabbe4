"""Samples as tensors, from which problems and their residual blocks are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Data:
    """Samples as tensors.

    Parameters
    ----------
    x : Tensor
        Inputs, (N, in).
    y : Tensor
        Targets, (N, out), or integer labels, (N,).
    weight : Tensor, optional
        Relative weights, (N,). Without them every sample has the weight 1.
    auxiliary : mapping of str to Tensor, optional
        Further values of every sample by name, (N, ...) each, for example the outward normals of a boundary.

    Examples
    --------
    >>> data = Data(torch.zeros(5, 2), torch.arange(5.0)[:, None])
    >>> len(data.select(torch.tensor([3, 1])))
    2
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: Tensor | slice) -> Data:
        """Samples at `index`, in that order."""
        weight = None if self.weight is None else self.weight[index]
        return Data(self.x[index], self.y[index], weight, {key: each[index] for key, each in self.auxiliary.items()})

    def chunks(self, rows: int) -> Iterator[tuple[Data, float]]:
        """Samples in order, at most `rows` at a time, each chunk with its share of all samples.

        A loss is a mean over samples, so the loss of all samples is the sum of share times loss over the chunks.
        """
        if rows >= len(self):
            yield self, 1.0
            return
        for start in range(0, len(self), rows):
            part = self.select(slice(start, start + rows))
            yield part, len(part) / len(self)

    def to(self, dtype: torch.dtype) -> Data:
        """Same samples with floating-point tensors in `dtype`; integer tensors keep theirs."""

        def converted(value: Tensor) -> Tensor:
            return value.to(dtype) if value.is_floating_point() else value

        if self.weight is None:
            weight = None
        else:
            weight = self.weight.to(dtype)
        auxiliary = {key: converted(each) for key, each in self.auxiliary.items()}
        return Data(self.x.to(dtype), converted(self.y), weight, auxiliary)

"""The partitions of a DataFrame of Dask as parts of a table in batches (`Partitions`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Partitions:
    """The partitions of a DataFrame of Dask."""

    lengths: Sequence[int]  # rows of each
    frames: Any  # the partitions; on a worker the one that it works on

    @classmethod
    def of(cls, collection: Any) -> Partitions:
        """Count the rows of each partition of a DataFrame of Dask; nothing else is computed."""
        return cls([int(rows) for rows in collection.map_partitions(len).compute()], collection.to_delayed())

    def read(self, number: int, batch_rows: int) -> Iterator[Any]:
        """Yield a partition as frames of a bounded number of rows."""
        frame = self.frames[number]
        frame = frame.compute() if hasattr(frame, "compute") else frame
        for first in range(0, len(frame), batch_rows):
            yield frame.iloc[first : first + batch_rows]

    def answer(self, batches: Any) -> Callable[[Any, int, Any], Any]:
        """Return what a worker does with a request, the number of a partition and its frame, for these `Batches`."""
        return partial(_answered, _with_source(batches, Partitions(self.lengths, {})))


def _answered(batches: Any, request: Callable[[Any], Any], number: int, frame: Any) -> Any:
    lengths = batches.source.lengths
    return request(_with_source(batches, Partitions(lengths, {number: frame})).part(number, len(lengths)))


def _with_source(batches: Any, source: Partitions) -> Any:
    twin = copy(batches)
    twin.source = source
    twin.checkpoint = None
    return twin

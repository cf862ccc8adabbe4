"""The workers of Dask in place of processes: each partition of a collection adds its part of a sum (`DaskTeam`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from edgewise.errors import ProcessError
from edgewise.processes.team import Arrays, Team

SUMS_AT_ONCE = 8  # sums that one task adds; a choice: no worker then holds more than so many matrices for it


class DaskTeam(Team):
    """The partitions of a Dask collection, which answer requests on the workers that have them.

    Sums are added in a tree of fixed order, so that workers which are lost and replaced don't change the result: Dask
    computes their partitions again.

    Parameters
    ----------
    answer : callable
        What is done with a request, the number of a partition and the partition; it must be an object that can be
        pickled.
    partitions : sequence of dask.delayed.Delayed
        The partitions, as `to_delayed` of a collection gives them.
    """

    def __init__(self, answer: Callable[[Any, int, Any], Any], partitions: Sequence[Any]) -> None:
        super().__init__(answer)
        self._dask, self._partitions = import_module("dask"), partitions

    def summed(self, request: Any) -> Arrays:
        """Return the sums over all partitions of the arrays with which they answer."""
        sums = self._answers_to(request)
        add = self._dask.delayed(_added, pure=False)
        while len(sums) > 1:
            sums = [add(sums[first : first + SUMS_AT_ONCE]) for first in range(0, len(sums), SUMS_AT_ONCE)]
        return self._computed(sums)[0]

    def gathered(self, request: Any) -> list[Any]:
        """Return the answers of all partitions."""
        return list(self._computed(self._answers_to(request)))

    def _answers_to(self, request: Any) -> list[Any]:
        shared = self._dask.delayed(request, pure=False, traverse=False)  # sent once
        answer = self._dask.delayed(self.answer, pure=False, traverse=False)
        return [answer(shared, number, part) for number, part in enumerate(self._partitions)]

    def _computed(self, wanted: Sequence[Any]) -> Any:
        try:
            return self._dask.compute(*wanted)
        except Exception as error:
            if type(error).__name__ == "KilledWorker":  # of the package distributed, which may be absent
                raise ProcessError(
                    "a partition must fit into the memory of a worker of Dask, got one at which several workers ended; "
                    "repartition() the collection"
                ) from error
            raise


def _added(sums: Sequence[Arrays | None]) -> Arrays | None:
    """Return the sums of arrays; None stands for those of a partition without rows."""
    found = [each for each in sums if each is not None]
    return tuple(sum(parts[1:], parts[0]) for parts in zip(*found, strict=True)) if found else None

"""The workers of Dask in place of processes: each partition of a collection adds its part of a sum (`DaskTeam`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from edgewise.errors import ProcessError
from edgewise.processes.team import Arrays, Team


class DaskTeam(Team):
    """The partitions of a Dask collection, which answer requests on the workers that have them."""

    # Answers are united in a tree of fixed order, so that workers which are lost and replaced don't change the result:
    # Dask computes their partitions again.

    def __init__(self, answer: Callable[[Any, int, Any], Any], partitions: Sequence[Any]) -> None:
        super().__init__(answer)
        self._dask = import_module("dask")
        self._partitions = partitions

    def summed(self, request: Any) -> Arrays:
        """Return the sums over all partitions of the arrays with which they answer."""
        return self._united(_added, request)

    def joined(self, request: Any) -> Any:
        """Join the answers of all partitions by their method `joined`, a few at a time on the workers."""
        return self._united(_joined, request)

    def gathered(self, request: Any) -> list[Any]:
        """Return the answers of all partitions."""
        return list(self._computed(self._answers_to(request)))

    def _united(self, function: Callable[[Sequence[Any]], Any], request: Any) -> Any:
        """Return what a function of several answers makes of all in a tree; one result comes here."""
        found = self._answers_to(request)
        unite = self._dask.delayed(function, pure=False)
        at_once = 8  # answers that one task unites: no worker then holds more matrices than these for it
        while len(found) > 1:
            found = [unite(found[first : first + at_once]) for first in range(0, len(found), at_once)]
        return self._computed(found)[0]

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
    if found:
        return tuple(sum(parts[1:], parts[0]) for parts in zip(*found, strict=True))
    return None


def _joined(answers: Sequence[Any]) -> Any:
    return answers[0].joined(answers[1:])

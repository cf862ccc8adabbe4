"""Processes that fit one model: what travels between them, and what happens when one is lost (`Team`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np

from edgewise.checks import is_number
from edgewise.errors import EdgewiseError, InputError, ProcessError

TIMEOUT = 600.0  # seconds; a choice: a search on the sample takes about a minute, and the other processes wait for it

Arrays = tuple[np.ndarray, ...]


def process_and_count() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are; (0, 1) outside of torch.distributed.

    Examples
    --------
    >>> process_and_count()
    (0, 1)
    """
    torch = sys.modules.get("torch")  # not imported for this: the command line checks its arguments without it
    if torch is None or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


@contextmanager
def joined_processes(timeout: float = TIMEOUT) -> Iterator[int]:
    """Join the processes that `torchrun` has started; fits of tables in batches inside share their rows.

    `torchrun --nproc-per-node 4 script.py` starts four processes that run the same script. Inside of this block each
    reads a part of the batches of `edgewise.tables.batches.Batches`; sums of normal equations travel between them, and
    all of them end with the same model. Outside of `torchrun` nothing changes.

    Parameters
    ----------
    timeout : float
        Seconds to wait for another process, at the beginning and whenever sums are added.

    Yields
    ------
    int
        The number of this process; the one of number 0 is to write files.

    Raises
    ------
    InputError
        The time is not a positive number, WORLD_SIZE is above 1 without RANK, MASTER_ADDR or MASTER_PORT, or processes
        have other versions of Edgewise or torch.
    ProcessError
        A process does not arrive in time, or is lost.

    Examples
    --------
    >>> with joined_processes() as process:
    ...     process
    0
    """
    if not is_number(timeout) or timeout <= 0:
        raise InputError(f"timeout must be a positive number of seconds, got {timeout!r}")
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdigit():
        raise InputError(f"WORLD_SIZE of the environment must be a number of processes, got {size!r}")
    count = int(size)
    if count <= 1 or process_and_count()[1] > 1:
        yield process_and_count()[0]
        return
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise InputError(
                f"{name} must be set in the environment where WORLD_SIZE is {count}, as torchrun does; got none"
            )
    from torch import distributed

    number = int(os.environ["RANK"])
    try:
        distributed.init_process_group("gloo", timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:  # torch's errors of its store and backends are RuntimeErrors
        raise ProcessError(
            f"all {count} processes must arrive within {timeout:g} s, but process {number} waited in vain for another"
        ) from error
    try:
        yield number
    finally:
        distributed.destroy_process_group()


class Team:
    """The processes of one fit: number 0 leads, asks all for sums and sends the result; the others serve.

    Parameters
    ----------
    answer : callable
        What a process does with a request, which must be an object that can be pickled.

    Raises
    ------
    InputError
        Processes have other versions of Edgewise or torch.
    ProcessError
        A process does not answer.

    Examples
    --------
    >>> team = Team(lambda request: (request * np.ones(2),))
    >>> team.summed(3.0)
    (array([3., 3.]),)
    """

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        import torch

        self.answer, self._torch = answer, torch
        self.number, self.count = process_and_count()
        self._failure: Exception | None = None  # the error of this process, of whatever type
        if self.count > 1:
            package = sys.modules[__name__.partition(".")[0]]
            mine = {"Edgewise": package.__version__, "torch": torch.__version__}
            for number, other in enumerate(self._gathered(mine)):
                for name, version in other.items():
                    if version != mine[name]:
                        raise InputError(
                            f"all processes must have one version of {name}, got {version} in process {number} and "
                            f"{mine[name]} in process {self.number}"
                        )

    def summed(self, request: Any) -> Arrays:
        """Return the sums over all processes of the arrays with which they answer; called by the leading one."""
        self._send("sum", request)
        return self._sum(request)

    def gathered(self, request: Any) -> list[Any]:
        """Return the answers of all processes; called by the leading one."""
        self._send("gather", request)
        return self._gather(request)

    @contextmanager
    def leading(self, result: Callable[[], Any]) -> Iterator[None]:
        """Send the result of the body to the others when it ends; an error ends them with the same sentence."""
        try:
            yield
        except ProcessError:  # nobody is there to be told
            raise
        except Exception as error:
            self._send("fail", _sentence(error))
            raise
        self._send("end", result())

    def serve(self) -> Any:
        """Answer the requests of the leading process until its work ends; return the result.

        Raises
        ------
        InputError
            The leading process has failed.
        """
        while True:
            kind, content = self._received()
            if kind == "end":
                return content
            if kind == "fail":
                raise InputError(content)
            (self._sum if kind == "sum" else self._gather)(content, quietly=True)

    # Messages

    def _send(self, kind: str, content: Any) -> None:
        if self.count > 1:
            self._waited(lambda: self._torch.distributed.broadcast_object_list([(kind, content)], src=0))

    def _received(self) -> tuple[str, Any]:
        box: list[Any] = [None]
        self._waited(lambda: self._torch.distributed.broadcast_object_list(box, src=0))
        return box[0]

    def _sum(self, request: Any, *, quietly: bool = False) -> Arrays:
        found, failed = self._tried(request)
        if self.count == 1:
            return found
        shapes = None if found is None else [array.shape for array in found]
        others = self._gathered((failed, shapes))
        if self._has_failed([other[0] for other in others], quietly):
            return ()
        known: Sequence[tuple[int, ...]] = next((other[1] for other in others if other[1] is not None), [])
        found = found or tuple(np.zeros(shape) for shape in known)
        flat = self._torch.from_numpy(np.concatenate([np.ravel(array) for array in found]))
        self._waited(lambda: self._torch.distributed.all_reduce(flat))
        parts = np.split(flat.numpy(), np.cumsum([int(np.prod(shape)) for shape in known])[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, known, strict=True))

    def _gather(self, request: Any, *, quietly: bool = False) -> list[Any]:
        found, failed = self._tried(request)
        if self.count == 1:
            return [found]
        if self._has_failed(self._gathered(failed), quietly):
            return []
        return self._gathered(found)

    def _tried(self, request: Any) -> tuple[Any, str | None]:
        """Return the answer and no error, or, of several processes, None and the sentence of the error."""
        try:
            return self.answer(request), None
        except Exception as error:  # the others wait for an answer, whatever has failed here
            if self.count == 1:
                raise
            self._failure = error
            return None, _sentence(error)

    def _has_failed(self, sentences: Sequence[str | None], quietly: bool) -> bool:
        """Raise the first error of the processes; a serving one hears of it from the leading one."""
        failed = [sentence for sentence in sentences if sentence is not None]
        if failed and not quietly:
            raise InputError(failed[0]) from self._failure
        return bool(failed)

    def _gathered(self, content: Any) -> list[Any]:
        box: list[Any] = [None] * self.count
        self._waited(lambda: self._torch.distributed.all_gather_object(box, content))
        return box

    def _waited(self, exchange: Callable[[], Any]) -> None:
        try:
            exchange()
        except RuntimeError as error:
            raise ProcessError(
                f"process {self.number} of {self.count} heard nothing from another one, which has ended or hangs; "
                "start them again"
            ) from error


def _sentence(error: Exception) -> str:
    """Return what other processes are told of an error: its sentence, with the type where it is none of Edgewise."""
    return str(error) if isinstance(error, EdgewiseError) else f"{type(error).__name__}: {error}"

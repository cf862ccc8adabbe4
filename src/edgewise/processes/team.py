"""Processes that fit one model: what travels between them, and what happens when one is lost (`Team`)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any

import numpy as np

from edgewise.checks import check_number
from edgewise.errors import InputError, ProcessError, message_of
from edgewise.outcomes import OutOfTime
from edgewise.presentation import number_text

FAILURE = "edgewise/failure"  # key of the store that all processes see, for the first one that fails
# sent to the other processes in place of the sentence of an error
BY_SIGNAL = "Ctrl-C"
BY_CLOCK = "time"

Arrays = tuple[np.ndarray, ...]

# Of `joined_processes`, in seconds: no process should need so much longer than another for its part of a sum.
_timeout: ContextVar[float] = ContextVar("edgewise_timeout", default=600.0)


def process_and_count() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are; (0, 1) outside of torch.distributed."""
    torch = sys.modules.get("torch")  # not imported for this: the command line checks its arguments without it
    if torch is None or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


@contextmanager
def joined_processes(timeout: float = 600.0, *, backend: str = "gloo") -> Iterator[int]:
    """Join the processes that `torchrun` has started; fits of tables in batches inside share their rows.

    `torchrun --nproc-per-node 4 script.py` starts four processes that run the same script. Inside of this block each
    reads a part of the batches of `edgewise.tables.batches.Batches`; sums of normal equations travel between them, and
    all of them end with the same model. Outside of `torchrun` nothing changes.

    Parameters
    ----------
    timeout : float
        Seconds to wait for another process, at the beginning and whenever sums are added. How long the leading process
        thinks between two sums is not limited.
    backend : {"gloo", "nccl"}
        How the gradients of networks on GPUs travel between minibatches: "nccl" from one to another. All other sums
        take gloo. Nobody has tried "nccl" on a GPU.

    Yields
    ------
    int
        The number of this process; the one of number 0 is to write files.

    Raises
    ------
    InputError
        The time is not a positive number, `backend` needs a GPU and there is none, WORLD_SIZE is above 1 without RANK,
        MASTER_ADDR or MASTER_PORT, or processes have other versions of Edgewise or torch.
    ProcessError
        A process does not arrive in time, or is lost.

    Examples
    --------
    >>> with joined_processes() as process:
    ...     process
    0
    """
    check_number(timeout, "timeout", positive=True, of=" of seconds")
    if backend not in ("gloo", "nccl"):
        raise InputError(f"backend must be 'gloo' or 'nccl', got {backend!r}")
    # What torchrun has set in the environment of each process.
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
    from torch import cuda, distributed

    if backend == "nccl" and not (cuda.is_available() and distributed.is_nccl_available()):
        raise InputError("backend must be 'gloo' where torch finds no GPU, or has no nccl, got 'nccl'")
    # All processes meet.
    number = int(os.environ["RANK"])
    try:
        chosen = "cpu:gloo,cuda:nccl" if backend == "nccl" else "gloo"
        distributed.init_process_group(chosen, timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:  # torch's errors of its store and backends are RuntimeErrors
        raise ProcessError(
            f"all {count} processes must arrive within {number_text(timeout)} s, but process {number} "
            f"waited in vain for another"
        ) from error
    # The work; the others hear of its failure through the store, where that outlives this process.
    token = _timeout.set(timeout)
    try:
        yield number
    except ProcessError:  # another process has sent it
        raise
    except Exception as error:
        if _store_outlives_processes():
            with suppress(RuntimeError):  # the store may be lost too
                _store().set(FAILURE, f"process {number} has failed: {message_of(error)}")
        raise
    finally:
        _timeout.reset(token)
        distributed.destroy_process_group()


class Team:
    """The processes of one fit: number 0 leads, asks all for sums and sends the result; the others serve."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        import torch

        self.answer = answer
        self._torch = torch
        self.was_interrupted = False
        self.number, self.count = process_and_count()
        self._failure: Exception | None = None  # the error of this process, of whatever type
        self._is_stopped = False  # by a signal that came during an exchange
        self._answers = False
        self._group: Any = None
        self._exchanges = threading.RLock()  # of the leading process, which asks or gives a sign of life
        self._has_left = threading.Event()
        self._seconds = _timeout.get()
        if self.count > 1:
            distributed = torch.distributed
            new_group = partial(distributed.new_group, timeout=timedelta(seconds=self._seconds), backend="gloo")
            if "cpu:gloo" not in distributed.get_backend_config():  # as that of nccl, which sums on GPUs alone
                self._group = self._waited(new_group)
            # All processes have one version of Edgewise and of torch.
            package = sys.modules[__name__.partition(".")[0]]
            mine = {"Edgewise": package.__version__, "torch": torch.__version__}
            for number, other in enumerate(self._gathered(mine)):
                for name, version in other.items():
                    if version != mine[name]:
                        raise InputError(
                            f"all processes must have one version of {name}, got {version} in process {number} and "
                            f"{mine[name]} in process {self.number}"
                        )
            if self._group is None:  # after an exchange in that of all processes, which hears at once of one that ended
                self._group = self._waited(new_group)

    def summed(self, request: Any) -> Arrays:
        """Return the sums over all processes of the arrays with which they answer; called by the leading one.

        An answer may raise OutOfTime, which is raised here too.
        """
        with self._whole_exchange():
            self._send("sum", request)
            return self._sum(request)

    def gathered(self, request: Any) -> list[Any]:
        """Return the answers of all processes; called by the leading one."""
        with self._whole_exchange():
            self._send("gather", request)
            return self._gather(request)

    def joined(self, request: Any) -> Any:
        """Join the answers of all processes by the method `joined` of the first; called by the leading process."""
        first, *others = self.gathered(request)
        return first.joined(others)

    @contextmanager
    def leading(self, result: Callable[[], Any]) -> Iterator[None]:
        """Send the result of the body to the others when it ends; an error ends them with the same sentence.

        Ctrl-C that ends the body ends the others too, as does SystemExit, which handlers of other signals raise. While
        the body works, a thread sends signs of life to the others; a process that was stopped or hangs sends none.
        """
        # Signs of life from a thread of its own.
        if self.count > 1:
            threading.Thread(target=self._live, daemon=True).start()
        # The end is sent to the others, whatever it is.
        try:
            yield
        except ProcessError:  # no process is left to receive it
            raise
        except Exception as error:
            self._send("fail", message_of(error))
            raise
        except (KeyboardInterrupt, SystemExit):
            self._send("stop", None)
            raise
        else:
            with self._whole_exchange():
                self._send("end", (result(), self.was_interrupted))
        finally:
            self._leave()

    def serve(self) -> Any:
        """Answer the requests of the leading process until its work ends; return the result."""
        # Requests for sums and samples, until the end is sent.
        try:
            with self._whole_exchange():
                while True:
                    kind, content = self._received()
                    if kind not in ("sum", "gather"):
                        break
                    (self._sum if kind == "sum" else self._gather)(content, quietly=True)
                if kind == "end":
                    content, self.was_interrupted = content
                if kind != "end" or self.was_interrupted:
                    self._is_stopped = False
        finally:
            self._leave()
        # The end as the leading process has sent it.
        if kind == "fail":
            raise InputError(content)
        if kind == "stop":
            raise KeyboardInterrupt
        return content

    @contextmanager
    def _whole_exchange(self) -> Iterator[None]:
        """Let signals such as Ctrl-C wait for the end of an exchange: half of one would leave the others waiting.

        Only while this process computes its answer they come through, which then is that it was stopped. Ctrl-C is
        then done with; of other signals the handlers are called at the end.
        """
        if self.count == 1 or threading.current_thread() is not threading.main_thread():  # it alone gets signals
            with self._exchanges:
                yield
            return
        # Each signal is noted, and its handler waits.
        former = {
            number: handler
            for name in ("SIGINT", "SIGTERM", "SIGHUP")
            if hasattr(signal, name) and callable(handler := signal.getsignal(number := getattr(signal, name)))
        }
        came: list[int] = []

        def note(number: int, frame: FrameType | None) -> None:
            came.append(number)
            self._is_stopped = True
            if self._answers:
                raise KeyboardInterrupt

        for number in former:
            signal.signal(number, note)
        # The exchange, then the handlers of the signals that came.
        try:
            with self._exchanges:
                yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            is_answered = not self._is_stopped
            self._is_stopped = False
            for number in dict.fromkeys(came):
                if number != signal.SIGINT or not is_answered:
                    former[number](number, None)

    def _leave(self) -> None:
        """Give up the group of the team."""
        self._has_left.set()
        with self._exchanges:
            if self._group is not None:
                self._torch.distributed.destroy_process_group(self._group)
            self._group = None

    def _live(self) -> None:
        """Tell the others that this process is alive, until it leaves the team or one of them is lost."""
        # Four signs of life in a time-out: a process that is late by two of them has hardly hung.
        while not self._has_left.wait(self._seconds / 4):
            with self._exchanges:
                if self._has_left.is_set():
                    return
                try:
                    self._send("alive", None)
                except ProcessError:  # as the next request will find
                    return

    # Messages

    def _send(self, kind: str, content: Any) -> None:
        if self.count > 1:
            with self._exchanges:
                self._waited(lambda: self._torch.distributed.broadcast_object_list([(kind, content)], 0, self._group))

    def _received(self) -> tuple[str, Any]:
        box: list[Any] = [("alive", None)]
        while box[0][0] == "alive":
            self._waited(lambda: self._torch.distributed.broadcast_object_list(box, 0, self._group))
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
        self._waited(lambda: self._torch.distributed.all_reduce(flat, group=self._group))
        parts = np.split(flat.numpy(), np.cumsum([int(np.prod(shape)) for shape in known])[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, known, strict=True))

    def _gather(self, request: Any, *, quietly: bool = False) -> list[Any]:
        found, failed = self._tried(request)
        if self.count == 1:
            return [found]
        if self._has_failed(self._gathered(failed), quietly):
            return []
        box: list[Any] | None = None if self.number else [None] * self.count  # it may be large: the leading one gets it
        self._waited(lambda: self._torch.distributed.gather_object(found, box, group=self._group))
        return box or []

    def _tried(self, request: Any) -> tuple[Any, str | None]:
        """Return the answer and no error, or, of several processes, None and the sentence of the error."""
        try:
            self._answers = True
            if self._is_stopped:
                raise KeyboardInterrupt
            return self.answer(request), None
        # The other processes wait for an answer, whatever has failed here.
        except KeyboardInterrupt:
            if self.count == 1:
                raise
            self._is_stopped = False
            return None, BY_SIGNAL
        except OutOfTime:
            if self.count == 1:
                raise
            return None, BY_CLOCK
        except Exception as error:
            if self.count == 1:
                raise
            self._failure = error
            return None, message_of(error)
        finally:
            self._answers = False

    def _has_failed(self, sentences: Sequence[str | None], quietly: bool) -> bool:
        """Raise the first error of the processes; a serving one hears of it from the leading one."""
        failed = [sentence for sentence in sentences if sentence is not None]
        if quietly or not failed:
            return bool(failed)
        if BY_SIGNAL in failed:
            raise KeyboardInterrupt
        if set(failed) == {BY_CLOCK}:
            raise OutOfTime
        raise InputError(next(one for one in failed if one != BY_CLOCK)) from self._failure

    def _gathered(self, content: Any) -> list[Any]:
        box: list[Any] = [None] * self.count
        self._waited(lambda: self._torch.distributed.all_gather_object(box, content, self._group))
        return box

    def _waited(self, exchange: Callable[[], Any]) -> Any:
        try:
            return exchange()
        except RuntimeError as error:
            raise _loss(self.number, self.count) from error


@contextmanager
def sentences_of_losses() -> Iterator[None]:
    """Raise ProcessError for a lost process in place of the error of torch, as in DistributedDataParallel."""
    try:
        yield
    except RuntimeError as error:
        torch = sys.modules.get("torch")
        if "gloo" in str(error) or (torch is not None and isinstance(error, torch.distributed.DistError)):
            raise _loss(*process_and_count()) from error
        raise


def _loss(number: int, count: int) -> ProcessError:
    """Return the error of a process that waits in vain for another one."""
    mine = f"process {number} of {count}"
    if reason := _noted_failure():
        return ProcessError(f"{mine} ends since {reason}")
    return ProcessError(f"{mine} heard nothing from another one, which has ended or hangs; start them again")


def _store() -> Any:
    """Return the store by which the processes found each other."""
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def _store_outlives_processes() -> bool:
    """Return whether `torchrun` holds the store and not process 0, so that it can be read after that one has ended."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _noted_failure() -> str | None:
    """Return what the first process that failed has noted, if it did."""
    with suppress(RuntimeError):  # the store may be lost too
        if _store_outlives_processes() and _store().check([FAILURE]):
            return _store().get(FAILURE).decode()
    return None

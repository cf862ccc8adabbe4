"""Order of the training samples: all at once, shuffled minibatches of tensors, or a DataLoader; resumable mid-epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from edgewise.checks import check_count
from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.train.blocks import BatchedData, Data
from edgewise.train.problems import Problem


class FullBatch:
    """Batches that are the whole training set."""

    per_epoch = 1
    is_full = True

    def __init__(self, data: Data):
        self._data = data

    def next(self) -> Data:
        """The next batch."""
        return self._data

    def state(self) -> dict[str, Any]:
        """Nothing: every batch is the same."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing: every batch is the same."""


class TensorBatches:
    """Minibatches of tensors in an order drawn anew for each epoch; the last batch of an epoch may be smaller."""

    is_full = False

    def __init__(self, data: Data, size: int, seed: int):
        self._data = data
        self._size = size
        self._generator = seeded_generator(seed)
        self._start_epoch()

    @property
    def per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return math.ceil(len(self._data) / self._size)

    def next(self) -> Data:
        """The next batch."""
        if self._position >= len(self._data):
            self._start_epoch()
        index = self._order[self._position : self._position + self._size]
        self._position += len(index)
        return self._data.select(index.to(self._data.x.device))

    def state(self) -> dict[str, Any]:
        """State of the generator at the start of the epoch, and the place in the epoch."""
        return {"generator": self._epoch_state.clone(), "position": self._position}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._generator.set_state(state["generator"].cpu())
        self._start_epoch()
        self._position = int(state["position"])

    def _start_epoch(self) -> None:
        self._epoch_state = self._generator.get_state()
        self._order = torch.randperm(len(self._data), generator=self._generator)
        self._position = 0


class LoaderBatches:
    """Batches of a DataLoader, epoch after epoch, with a random state of its own.

    A DataLoader without a generator draws its order, its workers' seeds and often its augmentations from torch's global
    generator. Here that generator is exchanged for one seeded by `seed` while the loader works, and put back
    afterwards; so the order is reproducible and no other random numbers change.
    """

    is_full = False

    def __init__(self, problem: Problem, loader: DataLoader[Any], seed: int):
        self._problem = problem
        self._loader = loader
        self._random = [seeded_generator(seed).get_state()]
        self._iterator: Iterator[Any] | None = None

    @property
    def per_epoch(self) -> int | None:
        """Number of batches in an epoch; None where the loader does not know."""
        try:
            return len(self._loader)
        except TypeError:  # an IterableDataset without length
            return None

    def next(self) -> Data:
        """The next batch."""
        # The next batch of this epoch, or the first one of another.
        batch = None
        if self._iterator is not None:
            batch = self._draw(self._iterator)
        if batch is None:
            batch = self._draw(self._start_epoch())
        if batch is None:
            raise InputError("the DataLoader must yield at least one batch, got none")
        self._position += 1
        return self._problem.batch(batch)

    def epoch(self) -> Iterator[Data]:
        """One pass over the loader."""
        iterator = self._start_epoch()
        while (batch := self._draw(iterator)) is not None:
            self._position += 1
            yield self._problem.batch(batch)

    def state(self) -> dict[str, Any]:
        """Random states at the start of the epoch, and the place in the epoch."""
        if self._iterator is None:
            return {"random": self._random[0].clone(), "generators": self._generator_states(), "position": 0}
        return {"random": self._epoch_random, "generators": self._epoch_generators, "position": self._position}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave; the loader is run up to the same place."""
        self._random = [state["random"].cpu()]
        for generator, value in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(value)
        iterator = self._start_epoch()
        for _ in range(int(state["position"])):
            self._draw(iterator)
        self._position = int(state["position"])

    def _start_epoch(self) -> Iterator[Any]:
        self._epoch_random = self._random[0].clone()
        self._epoch_generators = self._generator_states()
        self._position = 0
        with exchanged([torch.default_generator], self._random):
            self._iterator = iter(self._loader)
        return self._iterator

    def _draw(self, iterator: Iterator[Any]) -> Any:
        """The next batch as the loader yields it, or None at the end of the epoch."""
        with exchanged([torch.default_generator], self._random):
            return next(iterator, None)

    def _generators(self) -> list[torch.Generator]:
        """The different generators of the loader and its sampler."""
        owned = (getattr(owner, "generator", None) for owner in (self._loader, self._loader.sampler))
        return list({id(generator): generator for generator in owned if generator}.values())

    def _generator_states(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators()]


Batches = FullBatch | TensorBatches | LoaderBatches


def batches_of(problem: Problem, batch_size: int | None, seed: int) -> Batches:
    """The stream of training batches: of all samples at once for None, or as the DataLoader of the problem has it.

    InputError where the batch size does not fit the problem; the seed decides the order.
    """
    if problem.train_loader is not None:
        if batch_size is not None:
            raise InputError(f"batch_size must be left to the DataLoader, got {batch_size}")
        return LoaderBatches(problem, problem.train_loader, seed)
    if batch_size is None:
        return FullBatch(problem.train)
    if problem.by_blocks:
        raise InputError(f"batch_size must be None for a problem of residual blocks, got {batch_size!r}")
    return TensorBatches(problem.train, check_count(batch_size, "batch_size"), seed)


def of_whole_loader(problem: Problem) -> Problem:
    """Return a problem whose training samples are all those of its DataLoader, for methods that sum over them.

    Each pass over them draws the same order; a first pass counts the samples.
    """
    loader = problem.train_loader
    if loader is None:
        return problem
    twin = copy.copy(problem)
    twin.train_loader = None
    twin.train_tensors = BatchedData.of(peek(problem), lambda: map(problem.batch, repeated(loader)))
    return twin


def peek(problem: Problem, rows: int = 10_000) -> Data:
    """Training samples to look at before training: all of them, or the first of a loader, whose order stays."""
    if problem.train_loader is None:
        return problem.train
    seen: list[Data] = []
    for raw in repeated(problem.train_loader):
        seen.append(problem.batch(raw))
        if sum(map(len, seen)) >= rows:
            break
    return joined(seen)


def samplers_of(loader: DataLoader[Any]) -> tuple[Any, ...]:
    """The objects from which a DataLoader has its order; None in place of an object that it lacks."""
    return loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)


@contextmanager
def exchanged(generators: list[torch.Generator], states: list[Tensor]) -> Iterator[None]:
    """Let random generators go on from other states inside, which `states` then has; afterwards they are as before."""
    outer = [one.get_state() for one in generators]
    for one, state in zip(generators, states, strict=True):
        one.set_state(state)
    try:
        yield
    finally:
        states[:] = [one.get_state() for one in generators]
        for one, state in zip(generators, outer, strict=True):
            one.set_state(state)


def repeated(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield the batches of a DataLoader in an order that every pass and every process has.

    While it works, torch's global generator and those of the loader and its samplers start at seed 0; between batches
    and afterwards they are as they were.
    """
    owned = [torch.default_generator, *(getattr(one, "generator", None) for one in (loader, *samplers_of(loader)))]
    generators = list({id(one): one for one in owned if isinstance(one, torch.Generator)}.values())
    states = [torch.Generator(device=one.device).manual_seed(0).get_state() for one in generators]
    end = object()
    with exchanged(generators, states):
        iterator = iter(loader)
    while True:
        with exchanged(generators, states):
            batch = next(iterator, end)
        if batch is end:
            return
        yield batch


def joined(parts: list[Data]) -> Data:
    """Several batches as one; samples without weight count 1 where others have weights."""
    if not parts:
        raise InputError("the DataLoader must yield at least one batch, got none")
    weight = None
    if any(part.weight is not None for part in parts):
        weight = torch.cat([part.weights() for part in parts])
    return Data(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]), weight)

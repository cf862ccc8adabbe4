"""Where the next batch comes from: always all samples, shuffled tensors, or a DataLoader; resumable mid-epoch."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data


class FullBatch:
    """Every batch is the whole training set."""

    per_epoch = 1

    def __init__(self, data: Data):
        self._data = data

    def next(self) -> Data:
        return self._data

    def state(self) -> dict:
        return {}

    def restore(self, state: dict) -> None:
        pass


class TensorBatches:
    """Batches of `size` samples in an order drawn anew for each epoch; the last batch of an epoch may be smaller."""

    def __init__(self, data: Data, size: int, seed: int):
        self._data, self._size = data, size
        self._generator = seeded_generator(seed)
        self._start_epoch()

    @property
    def per_epoch(self) -> int:
        return math.ceil(len(self._data) / self._size)

    def next(self) -> Data:
        if self._position >= len(self._data):
            self._start_epoch()
        index = self._order[self._position : self._position + self._size]
        self._position += len(index)
        return self._data.select(index.to(self._data.x.device))

    def state(self) -> dict:
        return {"generator": self._epoch_state.clone(), "position": self._position}

    def restore(self, state: dict) -> None:
        self._generator.set_state(state["generator"].cpu())
        self._start_epoch()
        self._position = int(state["position"])

    def _start_epoch(self) -> None:
        self._epoch_state = self._generator.get_state()
        self._order = torch.randperm(len(self._data), generator=self._generator)
        self._position = 0


class LoaderBatches:
    """Batches of a DataLoader, epoch after epoch, with a random state of its own.

    A DataLoader without generator draws its order, its workers' seeds and often its augmentations from torch's
    global generator. Here that generator is exchanged for one seeded by `seed` while the loader works, and put
    back after; so the order is reproducible and nobody else's numbers move.
    """

    def __init__(self, problem: Problem, loader: DataLoader, seed: int):
        self._problem, self._loader = problem, loader
        self._random = seeded_generator(seed).get_state()
        self._iterator: Iterator | None = None

    @property
    def per_epoch(self) -> int | None:
        """Batches in an epoch; None where the loader doesn't know."""
        try:
            return len(self._loader)
        except TypeError:  # an IterableDataset without length
            return None

    def next(self) -> Data:
        if self._iterator is None:
            self._start_epoch()
        batch = self._draw()
        if batch is None:
            self._start_epoch()
            batch = self._draw()
        if batch is None:
            raise InputError("the DataLoader must yield at least one batch, got none")
        self._position += 1
        return self._problem.batch(batch)

    def epoch(self) -> Iterator[Data]:
        """One pass over the loader."""
        self._start_epoch()
        while (batch := self._draw()) is not None:
            self._position += 1
            yield self._problem.batch(batch)

    def state(self) -> dict:
        if self._iterator is None:
            return {"random": self._random.clone(), "generators": self._generator_states(), "position": 0}
        return {"random": self._epoch_random, "generators": self._epoch_generators, "position": self._position}

    def restore(self, state: dict) -> None:
        self._random = state["random"].cpu()
        for generator, value in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(value)
        self._start_epoch()
        for _ in range(int(state["position"])):
            self._draw()
        self._position = int(state["position"])

    def _start_epoch(self) -> None:
        self._epoch_random, self._epoch_generators = self._random.clone(), self._generator_states()
        self._position = 0
        with self._own_random_state():
            self._iterator = iter(self._loader)

    def _draw(self):
        with self._own_random_state():
            return next(self._iterator, None)

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        outer = torch.get_rng_state()
        torch.set_rng_state(self._random)
        try:
            yield
        finally:
            self._random = torch.get_rng_state()
            torch.set_rng_state(outer)

    def _generators(self) -> list[torch.Generator]:
        owners = (self._loader, self._loader.sampler)
        found = {id(owner.generator): owner.generator for owner in owners if getattr(owner, "generator", None)}
        return list(found.values())

    def _generator_states(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators()]


Batches = FullBatch | TensorBatches | LoaderBatches


def batches_of(problem: Problem, batch_size: int | None, seed: int) -> Batches:
    """The stream of training batches; `batch_size` None means all samples at once, or as the DataLoader says."""
    if problem.train_loader is not None:
        if batch_size is not None:
            raise InputError(f"batch_size must be left to the DataLoader, got {batch_size}")
        return LoaderBatches(problem, problem.train_loader, seed)
    if batch_size is None:
        return FullBatch(problem.train)
    if problem.by_blocks:
        raise InputError(f"batch_size must be None for a problem of residual blocks, got {batch_size!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size must be a positive integer, got {batch_size!r}")
    return TensorBatches(problem.train, batch_size, seed)


def peek(problem: Problem, rows: int = 10_000) -> Data:
    """Training samples to look at before training: all of them, or the first of a loader, whose order stays."""
    if problem.train_loader is None:
        return problem.train
    batches = LoaderBatches(problem, problem.train_loader, seed=0)
    before = batches.state()
    seen, count = [], 0
    for batch in batches.epoch():
        seen.append(batch)
        count += len(batch)
        if count >= rows:
            break
    for generator, value in zip(batches._generators(), before["generators"], strict=True):
        generator.set_state(value)
    return joined(seen)


def joined(parts: list[Data]) -> Data:
    """Several batches as one."""
    if not parts:
        raise InputError("the DataLoader must yield at least one batch, got none")
    weighted = any(part.weight is not None for part in parts)
    weight = torch.cat([part.x.new_ones(len(part)) if part.weight is None else part.weight for part in parts])
    return Data(
        torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]), weight if weighted else None
    )

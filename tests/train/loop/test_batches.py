"""Batches: order, last batch, resuming in the middle of an epoch, and nobody else's random numbers."""

from itertools import chain

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from edgewise.errors import InputError
from edgewise.train.loop.batches import FullBatch, LoaderBatches, TensorBatches, batches_of, joined, peek
from edgewise.train.problems import Classification, Regression

X = torch.arange(10.0)[:, None]
PROBLEM = Regression(X, X)


def shuffled(generator=None):
    return DataLoader(TensorDataset(X, X), batch_size=4, shuffle=True, generator=generator)


def loaders():
    return {
        "tensors": lambda: TensorBatches(PROBLEM.train, 4, seed=0),
        "loader": lambda: LoaderBatches(PROBLEM, shuffled(), seed=0),
        "own generator": lambda: LoaderBatches(PROBLEM, shuffled(torch.Generator().manual_seed(5)), seed=0),
    }


def rows(batches, count):
    return [batches.next().x.flatten().tolist() for _ in range(count)]


@pytest.mark.parametrize("kind", loaders())
def test_an_epoch_is_every_sample_once_in_a_new_order(kind):
    batches = loaders()[kind]()
    assert batches.per_epoch == 3
    first, second = rows(batches, 3), rows(batches, 3)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(chain(*first)) == sorted(chain(*second)) == X.flatten().tolist()
    assert first != second


@pytest.mark.parametrize("kind", loaders())
@pytest.mark.parametrize("done", [0, 2, 3, 4])
def test_resuming_gives_the_same_batches(kind, done):
    whole = loaders()[kind]()
    rows(whole, done)
    state = whole.state()
    expected = rows(whole, 5)
    resumed = loaders()[kind]()
    rows(resumed, 1)
    resumed.restore(state)
    assert rows(resumed, 5) == expected


@pytest.mark.parametrize("kind", loaders())
def test_the_global_generator_is_not_moved_and_not_read(kind):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = rows(loaders()[kind](), 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert rows(loaders()[kind](), 5) == first


def test_weights_go_with_their_rows():
    problem = Regression(X, X, weight=torch.arange(10.0))
    batch = TensorBatches(problem.train, 4, seed=0).next()
    assert torch.allclose(batch.weight, batch.x.flatten() / 4.5)


def test_the_choice():
    assert isinstance(batches_of(PROBLEM, None, 0), FullBatch)
    assert batches_of(PROBLEM, None, 0).next() is PROBLEM.train
    assert isinstance(batches_of(PROBLEM, 3, 0), TensorBatches)
    assert isinstance(batches_of(Regression(shuffled()), None, 0), LoaderBatches)
    with pytest.raises(InputError, match="batch_size must be left to the DataLoader, got 3"):
        batches_of(Regression(shuffled()), 3, 0)
    for size in (0, -1, 2.0, True):
        with pytest.raises(InputError, match="batch_size must be an integer of at least 1"):
            batches_of(PROBLEM, size, 0)


def test_peeking_does_not_change_a_loaders_order():
    generator, twin = (torch.Generator().manual_seed(5) for _ in range(2))
    loader = shuffled(generator)
    assert len(peek(Regression(loader), rows=5)) == 8
    assert rows(LoaderBatches(PROBLEM, loader, 0), 3) == rows(LoaderBatches(PROBLEM, shuffled(twin), 0), 3)
    assert peek(PROBLEM) is PROBLEM.train


class Stream(IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return ((X[k], X[k]) for k in range(self.count))


def test_a_stream_without_length():
    batches = LoaderBatches(PROBLEM, DataLoader(Stream(5), batch_size=2), seed=0)
    assert batches.per_epoch is None
    assert rows(batches, 4) == [[0, 1], [2, 3], [4], [0, 1]]


def test_an_empty_loader_gets_a_sentence():
    problem = Regression(DataLoader(Stream(0), batch_size=2))
    for work in (batches_of(problem, None, 0).next, lambda: peek(problem), lambda: joined([])):
        with pytest.raises(InputError, match="the DataLoader must yield at least one batch, got none"):
            work()


def test_bad_batches_are_refused():
    loader = DataLoader(TensorDataset(X, torch.arange(10)), batch_size=4)
    with pytest.raises(InputError, match=r"y must hold labels 0 .. 1, got 0 .. 3"):
        batches_of(Classification(loader, classes=2), None, 0).next()
    loader = DataLoader(TensorDataset(X / 0, X), batch_size=4)
    with pytest.raises(InputError, match="x must be finite"):
        batches_of(Regression(loader), None, 0).next()

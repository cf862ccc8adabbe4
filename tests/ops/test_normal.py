"""Products with Jacobian rows in runs, against the same with dense rows: every instruction set, any threads."""

import pytest
import torch

from edgewise.ops import normal
from edgewise.ops.kernels import cpu
from edgewise.ops.normal import Runs

VARIANTS = cpu.variants()


def random_runs(batch, shapes, seed=0):
    """Rows with groups (runs, length, room per run), and the number of columns."""
    g = torch.Generator().manual_seed(seed)
    found, offset = [], 0
    for count, length, room in shapes:
        starts = torch.randint(0, room - length + 1, (batch, count), generator=g) + torch.arange(count) * room
        values = torch.randn(batch, count, length, generator=g, dtype=torch.float64)
        found.append(Runs(offset, starts, values))
        offset += count * room
    return found, offset


SHAPES = {
    "one number": [(1, 1, 1)],
    "short runs": [(3, 4, 13), (1, 3, 3)],
    "odd lengths": [(2, 15, 40), (1, 7, 7), (5, 3, 9), (1, 1, 1)],
    "long": [(2, 80, 300), (1, 33, 33)],
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def rows(request):
    found, size = random_runs(300, request.param)
    return found, size, normal.dense(found, size)


def test_dense_rows_are_the_runs_one_by_one(rows):
    runs, _, dense = rows
    for run in runs:
        for b in (0, 7, 299):
            for s in range(run.starts.shape[1]):
                start = run.offset + int(run.starts[b, s])
                assert torch.equal(dense[b, start : start + run.values.shape[2]], run.values[b, s])
    assert int(dense.count_nonzero()) == 300 * normal.active(runs)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_gram(rows, variant, threads):
    runs, size, dense = rows
    matrix = torch.ones(size, size, dtype=torch.float64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        normal.gram_(matrix, runs, 0.5, native=True, variant=variant)
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(matrix.triu(), (1 + 0.5 * dense.mT @ dense).triu(), rtol=1e-12, atol=1e-11)
    again = torch.ones(size, size, dtype=torch.float64)
    normal.gram_(again, runs, 0.5, native=True, variant=variant)
    assert torch.equal(matrix.triu(), again.triu())


def test_threads_share_large_products_with_the_same_bits():
    runs, size = random_runs(2000, [(3, 40, 100), (1, 20, 20)])
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 5):
        matrix = torch.zeros(size, size, dtype=torch.float64)
        try:
            torch.set_num_threads(threads)
            normal.gram_(matrix, runs, native=True)
            pulled = normal.transposed(runs, runs[0].values[:, 0, 0], size)
            pushed = normal.times(runs, torch.arange(size).double())
        finally:
            torch.set_num_threads(before)
        results.append((matrix.triu(), pulled, pushed))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
def test_products_with_vectors(rows, variant):
    runs, size, dense = rows
    u, v = torch.linspace(-1, 2, 300).double(), torch.linspace(-2, 1, size).double()
    for native in (True, False):
        chosen = {"native": native, "variant": variant}
        assert torch.allclose(normal.transposed(runs, u, size, 2.0, **chosen), 2 * dense.mT @ u, rtol=1e-12, atol=1e-11)
        assert torch.allclose(normal.times(runs, v, **chosen), dense @ v, rtol=1e-12, atol=1e-11)


def test_the_cheaper_way_is_chosen(monkeypatch):
    calls = []
    monkeypatch.setattr(normal, "_call", lambda name, *_: calls.append(name))
    for shapes, native in ((SHAPES["long"], True), ([(1, 9, 10)], False)):
        runs, size = random_runs(10, shapes)
        normal.gram_(torch.zeros(size, size, dtype=torch.float64), runs)
        assert calls == (["edgewise_gram"] if native else [])
        calls.clear()

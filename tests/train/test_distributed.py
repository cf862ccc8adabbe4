"""Training a DistributedDataParallel model: two processes with half the data each do what one does with all."""

import subprocess
import sys

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Sparsity
from edgewise.train.problems.regression import Regression


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def setting():
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, x.sin().sum(1), KAN([2, 3, 1], domain=(0, 1), dtype=torch.float64)


@pytest.mark.parametrize("penalty", [None, Sparsity(1e-2)])
def test_a_single_process_gives_the_plain_result(one_process, penalty):
    x, y, plain = setting()
    wrapped = DistributedDataParallel(setting()[2])
    fit(plain, Regression(x, y), Adam(), steps=5, penalty=penalty)
    report = fit(wrapped, Regression(x, y), Adam(), steps=5, penalty=penalty)
    assert report.steps == 5
    for a, b in zip(plain.parameters(), wrapped.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    with pytest.raises(InputError, match="LBFGS can't train a DistributedDataParallel model"):
        fit(wrapped, Regression(x, y), LBFGS())


WORKER = """
import sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from edgewise import KAN, Adam, Regression, fit

torch.set_num_threads(1)
rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
y = x.sin().sum(1)
y[20:] *= -1  # what is best for one process is not for the other
half = slice(20 * rank, 20 * rank + 20)
model = DistributedDataParallel(KAN([2, 3, 1], domain=(0, 1), dtype=torch.float64))
report = fit(model, Regression(x[half], y[half]), Adam(lr=0.3, schedule=None), steps=12)
torch.save({"best": report.best_step, **model.module.state_dict()}, f"{out}{rank}")
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path):
    store, out = tmp_path / "store", tmp_path / "result"
    command = [sys.executable, "-c", WORKER]
    workers = [subprocess.Popen([*command, str(rank), str(store), str(out)]) for rank in range(2)]
    try:
        assert [worker.wait(timeout=100) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    first, second = (torch.load(f"{out}{rank}", weights_only=True) for rank in range(2))
    assert first.pop("best") == second.pop("best")
    assert all(torch.equal(first[name], second[name]) for name in first)
    x, y, plain = setting()
    y[20:] *= -1
    with torch.no_grad():  # the hidden domains come from the first process's data
        plain.layers[1].knots.copy_(first["layers.1.knots"])
        plain.layers[1].domain_is_set.fill_(True)
    fit(plain, Regression(x, y), Adam(lr=0.3, schedule=None), steps=12)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value.double(), first[name].double(), rtol=1e-9, atol=1e-12)

"""Memory of forward and backward, by counting every allocation of a process: at most three times that of nn.Linear."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.ops.kernels import cpu

COUNTER = Path(__file__).resolve().parents[2] / "benchmarks" / "allocations.c"
SHAPES = [(1000, 2, 5), (1000, 5, 1), (1024, 64, 64), (4096, 17, 14), (1024, 256, 96), (1024, 784, 64), (65536, 32, 16)]
GRIDS = (5, 20, 50, 200)
SCRATCH = 64 * 1024  # bytes of a kernel's block of rows, whatever the batch; narrow instruction sets hold the largest

PROGRAM = """
import ctypes, json, sys
import torch
from edgewise import KANLayer

counter = ctypes.CDLL(sys.argv[1])
counter.count_peak.restype = ctypes.c_long
torch.set_num_threads(1)

def held(module, batch, inputs, outputs):
    x, u = torch.rand(batch, inputs).requires_grad_(), torch.randn(batch, outputs)
    parameters = list(module.parameters())
    for _ in range(3):  # libraries fill caches of their own in the first
        counter.count_start()
        torch.autograd.grad(module(x), [x, *parameters], u)
        peak = counter.count_peak()
    return peak - sum(4 * p.numel() for p in parameters)

found = []
for batch, inputs, outputs in json.loads(sys.argv[2]):
    dense = held(torch.nn.Linear(inputs, outputs), batch, inputs, outputs)
    for grid in json.loads(sys.argv[3]):
        layer = KANLayer(inputs, outputs, grid_size=grid)
        layer.mask[0, 0] = 0
        found.append([[batch, inputs, outputs, grid], held(layer, batch, inputs, outputs), dense])
print(json.dumps(found))
"""


@pytest.mark.nightly
@pytest.mark.skipif(not cpu.variants(), reason="the CPU kernel is not built")
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="the counter needs cc and glibc")
def test_at_most_three_times_the_memory_of_a_dense_layer(tmp_path):
    library = tmp_path / "allocations.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(COUNTER), "-ldl"], check=True)
    arguments = [str(library), json.dumps(SHAPES), json.dumps(GRIDS)]
    environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert len(found) == len(SHAPES) * len(GRIDS)
    assert all(dense >= 4 * (batch * (inputs + outputs)) for (batch, inputs, outputs, _), _, dense in found)
    assert [row for row in found if row[1] > 3 * row[2] + SCRATCH] == []

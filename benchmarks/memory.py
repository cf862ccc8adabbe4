"""Measures the memory of KAN layers: the most bytes held during forward + backward, above those held before.

python benchmarks/memory.py [--out results]. Every allocation of the process is counted (allocations.c,
which needs a C compiler and glibc), working arrays of all libraries included; the gradients of the parameters are
taken off, as the parameters themselves are there before. float32, one thread.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from layers import LAYERS, TASKS
from speed import GRIDS, SHAPES, too_large

from edgewise_experiments.runner.store import RESULTS, Store

ATTEMPTS = 3  # of which the least counts


def counted(out: Path) -> None:
    """Run this file again with the counter loaded before malloc."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "allocations.so"
        source = Path(__file__).with_name("allocations.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, __file__, "--out", str(out), "--counter", str(library)], env=environment, check=True
        )


def peak(counter: ctypes.CDLL, task) -> int:
    """Return bytes, the least of some runs: a library may fill a cache of its own in the first one."""
    task()
    found = []
    for _ in range(ATTEMPTS):
        counter.count_start()
        task()
        found.append(counter.count_peak())
    return min(found)


def gradients(name: str, shape: tuple[int, int, int], grid_size: int) -> int:
    """Return the bytes of the gradients of all parameters, in float32."""
    _, inputs, outputs = shape
    functions = {"nn.Linear": 1, "inkan 0.5.2": grid_size + 3}.get(name, grid_size + 4)
    return 4 * inputs * outputs * functions


def rows(counter: ctypes.CDLL) -> list[dict]:
    found = []
    for shape in SHAPES:
        batch, inputs, outputs = shape
        for grid_size in GRIDS:
            x = torch.rand(batch, inputs) * 1.98 - 0.99
            for name, make in LAYERS.items():
                if name.startswith("jax") or too_large(name, shape, grid_size, "", x.dtype):
                    continue  # XLA holds its memory by itself
                torch.compiler.reset()
                try:
                    held = peak(counter, make(x, outputs, grid_size)[TASKS[1]])
                except Exception as error:  # a peer that fails is a result
                    print(f"{name} {shape} {grid_size}: {type(error).__name__}", flush=True)
                    continue
                held -= gradients(name, shape, grid_size)
                found.append({"shape": shape, "grid_size": grid_size, "layer": name, "bytes": held})
                print(f"{shape!s:16} {grid_size:4d} {name:28} {held / 1e6:10.3f} MB", flush=True)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--counter", type=Path, help="the counter this process was started with")
    settings = parser.parse_args(arguments)
    if settings.counter is None:
        return counted(settings.out)
    counter = ctypes.CDLL(str(settings.counter))
    counter.count_peak.restype = ctypes.c_long
    warnings.simplefilter("ignore")  # the peers'
    torch.manual_seed(0)
    torch.set_num_threads(1)
    store = Store.open(settings.out, "memory", anew=True)
    for row in rows(counter):
        store.add(row)


if __name__ == "__main__":
    main()

"""Compares the CPU kernel with the limits of one core: multiply-adds, reading and writing memory. float32, one thread.

python benchmarks/limits.py [--out results]. The peaks come from a C program made for this processor
(peak.c). Two measurements show where the time of a layer goes:

    phases    the time is a linear function of the number of outputs. Its value at zero outputs is the cost of every
              sample and input (knot interval, spline values, base function); its slope is the cost of a multiply-add,
              which is compared with the least possible.
    shapes    CPU milliseconds of forward + backward; of its multiply-adds at the peak; and of reading the coefficients
              and writing a gradient of that size into fresh memory, once each.
"""

import argparse
import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from layers import TASKS, edgewise
from speed import GRIDS, SHAPES

from edgewise_experiments.runner.store import RESULTS, Store

REPEATS = 15  # of every measurement
ROWS = 3 + 2  # multiply-adds per sample, input and output: degree + 1 splines and the base function
PHASES = {"batch": 1024, "inputs": 64, "outputs": (64, 128, 192, 256)}
CONTRACTIONS = {TASKS[0]: 1, TASKS[1]: 3}  # forward; that, the gradient by x and that by the parameters


def median_ms(task) -> float:
    task()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)


def best_ms(task) -> float:
    """Return the least milliseconds of a task whose time is a limit of the machine."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        times.append((time.process_time() - start) * 1e3)
    return min(times)


def peak_library(folder: str) -> ctypes.CDLL:
    path, source = Path(folder) / "peak.so", Path(__file__).with_name("peak.c")
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    library = ctypes.CDLL(str(path))
    library.multiply_adds.argtypes = [ctypes.c_long, ctypes.c_float, ctypes.POINTER(ctypes.c_float)]
    library.multiply_adds.restype = ctypes.c_double
    library.read_all.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.read_all.restype = ctypes.c_float
    return library


def peak_per_ms(library: ctypes.CDLL) -> float:
    """Return the largest number of float32 multiply-adds per millisecond."""
    repeats, sink = 1_000_000, ctypes.c_float()
    count = library.multiply_adds(1, 1.0, sink) * repeats
    return count / best_ms(lambda: library.multiply_adds(repeats, 1.0, sink))


def phases(grid_size: int, peak: float) -> list[dict]:
    """Fit the time as a linear function of the number of outputs, for each task."""
    batch, inputs, found = PHASES["batch"], PHASES["inputs"], []
    x = torch.rand(batch, inputs) * 1.98 - 0.99
    for task, contractions in CONTRACTIONS.items():
        times = [median_ms(edgewise(x, outputs, grid_size)[task]) for outputs in PHASES["outputs"]]
        slope, start = statistics.linear_regression(PHASES["outputs"], times)
        ideal = batch * inputs * ROWS * contractions / peak
        found.append(
            {
                "task": task,
                "grid_size": grid_size,
                "outputs": PHASES["outputs"],
                "milliseconds": times,
                "nanoseconds_per_sample_and_input": start * 1e6 / (batch * inputs),
                "share_of_peak": ideal / slope,
            }
        )
    return found


def shapes(library: ctypes.CDLL, peak: float) -> list[dict]:
    found = []
    for (batch, inputs, outputs), grid_size in ((shape, grid) for shape in SHAPES for grid in GRIDS):
        x = torch.rand(batch, inputs) * 1.98 - 0.99
        coef = torch.zeros(inputs, grid_size + 3, outputs)
        linear = torch.nn.Linear(inputs, outputs)
        leaf, cotangent = x.clone().requires_grad_(), torch.randn(batch, outputs)
        wanted = [leaf, *linear.parameters()]
        row = {
            "shape": [batch, inputs, outputs],
            "grid_size": grid_size,
            "milliseconds": median_ms(edgewise(x, outputs, grid_size)[TASKS[1]]),
            "linear": median_ms(
                lambda a=(linear, leaf, wanted, cotangent): torch.autograd.grad(a[0](a[1]), a[2], a[3])
            ),
            "multiply_adds_at_peak": batch * inputs * outputs * ROWS * CONTRACTIONS[TASKS[1]] / peak,
            "coefficient_bytes": coef.numel() * coef.itemsize,
            "read_coefficients": median_ms(lambda c=coef: library.read_all(c.data_ptr(), c.numel())),
            "write_gradient": median_ms(lambda c=coef: torch.full_like(c, 1.0)),
        }
        found.append(row)
        texts = (f"{key} {row[key]:.3f}" for key in list(row)[2:] if key != "coefficient_bytes")
        print(f"{row['shape']!s:18} {grid_size:4d} {', '.join(texts)}", flush=True)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        library = peak_library(folder)
        peak = peak_per_ms(library)
        memory = torch.zeros(2**26)  # 268 MB: beyond every cache
        read = memory.numel() * memory.itemsize / best_ms(lambda: library.read_all(memory.data_ptr(), memory.numel()))
        print(
            f"{peak / 1e6:.1f} thousand million multiply-adds a second, {read / 1e6:.1f} GB read a second", flush=True
        )
        found = phases(GRIDS[0], peak)
        for row in found:
            print(
                f"grid {row['grid_size']}, {row['task']}: {row['nanoseconds_per_sample_and_input']:.1f} ns per sample "
                f"and input, then {row['share_of_peak']:.0%} of the peak",
                flush=True,
            )
        store = Store.open(settings.out, "limits", anew=True)
        store.add({"kind": "peak", "multiply_adds_per_second": peak * 1e3, "bytes_read_per_second": read * 1e3})
        for kind, rows in (("phase", found), ("shape", shapes(library, peak))):
            for row in rows:
                store.add({"kind": kind, **row})


if __name__ == "__main__":
    main()

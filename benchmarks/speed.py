"""Times KAN layers side by side: medians of interleaved runs in one process, as a table, JSON and a plot.

python benchmarks/speed.py [--quick] [--threads 1 2] [--out results]. One thread is measured in
CPU milliseconds, which other programs disturb least; several in wall milliseconds. Memory bounds what is tried: see
`LIMIT`. Rows are stored cell by cell, a cell being one number of threads, dtype, shape and grid size; those that are in
the file are not measured again. Peers that compile fill a cache in the first run, which takes several times longer.
"""

import argparse
import itertools
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from layers import LAYERS, SECOND_DERIVATIVES, TASKS

from edgewise_experiments.runner.store import RESULTS, Store

SHAPES = [
    (1000, 2, 5),
    (1000, 5, 1),
    (1024, 64, 64),
    (4096, 17, 14),
    (1024, 256, 256),
    (1024, 784, 64),
    (65536, 32, 16),
]
GRIDS = [5, 20, 50, 200]
COLOURS = ["#000000", "#d55e00", "#e69f00", "#0072b2", "#56b4e9", "#009e73", "#cc79a7"]  # Okabe and Ito's
SLOW = 0.5  # seconds a call beyond which one is enough
FAST = 0.05  # and below which there is time for more than three
LIMIT = 8e9  # bytes a dense layer may hold at once: batch x in x (grid + degree), some times over
HELD = {"pykan 0.2.8": 12.0, "jaxKAN 0.3.7": 6.0, "flashkan 0.2.0": 6.0, "inkan 0.5.2": 4.0}


def too_large(
    name: str, shape: tuple[int, int, int], grid_size: int, task: str, dtype: torch.dtype, limit: float = LIMIT
) -> bool:
    """Return whether a layer that holds batch x in x (grid + degree) would fill the memory; a Laplacian needs more."""
    batch, inputs, outputs = shape
    times = HELD.get(name, 6.0 if "reference" in name else 0)
    wide = times * batch * inputs * (grid_size + 3) * dtype.itemsize
    if name.startswith("jaxKAN") and batch * inputs * outputs * (grid_size + 3) > 3e7:
        return True  # 2 to 18 seconds a call at 64 x 64
    if name.startswith("pykan"):
        wide += 4.0 * batch * inputs * outputs * dtype.itemsize
    return wide * (SECOND_DERIVATIVES if "Laplacian" in task else 1) > limit


def measure(tasks: dict, one_thread: bool, seconds: float) -> dict[str, float]:
    """Return median milliseconds of tasks, their runs interleaved: one run of slow tasks, 15 and more of fast ones."""
    clock = time.process_time if one_thread else time.perf_counter
    inner, times, length = {}, {name: [] for name in tasks}, {}
    for name, task in tasks.items():
        start = clock()
        task()
        length[name] = clock() - start
        inner[name] = max(1, int(2e-3 / max(length[name], 1e-6)))
        if length[name] > SLOW:  # one run will do
            times[name] = [length[name] * 1e3]
    end = time.perf_counter() + seconds
    for repeat in range(31):
        past_deadline = time.perf_counter() > end
        if past_deadline and repeat >= 15:
            break
        longest = FAST if past_deadline and repeat >= 3 else SLOW
        for name in (name for name in tasks if length[name] <= longest):
            start = clock()
            for _ in range(inner[name]):
                tasks[name]()
            times[name].append((clock() - start) / inner[name] * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def run(settings: argparse.Namespace) -> None:
    """Measure all threads, dtypes, shapes, grids and layers that are not stored yet."""
    store = Store.open(settings.out, "speed-quick" if settings.quick else "speed")
    for threads, dtype, shape, grid_size in itertools.product(
        settings.threads, settings.dtypes, settings.shapes, settings.grids
    ):
        cell = [threads, str(dtype)[6:], *shape, grid_size]
        if store.find(cell=cell) is None:
            torch.set_num_threads(threads)
            load = os.getloadavg()[1]  # far above the threads used, the machine was shared
            for row in side_by_side(threads, dtype, shape, grid_size, settings.seconds):
                store.add({**row, "load_average": load})
        for row in store.rows:
            if row["cell"] == cell:
                show(row)
    plot(store.rows, store.path.with_name(f"{store.path.stem}-cost.svg"))


def side_by_side(threads: int, dtype: torch.dtype, shape, grid_size: int, seconds: float) -> list[dict]:
    batch, inputs, outputs = shape
    limit = LIMIT if threads == 1 else LIMIT / 8  # what needs the whole machine is kept short
    torch.compiler.reset()  # else a peer that compiles gives up after some shapes
    x = torch.rand(batch, inputs, dtype=dtype) * 1.98 - 0.99
    tasks, missing = {}, {}
    for name, make in LAYERS.items():
        if too_large(name, shape, grid_size, "", dtype, limit):
            missing[name] = "left out: too much memory or time"
            continue
        try:
            for task, function in make(x, outputs, grid_size).items():
                if function is None or too_large(name, shape, grid_size, task, dtype, limit):
                    continue
                start = time.perf_counter()
                function()
                tasks[name, task] = function
                if task == TASKS[1] and time.perf_counter() - start > 2 * SLOW:
                    break  # a Laplacian takes several times longer
        except Exception as error:  # a peer that fails is a result
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}" if str(error) else "fails"
            tasks = {key: function for key, function in tasks.items() if key[0] != name}
    medians = measure(tasks, threads == 1, seconds)
    common = {"threads": threads, "dtype": str(dtype)[6:], "shape": list(shape), "grid_size": grid_size}
    common["cell"] = [threads, common["dtype"], *shape, grid_size]
    return [
        {
            **common,
            "layer": name,
            "milliseconds": {task: medians[name, task] for task in TASKS if (name, task) in medians},
            "missing": missing.get(name),
        }
        for name in LAYERS
    ]


def show(row: dict) -> None:
    cells = "".join(
        f"{row['milliseconds'][task]:12.3f}" if task in row["milliseconds"] else f"{'-':>12}" for task in TASKS
    )
    where = f"{row['threads']:2d} {row['dtype']} {tuple(row['shape'])!s:16} {row['grid_size']:4d} {row['layer']:28}"
    print(where, cells, row["missing"] or "", flush=True)


def settings_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="float32, one thread, three shapes, half a second a cell")
    parser.add_argument("--threads", type=int, nargs="*", help="one and all by default")
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args(arguments)
    settings.threads = settings.threads or ([1] if settings.quick else sorted({1, torch.get_num_threads()}))
    settings.dtypes = [torch.float32] if settings.quick else [torch.float32, torch.float64]
    settings.shapes = [(1000, 2, 5), (1024, 64, 64), (65536, 32, 16)] if settings.quick else SHAPES
    settings.grids = GRIDS
    settings.seconds = 0.5 if settings.quick else 1.0
    return settings


def plot(rows: list[dict], path: Path) -> None:
    """Draw the cost of forward + backward against grid size, one panel per shape, float32, one thread."""
    import matplotlib
    from matplotlib.figure import Figure

    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in rows))
    across = (len(shapes) + 1) // 2
    figure = Figure(figsize=(3.0 * across, 6.4), layout="constrained")
    panels = list(figure.subplots(2, across, squeeze=False).flat)
    for axes, shape in zip(panels, shapes, strict=False):
        for (name, colour), marker in zip(zip(LAYERS, COLOURS, strict=True), "sov^Dx+", strict=True):
            points = sorted(
                (row["grid_size"], row["milliseconds"][TASKS[1]])
                for row in rows
                if (row["layer"], tuple(row["shape"]), row["threads"], row["dtype"]) == (name, shape, 1, "float32")
                and TASKS[1] in row["milliseconds"]
            )
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, color=colour, label=name)
        axes.set(xscale="log", yscale="log", title=f"batch {shape[0]:,}, {shape[1]} → {shape[2]}", xlabel="grid size")
        axes.set_xticks(GRIDS, [str(grid) for grid in GRIDS])
        axes.minorticks_off()
        axes.set_ylabel("CPU milliseconds")
    for axes in panels[len(shapes) :]:
        axes.axis("off")
        axes.legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    figure.suptitle("Forward + backward of a layer, float32, one thread")
    if len(panels) == len(shapes):
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    settings = settings_of(arguments)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")  # the peers'
    print(f"{'threads, dtype, shape, grid, layer':58}", "".join(f"{task[-12:]:>12}" for task in TASKS))
    run(settings)


if __name__ == "__main__":
    main()

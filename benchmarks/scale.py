"""Measures fits of tables in batches: CPU seconds and memory against rows, columns and processes.

python benchmarks/scale.py [--quick] [--rows 1e5,1e6,1e7] [--out results]. Rows come from a seeded generator,
Friedman's first function with noise of variance 1 and further columns that do nothing, so that no disk is measured.
Every fit is a process of its own, with one thread; several processes are joined as `torchrun` does. CPU seconds are
those of the process that takes most, since a shared machine says little about the time on the wall.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewise_experiments.runner.store import RESULTS, Store

ROWS, COLUMNS, PROCESSES = (1e5, 1e6, 1e7), (5, 10, 20, 40), (1, 2, 4)
MIDDLE_ROWS, MIDDLE_COLUMNS = 1e6, 10  # of the comparisons of columns and of processes
BATCH = 65_536
FRESH = 50_000  # rows without noise on which the error is measured


def friedman(x: np.ndarray) -> np.ndarray:
    """Friedman's first function (Annals of Statistics 19 (1991) 1, section 4.3)."""
    return 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]


class Generated:
    """Batches from a seeded generator; notes the CPU time of each pass and of its own work."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        self.passes: list[dict[str, float]] = []

    def part(self, process: int, count: int) -> Iterator:
        """Yield the batches of one of so many processes."""
        from edgewise.tables import Table
        from edgewise.tables.batches import Batch

        names = tuple(f"x{number + 1}" for number in range(self.columns))
        begun, own = time.process_time(), 0.0
        for number, first in enumerate(range(0, self.rows, BATCH)):
            if number % count != process:
                continue
            start = time.process_time()
            random, size = np.random.default_rng([7, number]), min(BATCH, self.rows - first)
            x = random.random((size, self.columns))
            y = friedman(x) + random.standard_normal(size)
            table = Table(names, {name: x[:, place] for place, name in enumerate(names)})
            ids = np.arange(first, first + size, dtype=np.uint64)
            own += time.process_time() - start
            yield Batch(table, y, None, f"batch {number + 1}", ids, False)
        self.passes.append({"cpu": time.process_time() - begun, "generator": own})

    def __iter__(self) -> Iterator:
        return self.part(0, 1)


def fit_one(rows: int, columns: int) -> dict:
    """Fit one table; return what it took."""
    import torch

    from edgewise import KANRegressor
    from edgewise.processes import joined_processes
    from edgewise.tables.batches import Batches

    torch.set_num_threads(1)
    with joined_processes() as process:
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        source, begun, wall = Generated(rows, columns), time.process_time(), time.perf_counter()
        model = KANRegressor().fit(Batches(source))
        spent = time.process_time() - begun
        x = np.random.default_rng(11).random((FRESH, columns))
        error = float(np.sqrt(np.mean((model.predict(x) - friedman(x)) ** 2)))
        design = model.model_.config.width
        return {
            "process": process,
            "cpu": round(spent, 2),
            "wall": round(time.perf_counter() - wall, 2),
            "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "megabytes_before": round(base / 1024),
            "passes": [{name: round(value, 3) for name, value in one.items()} for one in source.passes],
            "error": error,
            "width": str(design),
            "sentence": model.search_.sentences[-2],
        }


def in_fresh_processes(script: str, arguments: list[str], processes: int) -> list[dict]:
    """Run a script in so many joined processes, each with one thread; return the last line of each, read as JSON."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1"}
    started = []
    for number in range(processes):
        environment = {**os.environ, **world, "RANK": str(number), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, script, *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]


def measured(rows: float, columns: int, processes: int) -> dict:
    """Fit a table in fresh processes."""
    said = in_fresh_processes(__file__, ["--one", str(int(rows)), str(columns)], processes)
    first = max(said, key=lambda one: one["cpu"])
    generator = sum(one["generator"] for one in first["passes"])
    row = {
        "rows": int(rows),
        "columns": columns,
        "processes": processes,
        "cpu": first["cpu"],
        "cpu_generator": round(generator, 2),
        "cpu_first_pass": round(first["passes"][0]["cpu"] - first["passes"][0]["generator"], 2),
        "cpu_sums": round(sum(one["cpu"] - one["generator"] for one in first["passes"][1:]), 2),
        "cpu_sample": round(first["cpu"] - sum(one["cpu"] for one in first["passes"]), 2),
        "wall": first["wall"],
        "megabytes": max(one["megabytes"] for one in said),
        "megabytes_before": max(one["megabytes_before"] for one in said),
        "error": first["error"],
        "width": first["width"],
        "sentence": first["sentence"],
    }
    print(json.dumps(row), flush=True)
    return row


def slope(x: list[float], y: list[float]) -> float:
    """Return the slope between the last two points on logarithmic axes."""
    return float(np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2])) if len(x) > 1 else float("nan")


def drawn(rows: list[dict], path: Path) -> None:
    """Draw seconds and memory against rows, columns and processes, with the slopes at the end."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), constrained_layout=True)
    middle = {"rows": MIDDLE_ROWS, "columns": MIDDLE_COLUMNS, "processes": 1}
    for axis, against in zip(axes, ("rows", "columns", "processes"), strict=True):
        others = [name for name in middle if name != against]
        own = sorted((r for r in rows if all(r[o] == middle[o] for o in others)), key=lambda r: r[against])
        if not own:
            continue
        x = [r[against] for r in own]
        for name, words, mark in (
            ("cpu_sums", "sums over all rows, s", "o"),
            ("cpu_first_pass", "first pass, s", "^"),
            ("cpu_sample", "search on the sample, s", "s"),
            ("megabytes", "memory, MB", "x"),
        ):
            y = [r[name] or float("nan") for r in own]  # a sum over no rows takes nothing
            axis.plot(x, y, marker=mark, label=words)
            axis.annotate(f" {slope(x, y):.2f}", (x[-1], y[-1]), fontsize=8, va="center_baseline")
        axis.set(xscale="log", yscale="log", xlabel=against, xlim=(x[0] / 1.3, x[-1] * (x[-1] / x[0]) ** 0.25))
        axis.set_xticks(x, [f"$10^{np.log10(one):.0f}$" if against == "rows" else str(one) for one in x], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("CPU seconds of a process, or MB")
    axes[0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def nanoseconds(columns: int, pair_columns: int = 100) -> float:
    """Return the time of a row in a sum over all rows, by the rates that `edgewise.ops.normal` measured when idle.

    Half the square of the entries that are not zero, in runs: four of each input, the constant and the target, and the
    columns of a pair with the finest margins.
    """
    from edgewise.ops.normal import HALF_LENGTH, RUN_RATE

    entries = 2 + 4 * columns + pair_columns
    length = entries / (2 + columns)
    return entries**2 / 2 / (RUN_RATE * length / (length + HALF_LENGTH))


def table(rows: list[dict]) -> str:
    """Return the measurements as a table of Markdown, beside the model, whose one factor is that of the most rows."""
    middle = [r for r in rows if r["columns"] == MIDDLE_COLUMNS and r["processes"] == 1]
    largest = max(middle, key=lambda r: r["rows"])
    factor = largest["cpu_sums"] / largest["rows"] / nanoseconds(MIDDLE_COLUMNS) * 1e9
    lines = [
        f"The sums took {factor:.2f} times the model.",
        "",
        "| rows | columns | processes | first pass | search on the sample | sums | by the model | memory, MB | error |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        model = factor * nanoseconds(r["columns"]) * r["rows"] / r["processes"] * 1e-9
        cells = [f"{r['rows']:,}", r["columns"], r["processes"], f"{r['cpu_first_pass']:.1f}", f"{r['cpu_sample']:.1f}"]
        cells += [f"{r['cpu_sums']:.1f}", f"{model:.1f}" if r["cpu_sums"] else "–", r["megabytes"], f"{r['error']:.4f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def stored() -> str:
    """Return the table of the stored rows, for docs/scale.md."""
    return table(Store(RESULTS / "scale.json").beside("scale"))


def main(arguments: list[str] | None = None) -> None:
    """Measure, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small tables, a minute")
    parser.add_argument("--rows", type=lambda text: [float(one) for one in text.split(",")], default=None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    settings = parser.parse_args(arguments)
    if settings.one:
        print(json.dumps(fit_one(*settings.one)))
        return
    sizes = settings.rows or ((1e5, 2e5) if settings.quick else ROWS)
    cases = [(rows, MIDDLE_COLUMNS, 1) for rows in sizes]
    if not settings.quick:
        cases += [(MIDDLE_ROWS, columns, 1) for columns in COLUMNS if columns != MIDDLE_COLUMNS]
        cases += [(MIDDLE_ROWS, MIDDLE_COLUMNS, count) for count in PROCESSES if count > 1]
    store = Store.open(settings.out, "scale", anew=True)
    for case in cases:
        store.add(measured(*case))
    drawn(store.rows, settings.out / "scale.svg")
    print(table(store.rows))


if __name__ == "__main__":
    main()

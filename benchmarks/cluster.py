"""Measures fits of a network in 1, 2 and 4 processes, and predicts fits of 10^9 rows on 100 workers by simulation.

python benchmarks/cluster.py [--quick] [--simulate] [--out results]. The costs of a row are those of
`scale.json` and of the fits measured here; stragglers and losses of workers are drawn from a seed, see `Cluster`.
"""

import argparse
import heapq
import itertools
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from scale import friedman, in_fresh_processes, nanoseconds

from edgewise_experiments.runner.store import RESULTS, Store

ROWS, PROCESSES, STEPS = 100_000, (1, 2, 4), 4
SHAPE, GRID = [10, 4, 1], 10
METHODS = ("LevenbergMarquardt", "LBFGS")
RUNS = 100  # simulations of each case
HOPELESS = 50  # losses in one pass after which a fit counts as one that never ends


def network():
    """Return the network that is measured."""
    import torch

    from edgewise import KAN

    return KAN(SHAPE, GRID, domain=(0, 1), dtype=torch.float64)


def fit_one(rows: int) -> dict:
    """Fit by both methods; return CPU seconds of a step of each in this process."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    import edgewise
    from edgewise.processes import joined_processes
    from edgewise.processes.team import process_and_count

    torch.set_num_threads(1)
    with joined_processes() as process:
        count = process_and_count()[1]
        x = torch.rand(rows, SHAPE[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)[process::count]
        y = torch.from_numpy(friedman(x.numpy()))[:, None]
        found = {}
        for name in METHODS:
            model = network()
            wrapped = DistributedDataParallel(model) if count > 1 else model
            begun = time.process_time()
            report = edgewise.fit(wrapped, edgewise.Regression(x, y), getattr(edgewise, name)(), steps=STEPS)
            found[name] = (time.process_time() - begun) / report.steps
        return found


def measured(rows: int, processes: int) -> dict:
    """Fit in fresh processes; the busiest one counts."""
    said = in_fresh_processes(__file__, ["--one", str(rows)], processes)
    row = {"rows": rows, "processes": processes, **{name: max(one[name] for one in said) for name in METHODS}}
    print(json.dumps(row), flush=True)
    return row


def row_work(shape: list[int], grid: int) -> dict[str, float]:
    """Return multiply-adds of a row in a step of each method, in units of dense products, and the parameters."""
    from edgewise.ops.normal import DENSE_RATE, HALF_LENGTH, RUN_RATE

    edges = sum(a * b for a, b in itertools.pairwise(shape))
    parameters, active = edges * (grid + 3) + edges, edges * 4 + edges  # cubic splines and a base weight
    runs = active**2 / 2 / (RUN_RATE * 4 / (4 + HALF_LENGTH))
    dense = parameters**2 / DENSE_RATE
    return {"LevenbergMarquardt": min(runs, dense), "LBFGS": float(active), "parameters": float(parameters)}


@dataclass(frozen=True)
class Cluster:
    """Workers with stragglers and losses.

    Parameters
    ----------
    workers : int
        Their number.
    spread : float
        Standard deviation of the logarithm of a worker's pace in a pass: machines of one kind.
    slow, factor : float
        Probability that a worker is much slower in a pass, and how much, after the one in a hundred of
        J. Dean and L. Barroso, "The tail at scale", Communications of the ACM 56 (2013) 2.
    lifetime : float
        Mean seconds until a worker is lost; infinite for never.
    restart : float
        Seconds until all processes work again after a loss.
    bandwidth : float
        Bytes per second of a worker's network: 10 Gbit/s.
    """

    workers: int = 100
    spread: float = 0.1
    slow: float = 0.01
    factor: float = 3.0
    lifetime: float = np.inf
    restart: float = 60.0
    bandwidth: float = 1.25e9

    def exchange(self, numbers: float) -> float:
        """Return the seconds in which a ring adds so many float64 numbers of all workers."""
        return 2 * (self.workers - 1) / self.workers * 8 * numbers / self.bandwidth

    def paces(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Return how many times the mean time pieces of work take."""
        return np.exp(self.spread * random.normal(size=count)) * np.where(
            random.random(count) < self.slow, self.factor, 1.0
        )

    def in_processes(self, random: np.random.Generator, fit: "Fit") -> float:
        """Return the seconds of a fit by torchrun: every pass waits for the slowest, a loss begins the pass again."""
        passes, clock = 0, fit.begin
        losses = 0  # since the last pass that came to its end
        while passes < fit.passes:
            if losses > HOPELESS:
                return np.inf
            own = fit.work / self.workers * self.paces(random, self.workers).max()
            pass_time = own + self.exchange(fit.numbers) + fit.alone
            lost = random.exponential(self.lifetime / self.workers) if np.isfinite(self.lifetime) else np.inf
            if lost < pass_time:
                clock += lost + self.restart + fit.again
                losses += 1
                continue
            clock, passes, losses = clock + pass_time, passes + 1, 0
        return clock

    def in_partitions(self, random: np.random.Generator, fit: "Fit", pieces: int = 10) -> float:
        """Return the seconds of a fit by Dask: free workers take the next piece, those of a lost one are done again."""
        clock = fit.begin
        for _ in range(fit.passes):
            work = fit.work / self.workers / pieces
            pace = self.paces(random, self.workers)
            free = [(0.0, number) for number in range(self.workers)]
            waiting, done, end = self.workers * pieces, np.zeros(self.workers, dtype=int), 0.0
            losses = np.full(self.workers, np.inf)
            if np.isfinite(self.lifetime):
                losses = random.exponential(self.lifetime, self.workers)
            while waiting:
                at, number = heapq.heappop(free)
                after = at + work * pace[number]
                if after <= losses[number]:
                    waiting, end = waiting - 1, max(end, after)
                    done[number] += 1
                    heapq.heappush(free, (after, number))
                    if waiting:
                        continue
                    number = int(np.where(done > 0, losses, np.inf).argmin())
                    if losses[number] >= end:  # nobody is lost before the pass ends
                        break
                    free = [(max(at, losses[number]), one) for at, one in free if one != number]
                    heapq.heapify(free)
                waiting += int(done[number])  # its sums are lost with it
                done[number], at = 0, losses[number] + self.restart
                losses[number] = at + random.exponential(self.lifetime)
                heapq.heappush(free, (at, number))
            clock += end + self.exchange(fit.numbers) * np.log2(self.workers) + fit.alone
        return clock


@dataclass(frozen=True)
class Fit:
    """A fit.

    Parameters
    ----------
    name : str
        Its name.
    begin, again : float
        Seconds before the passes, and how many of them a fit that has lost a worker spends once more.
    passes : int
        Number of passes.
    work : float
        Core seconds of one.
    numbers, alone : float
        Numbers that travel in one, and seconds that the first process works alone.
    """

    name: str
    begin: float
    again: float
    passes: int
    work: float
    numbers: float
    alone: float


def fits(scale: list[dict], own: list[dict], rows: float = 1e9) -> list[Fit]:
    """Return the fits that are predicted, from the measured costs of a row."""
    largest = max((r for r in scale if r["columns"] == 10 and r["processes"] == 1), key=lambda r: r["rows"])
    factor = largest["cpu_sums"] / largest["rows"] / nanoseconds(10) * 1e9
    reading = max(r["cpu_first_pass"] / r["rows"] / r["columns"] for r in scale if r["rows"] >= 1e6)
    search = max(r["cpu_sample"] / r["columns"] for r in scale)  # seconds for each column of the sample
    found = []
    for name, columns in (("additive, 10 columns", 10), ("additive, 196 columns", 196)):
        size = 2 + 51 * columns + 100
        again = search * columns  # the first pass is in the checkpoint
        begin = rows * columns * reading / Cluster.workers + again
        alone = 2 * size**2 * min(size, 1100) / 24e9  # the change of basis, at the rate of dense products
        work = rows * factor * nanoseconds(columns) * 1e-9
        found.append(Fit(f"{name}, {size:,} numbers a row of sums", begin, again, 1, work, size**2, alone))
    one, small, large = next(r for r in own if r["processes"] == 1), row_work(SHAPE, GRID), row_work([10, 64, 1], GRID)
    size = large["parameters"]
    for name, passes, numbers, alone in (
        ("LBFGS", 200, size, 0.0),
        ("LevenbergMarquardt", 20, size**2, size**3 / 3 / 24e9),
    ):
        work = rows * one[name] / one["rows"] * large[name] / small[name]
        words = f"{name}, {size:,.0f} parameters, {passes} steps"
        found.append(Fit(words, 0.0, 0.0, passes, work, numbers, alone))
    return found


CASES = {
    "all alike": Cluster(spread=0.0, slow=0.0),
    "stragglers": Cluster(),
    "a loss a month": Cluster(lifetime=30 * 86_400.0),
    "a loss a day": Cluster(lifetime=86_400.0),
}


def simulated(given: list[Fit]) -> list[dict]:
    """Return the median and the 95th percentile of the seconds of each fit in each case."""
    rows = []
    for fit in given:
        for engine in ("torchrun", "Dask") if fit.begin else ("torchrun",):
            for case, cluster in CASES.items():
                random = np.random.default_rng(5)
                if engine == "Dask":
                    seconds = [cluster.in_partitions(random, fit) for _ in range(RUNS)]
                else:
                    seconds = [cluster.in_processes(random, fit) for _ in range(RUNS)]
                low, high = np.quantile(seconds, [0.5, 0.95], method="inverted_cdf")
                rows.append({"fit": fit.name, "engine": engine, "case": case, "median": low, "most": high})
    return rows


def words(seconds: float | None) -> str:
    """Return seconds in the unit that fits; None is a fit that never ends."""
    if seconds is None:
        return "never"
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def tables(own: list[dict], rows: list[dict]) -> str:
    """Return both tables in Markdown: the measured steps beside the model, and the simulated fits."""
    alone = next(r for r in own if r["processes"] == 1)
    lines = ["| processes | LM, s a step | by the model | L-BFGS, s a step | by the model |", "| ---: " * 5 + "|"]
    for r in own:
        cells = [str(r["processes"])]
        for name in METHODS:
            cells += [f"{r[name]:.2f}", f"{alone[name] / r['processes']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"| fit | engine | {' | '.join(CASES)} |", f"| --- | --- {'| ---: ' * len(CASES)}|"]
    for start in range(0, len(rows), len(CASES)):
        some = rows[start : start + len(CASES)]
        cells = [
            words(r["median"])
            + (f" ({words(r['most'])})" if r["most"] is not None and r["most"] > 1.05 * r["median"] else "")
            for r in some
        ]
        lines.append(f"| {some[0]['fit']} | {some[0]['engine']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stored() -> str:
    """Return both tables of the stored rows, for docs/scale.md."""
    kept = Store(RESULTS / "cluster.json").beside("cluster")
    return tables([row for row in kept if "processes" in row], [row for row in kept if "fit" in row])


def drawn(given: list[Fit], path: Path) -> None:
    """Draw the simulated seconds against the number of workers."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(given), figsize=(11, 3), constrained_layout=True)
    counts = [1, 10, 100, 1000]
    for axis, fit in zip(axes, given, strict=True):
        for case, mark in zip(CASES, "os^x", strict=True):
            seconds = []
            for count in counts:
                random, cluster = np.random.default_rng(5), replace(CASES[case], workers=count)
                runs = [cluster.in_processes(random, fit) for _ in range(5)]
                seconds.append(float(np.median(runs)))
            axis.plot(counts, seconds, marker=mark, label=case)
        axis.set(xscale="log", yscale="log", xlabel="workers")
        axis.set_title("\n".join(fit.name.split(", ")[:2]), fontsize=9)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("seconds")
    axes[0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Measure, simulate, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--simulate", action="store_true", help="simulate only, with the fits measured before")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    settings = parser.parse_args(arguments)
    if settings.one:
        print(json.dumps(fit_one(settings.one)))
        return
    if settings.simulate:
        own = [row for row in Store.open(settings.out, "cluster").rows if "processes" in row]
    else:
        own = [measured(ROWS // 10 if settings.quick else ROWS, count) for count in PROCESSES]
    store = Store.open(settings.out, "cluster", anew=True)
    given = fits(Store(RESULTS / "scale.json").beside("scale"), own)
    rows = simulated(given)
    store.rows += own if settings.simulate else []
    for row in [*([] if settings.simulate else own), *rows]:
        store.add(row)
    rows = [row for row in store.rows if "fit" in row]
    drawn(given, settings.out / "cluster.svg")
    print(tables(own, rows))


if __name__ == "__main__":
    main()

"""The 15 special functions of the KAN paper: automatic shape and grids, compared with the paper, pykan and MLPs.

The domains are ours (`edgewise_experiments/data/special_functions.py`) because the paper prints none; pykan and MLPs
were trained on ours for some of the functions.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise_experiments.accuracy.known_functions import Effort, accuracy_job, beside_the_paper, by_function, shape
from edgewise_experiments.accuracy.mlp_baseline import best_mlp
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.runner import (
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    latest,
    run_jobs,
    scientific,
    times,
    working_seconds,
)

ALSO = ("pykan-reference", "mlp-comparison")
NOTES = (
    "On the same domains: pykan's best model and the MLP with the lowest held-out error of the experiment "
    "mlp-comparison, trained on our domains on the same machine; times lower is their error divided by ours."
)
QUICK = ("kv", "sph_harm 0 1")
EFFORT = Effort(budget=0.5)  # up to about 20 seconds of one core
QUICK_EFFORT = Effort(samples=300, held_out=100, width=(2, 2, 1), budget=0.001)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure every function with three seeds (of samples and training) by default."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(SPECIAL_FUNCTIONS), seeds or (0, 1, 2))
    effort = QUICK_EFFORT if quick else EFFORT
    # Seeds are the outer loop, so that the table is complete, with one seed, after a third of the time.
    jobs = [accuracy_job(SPECIAL_FUNCTIONS[name], seed, effort) for seed in seeds for name in names]
    rows = run_jobs(jobs, store, progress)
    return summary([*rows, *store.beside(*ALSO)])


def summary(rows: list[dict]) -> Outcome:
    """Make the table beside the paper's, and the comparison on the same domains."""
    known = [row for row in rows if row.get("problem") in SPECIAL_FUNCTIONS]
    ours = latest([row for row in known if "model" not in row], "problem", "seed")
    pykan = [row for row in rows if row.get("function") in SPECIAL_FUNCTIONS]
    mlps = [row for row in known if row.get("model") == "MLP"]
    to_beat = {name: target.paper["kan"] for name, target in SPECIAL_FUNCTIONS.items()}
    reference = "the paper's best KAN"
    outcome = beside_the_paper(ours, SPECIAL_FUNCTIONS, to_beat=to_beat, reference=reference)
    same = same_domains_table(ours, pykan, mlps)
    if not same.rows:
        return outcome
    tables = (*outcome.tables[:1], same, *outcome.tables[1:])
    return replace(outcome, tables=tables, notes=(*outcome.notes, NOTES))


def same_domains_table(ours: list[dict], pykan: list[dict], mlps: list[dict]) -> ResultTable:
    """Compare each function with pykan's best model and the best MLP on the same domain, where they were trained."""
    lines = []
    for each in by_function(ours):
        theirs = min((r for r in pykan if r["function"] == each.name), key=lambda r: r["best_test_rmse"], default=None)
        mlp = best_mlp([row for row in mlps if row["problem"] == each.name])
        if each.rmse is None or (theirs is None and mlp is None):
            continue
        cells = [each.name, scientific(each.rmse), f"{working_seconds(each.middle):.0f}"]
        if theirs is None:
            cells += ["-"] * 4
        else:
            seconds = min(theirs["seconds_to_best"], theirs["cpu_seconds_to_best"])
            ratio = times(theirs["best_test_rmse"] / each.rmse)
            cells += [shape(theirs["width"]), scientific(theirs["best_test_rmse"]), f"{seconds:.0f}", ratio]
        if mlp is None:
            cells += ["-"] * 4
        else:
            ratio = times(mlp["rmse"] / each.rmse)
            cells += [f"{mlp['parameters']:,}", scientific(mlp["rmse"]), f"{working_seconds(mlp):.0f}", ratio]
        lines.append(tuple(cells))
    columns = (
        *("function", "RMSE", "seconds"),
        *("pykan", "pykan RMSE", "pykan seconds", "times lower than pykan"),
        *("MLP parameters", "MLP RMSE", "MLP seconds", "times lower than the MLP"),
    )
    return ResultTable(columns, tuple(lines), "On the same domains")

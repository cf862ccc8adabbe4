"""The 15 special functions of the KAN paper: automatic shape and grids, beside the paper, pykan and MLPs.

The domains are ours (edgewise/datasets/special_functions.py), for the paper prints none; pykan and MLPs were run on
ours for some of the functions. Four of them also by size, as in the paper's Figure 2.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from edgewise_experiments.accuracy.accuracy import Effort, accuracy_job, beside_the_paper, repeats, shape
from edgewise_experiments.accuracy.mlp_baseline import best_mlp
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.formulas.special_fronts import draw_fronts, front_jobs, front_table, is_front
from edgewise_experiments.runner.jobs import Progress, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, scientific, times
from edgewise_experiments.runner.store import Store

ALSO = ("pykan_reference", "mlp-comparison")
QUICK = ("kv", "sph_harm 0 1")
EFFORT = Effort(budget=0.5)  # up to about 20 seconds of one core
QUICK_EFFORT = Effort(samples=300, held_out=100, width=(2, 2, 1), budget=0.001)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of samples and training, unless told otherwise."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(SPECIAL_FUNCTIONS), seeds or (0, 1, 2))
    effort = QUICK_EFFORT if quick else EFFORT
    # By seeds, so that the table is complete, if with one seed, after a third of the time.
    jobs = []
    for seed in seeds:
        jobs += [accuracy_job(SPECIAL_FUNCTIONS[name], seed, effort) for name in names]
        jobs += [job for name in names for job in front_jobs(name, seed, quick=quick)]
    rows = run_jobs(jobs, store, progress, line)
    return summary([*rows, *store.beside(*ALSO)])


def summary(rows: list[dict]) -> Outcome:
    """The table, ours against the paper's best KAN, that of pykan and MLPs on our domains, and fronts by size."""
    known = [row for row in rows if row.get("problem") in SPECIAL_FUNCTIONS]
    ours = latest([row for row in known if "model" not in row and not is_front(row)], "problem", "seed")
    pykan = [row for row in rows if row.get("function") in SPECIAL_FUNCTIONS]
    mlps = [row for row in known if row.get("model") == "MLP"]
    to_beat = {name: target.paper["kan"] for name, target in SPECIAL_FUNCTIONS.items()}
    which = "the paper's best KAN"
    outcome = beside_the_paper(ours, SPECIAL_FUNCTIONS, to_beat=to_beat, which=which)
    same, fronts = _same_domains(ours, pykan, mlps), front_table(known)
    more = [table for table in (same, fronts) if table is not None and table.rows]
    figures = dict(outcome.figures)
    if fronts is not None:
        figures["fronts"] = partial(draw_fronts, known)
    return replace(outcome, tables=(*outcome.tables, *more), figures=figures)


def _same_domains(ours: list[dict], pykan: list[dict], mlps: list[dict]) -> ResultTable:
    """pykan's best model and the best MLP of each function that they were trained on, on the same domain."""
    lines = []
    for each in repeats(ours):
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
        "function",
        "RMSE",
        "s",
        "pykan",
        "RMSE",
        "s",
        "times lower",
        "MLP parameters",
        "RMSE",
        "s",
        "times lower",
    )
    return ResultTable(columns, tuple(lines), "On the same domains, on the same machine")


def line(row: dict) -> str:
    """A stored row for people."""
    paper = SPECIAL_FUNCTIONS[row["problem"]].paper["kan"]
    what = f"{row['problem']}, cubic {shape(row['width'])}" if is_front(row) else row["problem"]
    return (
        f"{what}, seed {row['seed']}: {scientific(row['rmse'])} (paper {scientific(paper)}), "
        f"{row['parameters']:,} parameters, {row['seconds']:.1f} s"
    )

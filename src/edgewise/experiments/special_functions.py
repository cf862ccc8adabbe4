"""The 15 special functions of the KAN paper: automatic shape, one minute each, beside the paper, pykan and MLPs.

The domains are ours (edgewise/datasets/special_functions.py), for the paper prints none; pykan and MLPs were run on
ours for some of the functions.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise.datasets.special_functions import SPECIAL_FUNCTIONS
from edgewise.experiments.accuracy import Effort, accuracy_job, beside_the_paper, repeats, shape
from edgewise.experiments.jobs import Progress, latest, run_jobs
from edgewise.experiments.outcome import Outcome, ResultTable, scientific, times
from edgewise.experiments.store import Store

ALSO = ("pykan_reference",)
QUICK = ("kv", "sph_harm 0 1")
EFFORT = Effort()
QUICK_EFFORT = Effort(samples=300, held_out=100, width=(2, 2, 1), budget=0.001)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of samples and training, unless told otherwise."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(SPECIAL_FUNCTIONS), seeds or (0, 1, 2))
    effort = QUICK_EFFORT if quick else EFFORT
    # By seeds, so that the table is complete, if with one seed, after a third of the time.
    jobs = [accuracy_job(SPECIAL_FUNCTIONS[name], seed, effort) for seed in seeds for name in names]
    rows = run_jobs(jobs, store, progress, line)
    return summary([*rows, *store.beside(*ALSO)])


def summary(rows: list[dict]) -> Outcome:
    """The table, ours against the paper's best KAN, and that of pykan on our domains if it was run."""
    ours = latest([row for row in rows if "problem" in row], "problem", "seed")
    pykan = [row for row in rows if row.get("function") in SPECIAL_FUNCTIONS]
    to_beat = {name: target.paper["kan"] for name, target in SPECIAL_FUNCTIONS.items()}
    which = "the paper's best KAN"
    outcome = beside_the_paper(ours, SPECIAL_FUNCTIONS, to_beat=to_beat, which=which)
    same = _same_domains(ours, pykan)
    return replace(outcome, tables=(*outcome.tables, same)) if same.rows else outcome


def _same_domains(ours: list[dict], pykan: list[dict]) -> ResultTable:
    """pykan's best model of each function that it was run on, on the same domain."""
    lines = []
    for each in repeats(ours):
        theirs = [row for row in pykan if row["function"] == each.name]
        if theirs and each.rmse:
            best = min(theirs, key=lambda row: row["best_test_rmse"])
            lines.append(
                (
                    each.name,
                    scientific(each.rmse),
                    f"{each.middle['seconds']:.0f}",
                    shape(best["width"]),
                    scientific(best["best_test_rmse"]),
                    f"{min(best['seconds_to_best'], best['cpu_seconds_to_best']):.0f}",
                    times(best["best_test_rmse"] / each.rmse),
                )
            )
    columns = ("function", "RMSE", "seconds", "pykan shape", "pykan RMSE", "pykan seconds", "times lower")
    return ResultTable(columns, tuple(lines), "On the same domains, on the same machine")


def line(row: dict) -> str:
    """A stored row for people."""
    paper = SPECIAL_FUNCTIONS[row["problem"]].paper["kan"]
    return (
        f"{row['problem']}, seed {row['seed']}: {scientific(row['rmse'])} (paper {scientific(paper)}), "
        f"{row['parameters']:,} parameters, {row['seconds']:.1f} s"
    )

"""The 27 Feynman equations of the KAN paper: automatic shape and grids, beside the paper's four columns.

The ranges of the variables are ours (edgewise/datasets/feynman.py), for the paper prints none.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise_experiments.accuracy.accuracy import Effort, accuracy_job, beside_the_paper
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.runner.jobs import Job, Progress, latest, run_jobs
from edgewise_experiments.runner.outcome import Outcome, scientific
from edgewise_experiments.runner.store import Store

QUICK = ("I.12.11", "II.38.3")
EFFORT = Effort(budget=0.5)  # up to about 20 seconds of one core
QUICK_EFFORT = Effort(samples=300, held_out=100, width=(2, 2, 1), budget=0.001)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of samples and training, unless told otherwise."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(FEYNMAN_EQUATIONS), seeds or (0, 1, 2))
    # By seeds, so that the table is complete, if with one seed, after a third of the time.
    jobs = [_job(name, seed, quick) for seed in seeds for name in names]
    return summary(run_jobs(jobs, store, progress, line))


def _job(name: str, seed: int, quick: bool) -> Job:
    target = FEYNMAN_EQUATIONS[name]
    return accuracy_job(target, seed, QUICK_EFFORT if quick else replace(EFFORT, samples=1000 * (1 + target.inputs)))


def summary(rows: list[dict]) -> Outcome:
    """The table, ours against the lowest of the paper's four figures."""
    to_beat = {name: target.paper_best() for name, target in FEYNMAN_EQUATIONS.items()}
    which = "the best of the paper's four columns (three KANs, MLP)"
    return beside_the_paper(latest(rows, "problem", "seed"), FEYNMAN_EQUATIONS, to_beat=to_beat, which=which)


def line(row: dict) -> str:
    """A stored row for people."""
    paper = FEYNMAN_EQUATIONS[row["problem"]].paper_best()
    return (
        f"{row['problem']}, seed {row['seed']}: {scientific(row['rmse'])} (paper {scientific(paper)}), "
        f"{row['parameters']:,} parameters, {row['seconds']:.1f} s"
    )

"""The 27 Feynman equations of the KAN paper: automatic shape and grids, compared with the paper's four columns.

The ranges of the variables are ours (`edgewise_experiments/data/feynman.txt`) because the paper prints none.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise_experiments.accuracy.known_functions import Effort, accuracy_job, beside_the_paper
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.runner import Outcome, RowCallback, Store, latest, run_jobs

QUICK = ("I.12.11", "II.38.3")
EFFORT = Effort(budget=0.5)  # up to about 20 seconds of one core
QUICK_EFFORT = Effort(samples=300, held_out=100, width=(2, 2, 1), budget=0.001)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure every equation with three seeds (of samples and training) by default."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(FEYNMAN_EQUATIONS), seeds or (0, 1, 2))
    jobs = []
    for seed in seeds:  # outermost, so that the table is complete, with one seed, after a third of the time
        for name in names:
            target = FEYNMAN_EQUATIONS[name]
            effort = QUICK_EFFORT if quick else replace(EFFORT, samples=1000 * (1 + target.inputs))
            jobs.append(accuracy_job(target, seed, effort))
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Make the table; the error to beat is the lowest of the paper's four."""
    to_beat = {name: target.paper_best() for name, target in FEYNMAN_EQUATIONS.items()}
    reference = "the best of the paper's four columns"
    return beside_the_paper(latest(rows, "problem", "seed"), FEYNMAN_EQUATIONS, to_beat=to_beat, reference=reference)

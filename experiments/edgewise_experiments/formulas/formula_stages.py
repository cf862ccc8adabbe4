"""What each stage of the search for formulas contributes: the same laws without one stage after another.

The laws are chosen by a rule: every tenth of the random expressions 0, 10, ..., 190 (open half), every fifth of AI
Feynman's hundred, every tenth of these again with normal noise of 10 % of the standard deviation, and the functions of
the KAN paper whose formulas are short. 1,000 rows and 20 CPU seconds each; exact and accurate as in `srbench`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np

from edgewise.discovery.curves.stage import simple_sums
from edgewise.discovery.enumeration.stage import short_laws
from edgewise.discovery.finder import ALL_STAGES, Search, Stages
from edgewise.discovery.least_squares.laws import least_squares_laws
from edgewise.discovery.least_squares.separable import separable_laws
from edgewise.discovery.problem import USUAL_OPERATORS, FormulaOptions
from edgewise.formulas.constants import relative_error
from edgewise.formulas.expression import Call, walk
from edgewise.outcomes import Budget, ProgressCallback
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.laws import Law, ai_feynman, random_laws
from edgewise_experiments.formulas.formulas import BESSEL, INTERPRETABLE, truth
from edgewise_experiments.formulas.srbench_runs import ACCURATE, FRESH, ROWS, is_exact
from edgewise_experiments.runner import (
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    run_jobs,
)

SECONDS, QUICK_SECONDS = 20.0, 0.5
ALL = "all stages"
NO_DECISION = "the smallest held-out error instead of the decision"
TOO_LONG = "toy 4"  # a hundred inputs
NOTES = (
    "Each line is the search without one of its stages, on the same samples of the same laws and with the same CPU "
    "seconds, one process each. The quick matches of pairs of short expressions belong to the enumeration. In place of "
    "the decision stands the most accurate expression of the search on the held-out rows, as it is. The second table "
    "counts which stage yielded the law where all of them took part; stages that come later see only what is left.",
)


def _without(stage: Callable, stages: Stages = ALL_STAGES) -> Stages:
    """The stages without one of those that run at the start."""
    first = tuple(each for each in stages.first if each is not stage)
    return replace(stages, first=first, quick=tuple(each for each in stages.quick if each is not stage))


VARIANTS: Mapping[str, Stages] = {
    ALL: ALL_STAGES,
    "without least squares": _without(simple_sums, _without(least_squares_laws, _without(separable_laws))),
    "without reduction": replace(ALL_STAGES, reduce=None),
    "without enumeration": replace(_without(short_laws), enumerate=None),
    "without curves": replace(ALL_STAGES, smooth=None),
}


def laws() -> dict[str, list[tuple[Law, float]]]:
    """The laws of each list, with their noise."""
    feynman = [law for law in ai_feynman().values() if law.suite == "feynman"]
    paper = [target for name, target in {**TOY_FUNCTIONS, **INTERPRETABLE}.items() if name != TOO_LONG]
    return {
        "random expressions": [(law, 0.0) for law in list(random_laws(0).values())[::5]],
        "AI Feynman": [(law, 0.0) for law in feynman[::5]],
        "AI Feynman, 10 % noise": [(law, 0.1) for law in feynman[::10]],
        "functions of the paper": [
            (Law("paper", one.name, truth(one.name), one.names, one.low, one.high, {}), 0.0) for one in paper
        ],
    }


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Search for every law with all stages and without each, one after another."""
    limit, most = (QUICK_SECONDS, 1) if quick else (SECONDS, None)
    jobs = []
    for seed in seeds or (0,):
        for suite, listed in laws().items():
            for law, noise in listed[:most]:
                for variant, stages in VARIANTS.items():
                    key = {"suite": suite, "law": law.name, "noise": noise, "variant": variant, "seed": seed}
                    key |= {"limit": limit, "quick": quick}
                    jobs.append(Job(f"{law.name}, {variant}", key, partial(measure, law, noise, stages, seed, limit)))
    return summary(run_jobs(jobs, store, progress))


def measure(
    law: Law, noise: float, stages: Stages, seed: int, limit: float, report_progress: ProgressCallback
) -> dict[str, object]:
    """Search for a law with some stages, and judge the choice and the most accurate expression of the search."""
    clean, fresh = law.sample(ROWS, 2 * seed), law.sample(FRESH, 2 * seed + 1)
    x, y = clean
    y = y + noise * float(np.std(y)) * np.random.default_rng([seed, 7]).normal(size=ROWS)
    asked = tuple({node.name for node in walk(law.expression) if isinstance(node, Call)} & {BESSEL})
    options = FormulaOptions(operators=(*USUAL_OPERATORS, *asked))
    cpu = time.process_time()
    with patch("time.monotonic", time.process_time):  # the machine may be shared: CPU seconds end the search
        search = Search(x, y, law.names, options, Budget.planned(limit, limit), seed)
        front = search.front(stages=stages)
    cpu = time.process_time() - cpu
    assert search.archive is not None, "no target is constant"
    # A search that its limit ended before any expression was judged has no nearest one.
    best, nearest = front.best.formula.expression, min(search.archive, key=lambda judged: judged.held, default=None)
    found = search.archive.solved or nearest
    error = relative_error(best, *fresh)
    return {
        "cpu_seconds": round(cpu, 3),
        "work": search.budget.work,
        "formula": front.best.formula.text(12),
        "relative": error,
        "exact": is_exact(best, law, noise, clean, fresh),
        "accurate": bool(error**2 < 1 - ACCURATE),
        "nearest_exact": nearest is not None and is_exact(nearest.expression, law, noise, clean, fresh),
        "source": "none" if found is None else found.source,
        "yielded": dict(search.archive.tally),
    }


def summary(rows: list[dict]) -> Outcome:
    """Make the table of the search without each stage, and that of the stages that found the laws."""
    rows = latest(rows, "suite", "law", "noise", "variant", "seed", "quick")
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    by_variant = {name: [row for row in rows if row["variant"] == name] for name in VARIANTS}
    lines = [_line(name, own, suites, "exact") for name, own in by_variant.items() if own]
    whole = by_variant[ALL]
    if whole:
        lines.append((*_line(NO_DECISION, whole, suites, "nearest_exact")[:-1], "-"))
    tables = [ResultTable(("the search", *suites, "CPU seconds in all"), tuple(lines), "Without each stage: exact")]
    exact = [row for row in whole if row["exact"]]
    sources = dict.fromkeys(row["source"] for row in exact)
    counts = [
        (source, *(f"{sum(row['source'] == source and row['suite'] == suite for row in exact)}" for suite in suites))
        for source in sources
    ]
    tables.append(ResultTable(("stage", *suites), tuple(counts), "The stage that found the law, all taking part"))
    complete = {name: own for name, own in by_variant.items() if len(own) == len(whole)}
    figures = {f"exact, {name}": _share(own, "exact") for name, own in complete.items() if own}
    return Outcome((*tables, key_figures(figures)), NOTES)


def _line(name: str, rows: list[dict], suites: list[str], judged: str) -> tuple[str, ...]:
    cells = [_share([row for row in rows if row["suite"] == suite], judged) for suite in suites]
    return (name, *cells, f"{sum(row['cpu_seconds'] for row in rows):.0f}")


def _share(rows: list[dict], judged: str) -> str:
    return f"{sum(row[judged] for row in rows)} of {len(rows)}" if rows else "-"

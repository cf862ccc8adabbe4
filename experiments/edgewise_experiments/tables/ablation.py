"""The worth of each stage of the search on tables, on the open half of the collection.

Every variant is the default search without one stage or one kind of column; all are fitted to the same folds. The other
half of the collection stays unopened here.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import EdgewiseWarning
from edgewise.estimator.base import KANEstimator
from edgewise.gam import AdditivePolicy
from edgewise.metrics import METRICS
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.search.policy import Effort, SearchPolicy, SearchSettings
from edgewise.search.validation import mean_and_error
from edgewise_experiments.runner import (
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    require_complete,
    run_jobs,
)
from edgewise_experiments.tables.collection import OPEN, entries
from edgewise_experiments.tables.real_tables import Table, real_tables

NOTES = (
    "Each row is the default search without one stage, or without one kind of column. The gain is what the default "
    "scores more on held-out rows, in percentage points of R² or accuracy: the mean over all tables with its standard "
    "error, and the tables on which it is more than two standard errors of its own rows better or worse. Log loss is "
    "that of classes, in hundredths. The last column is the ratio of CPU seconds of the variant to the default on the "
    "tables where the stage was taken; on the others the result is that of the default, and the variant is not fitted.",
    "Only tables of the open half of the collection take part, so that the other half can still check what is decided "
    "here; larger tables are reduced to their first rows in a random order.",
)
MOST_ROWS = 1500  # of a table: small tables are where stages decide
FOLDS, QUICK_FOLDS = 3, 2
QUICK_TABLES = ("iris", "engel")


@dataclass(frozen=True)
class Variant:
    """Changes of the two policies against the defaults."""

    search: Mapping[str, object] = field(default_factory=dict)
    additive: Mapping[str, object] = field(default_factory=dict)
    # words of the chosen candidate of which one is there where the stage was taken; empty if it does not show
    shows: tuple[str, ...] = ()
    effort: Effort = "normal"  # of the fit, and of the one that it is compared with

    def policy(self) -> SearchPolicy:
        """Return the policy of the search with that of its additive core."""
        return replace(SearchPolicy(), **self.search, additive=replace(AdditivePolicy(), **self.additive))

    def may_differ(self, chosen: Sequence[str]) -> bool:
        """Return whether the defaults took the stage in a fold, by the descriptions of the chosen candidates."""
        return not self.shows or any(word in words for words in chosen for word in self.shows)


VARIANTS: Mapping[str, Variant] = {
    "no pairs": Variant({"left_out": ("pairs",)}, shows=("pairs", "smooth", "hidden")),
    "no steps": Variant({"left_out": ("steps",)}, shows=("steps",)),
    "no logarithm": Variant({"left_out": ("logarithm",)}, shows=("logarithm",)),
    "no mean of models": Variant({"left_out": ("mean",)}, shows=("mean of",)),
    "no polynomial of all inputs": Variant({"left_out": ("polynomial",)}, shows=("smooth",)),
    "no hidden nodes": Variant({"left_out": ("hidden nodes",)}, shows=("hidden",)),
    "no deep network": Variant({"left_out": ("deep network",)}, shows=("hidden layers",)),
    "no order of classes": Variant({"left_out": ("order",)}, shows=("order",)),
    "no plain model after all": Variant({"left_out": ("plain",)}, shows=("linear", "constant")),
    "no laws, at high effort": Variant({"left_out": ("law",)}, shows=("short law",), effort="high"),
    "no factor on penalties": Variant({"most_shrinkage": 1.0}, shows=("times the penalty",)),
    "no parabola": Variant(additive={"bent_evidence": math.inf}),
    "no parabola, no part straight in ranks": Variant(additive={"same_correlation": -1.0}),
}


class _WithPolicy(KANEstimator):
    """An estimator whose search has a policy that the interface does not offer."""

    variant = Variant()

    def _fit(self, settings: SearchSettings, *given):
        super()._fit(replace(settings, policy=self.variant.policy()), *given)


class VariedRegressor(_WithPolicy, KANRegressor):
    """`KANRegressor` with another policy."""


class VariedClassifier(_WithPolicy, KANClassifier):
    """`KANClassifier` with another policy."""


@dataclass(frozen=True)
class Score:
    """What a variant scores on the held-out rows of all folds."""

    values: tuple[float, ...]  # R² or accuracy of each fold
    influences: tuple[np.ndarray, ...]  # of the rows of each fold, see `Metric.evaluate`
    log_loss: float | None  # mean over the folds, of classes alone
    chosen: tuple[str, ...]  # descriptions of the candidates
    seconds: float  # of the CPU


def chosen_tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Return the function that loads each table: all of the open half, or two of the panel."""
    if quick:
        return {name: make for name, make in real_tables().items() if name in QUICK_TABLES}
    return {entry.name: entry.table for entry in entries(OPEN)}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure the tables that the store lacks, with one seed by default."""
    folds = QUICK_FOLDS if quick else FOLDS
    jobs = []
    for name, make in chosen_tables(quick).items():
        for seed in seeds or (0,):
            key = {"table": name, "folds": folds, "seed": seed, "most_rows": MOST_ROWS}
            jobs.append(Job(name, key, partial(measure, make, folds, seed)))
    return summary(run_jobs(jobs, store, progress))


def measure(make: Callable[[], Table], folds: int, seed: int, report_progress: ProgressCallback) -> dict[str, object]:
    """Fit the defaults and each variant whose stage they took; return the gains of the defaults."""
    table = make()
    if len(table.X) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(table.X))[:MOST_ROWS])
        group = None if table.group is None else table.group[kept]
        table = Table(table.X[kept], table.y[kept], table.task, group)
    plain = fitted(table, Variant(), folds, seed)
    variants: dict[str, object] = {}
    for number, (name, variant) in enumerate(VARIANTS.items()):
        report_progress(Progress(name, number / len(VARIANTS)))
        default = plain if variant.effort == "normal" else fitted(table, Variant(effort=variant.effort), folds, seed)
        if variant.may_differ(default.chosen):
            variants[name] = compared(table, default, fitted(table, variant, folds, seed), folds, seed)
    return {
        "task": table.task,
        "rows": len(table.X),
        "score": float(np.mean(plain.values)),
        "chosen": list(plain.chosen),
        "plain_seconds": plain.seconds,
        "asked": list(VARIANTS),
        "variants": variants,
    }


def fitted(table: Table, variant: Variant, folds: int, seed: int) -> Score:
    """Fit a variant to the folds of a table."""
    is_regression = table.task == "regression"
    metric = METRICS["r2" if is_regression else "accuracy"]
    began = time.process_time()
    values, influences, losses, chosen = [], [], [], []
    for train, test in table.folds(folds, seed):
        kind = VariedRegressor if is_regression else VariedClassifier
        model = kind(effort=variant.effort, random_state=seed)
        model.variant = variant
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # some test rows lie outside the training range
            groups = None if table.group is None else table.group[train]
            model.fit(table.X[train], table.y[train], groups=groups)
            require_complete(model.report_, model.search_)
            prediction = model.predict(table.X[test])
            if not is_regression:
                codes = np.searchsorted(model.classes_, table.y[test])
                codes = np.where(np.isin(table.y[test], model.classes_), codes, -1)
                losses.append(METRICS["log_loss"].evaluate(codes, model.predict_proba(table.X[test]))[0])
        value, influence = metric.evaluate(table.y[test], prediction)
        assert influence is not None
        values.append(value)
        influences.append(influence)
        chosen.append(model.search_.chosen)
    loss = float(np.mean(losses)) if losses else None
    return Score(tuple(values), tuple(influences), loss, tuple(chosen), time.process_time() - began)


def compared(table: Table, plain: Score, variant: Score, folds: int, seed: int) -> dict[str, object]:
    """Return the gain of the defaults over a variant, with the standard error of the paired difference."""
    gain = float(np.mean(plain.values) - np.mean(variant.values))
    variances = []
    for (_, test), first, second in zip(table.folds(folds, seed), plain.influences, variant.influences, strict=True):
        blocks = None if table.group is None else np.unique(table.group[test], return_inverse=True)[1].ravel()
        variances.append(mean_and_error(first - second, np.ones(len(test)), blocks)[1] ** 2)
    loss = None
    if plain.log_loss is not None and variant.log_loss is not None:
        loss = variant.log_loss - plain.log_loss
    error = math.sqrt(sum(variances)) / folds
    return {
        "gain": gain,
        "error": error,
        "gain_in_log_loss": loss,
        "cpu_seconds": variant.seconds,
        "plain_seconds": plain.seconds,
    }


def summary(rows: Sequence[dict]) -> Outcome:
    """Compare every variant with the defaults, over all tables."""
    lines = []
    # The first rows do not say which variants were asked.
    later = {"no laws, at high effort", "no deep network", "no order of classes"}
    first = set(VARIANTS) - later
    for name in VARIANTS:
        asked = [row for row in rows if name in row.get("asked", first)]
        if rows and not asked:
            continue
        met = [(row, row["variants"][name]) for row in asked if name in row["variants"]]
        gains = np.array([100 * row["variants"].get(name, {"gain": 0.0})["gain"] for row in asked])
        error = gains.std(ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
        losses = [100 * found["gain_in_log_loss"] for _, found in met if found["gain_in_log_loss"] is not None]
        seconds = sum((row | found)["plain_seconds"] for row, found in met)
        lines.append(
            (
                name,
                f"{len(met)} of {len(asked)}",
                f"{gains.mean():+.2f}" if len(gains) else "-",
                "-" if math.isnan(error) else f"{error:.2f}",
                str(sum(found["gain"] > 2 * found["error"] > 0 for _, found in met)),
                str(sum(-found["gain"] > 2 * found["error"] > 0 for _, found in met)),
                f"{np.mean(losses):+.2f}" if losses else "-",
                f"{sum(found['cpu_seconds'] for _, found in met) / seconds:.2f}" if met else "-",
            )
        )
    heads = ("instead of the default", "taken on", "gain of the default", "standard error", "better on", "worse on")
    table = ResultTable((*heads, "gain in log loss", "CPU seconds"), tuple(lines))
    if not rows:
        return Outcome((table,), NOTES)
    name, _, gain, *_ = max(lines, key=lambda cells: float(cells[2]))
    figures = {"largest mean gain of a stage": f"{gain} points, against {name}"}
    return Outcome((table, key_figures(figures)), NOTES)

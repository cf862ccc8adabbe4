"""The worth of each ingredient and threshold of the search on tables, on the open half of the collection.

Every variant is the default search with one ingredient removed or one threshold changed; all are fitted to the same
folds. The other half of the collection stays unopened here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import EdgewiseWarning
from edgewise.estimator.base import KANEstimator
from edgewise.gam import AdditivePolicy
from edgewise.metrics import measures
from edgewise.model_selection.search.candidates import Samples
from edgewise.model_selection.search.policy import SearchPolicy, SearchSettings
from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.runner.jobs import Job, RowCallback, require_complete, run_jobs
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures
from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables.collection import entries
from edgewise_experiments.tables.entry import OPEN
from edgewise_experiments.tables.real_tables import Table, real_tables

NOTES = (
    "Each row is the default search without one ingredient, or with one threshold changed. The gain is what the "
    "default scores more, in percentage points of R² or accuracy: the mean over the tables with its standard error, "
    "and the tables on which it is more than half a point better or worse. Log loss is that of classes, in hundredths. "
    "The last column is the ratio of CPU seconds, all tables together, of the variant to the default.",
    "Only small tables of the open half of the collection take part, so that the other half can still check what is "
    "decided here; larger tables are reduced to their first rows in a random order.",
)
MOST_ROWS = 1500  # of a table: small tables are where thresholds decide
FOLDS, QUICK_FOLDS = 3, 2
NOTICED = 0.5  # points: the luck of one division moves a score by as much
DEFAULTS = "the defaults"
# Small tables of the open half, of few and of many inputs, numbers and classes.
TABLES = (
    "cancer deaths",
    "food share",
    "Seattle weather",
    "wages",
    "houses",
)
QUICK_TABLES = ("iris", "engel")
QUICK_VARIANTS = (DEFAULTS, "no pairs", "no mean of models")


@dataclass(frozen=True)
class Variant:
    """Changes of the two policies against the defaults."""

    search: Mapping[str, object] = field(default_factory=dict)
    additive: Mapping[str, object] = field(default_factory=dict)

    def policy(self) -> SearchPolicy:
        """Return the policy of the search with that of its additive core."""
        return replace(SearchPolicy(), **self.search, additive=replace(AdditivePolicy(), **self.additive))


VARIANTS: Mapping[str, Variant] = {
    DEFAULTS: Variant(),
    "no part straight in ranks": Variant(additive={"same_correlation": -1.0}),
    "no parabola": Variant(additive={"bent_evidence": math.inf}),
    "parabola for any gain": Variant(additive={"bent_evidence": 0.0}),
    "even knots": Variant(additive={"knot_mix": (0.0, 0.0, 1.0)}),
    "eight knot intervals": Variant(additive={"most_intervals": 8}),
    "flat beyond the rows": Variant(additive={"extrapolation": "flat"}),
    "no limit on predictions": Variant({"beyond": 100.0}),
    "no pairs": Variant(additive={"most_pairs": 0}),
    "pairs without a screen": Variant(additive={"pair_screen": 0.0}),
    "pairs at a level of 50 %": Variant(additive={"pair_level": 0.5}),
    "pairs always cross-validated": Variant({"settled_noise": 0.0}),
    "margins of pairs to the ends": Variant(additive={"tail": 0.0}),
    "no logarithm": Variant({"left_out": ("logarithm",)}),
    "logarithm for any gain": Variant({"least_gain": 0.0}),
    "no mean of models": Variant({"left_out": ("mean",)}),
    "mean of models for any gain": Variant({"least_gain": 0.0, "bag_loss": 0.0}),
    "no hidden nodes": Variant({"left_out": ("hidden nodes",)}),
    "no polynomial of all inputs": Variant({"left_out": ("polynomial",)}),
    "hidden nodes for any gain": Variant({"margin": 0.0}),
    "one standard error everywhere": Variant({"nested_margin": 1.0}),
    "no factor on penalties of classes": Variant({"most_shrinkage": 1.0}),
    "folds in one division": Variant({"divisions": ((0, 5, 1), (1500, 3, 1))}),
}


class _WithPolicy(KANEstimator):
    """An estimator whose search has a policy that the interface does not offer."""

    variant = Variant()

    def _train(self, samples: Samples, settings: SearchSettings):
        return super()._train(samples, replace(settings, policy=self.variant.policy()))


class VariedRegressor(_WithPolicy, KANRegressor):
    """`KANRegressor` with another policy."""


class VariedClassifier(_WithPolicy, KANClassifier):
    """`KANClassifier` with another policy."""


def chosen_tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Return the function that loads each table: small ones of the open half, or two of the panel."""
    if quick:
        return {name: make for name, make in real_tables().items() if name in QUICK_TABLES}
    tables = {entry.name: entry.table for entry in entries(OPEN)}
    return {name: tables[name] for name in TABLES}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fit the variants that the store lacks, with one seed by default."""
    folds, variants = (QUICK_FOLDS, QUICK_VARIANTS) if quick else (FOLDS, tuple(VARIANTS))
    jobs = []
    for name, make in chosen_tables(quick).items():
        for seed in seeds or (0,):
            for variant in variants:
                key = {"table": name, "variant": variant, "folds": folds, "seed": seed, "most_rows": MOST_ROWS}
                work = partial(measure, make, VARIANTS[variant], folds, seed)
                jobs.append(Job(f"{name}, {variant}", key, work))
    return summary(run_jobs(jobs, store, progress, line=line))


def measure(
    make: Callable[[], Table], variant: Variant, folds: int, seed: int, report_progress: ProgressCallback
) -> dict[str, object]:
    """Fit a variant to the folds of a table; return its mean scores, its seconds being those of the job."""
    table = make()
    if len(table.X) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(table.X))[:MOST_ROWS])
        group = None if table.group is None else table.group[kept]
        table = Table(table.X[kept], table.y[kept], table.task, group)
    scores, losses = [], []
    for fold, (train, test) in enumerate(table.folds(folds, seed)):
        kind = VariedRegressor if table.task == "regression" else VariedClassifier
        model = kind(random_state=seed)
        model.variant = variant
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # some test rows lie outside the training range
            model.fit(table.X[train], table.y[train])
            require_complete(model.report_, model.search_)
            shares = model.predict_proba(table.X[test]) if table.task == "classification" else None
            prediction = model.predict(table.X[test])
        classes = None if shares is None else model.classes_
        found = measures(table.task, table.y[test], prediction, shares, classes)
        scores.append(found["r2" if table.task == "regression" else "accuracy"])
        losses.append(found.get("log_loss"))
        report_progress(Progress("", (fold + 1) / folds))
    loss = None if losses[0] is None else float(np.mean(losses))
    return {"task": table.task, "score": float(np.mean(scores)), "log_loss": loss, "rows": len(table.X)}


def line(row: dict) -> str:
    """Write a row in a few words."""
    return f"{row['table']}, {row['variant']}: {100 * row['score']:.1f}, {row['cpu_seconds']:.1f} CPU s"


def summary(rows: Sequence[dict]) -> Outcome:
    """Compare every variant with the defaults, table by table."""
    keyed = {(row["table"], row["seed"], row["folds"], row["variant"]): row for row in rows}
    lines = []
    for variant in VARIANTS:
        pairs = [
            (keyed[(*key[:3], DEFAULTS)], row)
            for key, row in keyed.items()
            if key[3] == variant != DEFAULTS and (*key[:3], DEFAULTS) in keyed
        ]
        if not pairs:
            continue
        gains = np.array([100 * (plain["score"] - row["score"]) for plain, row in pairs])
        error = gains.std(ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
        losses = [100 * (row["log_loss"] - plain["log_loss"]) for plain, row in pairs if plain["log_loss"] is not None]
        ratio = sum(row["cpu_seconds"] for _, row in pairs) / sum(plain["cpu_seconds"] for plain, _ in pairs)
        lines.append(
            (
                variant,
                str(len(gains)),
                f"{gains.mean():+.2f}",
                "-" if math.isnan(error) else f"{error:.2f}",
                str(int((gains > NOTICED).sum())),
                str(int((gains < -NOTICED).sum())),
                f"{np.mean(losses):+.2f}" if losses else "-",
                f"{ratio:.2f}",
            )
        )
    heads = ("instead of the default", "tables", "gain of the default", "standard error", "better on", "worse on")
    table = ResultTable((*heads, "gain in log loss", "CPU seconds"), tuple(lines))
    if not lines:
        return Outcome((table,), NOTES)
    variant, _, gain, *_ = max(lines, key=lambda cells: float(cells[2]))
    figures = {"largest mean gain of an ingredient": f"{gain} points, against {variant}"}
    return Outcome((table, key_figures(figures)), NOTES)

"""Coverage of 90 % intervals on other people's tables, in each quarter of the prediction.

The regression tables of the panel and of the collection, three folds each: the share of test rows whose target lies in
the interval of `KANRegressor.predict_interval`, by the quarter of the test rows' predictions in which the row is.
Intervals of one width everywhere cover too few of the rows with large predictions on most tables. Beside it stand those
of gradient boosting by conformalised quantile regression (Y. Romano, E. Patterson and E. Candès, NeurIPS 2019): its
quantiles of 5 and 95 % from three quarters of the training rows, moved by the scores of the others.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from edgewise import KANRegressor
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.runner import (
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    RowProgress,
    Store,
    key_figures,
    require_complete,
    run_jobs,
)
from edgewise_experiments.tables.collection import OPEN, UNOPENED, entries
from edgewise_experiments.tables.real_tables import Table, real_tables

NOTES = (
    "Shares of test rows within their interval, in per cent, by quarter of the prediction from the smallest to the "
    "largest. The standard error of a table is that of independent rows with the coverage that was asked for; the last "
    "line is the mean over the tables with its own standard error. The width is the mean width of the intervals in "
    "standard deviations of the target.",
    "Tables with more rows are reduced to their first rows in a random order, tables of fewer than 150 rows are left "
    "out: their quarters hold too few test rows.",
)
LEVEL = 0.9
MOST_ROWS, FEWEST_ROWS = 2000, 150  # quarters of forty rows know their coverage to 5 points
FOLDS, QUICK_FOLDS = 3, 2
QUICK_TABLES = ("diabetes",)


def chosen_tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Return the function that loads each table; those that turn out to be too small or no regression are left out."""
    if quick:
        return {name: make for name, make in real_tables().items() if name in QUICK_TABLES}
    halves = [entry for half in (OPEN, UNOPENED) for entry in entries(half)]
    return {**real_tables(), **{entry.name: entry.table for entry in halves if entry.task == "regression"}}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fit the tables that the store lacks, with one seed by default."""
    folds, jobs = QUICK_FOLDS if quick else FOLDS, []
    for name, make in chosen_tables(quick).items():
        try:
            table = make()
        except ModuleNotFoundError as error:
            progress(RowProgress(name, 0.0, line=f"{name} is left out: {error}."))
            continue
        if table.task != "regression" or len(table.X) < FEWEST_ROWS:
            continue
        for seed in seeds or (0,):
            key = {"table": name, "folds": folds, "seed": seed, "level": LEVEL, "most_rows": MOST_ROWS}
            jobs.append(Job(name, key, partial(measure, table, folds, seed)))
    return summary(run_jobs(jobs, store, progress))


def measure(table: Table, folds: int, seed: int, report_progress: ProgressCallback) -> dict[str, object]:
    """Fit the folds of a table; return the rows, the covered rows and the mean width in each quarter."""
    if len(table.X) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(table.X))[:MOST_ROWS])
        table = Table(table.X[kept], table.y[kept], table.task, None if table.group is None else table.group[kept])
    rows, covered, width = np.zeros(4, int), np.zeros(4, int), np.zeros(4)
    beside = np.zeros(2)  # covered rows of boosting, and the sum of its widths
    for fold, (train, test) in enumerate(table.folds(folds, seed)):
        model = KANRegressor(random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # some test rows lie outside the training range
            groups = None if table.group is None else table.group[train]
            model.fit(table.X[train], table.y[train], groups=groups)
            require_complete(model.report_, model.search_)
            prediction = model.predict(table.X[test])
            try:
                low, high = model.predict_interval(table.X[test], LEVEL)
            except InputError as error:
                return {"rows": None, "reason": str(error)}
        order = np.argsort(prediction, kind="stable")
        quarter = np.empty(len(test), int)
        quarter[order] = 4 * np.arange(len(test)) // len(test)
        inside = (low <= table.y[test]) & (table.y[test] <= high)
        rows += np.bincount(quarter, minlength=4)
        covered += np.bincount(quarter[inside], minlength=4)
        width += np.bincount(quarter, (high - low) / table.y.std(), minlength=4)
        low, high = boosting_interval(table, train, test, seed)
        beside += ((low <= table.y[test]) & (table.y[test] <= high)).sum(), ((high - low) / table.y.std()).sum()
        report_progress(Progress("", (fold + 1) / folds))
    boosting = {"covered": int(beside[0]), "width": beside[1] / rows.sum()}
    return {"rows": rows.tolist(), "covered": covered.tolist(), "width": (width / rows).tolist(), "boosting": boosting}


def boosting_interval(table: Table, train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit gradient boosting's conformalised quantiles to training rows; return the ends of the intervals of others."""
    order = np.random.default_rng(seed).permutation(train)
    fitted, held_out = np.split(order, [3 * len(order) // 4])
    ends = []
    for quantile in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        model = HistGradientBoostingRegressor(loss="quantile", quantile=quantile, random_state=seed)
        model.fit(table.X[fitted], table.y[fitted])
        ends.append([model.predict(table.X[rows]) for rows in (held_out, test)])
    scores = np.sort(np.maximum(ends[0][0] - table.y[held_out], table.y[held_out] - ends[1][0]))
    place = min(math.ceil(LEVEL * (len(held_out) + 1)), len(held_out)) - 1
    return ends[0][1] - scores[place], ends[1][1] + scores[place]


def summary(rows: Sequence[dict]) -> Outcome:
    """Return the coverage of each table and the mean of all."""
    known = [row for row in rows if row["rows"] is not None]
    lines = []
    shares = np.array([np.divide(row["covered"], row["rows"]) for row in known]).reshape(len(known), 4)
    whole = np.array([sum(row["covered"]) / sum(row["rows"]) for row in known])
    for row, own, all_rows in zip(known, shares, whole, strict=True):
        error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / (sum(row["rows"]) / 4))
        cells = [f"{100 * share:.1f}" for share in (*own, all_rows)]
        boosting = f"{100 * row['boosting']['covered'] / sum(row['rows']):.1f}", f"{row['boosting']['width']:.2f}"
        width = f"{np.mean(row['width']):.2f}"
        lines.append((row["table"], f"{sum(row['rows']):,}", *cells, f"{error:.1f}", width, *boosting))
    heads = ("table", "rows", "lowest quarter", "second", "third", "highest quarter", "all", "standard error", "width")
    heads = (*heads, "boosting: all", "boosting: width")
    if not known:
        return Outcome((ResultTable(heads, ()),), NOTES)
    means = 100 * np.column_stack([shares, whole]).mean(0)
    error = 100 * shares.std(0, ddof=1) / math.sqrt(len(known)) if len(known) > 1 else np.full(4, math.nan)
    width = f"{np.mean([row['width'] for row in known]):.2f}"
    share = np.mean([row["boosting"]["covered"] / sum(row["rows"]) for row in known])
    others = f"{100 * share:.1f}", f"{np.mean([row['boosting']['width'] for row in known]):.2f}"
    largest = "-" if len(known) < 2 else f"{error.max():.1f}"
    means_text = (f"{mean:.1f}" for mean in means)
    lines.append(("mean of the tables", "", *means_text, largest, width, *others))
    ratios = np.array([np.mean(row["width"]) / row["boosting"]["width"] for row in known])
    held = int((np.abs(means[:4] - 100 * LEVEL) <= 2).sum())
    figures = {
        "mean coverage of 90 % intervals in the quarters of the prediction": ", ".join(f"{m:.1f}" for m in means[:4]),
        "quarters within two points of 90 %": f"{held} of 4",
        "tables with intervals": f"{len(known)} of {len(rows)}",
        "tables where they are narrower than boosting's": f"{(ratios < 1).sum()} of {len(known)}",
        "median of their width over boosting's": f"{np.median(ratios):.2f}",
    }
    return Outcome((ResultTable(heads, tuple(lines)), key_figures(figures)), NOTES)

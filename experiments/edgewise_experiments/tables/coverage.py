"""Coverage of 90 % intervals on other people's tables, in each quarter of the prediction.

The regression tables of the panel and of the collection, three folds each: the share of test rows whose target lies in
the interval of `KANRegressor.predict_interval`, by the quarter of the test rows' predictions in which the row is.
Intervals of one width everywhere cover too few of the rows with large predictions on most tables. Beside it stand those
of gradient boosting by conformalised quantile regression (Y. Romano, E. Patterson and E. Candès, NeurIPS 2019): its
quantiles of 5 and 95 % from three quarters of the training rows, moved by the scores of the others.

Models without error bars have intervals too: those of other losses, on the tables of few rows, and two made-up tables,
one whose target has nothing to do with the inputs, so that the model is a constant, and one with fewer rows than can
tell its 200 inputs apart. A binomial test says for each table whether its rows speak against the level.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binom, binomtest
from sklearn.ensemble import HistGradientBoostingRegressor

from edgewise import KANRegressor
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.gam.families.named import Loss
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
    "largest. The standard error of a quarter is that of independent rows with the coverage that was asked for; the "
    "line of the mean has the standard error of the mean over the tables. The width is the mean width of the intervals "
    "in standard deviations of the target. The last column is the p-value of an exact binomial test of all test rows "
    "against the level; years of one state and visits of one person are not independent, and tables of such rows are "
    "set apart more often.",
    "Tables with more rows are reduced to their first rows in a random order, tables of fewer than 150 rows are left "
    "out: their quarters hold too few test rows. Other losses are measured on the tables of at most 1,000 rows, the "
    "Poisson distribution on those of counts.",
)
LEVEL = 0.9
NEAR = 0.02  # coverage this close to the level counts as held
SIGNIFICANCE = 0.05  # of the binomial tests: one table in twenty with exact intervals is set apart by chance
MOST_ROWS, FEWEST_ROWS = 2000, 150  # quarters of forty rows know their coverage to 5 points
MOST_ROWS_OF_LOSSES = 1000
FOLDS, QUICK_FOLDS = 3, 2
QUICK_TABLES = ("diabetes",)
SQUARED: Loss = "squared"
ROBUST_LOSSES: tuple[Loss, ...] = ("huber", "quantile:0.5")


@dataclass(frozen=True)
class Case:
    """A table and the loss of its fits."""

    name: str
    table: Table
    loss: Loss = SQUARED

    @property
    def label(self) -> str:
        return self.name if self.loss == SQUARED else f"{self.name}, {self.loss}"


def chosen_tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Return the function that loads each table; those that turn out to be too small or no regression are left out."""
    if quick:
        return {name: make for name, make in real_tables().items() if name in QUICK_TABLES}
    halves = [entry for half in (OPEN, UNOPENED) for entry in entries(half)]
    packaged = {entry.name: entry.table for entry in halves if entry.task == "regression"}
    return {**real_tables(), **packaged, "noise alone": noise_alone, "200 columns": wide}


def noise_alone() -> Table:
    """Return 600 rows whose skewed target has nothing to do with the five inputs."""
    rng = np.random.default_rng(0)
    return Table(rng.uniform(-1, 1, (600, 5)), rng.exponential(size=600), "regression")


def wide() -> Table:
    """Return 450 rows of 200 columns, ten of which matter; three folds fit 300 rows each."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (450, 200))
    mean = np.sin(3 * x[:, :5]).sum(1) + x[:, 5:10].sum(1)
    return Table(x, mean + rng.standard_normal(450), "regression")


def cases(quick: bool, progress: RowCallback) -> Iterator[Case]:
    """Yield the tables with the losses that are measured on them."""
    for name, make in chosen_tables(quick).items():
        try:
            table = make()
        except ModuleNotFoundError as error:
            progress(RowProgress(name, 0.0, line=f"{name} is left out: {error}."))
            continue
        if table.task != "regression" or len(table.X) < FEWEST_ROWS:
            continue
        yield Case(name, table)
        if len(table.X) <= MOST_ROWS_OF_LOSSES:
            yield from (Case(name, table, loss) for loss in ROBUST_LOSSES)
        if bool((table.y >= 0).all()) and bool((table.y == table.y.round()).all()):
            yield Case(name, table, "poisson")


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fit the tables that the store lacks, with one seed by default."""
    folds, jobs = QUICK_FOLDS if quick else FOLDS, []
    for case in cases(quick, progress):
        for seed in seeds or (0,):
            key = {"table": case.name, "loss": case.loss, "folds": folds, "seed": seed, "level": LEVEL}
            jobs.append(Job(case.label, {**key, "most_rows": MOST_ROWS}, partial(measure, case, folds, seed)))
    return summary(run_jobs(jobs, store, progress))


def measure(case: Case, folds: int, seed: int, report_progress: ProgressCallback) -> dict[str, object]:
    """Fit the folds of a table; return the rows, the covered rows and the mean width in each quarter."""
    table = case.table
    if len(table.X) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(table.X))[:MOST_ROWS])
        table = Table(table.X[kept], table.y[kept], table.task, None if table.group is None else table.group[kept])
    rows, covered, width = np.zeros(4, int), np.zeros(4, int), np.zeros(4)
    beside = np.zeros(2)  # covered rows of boosting, and the sum of its widths
    for fold, (train, test) in enumerate(table.folds(folds, seed)):
        model = KANRegressor(loss=case.loss, random_state=seed)
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


@dataclass(frozen=True)
class Coverage:
    """Coverage of several tables: shares in the four quarters (n, 4), and covered and all test rows (n,)."""

    shares: np.ndarray
    covered: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[dict]) -> Coverage:
        shares = np.array([np.divide(row["covered"], row["rows"]) for row in rows]).reshape(len(rows), 4)
        counts = np.array([(sum(row["covered"]), sum(row["rows"])) for row in rows], int).reshape(len(rows), 2)
        return cls(shares, *counts.T)

    @property
    def whole(self) -> np.ndarray:
        """The share of each table."""
        return self.covered / self.rows

    @property
    def p_values(self) -> np.ndarray:
        """Exact binomial test of each table against the level."""
        return np.array([binomtest(k, n, LEVEL).pvalue for k, n in zip(self.covered, self.rows, strict=True)])

    def figures(self, of: str) -> dict[str, str]:
        """Return how many tables hold the level, how many would by chance, and how many a test sets apart."""
        # Independent rows of exact intervals have a binomial number of covered rows.
        most = np.floor((LEVEL + NEAR) * self.rows)
        least = np.ceil((LEVEL - NEAR) * self.rows)
        expected = (binom.cdf(most, self.rows, LEVEL) - binom.cdf(least - 1, self.rows, LEVEL)).sum()
        near = ((self.covered <= most) & (self.covered >= least)).sum()
        apart = (self.p_values < SIGNIFICANCE).sum()
        return {
            f"{of} whose coverage is within two points of 90 %": f"{near} of {len(self.rows)}",
            f"{of} expected there if coverage is 90 % exactly": f"{expected:.0f} of {len(self.rows)}",
            f"{of} that a binomial test sets apart from 90 %, at 5 %": f"{apart} of {len(self.rows)}",
        }


def table_of(rows: Sequence[dict], title: str, mean_name: str) -> ResultTable:
    """Return the coverage of each row, and their mean."""
    coverage = Coverage.of(rows)
    lines = []
    for row, own, share, p in zip(rows, coverage.shares, coverage.whole, coverage.p_values, strict=True):
        tested = sum(row["rows"])
        error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / (tested / 4))
        cells = [f"{100 * value:.1f}" for value in (*own, share)]
        boosting = f"{100 * row['boosting']['covered'] / tested:.1f}", f"{row['boosting']['width']:.2f}"
        width = f"{np.mean(row['width']):.2f}"
        lines.append((row["table"], row["loss"], f"{tested:,}", *cells, f"{error:.1f}", width, *boosting, f"{p:.2g}"))
    heads = ("table", "loss", "rows", "lowest quarter", "second", "third", "highest quarter", "all", "standard error")
    heads = (*heads, "width", "boosting: all", "boosting: width", "p-value")
    if len(rows) > 1:
        means = 100 * np.column_stack([coverage.shares, coverage.whole]).mean(0)
        error = 100 * coverage.shares.std(0, ddof=1).max() / math.sqrt(len(rows))
        width = np.mean([row["width"] for row in rows])
        share = np.mean([row["boosting"]["covered"] / sum(row["rows"]) for row in rows])
        others = f"{100 * share:.1f}", f"{np.mean([row['boosting']['width'] for row in rows]):.2f}"
        means_text = (f"{mean:.1f}" for mean in means)
        lines.append((mean_name, "", "", *means_text, f"{error:.1f}", f"{width:.2f}", *others, ""))
    return ResultTable(heads, tuple(lines), title)


def summary(rows: Sequence[dict]) -> Outcome:
    """Return the coverage of each table and the mean of all."""
    with_intervals = [row for row in rows if row["rows"] is not None]
    squared = [row for row in with_intervals if row["loss"] == SQUARED]
    others = [row for row in with_intervals if row["loss"] != SQUARED]
    tables = [table_of(squared, "Squared errors", "mean of the tables")]
    if not squared:
        return Outcome(tuple(tables), NOTES)
    if others:
        tables.append(table_of(others, "Other losses", "mean"))
    coverage = Coverage.of(squared)
    means = 100 * coverage.shares.mean(0)
    ratios = np.array([np.mean(row["width"]) / row["boosting"]["width"] for row in squared])
    held = int((np.abs(means - 100 * LEVEL) <= 100 * NEAR).sum())
    figures = {
        "mean coverage of 90 % intervals in the quarters of the prediction": ", ".join(f"{m:.1f}" for m in means),
        "quarters within two points of 90 %": f"{held} of 4",
        "fits with intervals": f"{len(with_intervals)} of {len(rows)}",
        **coverage.figures("tables"),
        "tables where they are narrower than boosting's": f"{(ratios < 1).sum()} of {len(squared)}",
        "median of their width over boosting's": f"{np.median(ratios):.2f}",
    }
    if others:
        losses = dict.fromkeys(row["loss"] for row in others)
        for loss in losses:
            share = Coverage.of([row for row in others if row["loss"] == loss]).whole.mean()
            figures[f"mean coverage with the loss {loss}"] = f"{100 * share:.1f}"
        figures |= Coverage.of(others).figures("fits with other losses")
    return Outcome((*tables, key_figures(figures)), NOTES)

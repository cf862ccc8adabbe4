"""The main job, from a table to a tested model: read, encode, split, train, compare. Prints nothing."""

from __future__ import annotations

import math
import shlex
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from edgewise.cli.shared.source import Source, open_source, select
from edgewise.cli.shared.split import split_rows
from edgewise.compare.baselines import BaselineResult, iterate_baselines, measures, standard_error
from edgewise.datasets.slope_rule import SLOPE_COLUMNS, SlopeRule
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.outcomes import ProgressCallback
from edgewise.tables import Table, TableEncoder
from edgewise.tables.cells import quoted

LEVEL = 0.9  # of the intervals that are shown
MOST_TEST = 0.9  # a model of fewer than a tenth of the rows says nothing about the table


@dataclass(frozen=True)
class FitJob:
    """What `edgewise fit` was asked for; see its --help for the meaning of each option."""

    data: str
    target: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    group: str | None = None
    test: float = 0.2
    delimiter: str | None = None
    hidden: tuple[int, ...] | None = None
    grid_size: int | None = None
    budget: float = 1.0
    time_limit: float | None = None
    seed: int = 0
    baselines: bool = True
    formulas: float = 20.0

    @property
    def command(self) -> str:
        """The command that does the same, as it would be typed."""
        words = ["edgewise", "fit", self.data]
        for option, value in (("--target", self.target), ("--task", self.task), ("--group", self.group)):
            words += [option, value] if value is not None else []
        for option, names in (("--drop", self.drop), ("--features", self.features)):
            words += [option, ",".join(f'"{n}"' if "," in n else n for n in names)] if names else []
        words += ["--delimiter", self.delimiter] if self.delimiter is not None else []
        words += ["--test", f"{self.test:g}"] if self.test != FitJob.test else []
        if self.hidden is not None:
            words += ["--hidden", ",".join(map(str, self.hidden)) or "none"]
        words += ["--grid-size", str(self.grid_size)] if self.grid_size is not None else []
        words += ["--budget", f"{self.budget:g}"] if self.budget != FitJob.budget else []
        words += ["--time-limit", f"{self.time_limit:g}"] if self.time_limit is not None else []
        words += ["--seed", str(self.seed)] if self.seed != FitJob.seed else []
        words += [] if self.baselines else ["--no-baselines"]
        words += ["--formulas", f"{self.formulas:g}"] if self.formulas != FitJob.formulas else []
        return shlex.join(words)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table that is ready to train on.

    labels: one per class, as the estimator sees them; empty for regression. X (N, d), y (N,): values or labels.
    rows (N,): the number of each row in the file. train, test: positions in X.
    """

    job: FitJob
    source: Source
    encoder: TableEncoder
    labels: tuple
    X: np.ndarray
    y: np.ndarray
    rows: np.ndarray
    train: np.ndarray
    test: np.ndarray
    grouped: str | None
    notes: list[str] = field(default_factory=list)

    @property
    def task(self) -> str:
        """ "regression" or "classification"."""
        return self.encoder.task


@dataclass(frozen=True, eq=False)
class Trained:
    """The KAN and how it did on the test rows. probabilities: (N_test, C), columns in the order of the classes.
    covered: the share of test rows within the 90 % intervals, None where the model has none."""

    estimator: KANRegressor | KANClassifier
    prediction: np.ndarray
    probabilities: np.ndarray | None
    metrics: dict[str, float]
    error: float
    seconds: float
    notes: tuple[str, ...] = ()
    covered: float | None = None

    @property
    def score(self) -> float:
        """R^2 or accuracy."""
        return next(iter(self.metrics.values()))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the training early."""
        return "interrupted" in (self.estimator.report_.stopped, self.estimator.search_.stopped)


def prepare(job: FitJob) -> Prepared:
    """Read, encode and split the table.

    How columns are read (medians, levels) is learned from the training rows alone, so the test rows stay unseen.

    Raises InputError, FileError, MissingExtraError: see `read_table` and `TableEncoder.fit`.
    """
    _check_numbers(job)
    source = open_source(job.data, job.delimiter)
    target = source.target if job.target is None else job.target
    if target is None:
        raise InputError(f"--target must name the column to predict; {source.table.source} has {_names(source.table)}")
    table, group = _columns(job, source, target)
    whole = TableEncoder.fit(table, target, task=job.task)
    table = table.take(whole.rows_with_target(table))
    y = whole.encode_target(table)
    groups = None if group is None else _group_codes(source.table, group, table.rows)
    labels = y if whole.task == "classification" else None
    train, test = split_rows(len(y), job.test, job.seed, labels=labels, groups=groups)
    encoder = TableEncoder.fit(table.take(train), target, task=whole.task)
    # Numbers of rows and classes in what is said about the target are those of the whole table.
    said = [n for n in whole.notes if not n.startswith("Column")] + [n for n in encoder.notes if n.startswith("Column")]
    encoder = TableEncoder(whole.target, encoder.inputs, tuple(said))
    with noted() as notes:
        X, _ = encoder.transform(table)
    names = tuple(str(c) if isinstance(c, float) else c for c in whole.classes)
    if labels is not None:
        y = np.array(names, dtype=object if isinstance(names[0], str) else np.int64)[labels]
    return Prepared(job, source, encoder, names, X, y, table.rows, train, test, group, [*said, *notes])


def _check_numbers(job: FitJob) -> None:
    """Before anything is read, let alone trained: the options that are numbers."""
    if not 0 < job.test <= MOST_TEST:
        raise InputError(f"--test must be a share above 0 and at most {MOST_TEST:g}, got {job.test:g}")
    for option, value in (("--budget", job.budget), ("--time-limit", job.time_limit)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{option} must be a positive number, got {value:g}")
    if not 0 <= job.formulas < math.inf:
        raise InputError(f"--formulas must be seconds, 0 for none, got {job.formulas:g}")


def train(ready: Prepared, progress: ProgressCallback | None = None) -> Trained:
    """Fit the KAN to the training rows and score it on the test rows.

    progress: as that of the estimators. Ctrl-C keeps the best model so far; before there is one, KeyboardInterrupt.
    """
    job = ready.job
    kind = KANRegressor if ready.task == "regression" else KANClassifier
    estimator = kind(
        hidden="auto" if job.hidden is None else job.hidden,
        grid_size="auto" if job.grid_size is None else job.grid_size,
        budget=job.budget,
        time_limit=job.time_limit,
        random_state=job.seed,
        progress=progress,
    )
    start = time.perf_counter()
    with noted() as notes:
        estimator.fit(ready.X[ready.train], ready.y[ready.train])
        seconds = time.perf_counter() - start
        prediction, probabilities = predict(estimator, ready.X[ready.test], ready.labels)
    truth = ready.y[ready.test]
    metrics = measures(ready.task, truth, prediction, probabilities, np.array(ready.labels))
    error = standard_error(ready.task, truth, prediction)
    covered = _covered(estimator, ready.X[ready.test], truth)
    return Trained(estimator, prediction, probabilities, metrics, error, seconds, tuple(notes), covered)


def _covered(estimator: KANRegressor | KANClassifier, X: np.ndarray, truth: np.ndarray) -> float | None:
    bars = getattr(estimator, "error_bars_", None)
    if bars is None or float(bars.levels[-1].min()) < LEVEL:
        return None
    low, high = estimator.predict_interval(X, LEVEL)
    return float(np.mean((low <= truth) & (truth <= high)))


def predict(estimator, X: np.ndarray, labels: tuple) -> tuple[np.ndarray, np.ndarray | None]:
    """Predictions (N,) and, for classes, probabilities (N, C) with columns in the order of `labels`."""
    if not labels:
        return estimator.predict(X), None
    known = {label: i for i, label in enumerate(estimator.classes_.tolist())}
    found = estimator.predict_proba(X)
    probabilities = np.zeros((len(X), len(labels)))
    for column, label in enumerate(labels):
        if label in known:
            probabilities[:, column] = found[:, known[label]]
    return np.array(labels, dtype=estimator.classes_.dtype)[probabilities.argmax(1)], probabilities


def compare(ready: Prepared, progress: ProgressCallback | None = None) -> Iterator[BaselineResult]:
    """The other models on the same split, one at a time; for the knot table also the slope rule."""
    rule = _slope_rule(ready)
    if rule is not None:
        yield rule
    train, test = ready.train, ready.test
    yield from iterate_baselines(
        ready.X[train],
        ready.y[train],
        ready.X[test],
        ready.y[test],
        task=ready.task,
        seed=ready.job.seed,
        progress=progress,
    )


def _slope_rule(ready: Prepared) -> BaselineResult | None:
    names = ready.encoder.feature_names
    known = (
        ready.source.name == "knots" and ready.encoder.target.name == "signature" and set(SLOPE_COLUMNS) <= set(names)
    )
    if not known or ready.task != "classification":
        return None
    start = time.perf_counter()
    translations = ready.X[:, [names.index(column) for column in SLOPE_COLUMNS]]
    rule = SlopeRule.fit(translations[ready.train], ready.y[ready.train].astype(np.float64))
    prediction = rule.predict(translations[ready.test])
    truth = ready.y[ready.test]
    metrics = measures(ready.task, truth, prediction)
    seconds = time.perf_counter() - start
    settings = {"factor": rule.factor, "offset": rule.offset}
    error = standard_error(ready.task, truth, prediction)
    return BaselineResult("slope rule", metrics["accuracy"], metrics, 2, seconds, settings, error, (), prediction)


def _columns(job: FitJob, source: Source, target: str) -> tuple[Table, str | None]:
    """The table with the columns to use and the target, and the group column's name."""
    table, group = source.table, source.group if job.group is None else job.group
    for option, name in (("--group", group), ("--target", target)):
        if name is not None:
            select(table, [name], option)
    if job.drop:
        select(table, job.drop, "--drop")
    if target in job.drop:
        raise InputError(f"--drop must not name the target, got {quoted(target)}")
    features = job.features or source.features
    if features:
        if target in job.features:
            raise InputError(f"--features must not name the target, got {quoted(target)}")
        if group is not None and group in job.features:
            raise InputError(f"--features must not name the group column, got {quoted(group)}")
        table = select(table, [*(name for name in features if name != target), target], "--features")
    if group == target:
        raise InputError(f"--group must name another column than the target, got {quoted(group)}")
    return table.drop([*job.drop, *([group] if group else [])]), group


def _group_codes(table: Table, group: str, rows: np.ndarray) -> np.ndarray:
    """A number per row, equal for rows of one group; a row whose group is missing is a group of its own."""
    if group in table.refused:
        raise InputError(
            f"--group must name a column of numbers or text, got {table.refused[group]} in {quoted(group)}"
        )
    position = {int(row): i for i, row in enumerate(table.rows)}
    cells = table.columns[group][[position[int(row)] for row in rows]].tolist()
    codes: dict = {}
    return np.array(
        [codes.setdefault(("row", i) if c is None or c != c else c, len(codes)) for i, c in enumerate(cells)]
    )


def _names(table: Table) -> str:
    shown = ", ".join(quoted(name) for name in table.names[:8])
    return f"{shown} and {len(table.names) - 8} more" if len(table.names) > 8 else shown


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collects what is warned about within it as sentences, each once."""
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield sentences
    for one in caught:
        text = " ".join(str(one.message).split())
        text = text if issubclass(one.category, EdgewiseWarning) else f"{one.category.__name__}: {text}"
        text = text[:1].upper() + text[1:]
        if text not in sentences:
            sentences.append(text)

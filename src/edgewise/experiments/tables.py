"""Five real tables: the KAN with its defaults beside a linear model, an MLP and gradient boosting.

Five folds of each table: scikit-learn's diabetes, breast cancer, wine and digits, and the knot table. Folds keep the
shares of the classes where each has five rows; knots of one group (mutants) are never on both sides. The score is R^2
or accuracy in per cent, its mean over the folds; seconds are those of one fit, the choice of shape, grid and strength
included, as it is for the other models.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from edgewise.baselines import iterate_baselines, measures
from edgewise.datasets import load_knots
from edgewise.datasets.slope_rule import COLUMNS, SlopeRule
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.experiments.jobs import Progress, Update
from edgewise.experiments.outcome import Outcome, ResultTable
from edgewise.experiments.store import Store

MODELS = ("KAN", "linear", "MLP", "boosting")
QUICK = ("diabetes", "wine")


@dataclass(frozen=True, eq=False)
class Table:
    """X (N, d), y (N,), task, and the groups (N,) that a fold must not cut."""

    X: np.ndarray
    y: np.ndarray
    task: str
    group: np.ndarray | None = None

    def folds(self, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Training and test rows of each fold."""
        settings = {"n_splits": count, "shuffle": True, "random_state": seed}
        if self.group is not None:
            yield from GroupKFold(**settings).split(self.X, self.y, self.group)
        elif self.task == "classification" and np.unique(self.y, return_counts=True)[1].min() >= count:
            yield from StratifiedKFold(**settings).split(self.X, self.y)
        else:
            yield from KFold(**settings).split(self.X, self.y)


def tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Name and maker of each table."""
    found = {
        "diabetes": lambda: Table(*load_diabetes(return_X_y=True), "regression"),
        "breast cancer": lambda: Table(*load_breast_cancer(return_X_y=True), "classification"),
        "wine": lambda: Table(*load_wine(return_X_y=True), "classification"),
        "digits": lambda: Table(*load_digits(return_X_y=True), "classification"),
        "knots": _knots,
    }
    return {name: make for name, make in found.items() if not quick or name in QUICK}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Fits what is not yet in the store, and gives the table of means; one seed unless told otherwise."""
    count, budget = (2, 0.02) if quick else (5, 1.0)
    chosen, seeds = tables(quick), seeds or (0,)
    planned, done = len(seeds) * len(chosen) * count * len(MODELS), 0
    for (name, make), seed in product(chosen.items(), seeds):
        table = make()
        for fold, (train, test) in enumerate(table.folds(count, seed)):
            key = {"table": name, "fold": fold, "folds": count, "seed": seed, "budget": budget}
            before = done

            def tell(what: str, share: float, name=name, fold=fold, before=before) -> None:
                progress(Update(f"{name}, fold {fold + 1}: {what}", (before + share) / planned))

            for row in _fits(table, train, test, key, store, tell):
                progress(Update(f"{name}, fold {fold + 1}", done / planned, line=_line(store.add(row))))
            done += len(MODELS)
    rows = [row for row in store.rows if row.get("budget") == budget and row.get("folds") == count]
    return summary([row for row in rows if row.get("seed") in seeds and row.get("table") in chosen])


def _fits(table: Table, train, test, key: dict, store: Store, tell: Callable[[str, float], None]) -> Iterator[dict]:
    """The rows of one fold that the store lacks."""
    missing = [model for model in MODELS if store.find(**key, model=model) is None]
    if "KAN" in missing:
        yield {**key, "model": "KAN", **_kan(table, train, test, key, lambda event: tell("KAN", event.done))}
    if set(missing) - {"KAN"}:
        order = MODELS
        split = table.X[train], table.y[train], table.X[test], table.y[test]
        for one in iterate_baselines(
            *split, task=table.task, seed=key["seed"], progress=lambda name, done: tell(name, order.index(name) + done)
        ):
            if one.name in missing:
                yield {**key, "model": one.name, **_row(table, one.metrics, one.parameters, one.seconds, train, test)}
    if table.group is not None and store.find(**key, model="slope rule") is None:
        yield {**key, "model": "slope rule", **_rule(table, train, test)}


def _kan(table: Table, train, test, key: dict, progress) -> dict:
    kind = KANRegressor if table.task == "regression" else KANClassifier
    start = time.perf_counter()
    model = kind(budget=key["budget"], random_state=key["seed"], progress=progress).fit(table.X[train], table.y[train])
    seconds = time.perf_counter() - start
    if "interrupted" in (model.report_.stopped, model.search_.stopped):
        raise KeyboardInterrupt  # a fit that was cut short is no result
    probabilities = model.predict_proba(table.X[test]) if table.task == "classification" else None
    prediction = model.predict(table.X[test])
    classes = model.classes_ if probabilities is not None else None
    found = measures(table.task, table.y[test], prediction, probabilities, classes)
    config = model.model_.config
    shape = {"width": list(config.width), "grid_size": list(config.grid_size)}
    return {**_row(table, found, model.parameter_count_, seconds, train, test), **shape}


def _rule(table: Table, train, test) -> dict:
    """The classical rule for the knot table, fitted to the training rows like everything else."""
    translations = table.X[:, [load_knots().feature_names.index(column) for column in COLUMNS]]
    start = time.perf_counter()
    prediction = SlopeRule.fit(translations[train], table.y[train]).predict(translations[test])
    found = measures(table.task, table.y[test], prediction)
    return _row(table, found, 2, time.perf_counter() - start, train, test)


def _row(table: Table, metrics: dict, parameters: int, seconds: float, train, test) -> dict:
    score = next(iter(metrics.values()), math.nan)
    return {
        "task": table.task,
        "score": score if math.isfinite(score) else None,
        "metrics": metrics,
        "parameters": parameters,
        "seconds": round(seconds, 3),
        "rows": [len(train), len(test)],
    }


def _knots() -> Table:
    knots = load_knots()
    return Table(knots.X, knots.y, "classification", knots.group)


def summary(rows: list[dict]) -> Outcome:
    """The table: for each data set the mean score of each model, and how far the KAN is from the best of the others."""
    names = list(dict.fromkeys(row["table"] for row in rows))
    columns = ("table", "rows", *MODELS, "gap", "numbers", "seconds")
    lines, sentences = [], []
    for name in names:
        mine = [row for row in rows if row["table"] == name]
        means = {model: _mean(row["score"] for row in mine if row["model"] == model) for model in MODELS}
        best = max(score for model, score in means.items() if model != "KAN" and not math.isnan(score))
        kan = [row for row in mine if row["model"] == "KAN"]
        lines.append(
            (
                f"{name}, R²" if kan[0]["task"] == "regression" else name,
                f"{sum(kan[0]['rows']):,}",
                *(f"{100 * score:.1f}" for score in means.values()),
                f"{100 * (means['KAN'] - best):+.1f}",
                f"{_mean(row['parameters'] for row in kan):,.0f}",
                f"{_mean(row['seconds'] for row in kan):.1f} (max {max(row['seconds'] for row in kan):.1f})",
            )
        )
        rule = [row["score"] for row in mine if row["model"] == "slope rule"]
        if rule:
            sentences.append(f"The slope rule, two numbers, gives {100 * _mean(rule):.1f} % for {name}.")
    folds = len({(row["fold"], row["seed"]) for row in rows})
    sentences.insert(
        0,
        f"Scores on test rows, accuracy or R², in per cent: means of {folds} folds. Gap: points from the best of the "
        "others to the KAN. Numbers, seconds: parameters of the KAN, wall time of its fit, search included.",
    )
    return Outcome((ResultTable(columns, tuple(lines)),), tuple(sentences))


def _line(row: dict) -> str:
    score = "no score" if row["score"] is None else f"{100 * row['score']:.1f} %"
    return f"{row['table']}, fold {row['fold'] + 1} of {row['folds']}: {row['model']} {score}, {row['seconds']:.1f} s"


def _mean(values) -> float:
    known = [math.nan if value is None else value for value in values]
    return sum(known) / len(known) if known else math.nan

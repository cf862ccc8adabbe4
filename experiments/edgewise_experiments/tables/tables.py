"""Fifteen real tables: the KAN with its defaults against a linear model, an MLP, boosting, an EBM and a GAM.

Five folds of each table, see `real_tables`. Folds keep the shares of the classes where each has five rows; rows of one
group (mutant knots, a family's years, a traveller's choices) are never on both sides. The score is R^2 or accuracy in
per cent, its mean over the folds; seconds are those of one fit, including the choice of shape, grid and strength, and
likewise for the other models.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from operator import eq, gt

import numpy as np

from edgewise import KANClassifier, KANRegressor
from edgewise.compare import iterate_baselines
from edgewise.datasets import load_knots
from edgewise.errors import EdgewiseWarning
from edgewise.metrics import measures
from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.knots.slope_rule import SLOPE_COLUMNS, SlopeRule
from edgewise_experiments.runner import (
    Outcome,
    ResultTable,
    RowCallback,
    RowProgress,
    Stopwatch,
    Store,
    key_figures,
    require_complete,
    working_seconds,
)
from edgewise_experiments.runner.jobs import line_of
from edgewise_experiments.tables.additive_models import EBM, PACKAGES, additive_model, is_installed, is_too_large
from edgewise_experiments.tables.real_tables import Table, real_tables
from edgewise_experiments.tables.tuned_baselines import TUNED

MODELS = ("KAN", "linear", "MLP", "boosting", "EBM", "pyGAM")
READABLE = ("KAN", "linear", "EBM", "pyGAM")  # by a person: curves or coefficients that add up, or a small network
WITHIN = 0.01  # a score that is lower by at most this counts as equal to the best
NOTES = (
    "Scores on test rows in per cent, accuracy or R²: means of the folds. The gap is the KAN's score minus that of "
    "the best other model, in percentage points. Parameters and seconds are those of the KAN; the seconds of a fit "
    "include the search, and the longest is in brackets: wall seconds, or CPU seconds if fewer, since the machine was "
    "shared. A dash marks a model that was not fitted.",
    "The KAN has its defaults. The linear models, the MLP and boosting are tuned; the EBM has fewer bags and rounds "
    "than by default (see the code), which changes its scores little; pyGAM has its own grid search.",
    "Ranks are means over the tables, among all models and among those that a person can read; equal scores share "
    "their places. pyGAM is ranked only on the tables to which it was fitted.",
)
QUICK = ("diabetes",)  # others take the MLP ten times as long
QUICK_MODELS = ("KAN", "linear", "MLP", "boosting")  # an EBM takes minutes of one core on any table


def chosen_tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Return the function that loads each table, by the name of the table."""
    return {name: make for name, make in real_tables().items() if not quick or name in QUICK}


def models(quick: bool = False) -> tuple[str, ...]:
    """Return the models that can be fitted here; interpret and pyGAM may not be installed."""
    return tuple(name for name in (QUICK_MODELS if quick else MODELS) if name not in PACKAGES or is_installed(name))


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fit the models that the store lacks, with one seed by default."""
    count, budget = (2, 0.02) if quick else (5, 1.0)
    chosen, seeds = chosen_tables(quick), seeds or (0,)
    fitted = models(quick)
    for name in (model for model in (QUICK_MODELS if quick else MODELS) if model not in fitted):
        progress(RowProgress(name, 0.0, line=f"{name} is left out: it needs {PACKAGES[name]}, which is not installed."))
    planned, done = len(seeds) * len(chosen) * count * len(fitted), 0
    for (name, make), seed in product(chosen.items(), seeds):
        table = make()
        for fold, (train, test) in enumerate(table.folds(count, seed)):
            key = {"table": name, "fold": fold, "folds": count, "seed": seed, "budget": budget}
            label, before = f"{name}, fold {fold + 1}", done

            def report(at: Progress, label: str = label, before: int = before) -> None:
                progress(RowProgress(f"{label}: {at.stage}", (before + len(fitted) * at.share) / planned))

            for row in measure_fold(table, train, test, key, fitted, store, report):
                progress(RowProgress(label, done / planned, line=line_of(f"{label}, {row['model']}", store.add(row))))
            done += len(fitted)
    rows = [row for row in store.rows if row.get("budget") == budget and row.get("folds") == count]
    return summary([row for row in rows if row.get("seed") in seeds and row.get("table") in chosen])


def measure_fold(
    table: Table,
    train: np.ndarray,
    test: np.ndarray,
    key: dict,
    order: Sequence[str],
    store: Store,
    report_progress: ProgressCallback,
) -> Iterator[dict]:
    """Measure the rows of one fold that the store lacks; `order` lists the models, each an equal share of the work."""
    missing = [model for model in order if store.find(**key, model=model) is None]
    if "KAN" in missing:
        yield {
            **key,
            "model": "KAN",
            **measure_kan(table, train, test, key, partial(_report_part, report_progress, "KAN", order)),
        }
    if set(missing) & {"linear", "MLP", "boosting"}:
        split = table.X[train], table.y[train], table.X[test], table.y[test]
        for one in iterate_baselines(
            *split,
            task=table.task,
            seed=key["seed"],
            learners=TUNED,
            progress=lambda at: _report_part(report_progress, at.stage, order, at),
        ):
            if one.name in missing:
                yield {**key, "model": one.name, **_row(table, one.metrics, one.parameters, one.seconds, train, test)}
    for name in (model for model in missing if model in PACKAGES):
        if name != "pyGAM" or not is_too_large(table.X[train], table.y, table.task):
            report_progress(Progress(name, order.index(name) / len(order)))
            yield {**key, "model": name, **_additive(name, table, train, test, key["seed"])}
    if key["table"] == "knots" and store.find(**key, model="slope rule") is None:
        yield {**key, "model": "slope rule", **_slope_rule(table, train, test)}


def measure_kan(table: Table, train: np.ndarray, test: np.ndarray, key: dict, progress: ProgressCallback) -> dict:
    """Fit a KAN with its defaults and measure it on the test rows."""
    kind = KANRegressor if table.task == "regression" else KANClassifier
    watch = Stopwatch()
    effort = "low" if key["budget"] < 1 else "normal"  # the rows of the store know the parameter by its former name
    model = kind(effort=effort, random_state=key["seed"]).fit(table.X[train], table.y[train])
    spent = watch.seconds()
    require_complete(model.report_, model.search_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)  # some test rows lie outside the training range
        probabilities = model.predict_proba(table.X[test]) if table.task == "classification" else None
        prediction = model.predict(table.X[test])
    classes = model.classes_ if probabilities is not None else None
    metrics = measures(table.task, table.y[test], prediction, probabilities, classes)
    config = model.model_.config
    further = {**spent, "width": list(config.width), "grid_size": list(config.grid_size)}
    return {**_row(table, metrics, model.parameter_count_, spent["seconds"], train, test), **further}


def _additive(name: str, table: Table, train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    split = table.X[train], table.y[train], table.X[test], table.y[test]
    metrics, parameters, seconds = additive_model(name, table.task, *split, seed)
    return _row(table, metrics, parameters, seconds, train, test)


def _slope_rule(table: Table, train: np.ndarray, test: np.ndarray) -> dict:
    """Measure the classical rule for the knot table, fitted to the training rows like the models."""
    translations = table.X[:, [load_knots().feature_names.index(column) for column in SLOPE_COLUMNS]]
    start = time.perf_counter()
    prediction = SlopeRule.fit(translations[train], table.y[train]).predict(translations[test])
    metrics = measures(table.task, table.y[test], prediction)
    return _row(table, metrics, 2, time.perf_counter() - start, train, test)


def _row(table: Table, metrics: dict, parameters: int, seconds: float, train: np.ndarray, test: np.ndarray) -> dict:
    score = next(iter(metrics.values()), math.nan)
    return {
        "task": table.task,
        "score": score if math.isfinite(score) else None,
        "metrics": metrics,
        "parameters": parameters,
        "seconds": round(seconds, 3),
        "rows": [len(train), len(test)],
    }


def summary(rows: list[dict]) -> Outcome:
    """Make the table of mean scores, the table of average ranks, and the key figures."""
    names = list(dict.fromkeys(row["table"] for row in rows))
    columns = ("table", "rows", *MODELS, "gap", "parameters", "seconds")
    lines, scores = [], {}
    for name in names:
        mine = [row for row in rows if row["table"] == name]
        means = {model: _mean(row["score"] for row in mine if row["model"] == model) for model in MODELS}
        scores[name] = {model: score for model, score in means.items() if not math.isnan(score)}
        best = max((score for model, score in scores[name].items() if model != "KAN"), default=math.nan)
        kan = [row for row in mine if row["model"] == "KAN"]
        seconds = [working_seconds(row) for row in kan]
        lines.append(
            (
                f"{name}, R²" if kan[0]["task"] == "regression" else name,
                f"{sum(kan[0]['rows']):,}",
                *("-" if math.isnan(score) else f"{100 * score:.1f}" for score in means.values()),
                f"{100 * (means['KAN'] - best):+.1f}",
                f"{_mean(row['parameters'] for row in kan):,.0f}",
                f"{_mean(seconds):.1f} (max {max(seconds):.1f})",
            )
        )
    figures = {
        "folds": str(len({(row["fold"], row["seed"]) for row in rows})),
        "bags and rounds of the EBM": f"{EBM['outer_bags']}, {EBM['max_rounds']:,}",
    }
    rule = [row for row in rows if row["model"] == "slope rule"]
    if rule:
        figures[f"accuracy of the slope rule, two parameters, for {rule[0]['table']}"] = (
            f"{100 * _mean(row['score'] for row in rule):.1f} %"
        )
    table = ResultTable(columns, tuple(lines))
    if len(names) < 2:
        return Outcome((table, key_figures(figures)), NOTES)
    ranks, readable = _ranks(scores, MODELS), _ranks(scores, READABLE)
    order = sorted(ranks, key=lambda model: _mean(ranks[model]))
    ranked = [
        (
            model,
            f"{_mean(ranks[model]):.2f}",
            f"{_mean(readable[model]):.2f}" if model in readable else "-",
            str(len(ranks[model])),
        )
        for model in order
    ]
    best = next((model for model in order if model != "KAN"), None)
    figures = {
        "tables on which the KAN is within a point of the best": (
            f"{sum(each['KAN'] >= max(each.values()) - WITHIN for each in scores.values())} of {len(scores)}"
        ),
        "average rank of the KAN among all models": f"{_mean(ranks['KAN']):.2f}",
        "best average rank of another model": "-" if best is None else f"{_mean(ranks[best]):.2f} ({best})",
        **figures,
    }
    heads = ("model", "rank among all", "rank among readable models", "tables")
    return Outcome((table, ResultTable(heads, tuple(ranked), "Average rank"), key_figures(figures)), NOTES)


def _ranks(scores: dict[str, dict[str, float]], models: Sequence[str]) -> dict[str, list[float]]:
    """Return the rank of each of these models on each table; equal scores share their places."""
    ranks: dict[str, list[float]] = {}
    for by_model in scores.values():
        values = {model: score for model, score in by_model.items() if model in models}
        for model, score in values.items():
            above, equal = (sum(compare(other, score) for other in values.values()) for compare in (gt, eq))
            ranks.setdefault(model, []).append(above + (equal + 1) / 2)
    return ranks


def _report_part(report_progress: ProgressCallback, model: str, order: Sequence[str], at: Progress) -> None:
    """Report the progress of one model as progress of the whole fold."""
    report_progress(Progress(model, (order.index(model) + at.share) / len(order), at.loss))


def _mean(values: Iterable[float | None]) -> float:
    known = [math.nan if value is None else value for value in values]
    return sum(known) / len(known) if known else math.nan

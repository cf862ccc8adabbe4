"""Fifteen real tables: the KAN with its defaults beside a linear model, an MLP, boosting, an EBM and a GAM.

Five folds of each table, see `real_tables`. Folds keep the shares of the classes where each has five rows; rows of one
group (mutant knots, a family's years, a traveller's choices) are never on both sides. The score is R^2 or accuracy in
per cent, its mean over the folds; seconds are those of one fit, the choice of shape, grid and strength included, as it
is for the other models.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from operator import eq, gt

from edgewise import KANClassifier, KANRegressor
from edgewise.compare import iterate_baselines, measures
from edgewise.datasets import SLOPE_COLUMNS, SlopeRule, load_knots
from edgewise_experiments.runner.jobs import RowCallback, RowProgress
from edgewise_experiments.runner.outcome import Outcome, ResultTable
from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables.additive_models import EBM, PACKAGES, additive_model, is_installed, is_too_large
from edgewise_experiments.tables.real_tables import Table, real_tables

MODELS = ("KAN", "linear", "MLP", "boosting", "EBM", "pyGAM")
READABLE = ("KAN", "linear", "EBM", "pyGAM")  # by a person: curves or coefficients that add up, or a small network
QUICK = ("diabetes",)  # others take the MLP ten times as long
QUICK_MODELS = ("KAN", "linear", "MLP", "boosting")  # an EBM takes minutes of one core on any table


def tables(quick: bool) -> dict[str, Callable[[], Table]]:
    """Name and maker of each table."""
    return {name: make for name, make in real_tables().items() if not quick or name in QUICK}


def models(quick: bool = False) -> tuple[str, ...]:
    """Those that can be fitted here: interpret and pyGAM may be missing."""
    return tuple(name for name in (QUICK_MODELS if quick else MODELS) if name not in PACKAGES or is_installed(name))


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fits what is not yet in the store, and gives the table of means; one seed unless told otherwise."""
    count, budget = (2, 0.02) if quick else (5, 1.0)
    chosen, seeds = tables(quick), seeds or (0,)
    fitted = models(quick)
    for name in (model for model in (QUICK_MODELS if quick else MODELS) if model not in fitted):
        progress(RowProgress(name, 0.0, line=f"{name} is left out: it needs {PACKAGES[name]}, which is not installed."))
    planned, done = len(seeds) * len(chosen) * count * len(fitted), 0
    for (name, make), seed in product(chosen.items(), seeds):
        table = make()
        for fold, (train, test) in enumerate(table.folds(count, seed)):
            key = {"table": name, "fold": fold, "folds": count, "seed": seed, "budget": budget}
            before = done

            def tell(what: str, share: float, name=name, fold=fold, before=before) -> None:
                progress(RowProgress(f"{name}, fold {fold + 1}: {what}", (before + share) / planned))

            for row in _fits(table, train, test, key, fitted, store, tell):
                progress(RowProgress(f"{name}, fold {fold + 1}", done / planned, line=_line(store.add(row))))
            done += len(fitted)
    rows = [row for row in store.rows if row.get("budget") == budget and row.get("folds") == count]
    return summary([row for row in rows if row.get("seed") in seeds and row.get("table") in chosen])


def _fits(
    table: Table, train, test, key: dict, order: Sequence[str], store: Store, tell: Callable[[str, float], None]
) -> Iterator[dict]:
    """The rows of one fold that the store lacks. order: the models."""
    missing = [model for model in order if store.find(**key, model=model) is None]
    if "KAN" in missing:
        yield {**key, "model": "KAN", **_kan(table, train, test, key, lambda at: tell("KAN", at.share))}
    if set(missing) & {"linear", "MLP", "boosting"}:
        split = table.X[train], table.y[train], table.X[test], table.y[test]
        for one in iterate_baselines(
            *split,
            task=table.task,
            seed=key["seed"],
            progress=lambda at: tell(at.stage, order.index(at.stage) + at.share),
        ):
            if one.name in missing:
                yield {**key, "model": one.name, **_row(table, one.metrics, one.parameters, one.seconds, train, test)}
    for name in (model for model in missing if model in PACKAGES):
        if name != "pyGAM" or not is_too_large(table.X[train], table.y, table.task):
            tell(name, order.index(name))
            yield {**key, "model": name, **_additive(name, table, train, test, key["seed"])}
    if key["table"] == "knots" and store.find(**key, model="slope rule") is None:
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


def _additive(name: str, table: Table, train, test, seed: int) -> dict:
    split = table.X[train], table.y[train], table.X[test], table.y[test]
    found, parameters, seconds = additive_model(name, table.task, *split, seed)
    return _row(table, found, parameters, seconds, train, test)


def _rule(table: Table, train, test) -> dict:
    """The classical rule for the knot table, fitted to the training rows like everything else."""
    translations = table.X[:, [load_knots().feature_names.index(column) for column in SLOPE_COLUMNS]]
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


def summary(rows: list[dict]) -> Outcome:
    """The table: for each data set the mean score of each model, and how far the KAN is from the best of the others."""
    names = list(dict.fromkeys(row["table"] for row in rows))
    columns = ("table", "rows", *MODELS, "gap", "numbers", "seconds")
    lines, sentences, scores = [], [], {}
    for name in names:
        mine = [row for row in rows if row["table"] == name]
        means = {model: _mean(row["score"] for row in mine if row["model"] == model) for model in MODELS}
        scores[name] = {model: score for model, score in means.items() if not math.isnan(score)}
        best = max((score for model, score in scores[name].items() if model != "KAN"), default=math.nan)
        kan = [row for row in mine if row["model"] == "KAN"]
        lines.append(
            (
                f"{name}, R²" if kan[0]["task"] == "regression" else name,
                f"{sum(kan[0]['rows']):,}",
                *("-" if math.isnan(score) else f"{100 * score:.1f}" for score in means.values()),
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
        "others to the KAN. Numbers, seconds: parameters of the KAN, wall time of its fit, search included. The KAN "
        f"has its defaults, linear models, MLP and boosting are tuned, an EBM has {EBM['outer_bags']} bags and at most "
        f"{EBM['max_rounds']:,} rounds, pyGAM its grid search.",
    )
    if len(names) > 1:
        sentences += _ranks(scores)
    return Outcome((ResultTable(columns, tuple(lines)),), tuple(sentences))


def _ranks(scores: dict[str, dict[str, float]]) -> list[str]:
    """Average ranks, among all models and among those that people read; equal scores share their places."""
    said = []
    for who, asked in (("all models", MODELS), ("models that a person can read", READABLE)):
        ranks: dict[str, list[float]] = {}
        for found in scores.values():
            values = {model: score for model, score in found.items() if model in asked}
            for model, score in values.items():
                above, equal = (sum(compare(other, score) for other in values.values()) for compare in (gt, eq))
                ranks.setdefault(model, []).append(above + (equal + 1) / 2)
        order = sorted(ranks, key=lambda model: _mean(ranks[model]))
        means = [f"{m} {_mean(ranks[m]):.2f}" + _of_fewer(len(ranks[m]), len(scores)) for m in order]
        said.append(f"Average rank among {who} over {len(scores)} tables: {', '.join(means)}.")
    near = sum(found["KAN"] >= max(found.values()) - 0.01 for found in scores.values())
    return [*said, f"The KAN is within a point of the best in {near} of {len(scores)} tables."]


def _of_fewer(count: int, tables: int) -> str:
    return "" if count == tables else f" (of {count})"


def _line(row: dict) -> str:
    score = "no score" if row["score"] is None else f"{100 * row['score']:.1f} %"
    return f"{row['table']}, fold {row['fold'] + 1} of {row['folds']}: {row['model']} {score}, {row['seconds']:.1f} s"


def _mean(values) -> float:
    known = [math.nan if value is None else value for value in values]
    return sum(known) / len(known) if known else math.nan

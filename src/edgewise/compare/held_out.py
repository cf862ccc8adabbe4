"""A KAN beside a linear model and gradient boosting on rows that none of them saw (`held_out_comparison`)."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier

from edgewise.checks import check_finite
from edgewise.compare.baselines import BaselineResult, iterate_baselines
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.task import numeric_targets
from edgewise.metrics import MEASURED, METRICS, row_losses, score
from edgewise.presentation import counted
from edgewise.report.comparison import Comparison, ModelResult, by_losses
from edgewise.search.validation import block_codes, folds
from edgewise.tables import Table, frame_table, is_frame


def held_out_comparison(
    model: KANRegressor | KANClassifier, X: Any, y: ArrayLike, groups: ArrayLike | None = None
) -> Comparison:
    """Fit a copy of the model, a linear model and boosting to four fifths of the rows five times; score the others.

    Shapes: X (N, d), y (N,), groups (N,). InputError for other shapes, targets that are not finite, fewer than ten
    rows, a model of survival, and rows that lack a column of the fit. Columns that the fit did not have are left out.
    """
    parts = 5  # the customary number (Hastie et al., 2nd ed., section 7.10)
    if not isinstance(model, KANRegressor | KANClassifier):
        raise InputError(f"compare needs a KANRegressor or a KANClassifier, got a {type(model).__name__}")
    targets = np.asarray(y)
    table = frame_table(X) if is_frame(X) else np.asarray(X)
    if isinstance(table, np.ndarray) and table.ndim != 2:
        raise InputError(
            f"X must be a frame or an array of shape (N, d), got {type(X).__name__} of shape {table.shape}"
        )
    if targets.shape != (len(table),):
        raise InputError(f"y must hold one target for each of the {len(table)} rows of X, got shape {targets.shape}")
    if len(targets) < 2 * parts:
        raise InputError(f"X must have at least {2 * parts} rows to be compared in {parts} folds, got {len(targets)}")
    task = "classification" if is_classifier(model) else "regression"
    if task == "regression":
        targets = np.asarray(numeric_targets(targets, model._family))
    else:
        check_finite(targets, "y")
    # The columns are those of the fit, so that the copies are models of the same inputs.
    if model.__sklearn_is_fitted__():
        model._codes(table)
        if isinstance(table, Table) and model._is_named:
            table = table.select([name for name in model.encoder_.names if name in table.names])
    metric = MEASURED[task][0]
    labels = None
    unpredicted = np.full(len(targets), np.nan)
    if task == "classification":
        labels = np.unique(targets, return_inverse=True)[1]
        unpredicted = targets
    blocks = block_codes(groups, len(targets))
    # Each fold: a copy of the model, and the others on the same inputs as numbers.
    predictions: dict[str, np.ndarray] = {"KAN": unpredicted.copy()}
    losses = {"KAN": np.full(len(targets), np.nan)}
    others: dict[str, BaselineResult] = {}
    failed: set[str] = set()
    seconds = {"KAN": 0.0}
    held = np.zeros(len(targets), dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)  # of rows beyond the training range of a fold
        for fold in folds(len(targets), 0, labels=labels, blocks=blocks, parts=parts):
            train = table[fold.train]
            test = table[fold.held]
            start = time.perf_counter()
            # The KAN, with its search repeated on the rows of the fold.
            kan = clone(model).fit(train, targets[fold.train], groups=None if blocks is None else blocks[fold.train])
            seconds["KAN"] += time.perf_counter() - start
            predictions["KAN"][fold.held] = kan.predict(test)
            if labels is not None:
                losses["KAN"][fold.held] = row_losses(targets[fold.held], kan.predict_proba(test), kan.classes_)
            # The other models on the same inputs.
            rows = kan._inputs(train), targets[fold.train], kan._inputs(test), targets[fold.held]
            for one in iterate_baselines(*rows, task=task):
                if one.prediction is None:
                    failed.add(one.name)
                else:
                    predictions.setdefault(one.name, unpredicted.copy())[fold.held] = one.prediction
                    if one.losses is not None:
                        losses.setdefault(one.name, np.full(len(targets), np.nan))[fold.held] = one.losses
                seconds[one.name] = seconds.get(one.name, 0.0) + one.seconds
                others[one.name] = one
            held[fold.held] = True
    # Scores over the held-out rows of all folds.
    observed = targets[held]
    own = predictions["KAN"][held]
    ours = score(metric, observed, own)
    models = [ModelResult("KAN", ours.value, kan._coefficients, seconds["KAN"], ours.error)]
    for name, last in others.items():
        if name in failed:  # in one fold is enough: a score of the others would be of other rows
            models.append(replace(last, prediction=None).beside(observed, own, task))
            continue
        predicted = predictions[name][held]
        reached = score(metric, observed, predicted)
        whole = BaselineResult(
            name, reached.value, {}, last.parameters, seconds[name], {}, reached.error, prediction=predicted
        )
        models.append(whole.beside(observed, own, task))
    kind = METRICS[metric]
    where = f"the {counted(int(held.sum()), 'row')}, each held out in one of {parts} folds,"
    comparison = Comparison(models, kind.name, kind.is_share, kind.higher_is_better, where)
    if task == "regression":
        return comparison
    known = {name: one[held] for name, one in losses.items() if name not in failed}
    return by_losses(comparison, [known.get(name) for name in ("KAN", *others)])

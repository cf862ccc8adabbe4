"""The models that the networks for the knot table are compared with: logistic regression and gradient boosting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from edgewise.compare.baselines import tree_numbers
from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.knots.networks import INPUTS, Effort
from edgewise_experiments.knots.signature_rules import rounded_to_even
from edgewise_experiments.knots.table import KnotSplit
from edgewise_experiments.runner import Stopwatch

# Without the l2 term the values in the leaves of rare classes diverge.
TREE_OPTIONS: Mapping[str, Any] = {"min_samples_leaf": 50, "l2_regularization": 1.0, "early_stopping": False}
ROUNDS = {"boosting": 150, "boosting, rounded": 600}  # of boosting


def baseline(
    name: str, inputs: str, split: KnotSplit, seed: int, effort: Effort, report: ProgressCallback
) -> Mapping[str, object]:
    """Train one model on the same rows as the networks and score it on the test rows."""
    watch = Stopwatch()
    report(Progress(name, 0.0))
    X = np.stack([split.column(column) for column in INPUTS[inputs]], 1)
    train = split.train[: effort.rows]
    scaler = StandardScaler().fit(X[train])
    X, y = scaler.transform(X), split.knots.y
    rounds = max(1, int(effort.rounds * ROUNDS.get(name, 0)))
    if name == "logistic":
        model = LogisticRegression(max_iter=500)
    else:
        kind = HistGradientBoostingClassifier if name == "boosting" else HistGradientBoostingRegressor
        model = kind(max_iter=rounds, random_state=seed, **TREE_OPTIONS)
    model.fit(X[train], y[train])
    predicted = {part: model.predict(X[rows]) for part, rows in (("v", split.validation), ("t", split.test))}
    if name == "boosting, rounded":
        predicted = {part: rounded_to_even(values) for part, values in predicted.items()}
    accuracy, error = split.accuracy(predicted["t"])
    return {
        "accuracy": accuracy,
        "error": error,
        "validation": float((predicted["v"] == y[split.validation]).mean()),
        "parameters": model.coef_.size + model.intercept_.size if name == "logistic" else tree_numbers(model),
        **watch.seconds(),
    }

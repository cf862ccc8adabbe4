"""What the networks for the knot table are set beside: logistic regression and gradient boosting on the same rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from edgewise.compare.baselines import tree_numbers
from edgewise_experiments.knots.knot_formulas import rounded
from edgewise_experiments.knots.knot_models import INPUTS, Effort
from edgewise_experiments.knots.knot_table import KnotSplit
from edgewise_experiments.runner.jobs import Tell

# Without the l2 term the trees of rare classes run away.
_TREES = {"min_samples_leaf": 50, "l2_regularization": 1.0, "early_stopping": False}
ROUNDS = {"boosting": 150, "boosting, rounded": 600}


def baseline(name: str, inputs: str, split: KnotSplit, seed: int, effort: Effort, tell: Tell) -> Mapping[str, object]:
    """name: "logistic" regression of the classes, "boosting" of the classes, or "boosting, rounded" of the number."""
    start, start_cpu = time.perf_counter(), time.process_time()
    tell(name, 0.0)
    X = np.stack([split.column(column) for column in INPUTS[inputs]], 1)
    train = split.train[: effort.rows]
    scaler = StandardScaler().fit(X[train])
    X, y = scaler.transform(X), split.knots.y
    rounds = max(1, int(effort.rounds * ROUNDS.get(name, 0)))
    if name == "logistic":
        model = LogisticRegression(max_iter=500).fit(X[train], y[train])
    elif name == "boosting":
        model = HistGradientBoostingClassifier(max_iter=rounds, random_state=seed, **_TREES).fit(X[train], y[train])
    else:
        model = HistGradientBoostingRegressor(max_iter=rounds, random_state=seed, **_TREES).fit(X[train], y[train])
    guess = {side: model.predict(X[rows]) for side, rows in (("v", split.validation), ("t", split.test))}
    if name == "boosting, rounded":
        guess = {side: rounded(values) for side, values in guess.items()}
    accuracy, error = split.share_right(guess["t"])
    return {
        "accuracy": accuracy,
        "error": error,
        "validation": float((guess["v"] == y[split.validation]).mean()),
        "parameters": model.coef_.size + model.intercept_.size if name == "logistic" else tree_numbers(model),
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_seconds": round(time.process_time() - start_cpu, 3),
    }

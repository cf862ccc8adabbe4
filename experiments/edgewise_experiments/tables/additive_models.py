"""Two additive models that people can read, with the defaults of their packages except for time: EBM and pyGAM."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np

from edgewise.metrics import measures

Prediction = tuple[np.ndarray, np.ndarray | None, np.ndarray | None, int]
"""Predicted values or classes, probabilities, class labels, and the number of parameters of the model."""
Predict = Callable[[np.ndarray], Prediction]

PACKAGES = {"EBM": "interpret", "pyGAM": "pygam"}
MOST = 1e7  # rows x inputs² x classes up to which the GAMs, one for each class, take minutes at most (measured)
# Other settings are the defaults of interpret; with its 14 bags and 50,000 rounds a fold of 455 rows took a quarter of
# an hour. In a comparison of two folds, R² was 0.321 instead of 0.324 (diabetes), the accuracy equal (breast cancer).
EBM = {"n_jobs": 1, "outer_bags": 4, "max_rounds": 1000}


def is_installed(name: str) -> bool:
    """Return whether the package of that model is installed."""
    return find_spec(PACKAGES[name]) is not None


def is_too_large(X: np.ndarray, y: np.ndarray, task: str) -> bool:
    """Return whether a GAM would take too long; its matrices grow with the square of the inputs."""
    models = len(np.unique(y)) if task == "classification" and len(np.unique(y)) > 2 else 1
    return len(X) * X.shape[1] ** 2 * models > MOST


def additive_model(
    name: str, task: str, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, seed: int
) -> tuple[dict[str, float], int, float]:
    """Fit a model; return its measures on the test rows, number of parameters, and seconds, its search included."""
    start = time.perf_counter()
    # Both packages warn about their own dependencies; pyGAM prints a line for each grid point that did not converge.
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        fitted = fit_ebm(task, X, y, seed) if name == "EBM" else fit_gam(task, X, y)
    seconds = time.perf_counter() - start
    prediction, probabilities, classes, parameters = fitted(X_test)
    return measures(task, y_test, prediction, probabilities, classes), parameters, seconds


def fit_ebm(task: str, X: np.ndarray, y: np.ndarray, seed: int) -> Predict:
    """Fit an explainable boosting machine."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    kind = ExplainableBoostingRegressor if task == "regression" else ExplainableBoostingClassifier
    model = kind(random_state=seed, **EBM).fit(X, y)

    def predict(X_test: np.ndarray) -> Prediction:
        count = sum(np.size(scores) for scores in model.term_scores_) + np.size(model.intercept_)
        if task == "regression":
            return model.predict(X_test), None, None, count
        return model.predict(X_test), model.predict_proba(X_test), model.classes_, count

    return predict


def fit_gam(task: str, X: np.ndarray, y: np.ndarray) -> Predict:
    """Fit a GAM with smoothness by grid search, as in its tour; one model for each class if there are several."""
    from pygam import LinearGAM, LogisticGAM

    if task == "regression":
        model = LinearGAM().gridsearch(X, y, progress=False)
        return lambda X_test: (model.predict(X_test), None, None, model.coef_.size)
    classes = np.unique(y)
    separated = classes[1:] if len(classes) == 2 else classes
    models = [LogisticGAM().gridsearch(X, (y == one).astype(int), progress=False) for one in separated]

    def predict(X_test: np.ndarray) -> Prediction:
        shares = np.stack([model.predict_proba(X_test) for model in models], 1)
        if len(classes) == 2:
            shares = np.concatenate([1 - shares, shares], 1)
        shares = np.clip(shares, 1e-12, 1)
        shares = shares / shares.sum(1, keepdims=True)
        return classes[shares.argmax(1)], shares, classes, sum(model.coef_.size for model in models)

    return predict

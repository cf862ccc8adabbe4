"""Two additive models that people read, as their packages have them but for time: an EBM of interpret, a pyGAM."""

from __future__ import annotations

import time
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np

from edgewise.compare import measures

PACKAGES = {"EBM": "interpret", "pyGAM": "pygam"}
MOST = 1e7  # rows x inputs x classes up to which a GAM, one for each class, takes minutes at most
# All else as interpret has it: with its fourteen bags and 50,000 rounds a fold of 455 rows took a quarter of an hour.
# Two folds compared: R^2 0.321 instead of 0.324 (diabetes), the same accuracy (breast cancer).
EBM = {"n_jobs": 1, "outer_bags": 4, "max_rounds": 1000}


def is_installed(name: str) -> bool:
    """Whether the package of that model is there."""
    return find_spec(PACKAGES[name]) is not None


def is_too_large(X: np.ndarray, y: np.ndarray, task: str) -> bool:
    """Whether a GAM of it takes too long: its matrices grow with the square of the inputs."""
    models = len(np.unique(y)) if task == "classification" and len(np.unique(y)) > 2 else 1
    return len(X) * X.shape[1] ** 2 * models > MOST


def additive_model(name: str, task: str, X, y, X_test, y_test, seed: int) -> tuple[dict[str, float], int, float]:
    """Measures on the test rows, learned numbers, and seconds of the fit with what it chooses itself."""
    start = time.perf_counter()
    # Both packages warn about their own dependencies; pyGAM prints a line for each grid point that did not converge.
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        fitted = _ebm(task, X, y, seed) if name == "EBM" else _gam(task, X, y)
    seconds = time.perf_counter() - start
    prediction, probabilities, classes, parameters = fitted(X_test)
    return measures(task, y_test, prediction, probabilities, classes), parameters, seconds


def _ebm(task: str, X, y, seed: int):
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    kind = ExplainableBoostingRegressor if task == "regression" else ExplainableBoostingClassifier
    model = kind(random_state=seed, **EBM).fit(X, y)

    def predicted(X_test):
        count = sum(np.size(scores) for scores in model.term_scores_) + np.size(model.intercept_)
        if task == "regression":
            return model.predict(X_test), None, None, count
        return model.predict(X_test), model.predict_proba(X_test), model.classes_, count

    return predicted


def _gam(task: str, X, y):
    """Its smoothness by grid search, as its tour does it; one model for each class where there are more than two."""
    from pygam import LinearGAM, LogisticGAM

    if task == "regression":
        model = LinearGAM().gridsearch(X, y, progress=False)
        return lambda X_test: (model.predict(X_test), None, None, model.coef_.size)
    classes = np.unique(y)
    asked = classes[1:] if len(classes) == 2 else classes
    models = [LogisticGAM().gridsearch(X, (y == one).astype(int), progress=False) for one in asked]

    def predicted(X_test):
        shares = np.stack([model.predict_proba(X_test) for model in models], 1)
        if len(classes) == 2:
            shares = np.concatenate([1 - shares, shares], 1)
        shares = np.clip(shares, 1e-12, 1)
        shares = shares / shares.sum(1, keepdims=True)
        return classes[shares.argmax(1)], shares, classes, sum(model.coef_.size for model in models)

    return predicted

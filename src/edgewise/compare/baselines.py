"""Baselines on the same split as a KAN: a linear model and gradient boosting, fitted and scored."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import is_one_of
from edgewise.errors import InputError, missing_extra
from edgewise.listeners import check_progress
from edgewise.metrics import MEASURED, METRICS, class_codes, measures, paired_error, row_losses, score
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.report.comparison import ModelResult
from edgewise.scaling import AffineScaling
from edgewise.search.validation import folds

try:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
except ImportError as error:  # pragma: no cover - the environment of the tests has it
    raise missing_extra("scikit-learn", "sklearn", "Comparing with other models") from error

# Settings are chosen by five folds up to this number of rows x outputs; above, by a single part of one seventh, which
# is certain enough and costs less.
FOLDS = 5
CHEAP = 2_000
HELD_BACK = 7
FEWEST_ROWS = 10  # with fewer nothing can be held back, and the first setting of each model is taken
RIDGE_STRENGTHS = tuple(10.0**k for k in range(-4, 5))  # strengths of ridge regression: where scores change
LOGISTIC = (0.01, 0.1, 1.0, 10.0, 100.0)  # inverse strengths of logistic regression: where scores change
ReportShare = Callable[[float], None]
"""Receives the share of one model's work that is done, from 0 to 1."""

# Names of the models, by their key and the task.
TITLES = {
    ("linear", "regression"): "linear regression",
    ("linear", "classification"): "logistic regression",
    ("boosting", "regression"): "gradient boosting",
    ("boosting", "classification"): "gradient boosting",
}
Settings = dict[str, float]


@dataclass(frozen=True)
class BaselineResult:
    """Result of one model on the test rows.

    Parameters
    ----------
    name : str
        Name of the model, as "linear".
    score : float
        R² or accuracy; NaN where the fit failed.
    metrics : dict
        All measures: r2, rmse and mae, or accuracy, balanced_accuracy and log_loss.
    parameters : int
        Learned numbers: coefficients and intercepts; for trees two per split (column, threshold) and one per leaf.
    seconds : float
        Wall time.
    settings : dict
        The chosen settings.
    error : float
        Standard error of the score from the choice of the test rows.
    notes : tuple of str
        Sentences on problems of the fit.
    prediction : ndarray of shape (N_test,), optional
        Predictions for the test rows.
    losses : ndarray of shape (N_test,), optional
        Of classes, the log loss of each test row.

    Examples
    --------
    >>> result = BaselineResult("linear", 0.9, {"R²": 0.9}, parameters=3, seconds=0.01, settings={}, error=0.02)
    >>> result.score, result.notes
    (0.9, ())
    """

    name: str
    score: float
    metrics: dict[str, float]
    parameters: int
    seconds: float
    settings: Settings
    error: float = math.nan
    notes: tuple[str, ...] = ()
    prediction: np.ndarray | None = field(default=None, compare=False, repr=False)
    losses: np.ndarray | None = field(default=None, compare=False, repr=False)

    def beside(self, observed: np.ndarray, prediction: np.ndarray, task: str) -> ModelResult:
        """Return the row of a comparison with a KAN, whose predictions of the same rows are given.

        Parameters
        ----------
        observed, prediction : ndarray of shape (N_test,)
            Targets of the test rows, and predictions of the KAN.
        task : str
            "regression" or "classification".

        Returns
        -------
        ModelResult
            With the standard error of the difference between both scores.
        """
        name = TITLES[self.name, task]
        if self.prediction is None:
            return ModelResult(name, None, remark="could not be fitted")
        gap = paired_error(MEASURED[task][0], observed, prediction, self.prediction)
        return ModelResult(name, self.score, self.parameters, self.seconds, self.error, gap_error=gap)


def iterate_baselines(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    task: str,
    seed: int = 0,
    learners: Mapping[str, Learner] | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[BaselineResult]:
    """Fit models to the training rows and score them on the test rows, one result at a time.

    "linear" is ridge or logistic regression, whose strength is chosen on rows held back from the training rows (five
    folds for small tables, one seventh for others); "boosting" is histogram gradient boosting with the settings of
    scikit-learn. Each receives standardised inputs. No choice uses the test rows.

    Parameters
    ----------
    X_train, X_test : array-like of shape (N, d)
        Numbers.
    y_train, y_test : array-like of shape (N,)
        Numbers, or labels of one type.
    task : str
        "regression" or "classification".
    seed : int
        Seed of the folds and of the models.
    learners : mapping of str to callable, optional
        Other models by their names: functions of a `SplitTable` and a callback for the share of the work that is done,
        which return the model, its number of parameters and its settings.
    progress : callable, optional
        Receives a `Progress` whose stage is the name of the model, with the share of that model's work.

    Yields
    ------
    BaselineResult
        A model that cannot be fitted has the score NaN and a note.

    Raises
    ------
    InputError
        If the task or the shapes are invalid.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> y = X @ [1.0, 2.0]
    >>> linear = next(iterate_baselines(X[:40], y[:40], X[40:], y[40:], task="regression"))
    >>> linear.name, linear.parameters, round(linear.score, 3)
    ('linear', 3, 1.0)
    """
    check_progress(progress)
    data = SplitTable.checked(X_train, y_train, X_test, y_test, task, seed)
    for name, learner in (LEARNERS if learners is None else learners).items():
        start = time.perf_counter()

        def report(share: float, name: str = name, start: float = start) -> None:
            if progress is not None:
                progress(Progress(name, share, seconds=time.perf_counter() - start))

        report(0.0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model, parameters, settings = learner(data, report)
                prediction, probabilities = data.predict_test(model)
                metrics = measures(task, data.y_test, prediction, probabilities, data.classes)
                error = score(MEASURED[task][0], data.y_test, prediction).error
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as failure:
                note = f"{name} could not be fitted: {' '.join(str(failure).split())[:200]}"
                yield BaselineResult(name, math.nan, {}, 0, time.perf_counter() - start, {}, notes=(note,))
                continue
        report(1.0)
        notes = sorted({f"{name}: {' '.join(str(one.message).split())[:200]}" for one in caught})
        value = metrics[MEASURED[task][0]]
        seconds = time.perf_counter() - start
        losses = None if probabilities is None else row_losses(data.y_test, probabilities, data.classes)
        found = name, value, metrics, parameters, seconds, settings, error, tuple(notes), prediction, losses
        yield BaselineResult(*found)


@dataclass(frozen=True)
class SplitTable:
    """Training and test rows of one split, with inputs standardised by the training rows."""

    task: str  # "regression" or "classification"
    seed: int
    X: np.ndarray  # (N, d)
    y: np.ndarray  # (N,), training targets: codes of the classes, or standardised numbers
    X_test: np.ndarray
    y_test: np.ndarray  # (N_test,), test targets as they came
    classes: np.ndarray  # (C,), labels in ascending order; empty for regression
    shift: float  # mean and standard deviation of the training targets
    scale: float

    @classmethod
    def checked(
        cls, X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, task: str, seed: int
    ) -> SplitTable:
        """Check the arguments of `iterate_baselines` and standardise them."""
        if not is_one_of(task, ("regression", "classification")):
            raise InputError(f"task must be 'regression' or 'classification', got {task!r:.40}")
        X = np.asarray(X, dtype=np.float64)
        X_test = np.asarray(X_test, dtype=np.float64)
        y = np.asarray(y)
        y_test = np.asarray(y_test)
        if X.ndim != 2 or X_test.shape[1:] != X.shape[1:] or y.shape != X.shape[:1] or y_test.shape != X_test.shape[:1]:
            raise InputError(
                "X and y must have shapes (N, d) and (N,) with the same d for training and test, "
                f"got {X.shape}, {y.shape} and {X_test.shape}, {y_test.shape}"
            )
        if min(len(X), len(X_test)) == 0:
            raise InputError(f"training and test must have at least one row each, got {len(X)} and {len(X_test)}")
        even = np.ones(len(X))
        with np.errstate(invalid="ignore"):  # models say what they cannot be fitted to
            scaling = AffineScaling.standard(X, even)
            inputs = scaling.transform(X)
            test_inputs = scaling.transform(X_test)
        if task == "classification":
            classes, codes = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise InputError(f"y must hold at least two classes, got {len(classes)}")
            return cls(task, seed, inputs, codes, test_inputs, y_test, classes, 0.0, 1.0)
        column = y.astype(np.float64)[:, None]
        target = AffineScaling.standard(column, even)
        targets = target.transform(column)[:, 0]
        mean = float(target.shift[0])
        return cls(task, seed, inputs, targets, test_inputs, y_test, np.empty(0), mean, float(target.scale[0]))

    @property
    def outputs(self) -> int:
        """Numbers that a model predicts for each row: one for each class, except that two classes need only one."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return pairs (rows to fit, rows to judge by); empty where there are too few rows.

        Every class is among the rows to fit.
        """
        if len(self.X) < FEWEST_ROWS:
            return []
        labels = self.y if self.task == "classification" else None
        if len(self.X) * self.outputs <= CHEAP:
            divided = folds(len(self.X), self.seed, labels=labels, parts=FOLDS)
        else:
            divided = folds(len(self.X), self.seed, labels=labels, parts=HELD_BACK)[:1]
        return [(fold.train, fold.held) for fold in divided]

    def loss(self, model: Any, rows: np.ndarray) -> float:
        """Return the mean squared error of the standardised target, or the log loss, of a model on training rows."""
        if self.task == "regression":
            return float(np.mean((model.predict(self.X[rows]) - self.y[rows]) ** 2))
        codes = class_codes(self.y[rows], model.classes_)
        return METRICS["log_loss"].evaluate(codes, model.predict_proba(self.X[rows]))[0]

    def predict_test(self, model: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions for the test rows in the user's labels or units, and probabilities of the classes."""
        if self.task == "regression":
            return model.predict(self.X_test) * self.scale + self.shift, None
        probabilities = model.predict_proba(self.X_test)
        return self.classes[probabilities.argmax(1)], probabilities


def fit_linear(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit ridge or logistic regression, its strength chosen on rows held back; return model, size and settings."""
    if data.task == "regression":
        candidates = [{"alpha": alpha} for alpha in RIDGE_STRENGTHS[4:] + RIDGE_STRENGTHS[:4]]
    else:
        candidates = [{"C": C} for C in sorted(LOGISTIC, key=lambda C: abs(math.log(C)))]

    def make(settings: Settings) -> Any:
        if data.task == "regression":
            return Ridge(**settings)
        return LogisticRegression(**settings, max_iter=1000)

    splits = data.splits()
    losses: list[float] = []
    for i, settings in enumerate(candidates if splits else ()):
        losses.append(0.0)
        for k, (fit, judge) in enumerate(splits):
            losses[-1] += data.loss(make(settings).fit(data.X[fit], data.y[fit]), judge)
            progress((i + (k + 1) / len(splits)) / (len(candidates) + 1))
    if losses:
        settings = candidates[int(np.argmin(losses))]
    else:
        settings = candidates[0]
    model = make(settings).fit(data.X, data.y)
    return model, int(np.size(model.coef_) + np.size(model.intercept_)), settings


def fit_boosting(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit histogram gradient boosting with the settings of scikit-learn."""
    if data.task == "regression":
        kind = HistGradientBoostingRegressor
    else:
        kind = HistGradientBoostingClassifier
    # Its early stopping of large tables stratifies its split and so fails on a class with one row.
    alone = data.task == "classification" and np.bincount(data.y).min() < 2
    model = kind(random_state=data.seed, early_stopping=False if alone else "auto").fit(data.X, data.y)
    return model, tree_numbers(model), {}


def tree_numbers(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> int:
    """Count the learned numbers of boosted trees: two for each split (column, threshold) and one for each leaf."""
    # There is no public way to count the nodes of its trees.
    leaves = [int(tree.nodes["is_leaf"].sum()) for trees in model._predictors for tree in trees]
    return sum(2 * (count - 1) + count for count in leaves)


Learner = Callable[[SplitTable, ReportShare], tuple[Any, int, Settings]]

LEARNERS: Mapping[str, Learner] = {"linear": fit_linear, "boosting": fit_boosting}

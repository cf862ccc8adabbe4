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

CHEAP = 2_000  # rows x outputs up to which settings are chosen by five folds; above, one part is certain enough
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
    """Result of one model on the test rows."""

    name: str  # as "linear"
    score: float  # R² or accuracy; NaN where the fit failed
    metrics: dict[str, float]  # r2, rmse and mae, or accuracy, balanced_accuracy and log_loss
    # free coefficients, intercepts among them; for trees two per split (column, threshold) and one per leaf
    parameters: int
    seconds: float  # wall time
    settings: Settings  # the chosen ones
    error: float = math.nan  # standard error of the score from the choice of the test rows
    notes: tuple[str, ...] = ()  # sentences on problems of the fit
    prediction: np.ndarray | None = field(default=None, compare=False, repr=False)  # (N_test,); None where it failed
    losses: np.ndarray | None = field(default=None, compare=False, repr=False)  # (N_test,), log losses of classes

    def beside(self, observed: np.ndarray, prediction: np.ndarray, task: str) -> ModelResult:
        """Return the row of a comparison with a KAN, whose predictions of the same rows (N_test,) are given."""
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
        With the attributes name, score (NaN where the fit failed), error (its standard error), metrics (a dict),
        parameters (a number), seconds, settings (the chosen ones), notes (sentences on problems), prediction and, of
        classes, losses.

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
    if learners is None:
        learners = LEARNERS
    for name, learner in learners.items():
        start = time.perf_counter()

        def report(share: float, name: str = name, start: float = start) -> None:
            if progress is not None:
                progress(Progress(name, share, seconds=time.perf_counter() - start))

        # Fit, predictions of the test rows and their measures; what fails gets a note, and the next model follows.
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
        losses = None
        if probabilities is not None:
            losses = row_losses(data.y_test, probabilities, data.classes)
        yield BaselineResult(
            name, value, metrics, parameters, seconds, settings, error, tuple(notes), prediction, losses
        )


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
        # Inputs, and a numeric target, to mean 0 and variance 1 on the training rows; classes to their codes.
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
        """Return pairs (rows to fit, with every class, and rows to judge by); none of fewer than ten rows."""
        if len(self.X) < 10:
            return []
        labels = self.y if self.task == "classification" else None
        if len(self.X) * self.outputs <= CHEAP:
            divided = folds(len(self.X), self.seed, labels=labels, parts=5)
        else:
            divided = folds(len(self.X), self.seed, labels=labels, parts=7)[:1]
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
        candidates = [{"alpha": 10.0**power} for power in (0, 1, 2, 3, 4, -4, -3, -2, -1)]
    else:
        candidates = [{"C": C} for C in (1.0, 0.1, 10.0, 0.01, 100.0)]

    def make(settings: Settings) -> Any:
        if data.task == "regression":
            return Ridge(**settings)
        return LogisticRegression(**settings, max_iter=1000)

    # The strength with the smallest held-out loss; the first, 1, where nothing can be held out.
    splits = data.splits()
    losses = np.zeros(len(candidates))
    for i, settings in enumerate(candidates):
        for k, (fit, judge) in enumerate(splits):
            losses[i] += data.loss(make(settings).fit(data.X[fit], data.y[fit]), judge)
            progress((i + (k + 1) / len(splits)) / (len(candidates) + 1))
    settings = candidates[int(np.argmin(losses))]
    model = make(settings).fit(data.X, data.y)
    count = np.size(model.coef_) + np.size(model.intercept_)
    if data.outputs > 1:  # one function added to all logits changes no probability
        count = count // data.outputs * (data.outputs - 1)
    return model, int(count), settings


def fit_boosting(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit histogram gradient boosting with the settings of scikit-learn."""
    if data.task == "regression":
        kind = HistGradientBoostingRegressor
    else:
        kind = HistGradientBoostingClassifier
    early: bool | str = "auto"
    if data.task == "classification" and np.bincount(data.y).min() < 2:
        early = False  # its early stopping of large tables stratifies the split and so fails on a class with one row
    model = kind(random_state=data.seed, early_stopping=early).fit(data.X, data.y)
    return model, tree_numbers(model), {}


def tree_numbers(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> int:
    """Count the learned numbers of boosted trees: two for each split (column, threshold) and one for each leaf."""
    # There is no public way to count the nodes of its trees.
    leaves = [int(tree.nodes["is_leaf"].sum()) for trees in model._predictors for tree in trees]
    return sum(2 * (count - 1) + count for count in leaves)


Learner = Callable[[SplitTable, ReportShare], tuple[Any, int, Settings]]

LEARNERS: Mapping[str, Learner] = {"linear": fit_linear, "boosting": fit_boosting}

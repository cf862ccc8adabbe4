"""A linear model, an MLP and gradient boosting, tuned and scored on the same split as a KAN."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.errors import InputError, missing_extra
from edgewise.outcomes import Progress, ProgressCallback

try:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler
except ImportError as error:  # pragma: no cover - the environment of the tests has it
    raise missing_extra("scikit-learn", "sklearn", "Comparing with other models") from error

# Rows x outputs up to which settings are chosen by five folds; above, one part of the rows says enough and costs less.
_FOLDS, _CHEAP, _HELD_BACK = 5, 2_000, 7
_FEWEST_ROWS = 10  # with fewer nothing can be held back, and the first setting of each model is taken
_RIDGE = tuple(10.0**k for k in range(-4, 5))
_LOGISTIC = (0.01, 0.1, 1.0, 10.0, 100.0)
_MLP = ({"alpha": 1e-4}, {"alpha": 1.0}, {"alpha": 10.0})
# Without the l2 term the trees of rare classes run away: on the knot table accuracy fell from 0.89 to 0.36 within 60
# rounds; with it, it still rose at 120.
_BOOSTING = ({"max_leaf_nodes": 15, "l2_regularization": 1.0}, {"max_leaf_nodes": 6, "l2_regularization": 1.0})
_EPOCHS, _STRIDE, _PATIENCE = 300, 5, 6
# Most rows that the MLP and boosting are tuned and fitted on: at 200,000 rows they took six minutes each.
_MOST_ROWS = 40_000
_ROUNDS, _ROUNDS_OF_MANY = 300, 150  # each round adds a tree per class if there are more than two


@dataclass(frozen=True)
class BaselineResult:
    """How a model did on the test rows.

    name: "linear", "MLP" or "boosting". score: R^2 or accuracy, NaN where the fit failed. metrics: all measures, see
    `measures`. parameters: learned numbers: coefficients and intercepts; for trees two per split (column, threshold)
    and one per leaf. seconds: wall time, tuning included. settings: those chosen. error: the score's
    standard error, from the choice of test rows. notes: sentences on what went wrong. prediction: of the test rows.
    """

    name: str
    score: float
    metrics: dict[str, float]
    parameters: int
    seconds: float
    settings: dict[str, float]
    error: float = math.nan
    notes: tuple[str, ...] = ()
    prediction: np.ndarray | None = field(default=None, compare=False, repr=False)


def measures(task: str, y: np.ndarray, prediction: np.ndarray, probabilities=None, classes=None) -> dict[str, float]:
    """What is measured on test rows; the first entry is the score.

    Regression: r2 (NaN where y is constant), rmse, mae in the unit of y. Classification: accuracy, and with
    probabilities (N, C) of `classes` (C,) also log_loss (nats; a probability counts as at least 1e-15).
    """
    y = np.asarray(y)
    if task == "classification":
        result = {"accuracy": float(np.mean(y == prediction))}
        if probabilities is not None:
            result["log_loss"] = _log_loss(y, np.asarray(probabilities), np.asarray(classes))
        return result
    error = y - prediction
    spread = float(np.mean((y - y.mean()) ** 2))
    squared = float(np.mean(error**2))
    r2 = 1 - squared / spread if spread > 0 else math.nan
    return {"r2": r2, "rmse": math.sqrt(squared), "mae": float(np.mean(np.abs(error)))}


def standard_error(task: str, y: np.ndarray, prediction: np.ndarray) -> float:
    """How much the score of `measures` would vary with other test rows, as a standard deviation; NaN for one row.

    The delta method: each row's influence on the score, and the deviation of the mean of independent influences.
    """
    influence = _influence(task, np.asarray(y), prediction)
    return float(influence.std() / math.sqrt(len(y))) if len(y) > 1 else math.nan


def paired_error(task: str, y: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """The standard error of the difference of two models' scores, predictions of the same rows: what both get right
    or wrong cancels."""
    gap = _influence(task, np.asarray(y), one) - _influence(task, np.asarray(y), other)
    return float(gap.std() / math.sqrt(len(y))) if len(y) > 1 else math.nan


def _influence(task: str, y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """How much each row moves the score, times the number of rows."""
    if task == "classification":
        return (y == prediction).astype(np.float64)
    squares, spread = (y - prediction) ** 2, (y - y.mean()) ** 2
    if not spread.any():
        return np.full(len(y), math.nan)
    return (squares.mean() / spread.mean() * spread - squares) / spread.mean()


def run_baselines(
    X_train,
    y_train,
    X_test,
    y_test,
    *,
    task: str,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> list[BaselineResult]:
    """Fit and score the three models; see `iterate_baselines`, of which this is the list."""
    return list(iterate_baselines(X_train, y_train, X_test, y_test, task=task, seed=seed, progress=progress))


def iterate_baselines(
    X_train,
    y_train,
    X_test,
    y_test,
    *,
    task: str,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Iterator[BaselineResult]:
    """Fit the three models on the training rows and score them on the test rows, one result at a time.

    Linear is ridge or logistic regression, MLP has two hidden layers of 64, boosting is histogram gradient boosting;
    each sees standardised inputs. Strength, number of epochs and of trees are chosen on rows held back from the
    training rows (five folds for small tables, one seventh for others), and the model is then fitted to all of them.
    No choice ever sees the test rows. Of more than 40,000 training rows MLP and boosting get so many, drawn at random
    (each class with its share); a note says so.

    Args:
        X_train, X_test: (N, d) numbers. y_train, y_test: (N,) numbers, or labels of any one type.
        task: "regression" or "classification".
        progress: receives a `Progress` whose stage is the name of the model, with the share of its own work.

    Raises:
        InputError: task or shapes are wrong. A model that cannot be fitted is no error: its score is NaN, with a note.
    """
    data = _Data.checked(X_train, y_train, X_test, y_test, task, seed)
    for name, learner in (("linear", _linear), ("MLP", _mlp), ("boosting", _boosting)):
        began = time.perf_counter()

        def report(share: float, name: str = name, began: float = began) -> None:
            if progress is not None:
                progress(Progress(name, share, seconds=time.perf_counter() - began))

        yield _one(name, learner, data, report)


@dataclass(frozen=True)
class _Data:
    """The split, inputs standardised by the training rows, y as class codes or standardised numbers."""

    task: str
    seed: int
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    classes: np.ndarray
    shift: float
    scale: float

    @classmethod
    def checked(cls, X, y, X_test, y_test, task: str, seed: int) -> _Data:
        if task not in ("regression", "classification"):
            raise InputError(f"task must be 'regression' or 'classification', got {task!r:.40}")
        X, X_test = np.asarray(X, dtype=np.float64), np.asarray(X_test, dtype=np.float64)
        y, y_test = np.asarray(y), np.asarray(y_test)
        if X.ndim != 2 or X_test.shape[1:] != X.shape[1:] or y.shape != X.shape[:1] or y_test.shape != X_test.shape[:1]:
            raise InputError(
                "X and y must have shapes (N, d) and (N,) with the same d for training and test, "
                f"got {X.shape}, {y.shape} and {X_test.shape}, {y_test.shape}"
            )
        if min(len(X), len(X_test)) == 0:
            raise InputError(f"training and test must have at least one row each, got {len(X)} and {len(X_test)}")
        with np.errstate(over="ignore", invalid="ignore"):
            scaler = StandardScaler().fit(X)
            X, X_test = scaler.transform(X), scaler.transform(X_test)
        if task == "classification":
            classes, codes = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise InputError(f"y must hold at least two classes, got {len(classes)}")
            return cls(task, seed, X, codes, X_test, y_test, classes, 0.0, 1.0)
        y = y.astype(np.float64)
        scale = float(y.std()) or 1.0
        return cls(task, seed, X, (y - y.mean()) / scale, X_test, y_test, np.empty(0), float(y.mean()), scale)

    @property
    def outputs(self) -> int:
        """Numbers a model gives per row: classes, of which two need only one."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def drawn(self, rows: int) -> _Data:
        """With that many of the training rows; a class keeps at least one."""
        generator = np.random.default_rng(self.seed)
        kept = generator.permutation(len(self.X))[:rows]
        if self.task == "classification":
            _, first = np.unique(self.y, return_index=True)
            kept = np.union1d(kept, first)
        kept = np.sort(kept)
        return replace(self, X=self.X[kept], y=self.y[kept])

    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(rows to fit, rows to judge by), each class among those to fit; empty where there are too few rows."""
        if len(self.X) < _FEWEST_ROWS:
            return []
        generator = np.random.default_rng(self.seed)
        cheap = len(self.X) * self.outputs <= _CHEAP
        folds = _FOLDS if cheap else _HELD_BACK
        fold = np.empty(len(self.y), dtype=np.int64)
        strata = self.y if self.task == "classification" else np.zeros(len(self.y))
        start = 0
        for value in np.unique(strata):
            rows = generator.permutation(np.flatnonzero(strata == value))
            # A class with one row is always among those to fit: no model can be judged by a class it never saw.
            fold[rows] = (start + np.arange(len(rows))) % folds if len(rows) > 1 else -1
            start += len(rows)
        used = range(folds) if cheap else range(1)
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in used if (fold == k).any()]


def _one(name: str, learner: Callable, data: _Data, progress: Callable[[float], None]) -> BaselineResult:
    """Tune, fit and score one model; what scikit-learn warns about becomes a note."""
    start = time.perf_counter()
    progress(0.0)
    told = []
    if name != "linear" and len(data.X) > _MOST_ROWS:
        told = [f"{name}: fitted to {_MOST_ROWS:,} of the {len(data.X):,} training rows, to bound its time."]
        data = data.drawn(_MOST_ROWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, parameters, settings = learner(data, progress)
            prediction, probabilities = _predict(model, data)
            metrics = measures(data.task, data.y_test, prediction, probabilities, data.classes)
            error = standard_error(data.task, data.y_test, prediction)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as failure:
            sentence = f"{name} could not be fitted: {' '.join(str(failure).split())[:200]}"
            return BaselineResult(name, math.nan, {}, 0, time.perf_counter() - start, {}, notes=(sentence,))
    progress(1.0)
    notes = told + sorted({f"{name}: {' '.join(str(one.message).split())[:200]}" for one in caught})
    score = next(iter(metrics.values()))
    return BaselineResult(
        name, score, metrics, parameters, time.perf_counter() - start, settings, error, tuple(notes), prediction
    )


def _predict(model, data: _Data) -> tuple[np.ndarray, np.ndarray | None]:
    """Predictions for the test rows in the user's labels or units, and probabilities of the classes."""
    if data.task == "regression":
        return model.predict(data.X_test) * data.scale + data.shift, None
    probabilities = model.predict_proba(data.X_test)
    return data.classes[probabilities.argmax(1)], probabilities


def _linear(data: _Data, progress: Callable[[float], None]) -> tuple:
    """Ridge or logistic regression, its strength chosen on rows held back."""
    if data.task == "regression":
        candidates = [{"alpha": alpha} for alpha in _RIDGE[4:] + _RIDGE[:4]]
    else:
        candidates = [{"C": C} for C in sorted(_LOGISTIC, key=lambda C: abs(math.log(C)))]

    def make(settings: dict):
        return Ridge(**settings) if data.task == "regression" else LogisticRegression(**settings, max_iter=1000)

    splits, losses = data.splits(), []
    for i, settings in enumerate(candidates if splits else ()):
        losses.append(0.0)
        for k, (fit, judge) in enumerate(splits):
            losses[-1] += _loss(make(settings).fit(data.X[fit], data.y[fit]), data, judge)
            progress((i + (k + 1) / len(splits)) / (len(candidates) + 1))
    settings = candidates[int(np.argmin(losses))] if losses else candidates[0]
    model = make(settings).fit(data.X, data.y)
    return model, int(np.size(model.coef_) + np.size(model.intercept_)), settings


def _mlp(data: _Data, progress: Callable[[float], None]) -> tuple:
    """An MLP with two hidden layers of 64; weight decay and epochs chosen on rows held back."""

    def start(settings: dict):
        # A RandomState that is shared by all epochs: with a number each epoch would shuffle alike.
        state = np.random.RandomState(data.seed)
        kind = MLPRegressor if data.task == "regression" else MLPClassifier
        return kind(hidden_layer_sizes=(64, 64), **settings, random_state=state)

    def more(model, rows: np.ndarray, count: int) -> None:
        extra = {} if data.task == "regression" else {"classes": np.arange(len(data.classes))}
        # Batches of one size, about: scikit-learn divides the decay by the rows of a batch, so one left-over row pulls
        # the weights as 200 do. On one fold of the knot table, 6,401 rows, that cost 7 points of accuracy.
        parts = max(1, round(len(rows) / (32 if len(data.X) <= _CHEAP else 200)))
        model.set_params(batch_size=math.ceil(len(rows) / parts))
        for _ in range(count):
            model.partial_fit(data.X[rows], data.y[rows], **extra)

    model, settings = _staged(data, _MLP, start, more, _EPOCHS, "epochs", progress)
    return model, sum(w.size for w in (*model.coefs_, *model.intercepts_)), settings


def _boosting(data: _Data, progress: Callable[[float], None]) -> tuple:
    """Histogram gradient boosting; size and number of trees chosen on rows held back."""

    def start(settings: dict):
        kind = HistGradientBoostingRegressor if data.task == "regression" else HistGradientBoostingClassifier
        # Its own early stopping stratifies its split and so fails on a class with one row; `_staged` stops it instead.
        return kind(**settings, early_stopping=False, warm_start=True, random_state=data.seed)

    def more(model, rows: np.ndarray, count: int) -> None:
        model.set_params(max_iter=getattr(model, "n_iter_", 0) + count)
        model.fit(data.X[rows], data.y[rows])

    most = _ROUNDS if data.outputs == 1 else _ROUNDS_OF_MANY
    model, settings = _staged(data, _BOOSTING, start, more, most, "rounds", progress)
    return model, tree_numbers(model), settings


def tree_numbers(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> int:
    """Learned numbers: two for each split (column, threshold) and one for each leaf."""
    # There is no public way to count the nodes of its trees.
    leaves = [int(tree.nodes["is_leaf"].sum()) for trees in model._predictors for tree in trees]
    return sum(2 * (count - 1) + count for count in leaves)


def _staged(
    data: _Data, candidates, start: Callable, more: Callable, most: int, unit: str, progress: Callable
) -> tuple:
    """Choose settings and length of training on rows held back, then train on all rows: (model, settings)."""
    splits, best = data.splits(), (math.inf, candidates[0], most // 3)
    planned = len(candidates) * most + most
    for i, settings in enumerate(candidates if splits else ()):
        models = [start(settings) for _ in splits]
        lowest, since = math.inf, 0
        for done in range(_STRIDE, most + 1, _STRIDE):
            loss = 0.0
            for model, (fit, judge) in zip(models, splits, strict=True):
                more(model, fit, _STRIDE)
                loss += _loss(model, data, judge) / len(splits)
            progress((i * most + done) / planned)
            best = min(best, (loss, settings, done), key=lambda choice: choice[0])
            lowest, since = (loss, 0) if loss < lowest else (lowest, since + 1)
            if since >= _PATIENCE:
                break
    _, settings, length = best
    model = start(settings)
    for done in range(0, length, _STRIDE):
        more(model, np.arange(len(data.X)), min(_STRIDE, length - done))
        progress((len(candidates) * most + done) / planned)
    return model, {**settings, unit: length}


def _loss(model, data: _Data, rows: np.ndarray) -> float:
    """Mean squared error of the standardised target, or log loss."""
    if data.task == "regression":
        return float(np.mean((model.predict(data.X[rows]) - data.y[rows]) ** 2))
    return _log_loss(data.y[rows], model.predict_proba(data.X[rows]), np.asarray(model.classes_))


def _log_loss(y: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> float:
    position = {label: i for i, label in enumerate(classes.tolist())}
    codes = np.array([position.get(label, -1) for label in y.tolist()])
    chosen = np.where(codes < 0, 0.0, probabilities[np.arange(len(codes)), codes])
    return float(-np.log(np.clip(chosen, 1e-15, 1.0)).mean())

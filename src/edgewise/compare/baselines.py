"""Baselines on the same split as a KAN: linear models, MLPs, gradient boosting and EBMs, fitted and scored."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import check_options
from edgewise.errors import InputError, missing_extra
from edgewise.outcomes import Progress, ProgressCallback, check_progress

try:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler
except ImportError as error:  # pragma: no cover - the environment of the tests has it
    raise missing_extra("scikit-learn", "sklearn", "Comparing with other models") from error

# Settings are chosen by five folds up to this number of rows x outputs; above, by a single part of one seventh, which
# is certain enough and costs less.
FOLDS, CHEAP, HELD_BACK = 5, 2_000, 7
FEWEST_ROWS = 10  # with fewer nothing can be held back, and the first setting of each model is taken
RIDGE_STRENGTHS = tuple(10.0**k for k in range(-4, 5))  # strengths of ridge regression: where scores change
LOGISTIC = (0.01, 0.1, 1.0, 10.0, 100.0)  # inverse strengths of logistic regression: where scores change
MLP_SETTINGS = ({"alpha": 1e-4}, {"alpha": 1.0}, {"alpha": 10.0})  # weight decay: scikit-learn's default, and more
# Without the l2 term the trees of rare classes diverge: on the knot table accuracy fell from 0.89 to 0.36 within 60
# rounds; with it, accuracy still rose at 120.
BOOSTING_SETTINGS = ({"max_leaf_nodes": 15, "l2_regularization": 1.0}, {"max_leaf_nodes": 6, "l2_regularization": 1.0})
# Most epochs of the MLP; epochs (or rounds) between two evaluations; evaluations without improvement that end the
# training of a setting.
EPOCHS, STRIDE, PATIENCE = 300, 5, 6
# Most rows that the MLP and boosting are tuned and fitted on: at 200,000 rows they took six minutes each.
MOST_TUNING_ROWS = 40_000
# Most rounds of boosting with one output, and with several, where each round adds a tree per class.
BOOSTING_ROUNDS, BOOSTING_ROUNDS_OF_MANY = 300, 150

# The sets of models to compare with. The quick one takes a second on a small table. An EBM is not in it: with its
# defaults it took 182 seconds of CPU for 320 rows without noise (interpret 0.7.8).
TUNED, QUICK = ("linear", "MLP", "boosting"), ("linear", "default boosting")
FULL = (*TUNED, "EBM")
# Wall seconds after which an EBM makes no further rounds: longer than it needs for most tables.
EBM_SECONDS = 120.0
# Work of the last training, on all rows, over that of a training without the rows that are held back, at most.
ALL_ROWS = FOLDS / (FOLDS - 1)

ReportShare = Callable[[float], None]
"""Receives the share of one model's work that is done, from 0 to 1."""

Settings = dict[str, float]


@dataclass(frozen=True)
class BaselineResult:
    """Result of one model on the test rows.

    Parameters
    ----------
    name : str
        "linear", "MLP", "boosting", "default boosting" or "EBM".
    score : float
        R² or accuracy; NaN where the fit failed.
    metrics : dict
        All measures, see `measures`.
    parameters : int
        Learned numbers: coefficients and intercepts; for trees two per split (column, threshold) and one per leaf.
    seconds : float
        Wall time, tuning included.
    settings : dict
        The chosen settings.
    error : float
        Standard error of the score from the choice of the test rows.
    notes : tuple of str
        Sentences on problems of the fit.
    prediction : ndarray of shape (N_test,), optional
        Predictions for the test rows.

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


class BaselineOptions(TypedDict, total=False):
    """Keyword options of `iterate_baselines`."""

    seed: int  # seed of the folds and of the models
    # the models in their order: `TUNED` (the default), `QUICK`, or `FULL`, the tuned ones and an EBM, which is left out
    # where the package interpret is not installed
    models: Sequence[str]
    # wall seconds for all models together. Each has an equal share of what is left when it begins, and starts no
    # further epoch or round after it; a note then mentions it
    time_limit: float | None


def iterate_baselines(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    task: str,
    progress: ProgressCallback | None = None,
    **options: Unpack[BaselineOptions],
) -> Iterator[BaselineResult]:
    """Fit models to the training rows and score them on the test rows, one result at a time.

    "linear" is ridge or logistic regression, "MLP" has two hidden layers of 64 nodes, "boosting" is histogram gradient
    boosting; each receives standardised inputs. Strength, number of epochs and number of trees are chosen on rows held
    back from the training rows (five folds for small tables, one seventh for others), and the model is then fitted to
    all of them. No choice uses the test rows. Of more than 40,000 training rows the MLP and boosting receive so many,
    drawn at random (each class with its share), with a note. "default boosting" has the settings of scikit-learn, and
    "EBM" is an explainable boosting machine with those of interpret, but for an end after two minutes.

    Parameters
    ----------
    X_train, X_test : array-like of shape (N, d)
        Numbers.
    y_train, y_test : array-like of shape (N,)
        Numbers, or labels of one type.
    task : str
        "regression" or "classification".
    progress : callable, optional
        Receives a `Progress` whose stage is the name of the model, with the share of that model's work.
    **options
        As of `BaselineOptions`.

    Yields
    ------
    BaselineResult
        A model that cannot be fitted has the score NaN and a note.

    Raises
    ------
    InputError
        If the task, the shapes or an option are invalid.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> y = X @ [1.0, 2.0]
    >>> linear = next(iterate_baselines(X[:40], y[:40], X[40:], y[40:], task="regression"))
    >>> linear.name, linear.parameters, round(linear.score, 3)
    ('linear', 3, 1.0)
    """
    check_options(iterate_baselines, options, BaselineOptions)
    seed, models, time_limit = options.get("seed", 0), options.get("models", TUNED), options.get("time_limit")
    check_progress(progress)
    whole = SplitTable.checked(X_train, y_train, X_test, y_test, task, seed)
    end = time.perf_counter() + (math.inf if time_limit is None else time_limit)
    for number, name in enumerate(models):
        if name not in LEARNERS:
            raise InputError(f"models must be some of {', '.join(LEARNERS)}, got {name!r:.40}")
        if name == "EBM" and find_spec("interpret") is None:
            continue
        learner = LEARNERS[name]
        start, notes = time.perf_counter(), []
        data = replace(whole, deadline=start + (end - start) / (len(models) - number))

        def report(share: float, name: str = name, start: float = start) -> None:
            if progress is not None:
                progress(Progress(name, share, seconds=time.perf_counter() - start))

        report(0.0)
        if name in ("MLP", "boosting", "EBM") and len(data.X) > MOST_TUNING_ROWS:
            rows = f"{MOST_TUNING_ROWS:,} of the {len(data.X):,} training rows"
            notes.append(f"{name}: fitted to {rows}, to bound its time.")
            data = data.drawn(MOST_TUNING_ROWS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model, parameters, settings = learner(data, report)
                prediction, probabilities = data.predict_test(model)
                metrics = measures(task, data.y_test, prediction, probabilities, data.classes)
                error = standard_error(task, data.y_test, prediction)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as failure:
                note = f"{name} could not be fitted: {' '.join(str(failure).split())[:200]}"
                yield BaselineResult(name, math.nan, {}, 0, time.perf_counter() - start, {}, notes=(note,))
                continue
        report(1.0)
        notes += sorted({f"{name}: {' '.join(str(one.message).split())[:200]}" for one in caught})
        score, seconds = next(iter(metrics.values())), time.perf_counter() - start
        yield BaselineResult(name, score, metrics, parameters, seconds, settings, error, tuple(notes), prediction)


def measures(
    task: str,
    y: ArrayLike,
    prediction: np.ndarray,
    probabilities: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> dict[str, float]:
    """Measure predictions of test rows; the first entry is the score.

    Parameters
    ----------
    task : str
        "regression" or "classification".
    y : array-like of shape (N,)
        Numbers or labels.
    prediction : ndarray of shape (N,)
        Predicted numbers or labels.
    probabilities : array-like of shape (N, C), optional
        Probabilities of the classes.
    classes : array-like of shape (C,), optional
        Labels of the columns of `probabilities`.

    Returns
    -------
    dict
        Regression: r2 (NaN where y is constant), and rmse and mae in the unit of y. Classification: accuracy,
        balanced_accuracy, the mean of the recalls of the classes, and with probabilities log_loss in nats, where a
        probability counts as at least 1e-15.

    Examples
    --------
    >>> measures("classification", ["a", "b"], np.array(["a", "a"]))
    {'accuracy': 0.5, 'balanced_accuracy': 0.5}
    """
    y = np.asarray(y)
    if task == "classification":
        right = y == prediction
        recalls = [float(right[y == label].mean()) for label in np.unique(y)]
        result = {"accuracy": float(right.mean()), "balanced_accuracy": float(np.mean(recalls))}
        if probabilities is not None:
            result["log_loss"] = _log_loss(y, np.asarray(probabilities), np.asarray(classes))
        return result
    error = y - prediction
    spread = float(np.mean((y - y.mean()) ** 2))
    squared = float(np.mean(error**2))
    r2 = 1 - squared / spread if spread > 0 else math.nan
    return {"r2": r2, "rmse": math.sqrt(squared), "mae": float(np.mean(np.abs(error)))}


def standard_error(task: str, y: ArrayLike, prediction: np.ndarray) -> float:
    """Return the standard error of the score of `measures` from the choice of the test rows; NaN for one row.

    This is the delta method: the standard error of the mean of the rows' influences on the score.

    Examples
    --------
    >>> standard_error("classification", ["a", "b", "a", "b"], np.array(["a", "a", "a", "a"]))
    0.25
    """
    influence = _influence(task, np.asarray(y), prediction)
    return float(influence.std() / math.sqrt(len(influence))) if len(influence) > 1 else math.nan


def paired_error(task: str, y: ArrayLike, one: np.ndarray, other: np.ndarray) -> float:
    """Return the standard error of the difference of two models' scores on the same rows.

    It is smaller than that of either score where the models err on the same rows.

    Examples
    --------
    >>> truth, one, other = np.array([1, 0, 1, 0]), np.array([1, 0, 1, 1]), np.array([1, 0, 0, 1])
    >>> round(paired_error("classification", truth, one, other), 3)
    0.217
    """
    gap = _influence(task, np.asarray(y), one) - _influence(task, np.asarray(y), other)
    return float(gap.std() / math.sqrt(len(gap))) if len(gap) > 1 else math.nan


def _influence(task: str, y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Influence of each row on the score, times the number of rows."""
    if task == "classification":
        return (y == prediction).astype(np.float64)
    squares, spread = (y - prediction) ** 2, (y - y.mean()) ** 2
    if not spread.any():
        return np.full(len(y), math.nan)
    return (squares.mean() / spread.mean() * spread - squares) / spread.mean()


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
    deadline: float = math.inf  # moment of `time.perf_counter` after which a learner begins no further step

    @classmethod
    def checked(
        cls, X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, task: str, seed: int
    ) -> SplitTable:
        """Check the arguments of `iterate_baselines` and standardise them."""
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
            inputs, test_inputs = scaler.transform(X), scaler.transform(X_test)
        if task == "classification":
            classes, codes = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise InputError(f"y must hold at least two classes, got {len(classes)}")
            return cls(task, seed, inputs, codes, test_inputs, y_test, classes, 0.0, 1.0)
        y = y.astype(np.float64)
        scale = float(y.std()) or 1.0
        targets = (y - y.mean()) / scale
        return cls(task, seed, inputs, targets, test_inputs, y_test, np.empty(0), float(y.mean()), scale)

    @property
    def is_late(self) -> bool:
        """True once the time of the learner is over."""
        return time.perf_counter() > self.deadline

    @property
    def outputs(self) -> int:
        """Numbers that a model predicts for each row: one for each class, except that two classes need only one."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def drawn(self, rows: int) -> SplitTable:
        """Return the table with that many of the training rows; a class keeps at least one."""
        generator = np.random.default_rng(self.seed)
        kept = generator.permutation(len(self.X))[:rows]
        if self.task == "classification":
            _, first = np.unique(self.y, return_index=True)
            kept = np.union1d(kept, first)
        kept = np.sort(kept)
        return replace(self, X=self.X[kept], y=self.y[kept])

    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return pairs (rows to fit, rows to judge by); empty where there are too few rows.

        Every class is among the rows to fit.
        """
        if len(self.X) < FEWEST_ROWS:
            return []
        generator = np.random.default_rng(self.seed)
        cheap = len(self.X) * self.outputs <= CHEAP
        folds = FOLDS if cheap else HELD_BACK
        fold = np.empty(len(self.y), dtype=np.int64)
        strata = self.y if self.task == "classification" else np.zeros(len(self.y))
        start = 0
        for value in np.unique(strata):
            rows = generator.permutation(np.flatnonzero(strata == value))
            # A class with one row is always among those to fit: no model can predict a class that it never saw. This
            # is why StratifiedKFold of scikit-learn is not used.
            fold[rows] = (start + np.arange(len(rows))) % folds if len(rows) > 1 else -1
            start += len(rows)
        used = range(folds) if cheap else range(1)
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in used if (fold == k).any()]

    def loss(self, model: Any, rows: np.ndarray) -> float:
        """Return the mean squared error of the standardised target, or the log loss, of a model on training rows."""
        if self.task == "regression":
            return float(np.mean((model.predict(self.X[rows]) - self.y[rows]) ** 2))
        return _log_loss(self.y[rows], model.predict_proba(self.X[rows]), np.asarray(model.classes_))

    def predict_test(self, model: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions for the test rows in the user's labels or units, and probabilities of the classes."""
        if self.task == "regression":
            return model.predict(self.X_test) * self.scale + self.shift, None
        probabilities = model.predict_proba(self.X_test)
        return self.classes[probabilities.argmax(1)], probabilities


def _log_loss(y: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Log loss where labels may be missing among `classes`, which `sklearn.metrics.log_loss` refuses."""
    position = {label: i for i, label in enumerate(classes.tolist())}
    codes = np.array([position.get(label, -1) for label in y.tolist()])
    chosen = np.where(codes < 0, 0.0, probabilities[np.arange(len(codes)), codes])
    return float(-np.log(np.clip(chosen, 1e-15, 1.0)).mean())


def fit_linear(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit ridge or logistic regression, its strength chosen on rows held back; return model, size and settings."""
    if data.task == "regression":
        candidates = [{"alpha": alpha} for alpha in RIDGE_STRENGTHS[4:] + RIDGE_STRENGTHS[:4]]
    else:
        candidates = [{"C": C} for C in sorted(LOGISTIC, key=lambda C: abs(math.log(C)))]

    def make(settings: Settings) -> Any:
        return Ridge(**settings) if data.task == "regression" else LogisticRegression(**settings, max_iter=1000)

    splits = data.splits()
    losses: list[float] = []
    for i, settings in enumerate(candidates if splits else ()):
        if losses and data.is_late:
            break
        losses.append(0.0)
        for k, (fit, judge) in enumerate(splits):
            losses[-1] += data.loss(make(settings).fit(data.X[fit], data.y[fit]), judge)
            progress((i + (k + 1) / len(splits)) / (len(candidates) + 1))
    settings = candidates[int(np.argmin(losses))] if losses else candidates[0]
    model = make(settings).fit(data.X, data.y)
    return model, int(np.size(model.coef_) + np.size(model.intercept_)), settings


def fit_mlp(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit an MLP with two hidden layers of 64 nodes, with weight decay and epochs chosen on rows held back."""

    def start(settings: Settings) -> Any:
        # A RandomState that is shared by all epochs: with a number each epoch would shuffle alike.
        state = np.random.RandomState(data.seed)
        kind = MLPRegressor if data.task == "regression" else MLPClassifier
        return kind(hidden_layer_sizes=(64, 64), **settings, random_state=state)

    def train(model: Any, rows: np.ndarray, count: int) -> None:
        extra = {} if data.task == "regression" else {"classes": np.arange(len(data.classes))}
        # Batches of one size, about: scikit-learn divides the decay by the rows of a batch, so one left-over row pulls
        # the weights as 200 do. On one fold of the knot table, 6,401 rows, that cost 7 points of accuracy.
        parts = max(1, round(len(rows) / (32 if len(data.X) <= CHEAP else 200)))
        model.set_params(batch_size=math.ceil(len(rows) / parts))
        with warnings.catch_warnings():
            # scikit-learn ends an epoch at Ctrl-C with this warning, and the comparison would go on.
            warnings.filterwarnings("error", message="Training interrupted by user")
            try:
                for _ in range(count):
                    model.partial_fit(data.X[rows], data.y[rows], **extra)
            except UserWarning as swallowed:
                raise KeyboardInterrupt from swallowed

    model, settings = _tuned(data, MLP_SETTINGS, start, train, (EPOCHS, "epochs"), progress)
    return model, sum(w.size for w in (*model.coefs_, *model.intercepts_)), settings


def fit_boosting(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit histogram gradient boosting, with size and number of trees chosen on rows held back."""

    def start(settings: Settings) -> Any:
        kind = HistGradientBoostingRegressor if data.task == "regression" else HistGradientBoostingClassifier
        # Its own early stopping stratifies its split and so fails on a class with one row; `_tuned` stops it instead.
        return kind(**settings, early_stopping=False, warm_start=True, random_state=data.seed)

    def train(model: Any, rows: np.ndarray, count: int) -> None:
        model.set_params(max_iter=getattr(model, "n_iter_", 0) + count)
        model.fit(data.X[rows], data.y[rows])

    most = BOOSTING_ROUNDS if data.outputs == 1 else BOOSTING_ROUNDS_OF_MANY
    model, settings = _tuned(data, BOOSTING_SETTINGS, start, train, (most, "rounds"), progress)
    return model, tree_numbers(model), settings


def fit_default_boosting(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit histogram gradient boosting with the settings of scikit-learn."""
    kind = HistGradientBoostingRegressor if data.task == "regression" else HistGradientBoostingClassifier
    # Its early stopping of large tables stratifies its split and so fails on a class with one row.
    alone = data.task == "classification" and np.bincount(data.y).min() < 2
    model = kind(random_state=data.seed, early_stopping=False if alone else "auto").fit(data.X, data.y)
    return model, tree_numbers(model), {}


def fit_ebm(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit an explainable boosting machine with the settings of interpret, for at most `EBM_SECONDS`."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    start, stopped = time.perf_counter(), []
    seconds = min(EBM_SECONDS, data.deadline - start)

    def is_over(*_: object) -> bool:
        if time.perf_counter() - start > seconds:
            stopped.append(True)
        return bool(stopped)

    kind = ExplainableBoostingRegressor if data.task == "regression" else ExplainableBoostingClassifier
    # In this process, since others would take longer to start than such a fit lasts, and Ctrl-C might not reach them.
    model = kind(random_state=data.seed, n_jobs=1, callback=is_over)
    model.fit(data.X, data.y)
    if stopped:
        warnings.warn(f"stopped after {seconds:.3g} seconds, before its own end", stacklevel=2)
    return model, sum(scores.size for scores in model.term_scores_), {}


def tree_numbers(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> int:
    """Count the learned numbers of boosted trees: two for each split (column, threshold) and one for each leaf."""
    # There is no public way to count the nodes of its trees.
    leaves = [int(tree.nodes["is_leaf"].sum()) for trees in model._predictors for tree in trees]
    return sum(2 * (count - 1) + count for count in leaves)


LEARNERS: dict[str, Callable[[SplitTable, ReportShare], tuple[Any, int, Settings]]] = {
    "linear": fit_linear,
    "MLP": fit_mlp,
    "boosting": fit_boosting,
    "default boosting": fit_default_boosting,
    "EBM": fit_ebm,
}


def _tuned(
    data: SplitTable,
    candidates: Sequence[Settings],
    start: Callable[[Settings], Any],
    train: Callable[[Any, np.ndarray, int], None],
    length: tuple[int, str],
    progress: ReportShare,
) -> tuple[Any, Settings]:
    """Choose settings and length of training on rows held back, then train on all rows.

    `length` is the largest number of epochs or rounds, and its name. The early stopping of scikit-learn is not used: it
    holds back rows of its own for each model, while here the settings and the length are chosen on the same folds.
    With a time limit one fold is held back, every setting has the same time, and the last training what it then needs.
    """
    most, unit = length
    choosing = (now := time.perf_counter()) + len(candidates) / (len(candidates) + ALL_ROWS) * (data.deadline - now)
    splits, best = data.splits(), (math.inf, candidates[0], most // 3)
    splits = splits if math.isinf(data.deadline) else splits[:1]
    planned = len(candidates) * most + most
    for i, settings in enumerate(candidates if splits else ()):
        now = time.perf_counter()
        if i and now > choosing:
            break
        end = now + (choosing - now) / (len(candidates) - i)
        models = [start(settings) for _ in splits]
        lowest, since = math.inf, 0
        for done in range(STRIDE, most + 1, STRIDE):
            loss = 0.0
            for model, (fit, judge) in zip(models, splits, strict=True):
                train(model, fit, STRIDE)
                loss += data.loss(model, judge) / len(splits)
            progress((i * most + done) / planned)
            best = min(best, (loss, settings, done), key=lambda choice: choice[0])
            lowest, since = (loss, 0) if loss < lowest else (lowest, since + 1)
            if since >= PATIENCE or time.perf_counter() > end:
                break
    _, settings, chosen = best
    model = start(settings)
    for done in range(0, chosen, STRIDE):
        if done and data.is_late:
            chosen = done
            break
        train(model, np.arange(len(data.X)), min(STRIDE, chosen - done))
        progress((len(candidates) * most + done) / planned)
    if data.is_late:
        warnings.warn(f"ended by the time limit, after {chosen} {unit}", stacklevel=2)
    return model, {**settings, unit: chosen}

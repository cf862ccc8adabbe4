"""Scores of predictions: `METRICS` has each by its name, `score` gives its value with a standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from edgewise.errors import InputError

WILSON = 2.0  # z of Wilson's interval, about 95 %


@dataclass(frozen=True)
class Score:
    """The value of a metric on some rows, and its standard error from the choice of these rows."""

    name: str  # as readers know it, "R²" or "log loss"
    value: float  # NaN where it is not defined
    error: float  # NaN where it is not known
    higher_is_better: bool = True


class Evaluation(Protocol):
    """A metric of observed and predicted targets (N, ...), of rows with weights (N,) or of equal ones."""

    def __call__(
        self, observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None, /
    ) -> tuple[float, np.ndarray | None]:
        """Return the value and the influences."""


class Metric(NamedTuple):
    """A metric with its name, its direction, and a function of observed and predicted targets (N, ...) and weights."""

    name: str
    higher_is_better: bool
    # the value, and the influence of each row on it times the number of rows, (N,); None where that is not known
    evaluate: Evaluation
    is_share: bool = False  # shown in per cent
    is_proportion: bool = False  # a mean of rows that are right (1) or wrong (0)
    of: str = ""  # "regression" or "classification": kind of target that is measured by it wherever predictions are
    of_classes: bool = False  # the mean over the classes of their own proportions

    def score(self, observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> Score:
        """Return the metric of rows with the standard error that their choice gives it, by the delta method."""
        value, influence = self.evaluate(observed, predicted, weight)
        error = standard_error(influence)
        if self.is_proportion and math.isfinite(error):
            error = _wilson_error(observed, predicted, weight, of_classes=self.of_classes)
        return Score(self.name, value, error, self.higher_is_better)


def _wilson_error(observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None, *, of_classes: bool) -> float:
    """Return the standard error of the share of right labels (N,), or of the mean of such shares of the classes."""
    # Half of half the width of Wilson's interval (E. B. Wilson, "Probable inference, the law of succession, and
    # statistical inference", Journal of the American Statistical Association 22 (1927), 209-212): a few rows that are
    # all right do not make a share certain. Rows with weights count as Kish's number of equal ones.
    right = (observed == predicted).astype(np.float64)
    if weight is None:
        weight = np.ones(len(right))
    place = np.zeros(len(right), dtype=np.int64)
    if of_classes:
        place = np.unique(observed, return_inverse=True)[1]
    total = np.bincount(place, weight)
    rows = total**2 / np.bincount(place, weight**2)
    share = np.bincount(place, right * weight) / total
    errors = np.sqrt(rows * share * (1 - share) + WILSON**2 / 4) / (rows + WILSON**2)
    return float(np.sqrt((errors**2).sum()) / len(errors))


def wilson_interval(share: float, error: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval of about 95 % for a proportion with the error that `Metric.score` gives."""
    # The number of rows solves error² (n + z²)² = n p (1 - p) + z²/4, a quadratic equation for m = n + z².
    half = WILSON**2 / 2
    spread = share * (1 - share)
    m = (spread + math.sqrt(spread**2 + 4 * error**2 * (half / 2 - 2 * half * spread))) / (2 * error**2)
    centre = share + half * (1 - 2 * share) / m
    return max(centre - WILSON * error, 0.0), min(centre + WILSON * error, 1.0)


def r_squared(squared_error: Any, variance: Any) -> Any:
    """Return the share of the variance of a target that is explained; 1 or 0, met or not, of a constant target."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = 1 - np.divide(squared_error, variance)
    return np.where(np.greater(variance, 0), share, np.equal(squared_error, 0).astype(np.float64))[()]


def explained(observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return R² as estimators of scikit-learn do: the mean over several targets, 1 or 0, met or not, of a constant."""
    if len(observed) < 2:
        return math.nan
    observed, predicted = in_unit(*_columns(observed, predicted))
    error = _mean((observed - predicted) ** 2, weight)
    variance = _mean((observed - _mean(observed, weight)) ** 2, weight)
    return float(np.mean(r_squared(error, variance)))


def _r2(observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """R² of numbers, the mean over several targets; NaN where one is constant."""
    # The influence of a row on a ratio of means (A. van der Vaart, Asymptotic Statistics, Cambridge 1998, chapter 3).
    observed, predicted = in_unit(*_columns(observed, predicted))
    squares = (observed - predicted) ** 2
    spread = (observed - _mean(observed, weight)) ** 2
    variance = _mean(spread, weight)
    if not (variance > 0).all():
        return math.nan, np.full(len(observed), math.nan)
    error = _mean(squares, weight)
    influence = (error / variance * spread - squares) / variance
    return float(np.mean(1 - error / variance)), _weighted(influence.mean(1), weight)


def _rmse(observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """The root mean square error, in the unit of the target."""
    observed, predicted = _columns(observed, predicted)
    difference = observed - predicted
    exponent = _exponent(difference)
    squares = (np.ldexp(difference, -exponent) ** 2).mean(1)
    value = math.sqrt(float(_mean(squares, weight)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return math.ldexp(value, exponent), _weighted(np.ldexp(squares / (2 * value), exponent), weight)


def _mae(observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """The mean absolute error, in the unit of the target."""
    observed, predicted = _columns(observed, predicted)
    sizes = np.abs(observed - predicted).mean(1)
    return float(_mean(sizes, weight)), _weighted(sizes, weight)


def _accuracy(
    observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The share of rows whose label is predicted."""
    right = (observed == predicted).astype(np.float64)
    return float(_mean(right, weight)), _weighted(right, weight)


def _balanced_accuracy(
    observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean of the recalls of the classes."""
    labels, codes = np.unique(observed, return_inverse=True)
    if weight is None:
        weight = np.ones(len(codes))
    counts = np.bincount(codes, weight)
    right = (observed == predicted).astype(np.float64)
    recall = np.bincount(codes, right * weight) / counts
    influence = (right - recall[codes]) * (weight.sum() / (len(labels) * counts))[codes]
    return float(recall.mean()), _weighted(influence, weight)


def _log_loss(
    observed: np.ndarray, probabilities: np.ndarray, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean of -log p of the observed class, in nats; observed are columns of `probabilities`, or -1."""
    chosen = np.where(observed < 0, 0.0, probabilities[np.arange(len(observed)), observed])
    losses = -np.log(np.clip(chosen, 1e-15, 1.0))  # a wrong certainty has a finite log loss
    return float(_mean(losses, weight)), _weighted(losses, weight)


def _concordance(observed: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, None]:
    """Harrell's index of risk scores (N,) with times and events (N, 2), see `concordance_index`."""
    assert weight is None, "the index is of rows of equal weight"
    return concordance_index(observed[:, 1] > 0, observed[:, 0], risk), None


def _mean(values: np.ndarray, weight: np.ndarray | None) -> Any:
    """Return the weighted mean over the rows of values (N, ...)."""
    return np.average(values, axis=0, weights=weight)


def _weighted(influence: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Return the influences (N,) of rows with weights, from those of equal ones."""
    if weight is None:
        return influence
    return influence * weight / weight.mean()


METRICS: dict[str, Metric] = {
    "r2": Metric("R²", True, _r2, of="regression"),
    "rmse": Metric("root mean square error", False, _rmse, of="regression"),
    "mae": Metric("mean absolute error", False, _mae, of="regression"),
    "accuracy": Metric("accuracy", True, _accuracy, is_share=True, is_proportion=True, of="classification"),
    "balanced_accuracy": Metric("balanced accuracy", True, _balanced_accuracy, True, True, "classification", True),
    "log_loss": Metric("log loss", False, _log_loss),
    "concordance": Metric("concordance", True, _concordance),
}
"""Metrics by the names that they have in metrics.json."""
# Metrics of each kind of target, the score first; `log_loss` joins them where probabilities are known.
MEASURED = {
    kind: tuple(name for name, metric in METRICS.items() if metric.of == kind)
    for kind in ("regression", "classification")
}


def score(metric: str, observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None) -> Score:
    """Return a metric of rows with the standard error that their choice gives it, by the delta method."""
    return METRICS[metric].score(observed, predicted, weight)


def paired_error(metric: str, observed: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return the standard error of the difference of two models' scores on the same rows.

    It is smaller than that of either score where the models err on the same rows.
    """
    evaluate = METRICS[metric].evaluate
    first = evaluate(observed, one)[1]
    second = evaluate(observed, other)[1]
    if first is None or second is None:
        return math.nan
    return standard_error(first - second)


def measures(
    task: str,
    observed: ArrayLike,
    predicted: np.ndarray,
    probabilities: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> dict[str, float]:
    """Return the metrics of "regression" or "classification", the score first; the log loss of `probabilities` last.

    Shapes: observed and predicted (N,), probabilities (N, C), classes (C,).
    """
    observed = np.asarray(observed)
    values = {metric: METRICS[metric].evaluate(observed, predicted)[0] for metric in MEASURED[task]}
    if probabilities is not None:
        codes = class_codes(observed, np.asarray(classes))
        values["log_loss"] = _log_loss(codes, np.asarray(probabilities))[0]
    return values


def row_losses(observed: ArrayLike, probabilities: ArrayLike, classes: ArrayLike) -> np.ndarray:
    """Return -log p of the class of each row, (N,), whose mean is the log loss; shapes as in `measures`."""
    return _log_loss(class_codes(np.asarray(observed), np.asarray(classes)), np.asarray(probabilities))[1]


class RunningMeasures:
    """The metrics of `measures` for rows that come part by part: of numbers, or of labels where there are classes."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.count = 0
        self._shift = 0.0  # the mean of the first part, so that squares keep their digits
        self._exponent = -1074  # the sums are in the unit 2^exponent, in which no square overflows
        self._sums = np.zeros(4)  # of y - shift, its square, squared and absolute errors
        self._counts: dict[Any, np.ndarray] = {}  # by label: rows, and those that are predicted

    def add(self, observed: np.ndarray, predicted: np.ndarray) -> None:
        """Take the rows of a part into account: targets and predictions (N,)."""
        if self.task == "classification":
            for label in np.unique(observed).tolist():
                chosen = predicted[observed == label]
                counts = np.array([len(chosen), np.count_nonzero(chosen == label)])
                self._counts[label] = self._counts.get(label, 0) + counts
        else:
            if not self.count:
                self._shift = float(observed.mean())
            # The sums in the unit of the largest number so far.
            exponent = max(self._exponent, _exponent(observed), _exponent(predicted))
            self._sums = np.ldexp(self._sums, np.array([1, 2, 2, 1]) * (self._exponent - exponent))
            self._exponent = exponent
            moved = np.ldexp(observed - self._shift, -exponent)
            error = np.ldexp(observed - predicted, -exponent)
            self._sums += [moved.sum(), (moved**2).sum(), (error**2).sum(), np.abs(error).sum()]
        self.count += len(observed)

    def measures(self) -> dict[str, float]:
        """Return the metrics of all rows so far, the score first; none before there are rows."""
        if not self.count:
            return {}
        if self.task == "classification":
            counts = np.array(list(self._counts.values()))
            accuracy = counts[:, 1].sum() / self.count
            return {"accuracy": float(accuracy), "balanced_accuracy": float((counts[:, 1] / counts[:, 0]).mean())}
        mean, square, squared, absolute = (self._sums / self.count).tolist()
        variance = square - mean**2
        r2 = math.nan
        if variance > 0:
            r2 = 1 - squared / variance
        unit = self._exponent
        return {"r2": r2, "rmse": math.ldexp(math.sqrt(squared), unit), "mae": math.ldexp(absolute, unit)}


def class_codes(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the place of each label among the classes, (N,); -1 for one that is no class of them."""
    place = {label: number for number, label in enumerate(classes.tolist())}
    return np.array([place.get(label, -1) for label in labels.tolist()], dtype=np.int64)


def standard_error(influence: np.ndarray | None) -> float:
    """Return the standard error of a mean of influences (N,); NaN for one row, or where they are not known."""
    if influence is None or len(influence) < 2:
        return math.nan
    exponent = _exponent(influence)  # of a unit in which no square overflows
    return float(np.ldexp(np.ldexp(influence, -exponent).std() / math.sqrt(len(influence)), exponent))


def _columns(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers (N,) or (N, out) as (N, out)."""
    observed, predicted = (np.asarray(values, dtype=np.float64) for values in (observed, predicted))
    if len(observed) != len(predicted) or observed.size != predicted.size:
        raise InputError(f"y must have the shape of the predictions, {predicted.shape}, got {observed.shape}")
    return observed.reshape(len(observed), -1), predicted.reshape(len(predicted), -1)


def in_unit(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of any shape in the unit of the largest observed one, in which no square overflows or vanishes."""
    exponent = _exponent(observed)
    with np.errstate(over="ignore"):
        predicted = np.ldexp(predicted, -exponent)
    return np.ldexp(observed, -exponent), np.clip(predicted, -1e150, 1e150)  # whose squares are finite


def _exponent(numbers: np.ndarray) -> int:
    """Return the power of two just above the largest number."""
    return int(np.frexp(np.abs(numbers).max(initial=0.0))[1])


# Censored times


def concordance_index(event: np.ndarray, time: np.ndarray, risk: np.ndarray) -> float:
    """Share of the comparable pairs of rows in which the row with the earlier event has the higher risk score [1]."""
    # Two rows are comparable if the earlier time is that of an event, or if the times are equal and one is an event and
    # the other censored. Pairs with equal risk scores count half, so that 0.5 is the value of scores without
    # information. All arrays are (N,); InputError where no two rows are comparable.
    # [1] F. E. Harrell, K. L. Lee and D. B. Mark, "Multivariable prognostic models", Statistics in Medicine 15 (1996),
    # 361-387.
    # Risk scores that differ by no more than 1e-8 are equal, as in scikit-survival.
    levels = np.cumsum(np.r_[False, np.diff(np.sort(risk)) > 1e-8])
    rank = np.empty(len(risk), dtype=np.int64)
    rank[np.argsort(risk, kind="stable")] = levels
    # Events come before censored rows of the same time, so that a row is comparable with all later ones, but for
    # events of its own time. These have ascending ranks, so none of them looks concordant.
    order = np.lexsort((rank, ~event, time))
    event = event[order]
    time = time[order]
    rank = rank[order]
    lower, equal = _later(rank, event)
    comparable = float((event * np.arange(len(event))[::-1]).sum())
    _, same_time = np.unique(time[event], return_counts=True)
    _, same_both = np.unique(np.column_stack([time[event], rank[event]]), axis=0, return_counts=True)
    comparable -= float((same_time * (same_time - 1) / 2).sum())
    equal -= float((same_both * (same_both - 1) / 2).sum())
    if comparable <= 0:
        raise InputError("y must have an event before the time of another row, got no comparable pair")
    return float((lower + equal / 2) / comparable)


def _later(rank: np.ndarray, event: np.ndarray) -> tuple[float, float]:
    """Count the pairs of an event and a later row with a lower, and with an equal, rank, by merging sorted runs."""
    rows = len(rank)
    place = np.arange(len(rank))
    lower = 0.0
    equal = 0.0
    width = 1
    while width < rows:
        block = place // (2 * width)
        right = (place // width) % 2 == 1
        key = block * (rows + 1) + rank
        keys = np.sort(key[right])
        left = key[event & ~right]
        start = np.searchsorted(keys, (left // (rows + 1)) * (rows + 1))
        below = np.searchsorted(keys, left)
        reached = np.searchsorted(keys, left, "right")
        lower += float((below - start).sum())
        equal += float((reached - below).sum())
        width *= 2
    return lower, equal

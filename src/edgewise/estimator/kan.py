"""scikit-learn estimators: a KAN for a table, with nothing that has to be chosen."""

from collections.abc import Callable
from numbers import Number
from statistics import NormalDist

import numpy as np
import torch
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from edgewise.errors import InputError
from edgewise.estimator.bars import fitted_bars
from edgewise.estimator.base import KANEstimator
from edgewise.estimator.equations import Equations
from edgewise.estimator.explained import Explained
from edgewise.estimator.exported import Exported
from edgewise.estimator.rows import canonical_rows
from edgewise.tables.scaling import AffineScaling
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.regression import Regression
from edgewise.train.uncertainty import ErrorBars

PARAMETERS = """
    Scaling is inside, robust against outliers; duplicates and the order of rows make no difference; a weight of 2 is
    the same as the row twice. Shape, grid and strength of regularisation are chosen by held-out loss; for regression
    on small tables a product of one function of each input is among the shapes. Ctrl-C keeps the best model so far.

    Args:
        hidden: nodes of the hidden layers, as (5,), () for an additive model; "auto" chooses.
        grid_size: knot intervals of every edge; "auto" chooses.
        degree: of the splines, 0 .. 5.
        regularization: strength of smoothness and shrinkage, for inputs and targets of order 1; "auto" chooses.
        budget: work allowed for choosing and training; 1 is at most about a minute on two cores, small tables take
            seconds. It counts work, not time, so the same data give the same model.
        time_limit: seconds; only decides whether another candidate is tried.
        random_state: integer, generator or None (a new seed each time).
        warm_start: let `fit` go on from the present model if it fits the new data's shape, with its scaling.
        progress: called with a `Progress` after every step.

    Attributes:
        model_: the `KAN`, float64, on scaled inputs.
        input_scaling_: `AffineScaling` from the user's units to the network's.
        search_: `SearchReport`, what was tried and why this was chosen.
        report_: `FitReport` of the last fit. n_iter_: its steps.
        parameter_count_: trainable numbers.
        n_features_in_, feature_names_in_: as in scikit-learn.
"""


class KANRegressor(MultiOutputMixin, RegressorMixin, Explained, Equations, Exported, KANEstimator):
    __doc__ = f"""A Kolmogorov-Arnold network that fits y (N,) or (N, out) by least squares.
    {PARAMETERS}
        target_scaling_: `AffineScaling` of the targets: the network's output is (y - shift) / scale.
        error_bars_: `ErrorBars` in the network's units, None where there are none.
        error_bars_said_: a sentence on how they were calibrated, or why there are none.
        equations_: `Front` of formulas, after `fit_equations`; `sympy` and `latex` give the best of them.
    """

    @torch.inference_mode(False)
    def fit(self, X, y, sample_weight=None):
        """X (N, d), y (N,) or (N, out), sample_weight (N,). Returns self."""
        settings = self._settings()
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self._single = y.ndim == 1
        y = y.astype(np.float64).reshape(len(X), -1)
        X, y, weight = canonical_rows(X, y, self._checked_weight(sample_weight, X))
        warm = self._can_continue(X, y.shape[1])
        x = self._scale_inputs(X, weight, warm)
        if not warm:
            self.target_scaling_ = _standardising(y, weight)
        target = torch.from_numpy(self.target_scaling_.transform(y))
        problem = Regression(x, target, weight=_relative(weight))
        result = self._train(problem, y.shape[1], warm, settings)
        self.error_bars_, self.error_bars_said_ = fitted_bars(problem.train, result, float(weight.sum()))
        vars(self).pop("equations_", None)  # they were about another fit
        return self

    def predict(self, X, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """X (N, d) -> (N,), or (N, out) where y had two dimensions.

        return_std: also give the standard deviation of a new y around each prediction, noise included, in the same
            shape; see `ErrorBars`.

        Raises:
            InputError: return_std, and the model has no error bars; the sentence says why.
        """
        z = self._network_output(X)
        with np.errstate(over="ignore"):  # targets near the largest float64: infinity says it
            y = self._in_shape(self.target_scaling_.inverse(z))
            return (y, self._in_shape(self._deviation(X) * self.target_scaling_.scale)) if return_std else y

    def predict_interval(self, X, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Ends (low, high) of intervals that hold a share `level` of new y, each in the shape of `predict`.

        Calibrated on held-out rows, see `ErrorBars`: they cover that share on average over rows like those of the
        training data. For the function itself, without noise, see `predict_band`.

        Raises:
            InputError: the model has no error bars, or level is not in (0, 1) or higher than the rows can tell.
        """
        half = self._bars().half_width(self.model_, torch.from_numpy(self._scaled(X)), level).numpy()
        return self._around(X, half)

    def predict_band(self, X, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Ends (low, high) of a band for the function that is sampled, the mean of y, each in the shape of `predict`.

        Pointwise: the function is within it at a share `level` of X, if the network can express it: on average over
        fits, and less so of a single one (`edgewise reproduce noise` measures both).

        Raises:
            InputError: the model has no error bars, or level is not in (0, 1).
        """
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise InputError(f"level must be a number in (0, 1), got {level!r}")
        return self._around(X, NormalDist().inv_cdf((1 + level) / 2) * self._deviation(X, noise=False))

    def edge_std(self, X, layer: int = 0) -> Callable[[np.ndarray], np.ndarray]:
        """For `edgewise.plot.edge_curves`: a function from points (p, in) of a layer's inputs, in the network's units,
        to the standard deviation (p, in, out) of each edge's function, less its mean over X (N, d).

        Raises:
            InputError: the model has no error bars.
        """
        bars, inputs = self._bars(), self.trace(X).inputs[layer]
        return lambda points: bars.edge_std(
            self.model_, layer, torch.as_tensor(points, dtype=inputs.dtype), inputs
        ).numpy()

    def _around(self, X, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = self._network_output(X)
        with np.errstate(over="ignore"):
            return tuple(self._in_shape(self.target_scaling_.inverse(end)) for end in (z - half, z + half))

    def _bars(self) -> ErrorBars:
        check_is_fitted(self)
        if self.error_bars_ is None:
            raise InputError(self.error_bars_said_)
        return self.error_bars_

    def _deviation(self, X, noise: bool = True) -> np.ndarray:
        return self._bars().std(self.model_, torch.from_numpy(self._scaled(X)), noise=noise).numpy()

    def _in_shape(self, y: np.ndarray) -> np.ndarray:
        return y[:, 0] if self._single else y


class KANClassifier(ClassifierMixin, Explained, Exported, KANEstimator):
    __doc__ = f"""A Kolmogorov-Arnold network that gives the probability of each class.
    {PARAMETERS}
        classes_: (C,), sorted; numbers or strings.
    """

    @torch.inference_mode(False)
    def fit(self, X, y, sample_weight=None):
        """X (N, d), y (N,) of at least two classes, sample_weight (N,). Returns self."""
        settings = self._settings()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        y = column_or_1d(y, warn=True)
        _check_one_kind(y)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        X, labels, weight = canonical_rows(X, labels[:, None], self._checked_weight(sample_weight, X))
        kept, labels = np.unique(labels[:, 0], return_inverse=True)  # a class may have had no weight
        if len(kept) < 2:
            raise InputError("y must hold at least two classes with positive weight, got one class")
        warm = self._can_continue(X, len(kept)) and np.array_equal(self.classes_, classes[kept.astype(int)])
        self.classes_ = classes[kept.astype(int)]
        x = self._scale_inputs(X, weight, warm)
        problem = Classification(x, torch.from_numpy(labels), classes=len(kept), weight=_relative(weight))
        self._train(problem, len(kept), warm, settings)
        return self

    def decision_function(self, X) -> np.ndarray:
        """Logits (N, C); for two classes (N,), the log-odds of the second."""
        logits = self._network_output(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X) -> np.ndarray:
        """X (N, d) -> probabilities (N, C) in the order of `classes_`."""
        return torch.softmax(torch.from_numpy(self._network_output(X)), 1).numpy()

    def predict(self, X) -> np.ndarray:
        """X (N, d) -> the likeliest class of each row (N,)."""
        best = self._network_output(X).argmax(1)
        return self.classes_[best]


def _check_one_kind(y: np.ndarray) -> None:
    """Labels that can't be sorted, as None among strings, would else fail deep inside numpy."""
    if y.dtype == object and not all(isinstance(label, Number) for label in y):
        kinds = sorted({type(label).__name__ for label in y})
        if len(kinds) > 1:
            raise InputError(f"y must hold labels of one kind, got {' and '.join(kinds)}")


def _standardising(y: np.ndarray, weight: np.ndarray) -> AffineScaling:
    """Weighted mean and standard deviation of each column; a constant column gets its size as scale."""
    share = weight[:, None] / weight.sum()
    size = np.abs(y).max(axis=0)
    size = np.where(size > 0, size, 1.0)  # so that squares of large targets can't overflow
    mean = (share * (y / size)).sum(axis=0)
    deviation = np.sqrt((share * (y / size - mean) ** 2).sum(axis=0))
    # Below that a spread is rounding, not signal.
    scale = np.where(deviation > 1e-14, deviation, 1.0) * size
    return AffineScaling(mean * size, scale)


def _relative(weight: np.ndarray) -> torch.Tensor | None:
    """Weights as a problem takes them; None where all are the same."""
    return None if (weight == weight[0]).all() else torch.from_numpy(weight)

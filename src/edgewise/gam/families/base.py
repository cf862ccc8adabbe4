"""Interface of the losses of the additive core: a likelihood of y given the linear predictor, with two derivatives.

Wood, Generalized Additive Models (2nd ed.), section 3.1: score, information and deviance of generalised linear models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch

from edgewise.errors import InputError

# exp of more than this is no prediction any more: far beyond data and well within float64, squares included.
ETA_LIMIT = 200.0


class SharedInformation(Protocol):
    """Part by which the information matrix of dependent rows is less than X' diag(information) X, summed in parts."""

    order: np.ndarray  # (N,), order in which the rows are added

    @property
    def matrix(self) -> Any:
        """The sum (p, p), after all rows."""

    def add(self, columns: np.ndarray) -> None:
        """Add the columns (n, p) of the next n rows."""


class Family:
    """Base of the families: the distribution of y, or a loss, given the linear predictor eta.

    A family is immutable; what it learns from the data beside eta (a power, a scale) is in its fields, and
    `adapted` returns the family with new ones. Its log likelihood is -deviance / (2 dispersion) up to terms without
    eta. Rows are independent unless a subclass documents otherwise, and a weight counts repeats of a row.
    """

    name: ClassVar[str]  # as the estimators' parameter `loss` spells it
    scale_words: ClassVar[str] = ""  # what a model of this family is for, after its name; "" for the target as it is
    distribution: ClassVar[str] = ""  # in words, as "Poisson"; "" where `loss_name` is given or there is none
    # The dispersion where it is known, 1 for counts and classes; None where it is estimated.
    scale: ClassVar[float | None] = 1.0
    log_link: ClassVar[bool] = False  # whether the mean is the exponential of eta
    # Numbers that classes stand for, ascending, with mean 0 and variance 1; () where classes are no numbers
    levels: tuple[float, ...] = ()
    quadratic: bool = False  # whether the deviance is quadratic in eta, so that one step is the whole fit
    is_classes: ClassVar[bool] = False  # whether y are classes
    # Whether y or its logarithm is normal: fits are compared by squared errors of y, and have error bars.
    is_normal: ClassVar[bool] = False
    # Whether the loss is a likelihood, so that terms can be tested; else restricted likelihood is a device.
    is_likelihood: ClassVar[bool] = True
    has_kink: ClassVar[bool] = False  # whether the loss has a kink, so that residuals tell nothing of curvature
    positive: ClassVar[bool] = False  # whether y must be above 0
    nonnegative: ClassVar[bool] = False  # whether y must be at least 0
    # Whether `mean` is the expectation of a numeric y, or its centre, so that a share of the variance is explained.
    has_mean: ClassVar[bool] = True
    # Whether parameters beside eta have the values of the highest likelihood at each eta: `shared_information` is then
    # what their estimation takes away.
    is_profile: ClassVar[bool] = False
    is_sum_of_rows: ClassVar[bool] = True  # whether the loss is a sum over rows, so that a table may come in batches
    # Whether bounds on eta are bounds on the prediction: no constant is added after the fit.
    holds_bounds: ClassVar[bool] = True

    @property
    def spelling(self) -> str:
        """The loss as messages write it, which the parameter `loss` takes."""
        return self.name

    @property
    def link_name(self) -> str:
        """Name of the function of the mean that is eta."""
        return "log" if self.log_link else "identity"

    @property
    def loss_name(self) -> str:
        """Name of `loss` in sentences."""
        return f"half {self.distribution} deviance"

    @property
    def is_least_squares(self) -> bool:
        """Whether the loss is the squared error of eta itself."""
        return self.is_normal and not self.log_link

    @property
    def predictors(self) -> int:
        """Number of linear predictors of a row."""
        return 1

    @property
    def free_constants(self) -> int:
        """Number of constants in the linear predictors of a row that the loss tells apart."""
        return self.predictors

    @property
    def logit_lines(self) -> np.ndarray | None:
        """Constant and slope of the logit of each class as a line in one eta, (K, 2); None for other families."""
        return None

    def prepared(self, y: np.ndarray, weight: np.ndarray) -> Self:
        """Return the family with the sums over y and the weights that families of dependent rows compute once."""
        return self

    def response(self, targets: np.ndarray, offset: float) -> np.ndarray:
        """Return targets (N, 1), or classes (N,), in the form of y; a logarithmic link is that of target + offset."""
        if targets.ndim == 1:
            return targets
        if self.log_link:
            return targets[:, 0] + offset
        return targets[:, 0]

    def checked(self, y: np.ndarray) -> np.ndarray:
        """Return y in the form that the other methods take; raise InputError if it has no place in this family."""
        return finite_numbers(y, self.name)

    def start(self, y: np.ndarray, weight: np.ndarray) -> float | np.ndarray:
        """Return the best constant eta, or nearly so: a number, or one for each predictor; 0 if all are alike."""
        return 0.0

    def first_predictors(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the predictors at which the first quadratic approximation is made, in the shape of eta.

        `eta` is the best constant, at which it usually is made.
        """
        return eta

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean of y, in the shape of eta; the family of survival times has none."""
        raise NotImplementedError

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return score and information of every row, in the shape of eta.

        The score is minus half the derivative of the deviance by eta; the information is its negative derivative, or
        the expectation of that, and nowhere negative. Newton's step is the weighted least squares of
        eta + score / information with weights `information`.
        """
        raise NotImplementedError

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the unit deviance of every row, (N,)."""
        raise NotImplementedError

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        """Return the log likelihood of every row, (N,), all constants included; that of classes has none."""
        return -0.5 * self.deviance(y, eta)

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        """Return the family with its own parameters estimated at eta."""
        return self

    def shared_information(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> SharedInformation | None:
        """Return the part of the information that dependence between rows takes away; None for independent rows."""
        return None

    def final_shift(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> tuple[float, Self]:
        """Return a constant to add to eta after the fit, and the family that belongs to the shifted eta."""
        return 0.0, self

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the loss of every row for the comparison of fits of this family on held-out rows, (N,).

        Fits of several families to one numeric y are compared by the squared error of `mean` instead, which is on
        the scale of y.
        """
        return self.deviance(y, eta) / 2

    def predicted(self, eta: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
        """Return the mean of y for new rows, with eta held within `limits` if the link is a logarithm.

        An exponential must not run away where a row lies beyond the data, so the limits are the range of the fitted
        eta; see `AdditiveModel.range`.
        """
        if self.log_link and limits is not None:
            eta = np.clip(eta, *limits)
        return self.mean(eta)


def squeezed(values: np.ndarray) -> np.ndarray:
    """Return numbers of one predictor (N, 1) as (N,), those of several as they are: the form that families take."""
    if values.shape[1] == 1:
        return values[:, 0]
    return values


def exponential(eta: np.ndarray) -> np.ndarray:
    """Return exp(eta), with eta held within +-ETA_LIMIT."""
    return np.exp(np.clip(eta, -ETA_LIMIT, ETA_LIMIT))


def logistic(eta: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-eta)) without overflow."""
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, small) / (1 + small)


def log_gamma(x: np.ndarray) -> np.ndarray:
    """Return the logarithm of the gamma function of positive numbers."""
    return torch.lgamma(torch.as_tensor(np.asarray(x, dtype=np.float64))).numpy()


def lower_quantile(values: np.ndarray, share: float, weight: np.ndarray) -> float:
    """Return the smallest value at or below which lies at least this share of the weight."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))  # the rounding of the sum moves nothing
    return float(values[order[min(int(at), len(values) - 1)]])


def maximum(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Return where a function of one number with a single peak is largest, by Brent's method."""
    from scipy.optimize import minimize_scalar

    bounds = (low, high)
    options = {"xatol": tolerance}
    return float(minimize_scalar(lambda at: -function(at), bounds=bounds, method="bounded", options=options).x)


def finite_numbers(y: np.ndarray, family: str) -> np.ndarray:
    """Return y as float64 of shape (N,); raise InputError unless it is finite numbers."""
    try:
        y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"y must hold numbers for the loss {family!r}, got {np.asarray(y).dtype}") from error
    if y.ndim != 1 or not len(y):
        raise InputError(f"y must have shape (N,) for the loss {family!r}, got {y.shape}")
    if not np.isfinite(y).all():
        raise InputError(f"y must be finite, got {int((~np.isfinite(y)).sum())} NaN or infinite values")
    return y


def require(holds: bool, expected: str, got: object, family: str) -> None:
    """Raise InputError with what y must be for a family unless it holds."""
    if not holds:
        raise InputError(f"y must {expected} for the loss {family!r}, got {got}")

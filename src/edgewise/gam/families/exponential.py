"""Families of generalised linear models: normal, log-normal, Bernoulli, Poisson, gamma, Tweedie, negative binomial.

Wood, Generalized Additive Models (2nd ed.), section 3.1.1, on the exponential family; section 3.1.9, on Tweedie and
negative binomial distributions.

References
----------
.. [1] P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman & Hall, 1989: deviances, chapter 2.
.. [2] P. K. Dunn and G. K. Smyth, "Series evaluation of Tweedie exponential dispersion model densities", Statistics
   and Computing 15 (2005), 267-280.
.. [3] N. Duan, "Smearing estimate: a nonparametric retransformation method", JASA 78 (1983), 605-610.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgewise.gam.families.base import (
    ETA_LIMIT,
    Family,
    exponential,
    finite_numbers,
    log_gamma,
    logistic,
    maximum,
    require,
)
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO, ROW_CHUNK_NUMBERS, chunks


@dataclass(frozen=True)
class Gaussian(Family):
    """Normal distribution with a constant variance; the mean is eta.

    Examples
    --------
    >>> Gaussian().deviance(np.array([3.0]), np.array([1.0])).tolist()
    [4.0]
    """

    name = "squared"
    distribution = "normal"
    scale = None
    quadratic = True
    is_normal = True

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return float(np.average(y, weights=weight))

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return eta

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return y - eta, np.ones_like(eta)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return (y - eta) ** 2

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        return -0.5 * (self.deviance(y, eta) / dispersion + np.log(2 * np.pi * dispersion))

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.deviance(y, eta)


@dataclass(frozen=True)
class LogNormal(Family):
    """Normal distribution of log y, with predictions of the mean of y and not of its median.

    After the fit of log y, `final_shift` adds to eta the logarithm of sum y / sum exp(eta), so that the mean of the
    predictions is the mean of y: Duan's smearing estimate [3]_ with residuals weighted by the predictions. `shift` is
    what was added.
    """

    shift: float = 0.0
    name = "log"
    scale_words = " for the logarithm of y"
    distribution = "log-normal"
    loss_name = "mean squared error (scaled)"  # of y itself
    scale = None
    log_link = True
    quadratic = True
    is_normal = True
    positive = True
    holds_bounds = False

    def checked(self, y: np.ndarray) -> np.ndarray:
        y = finite_numbers(y, self.name)
        require(float(y.min()) > 0, "be positive", typed_text(y.min(), 4), self.name)
        return y

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return float(np.average(np.log(y), weights=weight)) + self.shift

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return exponential(eta)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.log(y) - (eta - self.shift), np.ones_like(eta)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return (np.log(y) - (eta - self.shift)) ** 2

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        return -0.5 * (self.deviance(y, eta) / dispersion + np.log(2 * np.pi * dispersion)) - np.log(y)

    def final_shift(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> tuple[float, Self]:
        shift = float(np.log(np.sum(weight * y)) - np.log(np.sum(weight * exponential(eta))))
        return shift, replace(self, shift=self.shift + shift)

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return (y - self.mean(eta)) ** 2


@dataclass(frozen=True)
class Bernoulli(Family):
    """Two classes, y in {0, 1}, with the logarithm of their odds as eta.

    Examples
    --------
    >>> Bernoulli().mean(np.array([0.0, 800.0, -800.0])).tolist()
    [0.5, 1.0, 0.0]
    """

    name = "bernoulli"
    link_name = "logit"
    loss_name = "log loss"
    is_classes = True

    def checked(self, y: np.ndarray) -> np.ndarray:
        y = finite_numbers(y, self.name)
        values = np.unique(y)
        require(bool(np.isin(values, (0, 1)).all()), "be 0 or 1", values[:5].tolist(), self.name)
        require(len(values) == 2, "hold both classes", f"only {typed_text(values[0])}", self.name)
        return y

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        share = np.average(y, weights=weight)
        return float(np.log(share) - np.log1p(-share))

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return logistic(eta)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = logistic(eta)
        return y - mean, mean * logistic(-eta)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return 2 * np.logaddexp(0, np.where(y > 0, -eta, eta))


class LogLink(Family):
    """Families of nonnegative y with a log link and the variance dispersion * `variance(mean)`."""

    log_link = True
    nonnegative = True

    def variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance of y at dispersion 1 as a function of its mean."""
        raise NotImplementedError

    def checked(self, y: np.ndarray) -> np.ndarray:
        y = finite_numbers(y, self.name)
        if self.positive:
            require(float(y.min()) > 0, "be positive", typed_text(y.min(), 4), self.name)
        require(float(y.min()) >= 0, "be at least 0", typed_text(y.min(), 4), self.name)
        require(float(y.max()) > 0, "have a positive value", "only zeros", self.name)
        return y

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return float(np.log(np.average(y, weights=weight)))

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return exponential(eta)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = exponential(eta)
        ratio = mean / self.variance(mean)
        return (y - mean) * ratio, mean * ratio


def of_the_data(y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the predictors whose means are the data, a sixth of the best constant `eta` where these are zero."""
    # McCullagh and Nelder, Generalized Linear Models, section 2.5. At the constant the working response of a row of 80
    # times the mean is 80 and not log 80. A curve that no other row holds goes there, the deviance of variances that
    # grow with the square of the mean hardly sees it, and it comes down by 1 in each step, since no score is below -1.
    return np.log(np.where(y > 0, y, exponential(eta.reshape(y.shape)) / 6)).reshape(eta.shape)


@dataclass(frozen=True)
class Poisson(LogLink):
    """Counts whose variance is their mean; numbers that are no counts are allowed, as in quasi-likelihood."""

    name = "poisson"
    distribution = "Poisson"

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        positive = np.maximum(y, ABOVE_ZERO)
        return 2 * (y * (np.log(positive) - eta) - y + exponential(eta))

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        return y * eta - exponential(eta) - log_gamma(y + 1)


@dataclass(frozen=True)
class Gamma(LogLink):
    """Positive numbers whose standard deviation is proportional to their mean."""

    name = "gamma"
    distribution = "gamma"
    scale = None
    positive = True

    def first_predictors(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return of_the_data(y, eta)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean**2

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        excess = np.log(y) - np.clip(eta, -ETA_LIMIT, ETA_LIMIT)
        return 2 * (np.expm1(excess) - excess)

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        shape = 1 / dispersion
        ratio = np.log(y) - eta
        return shape * (np.log(shape) + ratio - np.exp(ratio)) - np.log(y) - log_gamma(np.array(shape))


@dataclass(frozen=True)
class Tweedie(LogLink):
    """Nonnegative numbers with exact zeros, such as rain or claims: a sum of gamma variables, Poisson many.

    The variance is dispersion * mean^power with 1 < power < 2. The power is estimated by its profile likelihood, with
    the densities' series [2]_ and Pearson's estimate of the dispersion for each power, unless one is given.
    """

    power: float = 1.5  # of the mean; where it is estimated, the start
    estimated: bool = True  # whether the power is estimated
    name = "tweedie"
    distribution = "Tweedie"
    scale = None
    # Powers of which one is chosen: at 1 it is a Poisson and at 2 a gamma distribution, where the series of the density
    # has no end; the bounds are those of R's package tweedie for a profile.
    powers: ClassVar[tuple[float, float]] = (1.01, 1.99)
    tolerance: ClassVar[float] = 1e-3  # of the power, whose standard error is about 0.02 for 1,000 rows
    rows: ClassVar[int] = 2000  # of which the power is estimated, evenly picked
    most_terms: ClassVar[int] = 5000  # of the series of each row

    def __post_init__(self) -> None:
        require(1 < self.power < 2, "have a power in (1, 2)", f"power {self.power!r}", self.name)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean**self.power

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        eta = np.clip(eta, -ETA_LIMIT, ETA_LIMIT)
        up = 2 - self.power
        down = 1 - self.power
        return 2 * (y**up / (down * up) - y * np.exp(down * eta) / down + np.exp(up * eta) / up)

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        up = 2 - self.power
        down = 1 - self.power
        value = (y * np.exp(down * eta) / down - np.exp(up * eta) / up) / dispersion
        some = y > 0
        if some.any():
            value[some] += self._log_series(y[some], dispersion) - np.log(y[some])
        return value

    def _log_series(self, y: np.ndarray, dispersion: float) -> np.ndarray:
        """Logarithm of the sum over j = 1, 2, ... in the density of a positive y, equation 3.3 of [2]."""
        p = self.power
        alpha = (2 - p) / (1 - p)
        log_z = -alpha * np.log(y) + alpha * np.log(p - 1) - (1 - alpha) * np.log(dispersion) - np.log(2 - p)
        peak = y ** (2 - p) / (dispersion * (2 - p))
        # Beside its peak a term falls like a normal density of this variance: eight deviations hold all digits.
        spread = 8 * np.sqrt(np.maximum(peak, 1) / (1 - alpha)) + 8
        most = int(min(np.max(peak + spread), 1e9))
        if most > self.most_terms:  # nearly normal or lognormal: the saddle-point approximation, section 4 of [2]
            return self._saddle_series(y, dispersion)
        j = np.arange(1, most + 1, dtype=np.float64)
        constant = -log_gamma(j + 1) - log_gamma(-alpha * j)
        total = np.empty_like(y)
        for part in chunks(len(y), most, ROW_CHUNK_NUMBERS):
            terms = j * log_z[part, None] + constant
            largest = terms.max(axis=1)
            total[part] = largest + np.log(np.exp(terms - largest[:, None]).sum(axis=1))
        return total

    def _saddle_series(self, y: np.ndarray, dispersion: float) -> np.ndarray:
        up = 2 - self.power
        down = 1 - self.power
        at_y = y**up * (1 / down - 1 / up) / dispersion
        return np.log(y) - 0.5 * np.log(2 * np.pi * dispersion * y**self.power) - at_y

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        if not self.estimated:
            return self
        pick = np.unique(np.linspace(0, len(y) - 1, min(len(y), self.rows)).astype(int))
        y = y[pick]
        eta = eta[pick]
        weight = weight[pick]
        mean = exponential(eta)

        def profile(power: float) -> float:
            dispersion = float(np.average((y - mean) ** 2 / mean**power, weights=weight))
            family = replace(self, power=power)
            return float(weight @ family.log_likelihood(y, eta, max(dispersion, 1e-12)))

        return replace(self, power=maximum(profile, *self.powers, self.tolerance))

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        # Fits have a power each, and deviances of two powers are of two units. Of one power any deviance is least in
        # the mean at the true mean: T. Gneiting, J. Am. Statist. Assoc. 106 (2011) 746, section 3.1.
        common = self
        if self.estimated:
            common = replace(self, power=type(self).power)
        return common.deviance(y, eta) / 2


@dataclass(frozen=True)
class NegativeBinomial(LogLink):
    """Counts with the variance mean + mean^2 / theta; theta is estimated by maximum likelihood, unless one is given.

    The deviance is that of one theta, by which the coefficients are found. Fits have a theta each, so `loss`, by which
    they are compared, is their negative log likelihood above that of a Poisson distribution with the count as its mean:
    no negative binomial distribution exceeds it, being a mixture of Poisson distributions, and a Poisson fit has the
    same loss with the limit of a large theta.
    """

    theta: float = 1.0  # where it is estimated, the start
    estimated: bool = True  # whether theta is estimated
    name = "negative_binomial"
    distribution = "negative binomial"
    loss_name = "half deviance from a saturated Poisson model"
    # Logarithms of theta of which one is chosen: from a variance far above the squared mean to a Poisson distribution.
    log_thetas: ClassVar[tuple[float, float]] = (-7.0, 14.0)

    def __post_init__(self) -> None:
        require(self.theta > 0, "have a positive theta", f"theta {self.theta!r}", self.name)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean + mean**2 / self.theta

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        mean = exponential(eta)
        positive = np.maximum(y, ABOVE_ZERO)
        shared = (y + self.theta) * np.log((y + self.theta) / (mean + self.theta))
        return 2 * (y * (np.log(positive) - np.log(mean)) - shared)

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        mean = exponential(eta)
        theta = self.theta
        constant = log_gamma(y + theta) - log_gamma(y + 1) - log_gamma(np.array(theta))
        return constant + y * np.log(mean / (mean + theta)) + theta * np.log(theta / (mean + theta))

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        if not self.estimated:
            return self

        def profile(log_theta: float) -> float:
            family = replace(self, theta=float(np.exp(log_theta)))
            return float(weight @ family.log_likelihood(y, eta, 1.0))

        return replace(self, theta=float(np.exp(maximum(profile, *self.log_thetas, 1e-3))))

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        saturated = Poisson().log_likelihood(y, np.log(np.maximum(y, ABOVE_ZERO)), 1.0)
        return saturated - self.log_likelihood(y, eta, 1.0)

    def first_predictors(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return of_the_data(y, eta)


@dataclass(frozen=True)
class Exposed(Family):
    """A family with a log link and an offset: y (N, 2) is the target beside the logarithm of its exposure."""

    # The mean of y is that of the family at eta + log exposure, so that the exponential of eta is the rate.
    of: Family  # of the target
    log_link = True
    has_mean = False

    def __post_init__(self) -> None:
        for fact in ("name", "distribution", "scale", "positive", "nonnegative"):
            object.__setattr__(self, fact, getattr(self.of, fact))

    @property
    def loss_name(self) -> str:
        return self.of.loss_name

    def response(self, targets: np.ndarray, offset: float) -> np.ndarray:
        return targets

    def checked(self, y: np.ndarray) -> np.ndarray:
        return np.column_stack([self.of.checked(y[:, 0]), y[:, 1]])

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return float(np.log(weight @ y[:, 0]) - np.log(weight @ exponential(y[:, 1])))

    def first_predictors(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        offset = y[:, 1].reshape(eta.shape)
        return self.of.first_predictors(y[:, 0], eta + offset) - offset

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return self.of.mean(eta)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.of.derivatives(y[:, 0], eta + y[:, 1])

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.of.deviance(y[:, 0], eta + y[:, 1])

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        return self.of.log_likelihood(y[:, 0], eta + y[:, 1], dispersion)

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        return replace(self, of=self.of.adapted(y[:, 0], eta + y[:, 1], weight))

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.of.loss(y[:, 0], eta + y[:, 1])

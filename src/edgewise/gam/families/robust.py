"""Families for outliers and for quantiles: Huber's loss and the pinball loss.

References
----------
.. [1] P. J. Huber and E. M. Ronchetti, Robust Statistics, 2nd ed., Wiley, 2009: the loss, and pseudo-values, 7.8.
.. [2] H.-S. Oh, D. W. Nychka and T. C. M. Lee, "The role of pseudo data for robust smoothing with application to
   wavelet regression", Biometrika 94 (2007), 893-904.
.. [3] R. Koenker, Quantile Regression, Cambridge University Press, 2005.
.. [4] X. He, X. Pan, K. M. Tan and W.-X. Zhou, "Smoothed quantile regression with large-scale inference", Journal of
   Econometrics 232 (2023), 367-388: smoothing by convolution, and its bandwidth.
.. [5] M. Fasiolo, S. N. Wood, M. Zaffran, R. Nedellec and Y. Goude, "Fast calibrated additive quantile regression",
   JASA 116 (2021), 1402-1412.
.. [6] S. P. Lyddon, C. C. Holmes and S. G. Walker, "General Bayesian updating and the loss-likelihood bootstrap",
   Biometrika 106 (2019), 465-478: the learning rate at which variance of the score and curvature agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, sqrt
from typing import Self

import numpy as np

from edgewise.gam.families.base import Family, logistic, lower_quantile, require
from edgewise.presentation import typed_text

HUBER_TUNING = 1.345  # 95 % efficiency at the normal distribution [1]
MAD_TO_DEVIATION = 1.4826  # 1 / the normal distribution's 75 % quantile
IQR_TO_DEVIATION = 1.349  # distance of the quartiles of the normal distribution
LEAST_BANDWIDTH = 0.05  # in standard deviations of the residuals; section 5 of [4]


@dataclass(frozen=True)
class Huber(Family):
    """Squared loss of residuals within `tuning` scales, linear loss beyond; the scale is the residuals' MAD.

    A step is a least-squares fit of the pseudo-values eta + psi(residual) / mean(psi'), all rows with one weight [2]_,
    so the dispersion that REML finds is that of the pseudo-values: the one which the variance of an M-estimator has.
    """

    tuning: float = HUBER_TUNING  # scales from the centre at which the loss becomes linear
    # Estimated by `adapted`: the scale of the residuals, and the share of them within the bounds.
    spread: float = np.inf
    curvature: float = 1.0
    name = "huber"
    loss_name = "Huber loss (scaled)"
    scale = None
    is_likelihood = False

    def __post_init__(self) -> None:
        require(self.tuning > 0, "have a positive tuning constant", repr(self.tuning), self.name)

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return lower_quantile(y, 0.5, weight)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return eta

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bound = self.tuning * self.spread
        return np.clip(y - eta, -bound, bound), np.full_like(eta, self.curvature)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        size = np.abs(y - eta)
        inner = np.minimum(size, self.tuning * self.spread)
        return inner * (2 * size - inner)

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        # That of the density proportional to exp(-deviance / (2 dispersion)).
        bound = self.tuning * self.spread
        root = sqrt(dispersion)
        if not np.isfinite(bound):
            return -0.5 * (self.deviance(y, eta) / dispersion + np.log(2 * np.pi * dispersion))
        inner = sqrt(2 * np.pi) * root * erf(bound / root / sqrt(2))
        tails = 2 * dispersion / bound * np.exp(-(bound**2) / (2 * dispersion))
        return -0.5 * self.deviance(y, eta) / dispersion - np.log(inner + tails)

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        size = np.abs(y - eta)
        spread = MAD_TO_DEVIATION * lower_quantile(size, 0.5, weight)
        if spread <= 0:  # more than half of the rows are met exactly: the mean size of the others
            spread = float(np.average(size, weights=weight)) or 1.0
        inside = float(np.average(size <= self.tuning * spread, weights=weight))
        return replace(self, spread=spread, curvature=inside)


@dataclass(frozen=True)
class Quantile(Family):
    """The quantile of y at a share: the pinball loss, smoothed by convolution with a logistic density [4]_.

    The loss of a residual r is (share r + h log(1 + exp(-r / h))) / rate. The bandwidth h is that of [4]_. The rate is
    share (1 - share) / density of the residuals at zero, for which the variance of the score is its curvature [6]_; so
    the smoothed loss acts as a likelihood of known scale, and REML chooses how smooth the quantile is, as in [5]_.
    The information of every row is its mean, the density of the residuals at zero over the rate, for that of one row is
    a density estimated from one value, which is zero for most. Steps of scoring then all have one normal matrix.
    After the fit eta is shifted so that exactly the share of the rows lies at or below it.
    """

    share: float = 0.5  # of new y below the quantile, in (0, 1)
    # Estimated by `adapted`; the last is the information.
    bandwidth: float = 1.0
    rate: float = 1.0
    curvature: float = 1.0
    name = "quantile"
    loss_name = "pinball loss (scaled)"
    has_mean = False
    is_likelihood = False
    has_kink = True
    holds_bounds = False

    @property
    def spelling(self) -> str:
        """The loss with its share; the median has a name of its own."""
        return "absolute" if self.share == 0.5 else f"quantile:{typed_text(self.share)}"

    def __post_init__(self) -> None:
        require(0 < self.share < 1, "have a quantile in (0, 1)", repr(self.share), self.name)

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return lower_quantile(y, self.share, weight)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return eta

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        position = (y - eta) / self.bandwidth
        return (self.share - logistic(-position)) / self.rate, np.full_like(eta, self.curvature)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        rest = y - eta
        smooth = self.share * rest + self.bandwidth * np.logaddexp(0, -rest / self.bandwidth)
        return 2 * smooth / self.rate

    def log_likelihood(self, y: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
        # The constant of the asymmetric Laplace distribution, from which the smoothed loss differs little.
        return -0.5 * self.deviance(y, eta) + np.log(self.share * (1 - self.share) / self.rate)

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        rest = y - eta
        rows = float(weight.sum())
        ends = [lower_quantile(rest, share, weight) for share in (0.25, 0.75)]
        spread = (ends[1] - ends[0]) / IQR_TO_DEVIATION or float(np.std(rest)) or 1.0
        noise = self.share * (1 - self.share)
        width = spread * max(LEAST_BANDWIDTH, np.sqrt(noise) * (np.log(rows) / rows) ** 0.4)
        position = rest / width
        density = float(np.average(logistic(position) * logistic(-position), weights=weight)) / width
        density = max(density, 1e-3 / spread)
        rate = noise / density
        return replace(self, bandwidth=width, rate=rate, curvature=density / rate)

    def final_shift(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> tuple[float, Self]:
        return lower_quantile(y - eta, self.share, weight), self

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        rest = y - eta
        return np.maximum(self.share * rest, (self.share - 1) * rest)

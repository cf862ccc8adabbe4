"""Families of classes: the multinomial distribution with a softmax, and ordered classes with cumulative logits.

References
----------
.. [1] A. Agresti, Categorical Data Analysis, 3rd ed., Wiley, 2013: chapters 8.1 (softmax) and 8.2 (cumulative logits).
.. [2] P. McCullagh, "Regression models for ordinal data", JRSS B 42 (1980), 109-142.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from edgewise.errors import InputError
from edgewise.model_selection.additive.families.base import Family, finite_numbers, logistic, require

CUTPOINT_STEPS = 50  # of Newton, most; a handful is enough from a neighbouring eta
THRESHOLD_TOLERANCE = 1e-11  # of the largest slope, per row


def _class_sizes(y: np.ndarray, weight: np.ndarray, classes: int) -> np.ndarray:
    """Return the weight of each class, at least half a row: a part of a table may lack a class, and logs are taken."""
    return np.maximum(np.bincount(y, weight, classes), 0.5)


def _checked_codes(y: np.ndarray, classes: int, family: str) -> np.ndarray:
    y = finite_numbers(y, family)
    if not bool((y == np.round(y)).all()) or y.min() < 0 or y.max() >= classes:
        raise InputError(
            f"y must hold integers from 0 to {classes - 1} for the loss {family!r}, got {y.min():g} to {y.max():g}"
        )
    codes = y.astype(np.int64)
    missing = np.flatnonzero(np.bincount(codes, minlength=classes) == 0)
    require(len(missing) == 0, "hold every class", f"none of class {missing[:1]}", family)
    return codes


@dataclass(frozen=True)
class Multinomial(Family):
    """Classes 0 .. classes - 1 without an order: probabilities are the softmax of one eta for each class.

    All classes have an eta of their own and none is the reference, so the fit does not depend on how they are
    numbered; penalties and a mean of zero over the classes make it unique. All predictors share their
    strengths and move together to the optimum of the penalised likelihood, see `reweighting.several`.

    Examples
    --------
    >>> Multinomial(3).mean(np.zeros((1, 3))).round(3).tolist()
    [[0.333, 0.333, 0.333]]
    """

    classes: int
    name = "multinomial"

    @property
    def predictors(self) -> int:
        return self.classes

    def checked(self, y: np.ndarray) -> np.ndarray:
        return _checked_codes(y, self.classes, self.name)

    def start(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        logs = np.log(_class_sizes(y, weight, self.classes))
        return logs - logs.mean()

    def mean(self, eta: np.ndarray) -> np.ndarray:
        odds = np.exp(eta - eta.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = self.mean(eta)
        score = -share
        score[np.arange(len(y)), y] += 1
        return score, share * (1 - share)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        largest = eta.max(axis=1)
        total = largest + np.log(np.exp(eta - largest[:, None]).sum(axis=1))
        return 2 * (total - eta[np.arange(len(y)), y])


@dataclass(frozen=True)
class Ordinal(Family):
    """Ordered classes 0 .. classes - 1: the log odds of class k or less are threshold_k - eta [2]_.

    `mean` is the expected number of the class; `probabilities` gives those of all classes.

    Parameters
    ----------
    classes : int
        Number of classes, at least 2.
    thresholds : tuple of float
        The classes - 1 thresholds in ascending order, found by `adapted`.
    """

    classes: int
    thresholds: tuple[float, ...] = ()
    name = "ordinal"
    adapts_exactly = True

    def checked(self, y: np.ndarray) -> np.ndarray:
        return _checked_codes(y, self.classes, self.name)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, (N, classes)."""
        below = logistic(np.array(self.thresholds) - eta[:, None])
        ones = np.ones((len(eta), 1))
        return np.diff(np.concatenate([0 * ones, below, ones], axis=1), axis=1)

    def _bounds(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances of eta to the thresholds below and above the class of each row; infinite for the outer classes."""
        ends = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        return ends[y] - eta, ends[y + 1] - eta

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._bounds(y, eta)
        below, above = logistic(low), logistic(high)
        return below + above - 1, below * logistic(-low) + above * logistic(-high)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        low, high = self._bounds(y, eta)
        # F(high) - F(low) = F(high) F(-low) (1 - exp(low - high)): no digits are lost in either tail.
        return 2 * (np.logaddexp(0, -high) + np.logaddexp(0, low) - np.log(-np.expm1(low - high)))

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        """Thresholds of largest likelihood at eta: Newton's method with halved steps; the likelihood is concave."""
        family = self
        if not family.thresholds:
            sizes = _class_sizes(y, weight, self.classes)
            reached = np.cumsum(sizes)[:-1] / sizes.sum()
            family = replace(self, thresholds=tuple(np.log(reached) - np.log1p(-reached) + np.average(eta)))
        rows = weight.sum()
        for _ in range(CUTPOINT_STEPS):
            slope, hessian = family._threshold_derivatives(y, eta, weight)
            if np.abs(slope).max() <= THRESHOLD_TOLERANCE * rows:
                break
            step, now = np.linalg.solve(hessian, slope), weight @ family.deviance(y, eta)
            for halving in range(30):
                moved = np.array(family.thresholds) + 0.5**halving * step
                if (np.diff(moved) > 0).all():
                    next_family = replace(self, thresholds=tuple(moved.tolist()))
                    if weight @ next_family.deviance(y, eta) <= now:
                        family = next_family
                        break
            else:
                break
        return family

    def _threshold_derivatives(
        self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First and negative second derivatives of the log likelihood by the thresholds; the second are tridiagonal."""
        count = self.classes - 1
        low, high = self._bounds(y, eta)
        share = np.exp(-0.5 * self.deviance(y, eta))
        dense_low, dense_high = (logistic(end) * logistic(-end) for end in (low, high))
        up, down = dense_high / share, dense_low / share  # slopes of log share by the threshold above, minus below
        slope, hessian = np.zeros(count), np.zeros((count, count))
        bend_high, bend_low = (1 - 2 * logistic(high)) * up, (1 - 2 * logistic(low)) * down
        for k in range(count):
            at, after = y == k, y == k + 1  # rows whose upper, whose lower end is threshold k
            slope[k] = weight[at] @ up[at] - weight[after] @ down[after]
            hessian[k, k] = weight[at] @ (up[at] ** 2 - bend_high[at])
            hessian[k, k] += weight[after] @ (down[after] ** 2 + bend_low[after])
            if k + 1 < count:
                hessian[k, k + 1] = hessian[k + 1, k] = -weight[after] @ (up[after] * down[after])
        return slope, hessian

    def final_shift(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> tuple[float, Self]:
        shift = -float(np.average(eta, weights=weight))
        return shift, replace(self, thresholds=tuple(t + shift for t in self.thresholds))

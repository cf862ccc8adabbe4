"""Families of classes: the multinomial distribution with a softmax, p_k = exp(eta_k) / sum_j exp(eta_j).

Of classes without an order each has an eta of its own (`Multinomial`); those of ordered classes follow one
(`Ordered`).

References
----------
.. [1] A. Agresti, Categorical Data Analysis, 3rd ed., Wiley, 2013: chapter 8.1, and 8.3.4 on adjacent categories.
.. [2] J. A. Anderson, "Regression and ordered categorical variables", J. R. Statist. Soc. B 46 (1984) 1.
.. [3] S. A. Murphy and A. W. van der Vaart, "On profile likelihood", J. Am. Statist. Assoc. 95 (2000) 449.
.. [4] J. N. Darroch and D. Ratcliff, "Generalized iterative scaling for log-linear models", Ann. Math. Statist. 43
   (1972) 1470.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from edgewise.errors import InputError
from edgewise.gam.families.base import Family, finite_numbers, require
from edgewise.gam.policy import IrlsPolicy
from edgewise.presentation import typed_text


def _information(share: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the information of weighted rows of probabilities (N, K) about the constants of the classes, (K, K)."""
    return np.diag(weight @ share) - share.T @ (weight[:, None] * share)


def _log_sums(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of the sums of exponentials of the logits (N, K), without overflow."""
    largest = logits.max(axis=1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))


@dataclass(frozen=True)
class Multinomial(Family):
    """Classes 0 .. classes - 1 without an order: probabilities are the softmax of one eta for each class.

    All classes have an eta of their own and none is the reference, so the fit does not depend on how they are
    numbered; penalties and a mean of zero over the classes make it unique. All predictors share their
    strengths and move together to the optimum of the penalised likelihood, see `irls.Iteration`.

    Examples
    --------
    >>> Multinomial(3).mean(np.zeros((1, 3))).round(3).tolist()
    [[0.333, 0.333, 0.333]]
    """

    classes: int
    levels: tuple[float, ...] = ()
    name = "multinomial"
    link_name = "softmax"
    loss_name = "log loss"
    has_mean = False
    is_classes = True

    @property
    def predictors(self) -> int:
        return self.classes

    @property
    def free_constants(self) -> int:
        # Probabilities do not change where one function is added to the logits of all classes.
        return self.classes - 1

    def checked(self, y: np.ndarray) -> np.ndarray:
        y = finite_numbers(y, self.name)
        if not bool((y == np.round(y)).all()) or y.min() < 0 or y.max() >= self.classes:
            raise InputError(
                f"y must hold integers from 0 to {self.classes - 1} for the loss {self.name!r}, "
                f"got {typed_text(y.min())} to {typed_text(y.max())}"
            )
        codes = y.astype(np.int64)
        missing = np.flatnonzero(np.bincount(codes, minlength=self.classes) == 0)
        require(len(missing) == 0, "hold every class", f"none of class {missing[:1]}", self.name)
        return codes

    def start(self, y: np.ndarray, weight: np.ndarray) -> float | np.ndarray:
        # At least half a row of each class: a part of a table may lack one.
        logs = np.log(np.maximum(np.bincount(y, weight, self.classes), 0.5))
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
        return 2 * (_log_sums(eta) - eta[np.arange(len(y)), y])


@dataclass(frozen=True)
class Ordered(Multinomial):
    """Classes that stand for numbers s_k, whose log odds follow one eta: eta_k = a_k + s_k eta.

    The logit of adjacent categories [1]_, a stereotype model [2]_ with known scores. The constants a_k are those of the
    highest likelihood at each eta, by Newton's method or iterative scaling [4]_, so that fits maximise the profile
    likelihood [3]_. A constant in eta is one in a_k.

    Examples
    --------
    >>> family = Ordered(3, (-1.0, 0.0, 1.0), constants=(0.0, 0.0, 0.0))
    >>> family.mean(family.logits(np.array([0.0, 50.0]))).round(3).tolist()
    [[0.333, 0.333, 0.333], [0.0, 0.0, 1.0]]
    """

    constants: tuple[float, ...] = ()  # a_k
    name = "ordered"
    is_profile = True
    scale_words = " for classes in their order"

    @property
    def predictors(self) -> int:
        return 1

    @property
    def logit_lines(self) -> np.ndarray:
        return np.column_stack([self.constants or np.zeros(self.classes), self.levels])

    def logits(self, eta: np.ndarray) -> np.ndarray:
        """Return the logits (N, K) of predictors (N,)."""
        constants, slopes = self.logit_lines.T
        return constants + np.outer(eta, slopes)

    def start(self, y: np.ndarray, weight: np.ndarray) -> float:
        return 0.0

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = self.mean(self.logits(eta))
        slopes = self.logit_lines[:, 1]
        expected = share @ slopes
        return slopes[y] - expected, share @ slopes**2 - expected**2

    def shared_information(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> EstimatedConstants:
        share = self.mean(self.logits(eta))
        slopes = self.logit_lines[:, 1]
        across = weight[:, None] * share * (slopes - (share @ slopes)[:, None])
        return EstimatedConstants(across, _information(share, weight))

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return super().deviance(y, self.logits(eta))

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        # Of each class at least half a row, since a part of a table may lack one.
        counts = np.maximum(np.bincount(y, weight, self.classes), 0.5)
        counts *= weight.sum() / counts.sum()
        point = np.log(counts)
        if self.constants:
            point = np.asarray(self.constants)
        lines = np.outer(eta, self.levels)

        def likelihood(point: np.ndarray) -> tuple[float, np.ndarray]:
            """Return the log likelihood of constants and the logarithms of the probabilities (N, K)."""
            logits = point + lines
            sums = _log_sums(logits)
            return float(counts @ point - weight @ sums), logits - sums[:, None]

        # Newton's method in the constants, until the expected numbers of the classes are the counts.
        height, logs = likelihood(point)
        for _ in range(IrlsPolicy.steps):
            share = np.exp(logs)
            missing = counts - weight @ share
            if (abs(missing) <= math.sqrt(IrlsPolicy.tolerance) * counts).all():
                break
            move = np.linalg.lstsq(_information(share, weight), missing, rcond=IrlsPolicy.tolerance)[0]
            higher, higher_logs = likelihood(point + move)
            if not higher > height:  # far from the optimum: iterative scaling, which never lowers the likelihood
                largest = logs.max(axis=0)
                move = np.log(counts) - largest - np.log(weight @ np.exp(logs - largest))
                higher, higher_logs = likelihood(point + move)
            point = point + move
            height = higher
            logs = higher_logs
        return replace(self, constants=tuple(point.tolist()))


class EstimatedConstants:
    """Information about eta that is lost to the constants: the rest is a Schur complement. See `SharedInformation`."""

    def __init__(self, across: np.ndarray, information: np.ndarray) -> None:
        self.order = np.arange(len(across))
        self._across = across  # information of each row about eta and a constant, (N, K)
        self._information = information  # of all rows about the constants, (K, K)
        self._sum: Any = 0.0  # X' across of the rows that were added, (p, K)
        self._place = 0

    def add(self, columns: np.ndarray) -> None:
        """Add the columns (n, p) of the next n rows."""
        rows = slice(self._place, self._place + len(columns))
        self._sum = self._sum + columns.T @ self._across[rows]
        self._place = rows.stop

    @property
    def matrix(self) -> np.ndarray:
        """What the constants take from the information matrix of the columns, (p, p)."""
        return self._sum @ np.linalg.lstsq(self._information, self._sum.T, rcond=IrlsPolicy.tolerance)[0]

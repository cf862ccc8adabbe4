"""Families of classes: the multinomial distribution with a softmax, p_k = exp(eta_k) / sum_j exp(eta_j).

Of classes without an order each has an eta of its own (`Multinomial`); those of ordered classes follow one
(`Ordered`).

References
----------
.. [1] A. Agresti, Categorical Data Analysis, 3rd ed., Wiley, 2013: chapter 8.1, and 8.3.4 on adjacent categories.
.. [2] J. A. Anderson, "Regression and ordered categorical variables", J. R. Statist. Soc. B 46 (1984) 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from edgewise.errors import InputError
from edgewise.gam.families.base import Family, finite_numbers, require
from edgewise.gam.policy import IrlsPolicy
from edgewise.presentation import typed_text


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

    The logit of adjacent categories [1]_, a stereotype model [2]_ with known scores. The constants a_k are estimated at
    each eta.

    Examples
    --------
    >>> family = Ordered(3, (-1.0, 0.0, 1.0), constants=(0.0, 0.0, 0.0))
    >>> family.mean(family.logits(np.array([0.0, 50.0]))).round(3).tolist()
    [[0.333, 0.333, 0.333], [0.0, 0.0, 1.0]]
    """

    constants: tuple[float, ...] = ()  # a_k
    name = "ordered"
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

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return super().deviance(y, self.logits(eta))

    def adapted(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> Self:
        # Newton's method in the constants; of each class at least half a row, since a part of a table may lack one.
        counts = np.maximum(np.bincount(y, weight, self.classes), 0.5)
        counts *= weight.sum() / counts.sum()
        point = np.log(counts)
        if self.constants:
            point = np.asarray(self.constants)
        lines = np.outer(eta, self.levels)

        def likelihood(point: np.ndarray) -> float:
            return float(counts @ point - weight @ _log_sums(point + lines))

        height = likelihood(point)
        for _ in range(IrlsPolicy.steps):
            share = self.mean(point + lines)
            information = np.diag(weight @ share) - share.T @ (weight[:, None] * share)
            move = np.linalg.lstsq(information, counts - weight @ share, rcond=IrlsPolicy.tolerance)[0]
            while (higher := likelihood(point + move)) < height and abs(move).max() > IrlsPolicy.tolerance:
                move = move / 2
            if not higher > height + IrlsPolicy.tolerance * abs(height):
                break
            point = point + move
            height = higher
        return replace(self, constants=tuple(point.tolist()))

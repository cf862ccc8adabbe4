"""The family of classes: the multinomial distribution with a softmax, p_k = exp(eta_k) / sum_j exp(eta_j).

References
----------
.. [1] A. Agresti, Categorical Data Analysis, 3rd ed., Wiley, 2013: chapter 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError
from edgewise.gam.families.base import Family, finite_numbers, require
from edgewise.presentation import typed_text


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

    def start(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
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
        largest = eta.max(axis=1)
        total = largest + np.log(np.exp(eta - largest[:, None]).sum(axis=1))
        return 2 * (total - eta[np.arange(len(y)), y])

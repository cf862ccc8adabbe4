"""Rows in memory as the iteration of least squares sees them (`RowsInMemory`), on the columns that curves need.

Wood, Generalized Additive Models (2nd ed.), section 3.1.2, on fitting generalised linear models: working weights and
working responses z = eta + u / w of a likelihood with score u and information w; section 6.1.1 with penalties.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgewise.gam.design import Design
from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.model import AdditiveModel
from edgewise.gam.normal import NormalMatrix, normal_matrix
from edgewise.gam.policy import IrlsPolicy
from edgewise.settings import ABOVE_ZERO


class NeededColumns:
    """The columns of a design that its curves need so far, kept in memory if they are few numbers.

    It takes positions of rows where a design takes rows, and has the attributes of a design that `normal_matrix` and
    `estimate` use.
    """

    def __init__(
        self, design: Design, x: np.ndarray, before: AdditiveModel | None, steps: int, keep: np.ndarray | None = None
    ) -> None:
        self.design = design
        self.x = x
        self.rivals = design.rivals
        self.chunks = design.chunks
        self.constraints = None
        self.bent = design.bent
        self.count = int(design.groups.max(initial=-1)) + 1
        reml = replace(design.policy.reml, steps=steps)
        self.policy = replace(design.policy, first_wiggly=len(design.groups), reml=reml)  # all that are here
        # Columns of each group; the last is for columns without a group.
        self.most = np.full(self.count + 1, design.policy.first_wiggly)
        constrained = design.constraints is not None and design.constraints.has_inequalities
        if constrained:  # inequalities are those of all B-splines
            self.most[:] = len(design.groups)
        elif before is not None:
            edf = np.max([np.append(fit.edf, 0.0)[before.places(design)] for fit in before.fits], axis=0)
            while (small := edf > self.most[: self.count] / 2).any():
                self.most[: self.count][small] *= 2
        if keep is None:
            keep = self._wanted()
        self._take(keep)

    def _wanted(self) -> np.ndarray:
        return self.design.ranks < self.most[self.design.groups]

    def _take(self, keep: np.ndarray) -> None:
        self.keep = keep
        self.groups = self.design.groups[keep]
        self.ranks = self.design.ranks[keep]
        self.values: np.ndarray | None = None
        if len(self.x) * int(keep.sum()) <= self.policy.numbers_kept:
            values = np.empty((len(self.x), int(keep.sum())))
            for part in self.chunks(len(self.x)):
                values[part] = self.design.columns(self.x[part])[:, keep]
            self.values = values

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """Return the needed columns at the rows with these positions."""
        if self.values is None:
            return self.design.columns(self.x[rows])[:, self.keep]
        return self.values[rows]

    def predictors(self, coefs: np.ndarray) -> np.ndarray:
        """Return the linear predictors (N, K) of coefficients (K, p) of all columns of the design."""
        if self.values is not None and not coefs[:, ~self.keep].any():
            return np.asarray(self.values @ coefs[:, self.keep].T)
        return self.design.link(coefs.T, self.x)

    def products(self, score: np.ndarray) -> np.ndarray:
        """Return the sums over the rows of scores (N, K) times the needed columns, (K, needed columns)."""
        if self.values is not None:
            return np.asarray(score.T @ self.values)
        rows = np.arange(len(self.x))
        total = np.zeros((score.shape[1], int(self.keep.sum())))
        for part in self.chunks(len(self.x)):
            total += score[part].T @ self.columns(rows[part])
        return total

    def grow(self, edf: np.ndarray) -> bool:
        """Take more columns for curves that use half of theirs, as `estimate` does; return whether any does."""
        held = np.bincount(self.design.groups[~self.keep] + 1, minlength=self.count + 1)[1:]
        more = (edf > self.most[: self.count] / 2) & (held > 0)
        self.most[: self.count][more] *= 2
        if more.any():
            self._take(self._wanted())
        return bool(more.any())


class RowsInMemory:
    """Rows in memory, for `Iteration`: the predictors of the last coefficients are kept. See `irls.Rows`."""

    def __init__(
        self, needed: NeededColumns, y: np.ndarray, weight: np.ndarray, family: Family, least_information: float
    ) -> None:
        self.needed = needed
        self.y = y
        self.weight = weight
        self.family = family
        self.least_information = least_information
        self.groups = needed.design.groups
        self.grow = needed.grow
        # The coefficients of the last predictors (N, K), and their deviance.
        self._coefs: np.ndarray | None = None
        self._eta = np.zeros((0, 0))
        self._deviance: float | None = None
        # The best constant, at which the family's own parameters are estimated for the first time.
        constants = np.atleast_1d(np.asarray(family.start(y, weight), float))
        constraints = needed.design.constraints
        if constraints is not None:  # every step leads from here towards what obeys them
            constants = constraints.bounded(constants)
        self.constants = np.zeros((len(constants), len(self.groups)))
        self.constants[:, 0] = constants
        self.adapt(self.constants)
        self.null_deviance = self.deviance(self.constants)

    @property
    def keep(self) -> np.ndarray:
        """Columns that the normal matrix has, (p,)."""
        return self.needed.keep

    @property
    def design(self) -> Any:
        """The columns of the normal matrix; inequalities are checked on the whole design, which then is needed."""
        if self.keep.all():
            return self.needed.design
        return self.needed

    def eta(self, coefs: np.ndarray) -> np.ndarray:
        """Return the linear predictors (N, K) of coefficients (K, p)."""
        if self._coefs is None or not np.array_equal(self._coefs, coefs):
            self._eta = self.needed.predictors(coefs)
            self._coefs = coefs
            self._deviance = None
            if self.family.is_profile:
                self.family = self.family.adapted(self.y, squeezed(self._eta), self.weight)
        return self._eta

    def deviance(self, coefs: np.ndarray) -> float:
        """Return the weighted deviance."""
        eta = squeezed(self.eta(coefs))
        if self._deviance is None:
            with np.errstate(over="ignore"):  # a step too far is refused because its deviance is infinite
                self._deviance = float(self.weight @ self.family.deviance(self.y, eta))
        return self._deviance

    def slope(self, coefs: np.ndarray) -> np.ndarray:
        """Return half the derivative of the deviance by the coefficients, (K, p)."""
        score = self.family.derivatives(self.y, squeezed(self.eta(coefs)))[0].reshape(len(self.y), -1)
        slope = np.zeros_like(coefs)
        slope[:, self.keep] = -self.needed.products(self.weight[:, None] * score)
        return slope

    def normal(self, coefs: np.ndarray) -> NormalMatrix:
        """Return the normal matrix, of the needed columns, of the quadratic approximation."""
        rows = np.arange(len(self.y))
        eta = self.eta(coefs)
        if np.array_equal(coefs, self.constants):
            eta = self.family.first_predictors(self.y, eta)
        if len(coefs) > 1:
            return shared_normal(self.needed, rows, self.y, self.weight, self.family, eta)
        return working_normal(self.needed, rows, self.y, self.weight, self.family, eta, least=self.least_information)

    def adapt(self, coefs: np.ndarray) -> None:
        """Estimate the family's own parameters."""
        self.family = self.family.adapted(self.y, squeezed(self.eta(coefs)), self.weight)
        self._deviance = None


def working(
    family: Family, y: np.ndarray, weight: np.ndarray, eta: np.ndarray, least: float = IrlsPolicy.least_information
) -> tuple[np.ndarray, np.ndarray]:
    """Return working weights and working residuals, score / information, of every row and predictor, (N, K) each."""
    score, information = (part.reshape(len(y), -1) for part in family.derivatives(y, squeezed(eta)))
    information = np.maximum(information, least * information.max(axis=0) + ABOVE_ZERO)
    return weight[:, None] * information, score / information


def working_normal(
    design: Any,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    eta: np.ndarray,
    k: int = 0,
    least: float = IrlsPolicy.least_information,
) -> NormalMatrix:
    """Sum the normal matrix of the quadratic approximation of a log likelihood in predictor k."""
    # It is that of the working response eta + residual (rows, K). `design` is a Design, or an object with `groups`,
    # `columns` and `chunks`; `family` is prepared for y and the weights; the information of a row is at least the
    # share `least` of the largest one.
    weights, residual = (part[:, k] for part in working(family, y, weight, eta, least))
    rows = float(weight.sum())
    normal = normal_matrix(design, x, weights, eta[:, k] + residual, rows)
    shared = family.shared_information(y, squeezed(eta), weight)
    if shared is None:
        return normal
    # Rows that depend on each other have less information together than each of them alone.
    for part in design.chunks(len(x)):
        at = shared.order[part]
        shared.add(np.column_stack([design.columns(x[at]), eta[at]]))
    lost = shared.matrix
    gram = normal.gram - lost[:-1, :-1]
    moment = normal.moment - lost[:-1, -1:]
    gram[0, 0] = rows  # the data say nothing about the constant, which then is zero
    gram[0, 1:] = gram[1:, 0] = moment[0] = 0.0
    return NormalMatrix(gram, moment, normal.square - lost[-1, -1], rows)


def shared_normal(
    design: Any, x: np.ndarray, y: np.ndarray, weight: np.ndarray, family: Family, eta: np.ndarray
) -> NormalMatrix:
    """Sum one normal matrix for all predictors of a multinomial likelihood."""
    # The information of a row about its K predictors is diag(p) - pp', which Böhning [1] bounds by (I - 11'/K) / 2; the
    # sum of the predictors does not count. Here it is replaced by w (I - 11'/K) with the w that has the same trace,
    # sum_k p_k (1 - p_k) / (K - 1), so that rows of which the model is certain count little, as in Newton's method, and
    # one factorisation serves all predictors. It is exact for two classes, and decides strengths and the metric of
    # steps only: what the steps end at is the optimum of the likelihood itself.
    # [1] D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Statist. Math. 44 (1992) 197.
    score, information = family.derivatives(y, eta)
    shared = information.sum(1) / (eta.shape[1] - 1)
    shared = np.maximum(shared, IrlsPolicy.least_information * shared.max() + ABOVE_ZERO)
    return normal_matrix(design, x, weight * shared, eta + score / shared[:, None], float(weight.sum()))


def null_deviance(family: Family, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted deviance of the best constant."""
    start = np.atleast_1d(np.asarray(family.start(y, weight), float))
    return float(weight @ family.deviance(y, squeezed(np.tile(start, (len(y), 1)))))

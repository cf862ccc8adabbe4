"""The quadratic approximation of a log likelihood, as weighted least squares (`working_normal`, `shared_normal`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.gam.families.base import Family
from edgewise.gam.normal import NormalMatrix, normal_matrix
from edgewise.gam.reweighting.policy import LEAST_INFORMATION
from edgewise.settings import ABOVE_ZERO


def working_normal(
    design: Any,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    eta: np.ndarray,
    k: int = 0,
    least: float = LEAST_INFORMATION,
) -> tuple[NormalMatrix, np.ndarray, np.ndarray]:
    """Sum the normal matrix of the quadratic approximation of a log likelihood in predictor k.

    Parameters
    ----------
    design : Design
        The columns, or an object with `groups`, `columns` and `chunks`.
    x, y, weight : ndarray
        Rows, responses and weights.
    family : Family
        The loss, prepared for y and the weights.
    eta : ndarray of shape (N, K)
        Linear predictors.
    k : int
        The predictor.
    least : float
        The information of a row is at least this share of the largest one.

    Returns
    -------
    normal : NormalMatrix
        Normal matrix of the working response eta + residual.
    weights, residual : ndarray of shape (N,)
        Working weights and working residuals.
    """
    shaped = eta if eta.shape[1] > 1 else eta[:, 0]
    score, information = (part.reshape(len(y), -1)[:, k] for part in family.derivatives(y, shaped))
    information = np.maximum(information, least * information.max() + ABOVE_ZERO)
    residual = score / information
    weights = weight * information
    rows = float(weight.sum())
    normal = normal_matrix(design, x, weights, eta[:, k] + residual, rows)
    shared = family.shared_information(y, shaped)
    if shared is None:
        return normal, weights, residual
    for part in design.chunks(len(x)):
        at = shared.order[part]
        shared.add(np.column_stack([design.columns(x[at]), eta[at]]))
    gram = normal.gram - shared.matrix[:-1, :-1]
    moment = normal.moment - shared.matrix[:-1, -1:]
    gram[0, 0] = rows  # the data say nothing about the constant, which then is zero
    gram[0, 1:] = gram[1:, 0] = moment[0] = 0.0
    return NormalMatrix(gram, moment, normal.square - shared.matrix[-1, -1], rows), weights, residual


def working_residual(family: Family, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the step score / information of every row and predictor, (N, K), at eta (N,) or (N, K)."""
    score, information = (part.reshape(len(y), -1) for part in family.derivatives(y, eta))
    return score / np.maximum(information, LEAST_INFORMATION * information.max() + ABOVE_ZERO)


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
    shared = np.maximum(shared, LEAST_INFORMATION * shared.max() + ABOVE_ZERO)
    return normal_matrix(design, x, weight * shared, eta + score / shared[:, None], float(weight.sum()))

"""Wald tests of terms with fewer degrees of freedom than coefficients (`smooth_test`).

Wood, Generalized Additive Models (2nd ed.), section 6.12.1, on approximate p-values for smooth terms: f' V^- f with the
term f at the rows and a pseudo-inverse of its covariance V.

References
----------
.. [1] S. N. Wood, "On p-values for smooth components of an extended generalized additive model", Biometrika 100 (2013),
   221-228.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edgewise.gam.policy import InferencePolicy
from edgewise.settings import ABOVE_ZERO

DEFAULTS = InferencePolicy()


def smooth_test(
    coef: np.ndarray,
    covariance: np.ndarray,
    gram: np.ndarray,
    rank: float,
    residual_df: float | None,
    policy: InferencePolicy = DEFAULTS,
) -> tuple[float, float]:
    """Wood's test that a term is zero: a Wald test with a pseudo-inverse of fractional rank [1].

    Coefficients (q,) have the Bayesian covariance (q, q); the term at the rows has the squared length coef' gram coef,
    with `gram` X'WX of its columns. `rank` are the degrees of freedom of the test, `residual_df` those of the estimated
    scale, None where it is known. Return the statistic, divided by the rank for an F test, and the mean of the p-values
    of the two statistics between which the choice is arbitrary, as in mgcv.
    """
    values, vectors = np.linalg.eigh(gram)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    spread = root @ covariance @ root
    values, vectors = np.linalg.eigh((spread + spread.T) / 2)
    values = values[::-1]
    vectors = vectors[:, ::-1]
    seen = int((values > policy.seen * max(values[0], ABOVE_ZERO)).sum())
    if not seen:
        return 0.0, 1.0
    along = vectors[:, :seen].T @ (root @ coef) / np.sqrt(values[:seen])
    whole = int(np.floor(rank))
    part = rank - whole
    if whole + (part > 0) > seen:
        whole = seen
        part = 0.0
    if whole == 0:
        statistic = float(along[0] ** 2)
        return statistic, _tail(statistic, np.ones(1), residual_df, policy.nodes)
    if part < 1e-8:
        statistic = float(along[:whole] @ along[:whole])
        return _per_rank(statistic, whole, residual_df), _tail(statistic, np.ones(whole), residual_df, policy.nodes)
    # The last full and the fractional direction share a 2 x 2 matrix with trace 1 + part and determinant part^2 ...
    cross = np.sqrt(part * (1 - part) / 2)
    last = along[whole - 1 : whole + 1]
    sure = float(along[: whole - 1] @ along[: whole - 1])
    statistics = [sure + float(last[0] ** 2 + part * last[1] ** 2 + 2 * s * cross * last[0] * last[1]) for s in (1, -1)]
    # ... and these eigenvalues, equation 5 of the paper.
    total = 1 + part
    high = (total + np.sqrt(total * (2 - total))) / 2
    weights = np.r_[np.ones(whole - 1), high, total - high]
    p_value = float(np.mean([_tail(each, weights, residual_df, policy.nodes) for each in statistics]))
    return _per_rank(statistics[0], rank, residual_df), p_value


_gauss_legendre = cache(np.polynomial.legendre.leggauss)


def _per_rank(statistic: float, rank: float, residual_df: float | None) -> float:
    """Return the chi-square statistic, or F where the scale is estimated."""
    if residual_df is None:
        return statistic
    return statistic / rank


def _tail(statistic: float, weights: np.ndarray, residual_df: float | None, count: int = DEFAULTS.nodes) -> float:
    """Probability that a sum of weighted squares of normal variables, the first weights being 1, is larger.

    With an estimated scale the sum is divided by an independent chi-square variable over its degrees of freedom. The
    sum is a chi-square variable of all degrees of freedom times an independent weight, the mean of the weights under a
    uniform direction, in which the share of the last two squares is Beta(1, (k - 2) / 2) and their angle uniform; so
    the probability is a mean of chi-square, or F, probabilities, without cancellation in the tail.
    """
    from scipy.special import chdtrc, fdtrc  # imported late: `import edgewise` stays light

    k = len(weights)
    if statistic <= 0:
        return 1.0
    # The mean weight and its probability: 1 where all weights are.
    mean = np.ones((1, 1))
    mass = np.ones((1, 1))
    # Gauss-Legendre nodes of the share of the last two squares, by the inverse of its distribution function, and of
    # their angle.
    if k >= 2 and not (weights == 1).all():
        nodes, shares = _gauss_legendre(count)
        nodes = (nodes + 1) / 2
        shares = shares / 2
        if k == 2:
            two = np.ones(count)
        else:
            two = 1 - (1 - nodes) ** (2 / (k - 2))
        angle = np.cos(np.pi * nodes / 2) ** 2
        pull = (weights[-2] - 1) * angle + (weights[-1] - 1) * (1 - angle)
        mean = 1 + np.outer(two, pull)
        mass = np.outer(shares, shares)
    # The mixture of chi-square tails, or of F tails where the scale is estimated.
    if residual_df is None:
        tail = chdtrc(k, statistic / mean)
    else:
        tail = fdtrc(k, residual_df, statistic / (k * mean))
    return float((mass * tail).sum())

"""A smoothing tensor-product spline, the classical method for few inputs: cubic, with strengths from cross-validation.

P. H. C. Eilers and B. D. Marx, "Multivariate calibration with temperature interaction using two-dimensional penalized
signal regression", Chemometrics 66 (2003): products of B-splines, with a penalty on second differences of the
coefficients along each input. Knots and the strengths, one for each input, minimise generalised cross-validation
(P. Craven and G. Wahba, Numer. Math. 31, 1979).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
from sklearn.preprocessing import SplineTransformer

INTERVALS = {1: (10, 20, 40), 2: (4, 8, 14), 3: (3, 6)}  # more in three dimensions outgrow 500 samples many times over
STRENGTHS = np.arange(-6.0, 3.5)  # decimal logarithms; then refined along each input
_RIDGE = 1e-9  # times the mean diagonal, for products that no sample reaches, near rounding


@dataclass(frozen=True)
class SmoothingSpline:
    """A fitted spline."""

    bases: tuple[SplineTransformer, ...]
    coefficients: np.ndarray
    score: float
    parameters: float

    @classmethod
    def fit(cls, X: np.ndarray, y: np.ndarray) -> SmoothingSpline:
        """Fit inputs X (N, d), d from 1 to 3, and values y (N,), with the best number of intervals."""
        return min((_fit_with(X, y, count) for count in INTERVALS[X.shape[1]]), key=lambda spline: spline.score)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the values (N,) at inputs X (N, d)."""
        return _design(self.bases, X) @ self.coefficients


def _fit_with(X: np.ndarray, y: np.ndarray, intervals: int) -> SmoothingSpline:
    bases = tuple(
        SplineTransformer(n_knots=intervals + 1, degree=3, extrapolation="linear").fit(column[:, None])
        for column in X.T
    )
    design = _design(bases, X)
    gram, moment = design.T @ design, design.T @ y
    count, inputs = intervals + 3, len(bases)
    differences = np.diff(np.eye(count), n=2, axis=0)
    square, identity = differences.T @ differences, np.eye(count)
    # For each input the matrix of the sum of squared second differences along it.
    penalties = [
        reduce(np.kron, [square if k == which else identity for k in range(inputs)]) for which in range(inputs)
    ]

    def solve(strengths: tuple[float, ...]) -> tuple[float, np.ndarray, float]:
        matrix = gram + sum(10**s * penalty for s, penalty in zip(strengths, penalties, strict=True))
        matrix.flat[:: len(matrix) + 1] += _RIDGE * gram.trace() / len(gram)
        solved = np.linalg.solve(matrix, np.column_stack([moment, gram]))
        coefficients, degrees = solved[:, 0], float(np.trace(solved[:, 1:]))
        error = float(((y - design @ coefficients) ** 2).mean())
        score = error / (1 - degrees / len(y)) ** 2 if degrees < len(y) else math.inf
        return score, coefficients, degrees

    chosen = min(((s,) * len(bases) for s in STRENGTHS), key=lambda strengths: solve(strengths)[0])
    for step, which in itertools.product((2.0, 1.0, 0.5), range(len(bases))):
        tried = [(*chosen[:which], chosen[which] + way * step, *chosen[which + 1 :]) for way in (-1, 0, 1)]
        chosen = min(tried, key=lambda strengths: solve(strengths)[0])
    score, coefficients, degrees = solve(chosen)
    return SmoothingSpline(bases, coefficients, score, degrees)


def _design(bases: tuple[SplineTransformer, ...], X: np.ndarray) -> np.ndarray:
    """Return all products of one spline of each input, (N, n^d), the last input running fastest."""
    columns = [basis.transform(column[:, None]) for basis, column in zip(bases, X.T, strict=True)]
    return reduce(lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(a), -1), columns)

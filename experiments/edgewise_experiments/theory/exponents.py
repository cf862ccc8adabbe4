"""Bounds on the error of splines, and the rates of measured errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError


def derivative_exponent(degree: int, order: int) -> int:
    """Return k + 1 - m: the error of the m-th derivative falls as G^-(k + 1 - m), with G the grid size.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), theorem 2.1.
    """
    if not 0 <= order <= degree:
        raise InputError(f"order must be from 0 to the degree {degree}, got {order}")
    return degree + 1 - order


def spline_bound(grid_size: int, degree: int, length: float, seminorm: float, order: int = 0) -> float:
    """Return (h / pi)^(k + 1 - m) |f|, a bound on the L2 error of the m-th derivative of the best spline.

    There is a spline of maximal smoothness with this error; for m = 0 it is the L2 projection.

    References
    ----------
    Sande, Manni and Speleers, "Sharp error estimates for spline approximation", M3AS 29 (2019).
    """
    return (length / grid_size / math.pi) ** derivative_exponent(degree, order) * seminorm


@dataclass(frozen=True)
class FittedExponent:
    """The rate of a measured error, error ~ size^-alpha; the standard error is NaN for two points."""

    alpha: float
    error: float
    points: int


def fitted_exponent(sizes: Sequence[float], errors: Sequence[float], floor: float = 0.0) -> FittedExponent | None:
    """Fit the exponent of error ~ size^-alpha, by least squares of the logarithms.

    Errors up to the floor are left out. None where fewer than two different sizes have an error above it.
    """
    if len(sizes) != len(errors):
        raise InputError(f"sizes and errors must be of one length, got {len(sizes)} and {len(errors)}")
    kept = [(math.log(n), math.log(e)) for n, e in zip(sizes, errors, strict=True) if e > floor and math.isfinite(e)]
    if len({x for x, _ in kept}) < 2:
        return None
    x, y = np.array(kept).T
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    degrees_of_freedom = len(kept) - 2
    variance = float(residual @ residual) / degrees_of_freedom / float(x @ x) if degrees_of_freedom else math.nan
    return FittedExponent(-slope, math.sqrt(variance), len(kept))

"""Measured rates at which the error of a model falls with its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.deprecations import moved_to_experiments
from edgewise.errors import InputError

__all__ = ["FittedExponent", "fitted_exponent"]


@dataclass(frozen=True)
class FittedExponent:
    """The rate of a measured error, error ~ size^-alpha.

    Parameters
    ----------
    alpha : float
        The exponent.
    error : float
        Its standard error; NaN for two points.
    points : int
        Number of points in the fit.

    Examples
    --------
    >>> FittedExponent(alpha=4.0, error=0.1, points=5).alpha
    4.0
    """

    alpha: float
    error: float
    points: int


def fitted_exponent(sizes: Sequence[float], errors: Sequence[float], floor: float = 0.0) -> FittedExponent | None:
    """Fit the exponent of error ~ size^-alpha, by least squares of the logarithms.

    Parameters
    ----------
    sizes, errors : sequence of float
        The measurements.
    floor : float
        Errors up to this one are left out, such as those at the limit of the arithmetic.

    Returns
    -------
    FittedExponent or None
        None where fewer than two different sizes have an error above `floor`.

    Raises
    ------
    InputError
        The two sequences have different lengths.

    Examples
    --------
    >>> round(fitted_exponent([10, 20, 40], [1e-2, 1e-2 / 8, 1e-2 / 64]).alpha, 6)
    3.0
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


# Names of version 0.1 that only the experiments use; they go with version 0.3.
_MOVED = ("MICHAUD_POSTER", "Traits", "derivative_exponent", "exponents", "liu", "michaud", "poggio", "sharma_kaplan")
__getattr__ = moved_to_experiments(
    __name__, "edgewise_experiments.theory.exponents", {name: name for name in (*_MOVED, "spline_bound")}
)

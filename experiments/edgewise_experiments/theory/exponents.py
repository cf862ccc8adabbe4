"""Theories of how fast the error of a model falls with its size, bounds on the error of splines, and measured rates.

The root mean square error of a model of N parameters falls as N^-alpha. Liu et al., "KAN: Kolmogorov-Arnold Networks"
(arXiv 2404.19756), compare four theories of alpha in section 2.3; `exponents` returns them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError

__all__ = [
    "MICHAUD_POSTER",
    "FittedExponent",
    "Traits",
    "derivative_exponent",
    "exponents",
    "fitted_exponent",
    "liu",
    "michaud",
    "poggio",
    "sharma_kaplan",
    "spline_bound",
]

# The number printed on the KAN paper's poster: (k + 1) / 2 of piecewise linear splines, as of ReLU.
MICHAUD_POSTER = 1.0


@dataclass(frozen=True)
class Traits:
    """Properties of a function on which the theories of the exponent depend."""

    inputs: int
    dimension: int | None = None
    arity: int = 2
    smoothness: float = math.inf

    def __post_init__(self) -> None:
        dimension = self.inputs if self.dimension is None else self.dimension
        if not 1 <= dimension <= self.inputs:
            raise InputError(f"dimension must be from 1 to the {self.inputs} inputs, got {dimension}")
        if not (self.arity >= 1 and self.smoothness >= 0):
            raise InputError(
                f"arity must be at least 1 and smoothness at least 0, got {self.arity} and {self.smoothness}"
            )
        object.__setattr__(self, "dimension", dimension)


def sharma_kaplan(degree: int, dimension: int) -> float:
    """Return (k + 1) / d, with d the intrinsic dimension of the inputs.

    References
    ----------
    Sharma and Kaplan, "A neural scaling law from the dimension of the data manifold" (arXiv 2004.10802).
    """
    return (degree + 1) / dimension


def michaud(degree: int, arity: int = 2) -> float:
    """Return (k + 1) / arity; the KAN paper uses arity 2, and its poster prints `MICHAUD_POSTER`.

    References
    ----------
    Michaud, Liu and Tegmark, "Precision machine learning" (arXiv 2210.13447).
    """
    return (degree + 1) / arity


def poggio(smoothness: float) -> float:
    """Return m / 2, for compositions of functions of two inputs with m continuous derivatives.

    References
    ----------
    Poggio, Banburski and Liao, "Theoretical issues in deep networks", PNAS 117 (2020).
    """
    return smoothness / 2


def liu(degree: int) -> float:
    """Return k + 1, for a KAN of the function's own smooth shape, whatever the number of inputs.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), theorem 2.1.
    """
    return degree + 1.0


def exponents(traits: Traits, degree: int) -> dict[str, float]:
    """Return alpha by each of the four theories, for piecewise polynomials of one degree."""
    assert traits.dimension is not None  # set by the class
    return {
        "Sharma-Kaplan": sharma_kaplan(degree, traits.dimension),
        "Michaud": michaud(degree, traits.arity),
        "Poggio": poggio(traits.smoothness),
        "KAN": liu(degree),
    }


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

"""Scaling exponents of four theories, error bounds of splines and their compositions, and the exponent of measurements.

The root mean square error of a model of N parameters falls as N^-alpha. Liu et al., "KAN: Kolmogorov-Arnold Networks"
(arXiv 2404.19756), compare four theories of alpha in section 2.3; `exponents` has them all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from edgewise.errors import InputError

MICHAUD_POSTER = 1.0  # the number that the paper's poster prints: (k + 1) / 2 of piecewise linear splines, as of ReLU


@dataclass(frozen=True)
class Traits:
    """What the theories know of a function.

    inputs: how many. dimension: of the manifold on which the inputs lie, `inputs` if left out. arity: the most inputs
    of one node of its computational graph; 2 by the Kolmogorov-Arnold theorem, if smoothness doesn't matter.
    smoothness: continuous derivatives of its nodes.
    """

    inputs: int
    dimension: int | None = None
    arity: int = 2
    smoothness: float = math.inf

    def __post_init__(self):
        dimension = self.inputs if self.dimension is None else self.dimension
        if not 1 <= dimension <= self.inputs:
            raise InputError(f"dimension must be from 1 to the {self.inputs} inputs, got {dimension}")
        if not (self.arity >= 1 and self.smoothness >= 0):
            raise InputError(
                f"arity must be at least 1 and smoothness at least 0, got {self.arity} and {self.smoothness}"
            )
        object.__setattr__(self, "dimension", dimension)


def sharma_kaplan(degree: int, dimension: int) -> float:
    """(k + 1) / d, d the intrinsic dimension of the inputs (Sharma and Kaplan, arXiv 2004.10802)."""
    return (degree + 1) / dimension


def michaud(degree: int, arity: int = 2) -> float:
    """(k + 1) / arity (Michaud, Liu and Tegmark, arXiv 2210.13447), as the KAN paper has it with arity 2.

    Its poster prints `MICHAUD_POSTER`.
    """
    return (degree + 1) / arity


def poggio(smoothness: float) -> float:
    """m / 2 for compositions of functions of two inputs with m derivatives (Poggio et al., PNAS 117, 2020)."""
    return smoothness / 2


def liu(degree: int) -> float:
    """k + 1, whatever the number of inputs, for a KAN of the function's own smooth shape (KAN paper, theorem 2.1)."""
    return degree + 1.0


def exponents(traits: Traits, degree: int) -> dict[str, float]:
    """Alpha by each theory, for piecewise polynomials of the given degree."""
    return {
        "Sharma-Kaplan": sharma_kaplan(degree, traits.dimension),
        "Michaud": michaud(degree, traits.arity),
        "Poggio": poggio(traits.smoothness),
        "KAN": liu(degree),
    }


def derivative_exponent(degree: int, order: int) -> int:
    """k + 1 - m: the error in C^m falls as G^-(k + 1 - m), G the grid size (KAN paper, theorem 2.1)."""
    if not 0 <= order <= degree:
        raise InputError(f"order must be from 0 to the degree {degree}, got {order}")
    return degree + 1 - order


def spline_bound(grid_size: int, degree: int, length: float, seminorm: float, order: int = 0) -> float:
    """(h / pi)^(k + 1 - m) |f|: bounds the L2 norm of the m-th derivative of f minus the best spline, h = length / G.

    Sande, Manni and Speleers, "Sharp error estimates for spline approximation", M3AS 29 (2019): there is a spline of
    maximal smoothness with this error, for m = 0 the L2 projection.

    Args:
        grid_size: intervals of one width. length: of the domain.
        seminorm: L2 norm of the (degree + 1)-th derivative of f over the domain.
        order: m, of the derivative that is measured.
    """
    return (length / grid_size / math.pi) ** derivative_exponent(degree, order) * seminorm


def composed_bound(errors: Sequence[float], slopes: Sequence[float]) -> float:
    """Largest error of a composition of layers, sum_l errors_l prod_{j > l} slopes_j, by the triangle inequality.

    Args:
        errors: of each layer, first to last: the largest of any output, on all that enters.
        slopes: Lipschitz constants of the exact layers in the maximum norm.
    """
    if len(errors) != len(slopes) or not errors:
        raise InputError(f"errors and slopes must have one entry for each layer, got {len(errors)} and {len(slopes)}")
    behind = list(accumulate(reversed(slopes[1:]), lambda a, b: a * b, initial=1.0))
    return sum(error * factor for error, factor in zip(reversed(errors), behind, strict=True))


@dataclass(frozen=True)
class FittedExponent:
    """alpha of error ~ size^-alpha, its standard error (NaN for two points), and how many points it is of."""

    alpha: float
    error: float
    points: int


def fitted_exponent(sizes: Sequence[float], errors: Sequence[float], floor: float = 0.0) -> FittedExponent | None:
    """Least squares of log error against log size; None where fewer than two sizes have an error above `floor`."""
    if len(sizes) != len(errors):
        raise InputError(f"sizes and errors must be of one length, got {len(sizes)} and {len(errors)}")
    kept = [(math.log(n), math.log(e)) for n, e in zip(sizes, errors, strict=True) if e > floor and math.isfinite(e)]
    if len({x for x, _ in kept}) < 2:
        return None
    x, y = np.array(kept).T
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    left = y - y.mean() - slope * x
    free = len(kept) - 2
    spread = math.sqrt(float(left @ left) / free / float(x @ x)) if free else math.nan
    return FittedExponent(-slope, spread, len(kept))

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
    """Properties of a function on which the theories of the exponent depend.

    Parameters
    ----------
    inputs : int
        Number of inputs.
    dimension : int, optional
        Dimension of the manifold on which the inputs lie; by default `inputs`.
    arity : int
        Largest number of inputs of one node of the function's computational graph; 2 by the Kolmogorov-Arnold theorem,
        if smoothness does not matter.
    smoothness : float
        Number of continuous derivatives of its nodes.

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> Traits(4, arity=2).dimension
    4
    """

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

    Parameters
    ----------
    degree : int
        Degree k of the piecewise polynomials.
    dimension : int
        Dimension d of the manifold on which the inputs lie.

    Returns
    -------
    float
        The exponent alpha.

    References
    ----------
    Sharma and Kaplan, "A neural scaling law from the dimension of the data manifold" (arXiv 2004.10802).

    Examples
    --------
    >>> sharma_kaplan(degree=3, dimension=2)
    2.0
    """
    return (degree + 1) / dimension


def michaud(degree: int, arity: int = 2) -> float:
    """Return (k + 1) / arity; the KAN paper uses arity 2, and its poster prints `MICHAUD_POSTER`.

    Parameters
    ----------
    degree : int
        Degree k of the piecewise polynomials.
    arity : int
        Largest number of inputs of one node of the function's computational graph.

    Returns
    -------
    float
        The exponent alpha.

    References
    ----------
    Michaud, Liu and Tegmark, "Precision machine learning" (arXiv 2210.13447).

    Examples
    --------
    >>> michaud(degree=3)
    2.0
    """
    return (degree + 1) / arity


def poggio(smoothness: float) -> float:
    """Return m / 2, for compositions of functions of two inputs with m continuous derivatives.

    Parameters
    ----------
    smoothness : float
        Number m of continuous derivatives.

    Returns
    -------
    float
        The exponent alpha.

    References
    ----------
    Poggio, Banburski and Liao, "Theoretical issues in deep networks", PNAS 117 (2020).

    Examples
    --------
    >>> poggio(smoothness=6)
    3.0
    """
    return smoothness / 2


def liu(degree: int) -> float:
    """Return k + 1, for a KAN of the function's own smooth shape, whatever the number of inputs.

    Parameters
    ----------
    degree : int
        Degree k of the splines.

    Returns
    -------
    float
        The exponent alpha.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), theorem 2.1.

    Examples
    --------
    >>> liu(degree=3)
    4.0
    """
    return degree + 1.0


def exponents(traits: Traits, degree: int) -> dict[str, float]:
    """Return alpha by each of the four theories, for piecewise polynomials of one degree.

    Parameters
    ----------
    traits : Traits
        Properties of the function.
    degree : int
        Degree of the piecewise polynomials.

    Returns
    -------
    dict of float
        The exponents by the names of the theories.

    Examples
    --------
    >>> exponents(Traits(100, smoothness=6), degree=3)
    {'Sharma-Kaplan': 0.04, 'Michaud': 2.0, 'Poggio': 3.0, 'KAN': 4.0}
    """
    assert traits.dimension is not None  # set by the class
    return {
        "Sharma-Kaplan": sharma_kaplan(degree, traits.dimension),
        "Michaud": michaud(degree, traits.arity),
        "Poggio": poggio(traits.smoothness),
        "KAN": liu(degree),
    }


def derivative_exponent(degree: int, order: int) -> int:
    """Return k + 1 - m: the error of the m-th derivative falls as G^-(k + 1 - m), with G the grid size.

    Parameters
    ----------
    degree : int
        Degree k of the splines.
    order : int
        Order m of the derivative, from 0 to k.

    Returns
    -------
    int
        The exponent.

    Raises
    ------
    InputError
        The order is out of range.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), theorem 2.1.

    Examples
    --------
    >>> derivative_exponent(degree=3, order=2)
    2
    """
    if not 0 <= order <= degree:
        raise InputError(f"order must be from 0 to the degree {degree}, got {order}")
    return degree + 1 - order


def spline_bound(grid_size: int, degree: int, length: float, seminorm: float, order: int = 0) -> float:
    """Return (h / pi)^(k + 1 - m) |f|, a bound on the L2 error of the m-th derivative of the best spline.

    There is a spline of maximal smoothness with this error; for m = 0 it is the L2 projection.

    Parameters
    ----------
    grid_size : int
        Number of intervals, all of width h = length / grid_size.
    degree : int
        Degree k of the spline.
    length : float
        Length of the domain.
    seminorm : float
        L2 norm |f| of the (k + 1)-th derivative of the function over the domain.
    order : int
        Order m of the derivative whose error is bounded.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    InputError
        The order is out of range.

    References
    ----------
    Sande, Manni and Speleers, "Sharp error estimates for spline approximation", M3AS 29 (2019).

    Examples
    --------
    The bound for sin(x) on an interval of length pi, whose fourth derivative has the norm (pi / 2)^(1/2):

    >>> import math
    >>> round(spline_bound(10, degree=3, length=math.pi, seminorm=math.sqrt(math.pi / 2)), 6)
    0.000125
    """
    return (length / grid_size / math.pi) ** derivative_exponent(degree, order) * seminorm


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

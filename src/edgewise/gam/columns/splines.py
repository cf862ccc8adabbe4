"""The cubic B-splines of one input: knots from its rows, and the combinations of them that a curve is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.policy import AdditivePolicy
from edgewise.ops.splines.active import active_basis
from edgewise.ops.splines.knots import extend

Array = NDArray[np.float64]

DEGREE = 3  # cubic, for a penalty on second derivatives: Wood (2017), Generalized Additive Models, section 5.1
# Knots nearer to each other, as a share of the largest number, would coincide in rounding: 2^-52 times 45.
NARROWEST = 1e-14
TUKEY = 1.5  # his distance of the fences from the quartiles, in distances of the quartiles


@dataclass(frozen=True)
class Column:
    """Summary of one input over its rows."""

    knots: Array  # (intervals + 7,), strictly increasing; the domain spans the rows
    distinct: int  # number of distinct values, 1 for a constant
    tails: tuple[float, float]  # the quantile of `AdditivePolicy.tail` and its mirror image
    limits: tuple[float, float]  # where straight continuations end, see `AdditivePolicy.reach`


def column_of(x: Array, weight: Array, intervals: int, policy: AdditivePolicy) -> Column:
    """Choose the knots of an input from its values (N,) and their positive weights (N,).

    Quantiles take a weight as so many equal rows: the smallest value up to which that share of the weight lies.
    """
    order = np.argsort(x, kind="stable")
    ranked = x[order]
    total = np.cumsum(weight[order])
    distinct = ranked[np.append(True, ranked[1:] > ranked[:-1])]
    low = float(distinct[0])
    high = float(distinct[-1])

    def quantile(share: Array) -> Array:
        place = np.searchsorted(total, share * total[-1] * (1 - 1e-12))  # less rounding, so that repeats change nothing
        return ranked[np.minimum(place, len(ranked) - 1)]

    share = np.linspace(0, 1, intervals + 1)
    rows, values, even = policy.knot_mix
    places = np.linspace(0, len(distinct) - 1, intervals + 1)
    spread = np.interp(places, np.arange(len(distinct)), distinct)
    # Even knots end at the fences of Tukey, "Exploratory Data Analysis" (1977): a row far out would take them all.
    first, third = quantile(np.array([0.25, 0.75]))
    if third > first:
        fence = TUKEY * (third - first)
    else:
        fence = high - low
    start = max(low, first - fence)
    end = min(high, third + fence)
    inner = rows * quantile(share) + values * spread + even * (start * (1 - share) + end * share)
    inner[0], inner[-1] = low, high
    if len(distinct) < 2 or not np.diff(inner).min() > NARROWEST * max(abs(low), abs(high)):
        half = max(1.0, abs(low))
        inner = np.linspace(low - half, low + half, intervals + 1)
        return Column(extended(inner), 1, (low, high), (low, high))
    tails = quantile(np.array([policy.tail, 1 - policy.tail]))
    outer = quantile(np.array([policy.reach, 1 - policy.reach]))
    # Not from the outermost row itself: where one lies far out, it determines the slope poorly, and nothing far beyond.
    limits = float(low - (outer[0] - tails[0])), float(high + (tails[1] - outer[1]))
    return Column(extended(inner), len(distinct), (float(tails[0]), float(tails[1])), limits)


def extended(inner: Array) -> Array:
    """Return breakpoints (G + 1,) with three more knots beyond each end, as `edgewise.ops.splines.knots.extend`."""
    return extend(torch.from_numpy(inner)[None], DEGREE)[0].numpy()


def greville(knots: Array) -> Array:
    """Return the abscissae at which coefficients equal to a straight line lie on it, (..., n)."""
    return (knots[..., 1:-3] + knots[..., 2:-2] + knots[..., 3:-1]) / 3


def active(x: Array, knots: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the number of the first B-spline that is not zero, (N, inputs), and the four values, (N, inputs, 4)."""
    first, values = active_basis(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(knots), DEGREE)
    return first.numpy(), values[0].numpy()


def dense(first: NDArray[np.int64], values: Array, size: int) -> Array:
    """Return all B-splines, (inputs, N, size), of what `active` returns."""
    rows, inputs = first.shape
    full = np.zeros((inputs, rows, size))
    start = (np.arange(inputs) * rows + np.arange(rows)[:, None]) * size + first
    flat = full.reshape(-1)
    for number in range(DEGREE + 1):
        flat[start + number] = values[:, :, number]
    return full


@dataclass(frozen=True)
class Curves:
    """Functions of one input as combinations of its B-splines, in groups that share a penalty."""

    change: Array  # B-spline coefficients of each function, (n, functions)
    kinds: tuple[str, ...]  # kind of each function: "straight", "warped", "bent" (a parabola) or "wiggly"


def curves_of(column: Column, gram: Array, weight: float, most: int, policy: AdditivePolicy) -> Curves:
    """Choose the functions of an input: straight, straight in ranks, a parabola, and the first wiggly ones.

    Shapes: gram (n, n).
    """
    # All have mean zero over the rows. The straight ones have variance 1. The sum of squared second differences of a
    # wiggly combination's B-spline coefficients, as in P-splines [1], is the sum of its squared coefficients here, and
    # wiggly functions are uncorrelated with each other and with the one straight in ranks: the basis of Demmler and
    # Reinsch [2], in falling order of variance. What the rows do not see is left at its smoothest. The wiggly functions
    # are straight at the ends, so that a curve of constant bend needs many of them: the parabola spares these where the
    # rows give strong evidence for it, see `solving.estimate`.
    # [1] P. Eilers and B. Marx, Statistical Science 11 (1996) 89.
    # [2] A. Demmler and C. Reinsch, Numerische Mathematik 24 (1975) 375; Ruppert, Wand and Carroll, "Semiparametric
    # Regression" (2003), section 3.14 and appendix B.1.1.
    size = len(gram)
    if column.distinct < 2:
        return Curves(np.zeros((size, 0)), ())
    mean = gram.sum(0) / weight
    moments = gram / weight - np.outer(mean, mean)  # of centred combinations
    straight = standardised(greville(column.knots), mean, moments)[:, None]
    if column.distinct == 2:
        return Curves(straight, ("straight",))
    warped = standardised(np.arange(size, dtype=float), mean, moments)[:, None]
    wiggly = demmler_reinsch(warped, moments, policy.null_share)[:, :most]
    wiggly = wiggly - mean @ wiggly
    if abs((straight.T @ moments @ warped).item()) > policy.same_correlation:
        warped = warped[:, :0]
    bent = _parabola(column.knots, straight, mean, moments, policy.same_correlation)
    bent = bent[:, : int(wiggly.shape[1] > policy.bent_edf)]
    kinds = ("straight", *("warped",) * warped.shape[1], *("bent",) * bent.shape[1], *("wiggly",) * wiggly.shape[1])
    return Curves(np.concatenate([straight, warped, bent, wiggly], 1), kinds)


def _parabola(knots: Array, straight: Array, mean: Array, moments: Array, same: float) -> Array:
    """Return the coefficients of a parabola that is uncorrelated with the straight line, of variance 1.

    Those of t^2 are the mean products of two of three knots: Marsden's identity (de Boor 1978, ch. IX). There is none,
    (n, 0), where it correlates with the line by more than `same`, as where one row lies far out.
    """
    t = (knots - knots.mean()) / np.ptp(knots)
    a = t[1:-3]
    b = t[2:-2]
    c = t[3:-1]
    square = standardised((a * b + a * c + b * c) / 3, mean, moments)[:, None]
    along = float((straight.T @ moments @ square).item())
    if abs(along) > same:
        return square[:, :0]
    return (square - along * straight) / np.sqrt(1 - along**2)


def standardised(coef: Array, mean: Array, moments: Array) -> Array:
    """Return B-spline coefficients (n,) of the same function with mean 0 and variance 1 over the rows."""
    centred = coef - mean @ coef
    return centred / np.sqrt(centred @ moments @ centred)


def demmler_reinsch(null: Array, moments: Array, share: float) -> Array:
    """Return combinations (n, k) whose penalty is the identity, uncorrelated, in falling order of variance.

    `null` (n, 1) is the function that the second differences do not see, beside constants, of variance 1, and `moments`
    the covariance of the coordinates over the rows, (n, n). Functions with less than a share of the first one's
    variance are left out.
    """
    bend = np.linalg.pinv(np.diff(np.eye(len(moments)), 2, axis=0))
    bend = bend - null @ (null.T @ moments @ bend)
    variances, vectors = np.linalg.eigh(bend.T @ moments @ bend)
    variances = variances[::-1]
    vectors = vectors[:, ::-1]
    return bend @ vectors[:, variances > max(share * variances.max(initial=0), 1e-15)]


def spline_gram(x: Array, weight: Array, knots: Array, policy: AdditivePolicy) -> Array:
    """Return B'WB of each input, (inputs, n, n)."""
    size = knots.shape[1] - DEGREE - 1
    gram = np.zeros((len(knots), size, size))
    for start in range(0, len(x), policy.rows_per_chunk):
        part = slice(start, start + policy.rows_per_chunk)
        basis = dense(*active(x[part], knots), size)
        basis *= np.sqrt(weight[part, None])
        gram += basis.transpose(0, 2, 1) @ basis
    return gram

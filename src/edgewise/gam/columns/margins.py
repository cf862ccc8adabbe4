"""Margins of pairs: few smooth functions of each input (`margin_of`) and their products (`purified`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.columns.splines import DEGREE, Column, demmler_reinsch, greville, standardised
from edgewise.gam.policy import AdditivePolicy
from edgewise.settings import ABOVE_ZERO

Array = NDArray[np.float64]
Pair = tuple[int, int]

# Share of a product's mean square below which what the margins leave of it is rounding: sums over the rows lose half of
# the digits at most.
LEFT_OVER = 1e-8


@dataclass(frozen=True)
class Margin:
    """Functions of one input that pairs are made of: few, smooth, and constant beyond the outer quantiles."""

    change: Array  # B-spline coefficients, (n, functions); the first functions are straight, and straight in ranks
    covariance: Array  # covariance over the rows, (functions, functions)
    straight: int  # number of the straight functions, 1 or 2


@dataclass(frozen=True)
class PairPart:
    """The columns of one pair: products of its margins, less what the margins alone explain of them."""

    inputs: Pair  # the two inputs
    # what is subtracted, as coefficients of 1, the first and the second input's margins, (1 + ra + rb, ra rb)
    purifier: Array
    # for each column 0 to 3: straight or wiggly in the first, straight or wiggly in the second input, (ra rb,)
    kinds: NDArray[np.intp]
    # 1 for each column of which something is left over the rows, 0 for the others, which are set to zero, (ra rb,)
    seen: Array


def margin_of(column: Column, gram: Array, weight: float, intervals: int, policy: AdditivePolicy) -> Margin:
    """Return the functions of an input that its pairs are made of."""
    from scipy.interpolate import BSpline  # imported late: `import edgewise` stays light

    size = len(gram)
    low, high = np.interp(column.tails, greville(column.knots), np.arange(size))
    ends = column.knots[[DEGREE, -DEGREE - 1]]
    gaps = np.abs(np.asarray(column.tails) - ends)
    low, high = np.where(gaps <= policy.short_tail * (ends[1] - ends[0]), (0, size - 1), (low, high))
    if high - low < 2:
        low = np.float64(0)
        high = np.float64(size - 1)
    place = (np.clip(np.arange(size), low, high) - low) / (high - low)
    mean = gram.sum(0) / weight
    moments = gram / weight - np.outer(mean, mean)
    averages = greville(column.knots)
    ends = np.interp([low, high], np.arange(size), averages)
    lines = _level_ends(np.stack([np.clip(averages, *ends), place], 1), column.knots)
    raw, ranked = (standardised(line, mean, moments)[:, None] for line in lines.T)
    if column.distinct == 2:
        return Margin(raw, np.ones((1, 1)), 1)
    same = abs((raw.T @ moments @ ranked).item()) > policy.same_correlation
    if same:
        straight = raw
    else:
        straight = np.concatenate([raw, ranked], 1)
    intervals = min(intervals, column.distinct - 1, int(high - low))
    quadratics = BSpline(np.arange(-2, intervals + 3) / intervals, np.eye(intervals + 2), 2)  # on even knots in [0, 1]
    curved = _level_ends(quadratics(place), column.knots)
    inner = curved.T @ moments @ curved
    line = np.arange(intervals + 2.0)[:, None]  # straight, for the knots are even
    line = line / np.sqrt((line.T @ inner @ line).item())
    wiggly = curved @ demmler_reinsch(line, inner, policy.margin_share)
    change = np.concatenate([straight, wiggly - mean @ wiggly], 1)
    return Margin(change, change.T @ moments @ change, straight.shape[1])


def _level_ends(coef: Array, knots: Array) -> Array:
    """Return B-spline coefficients (n, k) with the first and the last one such that the slope at the ends is zero.

    The slope at an end knot is the mean of the last two 3 (c_(g+1) - c_g) / (t_(g+4) - t_(g+1)), for the knots beyond
    the end repeat the last interval (de Boor, "A Practical Guide to Splines", ch. X, eq. (12)).
    """
    spans = knots[4:-1] - knots[1:-4]
    coef = coef.copy()
    coef[0] = coef[1] + (coef[2] - coef[1]) * spans[0] / spans[1]
    coef[-1] = coef[-2] - (coef[-2] - coef[-3]) * spans[-1] / spans[-2]
    return coef


def purified(pair: Pair, margins: tuple[Margin, Margin], gram: Array, cross: Array, square: Array) -> PairPart:
    """Return the columns of a pair of inputs, with margins of ra and rb functions, from sums over the rows.

    `gram` has those of products of 1 and the margins, (1 + ra + rb, 1 + ra + rb), `cross` those of their products with
    the columns before what is subtracted, (1 + ra + rb, ra rb), and `square` those of squares of these columns, (ra
    rb,).
    """
    first, second = (np.arange(each.change.shape[1]) >= each.straight for each in margins)
    root = np.sqrt(np.maximum(np.diag(gram), ABOVE_ZERO))[:, None]
    inverse = np.linalg.pinv(gram / root / root.T, rcond=1e-10, hermitian=True)
    purifier = inverse @ (cross / root) / root  # least squares; the shortest coefficients where they are not unique
    seen = square - (cross * purifier).sum(0) > LEFT_OVER * square
    return PairPart(pair, purifier * seen, (2 * first[:, None] + second).ravel(), seen.astype(float))

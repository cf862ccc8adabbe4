"""Functions of one input and of pairs, all combinations of the cubic B-splines of each input.

Wood, Generalized Additive Models (2nd ed.), section 5.3.3 on P-splines and 5.6 on tensor products; the basis of Demmler
and Reinsch makes the penalty of each group a ridge, as the natural parameterisation of section 5.4.2 does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.policy import AdditivePolicy
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.active import active_basis
from edgewise.settings import ABOVE_ZERO, chunks

Array = NDArray[np.float64]
Pair = tuple[int, int]
Size = tuple[int, int]  # intervals of the two margins of a pair

CLUSTER = 4  # knots in the gap of a step: a cubic spline goes from one constant to another between four knots
DEGREE = 3  # cubic, for a penalty on second derivatives: Wood (2017), Generalized Additive Models, section 5.1


@dataclass(frozen=True)
class Column:
    """Summary of one input over its rows."""

    knots: Array  # (intervals + 7,), strictly increasing; the domain spans the rows
    distinct: int  # number of distinct values, 1 for a constant
    tails: tuple[float, float]  # the quantile of `AdditivePolicy.tail` and its mirror image
    limits: tuple[float, float]  # where straight continuations end, see `AdditivePolicy.reach`
    cuts: tuple[float, ...] = ()  # values at which the curve, and pairs, may have a step

    def steps(self) -> Array:
        """Return the B-spline coefficients of a unit step at each cut, (n, cuts).

        The sum of all B-splines from number g on goes from 0 to 1 between knots g and g + 3, which lie in one gap.
        """
        size = len(self.knots) - DEGREE - 1
        first = np.searchsorted(self.knots, np.asarray(self.cuts)) - CLUSTER // 2
        return (np.arange(size)[:, None] >= first).astype(float)


def column_of(x: Array, weight: Array, intervals: int, policy: AdditivePolicy, cuts: Sequence[float] = ()) -> Column:
    """Choose the knots of an input from its values (N,) and their positive weights (N,), with steps at `cuts`.

    Quantiles take a weight as a number of equal rows: the smallest value up to which that share of the weight lies.
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

    # Knots: a mix of quantiles of the rows, quantiles of the distinct values, and even spacing.
    share = np.linspace(0, 1, intervals + 1)
    rows, values, even = policy.knot_mix
    places = np.linspace(0, len(distinct) - 1, intervals + 1)
    spread = np.interp(places, np.arange(len(distinct)), distinct)
    # Even knots end at the fences of Tukey, "Exploratory Data Analysis" (1977): a row far out would take them all.
    first, third = quantile(np.array([0.25, 0.75]))
    if third > first:
        fence = policy.fence * (third - first)
    else:
        fence = high - low
    start = max(low, first - fence)
    end = min(high, third + fence)
    inner = rows * quantile(share) + values * spread + even * (start * (1 - share) + end * share)
    inner[0] = low
    inner[-1] = high
    if len(distinct) < 2 or not np.diff(inner).min() > policy.narrowest * max(abs(low), abs(high)):
        half = max(1.0, abs(low))
        inner = np.linspace(low - half, low + half, intervals + 1)
        return Column(extended(inner), 1, (low, high), (low, high))
    # Where the margins of pairs become constant, and where straight continuations end.
    tails = quantile(np.array([policy.tail, 1 - policy.tail]))
    outer = quantile(np.array([policy.reach, 1 - policy.reach]))
    # Not from the outermost row itself: where one lies far out, it determines the slope poorly, and nothing far beyond.
    limits = float(low - (outer[0] - tails[0])), float(high + (tails[1] - outer[1]))
    inner = _clustered(inner, distinct, cuts, policy.step_width)
    return Column(extended(inner), len(distinct), (float(tails[0]), float(tails[1])), limits, tuple(cuts))


def _clustered(inner: Array, distinct: Array, cuts: Sequence[float], width: float) -> Array:
    """Return breakpoints of which four lie together in the gap of each cut, the nearest ones moved there."""
    moved = np.zeros(len(inner), bool)
    moved[[0, -1]] = True
    inner = inner.copy()
    for cut in cuts:
        place = int(np.searchsorted(distinct, cut, side="right"))
        half = max((distinct[place] - distinct[place - 1]) / 4, width * (distinct[-1] - distinct[0]) / 2)
        nearest = np.argsort(np.abs(inner - cut) + np.where(moved, np.inf, 0.0), kind="stable")[:CLUSTER]
        inner[nearest] = cut + half * np.linspace(-1, 1, CLUSTER)
        moved[nearest] = True
    return np.sort(inner)


def extended(inner: Array) -> Array:
    """Return breakpoints (G + 1,) with three more knots beyond each end, as `edgewise.ops.splines.knots.extend`."""
    return knot_vectors.extend(torch.from_numpy(inner)[None], DEGREE)[0].numpy()


def greville(knots: Array) -> Array:
    """Return the abscissae at which coefficients equal to a straight line lie on it, (..., n)."""
    return knot_vectors.greville(torch.from_numpy(knots), DEGREE).numpy()


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
    # kind of each function: "straight", "warped", "bent" (a parabola), "step" or "wiggly"
    kinds: tuple[str, ...]


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
    steps = column.steps()  # not scaled, as levels are not, so that the steps of an input share one variance
    steps = steps - mean @ steps
    parts = {"straight": straight, "warped": warped, "bent": bent, "step": steps, "wiggly": wiggly}
    kinds = tuple(kind for kind, part in parts.items() for _ in range(part.shape[1]))
    return Curves(np.concatenate(list(parts.values()), 1), kinds)


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
    for part in chunks(len(x)):
        basis = dense(*active(x[part], knots), size)
        basis *= np.sqrt(weight[part, None])
        gram += basis.transpose(0, 2, 1) @ basis
    return gram


MARGIN_KINDS = ("straight", "wiggly", "step")


@dataclass(frozen=True)
class Margin:
    """Functions of one input that pairs are made of: few, smooth, and constant beyond the outer quantiles."""

    change: Array  # B-spline coefficients, (n, functions): straight, straight in ranks, wiggly, steps
    covariance: Array  # covariance over the rows, (functions, functions)
    kinds: NDArray[np.intp]  # of each function, the place among `MARGIN_KINDS`


@dataclass(frozen=True)
class PairPart:
    """The columns of one pair: products of its margins, less what the margins alone explain of them."""

    inputs: Pair  # the two inputs
    margins: tuple[Margin, Margin]  # the functions of each
    size: Size  # intervals that were asked of each margin, 0 for those of the curve; few values have fewer
    # what is subtracted, as coefficients of 1, the first and the second input's margins, (1 + ra + rb, ra rb)
    purifier: Array
    # for each column the kind in the first input times the number of kinds plus that in the second, (ra rb,)
    kinds: NDArray[np.intp]
    # 1 for each column of which something is left over the rows, 0 for the others, which are set to zero, (ra rb,)
    seen: Array


def margin_of(column: Column, gram: Array, weight: float, intervals: int, policy: AdditivePolicy) -> Margin:
    """Return the functions of an input that its pairs are made of."""
    from scipy.interpolate import BSpline  # imported late: `import edgewise` stays light

    # Places of the splines between the tails, from 0 to 1.
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
    # Straight parts: in the values, and in ranks where the two differ.
    averages = greville(column.knots)
    ends = np.interp([low, high], np.arange(size), averages)
    lines = _level_ends(np.stack([np.clip(averages, *ends), place], 1), column.knots)
    raw, ranked = (standardised(line, mean, moments)[:, None] for line in lines.T)
    if column.distinct == 2:
        return Margin(raw, np.ones((1, 1)), np.zeros(1, int))
    same = abs((raw.T @ moments @ ranked).item()) > policy.same_correlation
    if same:
        straight = raw
    else:
        straight = np.concatenate([raw, ranked], 1)
    # Curved parts: quadratic splines of the place, in the basis of Demmler and Reinsch.
    intervals = min(intervals, column.distinct - 1, int(high - low))
    quadratics = BSpline(np.arange(-2, intervals + 3) / intervals, np.eye(intervals + 2), 2)  # on even knots in [0, 1]
    curved = _level_ends(quadratics(place), column.knots)
    inner = curved.T @ moments @ curved
    line = np.arange(intervals + 2.0)[:, None]  # straight, for the knots are even
    line = line / np.sqrt((line.T @ inner @ line).item())
    wiggly = curved @ demmler_reinsch(line, inner, policy.margin_share)
    steps = column.steps()
    parts = (straight, wiggly - mean @ wiggly, steps - mean @ steps)
    change = np.concatenate(parts, 1)
    kinds = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Margin(change, change.T @ moments @ change, kinds)


def curve_margin(column: Column, gram: Array, weight: float, most: int, policy: AdditivePolicy) -> Margin:
    """Return the functions of an input that its pairs with an input of two values are made of: those of its curve.

    The coefficient of a yes or no then varies with the input as its curve does [1]; the parabola is left out.
    """
    # [1] T. Hastie and R. Tibshirani, "Varying-coefficient models", J. R. Statist. Soc. B 55 (1993) 757.
    curves = curves_of(column, gram, weight, most, policy)
    places = {"straight": 0, "warped": 0, "wiggly": 1, "step": 2}
    chosen = [number for number, kind in enumerate(curves.kinds) if kind in places]
    change = curves.change[:, chosen]
    mean = gram.sum(0) / weight
    moments = gram / weight - np.outer(mean, mean)
    kinds = np.array([places[curves.kinds[number]] for number in chosen])
    return Margin(change, change.T @ moments @ change, kinds)


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


def purified(
    pair: Pair, margins: tuple[Margin, Margin], size: Size, gram: Array, cross: Array, square: Array, least_left: float
) -> PairPart:
    """Return the columns of a pair of inputs, with margins of ra and rb functions, from sums over the rows.

    `gram` has those of products of 1 and the margins, (1 + ra + rb, 1 + ra + rb), `cross` those of their products with
    the columns before what is subtracted, (1 + ra + rb, ra rb), and `square` those of squares of these columns, (ra
    rb,). A column of which no more than the share `least_left` is left is zero.
    """
    first, second = (each.kinds for each in margins)
    kinds = (len(MARGIN_KINDS) * first[:, None] + second).ravel()
    root = np.sqrt(np.maximum(np.diag(gram), ABOVE_ZERO))[:, None]
    inverse = np.linalg.pinv(gram / root / root.T, rcond=1e-10, hermitian=True)
    purifier = inverse @ (cross / root) / root  # least squares; the shortest coefficients where they are not unique
    seen = square - (cross * purifier).sum(0) > least_left * square
    return PairPart(pair, margins, size, purifier * seen, kinds, seen.astype(float))

"""Samples without noise: least squares on polynomials of several inputs, whose size leave-one-out errors choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgewise.outcomes import check_time
from edgewise.search.polynomials.basis import Basis, decay, lower_set
from edgewise.search.polynomials.links import LINK_FUNCTIONS, STRAIGHT, Link, scaling
from edgewise.search.polynomials.network import Polynomial
from edgewise.search.validation import sampled


@dataclass(frozen=True)
class ExactSettings:
    """Sizes and thresholds of polynomials without noise."""

    # of a first look: it takes a hundredth of a second
    look_columns: int = 100
    look_rows: int = 1000
    # products in the comparison of links: a factorisation takes some hundredths of a second
    screen_columns: int = 200
    # Most products, and most for each sample: a factorisation takes a second, and beyond a third a polynomial begins
    # to swing between random points (A. Cohen and G. Migliorati, SMAI J. Comput. Math. 3 (2017) 181).
    columns: int = 900
    share_of_rows: float = 1 / 3
    rows: int = 4000  # of a fit, drawn at random: more than four for each product add little without noise
    # Links that get all products, and the ratio of a rival's loss to the least: the first of the screening is nearly
    # always the best.
    link_finalists: int = 2
    rival_ratio: float = 100.0
    orderings: int = 3  # orders of the products, each with the rates of decay of the fit before: they settle in two
    largest_rate_ratio: float = 30.0  # of rates of decay: an input beyond has hardly any effect
    # 1 - leverage of a sample below which rounding has taken most of its digits: the fit interpolates the sample,
    # whose leave-one-out error then means nothing
    least_remainder: float = 1e-10
    # leave-one-out error, relative to the deviation of the target, at which nothing is left to gain
    at_rounding: float = 1e-13
    left_out: float = 0.3  # of the error, that products which are left out may add: squares of errors add up
    tried_sizes: int = 60  # numbers of products at which the error is computed: neighbours differ little


SETTINGS = ExactSettings()


@dataclass(frozen=True, eq=False)
class ExactFit:
    """A polynomial of samples without noise."""

    polynomial: Polynomial
    residual: np.ndarray  # (k,), residual of each of the rows that were fitted, by the fit without it
    rows: np.ndarray  # (k,), positions of these rows
    loss: float  # weighted mean square of the residuals


@dataclass(frozen=True, eq=False)
class _Data:
    """Rows of a fit, with values that a link takes."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    limits: np.ndarray
    degrees: list[int]
    shift: float
    unit: float

    def scaling(self, link: Link) -> tuple[float, float]:
        """Shift and unit of the values that a link takes."""
        return scaling(link, self.shift, self.unit)

    def values(self, link: Link) -> np.ndarray:
        """The values (y + shift) * unit that a link takes."""
        shift, unit = self.scaling(link)
        return (self.y + shift) * unit


@dataclass(frozen=True, eq=False)
class _Nested:
    """The best of nested fits."""

    basis: Basis
    coef: np.ndarray
    link: Link
    residual: np.ndarray
    loss: float


def fit_exact(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    shift: float = 0.0,
    unit: float = 1.0,
    *,
    seed: int = 0,
    goes_on: Callable[[float, np.ndarray, np.ndarray], bool] = lambda loss, rows, residual: True,
) -> ExactFit | None:
    """Fit polynomials inside several links to samples without noise; return the one with the least error.

    Rows are x (N, n), targets y (N,) of order 1, (y + shift) * unit in their own units, and positive weights (N,).
    `goes_on` decides whether a fit on few products with this loss, and these leave-one-out residuals at these rows, is
    worth more. None where the rows are too few, or `goes_on` returns False.
    """
    # One QR factorisation gives all least-squares fits on the first k products and the residuals of each row by the fit
    # without it (PRESS, D. Allen, Technometrics 16 (1974) 125), which choose k and the link. A log-linear model of the
    # coefficients of the fit before orders the products.
    rows = np.arange(len(x))
    if len(x) > SETTINGS.rows:
        rows = sampled(len(x), SETTINGS.rows, seed)
    limits = np.stack([x.min(0), x.max(0)], 1)
    most = int(SETTINGS.share_of_rows * len(rows))
    if most < 2 or not (limits[:, 1] > limits[:, 0]).all():
        return None
    degrees = [len(np.unique(column)) - 1 for column in x[rows].T]
    data = _Data(x[rows], y[rows], weight[rows], limits, degrees, shift, unit)
    enough = (SETTINGS.at_rounding * float(np.std(data.y))) ** 2
    # A first look at few rows: most tables have noise, and end here.
    some = sampled(len(rows), SETTINGS.look_rows, seed)
    few = replace(data, x=data.x[some], y=data.y[some], weight=data.weight[some])
    first = _ordered(few, LINK_FUNCTIONS["identity"], min(SETTINGS.look_columns, len(some) // 3), 1)
    if first is None or not goes_on(first.loss, rows[some], first.residual):
        return None
    # Fits inside every link, and larger ones of those with the least errors.
    found: list[_Nested] = []
    for link in LINK_FUNCTIONS.values():
        check_time()
        values = data.values(link)
        if link.takes(float(values.min()), float(values.max())):
            fit = _ordered(data, link, min(SETTINGS.screen_columns, most), 1)
            if fit is not None:
                found.append(fit)
    found = sorted(found, key=lambda fit: fit.loss)[: SETTINGS.link_finalists]
    if not found or not goes_on(found[0].loss, rows, found[0].residual):
        return None
    if found[0].loss > enough:
        for fit in [fit for fit in found if fit.loss < SETTINGS.rival_ratio * found[0].loss]:
            check_time()
            finer = _ordered(data, fit.link, min(SETTINGS.columns, most), SETTINGS.orderings, fit)
            if finer is not None:
                found.append(finer)
    best = min(found, key=lambda fit: fit.loss)
    values = data.values(best.link)
    bounds = best.link.bounds(float(values.min()), float(values.max()))
    # Products that are smaller than the error all together are left out; they are orthonormal on the box.
    u = best.link.inverse(values)
    error = float(np.std(best.residual * best.link.inverse_slope(values) * data.scaling(best.link)[1]))
    order = np.argsort(np.abs(best.coef))
    below = (
        np.cumsum(best.coef[order] ** 2)
        < (SETTINGS.left_out * max(error, SETTINGS.at_rounding * float(np.std(u)))) ** 2
    )
    kept = np.ones(len(order), dtype=bool)
    kept[order[below]] = False
    kept[0] = True
    basis = best.basis.select(kept)
    coef = best.coef[kept]
    polynomial = Polynomial(basis, coef, best.link, bounds, *data.scaling(best.link))
    return ExactFit(polynomial, best.residual, rows, best.loss)


def _ordered(data: _Data, link: Link, most: int, rounds: int, start: _Nested | None = None) -> _Nested | None:
    """Fit on the first products in an order that the decay of the coefficients decides, in a few rounds.

    None where no fit determines its coefficients, see `_nested`.
    """
    inputs = data.x.shape[1]
    rates = np.ones(inputs)
    crossing = 0.0
    pairs = np.zeros((inputs, inputs))
    best = start
    # Orders by pairs come last: they find the groups of a sum, but fit a function without groups less well.
    orders = [False]
    if inputs > 2 and rounds > 1:
        orders.append(True)
    for by_pairs in orders:
        for number in range(rounds):
            if best is not None and (known := _rates(best, by_pairs)) is not None:
                rates, crossing, pairs = known
            indices, weights = lower_set(list(rates), crossing, most, data.degrees, pairs)
            fit = _nested(data, link, Basis(indices, data.limits), weights)
            if fit is None or (best is not None and fit.loss >= best.loss and (number or by_pairs)):
                break
            if best is None or fit.loss < best.loss:
                best = fit
            if best.loss <= (SETTINGS.at_rounding * np.std(data.y)) ** 2:
                return best
    return best


def _rates(fit: _Nested, by_pairs: bool) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The rates of decay of the coefficients by degree, by crossing and by pair, in units of the smallest.

    None where the coefficients are too few, or do not fall.
    """
    # Geometric decay: the logarithm of the size of a Legendre coefficient falls linearly with its degrees (Trefethen,
    # Approximation Theory and Approximation Practice, chapter 8); least squares gives the rates.
    size = np.abs(fit.coef)
    features = decay(fit.basis.indices, by_pairs)
    inputs = fit.basis.indices.shape[1]
    used = size > 0
    used[0] = False  # the constant has no degree
    if used.sum() <= features.shape[1]:
        return None
    slopes = np.linalg.lstsq(features[used], np.log(size[used]), rcond=None)[0][1:]
    # An input of nearly no decay would take all degrees, so rates are bounded from below.
    largest = slopes[:inputs].max()
    if not largest > 0:
        return None
    rates = np.maximum(slopes[:inputs], largest / SETTINGS.largest_rate_ratio)
    pairs = np.zeros((inputs, inputs))
    if not by_pairs:
        return rates / rates.min(), max(float(slopes[-1]), 0.0) / float(rates.min()), pairs
    pairs[np.triu_indices(inputs, 1)] = np.maximum(slopes[inputs:], 0)
    return rates / rates.min(), 0.0, (pairs + pairs.T) / rates.min()


def _nested(data: _Data, link: Link, basis: Basis, weights: np.ndarray) -> _Nested | None:
    """The best of all fits on the first products, by the errors of y without each row.

    None where the link is straight or undefined at the targets, or the products are dependent.
    """
    from scipy.linalg import solve_triangular

    y = data.values(link)
    # The slope is that by y in the units of the errors.
    u = link.inverse(y)
    slope = link.inverse_slope(y) * data.scaling(link)[1]
    bends = link.name == "identity" or np.ptp(u) > STRAIGHT * np.abs(u).max()
    if not (bends and np.isfinite(u).all() and np.isfinite(slope).all() and np.abs(slope).min() > 0):
        return None
    root = np.sqrt(data.weight) / np.abs(slope)  # so that squares are those of errors of y, to first order
    root /= root.max()
    q, r = np.linalg.qr(basis.columns(data.x) * root[:, None])
    if not np.abs(np.diag(r)).min() > np.finfo(float).eps * np.abs(np.diag(r)).max():
        return None
    projection = q.T @ (u * root)
    best: tuple[float, int, np.ndarray] | None = None
    for size, fitted, leverage in _sizes(q, projection, weights):
        if leverage.max() > 1 - SETTINGS.least_remainder:
            break
        residual = (u * root - fitted) / (1 - leverage) / root / slope
        loss = float(np.average(residual**2, weights=data.weight))
        if math.isfinite(loss) and (best is None or loss < best[0]):
            best = loss, size, residual
    if best is None:
        return None
    loss, size, residual = best
    coef = solve_triangular(r[:size, :size], projection[:size])
    return _Nested(basis.select(slice(size)), coef, link, residual, loss)


def _sizes(q: np.ndarray, projection: np.ndarray, weights: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Numbers of products with the fitted values and leverages; products of equal weight are taken together."""
    ends = np.flatnonzero(np.append(np.diff(weights) > 0, True)) + 1
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, SETTINGS.tried_sizes).astype(int))]
    fitted = np.zeros(len(q))
    leverage = np.zeros(len(q))
    before = 0
    for end in ends:
        part = q[:, before:end]
        fitted = fitted + part @ projection[before:end]
        leverage = leverage + (part * part).sum(1)
        before = int(end)
        yield before, fitted, leverage

"""Noise-free samples of one input: least-squares splines on grids of half the width, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.ops.splines import knots as knot_vectors
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

LADDER_DEGREES = (
    5,
    3,
)  # quintic for smooth functions, cubic where a kink limits the order; a layer has no higher degree
FIRST_LADDER_GRID = 8  # knot intervals of the first spline: finer ones cost as little
HELD_OUT_EVERY = 5  # every fifth sample is held out while the grid is chosen
# The ladder goes on while halving the grid divides the held-out error by this factor: half the slope 1 of a function
# with a kink. Two steps without it end the ladder, since a coarse grid may resolve nothing yet.
LEAST_HALVING_FACTOR = 1.4
LADDER_PATIENCE = 2  # those two steps
# Mean squared error, relative to targets of order 1, below which nothing is left to gain but rounding: 12 digits.
ENOUGH_DIGITS = 1e-24
# The domain reaches beyond the samples by this share of a knot interval, at most by this many mean distances of
# neighbouring samples: the ends of the sampled interval lie about one such distance beyond.
MARGIN_INTERVALS = 0.25
MARGIN_NEIGHBOURS = 5
# Most coefficients for each sample: beyond a half a spline begins to interpolate its samples.
MOST_COEFFICIENT_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class LadderResult:
    """The best spline of a ladder."""

    model: KAN  # network [1, m] without base functions, fitted to all samples
    loss: float  # mean squared error of the held-out samples by the spline that was fitted to the others
    held_out: np.ndarray  # (N,), which samples were held out
    residuals: np.ndarray  # (k, m), their residuals
    sentence: str  # the choice and its reason


def spline_ladder(x: np.ndarray, y: np.ndarray, weight: np.ndarray, *, seed: int) -> LadderResult | None:
    """Fit splines of one input by least squares, halving the grid while the error of held-out samples falls.

    Each fit solves a banded least-squares problem by Givens rotations, O(N degree^2), and squares no condition number.
    For a function with degree + 1 derivatives the error falls with slope degree + 1 in the grid width (C. de Boor, "A
    Practical Guide to Splines", revised ed., 2001, chapter XII). x and the positive weights are (N,), targets y (N, m)
    of order 1; the better of the degrees 5 and 3 is taken. None for fewer than 20 distinct inputs.
    """
    order = np.argsort(x, kind="stable")
    x = x[order]
    y = y[order]
    weight = weight[order]
    distinct = len(np.unique(x))
    if distinct < 20:
        return None
    # One of each run of five neighbours is held out, so that the held-out samples cover the domain; never an end.
    offsets = np.random.default_rng(seed).integers(HELD_OUT_EVERY, size=len(x) // HELD_OUT_EVERY + 1)
    held = np.zeros(len(x), dtype=bool)
    places = np.arange(len(offsets)) * HELD_OUT_EVERY + offsets
    held[places[(places > 0) & (places < len(x) - 1)]] = True
    best: tuple[float, int, int] | None = None
    tried = 0
    for power in LADDER_DEGREES:
        grid = FIRST_LADDER_GRID
        failures = 0
        lowest = np.inf
        while grid + power <= MOST_COEFFICIENT_SHARE * min(distinct, int((~held).sum())) and failures < LADDER_PATIENCE:
            spline = _least_squares(x[~held], y[~held], weight[~held], _domain(x, grid), power, grid)
            if spline is None:
                break
            loss = float(np.average(((spline(x[held]) - y[held]) ** 2).mean(1), weights=weight[held]))
            failures = 0 if loss * LEAST_HALVING_FACTOR**2 < lowest else failures + 1
            lowest = min(lowest, loss)
            if best is None or loss < best[0]:
                best = (loss, grid, power)
            tried += 1
            if loss < ENOUGH_DIGITS:
                break
            grid *= 2
        if best is not None and best[0] < ENOUGH_DIGITS:
            break
    if best is None:
        return None
    loss, grid, power = best
    domain = _domain(x, grid)
    of_others = _least_squares(x[~held], y[~held], weight[~held], domain, power, grid)
    spline = _least_squares(x, y, weight, domain, power, grid)
    assert of_others is not None  # it was fitted before
    if spline is None:
        return None
    residuals = y[held] - of_others(x[held])
    model = KAN([1, y.shape[1]], grid, power, base="zero", domain=domain, dtype=torch.float64)
    with torch.no_grad():
        layer = model.layers[0]
        assert isinstance(layer, KANLayer)
        layer.coef.copy_(torch.from_numpy(np.ascontiguousarray(spline.c))[None])
    chosen = np.zeros(len(x), dtype=bool)
    chosen[order[held]] = True
    residuals = residuals[np.argsort(order[held], kind="stable")]
    rms = np.sqrt(max(loss, ABOVE_ZERO))
    sentence = (
        f"A least-squares spline of degree {power} with {grid} intervals has the smallest error on held-out samples, "
        f"{rms:.1g}, of {tried} grids."
    )
    return LadderResult(model, loss, chosen, residuals, sentence)


def _domain(x: np.ndarray, grid: int) -> tuple[float, float]:
    """Interval of the knots for ascending samples x."""
    length = float(x[-1] - x[0])
    margin = min(MARGIN_INTERVALS / grid, MARGIN_NEIGHBOURS / len(x)) * length
    return float(x[0]) - margin, float(x[-1]) + margin


def _least_squares(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, domain: tuple[float, float], degree: int, grid: int
) -> BSpline | None:
    """Least-squares spline on the knots of a KAN; None where the samples do not determine it."""
    from scipy.interpolate import make_lsq_spline

    knots = knot_vectors.uniform(torch.tensor([domain], dtype=torch.float64), grid, degree)[0].numpy()
    try:
        return make_lsq_spline(x, y, knots, degree, w=np.sqrt(weight))
    except (ValueError, np.linalg.LinAlgError):
        return None

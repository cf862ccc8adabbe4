"""Partial dependence of predictions on two inputs together, and the part that is beyond the sum of two curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from edgewise.checks import is_integer
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import InputKind, checked_table, evenly_picked, input_points
from edgewise.interpret.black_box import BlackBox, array_function


@dataclass(frozen=True)
class PairEffect:
    """Partial dependence of the prediction on two inputs, from `pair_dependence`."""

    inputs: tuple[int, int]  # columns of the inputs
    points: tuple[np.ndarray, np.ndarray]  # (ndarray, ndarray), (p,) and (q,), values of each input
    discrete: tuple[bool, bool]  # (bool, bool), for each input whether its points are all the values that it takes
    mean: np.ndarray  # (p, q, outputs), the prediction averaged over the data with both inputs at their points
    # (p, q, outputs), `mean` without the partial dependence on each of the two inputs: zero where they act one by one.
    # It has mean zero along each input, over its distribution in the data
    interaction: np.ndarray
    # (tuple of str, tuple of str), names of the points of a category; () for a number
    levels: tuple[tuple[str, ...], tuple[str, ...]]

    def __repr__(self) -> str:
        return f"<PairEffect of inputs {self.inputs[0]} and {self.inputs[1]} at {self.mean[..., 0].size} points>"


def pair_dependence(
    model: BlackBox,
    X: np.ndarray | Tensor,
    columns: tuple[int, int],
    *,
    kinds: Sequence[InputKind | None] = (None, None),
) -> PairEffect:
    """Compute Friedman's partial dependence of the predictions on two inputs, over rows that are picked evenly."""
    # J. Friedman and B. Popescu, "Predictive learning via rule ensembles", Annals of Applied Statistics 2, 2008,
    # p. 916, section 8.1. Rows in which one of the two inputs is missing do not count.
    X = checked_table(X, "X")
    pair = tuple(columns) if isinstance(columns, Sequence) else ()
    if len(set(pair)) != 2 or not all(is_integer(column) and 0 <= column < X.shape[1] for column in pair):
        raise InputError(f"columns must be two different numbers from 0 to {X.shape[1] - 1}, got {columns!r}")
    if len(kinds) != 2:
        raise InputError(f"kinds must be given for both columns, got {len(kinds)}")
    first, second = pair
    known = X[np.isfinite(X[:, [first, second]]).all(1)]
    if not len(known):
        raise InputError(f"X must have a row in which both columns {first} and {second} are known, got none")
    # Partial dependence on a grid of both inputs, over 100 rows: the standard error of such an average is a tenth of
    # the spread of rows.
    few = evenly_picked(known, 100)
    chosen = [input_points(known[:, column], kind) for column, kind in zip(pair, kinds, strict=True)]
    grids, discrete, levels = zip(*chosen, strict=True)
    predict = array_function(model)
    mean = []
    for a in grids[0]:  # one line of the grid at a time bounds the memory
        moved = np.repeat(few[None], len(grids[1]), 0)
        moved[:, :, first] = a
        moved[:, :, second] = grids[1][:, None]
        mean.append(predict(moved.reshape(-1, few.shape[1])).reshape(len(grids[1]), len(few), -1).mean(1))
    surface = np.stack(mean)
    weights = []  # the share of the rows that is nearest to each point, (p,)
    for column, grid in zip(pair, grids, strict=True):
        nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, known[:, column])
        weights.append(np.bincount(nearest, minlength=len(grid)) / len(known))
    # Analysis of variance on the grid: mean, single effects, and the interaction as what they leave.
    total = np.einsum("p,q,pqo->o", *weights, surface)
    single = np.einsum("q,pqo->po", weights[1], surface)[:, None], np.einsum("p,pqo->qo", weights[0], surface)[None]
    interaction = surface - single[0] - single[1] + total
    spread = np.abs(surface - total).max((0, 1))
    size = np.abs(surface).max((0, 1))
    # What is below 1e-9 of the spread, or some units in the last place of the size, is rounding.
    interaction[np.abs(interaction) <= np.maximum(1e-9 * spread, 64 * np.finfo(float).eps * size)] = 0.0
    return PairEffect((first, second), grids, discrete, surface, interaction, levels)

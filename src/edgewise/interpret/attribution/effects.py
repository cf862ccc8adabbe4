"""Partial dependence of predictions on one input, and Shapley shares of the inputs in each prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from edgewise.checks import check_count, is_integer, typed
from edgewise.errors import InputError
from edgewise.interpret.black_box import BlackBox, array_function
from edgewise.settings import chunks

# Paths from rows of the background to an explained row, each followed forwards and backwards (the standard error of a
# sampled share falls with the root of this number, the time grows with it).
PATHS = 32
SHARE_ROWS = 200  # rows whose shares are averaged


@runtime_checkable
class InputKind(Protocol):
    """Names of the values of an input, for what people read."""

    @property
    def level_names(self) -> tuple[str, ...]:
        """Names of the codes 0, 1, ... of a category; () for a number."""

    def text(self, value: float, /) -> str:
        """Return one value as people write it; NaN is missing."""


@dataclass(frozen=True)
class Effect:
    """Partial dependence of the prediction on one input, from `partial_dependence`."""

    input: int  # its column
    points: np.ndarray  # (p,), values of the input
    discrete: bool  # whether `points` are all the values that the input takes
    mean: np.ndarray  # (p, outputs), the prediction averaged over the data with the input at each point
    # (p, outputs), the 10 % and 90 % quantiles over the rows of each row's own curve, shifted to the same mean
    low: np.ndarray
    high: np.ndarray
    strength: np.ndarray  # (outputs,), standard deviation of the curve over the data
    levels: tuple[str, ...]  # names of the points of a category; () for a number
    # (outputs,), the mean prediction with the input missing; None where the data have no missing value
    missing: np.ndarray | None

    def __repr__(self) -> str:
        return f"<Effect of input {self.input}: {self.shape()}, {len(self.points)} points>"

    def shape(self, output: int = 0) -> str:
        """Describe the curve in a few words: "rises", "falls", "rises, then falls", "varies" or "is flat".

        For a category: "is highest for A, lowest for B".
        """
        curve = self.mean[:, output]
        if self.levels:
            if np.ptp(curve) == 0:
                return "is flat"
            return f"is highest for {self.levels[int(curve.argmax())]}, lowest for {self.levels[int(curve.argmin())]}"
        # Turns of the curve by more than 5 % of its range, from the last extreme value on.
        span = 0.05 * np.ptp(curve)
        low = curve[0]
        high = curve[0]
        turns: list[int] = []
        for value in curve[1:]:
            low = min(low, value)
            high = max(high, value)
            if turns[-1:] != [1] and value > low + span:
                turns.append(1)
            elif turns[-1:] != [-1] and value < high - span:
                turns.append(-1)
            else:
                continue
            low = high = value
        if not turns:
            return "is flat"
        if len(turns) > 3:
            return "varies"
        return ", then ".join("rises" if turn > 0 else "falls" for turn in turns)


@typed
def partial_dependence(
    model: BlackBox,
    X: np.ndarray | Tensor,
    column: int,
    *,
    rows: int = 300,
    kind: InputKind | None = None,
) -> Effect:
    """Compute Friedman's partial dependence of the predictions on one input.

    The input takes its values over the data while the other inputs stay as they are, in each of at most `rows` rows
    that are picked evenly.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray or Tensor
        Data, (N, d); NaN is a missing value, which the model has to take.
    column : int
        Column of the input.
    rows : int
        Largest number of rows that are averaged.
    kind : InputKind, optional
        For a category: the names of its codes 0, 1, ...

    Returns
    -------
    Effect
        41 `points` (p,) of the input, or its values if they are few, the `mean` prediction there (p, outputs), the
        quantiles `low` and `high` of the curves of single rows, `strength` (outputs,) and the method `shape`, which
        describes the curve in words.

    Raises
    ------
    InputError
        The model does not return one row for each row.

    Notes
    -----
    `sklearn.inspection.partial_dependence` computes the same mean for its own estimators, without the quantiles.

    References
    ----------
    J. Friedman, "Greedy function approximation", Annals of Statistics 29, 2001, p. 1189, section 8.2.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> partial_dependence(lambda X: X[:, 0] ** 2 + X[:, 1], X, 0).shape()
    'falls, then rises'
    """
    X = checked_table(X, "X")
    if not is_integer(column) or not 0 <= column < X.shape[1]:
        raise InputError(f"column must be an integer from 0 to {X.shape[1] - 1}, got {column!r}")
    check_count(rows, "rows")
    # The rows with the input at each point, and, where the data have missing values, once without it.
    predict = array_function(model)
    few = evenly_picked(X, rows)
    gaps = np.isnan(X[:, column])
    values = X[~gaps, column]
    at, discrete, levels = input_points(values, kind)
    moved = np.repeat(few[None], len(at) + 1, 0)
    moved[:-1, :, column] = at[:, None]
    moved[-1, :, column] = np.nan
    if not gaps.any():
        moved = moved[:-1]
    curves = predict(moved.reshape(-1, few.shape[1])).reshape(len(moved), len(few), -1)
    missing = None
    if gaps.any():
        missing = curves[-1].mean(0)
    # The mean curve, the spread of the curves around it, and its deviation over the data.
    curves = curves[: len(at)]
    mean = curves.mean(1)
    own = curves - curves.mean(0) + mean.mean(0)
    low, high = np.quantile(own, [0.1, 0.9], axis=1)
    over_data = np.array([np.interp(X[:, column], at, one) for one in mean.T])
    if missing is not None:
        over_data[:, gaps] = missing[:, None]
    return Effect(column, at, discrete, mean, low, high, over_data.std(1), levels, missing)


@typed
def shapley_shares(
    model: BlackBox, X: np.ndarray | Tensor, background: np.ndarray | Tensor, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split each prediction into one share per input, relative to the mean prediction of a background.

    Shapley values by sampling: along a path from a row of the background to the explained row, the inputs change one
    after another, in a random order and in its reverse, and each input receives the change of the prediction. The
    changes along a path add up to the whole difference, and so do the shares, exactly; for an additive model the
    shares themselves are exact.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray or Tensor
        Rows to explain, (N, d).
    background : ndarray or Tensor
        Rows to compare with, (B, d), of which at most 32 are used, evenly picked: a path leads from each.
    seed : int
        Seed of the orders in which the inputs change.

    Returns
    -------
    shares : ndarray
        (N, d, outputs).
    base : ndarray
        (outputs,); the prediction is base + sum of the shares over the inputs.

    Raises
    ------
    InputError
        The background has no rows, or another number of columns than X.

    References
    ----------
    E. Strumbelj and I. Kononenko, "Explaining prediction models and individual predictions with feature
    contributions", Knowledge and Information Systems 41, 2014.

    Examples
    --------
    >>> shares, base = shapley_shares(lambda X: X[:, 0] * X[:, 1], np.array([[2.0, 3.0]]), np.zeros((1, 2)))
    >>> shares[0, :, 0], base
    (array([3., 3.]), array([0.]))
    """
    X = checked_table(X, "X")
    background = checked_background(background, X.shape[1])
    # Predictions at both ends of all paths.
    predict = array_function(model)
    rng = np.random.default_rng(seed)
    starts = evenly_picked(background, PATHS)
    base = predict(starts)
    final = predict(X)
    d = X.shape[1]
    outputs = base.shape[1]
    total = np.zeros((len(X), d, outputs))
    # Each background row gets a random order of the inputs and its reverse: antithetic permutations.
    for start, start_value in zip(starts, base, strict=True):
        order = rng.permutation(d)
        for path in (order, order[::-1]):
            for part in chunks(len(X), d * (d + outputs)):
                rows = X[part]
                # The rows at all points between the start and X: at point k the first k inputs of the path are X's.
                between = np.repeat(np.broadcast_to(start, (len(rows), d))[None], d - 1, 0)
                for k, column in enumerate(path[:-1]):
                    between[k:, :, column] = rows[:, column]
                # The change of the prediction at each step is the share of the input that was replaced.
                values = np.empty((d + 1, len(rows), outputs))
                values[0] = start_value
                values[-1] = final[part]
                if d > 1:
                    values[1:-1] = predict(between.reshape(-1, d)).reshape(d - 1, len(rows), outputs)
                changes = np.empty((len(rows), d, outputs))
                changes[:, path] = np.diff(values, axis=0).transpose(1, 0, 2)
                total[part] += changes
    return total / (2 * len(starts)), base.mean(0)


def mean_contributions(model: BlackBox, X: np.ndarray) -> np.ndarray:
    """Compute the mean absolute Shapley share (d,) of each input in the predictions: the one ranking of inputs."""
    # Unlike scores of single edges it cannot be misled by parts of a network that cancel each other.
    shares, _ = shapley_shares(model, evenly_picked(X, SHARE_ROWS), X)
    return np.abs(shares).mean((0, 2))


def checked_table(X: np.ndarray | Tensor, name: str) -> np.ndarray:
    """Return rows as an array of two dimensions, also those of a tensor; raise InputError if they are none."""
    if isinstance(X, Tensor):
        X = X.detach().cpu().double().numpy()
    if not isinstance(X, np.ndarray) or X.ndim != 2:
        got = f"shape {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
        raise InputError(f"{name} must be an array of shape (rows, inputs), got {got}")
    return X


def checked_background(background: np.ndarray | Tensor, columns: int) -> np.ndarray:
    """Return the rows of a background as an array; raise InputError if there are none, or of other columns."""
    background = checked_table(background, "background")
    if len(background) == 0 or background.shape[1] != columns:
        raise InputError(f"background must have shape (rows, {columns}), got {background.shape}")
    return background


def evenly_picked(X: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows of X, evenly spaced."""
    return X[np.linspace(0, len(X) - 1, min(most, len(X))).astype(int)]


def central_range(values: np.ndarray) -> tuple[float, float]:
    """Compute the range over which a function of data (N,) is drawn.

    It leaves out the outermost half per cent at each end, so that one far outlier does not compress the curve of
    everything else; a range without extent is widened to all values, then by 0.5 to each side.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    if high <= low:
        low = values.min()
        high = values.max()
    if high <= low:
        low = low - 0.5
        high = high + 0.5
    return float(low), float(high)


def evaluation_points(values: np.ndarray, points: int = 61) -> tuple[np.ndarray, bool]:
    """Choose the points at which a function of data (N,) is drawn, and return whether they are the values themselves.

    That is so if there are 2 to 12 different ones; otherwise they are evenly spaced over `central_range`.
    """
    levels = np.unique(values)
    if 1 < len(levels) <= 12:
        return levels, True
    return np.linspace(*central_range(values), points), False


def input_points(values: np.ndarray, kind: InputKind | None) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Choose the points at which an input is moved: the levels of a category, or 41 as `evaluation_points` does.

    0 is the only point where no values (N,) are known. The second result is whether the points are all the values
    themselves, the third has the names of the levels of a category.
    """
    if kind is None or not kind.level_names:
        if not len(values):
            return np.zeros(1), True, ()
        return *evaluation_points(values, 41), ()
    names = kind.level_names
    codes = np.unique(values[values >= 0])  # a level that training did not have is negative
    if not len(codes):
        codes = np.zeros(1)
    return codes, True, tuple(names[int(code)] for code in codes)

"""Affine scaling of columns that is robust to outliers, constant columns and extreme units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import Shape, Within
from edgewise.errors import InputError


@dataclass(frozen=True, eq=False)
class AffineScaling:
    """Affine map z = (x - shift) / scale of each column.

    Parameters
    ----------
    shift, scale : ndarray of float64, shape (d,)
        In the units of the columns; the scale is positive.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0.0, 10.0, 101)[:, None]
    >>> AffineScaling.fit(x).transform(x)[[0, 50, 100], 0].tolist()
    [-1.0, 0.0, 1.0]
    """

    shift: Annotated[np.ndarray, Shape("columns"), Within()]
    scale: Annotated[np.ndarray, Shape("columns"), Within(math.ulp(0.0))]

    @classmethod
    def fit(cls, x: ArrayLike, sample_weight: ArrayLike | None = None) -> AffineScaling:
        """Choose shift and scale so that typical rows map to [-1, 1] and outliers beyond it.

        Parameters
        ----------
        x : array_like, shape (N, d)
            The data. A constant column gets scale 1 and becomes 0.
        sample_weight : array_like, shape (N,), optional
            Weights of at least 0. A whole-number weight w gives bit for bit the result of the row repeated w times, a
            row of weight 0 has no influence, and the order of the rows does not matter.

        Raises
        ------
        InputError
            A shape is wrong, or numbers are missing, infinite or above 1e300.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or len(x) == 0:
            raise InputError(f"x must have shape (N, d) with at least one row, got {x.shape}")
        bad = ~(np.abs(x) <= 1e300)  # differences of larger numbers could overflow; NaN counts as bad
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(f"x must be finite and at most 1e300 in size, got {x[row, column]} at [{row}, {column}]")
        # Rows of weight 0 have no influence.
        weight = _weights(sample_weight, len(x))
        used = weight > 0
        x = x[used]
        weight = weight[used]
        # The typical range of each column becomes [-1, 1].
        ranges = np.array([_typical_range(column, weight) for column in x.T]).reshape(-1, 2)
        low = ranges[:, 0]
        high = ranges[:, 1]
        # Halves are added, not the sum halved: the sum of two large numbers could overflow.
        shift = np.where(low == high, low, low / 2 + high / 2)
        scale = high / 2 - low / 2
        reach = np.abs(x - shift).max(axis=0)
        # Widths that vanish (constant columns, numbers near the smallest float64) can't be divided by.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            usable = (scale > 0) & np.isfinite(reach / scale)
        return cls(shift, np.where(usable, scale, 1.0))

    @classmethod
    def standard(cls, y: np.ndarray, weight: np.ndarray) -> AffineScaling:
        """Map columns (N, d) to weighted mean 0 and standard deviation 1; a constant column gets its size as scale."""
        share = weight[:, None] / weight.sum()
        size = np.abs(y).max(axis=0)
        size = np.where(size > 0, size, 1.0)  # so that squares of large targets cannot overflow
        mean = (share * (y / size)).sum(axis=0)
        deviation = np.sqrt((share * (y / size - mean) ** 2).sum(axis=0))
        # A smaller deviation is rounding, not signal.
        scale = np.where(deviation > 1e-14, deviation, 1.0) * size
        return cls(mean * size, scale)

    def transform(self, x: ArrayLike) -> np.ndarray:
        """Return z, float64 of shape (N, d), for x of the same shape in the user's units."""
        return (self._check(x, "x") - self.shift) / self.scale

    def inverse(self, z: ArrayLike) -> np.ndarray:
        """Return x, float64 of shape (N, d) in the user's units, for z of the same shape."""
        return self._check(z, "z") * self.scale + self.shift

    def _check(self, x: ArrayLike, name: str) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.shift):
            raise InputError(f"{name} must have shape (N, {len(self.shift)}), got {x.shape}")
        return x


def _weights(sample_weight: ArrayLike | None, rows: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (rows,):
        raise InputError(f"sample_weight must have shape ({rows},), got {weight.shape}")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise InputError("sample_weight must be finite and not negative, got other values")
    if not (weight > 0).any():
        raise InputError("sample_weight must have at least one positive entry, got zeros only")
    return weight


def _typical_range(column: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return the range of one column, shape (N,), that maps to [-1, 1]."""
    # The middle nine tenths of the data define the width of a column; up to one row in twenty may lie anywhere on each
    # side.
    tail_share = 0.05
    # The range then grows to the true end of the data, by no more than this share of its width. Uniform data end at
    # exactly -1 and 1 (they need 0.056), normal data reach -1 and 1 at 2.5 standard deviations.
    reach = 0.25
    # Equal values in the order of their weights: sums then round the same way in any order of the rows.
    order = np.lexsort((weight, column))
    column = column[order]
    weight = weight[order]
    starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
    # + 0.0 turns -0.0 into 0.0
    values = column[starts] + 0.0
    mass = np.add.reduceat(weight, starts)
    low = weighted_quantile(values, mass, tail_share)
    high = weighted_quantile(values, mass, 1 - tail_share)
    common = int(mass.argmax())
    if mass[common] > mass.sum() / 2 and len(values) > 1:
        # One value fills most rows (a rare event, a zero-inflated count): the other rows define the width.
        others = np.arange(len(values)) != common
        rest = values[others], mass[others]
        low = min(weighted_quantile(*rest, tail_share), values[common])
        high = max(weighted_quantile(*rest, 1 - tail_share), values[common])
    width = reach * high - reach * low
    return max(values[0], low - width), min(values[-1], high + width)


def weighted_quantile(values: np.ndarray, mass: np.ndarray, share: float) -> float:
    """Return the weighted quantile of ascending values: mean of both inverses of the distribution function."""
    # `numpy.quantile` with weights has no method that averages the two, which whole-number weights need in order to
    # equal repeated rows.
    below = np.cumsum(mass)
    places = [np.searchsorted(below, share * below[-1], side=side) for side in ("left", "right")]
    left, right = values[np.minimum(places, len(values) - 1)].tolist()
    # Halving a float64 is exact, except for the smallest ones, so that the mean is rounded only once; the sum of two
    # large numbers could overflow.
    return left if left == right else left / 2 + right / 2

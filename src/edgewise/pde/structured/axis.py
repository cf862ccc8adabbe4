"""One coordinate of a structured grid: its B-splines, its collocation points, and tables of values and derivatives."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from edgewise.ops.splines.knots import periodic_knots, repeated

Table: TypeAlias = "sparse.csr_array | np.ndarray"
"""Values of all B-splines, or of one of their derivatives, at some points: (points, count)."""

# Splines up to which tables are dense: a dense product is then as fast as one of 12 nonzeros a row. Measured.
MOST_DENSE = 160


class SplineAxis:
    """B-splines of one coordinate.

    Parameters
    ----------
    breakpoints : ndarray
        Increasing, (intervals + 1,).
    degree : int
        Degree of the splines.
    periodic : bool
        Whether the splines repeat with the length of the coordinate; then there are as many as intervals.
    """

    def __init__(self, breakpoints: np.ndarray, degree: int, periodic: bool = False):
        self.breakpoints, self.degree, self.periodic = np.asarray(breakpoints, dtype=float), degree, periodic
        points = torch.from_numpy(self.breakpoints)[None]
        self._knots = (periodic_knots(points, degree) if periodic else repeated(points, degree))[0].numpy()

    @property
    def intervals(self) -> int:
        """Number of intervals between breakpoints."""
        return len(self.breakpoints) - 1

    @property
    def count(self) -> int:
        """Number of B-splines."""
        return self.intervals + (0 if self.periodic else self.degree)

    def collocation_points(self, conditions: int) -> np.ndarray:
        """Points at which an equation is collocated if `conditions` coefficients are left to conditions, sorted.

        They are the Greville points (means of neighbouring knots) of splines on the same breakpoints whose degree is
        such that, without the two ends, there are count - conditions of them; for `conditions` = 2 these are the inner
        Greville points of the splines themselves. On a periodic coordinate they are those of the splines.
        """
        if self.periodic:
            windows = np.lib.stride_tricks.sliding_window_view(self._knots[1:], self.degree)
            points = windows[: self.count].mean(1)
            low, high = self.breakpoints[[0, -1]]
            return np.sort(low + np.mod(points - low, high - low))
        degree = self.degree + 2 - conditions
        return greville_points(self.breakpoints, degree)[1:-1]

    def all_points(self) -> np.ndarray:
        """Greville points of all splines, both ends among them; on a periodic coordinate the collocation points."""
        return self.collocation_points(0) if self.periodic else greville_points(self.breakpoints, self.degree)

    def fresh_points(self, per_interval: int = 2) -> np.ndarray:
        """Points inside the intervals, evenly spaced, that are no collocation points."""
        share = (np.arange(per_interval) + 0.64) / per_interval
        return (self.breakpoints[:-1, None] + np.diff(self.breakpoints)[:, None] * share).ravel()

    @cached_property
    def shares(self) -> np.ndarray:
        """Parts of the coordinate that the splines stand for, their integrals, (count,); the sum is one."""
        lengths = (self._knots[self.degree + 1 :] - self._knots[: -self.degree - 1])[: self.count]
        return lengths / lengths.sum()

    @cached_property
    def _interpolation(self) -> SuperLU:
        return splu(sparse.csc_array(self.table(self.all_points())))

    def interpolated(self, values: np.ndarray) -> np.ndarray:
        """Coefficients (count, k) of the splines that have given values (count, k) at `all_points`."""
        return self._interpolation.solve(values)

    def local(self, points: np.ndarray, order: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Splines that can differ from zero at points inside, and values or derivatives: (points, degree + 1) each.

        The scheme of `edgewise.ops.splines.bspline.local_basis`, over all splines at once: tables are most of the work
        of a short slab.
        """
        degree, knots = self.degree, self._knots
        interval = np.clip(np.searchsorted(self.breakpoints, points, "right") - 1, 0, self.intervals - 1)
        columns = interval[:, None] + np.arange(degree + 1)
        window = knots[interval[:, None] + 1 + np.arange(2 * degree)]
        values = np.ones((len(points), 1))
        for level in range(1, degree + 1):
            left, right = window[:, degree - level : degree], window[:, degree : degree + level]
            share, new = values / (right - left), np.zeros((len(points), level + 1))
            if level > degree - order:
                new[:, 1:] += level * share
                new[:, :-1] -= level * share
            else:
                new[:, 1:] += share * (points[:, None] - left)
                new[:, :-1] += share * (right - points[:, None])
            values = new
        return columns % self.count, values if order <= degree else 0 * values

    def table(self, points: np.ndarray, order: int = 0) -> Table:
        """Values of all B-splines, or of their derivatives of an order, at points: (points, count)."""
        columns, values = self.local(points, order)
        if self.count <= MOST_DENSE:
            dense = np.zeros((len(points), self.count))
            np.add.at(dense, (np.arange(len(points))[:, None], columns), values)
            return dense
        starts = (self.degree + 1) * np.arange(len(points) + 1)
        return sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(len(points), self.count))


def dense(table: Table) -> np.ndarray:
    """The table as an array."""
    return table if isinstance(table, np.ndarray) else table.toarray()


def greville_points(breakpoints: np.ndarray, degree: int) -> np.ndarray:
    """Means of `degree` neighbouring knots, the outermost ones repeated: (intervals + degree,), the ends exact."""
    knots = np.concatenate([[breakpoints[0]] * degree, breakpoints, [breakpoints[-1]] * degree])
    points = np.lib.stride_tricks.sliding_window_view(knots[1:-1], degree).mean(1)
    points[[0, -1]] = breakpoints[[0, -1]]
    return points

"""One coordinate of a structured grid: its B-splines, its collocation points, and tables of values and derivatives."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from edgewise.ops.splines.bspline import local_basis
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
        self._knots = periodic_knots(points, degree) if periodic else repeated(points, degree)

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
            knots = self._knots[0].numpy()
            points = np.array([knots[1 + j : 1 + j + self.degree].mean() for j in range(self.count)])
            low, high = self.breakpoints[[0, -1]]
            return np.sort(low + np.mod(points - low, high - low))
        degree = self.degree + 2 - conditions
        return greville_points(self.breakpoints, degree)[1:-1]

    def all_points(self) -> np.ndarray:
        """Greville points of all splines, both ends among them; on a periodic coordinate the collocation points."""
        return self.collocation_points(0) if self.periodic else greville_points(self.breakpoints, self.degree)

    def fresh_points(self, per_interval: int = 2) -> np.ndarray:
        """Points inside the intervals, evenly spaced, that are no collocation points."""
        share = (np.arange(per_interval) + 0.5) / per_interval + 0.07
        return (self.breakpoints[:-1, None] + np.diff(self.breakpoints)[:, None] * share).ravel()

    @cached_property
    def _interpolation(self) -> SuperLU:
        return splu(sparse.csc_array(self.table(self.all_points())))

    def interpolated(self, values: np.ndarray) -> np.ndarray:
        """Coefficients (count, k) of the splines that have given values (count, k) at `all_points`."""
        return self._interpolation.solve(values)

    def table(self, points: np.ndarray, order: int = 0) -> Table:
        """Values of all B-splines, or of their derivatives of an order, at points: (points, count)."""
        x = torch.from_numpy(np.ascontiguousarray(points))[:, None]
        if order > self.degree:
            return np.zeros((len(points), self.count))
        interval, values = local_basis(x, self._knots, self.degree, order)
        columns = (interval[:, 0].numpy()[:, None] + np.arange(self.degree + 1)) % self.count
        rows = np.repeat(np.arange(len(points)), self.degree + 1)
        entries = (values[:, 0].numpy().ravel(), (rows, columns.ravel()))
        table = sparse.csr_array(sparse.coo_array(entries, shape=(len(points), self.count)))
        return table.toarray() if self.count <= MOST_DENSE else table


def greville_points(breakpoints: np.ndarray, degree: int) -> np.ndarray:
    """Means of `degree` neighbouring knots, the outermost ones repeated: (intervals + degree,), the ends exact."""
    knots = np.concatenate([[breakpoints[0]] * degree, breakpoints, [breakpoints[-1]] * degree])
    points = np.lib.stride_tricks.sliding_window_view(knots[1:-1], degree).mean(1)
    points[[0, -1]] = breakpoints[[0, -1]]
    return points

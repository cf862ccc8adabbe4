"""One coordinate of a low-rank function: splines that fulfil the homogeneous conditions at the ends, orthonormal."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from scipy import linalg

from edgewise.pde.spaces.axis import SplineAxis, dense


class Line:
    """Splines of one coordinate and the conditions at its ends.

    Shapes: ends (m, splines), nodes, weights (q,), basis (splines, k), lifts, sharp_lifts (splines, m).
    """

    def __init__(self, axis: SplineAxis, ends: np.ndarray):
        self.axis = axis
        self.ends = ends
        low, high = axis.breakpoints[[0, -1]]
        # Nodes of each interval: half as many again as splines, and two more.
        each = min(axis.degree + 1, math.ceil(1.5 * axis.count / axis.intervals) + 2)
        nodes, weights = axis.quadrature(each)
        self.nodes = nodes.ravel()
        self.weights = weights.ravel() / (high - low)
        self._roots = np.sqrt(self.weights)
        # Basis of the splines with homogeneous conditions at the ends, orthonormal in the mean square.
        if len(ends):
            free = linalg.null_space(ends / np.abs(ends).max(1, keepdims=True))
        else:
            free = np.eye(axis.count)
        upper = np.linalg.qr(self._roots[:, None] * self.splines(0) @ free)[1]
        self.basis = linalg.solve_triangular(upper.T, free.T, lower=True).T
        # Lifts of the conditions: the least coefficients, and Legendre polynomials of low degree.
        self.sharp_lifts = np.linalg.pinv(ends)
        self.lifts = np.zeros((axis.count, 0))
        if len(ends):
            share = 2 * (axis.all_points() - low) / (high - low) - 1
            powers = axis.interpolated(np.polynomial.legendre.legvander(share, len(ends)))
            self.lifts = powers @ linalg.pinv(ends @ powers)

    def table(self, points: np.ndarray, order: int) -> np.ndarray:
        """Splines or derivatives at points, (points, splines)."""
        return dense(self.axis.table(points, order))

    def splines(self, order: int) -> np.ndarray:
        """Splines or derivatives at the nodes, (q, splines)."""
        return self.table(self.nodes, order)

    def functions(self, order: int) -> np.ndarray:
        """Functions of the basis or derivatives at the nodes, (q, k)."""
        return self.splines(order) @ self.basis

    @property
    def tested(self) -> np.ndarray:
        """Matrix that maps values at the nodes to their products with the functions of the basis, (k, q)."""
        return self.functions(0).T * self.weights

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        return np.linalg.qr(self._roots[:, None] * self.splines(0))

    @property
    def measured(self) -> np.ndarray:
        """Matrix that maps coefficients of splines to those in an orthonormal basis, (splines, splines)."""
        return self._factors[1]

    @property
    def fitted(self) -> np.ndarray:
        """Matrix that maps values at the nodes to coefficients of splines, by least squares, (splines, q)."""
        return linalg.solve_triangular(self._factors[1], self._factors[0].T * self._roots)

    def coarser_error(self, core: np.ndarray) -> float:
        """Relative error of a core (r, splines, s) with half as many intervals, and half the degree if periodic."""
        axis = self.axis
        degree = axis.degree // 2 if axis.periodic else axis.degree
        coarse = SplineAxis(axis.breakpoints[[*range(0, axis.intervals, 2), -1]], degree, axis.periodic)
        values = self._roots[:, None] * (self.splines(0) @ np.moveaxis(core, 1, 0).reshape(axis.count, -1))
        columns = self._roots[:, None] * dense(coarse.table(self.nodes))
        left = values - columns @ linalg.lstsq(columns, values)[0]
        return float(np.linalg.norm(left) / max(np.linalg.norm(values), np.finfo(float).tiny))

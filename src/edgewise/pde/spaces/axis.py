"""One coordinate of a structured grid: its B-splines, its collocation points, and tables of values and derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu
from scipy.special import roots_jacobi

from edgewise.ops.splines.knots import periodic_knots, repeated
from edgewise.pde.domains.sampling import legendre_rule

Table: TypeAlias = "sparse.csr_array | np.ndarray"
"""Values of all B-splines, or of one of their derivatives, at some points: (points, count)."""


class SplineAxis:
    """B-splines of one coordinate."""

    def __init__(self, breakpoints: np.ndarray, degree: int, periodic: bool = False):
        self.breakpoints = np.asarray(breakpoints, dtype=float)
        self.degree = degree
        self.periodic = periodic
        knots = periodic_knots if periodic else repeated
        self._knots = knots(torch.from_numpy(self.breakpoints)[None], degree)[0].numpy()

    @property
    def intervals(self) -> int:
        """Number of intervals between breakpoints."""
        return len(self.breakpoints) - 1

    @property
    def count(self) -> int:
        """Number of B-splines."""
        return self.intervals + self.degree * (not self.periodic)

    def collocation_points(self, conditions: int) -> np.ndarray:
        """Points at which an equation is collocated if `conditions` coefficients are left to conditions, sorted.

        They are the Greville points (means of neighbouring knots) of splines on the same breakpoints whose degree is
        such that, without the two ends, there are count - conditions of them; for `conditions` = 2 these are the inner
        Greville points of the splines themselves. On a periodic coordinate they are those of the splines.
        """
        if self.periodic:
            # Means of neighbouring knots, moved into the period.
            windows = np.lib.stride_tricks.sliding_window_view(self._knots[1:], self.degree)
            points = windows[: self.count].mean(1)
            low, high = self.breakpoints[[0, -1]]
            return np.sort(low + np.mod(points - low, high - low))
        degree = self.degree + 2 - conditions
        return greville_points(self.breakpoints, degree)[1:-1]

    def all_points(self) -> np.ndarray:
        """Greville points of all splines, both ends among them; on a periodic coordinate the collocation points."""
        if self.periodic:
            return self.collocation_points(0)
        return greville_points(self.breakpoints, self.degree)

    def fresh_points(self, per_interval: int = 2) -> np.ndarray:
        """Points inside the intervals, evenly spaced, that are no collocation points."""
        share = (np.arange(per_interval) + 0.64) / per_interval
        return (self.breakpoints[:-1, None] + np.diff(self.breakpoints)[:, None] * share).ravel()

    def quadrature(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Gauss and Legendre's rule of `count` points in each interval: points and weights, (intervals, count) each."""
        nodes, weights = legendre_rule(count)
        lengths = np.diff(self.breakpoints)[:, None]
        return self.breakpoints[:-1, None] + lengths * (nodes + 1) / 2, lengths * weights / 2

    @cached_property
    def shares(self) -> np.ndarray:
        """Parts of the coordinate that the splines stand for, their integrals, (count,); the sum is one."""
        lengths = (self._knots[self.degree + 1 :] - self._knots[: -self.degree - 1])[: self.count]
        return lengths / lengths.sum()

    @cached_property
    def _interpolation(self) -> SuperLU:
        return splu(sparse.csc_array(self.table(self.all_points())))

    def interpolated(self, values: np.ndarray, axis: int = 0) -> np.ndarray:
        """Coefficients of the splines that have given values at `all_points`, which run along an axis of the values."""
        # Sparse LU factors of the collocation matrix, kept, serve all lines at once.
        lines = np.moveaxis(values, axis, 0)
        solved = self._interpolation.solve(np.ascontiguousarray(lines.reshape(len(lines), -1)))
        return np.moveaxis(solved.reshape(lines.shape), 0, axis)

    def places(self, points: np.ndarray) -> np.ndarray:
        """Numbers of the intervals in which points lie; a point between two lies in the later one."""
        return np.clip(np.searchsorted(self.breakpoints, points, "right") - 1, 0, self.intervals - 1)

    def lengths_at(self, points: np.ndarray) -> np.ndarray:
        """Lengths of the intervals in which points lie; a point between two lies in the earlier one."""
        places = np.clip(np.searchsorted(self.breakpoints, points) - 1, 0, self.intervals - 1)
        return np.diff(self.breakpoints)[places]

    def local(self, points: np.ndarray, order: int = 0, is_long: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Splines that can differ from zero at points inside, and values or derivatives: (points, degree + 1) each.

        The scheme of `edgewise.ops.splines.bspline.local_basis`, over all splines at once: tables are most of the work
        of a short time element. `is_long` asks for extended precision, where the machine has it.
        """
        kind: type[np.floating] = np.longdouble if is_long else np.float64
        # Knots around the interval of each point.
        degree = self.degree
        knots = np.asarray(self._knots, kind)
        points = np.asarray(points, kind)
        interval = self.places(points)
        columns = interval[:, None] + np.arange(degree + 1)
        window = knots[interval[:, None] + 1 + np.arange(2 * degree)]
        # Splines of higher and higher degree, and derivatives in the last steps.
        values = np.ones((len(points), 1), dtype=kind)
        for level in range(1, degree + 1):
            left = window[:, degree - level : degree]
            right = window[:, degree : degree + level]
            share = values / (right - left)
            new = np.zeros((len(points), level + 1), dtype=kind)
            # A derivative of the recursion, or the recursion of Cox and de Boor itself.
            if level > degree - order:
                new[:, 1:] += level * share
                new[:, :-1] -= level * share
            else:
                new[:, 1:] += share * (points[:, None] - left)
                new[:, :-1] += share * (right - points[:, None])
            values = new
        if order > degree:
            values = 0 * values
        return columns % self.count, values

    def table(self, points: np.ndarray, order: int = 0, is_long: bool = False) -> Table:
        """Values of all B-splines, or of their derivatives, at points: (points, count), not to be changed.

        Those in extended precision, `is_long`, are sparse.
        """
        return kept_table(self, np.asarray(points, dtype=float).tobytes(), order, is_long)


@lru_cache(maxsize=64)  # those of two grids, which time elements share
def kept_table(axis: SplineAxis, points: bytes, order: int, is_long: bool) -> Table:
    """See `SplineAxis.table`."""
    columns, values = axis.local(np.frombuffer(points), order, is_long)
    rows = len(values)
    # A dense product is as fast as one of 12 nonzeros a row, as measured.
    if axis.count <= 160 and not is_long:
        dense = np.zeros((rows, axis.count))
        np.add.at(dense, (np.arange(rows)[:, None], columns), values)
        return dense
    starts = (axis.degree + 1) * np.arange(rows + 1)
    return sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(rows, axis.count))


@lru_cache
def binomial(degree: int) -> np.ndarray:
    """Binomial coefficients of a degree, (degree + 1,), not to be changed."""
    return np.array([math.comb(degree, number) for number in range(degree + 1)], dtype=float)


def dense(table: Table) -> np.ndarray:
    """The table as an array."""
    return table if isinstance(table, np.ndarray) else table.toarray()


def along(table: Table, values: np.ndarray, axis: int) -> np.ndarray:
    """A table, or another matrix, times every line of values along an axis."""
    lines = values.swapaxes(0, axis)
    return (table @ lines.reshape(len(lines), -1)).reshape(-1, *lines.shape[1:]).swapaxes(0, axis)


def product_numbers(axes: Sequence[SplineAxis], columns: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers (m, products) of all products of splines from those of the splines of each coordinate, (m, k) each."""
    numbers = columns[0]
    for axis, each in zip(axes[1:], columns[1:], strict=True):
        size = numbers.shape[1] * each.shape[1]  # there may be no points
        numbers = (numbers[:, :, None] * axis.count + each[:, None]).reshape(len(each), size)
    return numbers


def product_values(values: Sequence[np.ndarray]) -> np.ndarray:
    """Values (..., products) of the same products, from those of the splines of each coordinate, (..., k) each."""
    total = values[0]
    for each in values[1:]:
        total = (total[..., None] * each[..., None, :]).reshape(*each.shape[:-1], total.shape[-1] * each.shape[-1])
    return total


def greville_points(breakpoints: np.ndarray, degree: int) -> np.ndarray:
    """Means of `degree` neighbouring knots, the outermost ones repeated: (intervals + degree,), the ends exact."""
    knots = np.concatenate([[breakpoints[0]] * degree, breakpoints, [breakpoints[-1]] * degree])
    points = np.lib.stride_tricks.sliding_window_view(knots[1:-1], degree).mean(1)
    points[[0, -1]] = breakpoints[[0, -1]]
    return points


class TimeAxis(SplineAxis):
    """One polynomial in Bernstein's basis from one moment to another, with the points of Radau [1].

    The last moment is among the points, so that stiff components are damped.

    [1] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section IV.5.
    """

    def __init__(self, begin: float, end: float, degree: int):
        super().__init__(np.array([begin, end]), degree)

    def collocation_points(self, conditions: int) -> np.ndarray:
        """Points of the equation where `conditions` coefficients are known from the first moment."""
        # Radau IIA: zeros of a Jacobi polynomial, and the last moment.
        inner = np.zeros(0)
        if self.degree > conditions:
            inner = roots_jacobi(self.degree - conditions, 1, 0)[0]
        begin, end = self.breakpoints
        return np.append(begin + (end - begin) * (inner + 1) / 2, end)

    def local(self, points: np.ndarray, order: int = 0, is_long: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """All polynomials of the basis: their numbers, and values or derivatives at points, (points, count) each.

        At the points of an equation of order 2 derivatives are those of the method of Radau for the system of a value
        and its rate. The second derivative of the polynomial itself would give a method that is unstable for fast waves
        (P. van der Houwen, B. Sommeijer, N. H. Cong, "Stability of collocation-based Runge-Kutta-Nystrom methods", BIT
        31, 1991, 469).
        """
        columns = np.tile(np.arange(self.count), (len(points), 1))
        if order in (1, 2) and len(points) == self.degree - 1 and np.array_equal(points, self._pair_points):
            return columns, self.pair_tables[order - 1]
        return columns, self._bernstein(points, order, is_long)

    def _bernstein(self, points: np.ndarray, order: int, is_long: bool = False) -> np.ndarray:
        """Bernstein's polynomials in closed form, or their derivatives: (points, count)."""
        kind: type[np.floating] = np.longdouble if is_long else np.float64
        begin, end = self.breakpoints.astype(kind)
        length = end - begin
        if order > self.degree:
            return np.zeros((len(points), self.count), kind)
        places = np.asarray(points, kind)[:, None]
        numbers = np.arange(self.degree - order + 1)
        values = binomial(self.degree - order) * ((places - begin) / length) ** numbers
        values = values * ((end - places) / length) ** numbers[::-1]
        # Derivatives are differences of polynomials of the degree below.
        for degree in range(self.degree - order + 1, self.degree + 1):
            values = degree / length * -np.diff(values, axis=1, prepend=0.0, append=0.0)
        return values

    def rates(self, conditions: int) -> np.ndarray:
        """Derivatives at the points of the equation of polynomials that vanish at the first moment, by their values."""
        begin, end = self.breakpoints
        places = (self.collocation_points(conditions) - begin) / (end - begin)
        # Legendre polynomials and their derivatives at the points.
        powers = np.polynomial.legendre.legvander(2 * places - 1, len(places) - 1)
        legendre = np.polynomial.legendre.Legendre
        slopes = np.stack([2 * legendre(each).deriv()(2 * places - 1) for each in np.eye(len(places))], 1)
        # Polynomials t p(t), with p by Legendre's.
        return (powers + places[:, None] * slopes) @ np.linalg.inv(places[:, None] * powers) / (end - begin)

    def with_last_rate(self, lines: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Coefficients (degree + 2, ...) of the polynomial that also has a given rate at the last moment.

        At the points of an equation of order 2 it has the values of the polynomial with coefficients `lines` (degree +
        1, ...), and its value and rate at the first moment. The rate (...) is not left to the polynomial by the method
        of Radau.
        """
        # Bernstein coefficients of one degree more.
        begin = self.breakpoints[0]
        length = float(np.ptp(self.breakpoints))
        higher = TimeAxis(begin, self.breakpoints[1], self.degree + 1)
        share = (np.arange(self.degree + 2) / (self.degree + 1)).reshape(-1, *[1] * (lines.ndim - 1))
        none = np.zeros_like(lines[:1])
        raised = (1 - share) * np.concatenate([lines, none]) + share * np.concatenate([none, lines])
        # A polynomial that vanishes at the points and twice at the first moment, and has slope 1 at the last one.
        places, at = ((each - begin) / length for each in (self._pair_points, higher.all_points()))
        bump = length * at**2 * np.prod(at[:, None] - places, 1) / np.prod(1 - places[:-1])
        missing = rate - self.degree / length * (lines[-1] - lines[-2])
        return raised + np.multiply.outer(higher.interpolated(bump), missing)

    @cached_property
    def _pair_points(self) -> np.ndarray:
        return self.collocation_points(2)

    @cached_property
    def pair_tables(self) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives at the points of an equation of order 2, (points, count) each."""
        begin = self.breakpoints[0]
        # Order 2 as a system of value and rate: the differentiation matrix of Radau's method, once and twice.
        rates = self.rates(2)
        value, rate = (self._bernstein(np.array([begin]), order) for order in (0, 1))
        first = rates @ (self._bernstein(self._pair_points, 0) - value)
        return first, rates @ (first - rate)


def prolonged(coef: np.ndarray, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> np.ndarray:
    """The same fields on other breakpoints, by interpolation along one coordinate after the other."""
    for axis, (before, after) in enumerate(zip(old, new, strict=True)):
        coef = after.interpolated(along(before.table(after.all_points()), coef, axis), axis)
    return coef

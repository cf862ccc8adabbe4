"""Splines of space that a boundary cuts: points and weights in cut cells, values at points, and least squares there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse

from edgewise.outcomes import check_time
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.domains.sampling import gauss_legendre
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.structured.axis import SplineAxis
from edgewise.pde.structured.linear.projection import Projection

# Points for each spline of a coordinate, and in each interval. A choice: twice as many as splines in two dimensions.
POINTS_PER_CUT_SPLINE, LEAST_CELL_POINTS = 1.5, 2
# Weight of jumps of the highest derivative between cells that the boundary cuts and their neighbours, in the sum of
# squares. A choice: from a hundredth to a hundred times as much the errors of heat on a disk are the same.
SEAM_WEIGHT = 0.01


Combination = Mapping[Index, np.ndarray]
"""Factors of derivatives at points, (m,) each."""


@dataclass(frozen=True, eq=False)
class Scattered:
    """Points of space at which one term holds.

    Parameters
    ----------
    term : ResidualTerm
        The equation or a condition.
    x : Tensor
        Points (m, d).
    normal : Tensor or None
        Outward normals on a boundary, (m, d).
    weights : ndarray
        Square roots of the weights in the sum of squares, (m,).
    """

    term: ResidualTerm
    x: torch.Tensor
    normal: torch.Tensor | None
    weights: np.ndarray


class CutGrid:
    """Splines of space that reach into a domain, and points there for the equation and every condition.

    Parameters
    ----------
    form : StrongForm
        The problem.
    space : Domain
        The domain at one moment.
    axes : list of SplineAxis
        Coordinates of space.
    points_of_interval : int, optional
        Points of each coordinate in a cell; by `POINTS_PER_CUT_SPLINE` if left out.
    """

    def __init__(
        self, form: StrongForm, space: Domain, axes: Sequence[SplineAxis], *, points_of_interval: int | None = None
    ):
        self.axes, self.fields = axes, len(form.fields)
        lines = [torch.from_numpy(axis.breakpoints) for axis in axes]
        each = points_of_interval or max(
            LEAST_CELL_POINTS, *(math.ceil(POINTS_PER_CUT_SPLINE * axis.count / axis.intervals) for axis in axes)
        )
        self._mesh = mesh = Mesh(space, lines, each)
        cut = mesh.cut()
        self.boundary = cut.boundary
        self.parts = [Scattered(form.equation_term, cut.x, None, np.sqrt(cut.weights.numpy()))]
        for term in (each for each in form.condition_terms if not each.is_interface):
            for name in term.pieces:
                if name in cut.boundary:  # not the first moment
                    x, normal, shares = cut.boundary[name]
                    self.parts.append(Scattered(term, x, normal, np.sqrt(shares.numpy())))
        self._tables: dict[tuple[int, Index], sparse.csr_array] = {}
        self._lines: dict[tuple[int, int, int], np.ndarray] = {}  # of each part, coordinate and order
        self._rows: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.count = math.prod(axis.count for axis in axes)
        used = np.zeros(self.count, dtype=bool)
        used[self._local(self.parts[0].x)[0]] = True  # others vanish on the boundary
        self.active = np.flatnonzero(used)
        self._place = np.full(self.count, -1)
        self._place[self.active] = np.arange(len(self.active))
        self.seams = self._seams(mesh, np.unique(mesh.cells(cut.x)), cut.cells.numpy())

    def _seams(self, mesh: Mesh, present: np.ndarray, cut: np.ndarray) -> sparse.csr_array:
        """Jumps of the highest derivatives between cells of which the boundary cuts one, (seams, active) [1]_.

        A jump is the difference of the polynomials of both cells an interval away; its square is weighted by the cell.

        References
        ----------
        .. [1] E. Burman, "Ghost penalty", Comptes Rendus Mathematique 348, 2010, 1217.
        """
        counts = [axis.intervals for axis in self.axes]
        corners, tables = np.stack(np.unravel_index(present, counts), 1), []
        nodes, shares = (each.numpy() for each in gauss_legendre(mesh.per_interval, 0.0, 1.0))
        for number, axis in enumerate(self.axes):
            after = corners.copy()
            after[:, number] += 1
            if axis.periodic:
                after[:, number] %= axis.intervals
            is_near = after[:, number] < axis.intervals
            numbers = [np.ravel_multi_index(tuple(each.T), counts, mode="clip") for each in (corners, after)]
            is_near &= np.isin(numbers[1], present) & (np.isin(numbers[0], cut) | np.isin(numbers[1], cut))
            # Points in the middle of both cells, where the highest derivative is what it is on their common face.
            rules = [(np.array([0.5]), np.ones(1)) if k == number else (nodes, shares) for k in range(len(counts))]
            places, weights = (
                np.stack([each.ravel() for each in np.meshgrid(*part, indexing="ij")], 1)
                for part in zip(*rules, strict=True)
            )
            index = tuple(axis.degree if k == number else 0 for k in range(len(counts)))
            sides, widths = [], np.zeros(0)
            for cells in (corners[is_near], after[is_near]):
                low = np.stack([line.breakpoints[cells[:, k]] for k, line in enumerate(self.axes)], 1)
                width = np.stack([np.diff(line.breakpoints)[cells[:, k]] for k, line in enumerate(self.axes)], 1)
                x = (low[:, None] + width[:, None] * places).reshape(-1, len(counts))
                sides.append(self.table_at(torch.from_numpy(x), index))
                widths = width if not len(widths) else (widths + width) / 2
            size = widths[:, number] ** axis.degree / math.factorial(axis.degree) * np.sqrt(widths.prod(1))
            scale = (size[:, None] * np.sqrt(weights.prod(1))).ravel()
            tables.append(sparse.diags_array(scale) @ (sides[1] - sides[0]))
        return sparse.csr_array(sparse.vstack(tables))

    @property
    def inside(self) -> sparse.csr_array:
        """Values of the active splines at the points of the equation, (m, active)."""
        return self.table(0, (0,) * len(self.axes))

    @cached_property
    def ghost(self) -> np.ndarray:
        """Sums of products of jumps, (active, active), see `seams`."""
        return (sparse.csr_array(self.seams.T) @ self.seams).toarray()

    def widths(self, x: torch.Tensor) -> np.ndarray:
        """Lengths of the intervals in which points (m, d) lie, (m, d)."""
        each = zip(self.axes, x.numpy().T, strict=True)
        return np.stack([np.diff(axis.breakpoints)[axis.places(line)] for axis, line in each], 1)

    def _local(self, x: torch.Tensor, index: Index | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and values, or derivatives, of the products of splines that can differ from zero at points."""
        numbers, values = np.zeros((len(x), 1), dtype=int), np.ones((len(x), 1))
        for number, axis in enumerate(self.axes):
            columns, local = axis.local(x[:, number].numpy(), 0 if index is None else index[number])
            count = values.shape[1] * local.shape[1]  # there may be no points
            numbers = (numbers[:, :, None] * axis.count + columns[:, None]).reshape(len(x), count)
            values = (values[:, :, None] * local[:, None]).reshape(len(x), count)
        return numbers, values

    def table(self, part: int, index: Index) -> sparse.csr_array:
        """Values of the active splines, or of a derivative by space, at the points of a part: (m, active)."""
        if part == len(self.parts):
            return self.seams
        if (part, index) not in self._tables:
            self._tables[part, index] = self.table_at(self.parts[part].x, index)
        return self._tables[part, index]

    def table_at(self, x: torch.Tensor, index: Index) -> sparse.csr_array:
        """The same at any points."""
        numbers, values = self._local(x, index)
        columns = self._place[numbers]
        values, columns = np.where(columns >= 0, values, 0.0), np.maximum(columns, 0)
        starts = numbers.shape[1] * np.arange(len(x) + 1)
        return sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(len(x), len(self.active)))

    def products(
        self, part: int, left: Combination, right: Combination, beyond: tuple[CutGrid, int] | None = None
    ) -> np.ndarray:
        """Sums over the points of a part of one combination of derivatives of each active spline times another of each.

        The second may be that of another grid of the same coordinates, whose part has the same points. Returns (active,
        active). Points of a cell have the same splines, so that cells have dense products.
        """
        grid, number = (self, part) if beyond is None else beyond
        total = np.zeros((len(self.active), len(grid.active)))
        for (rows, places), (_, others) in zip(self._cell_rows(part), grid._cell_rows(number), strict=True):
            check_time()
            first, second = self._combined(part, rows, left), grid._combined(number, rows, right)
            kept, used = places >= 0, others >= 0
            total[np.ix_(places[kept], others[used])] += first[:, kept].T @ second[:, used]
        return total

    def with_points(self, x: torch.Tensor) -> int:
        """Number of a further part, of points (m, d) alone."""
        self.parts.append(Scattered(self.parts[0].term, x, None, np.ones(len(x))))
        return len(self.parts) - 1

    def sums(self, part: int, left: Combination, values: np.ndarray) -> np.ndarray:
        """Sums over the points of a combination of derivatives of each active spline times values (m,): (active,)."""
        total = np.zeros(len(self.active))
        for rows, places in self._cell_rows(part):
            kept = places >= 0
            total[places[kept]] += (values[rows] @ self._combined(part, rows, left))[kept]
        return total

    def _cell_rows(self, part: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Numbers of the points in each cell, and places among the active splines of those of the cell, -1 for none."""
        if part not in self._rows:
            x = self.parts[part].x
            cells = self._mesh.cells(x).numpy()
            order = np.argsort(cells, kind="stable")
            groups = np.split(order, np.flatnonzero(np.diff(cells[order])) + 1)
            numbers = self._place[self._local(x[[rows[0] for rows in groups if len(rows)]])[0]]
            self._rows[part] = list(zip(groups, numbers, strict=False))  # no group has no points, or the only one
        return self._rows[part]

    def _combined(self, part: int, rows: np.ndarray, factors: Combination) -> np.ndarray:
        """The combination at some points, of a cell, of all splines that can differ from zero there, (m, products)."""
        total = np.zeros(())
        for index, factor in factors.items():
            values = factor[rows, None]
            for number, order in enumerate(index):
                key = part, number, order
                if key not in self._lines:
                    self._lines[key] = self.axes[number].local(self.parts[part].x[:, number].numpy(), order)[1]
                values = (values[:, :, None] * self._lines[key][rows, None]).reshape(len(rows), -1)
            total = total + values
        return total

    def taken(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients (k, *counts, fields) of the active splines, (k, active, fields)."""
        return coef.reshape(len(coef), self.count, -1)[:, self.active]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of all splines from those of the active ones, the reverse of `taken`."""
        coef = np.zeros((len(values), self.count, values.shape[-1]))
        coef[:, self.active] = values
        return coef.reshape(len(values), *(axis.count for axis in self.axes), -1)

    @cached_property
    def points(self) -> torch.Tensor:
        """Points of all parts, inside and on the boundary, at which values are fitted."""
        return torch.cat([part.x for part in self.parts])

    def fitted(self, values: np.ndarray) -> np.ndarray:
        """Coefficients (active, k) of the splines that fit values (N, k) at `points`."""
        none = np.zeros((self.seams.shape[0], values.shape[1]))
        return self._fit(np.concatenate([values * self._weights, none]))

    def through(self, values: np.ndarray) -> np.ndarray:
        """Coefficients (k, *counts, fields) of the splines that fit values (N, k, fields) at `points`."""
        solved = self.fitted(values.reshape(len(values), -1))
        return self.spread(np.moveaxis(solved.reshape(-1, *values.shape[1:]), 1, 0))

    @cached_property
    def _weights(self) -> np.ndarray:
        weights = [self.parts[0].weights]
        for part in self.parts[1:]:  # a boundary as if it were as wide as an interval
            weights.append(part.weights * np.sqrt(self.widths(part.x).mean(1)))
        return np.concatenate(weights)[:, None]

    @cached_property
    def _fit(self) -> Projection:
        tables = [self.table(number, (0,) * len(self.axes)) for number in range(len(self.parts))]
        fitted = sparse.diags_array(self._weights[:, 0]) @ sparse.vstack(tables)
        matrix = sparse.csr_array(sparse.vstack([fitted, self.seams]))
        product = sparse.csr_array(matrix.T) @ matrix
        return Projection(matrix, matrix, product, np.sqrt(product.diagonal()))

"""Splines of space that a boundary cuts: points and weights in cut cells, values at points, and least squares there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import torch
from scipy import sparse

from edgewise.outcomes import check_time
from edgewise.pde.algebra.factors import Factors, cell_factors
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, product_numbers, product_values


@dataclass(frozen=True)
class CutGridSettings:
    """Quadrature, fits and memory of cut cells."""

    # Points for each spline of a coordinate, and in each interval: twice as many as splines in two dimensions.
    points_per_spline: float = 1.5
    least_points: int = 2
    # Weight of the ghost penalty where values are fitted, by the number of coordinates: with 1 there was ten times the
    # error in a ball. Measured
    fit_ghost: tuple[float, ...] = (1.0, 1.0, 1.0, 1e-4)
    table_rows: int = 4096  # points, other than those of parts, whose splines are evaluated at once: some 40 MB
    # Values of splines at the points of whole cells that are made at once: a megabyte, which stays in caches. Measured.
    most_local: int = 2**17
    most_entries: int = 2**22  # of cells that are kept before they are summed up: 0.1 GB
    most_kept: float = 5e7  # values of splines of a solid that are kept for later use: 0.4 GB, enough for 4^3 cells


SETTINGS = CutGridSettings()
Combination = Mapping[Index, np.ndarray | None]
"""Factors of derivatives at points, (m,) each, None for one."""
Block = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Places of the active splines of some cells, (c, r) and (c, s), or -1, and the parts of a matrix there, (c, r, s)."""


@dataclass(frozen=True, eq=False)
class Scattered:
    """Points of space at which one term holds."""

    term: ResidualTerm  # the equation or a condition
    x: torch.Tensor  # points (m, d)
    normal: torch.Tensor | None  # outward normals on a boundary, (m, d)
    weights: np.ndarray  # square roots of the weights in the sum of squares, (m,)


class CutGrid:
    """Splines of space that reach into a domain at one moment, and points there for the equation and every condition.

    Cells have `points_of_interval` points of each coordinate, or the number in `CutGridSettings`.
    """

    def __init__(
        self, form: StrongForm, space: Domain, axes: Sequence[SplineAxis], *, points_of_interval: int | None = None
    ):
        self.axes, self.fields = axes, len(form.fields)
        # Quadrature of cells and of the boundary.
        lines = [torch.from_numpy(axis.breakpoints) for axis in axes]
        each = points_of_interval or max(
            SETTINGS.least_points,
            *(math.ceil(SETTINGS.points_per_spline * axis.count / axis.intervals) for axis in axes),
        )
        # Points on lines through cut cells of solids: without one more than in whole cells heat in a ball of 2^3 cells
        # has growing modes, and with two more, as in quadratures, errors are the same. Measured.
        self._mesh = mesh = Mesh(space, lines, each, in_cut=None if points_of_interval else each + 1)
        cut = mesh.cut()
        self.boundary = cut.boundary
        self.parts = [Scattered(form.equation_term, cut.x, None, np.sqrt(cut.weights.numpy()))]
        for term in (each for each in form.condition_terms if not each.is_interface):
            for name in term.pieces:
                if name in cut.boundary:  # not the first moment
                    x, normal, shares = cut.boundary[name]
                    self.parts.append(Scattered(term, x, normal, np.sqrt(shares.numpy())))
        # Values of splines that are kept.
        self._lines: dict[tuple[int, int, int], np.ndarray] = {}  # of each part, coordinate and order
        self._kept_count = 0
        self._kept: dict[tuple[int, Index, int], np.ndarray] = {}  # values of splines by part, index and first point
        self._groups: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        # The active splines, which reach into the domain, and faces of cut cells.
        self.count = math.prod(axis.count for axis in axes)
        present = np.unique(mesh.cells(cut.x))
        self._place = np.full(self.count, -1)
        self._place[np.unique(self._numbers(present))] = 0  # others vanish on the boundary
        self.active = np.flatnonzero(self._place == 0)
        self._place[self.active] = np.arange(len(self.active))
        self._faces = self._faces_of(present, cut.cells.numpy())

    def _numbers(self, cells: np.ndarray) -> np.ndarray:
        """Numbers of the splines that can differ from zero in cells (c,), (c, splines)."""
        each = zip(self.axes, self._corners(cells).T, strict=True)
        columns = [(corner[:, None] + np.arange(axis.degree + 1)) % axis.count for axis, corner in each]
        return product_numbers(self.axes, columns)

    def _corners(self, cells: np.ndarray) -> np.ndarray:
        """Numbers of the intervals of cells (c,), (c, d)."""
        return np.stack(np.unravel_index(cells, [axis.intervals for axis in self.axes]), 1)

    def _faces_of(self, present: np.ndarray, cut: np.ndarray) -> list[np.ndarray]:
        """Neighbouring cells of which the boundary cuts one, along each coordinate, (faces, 2) each."""
        corners = self._corners(present)
        counts = [axis.intervals for axis in self.axes]
        faces = []
        for number, axis in enumerate(self.axes):
            # The next cell along the coordinate, if the domain reaches into it and one of both is cut.
            after = corners.copy()
            after[:, number] += 1
            if axis.periodic:
                after[:, number] %= axis.intervals
            pairs = np.stack([present, np.ravel_multi_index(tuple(after.T), counts, mode="clip")], 1)
            is_near = (after[:, number] < axis.intervals) & np.isin(pairs[:, 1], present) & np.isin(pairs, cut).any(1)
            faces.append(pairs[is_near])
        return faces

    @cached_property
    def ghost(self) -> sparse.csr_array:
        """Sums of products of jumps of the highest derivatives between cells of which the boundary cuts one [1].

        A jump is the difference of the polynomials of both cells an interval away; its square is weighted by the cell.

        [1] E. Burman, "Ghost penalty", Comptes Rendus Mathematique 348, 2010, 1217.
        """
        masses = [_masses(axis) for axis in self.axes]

        def blocks() -> Iterator[Block]:
            for number, (axis, pairs) in enumerate(zip(self.axes, self._faces, strict=True)):
                jumps = _jumps(axis)
                # A Kronecker product: jumps along one coordinate, masses of the first cell along the others.
                for corner in self._corners(pairs[:, 0]):
                    check_time()
                    factors = [mass[k] for k, mass in zip(corner, masses, strict=True)]
                    factors[number] = jumps[corner[number]]
                    places = self._place[product_numbers(self.axes, [columns[None] for columns, _ in factors])]
                    yield places, places, reduce(np.kron, [block for _, block in factors])[None]

        faces = sum(map(len, self._faces))
        return summed(blocks(), (len(self.active),) * 2, faces * math.prod(axis.degree + 1 for axis in self.axes) ** 2)

    def widths(self, x: torch.Tensor) -> np.ndarray:
        """Lengths of the intervals in which points (m, d) lie, (m, d)."""
        each = zip(self.axes, x.numpy().T, strict=True)
        return np.stack([np.diff(axis.breakpoints)[axis.places(line)] for axis, line in each], 1)

    def at(self, x: torch.Tensor, index: Index, coef: np.ndarray) -> np.ndarray:
        """Values, or a derivative by space, at any points (m, d), from coefficients (active, k): (m, k)."""
        return np.concatenate([self._table(part, index) @ coef for part in x.split(SETTINGS.table_rows)])

    def _table(self, x: torch.Tensor, index: Index) -> sparse.csr_array:
        each = zip(self.axes, x.numpy().T, index, strict=True)
        numbers, local = zip(*(axis.local(line, order) for axis, line, order in each), strict=True)
        columns = self._place[product_numbers(self.axes, numbers)]
        values = np.where(columns >= 0, product_values(local), 0.0)
        columns = np.maximum(columns, 0)
        starts = columns.shape[1] * np.arange(len(x) + 1)
        return sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(len(x), len(self.active)))

    def values(self, part: int, index: Index, coef: np.ndarray) -> np.ndarray:
        """Values, or a derivative by space, at the points of a part (m, k), from coefficients (active, k)."""
        total = np.empty((len(self.parts[part].x), coef.shape[1]))
        padded = np.append(coef, 0 * coef[:1], 0)
        for rows, places in self._cell_rows(part):
            check_time()
            total[rows] = self._combined(part, rows, {index: None}) @ padded[places]
        return total

    def products(
        self, part: int, left: Combination, right: Combination, beyond: tuple[CutGrid, int] | None = None
    ) -> sparse.csr_array:
        """Sums over points of a combination of derivatives of each active spline times another of each.

        The second may be that of another grid of the same coordinates, whose part has the same points.
        """
        grid, number = beyond or (self, part)

        def blocks() -> Iterator[Block]:
            for (rows, places), (_, others) in zip(self._cell_rows(part), grid._cell_rows(number), strict=True):
                check_time()
                first = self._combined(part, rows, left)
                yield places, others, first.swapaxes(1, 2) @ grid._combined(number, rows, right)

        pairs = zip(self._cell_rows(part), grid._cell_rows(number), strict=True)
        entries = sum(places.size * others.shape[1] for (_, places), (_, others) in pairs)
        return summed(blocks(), (len(self.active), len(grid.active)), entries)

    def with_points(self, x: torch.Tensor) -> int:
        """Number of a further part, of points (m, d) alone."""
        self.parts.append(Scattered(self.parts[0].term, x, None, np.ones(len(x))))
        return len(self.parts) - 1

    def sums(self, part: int, left: Combination, values: np.ndarray) -> np.ndarray:
        """Sums over points of a combination of derivatives of each active spline times values (m, k): (active, k)."""
        total = np.zeros((len(self.active) + 1, values.shape[1]))  # the last row gets what no active spline has
        for rows, places in self._cell_rows(part):
            check_time()
            each = self._combined(part, rows, left).swapaxes(1, 2) @ values[rows]
            for own, block in zip(places, each, strict=True):
                total[own] += block
        return total[:-1]

    def _cell_rows(self, part: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Numbers of the points (c, m) in cells with as many of them, and places of their splines (c, r), or -1."""
        if part not in self._groups:
            # Points sorted by cell; cells with equally many points are computed at once.
            cells = self._mesh.cells(self.parts[part].x).numpy()
            order = np.argsort(cells, kind="stable")
            present, starts, counts = np.unique(cells[order], return_index=True, return_counts=True)
            places = self._place[self._numbers(present)]
            groups = []
            for count in np.unique(counts):
                (own,) = np.nonzero(counts == count)
                # In blocks that do not take too much memory.
                at_once = max(1, SETTINGS.most_local // (count * places.shape[1]))
                for some in np.split(own, np.arange(at_once, len(own), at_once)):
                    groups.append((order[starts[some, None] + np.arange(count)], places[some]))
            self._groups[part] = groups
        return self._groups[part]

    def _combined(self, part: int, rows: np.ndarray, factors: Combination) -> np.ndarray:
        """The combination at points (c, m) of all splines that can differ from zero in their cells, (c, m, splines)."""
        total = np.zeros(())
        for index, factor in factors.items():
            place = part, index, int(rows[0, 0])
            # Products of values along each coordinate; the solid keeps them as long as memory allows.
            values = self._kept.get(place)
            if values is None:
                keys = [(part, number, order) for number, order in enumerate(index)]
                for key in (each for each in keys if each not in self._lines):
                    line = self.parts[part].x[:, key[1]].numpy()
                    self._lines[key] = self.axes[key[1]].local(line, key[2])[1]
                values = product_values([self._lines[key][rows] for key in keys])
                if len(self.axes) > 2 and self._kept_count + values.size <= SETTINGS.most_kept:
                    self._kept_count += values.size
                    self._kept[place] = values
            if factor is not None:
                values = factor[rows][..., None] * values
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
        return self._fit(self._tested(values))

    def through(self, values: np.ndarray) -> np.ndarray:
        """Coefficients (k, *counts, fields) of the splines that fit values (N, k, fields) at `points`."""
        solved = self.fitted(values.reshape(len(values), -1))
        return self.spread(np.moveaxis(solved.reshape(-1, *values.shape[1:]), 1, 0))

    @cached_property
    def _weights(self) -> list[Combination]:
        """Weights of the fit of each part: a boundary as if it were as wide as an interval."""
        none = (0,) * len(self.axes)
        first = self.parts[0]
        walls = [{none: part.weights**2 * self.widths(part.x).mean(1)} for part in self.parts[1:]]
        return [{none: first.weights**2}, *walls]

    def _tested(self, values: np.ndarray) -> np.ndarray:
        """Right-hand sides (active, k) of the fit of values (N, k) at `points`."""
        ends = np.cumsum([len(part.x) for part in self.parts[:-1]])
        each = enumerate(zip(self._weights, np.split(values, ends), strict=True))
        return np.add.reduce([self.sums(part, weights, own) for part, (weights, own) in each])

    @property
    def fit_work(self) -> float:
        """Multiply-adds of the factors of the fit."""
        return self._fit.work

    @cached_property
    def _fit(self) -> Factors:
        none = (0,) * len(self.axes)
        ghost = SETTINGS.fit_ghost[len(self.axes)]
        matrix = ghost * self.ghost
        for part, weights in enumerate(self._weights):
            matrix = matrix + self.products(part, weights, {none: None})

        def product(coef: np.ndarray) -> np.ndarray:
            values = [self.values(part, none, coef) for part in range(len(self.parts))]
            return self._tested(np.concatenate(values)) + ghost * (self.ghost @ coef)

        return cell_factors(matrix, np.sqrt(matrix.diagonal()), product)


def between_fields(matrix: sparse.csr_array, row: int, column: int, shape: tuple[int, int]) -> sparse.csr_array:
    """A matrix of splines as one of the tests of a field and another field; the fields of a spline are neighbours."""
    pair = sparse.coo_array(([1.0], ([row], [column])), shape=shape)
    return sparse.kron(matrix, pair, format="csr")


def summed(blocks: Iterable[Block], shape: tuple[int, int], entries: int) -> sparse.csr_array:
    """The sum of the blocks of cells as a matrix; `entries` is the number of all their entries."""
    if entries > math.prod(shape) / 2:  # few zeros are left, as in solids
        # Dense, with a spare row and column for splines that reach nowhere.
        whole = np.zeros((shape[0] + 1, shape[1] + 1))  # the last row and column get what has no place
        for rows, columns, values in blocks:
            places = (rows % len(whole))[:, :, None] * whole.shape[1] + (columns % whole.shape[1])[:, None, :]
            for place, block in zip(places, values, strict=True):
                whole.reshape(-1)[place.ravel()] += block.ravel()  # in half the time of pairs of places
        return sparse.csr_array(whole[:-1, :-1])
    # As lists of entries, added up before they take too much memory.
    total = sparse.csr_array(shape)
    parts = list[np.ndarray]()  # values, rows and columns, (3, n)
    for rows, columns, values in blocks:
        every = np.broadcast_arrays(values, rows[:, :, None], columns[:, None, :])
        parts.append(np.stack([each.ravel() for each in every]))
        if sum(each.shape[1] for each in parts) > SETTINGS.most_entries:
            total = total + _as_matrix(parts, shape)
            parts = []
    return total + _as_matrix(parts, shape)


def _as_matrix(parts: Sequence[np.ndarray], shape: tuple[int, int]) -> sparse.csr_array:
    """The matrix whose entries (3, n), each with its row and its column, are summed; places below zero are none."""
    every = np.concatenate([np.zeros((3, 0)), *parts], 1)
    values, rows, columns = every[:, (every[1:] >= 0).all(0)]
    return sparse.csr_array(sparse.coo_array((values, (rows.astype(int), columns.astype(int))), shape=shape))


def _masses(axis: SplineAxis) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the splines in each interval of a coordinate, and integrals of their products there."""
    points, weights = axis.quadrature(axis.degree + 1)
    columns, values = (each.reshape(*points.shape, -1) for each in axis.local(points.ravel()))
    return list(zip(columns[:, 0], values.swapaxes(1, 2) @ (weights[..., None] * values), strict=True))


def _jumps(axis: SplineAxis) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the splines in each interval and the next one, and products of jumps between them."""
    lengths = np.diff(axis.breakpoints)
    results = []
    # The highest derivative is constant in an interval, and jumps at its end.
    columns, highest = axis.local(axis.breakpoints[:-1] + lengths / 2, axis.degree)
    for first in range(axis.intervals):
        after = (first + 1) % axis.intervals
        numbers, place = np.unique([columns[first], columns[after]], return_inverse=True)
        jump = np.zeros(len(numbers))
        length = (lengths[first] + lengths[after]) / 2
        np.add.at(jump, place.ravel(), np.concatenate([-highest[first], highest[after]]))
        # Scaled to the difference of the two polynomials an interval away, in the mean square.
        jump *= length ** (axis.degree + 0.5) / math.factorial(axis.degree)
        results.append((numbers, np.outer(jump, jump)))
    return results

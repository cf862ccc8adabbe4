"""Linear systems of a structured grid: their product with a vector, their sparse matrix and its factors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from edgewise.pde.algebra.factors import SETTINGS, Factors, dense_solver
from edgewise.pde.spaces.blocks import Jacobian, RowBlock
from edgewise.train.cost import EQUATION_COST

Solver = Callable[[np.ndarray], np.ndarray]
"""Maps a right-hand side (rows,) to a solution (unknowns,)."""


class Preconditioner:
    """Solver of a system like a given one, whose solution is close enough to the other's for a Krylov method."""

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        raise NotImplementedError

    def solvable(self, rhs: np.ndarray) -> np.ndarray:
        """The right-hand side without what no solution has: all of it, unless a class knows better."""
        return rhs

    def balanced(self, rows: np.ndarray) -> np.ndarray:
        """Rows without constants up to which residuals hold, see `EquationBlock`."""
        return rows


class LinearSystem:
    """The equations of all blocks, linearised: sum over derivatives of slope times derivative of the unknown fields.

    It has the rows of blocks, the slopes of the residuals of each, and coefficients of shape (n_1, ..., n_d, fields).
    """

    def __init__(self, blocks: Sequence[RowBlock], jacobian: Sequence[Jacobian], shape: tuple[int, ...]):
        self.blocks = blocks
        self.jacobian = jacobian
        self.shape = shape
        self.work = 0.0

    @property
    def unknowns(self) -> int:
        """Number of unknown coefficients."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(block.rows for block in self.blocks)

    def product(self, unknown: np.ndarray) -> np.ndarray:
        """The matrix times a vector, without the matrix."""
        coef = unknown.reshape(self.shape)
        parts = []
        for block, jacobian in zip(self.blocks, self.jacobian, strict=True):
            derivatives = block.derivatives(coef, {index for _, _, index in jacobian})
            values = np.zeros((len(block.numbers), *block.shape))
            for (number, slot, index), slope in jacobian.items():
                values[number] += slope * derivatives[index][slot]
            parts.append(values.ravel())
        return np.concatenate(parts)

    def _entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values and columns of the entries of the matrix, row by row, and the number of entries of each row.

        Rows are written at once from the few splines that differ from zero at each point.
        """
        fields = self.shape[-1]
        values = list[np.ndarray]()
        columns = list[np.ndarray]()
        lengths = list[np.ndarray]()
        for block, jacobian in zip(self.blocks, self.jacobian, strict=True):
            size = math.prod(block.shape)
            # Entries of each residual: the sum over derivatives, for each field.
            places, products = block.local_products({index for _, _, index in jacobian})
            for number in range(len(block.numbers)):
                totals: dict[int, np.ndarray] = {}
                for (other, slot, index), slope in jacobian.items():
                    if other == number:
                        totals[slot] = totals.get(slot, 0.0) + slope.reshape(size, 1) * products[index]
                if totals:
                    values.append(np.stack(list(totals.values()), 1).ravel())
                    columns.append(np.stack([fields * places + slot for slot in totals], 1).ravel())
                lengths.append(np.full(size, len(totals) * places.shape[1]))
        return np.concatenate(values), np.concatenate(columns), np.concatenate(lengths)

    def matrix(self) -> sparse.csc_array:
        """The sparse matrix, (rows, unknowns): diagonal matrices times Kronecker products of tables.

        Constants up to which residuals hold, see `EquationBlock`, are further unknowns after the others.
        """
        values, columns, lengths = self._entries()
        starts = np.concatenate([[0], np.cumsum(lengths)])
        whole = sparse.csr_array((values, columns, starts), shape=(self.rows, self.unknowns))
        whole.sum_duplicates()  # splines of a short periodic coordinate overlap with themselves
        whole.eliminate_zeros()
        # A column of ones for each constant up to which residuals hold.
        start = 0
        for block in self.blocks:
            if len(block.constants()):
                moments = start + block.constants()
                constant = np.broadcast_to(np.arange(len(moments))[:, None], moments.shape)
                ones = np.ones(moments.size), (moments.ravel(), constant.ravel())
                whole = sparse.hstack([whole, sparse.csr_array(ones, shape=(self.rows, len(moments)))])
            start += block.rows
        return whole.tocsc()

    def factorised(self) -> Solver | None:
        """Solver by LU factors, dense ones of few unknowns; None where the matrix is singular."""
        if self.rows == self.unknowns <= SETTINGS.few_unknowns and not any(len(b.constants()) for b in self.blocks):
            values, columns, lengths = self._entries()
            dense = np.zeros((self.rows, self.unknowns))
            np.add.at(dense, (np.repeat(np.arange(self.rows), lengths), columns), values)
            self.work += self.unknowns**3 / 3 / EQUATION_COST.product_speed
            return dense_solver(dense)
        matrix = self.matrix()
        # Rows are scaled to size one. The order of the columns is that of a narrow band: that of COLAMD has twice as
        # many entries for splines of high degree, and nothing interrupts it.
        scale = 1 / np.maximum(abs(matrix).max(1).toarray().ravel(), np.finfo(float).tiny)
        order = np.arange(self.unknowns).reshape(self.shape).transpose(*self._slowest_first(), -1).ravel()
        order = np.append(order, np.arange(self.unknowns, matrix.shape[1]))
        columns = np.ones(matrix.shape[1])
        try:
            factors = Factors(matrix, scale, columns, order=order, foreseen_work=self.factor_work())
        except np.linalg.LinAlgError:
            return None
        self.work += factors.work
        return lambda rhs: factors(rhs)[: self.unknowns]

    def _slowest_first(self) -> list[int]:
        """Order of the coordinates in which the matrix has the narrowest band, that of periodic ones being double."""
        shares = [(axis.degree + 1) * (1 + axis.periodic) / axis.count for axis in self.blocks[0].axes]
        return sorted(range(len(shares)), key=shares.__getitem__)

    def factor_work(self) -> float:
        """Estimate of the multiply-adds of sparse factors: unknowns times the square of the half bandwidth."""
        axes = self.blocks[0].axes
        fields = self.shape[-1]
        slowest = self._slowest_first()[0]
        band = fields * (axes[slowest].degree + 1) * math.prod(a.count for i, a in enumerate(axes) if i != slowest)
        return self.unknowns * float(min(band, self.unknowns)) ** 2

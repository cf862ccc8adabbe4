"""Least squares and projections with sparse matrices, by banded or dense factors."""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse

from edgewise.outcomes import foreseen, interruptible
from edgewise.train.cost import EQUATION_COST

# Projections: ridge of systems whose diagonal is one, steps of refinement that remove its influence, the least size of
# an unknown relative to the largest, and widths of its band that a matrix must exceed or is factorised densely.
PROJECTION_RIDGE, PROJECTION_ROUNDS, LEAST_UNKNOWN, BANDED_FROM = 1e-14, 2, 1e-6, 4


class Projection:
    """Solver of W'A x = W'b with sparse matrices: least squares where W = A.

    Parameters
    ----------
    matrix : csr_array
        A, real or complex, (rows, columns).
    test : csr_array
        W, real, of the same shape.
    product : csr_array
        W'A.
    scale : ndarray
        Sizes of the unknowns' rows and columns, (columns,), by which they are divided.
    """

    def __init__(self, matrix: sparse.csr_array, test: sparse.csr_array, product: sparse.csr_array, scale: np.ndarray):
        self.matrix, self.test = matrix, sparse.csr_array(test.T)
        self.scale = np.maximum(scale, LEAST_UNKNOWN * scale.max())
        entries = sparse.coo_array(product)
        row, column = entries.coords
        values = entries.data / self.scale[row] / self.scale[column]
        count, width = len(scale), int(np.abs(column - row).max())
        self.is_banded = BANDED_FROM * width < count
        self.work = 2.0 * count * width**2 if self.is_banded else count**3 / 3
        self.work *= (4 if np.iscomplexobj(values) else 1) / EQUATION_COST.product_speed
        with foreseen("banded factors" if self.is_banded else "dense factors", self.work):
            if self.is_banded:
                band = np.zeros((3 * width + 1, count), dtype=values.dtype, order="F")
                band[2 * width + row - column, column] = values
                band[2 * width] += PROJECTION_RIDGE
                factorise, self._back = linalg.get_lapack_funcs(("gbtrf", "gbtrs"), (band,))
                self._factors = (*interruptible(lambda: factorise(band, width, width, overwrite_ab=True))[:2], width)
            else:
                dense = np.zeros((count, count), dtype=values.dtype, order="F")
                dense[row, column] = values
                dense[np.arange(count), np.arange(count)] += PROJECTION_RIDGE
                self._factors = interruptible(lambda: linalg.lu_factor(dense, overwrite_a=True, check_finite=False))
        self.solve_work = (1 + PROJECTION_ROUNDS) * 8 * (matrix.nnz + count * min(2 * width, count))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Solution (columns, k) for right-hand sides (rows, k)."""
        solution = self._once(values)
        for _ in range(PROJECTION_ROUNDS):
            solution = solution + self._once(values - self.matrix @ solution)
        return solution

    def _once(self, values: np.ndarray) -> np.ndarray:
        rhs = np.asfortranarray((self.test @ values) / self.scale[:, None])
        if self.is_banded:
            band, pivots, width = self._factors
            solved = self._back(band, width, width, rhs, pivots, overwrite_b=True)[0]
        else:
            solved = linalg.lu_solve(self._factors, rhs, overwrite_b=True, check_finite=False)
        return solved / self.scale[:, None]

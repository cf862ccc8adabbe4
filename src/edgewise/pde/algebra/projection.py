"""Square matrices that are sums over cells, and factors of them: systems of Galerkin's method and of least squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, gmres

from edgewise.outcomes import check_time, foreseen, interruptible
from edgewise.train.cost import EQUATION_COST

# Projections: ridge of systems whose diagonal is one, steps of refinement that remove its influence, the least size of
# an unknown relative to the largest, and widths of its band that a matrix must exceed or is factorised densely.
PROJECTION_RIDGE = 1e-14
PROJECTION_ROUNDS = 2
LEAST_UNKNOWN = 1e-6
BANDED_FROM = 4
# Systems beside one with factors: residual at which GMRES ends, relative to the right-hand side, the largest that
# rounding may leave, and most iterations. Measured in a ball: 6 to 21 iterations, of a hundredth of factors,
# and 1e-11 to 2e-9 left for smooth right-hand sides, which further iterations do not lower.
NEARBY_RESIDUAL = 1e-11
NEARBY_ROUNDING = 1e-7
NEARBY_ITERATIONS = 60


class CellSums:
    """A square matrix as a sum of dense blocks, in bands where that is smaller; unknowns of one place are neighbours.

    Parameters
    ----------
    count : int
        Number of places.
    width : int
        Largest difference of the numbers of two places in a block.
    fields : int
        Unknowns of each place.
    values : ndarray, optional
        The matrix, (count * fields, count * fields), or its bands in LAPACK's layout; zero if left out.

    Examples
    --------
    >>> sums = CellSums(3, 2)
    >>> sums.add(np.array([0, 2]), np.array([0, 2]), np.ones((2, 2)))
    >>> (sums @ np.eye(3)).tolist()
    [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    """

    def __init__(self, count: int, width: int, fields: int = 1, values: np.ndarray | None = None):
        self.fields = fields
        self.size = count * fields
        self.width = (width + 1) * fields - 1
        self.is_banded = BANDED_FROM * self.width < self.size
        rows = 2 * self.width + 1 if self.is_banded else self.size
        if values is None:
            self.values = np.zeros((rows, self.size))
        else:
            self.values = values

    def add(
        self, rows: np.ndarray, columns: np.ndarray, block: np.ndarray, row_field: int = 0, column_field: int = 0
    ) -> None:
        """Add a block (r, c) at places (r,) and (c,), each of which is there once, of two of the fields."""
        row = rows[:, None] * self.fields + row_field
        column = columns * self.fields + column_field
        places = (self.width + row - column if self.is_banded else row) * self.size + column
        self.values.reshape(-1)[places.ravel()] += block.ravel()  # in half the time of pairs of places

    def add_each(self, other: CellSums, factor: float, row_field: int = 0, column_field: int = 0) -> None:
        """Add a multiple of a matrix for one field, in the same places, for two of the fields."""
        step = self.fields
        columns = slice(column_field, None, self.fields)
        if self.is_banded == other.is_banded:
            if self.is_banded:
                first = self.width - other.width * step + row_field - column_field
            else:
                first = row_field
            self.values[first::step, columns][: len(other.values)] += factor * other.values
        else:  # a single field is banded, and several are not
            self.values[row_field::step, columns] += factor * other.dense()

    def plus(self, others: Sequence[CellSums], factors: Sequence[complex]) -> CellSums:
        """Sum of multiples of this matrix, with the first factor, and of others in the same places."""
        values = factors[0] * self.values
        for other, factor in zip(others, factors[1:], strict=True):
            values += factor * other.values
        return CellSums(self.size // self.fields, (self.width + 1) // self.fields - 1, self.fields, values)

    def dense(self) -> np.ndarray:
        """The matrix in full, (size, size)."""
        if self.is_banded:
            return self @ np.eye(self.size)
        return self.values

    def diagonal(self) -> np.ndarray:
        """Diagonal, (size,)."""
        if self.is_banded:
            return self.values[self.width].copy()
        return self.values.diagonal()

    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        """Product with vectors (size, k)."""
        if not self.is_banded:
            return self.values @ vectors
        return sparse.dia_array((self.values, self.width - np.arange(len(self.values))), (self.size,) * 2) @ vectors


class Projection:
    """Solver of a linear system by factors of its matrix, and by steps of refinement.

    Parameters
    ----------
    matrix : CellSums
        Real or complex matrix.
    scale : ndarray
        Sizes of the unknowns' rows and columns, (size,), by which they are divided.
    product : callable
        The matrix times vectors (size, k), without its rounding or without its memory, for the steps of refinement.
    """

    def __init__(self, matrix: CellSums, scale: np.ndarray, product: Callable[[np.ndarray], np.ndarray]):
        self._product = product
        self._is_banded = matrix.is_banded
        self.scale, count, width = np.maximum(scale, LEAST_UNKNOWN * scale.max()), matrix.size, matrix.width
        self.is_complex = np.iscomplexobj(matrix.values)
        if matrix.is_banded:
            self.work = 2.0 * count * width**2
        else:
            self.work = count**3 / 3
        self.work *= (4 if self.is_complex else 1) / EQUATION_COST.product_speed
        with foreseen("banded factors" if matrix.is_banded else "dense factors", self.work):
            if matrix.is_banded:
                band = np.zeros((3 * width + 1, count), dtype=matrix.values.dtype, order="F")
                column = np.arange(count)
                row = np.clip(column + np.arange(-width, width + 1)[:, None], 0, count - 1)
                band[width:] = matrix.values / self.scale[row] / self.scale
                band[2 * width] += PROJECTION_RIDGE
                factorise, self._back = linalg.get_lapack_funcs(("gbtrf", "gbtrs"), (band,))
                self._factors = (*interruptible(lambda: factorise(band, width, width, overwrite_ab=True))[:2], width)
            else:
                dense = np.asfortranarray(matrix.values / self.scale[:, None] / self.scale)
                dense[np.arange(count), np.arange(count)] += PROJECTION_RIDGE
                self._factors = interruptible(lambda: linalg.lu_factor(dense, overwrite_a=True, check_finite=False))
        self.solve_work = (1 + PROJECTION_ROUNDS) * 8 * 2 * count * min(2 * width, count)

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Solution (size, k) for right-hand sides (size, k)."""
        solution = self.once(rhs)
        for _ in range(PROJECTION_ROUNDS):
            solution = solution + self.once(rhs - self._product(solution))
        return solution

    def once(self, rhs: np.ndarray) -> np.ndarray:
        """The same without refinement."""
        scaled = np.asfortranarray(rhs / self.scale[:, None])
        if self._is_banded:
            band, pivots, width = self._factors
            solved = self._back(band, width, width, scaled, pivots, overwrite_b=True)[0]
        else:
            solved = linalg.lu_solve(self._factors, scaled, overwrite_b=True, check_finite=False)
        return solved / self.scale[:, None]


def solved_nearby(
    near: Projection, product: Callable[[np.ndarray], np.ndarray], rhs: np.ndarray
) -> tuple[np.ndarray | None, float]:
    """Solution (size,) of a complex system by GMRES with factors of a real one [1]_, and its work in multiply-adds.

    The solution is None where the iterations do not converge.

    Parameters
    ----------
    near : Projection
        Factors of the real system.
    product : callable
        The complex matrix times vectors (size, k).
    rhs : ndarray
        Right-hand side (size,).

    References
    ----------
    .. [1] Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd edition, 2003, section 9.3.
    """
    iterations = 0

    def back(vector: np.ndarray) -> np.ndarray:
        parts = near.once(near.scale[:, None] * np.stack([vector.real, vector.imag], 1))
        return parts[:, 0] + 1j * parts[:, 1]

    def applied(vector: np.ndarray) -> np.ndarray:
        nonlocal iterations
        iterations += 1
        check_time()
        return product(back(vector)[:, None])[:, 0] / near.scale

    operator = LinearOperator((len(rhs),) * 2, applied, dtype=complex)
    once = {"rtol": NEARBY_RESIDUAL, "restart": NEARBY_ITERATIONS, "maxiter": 1}
    scaled = rhs / near.scale
    solution, missed = gmres(operator, scaled, **once)
    if missed:
        missed = np.linalg.norm(applied(solution) - scaled) > NEARBY_ROUNDING * np.linalg.norm(scaled)
    return None if missed else back(solution), iterations * near.solve_work / (1 + PROJECTION_ROUNDS)

"""LU factors with iterative refinement, and systems that are solved by the factors of one beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from edgewise.native import NativeThread
from edgewise.outcomes import foreseen
from edgewise.pde.algebra.krylov import solved_from_right
from edgewise.train.cost import EQUATION_COST


@dataclass(frozen=True)
class FactorSettings:
    """Settings of all factors."""

    long_work: float = 1e8  # multiply-adds from which on a factorisation has its own thread: a tenth of a second
    dense_share: float = 0.25  # of entries that are not zero, from which on factors are dense: in solids
    few_unknowns: int = 200  # of a grid, up to which dense factors take less time than the tables of sparse ones
    least_pivot: float = 1e-3  # relative to its column: refinement mends what smaller fill-in costs
    # Sums over cells with rows and columns of size one: ridge, steps of refinement that remove its influence, and least
    # size of an unknown relative to the largest.
    ridge: float = 1e-14
    rounds: int = 2
    least_size: float = 1e-6
    # Systems beside one with factors: residual at which GMRES ends, relative to the right-hand side, the largest that
    # rounding may leave, and most iterations. Measured in a ball: 6 to 21 iterations, of a hundredth of factors, and
    # 1e-11 to 2e-9 left for smooth right-hand sides, which further iterations do not lower.
    nearby_residual: float = 1e-11
    nearby_rounding: float = 1e-7
    nearby_iterations: int = 60


SETTINGS = FactorSettings()
Product = Callable[[np.ndarray], np.ndarray]
"""A matrix times vectors (size, k)."""


class Factors:
    """LU factors of a square matrix, and steps of iterative refinement [1]; a LinAlgError where it is singular.

    [1] N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002, chapter 12.
    """

    def __init__(
        self,
        matrix: sparse.sparray,  # real or complex, (size, size)
        rows: np.ndarray,  # by which rows and columns are multiplied, (size,) each, for pivots to be comparable
        columns: np.ndarray,
        *,
        # order of the columns in which the matrix has a narrow band, (size,); a minimum degree of its pattern if left
        # out, and dense factors where it has few zeros
        order: np.ndarray | None = None,
        ridge: float = 0.0,  # on the diagonal of the scaled matrix
        rounds: int = 1,  # steps of refinement
        product: Product | None = None,  # the matrix without its rounding or its memory, for the steps of refinement
        foreseen_work: float | None = None,  # multiply-adds to expect; those of a band matrix if left out
    ):
        self.rows = rows
        self.columns = columns
        self._rounds = rounds
        self._product: Product = product or matrix.__matmul__
        size = matrix.shape[0]
        self._order = slice(None) if order is None else order
        self.is_complex = bool(np.iscomplexobj(matrix))
        self._kind = np.result_type(matrix.dtype, float)
        parts = 4 if self.is_complex else 1  # real products of a complex one
        # Work that is foreseen: dense factors, or those of the band of the pattern.
        is_dense = order is None and matrix.nnz > SETTINGS.dense_share * size**2
        if foreseen_work is not None:
            expected = foreseen_work
        elif is_dense:
            expected = parts * size**3 / 3 / EQUATION_COST.product_speed
        else:
            pattern = matrix.tocoo()
            expected = parts * size * float(np.abs(pattern.coords[0] - pattern.coords[1]).max(initial=0)) ** 2
        # A thread of its own makes, uses and frees long factors.
        self._run: Callable[[Callable[[list[Any]], Any]], Any]
        if expected > SETTINGS.long_work:
            self._run = NativeThread()
        else:
            factors = list[Any]()
            self._run = lambda call: call(factors)
        # Factors of the equilibrated matrix.
        with foreseen("dense factors" if is_dense else "sparse factors", expected):
            scaled = (sparse.diags_array(rows) @ matrix @ sparse.diags_array(columns)).tocsc()[:, self._order]
            if ridge:
                scaled = scaled + ridge * sparse.eye_array(size, format="csc")
            dtype = scaled.dtype

            def factorise(kept: list[Any]) -> int:
                """Add a solver to the list that a thread keeps, and return the number of entries of its factors."""
                if is_dense:
                    dense = linalg.lu_factor(scaled.toarray(order="F"), overwrite_a=True, check_finite=False)
                    kept.append(lambda rhs: linalg.lu_solve(dense, rhs, check_finite=False))
                    return size**2
                if order is not None:
                    factors = splu(scaled, permc_spec="NATURAL")
                else:
                    symmetric = {"SymmetricMode": True, "DiagPivotThresh": SETTINGS.least_pivot}
                    factors = splu(scaled, permc_spec="MMD_AT_PLUS_A", options=symmetric)
                kept.append(lambda rhs: factors.solve(np.asarray(rhs, dtype)))
                return factors.nnz

            try:
                entries = self._run(factorise)
            except RuntimeError as error:  # "Factor is exactly singular"
                raise np.linalg.LinAlgError(str(error)) from error
        # Multiply-adds of the factors, and of a solution with them.
        self.work = expected if is_dense else parts * entries**2 / max(size, 1) / 2
        self.solve_work = (1 + rounds) * 2.0 * parts * entries

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Solution (size,) or (size, k) for right-hand sides of this shape."""
        solution = self.once(rhs)
        for _ in range(self._rounds):
            solution = solution + self.once(rhs - self._product(solution))
        return solution

    def once(self, rhs: np.ndarray) -> np.ndarray:
        """The same without refinement."""
        of_rows = (slice(None), *[None] * (rhs.ndim - 1))
        solution = np.empty(rhs.shape, np.result_type(rhs, self._kind))
        solution[self._order] = self._run(lambda factors: factors[0](self.rows[of_rows] * rhs))
        return solution * self.columns[of_rows]


def dense_solver(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Solver by dense LU factors of rows of size one, with a step of refinement; None for a singular matrix."""
    scale = 1 / np.maximum(np.abs(matrix).max(1), np.finfo(float).tiny)
    factors, pivots, info = linalg.lapack.dgetrf(scale[:, None] * matrix)
    if info:
        return None

    def solved(rhs: np.ndarray) -> np.ndarray:
        solution = linalg.lapack.dgetrs(factors, pivots, scale * rhs)[0]
        return solution + linalg.lapack.dgetrs(factors, pivots, scale * (rhs - matrix @ solution))[0]

    return solved


def cell_factors(
    matrix: sparse.sparray, sizes: np.ndarray, product: Product | None = None, *, is_cut: bool = True
) -> Factors:
    """Factors of a sum over cells whose unknowns have sizes (size,), by which rows and columns are divided.

    Where a boundary cuts cells, some splines hardly reach inside: only there a ridge and refinement are of use.
    """
    scale = 1 / np.maximum(sizes, SETTINGS.least_size * sizes.max())
    if not is_cut:
        return Factors(matrix, scale, scale, rounds=0, product=product)
    return Factors(matrix, scale, scale, ridge=SETTINGS.ridge, rounds=SETTINGS.rounds, product=product)


def solved_nearby(near: Factors, product: Product, rhs: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Solution (size,) of a complex system by GMRES with factors of a real one, and its work in multiply-adds.

    The solution is None where the iterations do not converge. `product` is the complex matrix times vectors (size, k).
    """

    # The real factors applied to real and imaginary part.
    def back(vector: np.ndarray) -> np.ndarray:
        parts = near.once(np.stack([vector.real, vector.imag], 1) / near.rows[:, None])
        return parts[:, 0] + 1j * parts[:, 1]

    def scaled_product(vector: np.ndarray) -> np.ndarray:
        return product(vector[:, None])[:, 0] * near.rows

    # GMRES with the factors as right preconditioner; what stalls at rounding counts as solved.
    scaled = rhs * near.rows
    solution, products, has_converged = solved_from_right(
        scaled_product, back, scaled, SETTINGS.nearby_residual, SETTINGS.nearby_iterations, 1
    )
    if not has_converged:
        products += 1
        missed = np.linalg.norm(scaled_product(solution) - scaled)
        has_converged = bool(missed <= SETTINGS.nearby_rounding * np.linalg.norm(scaled))
    return solution if has_converged else None, products * near.solve_work / (1 + SETTINGS.rounds)

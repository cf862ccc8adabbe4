"""Linear systems in tensor trains: two neighbouring cores after the other, whose rank the solution itself chooses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import linalg

from edgewise.outcomes import check_time
from edgewise.pde.algebra.krylov import solved_from_right
from edgewise.pde.spaces.axis import along
from edgewise.pde.tiers.tensor_train.system import Spend, System
from edgewise.pde.tiers.tensor_train.trains import Train, orthogonal, split
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SweepSettings:
    """Sweeps over pairs of cores."""

    most_sweeps: int = 12  # passes from one end to the other: two to six were needed
    settled: float = 3.0  # times the tolerance: change of all pairs in a pass after which it is done
    # GMRES for a pair: iterations before it restarts, and restarts.
    restart: int = 30
    restarts: int = 3
    # Residual of a pair relative to its right-hand side, as a share of the tolerance and at rounding; relative size
    # of an eigenvalue that is zero.
    gmres_share: float = 1e-2
    gmres_rounding: float = 1e-12
    zero_eigenvalue: float = 1e-14
    # Multiply-adds of a singular value decomposition, times rows, columns and the smaller of both.
    svd_work: float = 10.0
    antisymmetric: float = 1e-10  # relative size of an antisymmetric part that is rounding


SETTINGS = SweepSettings()


class Eigenvectors:
    """A matrix by its eigenvectors; orthonormal ones where it is symmetric."""

    def __init__(self, matrix: np.ndarray):
        if np.abs(matrix - matrix.T).max() <= SETTINGS.antisymmetric * np.abs(matrix).max():
            self.values, self.vectors = linalg.eigh((matrix + matrix.T) / 2)
            self.inverse = self.vectors.T
        else:
            self.values, self.vectors = linalg.eig(matrix)
            self.inverse = linalg.inv(self.vectors)


class Pairs:
    """Alternating solution for pairs of neighbouring cores [1] [2].

    Shapes: start (r, k, s).

    The equations of a pair, projected on the other cores, are a Kronecker sum of four small matrices where every term
    of the equation has derivatives and a coefficient of one coordinate alone: eigenvectors of the four solve it at
    once. Other terms are left to GMRES, with that as preconditioner. A singular value decomposition of the pair gives
    the rank that a tolerance needs.

    [1] S. Holtz, T. Rohwedder, R. Schneider, "The alternating linear scheme for tensor optimization in the tensor train
    format", SIAM J. Sci. Comput. 34, 2012, A683.

    [2] I. Oseledets, S. Dolgov, "Solution of linear systems and matrix inversion in the TT-format", SIAM J. Sci.
    Comput. 34, 2012, A2718.
    """

    def __init__(self, system: System, start: Train):
        self.matrix = system.matrix.cores()
        self.rhs = system.rhs
        self.lines = [Eigenvectors(each) for each in system.matrix.single]
        self.cores = orthogonal(start)
        # Projections of matrix and right-hand side on the cores left and right of a pair; the right ones are made now.
        count = len(self.cores)
        one = np.ones((1, 1, 1))
        self.work = 0.0
        self.left: list[np.ndarray] = [one] * (count + 1)
        self.right: list[np.ndarray] = [one] * (count + 1)
        self.left_rhs: list[np.ndarray] = [one[0]] * (count + 1)
        self.right_rhs: list[np.ndarray] = [one[0]] * (count + 1)
        for k in range(count - 1, 0, -1):
            self._project_right(k)

    def run(self, tolerance: float, most: int, spend: Spend) -> bool:
        """Sweep until nothing changes; False where a pair has no solution."""
        self.most, self.tolerance = most, tolerance / math.sqrt(len(self.cores) - 1)
        for sweep in range(SETTINGS.most_sweeps):
            # To the right, and back again.
            to_right = sweep % 2 == 0
            bonds = list(range(len(self.cores) - 1))
            if not to_right:
                bonds.reverse()
            largest = 0.0
            for k in bonds:
                change = self._solve_pair(k, to_right=to_right)
                if change is None:
                    return False
                spend(self.work)
                self.work, largest = 0.0, max(largest, change)
            if largest <= SETTINGS.settled * tolerance:
                break
        self.cores = orthogonal(self.cores)
        return True

    def _solve_pair(self, k: int, to_right: bool) -> float | None:
        """Solve for cores k and k + 1; the relative change of their product, None without a solution."""
        check_time()
        # The equations of both cores, projected on all other ones: right-hand side and product.
        left = self.left[k]
        right = self.right[k + 2]
        first = self.matrix[k]
        second = self.matrix[k + 1]
        old = np.einsum("ris,sjt->rijt", self.cores[k], self.cores[k + 1])
        shape = old.shape
        rhs = np.einsum(
            "ra,aib,bjc,tc->rijt", self.left_rhs[k], self.rhs[k], self.rhs[k + 1], self.right_rhs[k + 2], optimize=True
        )

        def product(x: np.ndarray) -> np.ndarray:
            y = np.tensordot(left, x.reshape(shape), (2, 0))  # r R i j t
            y = np.tensordot(y, first, ((1, 2), (0, 2)))  # r j t i S
            y = np.tensordot(y, second, ((4, 1), (0, 2)))  # r t i j T
            y = np.tensordot(y, right, ((4, 1), (1, 2)))  # r i j t
            return y.ravel()

        # Eigenvectors of the Kronecker sum are the preconditioner.
        factors: dict[int, Eigenvectors] = {}  # by the axis of a pair
        if k:
            factors[0] = Eigenvectors(left[:, 0])
        factors[1] = self.lines[k]
        factors[2] = self.lines[k + 1]
        if k + 2 < len(self.cores):
            factors[3] = Eigenvectors(right[:, 1])
        # Eigenvalues of the sum are sums of eigenvalues.
        values = [np.zeros(1)] * 4
        for axis, each in factors.items():
            values[axis] = each.values
        total = reduce(np.add.outer, values)
        if not np.abs(total).min() > SETTINGS.zero_eigenvalue * np.abs(total).max():
            return None

        def solved(x: np.ndarray) -> np.ndarray:
            y = x.reshape(shape)
            for axis, each in factors.items():
                y = along(each.inverse, y, axis)
            y = y / total
            for axis, each in factors.items():
                y = along(each.vectors, y, axis)
            return y.real.ravel()

        # One step of refinement, and GMRES where the preconditioner is not the whole matrix.
        flat = rhs.ravel()
        norm = max(float(np.linalg.norm(flat)), ABOVE_ZERO)
        x = solved(flat)
        error = flat - product(x)
        one_step = x.size * sum(shape) * (4.0 + 2.0 * left.shape[1])
        self.work += one_step
        if np.linalg.norm(error) > SETTINGS.gmres_rounding * norm:
            x = x + solved(error)
            error = flat - product(x)
        target = max(SETTINGS.gmres_share * self.tolerance, SETTINGS.gmres_rounding)
        left_over = float(np.linalg.norm(error))
        if left_over > target * norm:
            reduction = float(max(target * norm / left_over, SETTINGS.gmres_rounding))
            step, products, _ = solved_from_right(
                product, solved, error, reduction, SETTINGS.restart, SETTINGS.restarts
            )
            x = x + step
            self.work += products * one_step
        if not np.isfinite(x).all():
            return None
        # A singular value decomposition gives both cores and the rank between them.
        new = x.reshape(shape)
        change = float(np.linalg.norm(new - old)) / max(float(np.linalg.norm(new)), ABOVE_ZERO)
        rows = shape[0] * shape[1]
        self.work += SETTINGS.svd_work * x.size * min(rows, x.size // rows)
        if to_right:
            columns, rest = split(new.reshape(rows, -1), self.tolerance, self.most)
            self.cores[k], self.cores[k + 1] = columns.reshape(*shape[:2], -1), rest.reshape(-1, *shape[2:])
            self._project_left(k)
        else:
            columns, rest = split(new.reshape(rows, -1).T, self.tolerance, self.most)
            self.cores[k + 1], self.cores[k] = columns.T.reshape(-1, *shape[2:]), rest.T.reshape(*shape[:2], -1)
            self._project_right(k + 1)
        return change

    def _project_left(self, k: int) -> None:
        core = self.cores[k]
        y = np.tensordot(self.left[k], core, (2, 0))  # r R j s
        y = np.tensordot(y, self.matrix[k], ((1, 2), (0, 2)))  # r s i S
        self.left[k + 1] = np.tensordot(core, y, ((0, 1), (0, 2))).transpose(0, 2, 1)
        y = np.tensordot(self.left_rhs[k], self.rhs[k], (1, 0))
        self.left_rhs[k + 1] = np.tensordot(core, y, ((0, 1), (0, 1)))

    def _project_right(self, k: int) -> None:
        core = self.cores[k]
        y = np.tensordot(core, self.right[k + 1], (2, 2))  # r j t T
        y = np.tensordot(self.matrix[k], y, ((2, 3), (1, 3)))  # R i r t
        self.right[k] = np.tensordot(core, y, ((1, 2), (1, 3)))
        y = np.tensordot(self.rhs[k], self.right_rhs[k + 1], (2, 1))
        self.right_rhs[k] = np.tensordot(core, y, ((1, 2), (1, 2)))

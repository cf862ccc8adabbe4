"""Dense factors of symmetric matrices and of rows of least squares, above a ridge that rounding asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from edgewise.native import interruptible
from edgewise.settings import ABOVE_ZERO


class CholeskyFactor:
    """Cholesky's factor of a matrix (P, P) that is scaled to a diagonal of ones and has a ridge.

    A ridge of rounding grows until the matrix is positive definite, unless it is `fixed`. A LinAlgError where the
    matrix is not finite, which no ridge would end, or not positive definite with a fixed one.
    """

    def __init__(self, matrix: Tensor, ridge: float, *, is_fixed: bool = False):
        if not bool(matrix.isfinite().all()):
            raise torch.linalg.LinAlgError("a matrix is not finite")
        # Jacobi scaling to a diagonal of ones.
        diagonal = matrix.diagonal()
        self.scale = torch.where(diagonal > 0, diagonal, diagonal.amax().clamp(min=ABOVE_ZERO)).rsqrt()
        scaled = matrix * self.scale[:, None] * self.scale
        # A larger ridge, until the factorisation succeeds.
        while True:
            scaled.diagonal().copy_(torch.full_like(self.scale, 1 + ridge))
            self.factor, info = torch.linalg.cholesky_ex(scaled)
            if not int(info):
                break
            if is_fixed:
                raise torch.linalg.LinAlgError("a matrix is not positive definite")
            ridge *= 10

    def solve(self, columns: Tensor) -> Tensor:
        """Solve for columns (P, k)."""
        return torch.cholesky_solve(columns * self.scale[:, None], self.factor) * self.scale[:, None]

    def root(self) -> Tensor:
        """L, (P, P), whose product L L' is the matrix, ridge included."""
        return self.factor / self.scale[:, None]

    def inverse(self) -> Tensor:
        """The inverse, (P, P)."""
        return torch.cholesky_inverse(self.factor) * self.scale[:, None] * self.scale


class LeastSquares:
    """QR factors of rows (N, P) whose columns are scaled to norm one, above a ridge.

    Columns come in groups of one width; columns with less than a share of the largest norm of their group keep small
    unknowns.
    """

    def __init__(self, rows: Tensor, groups: Sequence[int], ridge: float, least_norm: float):
        self.norms = rows.norm(dim=0)
        for part in self.norms.split(list(groups)):
            part.clamp_(min=least_norm * float(part.max()))
        count = rows.shape[1]
        # Householder QR of the scaled rows above the ridge (Tikhonov regularisation).
        stacked = torch.cat([rows / self.norms, ridge * torch.eye(count, dtype=rows.dtype)])
        self.triangle, self.reflections = interruptible(partial(torch.geqrf, stacked))

    def solve(self, values: Tensor) -> Tensor:
        """Unknowns (P,) for which the rows are nearest to values (N,)."""
        count = len(self.norms)
        rhs = torch.cat([values, self.norms.new_zeros(count)])[:, None]
        projected = torch.ormqr(self.triangle, self.reflections, rhs, transpose=True)[:count]
        solution: Tensor = torch.linalg.solve_triangular(self.triangle[:count], projected, upper=True)[:, 0]
        return solution / self.norms

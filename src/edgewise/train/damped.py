"""Damped Gauss-Newton systems, (H + mu D) d = -g, factorised in the space of parameters or of samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# Share of the mean of the diagonal that damps a parameter besides its own entry. With the plain diagonal (Marquardt)
# coefficients that no sample reaches run away; 0.05 held them in prototypes (design, "Precision").
FLOOR = 0.05


class Solution(NamedTuple):
    """What a damped system gives.

    move: d, (P,). predicted: the decrease of the objective by the model without damping.
    correct: w -> -(H + mu D)^-1 J'w, with J and w scaled so that J'r is the gradient of the loss; None for unknown.
    """

    move: Tensor
    predicted: float
    correct: Callable[[Tensor], Tensor] | None = None


def damping_scale(diagonal: Tensor, mean: float) -> Tensor:
    """D: the diagonal of H, and of the mean of the diagonal of its data part a share."""
    floor = FLOOR * mean
    return diagonal + (floor if floor > 0 else FLOOR * float(diagonal.mean()) or 1.0)


@dataclass(frozen=True, eq=False)
class ParameterSystem:
    """H in full.

    gradient: g, (P,). matrix: H, (P, P), in the upper triangle. scale: D, (P,).
    residuals, pull: r and w -> J'w, see `NormalEquations`.
    """

    gradient: Tensor
    matrix: Tensor
    scale: Tensor
    residuals: Tensor | None = None
    pull: Callable[[Tensor], Tensor] | None = None

    def solve(self, mu: float) -> Solution | None:
        """d, or None where the system is not positive definite in floating point."""
        damped = self.matrix.clone()
        damped.diagonal().add_(self.scale, alpha=mu)
        # The transposed is in LAPACK's own order, and its lower triangle is what LAPACK reads.
        factor, info = torch.linalg.cholesky_ex(damped.mT)
        if int(info) != 0:
            return None

        def solved(right: Tensor) -> Tensor:
            return torch.cholesky_solve(right[:, None], factor)[:, 0]

        correct = None if self.pull is None else (lambda w: -solved(self.pull(w)))
        return _solution(solved(-self.gradient), self, mu, correct)


class SampleSystem:
    """H = J'J and g = J'r with fewer rows than parameters: d = -D^-1 J' (J D^-1 J' + mu)^-1 r, by Woodbury's identity.

    rows: J, (M, P). residuals: r, (M,).
    """

    def __init__(self, rows: Tensor, residuals: Tensor):
        self._rows, self.residuals = rows, residuals
        self.gradient = rows.mT @ residuals
        diagonal = rows.square().sum(0)
        self.scale = damping_scale(diagonal, float(diagonal.mean()))
        self._gram = (rows / self.scale) @ rows.mT

    def solve(self, mu: float) -> Solution | None:
        """As `ParameterSystem.solve`."""
        damped = self._gram.clone()
        damped.diagonal().add_(mu)
        factor, info = torch.linalg.cholesky_ex(damped)
        if int(info) != 0:
            return None

        def correct(w: Tensor) -> Tensor:
            return -(self._rows.mT @ torch.cholesky_solve(w[:, None], factor)[:, 0]) / self.scale

        return _solution(correct(self.residuals), self, mu, correct)


def _solution(
    move: Tensor,
    system: ParameterSystem | SampleSystem,
    mu: float,
    correct: Callable[[Tensor], Tensor] | None,
) -> Solution | None:
    if not bool(move.isfinite().all()):
        return None
    return Solution(move, 0.5 * float(move @ (mu * system.scale * move - system.gradient)), correct)

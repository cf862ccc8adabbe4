"""Damped Gauss-Newton systems (H + mu D) d = -g and their solution.

`ParameterSystem` factorises H, `SampleSystem` a matrix of the residuals where these are fewer, and `MatrixFreeSystem`
solves by conjugate gradients, with the products and the preconditioner of `train.jacobian.products`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.ops.gauss_newton import DampedStep
from edgewise.train.jacobian.products import ImplicitMatrix
from edgewise.train.parameters import ParameterSlots
from edgewise.train.penalties import Curvature
from edgewise.train.shared import SharedMatrix

# Share of the mean of the diagonal that damps a parameter besides its own entry. With the plain diagonal (Marquardt)
# coefficients that no sample reaches run away; 0.05 held them in prototypes.
MEAN_DAMPING_SHARE = 0.05
# Largest number of products in one solution, far above what the forcing term demands near a minimum.
MOST_PRODUCTS = 200


def damping_scale(diagonal: Tensor, mean: Tensor) -> Tensor:
    """The diagonal D (P,) of a damped system, from that of H and the mean of that of the part of H from the data."""
    floor = MEAN_DAMPING_SHARE * mean
    of_all = MEAN_DAMPING_SHARE * diagonal.mean()
    return diagonal + torch.where(floor > 0, floor, of_all.masked_fill(of_all == 0, 1.0))


@dataclass(frozen=True, eq=False)
class ParameterSystem:
    """A damped system with H in full, solved by a Cholesky factorisation."""

    gradient: Tensor  # (P,), the gradient g
    matrix: Tensor  # (P, P), H in the upper triangle
    scale: Tensor  # (P,), the diagonal D
    residuals: Tensor | None = None  # r, and the map w -> J'w, see `NormalEquations`
    pull: Callable[[Tensor], Tensor] | None = None

    def solve(self, mu: float) -> DampedStep | None:
        """The step d, or None where the matrix is not positive definite in floating point."""
        damped = self.matrix.clone()
        damped.diagonal().add_(self.scale, alpha=mu)
        # The transposed is in LAPACK's own order, and its lower triangle is what LAPACK reads.
        factor, info = torch.linalg.cholesky_ex(damped.mT)

        def solved(right: Tensor) -> Tensor:
            return torch.cholesky_solve(right[:, None], factor)[:, 0]

        pull = self.pull
        correct = None if pull is None else (lambda w: -solved(pull(w)))
        return _damped_step(solved(-self.gradient), info, self, mu, correct)


class SampleSystem:
    """A damped system with H = J'J and g = J'r for fewer residuals than parameters.

    Shapes: rows (M, P), residuals (M,).

    By Woodbury's identity d = -D^-1 J' (J D^-1 J' + mu)^-1 r, whose matrix has the size of the residuals (Golub and Van
    Loan, "Matrix computations", 4th ed., section 2.1.4).
    """

    def __init__(self, rows: Tensor, residuals: Tensor):
        self._rows = rows
        self.residuals = residuals
        self.gradient = rows.mT @ residuals
        diagonal = rows.square().sum(0)
        self.scale = damping_scale(diagonal, diagonal.mean())
        self._gram = (rows / self.scale) @ rows.mT

    def solve(self, mu: float) -> DampedStep | None:
        """The step d, or None where the matrix is not positive definite in floating point."""
        damped = self._gram.clone()
        damped.diagonal().add_(mu)
        factor, info = torch.linalg.cholesky_ex(damped)

        def correct(w: Tensor) -> Tensor:
            return -(self._rows.mT @ torch.cholesky_solve(w[:, None], factor)[:, 0]) / self.scale

        return _damped_step(correct(self.residuals), info, self, mu, correct)


def _damped_step(
    move: Tensor,
    info: Tensor,
    system: ParameterSystem | SampleSystem,
    mu: float,
    correct: Callable[[Tensor], Tensor] | None,
) -> DampedStep | None:
    """The step with its predicted gain, or None where it is not finite or the factorisation, by its `info`, failed.

    All that decides about the step is read from the device at once.
    """
    gain = 0.5 * (move @ (mu * system.scale * move - system.gradient))
    failed, is_finite, predicted = torch.stack([info.to(gain), move.isfinite().all().to(gain), gain]).tolist()
    if failed or not is_finite:
        return None
    return DampedStep(move, predicted, correct)


class MatrixFreeSystem:
    """A damped system of many parameters, solved by conjugate gradients that a forcing term truncates.

    Shapes: gradient (P,), scale (P,).
    """

    def __init__(
        self,
        matrix: ImplicitMatrix | SharedMatrix,
        slots: ParameterSlots,
        gradient: Tensor,
        curvature: Sequence[Curvature],
        forcing: float,
    ):
        self._matrix = matrix
        self._slots = slots
        self._forcing = forcing
        self.gradient = gradient
        self._curvature = curvature
        mean = matrix.blocks.diagonal().mean()
        for entry in self._curvature:
            matrix.blocks.add_curvature(entry)
        self.scale = damping_scale(matrix.blocks.diagonal(), mean)

    def solve(self, mu: float) -> DampedStep | None:
        """The step d to the accuracy of the forcing term, or None where the preconditioner cannot be factorised."""
        precondition = self._matrix.blocks.factorised(mu * self.scale)
        if precondition is None:
            return None
        move, left = conjugate_gradient(
            lambda v: self.product(v) + mu * self.scale * v,
            -self.gradient,
            precondition,
            tolerance=self._forcing,
            limit=MOST_PRODUCTS,
        )
        if not bool(move.isfinite().all()):
            return None
        # d'(H + mu D)d = -g'd - left'd, so the predicted decrease -g'd - d'Hd/2 needs no further product.
        predicted = 0.5 * float(move @ (mu * self.scale * move + left - self.gradient))
        return DampedStep(move, predicted)

    def product(self, v: Tensor) -> Tensor:
        """H v for v (P,)."""
        total = self._matrix.times(v)
        for entry in self._curvature:
            slot = self._slots.slots[entry.name]
            shape = self._slots.shapes[entry.name]
            along = v[slot].view(shape)
            if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
                total[slot] += torch.einsum("iogh,iho->igo", entry.values, along).reshape(-1)
            else:
                total[slot] += (entry.values * along).reshape(-1)
        return total


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    precondition: Callable[[Tensor], Tensor],
    *,
    tolerance: float,
    limit: int,
) -> tuple[Tensor, Tensor]:
    """Solve A x = right by preconditioned conjugate gradients, for A symmetric and positive definite."""
    # Every iterate lowers x'A x / 2 - right'x, so the iteration may be stopped early: after `limit` products, or where
    # rounding leaves no direction of positive curvature. `scipy.sparse.linalg.cg` works on numpy arrays and returns no
    # residual, right - A x, which the predicted gain of a step needs.
    # `product` maps v to A v, `precondition` r to M^-1 r with M symmetric, positive definite and near A, and the
    # tolerance is the norm of the residual relative to that of `right`.
    # [1] J. Nocedal, S. Wright, "Numerical optimization", 2nd ed. (2006), algorithm 5.3.
    x = torch.zeros_like(right)
    residual = right.clone()
    goal = tolerance * float(right.norm())
    direction = pulled = precondition(residual)
    left, size = torch.stack([residual.norm(), residual @ pulled]).tolist()
    for _ in range(limit):
        if not (left > goal and size > 0):
            break
        image = product(direction)
        curvature = float(direction @ image)
        if not curvature > 0:
            break
        x = x + (size / curvature) * direction
        residual = residual - (size / curvature) * image
        pulled = precondition(residual)
        before = size
        left, size = torch.stack([residual.norm(), residual @ pulled]).tolist()  # each reading waits for the device
        direction = pulled + (size / before) * direction
    return x, residual


def forcing_term(slope: float, before: tuple[float, float] | None) -> float:
    """Allowed residual of a truncated solution, relative to the gradient, from the norm of that, `slope`."""
    # Choice 2 of Eisenstat and Walker [1] with gamma = 0.9, alpha = 2 and their safeguard, by the norm and the forcing
    # term of the step before; never above 0.1, where steps became useless in trials, and never below 1e-8.
    # [1] S. Eisenstat, H. Walker, "Choosing the forcing terms in an inexact Newton method", SIAM J. Sci. Comput. 17
    # (1996).
    if before is None:
        return 0.1
    ratio = 0.9 * (slope / before[0]) ** 2
    if 0.9 * before[1] ** 2 > 0.1:
        guarded = max(ratio, 0.9 * before[1] ** 2)
    else:
        guarded = ratio
    if math.isfinite(guarded):
        return min(max(guarded, 1e-8), 0.1)
    return 0.1

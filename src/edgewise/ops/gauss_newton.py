"""Damped Gauss-Newton steps (Levenberg-Marquardt): the damping rule, the step's predicted gain, and a small solver.

Everything in the library that minimises a sum of squares of nonlinear residuals takes its damping from here. The
training method `LevenbergMarquardt` combines `DampingRule` and `DampedStep` with its own rows, penalties and linear
solvers; `least_squares` is the complete solver for problems of a few numbers, such as the constants of a formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from edgewise.outcomes import StopReason, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


class Damping(NamedTuple):
    """Current damping of a Levenberg-Marquardt iteration."""

    value: float  # the damping mu of the system (J'J + mu D) d = -J'r
    growth: float  # factor by which the next rejection multiplies `value`


@dataclass(frozen=True)
class DampingRule:
    """Rule that changes the damping mu after each trial step of Levenberg-Marquardt.

    A trial step d minimises the quadratic model m(d) = |r + J d|^2 + mu d'D d. Its gain ratio

    rho = (|r(x)|^2 - |r(x + d)|^2) / (|r|^2 - |r + J d|^2)

    compares the actual decrease with the predicted one. A step that lowers the sum of squares is accepted, and mu is
    multiplied by

    max(1/3, 1 - (2 rho - 1)^3),

    which is 1/3 where the model is right (rho = 1), 1 where half of the predicted gain came (rho = 1/2) and close to 2
    where hardly any did (rho = 0): a smooth replacement of Marquardt's jumps by a factor of ten (Nielsen 1999, eq.
    2.21). After a rejection mu is multiplied by `growth`, and `growth` itself by `growth_factor`, so that repeated
    rejections reach short gradient steps quickly.

    [1] D. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM J. Appl. Math. 11
    (1963): damping in proportion to the diagonal of J'J, constant factors.

    [2] J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in Mathematics 630
    (1978): the gain ratio as the measure of a step.

    [3] H. B. Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05 (1999).

    [4] K. Madsen, H. B. Nielsen, O. Tingleff, "Methods for non-linear least squares problems" (2004), algorithm 3.16.
    """

    first: float = 1e-3  # damping of the first trial
    lowest: float = 1e-15  # bounds of the damping. An iteration that is rejected at `highest` gives up
    highest: float = 1e15
    growth: float = 2.0  # factor of the first rejection after an accepted step
    growth_factor: float = 2.0  # factor on `growth` after each rejection: 2 in Nielsen's rule, 1 for a constant growth
    # constant factor of an accepted step, as in Marquardt's rule; None for Nielsen's factor above. Only the curve fits
    # of formulas use it: Nielsen's factor leads to other constants where a curve leaves them undetermined
    shrink: float | None = None

    def start(self) -> Damping:
        """The damping of the first trial."""
        return Damping(self.first, self.growth)

    def accepted(self, damping: Damping, gain_ratio: float) -> Damping:
        """The damping after a step that lowered the objective."""
        # The bound changes nothing, but the cube of a huge ratio, as rounding makes them, would raise OverflowError.
        factor = self.shrink
        if factor is None:
            factor = max(1 / 3, 1 - (2 * min(gain_ratio, 1.0) - 1) ** 3)
        return Damping(max(damping.value * factor, self.lowest), self.growth)

    def rejected(self, damping: Damping) -> Damping:
        """The damping after a step that did not lower the objective."""
        return Damping(damping.value * damping.growth, damping.growth * self.growth_factor)

    def is_exhausted(self, damping: Damping) -> bool:
        """True once the damping has reached its upper bound, where steps are too short to lower the objective."""
        return damping.value >= self.highest


class DampedStep(NamedTuple):
    """Solution of a damped system (H + mu D) d = -g."""

    move: Tensor  # (P,), the step d
    predicted: float  # decrease of the objective by d according to the undamped quadratic model
    # the map w -> -(H + mu D)^-1 J'w, with J and w scaled such that J'r is the gradient of the loss. None where the
    # rows J are not available
    correct: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class LeastSquaresFit:
    """Result of `least_squares`."""

    x: np.ndarray  # (P,), the parameters with the smallest sum of squares met
    loss: float  # the sum of squared residuals at x
    jacobian: np.ndarray  # (N, P), derivatives of the residuals at x
    stopped: StopReason  # why the iteration ended


@dataclass(frozen=True)
class LeastSquaresLimits:
    """Limits of the work of `least_squares`."""

    steps: int = 50  # largest number of accepted steps
    trials: int = 12  # largest number of trials within one step
    evaluations: int | None = None  # largest number of trials in total; no limit if None
    # the iteration has converged when a step lowers the sum of squares by no more than this share
    tolerance: float = 1e-10
    is_over: Callable[[], bool] = lambda: False  # whether no work is left for a trial


def least_squares(
    residuals_and_jacobian: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    x0: np.ndarray,
    *,
    rule: DampingRule | None = None,
    limits: LeastSquaresLimits | None = None,
    minimum_norm: bool = False,
) -> LeastSquaresFit | None:
    """Minimise a sum of squares of a few parameters by Levenberg-Marquardt.

    Shapes: residuals_and_jacobian (P,), x0 (P,).
    """
    # Each step solves (J'J + mu D) d = -J'r with D the diagonal of J'J (Marquardt's scaling), and is taken only if it
    # lowers the sum of squares. A trial with a residual or derivative that is not finite counts as a rejection:
    # formulas have poles and roots of negative numbers. `scipy.optimize.least_squares(method="lm")` does the same about
    # as fast (four constants and 120 points: 1.6 ms, here 2.4 ms) and is the witness in the tests. It is not used
    # because it has no limit of work after which the best point is kept, and because its trust region leads to other
    # constants where the data leave them nearly undetermined, which would change formulas that were found before.
    rule = rule or DampingRule()
    limits = limits or LeastSquaresLimits()
    evaluations = math.inf if limits.evaluations is None else limits.evaluations
    x = x0
    damping = rule.start()
    # A trial that overflows or leaves the domain of a function is rejected, so its warning adds no information.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        residuals, jacobian = residuals_and_jacobian(x)
        if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            return None
        loss = float(residuals @ residuals)
        for _ in range(limits.steps):
            gram = jacobian.T @ jacobian
            gradient = jacobian.T @ residuals
            if loss == 0 or not np.any(gradient) or not np.isfinite(gram).all():
                return LeastSquaresFit(x, loss, jacobian, StopReason.CONVERGED)
            diagonal = np.diag(gram)
            # A parameter's unit must not matter: a floor in that of another would hold a factor of 1e11 where it is.
            # A parameter on which no residual depends has a share of the largest entry, so that its step is finite, far
            # below what is visible in a solution in float64.
            scale = np.where(diagonal > 0, diagonal, 1e-12 * max(float(diagonal.max()), ABOVE_ZERO))
            before = loss
            for _ in range(limits.trials):
                if limits.is_over():
                    return LeastSquaresFit(x, loss, jacobian, StopReason.BUDGET)
                if evaluations <= 0:
                    return LeastSquaresFit(x, loss, jacobian, StopReason.MAX_STEPS)
                evaluations -= 1
                move = _solved(gram + damping.value * np.diag(scale), -gradient, minimum_norm)
                trial = x + move
                trial_residuals, trial_jacobian = residuals_and_jacobian(trial)
                spend(20 * CALL_WORK + jacobian.size * len(x) / PRODUCT_SPEED + len(x) ** 3)
                trial_loss = float(trial_residuals @ trial_residuals)
                # A comparison with NaN is false, so a residual that is not a number is a rejection.
                if trial_loss < loss and np.isfinite(trial_jacobian).all():
                    predicted = max(float(move @ (damping.value * scale * move - gradient)), ABOVE_ZERO)
                    damping = rule.accepted(damping, (loss - trial_loss) / predicted)
                    x = trial
                    residuals = trial_residuals
                    jacobian = trial_jacobian
                    loss = trial_loss
                    break
                if rule.is_exhausted(damping):
                    return LeastSquaresFit(x, loss, jacobian, StopReason.NO_PROGRESS)
                damping = rule.rejected(damping)
            if loss == before:
                return LeastSquaresFit(x, loss, jacobian, StopReason.NO_PROGRESS)
            if before - loss <= limits.tolerance * before:
                return LeastSquaresFit(x, loss, jacobian, StopReason.CONVERGED)
    return LeastSquaresFit(x, loss, jacobian, StopReason.MAX_STEPS)


def _solved(matrix: np.ndarray, right: np.ndarray, minimum_norm: bool) -> np.ndarray:
    """The solution of a symmetric system; the one of minimum norm on request and where elimination fails."""
    if not minimum_norm:
        try:
            return np.linalg.solve(matrix, right)
        except np.linalg.LinAlgError:
            pass
    return np.linalg.lstsq(matrix, right, rcond=None)[0]

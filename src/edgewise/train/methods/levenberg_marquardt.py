"""Levenberg-Marquardt: damped Gauss-Newton steps for sums of squares and likelihoods, in float64.

A step linearises the residuals (`train.jacobian`), adds the penalty's gradient and curvature, and solves the damped
system (H + mu D) d = -g: `ParameterSystem` factorises H, `SampleSystem` a matrix of the residuals where these are
fewer, `jacobian.matrix_free` has neither. It bends the step along the curvature of the residuals, and changes the
damping (`ops.gauss_newton`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from edgewise.checks import check_count, check_number
from edgewise.errors import InputError
from edgewise.ops.gauss_newton import DampedStep, Damping, DampingRule
from edgewise.outcomes import StopReason
from edgewise.settings import MOST_FACTORISED
from edgewise.train.blocks import Data
from edgewise.train.jacobian.matrix_free import MatrixFreeSystem, damping_scale, forcing_term
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.jacobian.rows import has_segments
from edgewise.train.methods.base import Method, StepResult
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.parameters import ParameterSlots, add_curvature_, flattened, gradient_of, write_
from edgewise.train.penalties import ALL_PARAMETERS, Curvature

# Share of the step over which the second difference of the residuals is taken: Transtrum and Sethna, section 5.
DIFFERENCE_STEP = 0.1


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss-Newton for sums of squares and likelihoods, with geodesic acceleration.

    With J the Jacobian of the residuals r and P the penalty, a step d solves

        (H + mu D) d = -g,   H = 2 J'J + P'',   g = 2 J'r + P',   D = diag(H) + 0.05 mean(diag(2 J'J)).

    The step is taken only if it lowers the objective. After each trial mu is changed by Nielsen's rule, see
    `DampingRule`. Quadratic penalties enter the system exactly; other penalties enter by their gradient and a positive
    approximation of their curvature, see `Sparsity`. For cross-entropy and ordinal likelihoods the generalised
    Gauss-Newton matrix replaces 2 J'J.

    The method computes in float64 on a copy of the model. The parameters of a trial are rounded to the model's dtype
    before the objective is evaluated. J'J is summed over chunks of samples, those of a DataLoader too, and factorised.
    If there are fewer residuals than parameters, the smaller matrix J D^-1 J' is factorised instead. If the matrix
    would have more than `factorised` rows, it is not formed: conjugate gradients compute d, with a preconditioner for
    each edge, see `MatrixFreeSystem`.
    This needs a chain of layers, such as a KAN or an MLP.

    Parameters
    ----------
    damping : float
        The first mu.
    trials : int
        Largest number of values of mu tried in one step.
    acceleration : bool
        Whether steps are bent along the curvature of the residuals where systems are factorised, see
        `accelerated_step`; not for samples of a DataLoader, whose residuals are not kept.
    least_gain : float
        Share of the objective: a step whose predicted and actual changes are both smaller ends the training [3]_.
    factorised : int
        Largest number of parameters, or residuals, of a matrix that is factorised.
    max_parameters : int
        Larger models are refused.

    Raises
    ------
    InputError
        A setting is out of its range.

    References
    ----------
    .. [1] K. Levenberg, "A method for the solution of certain non-linear problems in least squares", Quart. Appl.
       Math. 2 (1944).
    .. [2] D. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM J. Appl. Math. 11
       (1963).
    .. [3] J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in Mathematics 630
       (1978), section 8.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression, fit
    >>> from edgewise.train import LevenbergMarquardt
    >>> x = torch.linspace(-1, 1, 100, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], grid_size=10, degree=5, base="zero", dtype=torch.float64)
    >>> report = fit(model, Regression(x, torch.sin(3 * x)), LevenbergMarquardt(damping=1e-9), steps=3)
    >>> report.metric[1] < 1e-6
    True
    """

    damping: float = 1e-2
    trials: int = 30
    acceleration: bool = True
    least_gain: float = 0.0
    factorised: int = MOST_FACTORISED
    max_parameters: int = 1_000_000

    full_batch: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    # Rows per parameter below which the system is solved in the space of samples: it saves the cube of the parameters,
    # at the price of J in full; at equality both factorise the same matrix, and J in full costs memory.
    most_rows: ClassVar[float] = 0.7
    # Numbers in J, where it is formed in full: 256 MiB.
    most_full: ClassVar[int] = 2**25

    def __post_init__(self) -> None:
        check_number(self.damping, "damping", positive=True)
        check_count(self.trials, "trials")
        check_number(self.least_gain, "least_gain")
        check_count(self.factorised, "factorised")
        check_count(self.max_parameters, "max_parameters")

    def start(self, objective: Objective, *, steps: int) -> LevenbergMarquardtRun:
        """Start from the present parameters; see `Method.start`."""
        # The loss must have a Gauss-Newton matrix, of a size that can be stored; above that products with it must be
        # cheap.
        if not objective.problem.second_order_blocks():
            raise InputError(
                "LevenbergMarquardt needs a sum of squares or a cross-entropy on tensors, "
                f"got {type(objective.problem).__name__}: use LBFGS() or Adam()"
            )
        count = sum(p.numel() for p in objective.parameters.values())
        if count > self.max_parameters:
            raise InputError(
                f"LevenbergMarquardt takes at most max_parameters = {self.max_parameters} trainable parameters, "
                f"got {count}: use LBFGS() or Adam()"
            )
        if count > self.factorised and not has_segments(objective.network):
            raise InputError(
                f"model must be a chain of layers, as KAN and MLP, for more than factorised = {self.factorised} "
                f"parameters, got {type(objective.network).__name__} with {count}"
            )
        return LevenbergMarquardtRun(self, objective)


class LevenbergMarquardtRun:
    """Levenberg-Marquardt at work on a float64 copy of the network."""

    def __init__(self, settings: LevenbergMarquardt, objective: Objective):
        self._settings = settings
        self._parameters = list(objective.parameters.values())
        self._rule = DampingRule(first=settings.damping)
        self._damping = self._rule.start()
        copied = copy.deepcopy(objective.network).double()
        copied.zero_grad()
        self._objective = objective.twin(copied, torch.float64)
        self._copies = list(self._objective.parameters.values())
        self._slots = ParameterSlots(self._objective.parameters)
        self._source: RowSource | None = None  # made by the first step, because it looks at the network's forward
        self._latest: tuple[Tensor, Evaluation] | None = None  # a point, and the objective there
        self._forcing: tuple[float, float] | None = None  # norm of the gradient and forcing term of the last step

    def step(self, data: Data) -> StepResult:
        """Make one step on all samples; `data` is replaced by the same samples in float64."""
        data = self._objective.problem.train
        origin = flattened(self._parameters).double()
        write_(self._copies, origin)
        # The objective at the start, which the last step has left unless the parameters were changed since.
        if self._latest is None or not torch.equal(self._latest[0], origin):
            self._latest = origin, self._objective.evaluate(data)
        start = self._latest[1]
        if not start.is_finite:
            return StepResult(Evaluation(math.nan, start.penalty))
        # The quadratic model there, and its gradient.
        system = self._system(data)
        slope = float(system.gradient.abs().max())
        if not math.isfinite(slope):
            return StepResult(Evaluation(math.nan, start.penalty))
        if slope == 0:
            return StepResult(start, StopReason.CONVERGED, "The gradient is zero.")
        # Trials with growing damping, until one lowers the objective.
        rounding = torch.finfo(torch.float64).eps
        for _ in range(self._settings.trials):
            write_(self._copies, origin)  # products that keep no derivatives compute them there
            solution = system.solve(self._damping.value)
            if solution is not None:
                point = self._rounded(origin + solution.move)
                # A gain below the rounding of the loss cannot be seen in it.
                if torch.equal(point, origin) or solution.predicted <= rounding * start.total:
                    message = "The predicted gain of a step is below rounding."
                    return StepResult(start, StopReason.CONVERGED, message)
                for move in self._moves(origin, solution, system):
                    point = self._rounded(origin + move)
                    write_(self._copies, point)
                    after = self._objective.evaluate(data)
                    change = max(abs(start.total - after.total), solution.predicted)
                    if change < self._settings.least_gain * start.total:
                        return StepResult(start, StopReason.CONVERGED, "A step gains less than the least gain.")
                    if after.is_finite and after.total < start.total:
                        self._latest = point, after
                        gain_ratio = (start.total - after.total) / solution.predicted
                        self._damping = self._rule.accepted(self._damping, gain_ratio)
                        write_(self._parameters, point)
                        return StepResult(after)
            if self._rule.is_exhausted(self._damping):
                break
            self._damping = self._rule.rejected(self._damping)
        return StepResult(start, StopReason.NO_PROGRESS, "No damping gives a step that lowers the loss any further.")

    def state(self) -> dict[str, Any]:
        """The damping, and the forcing term of truncated solutions."""
        return {
            "mu": self._damping.value,
            "growth": self._damping.growth,
            "forcing": self._forcing and [*self._forcing],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._damping = Damping(float(state["mu"]), float(state["growth"]))
        self._forcing = state["forcing"] and tuple(map(float, state["forcing"]))

    def _rounded(self, point: Tensor) -> Tensor:
        """The point rounded to the model's dtype, in float64."""
        return point.to(self._parameters[0].dtype).double()

    def _moves(self, origin: Tensor, solution: DampedStep, system: System) -> Sequence[Tensor]:
        """The steps to try: the accelerated one, if there is one, then the straight one."""
        if not self._settings.acceleration or solution.correct is None or system.residuals is None:
            return (solution.move,)
        assert self._source is not None
        around = (origin + share * solution.move for share in (-DIFFERENCE_STEP, DIFFERENCE_STEP))
        difference = self._source.summed_residuals(self._copies, *around) - 2 * system.residuals
        write_(self._copies, origin)
        accelerated = accelerated_step(solution.move, solution.correct, difference, system.scale)
        if accelerated is None:
            return (solution.move,)
        return (accelerated, solution.move)

    def _system(self, data: Data) -> System:
        """The quadratic model of the objective at the copy's parameters."""
        objective = self._objective
        size = self._slots.size
        factorised = self._settings.factorised
        if self._source is None:
            self._source = objective.row_source(self._slots)
        # Fewer residuals than parameters, without a penalty: the matrix of the residuals.
        if objective.term is None:
            count = self._source.count()
            most = min(self._settings.most_rows * size, factorised)
            if count is not None and count < most and count * size <= self._settings.most_full:
                return SampleSystem(*self._source.in_full())
        # Too many parameters for a factorisation: products with the matrix.
        curvature = penalty_curvature(objective, self._slots, data)
        is_formed = any(entry.name == ALL_PARAMETERS for entry in curvature)
        if size > factorised and self._source.is_chain and not is_formed:
            objective.backward(data)
            gradient = gradient_of(self._copies)
            slope = float(gradient.norm())
            forcing = forcing_term(slope, self._forcing)
            self._forcing = slope, forcing
            return MatrixFreeSystem(objective.implicit_matrix(self._source), self._slots, gradient, curvature, forcing)
        # The normal equations, with the penalty.
        normal = self._source.normal_equations()
        gradient = normal.gradient
        matrix = normal.matrix
        mean = matrix.diagonal().mean()
        if objective.term is not None:
            gradient = gradient + penalty_gradient(objective, data)
            for entry in curvature:
                add_curvature_(matrix, self._slots, entry)
        scale = damping_scale(matrix.diagonal().clone(), mean)
        return ParameterSystem(gradient, matrix, scale, normal.residuals, normal.pull)


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
        correct = None
        if pull is not None:

            def correct(w: Tensor) -> Tensor:
                return -solved(pull(w))

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


System = ParameterSystem | SampleSystem | MatrixFreeSystem


def accelerated_step(
    move: Tensor, correct: Callable[[Tensor], Tensor], difference: Tensor, scale: Tensor
) -> Tensor | None:
    """Bend a step along the curvature of the residuals (geodesic acceleration).

    Shapes: move (P,), scale (P,); returns (P,).
    """
    # With v the step and r_vv the second derivative of the residuals along it, the correction is a / 2 with a the
    # solution of the damped system for r_vv in place of r. Measured on three functions and eleven starts: after 40 to
    # 64 steps the loss was 1.1 to 2,000 times smaller with it.
    # [1] M. Transtrum, J. Sethna, "Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares
    # minimization", arXiv 1201.5885 (2012), section 5.
    second = correct(difference / DIFFERENCE_STEP**2)
    # Beyond 2 |correction| / |step| = 0.75, the limit of [1], the step is too long for a parabola.
    is_short = 4 * (scale * second.square()).sum() <= 0.75**2 * (scale * move.square()).sum()
    if not bool(is_short):
        return None
    return move + second / 2


def penalty_gradient(objective: Objective, data: Data) -> Tensor:
    """The gradient of the penalty by all of `objective.parameters`, (P,)."""
    objective.clear_gradients()
    objective.penalty_backward(data)
    return gradient_of(objective.parameters.values())


def penalty_curvature(objective: Objective, slots: ParameterSlots, data: Data) -> list[Curvature]:
    """Second derivatives of the penalty by the trainable parameters, or a positive substitute.

    See `Term.curvature`. Penalties on the activations of edges get the mean over samples of
    (d phi / d parameter)(d phi / d parameter)' for every edge phi of every layer.
    """
    if objective.term is None:
        return []
    magnitudes = objective.magnitudes(data)
    with torch.no_grad():
        grams: list[dict[str, Tensor]] = []
        if objective.needs_trace:
            grams = objective.edge_grams(data, slots.size)
        entries = objective.term.curvature(magnitudes, grams)
    return [entry for entry in entries if entry.name in slots.slots or entry.name == ALL_PARAMETERS]

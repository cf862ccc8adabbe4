"""Levenberg-Marquardt: Gauss-Newton steps with damping, for sums of squares and cross-entropy, in float64."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.damped import ParameterSystem, SampleSystem, Solution, damping_scale
from edgewise.train.data import Data
from edgewise.train.geodesic import STEP, bent
from edgewise.train.matrix_free import MatrixFreeSystem, forcing_term
from edgewise.train.methods import Method, StepResult, check_count, flattened, is_number, write_
from edgewise.train.network_rows import has_segments
from edgewise.train.normal_equations import RowSource
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.parameter_slots import ParameterSlots
from edgewise.train.penalty_model import add_curvature_, penalty_curvature, penalty_gradient

LOWEST, HIGHEST = 1e-15, 1e15  # of the damping
ROUNDING = torch.finfo(torch.float64).eps  # a smaller relative gain can't be seen in the loss
# Rows per parameter below which the system is solved in the space of samples: it saves the cube of the parameters, at
# the price of J in full.
SAMPLES = 0.7

System = ParameterSystem | SampleSystem | MatrixFreeSystem


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss-Newton for sums of squares (Levenberg 1944; Marquardt, SIAM J. Appl. Math. 11, 1963).

    With J the Jacobian of the residuals r and P the penalty, a step d solves

        (H + mu D) d = -g,   H = 2 J'J + P'',   g = 2 J'r + P',   D = diag(H) + 0.05 mean(diag(2 J'J)).

    It is taken only if it lowers the objective; mu follows the ratio of actual and predicted decrease (H. B. Nielsen,
    "Damping parameter in Marquardt's method", IMM-REP-1999-05, eq. 2.21; Madsen, Nielsen, Tingleff, "Methods for
    non-linear least squares problems", 2004, algorithm 3.16). Quadratic penalties enter exactly, others by their
    gradient and a positive curvature (see `Sparsity`).

    For cross-entropy the generalised Gauss-Newton matrix stands for 2 J'J (see `CrossEntropyBlock`).

    All in float64 on a copy of the model; a trial is rounded to the model's dtype before it is judged. J'J is summed
    over chunks of samples and factorised; with fewer residuals than parameters, J D^-1 J' is. Beyond `factorised`
    parameters neither is formed: d comes from conjugate gradients, preconditioned edge by edge, no more exactly than
    the step is worth (see `matrix_free`). That needs a chain of layers, as KAN and MLP are.

    damping: the first mu.
    trials: most values of mu tried in one step.
    acceleration: bend steps along the curvature of the residuals (see `geodesic`), where systems are factorised.
    factorised: most parameters, or residuals, of a matrix that is factorised.
    max_parameters: refuse larger models.
    """

    damping: float = 1e-2
    trials: int = 30
    acceleration: bool = True
    factorised: int = 5000
    max_parameters: int = 1_000_000

    full_batch = True
    monotone = True
    most_full = 2**25  # numbers in J, where it is formed in full (256 MiB)

    def __post_init__(self):
        if not (is_number(self.damping) and self.damping > 0):
            raise InputError(f"damping must be a positive number, got {self.damping!r}")
        check_count(self.trials, "trials")
        check_count(self.factorised, "factorised")
        check_count(self.max_parameters, "max_parameters")

    def start(self, objective: Objective, *, steps: int) -> "LevenbergMarquardtRun":
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
    """Levenberg-Marquardt at work."""

    def __init__(self, settings: LevenbergMarquardt, objective: Objective):
        self._settings, self._parameters = settings, list(objective.parameters.values())
        self._mu, self._growth = settings.damping, 2.0
        twin = copy.deepcopy(objective.network).double()
        twin.zero_grad()
        self._objective = objective.twin(twin, torch.float64)
        self._twins = list(self._objective.parameters.values())
        self._slots = ParameterSlots(self._objective.parameters)
        self._source: RowSource | None = None  # made by the first step: it looks at the network's forward
        self._here: tuple[Tensor, Evaluation] | None = None  # a point, and the objective there
        self._forcing: tuple[float, float] | None = None  # norm of the gradient and forcing term of the last step

    def step(self, data: Data) -> StepResult:
        data = self._objective.problem.train  # the same samples in float64
        origin = flattened(self._parameters).double()
        write_(self._twins, origin)
        start = self._evaluated(origin, data)
        if not start.is_finite:
            return StepResult(Evaluation(math.nan, start.penalty))
        system = self._linearised(data)
        if not bool(system.gradient.isfinite().all()):
            return StepResult(Evaluation(math.nan, start.penalty))
        if not bool(system.gradient.any()):
            return StepResult(start, "converged", "The gradient is zero.")
        for _ in range(self._settings.trials):
            solution = system.solve(self._mu)
            if solution is not None:
                point = self._rounded(origin + solution.move)
                if torch.equal(point, origin) or solution.predicted <= ROUNDING * start.total:
                    return StepResult(start, "converged", "The predicted gain of a step is below rounding.")
                found = self._lower_point(origin, solution, system, start, data)
                if found is not None:
                    point, after = self._here = found
                    self._relax((start.total - after.total) / solution.predicted)
                    write_(self._parameters, point)
                    return StepResult(after)
            if self._mu >= HIGHEST:
                break
            self._mu, self._growth = self._mu * self._growth, self._growth * 2
        return StepResult(start, "no_progress", "No damping gives a step that lowers the loss any further.")

    def state(self) -> dict:
        return {
            "mu": self._mu,
            "growth": self._growth,
            "forcing": None if self._forcing is None else list(self._forcing),
        }

    def restore(self, state: dict) -> None:
        self._mu, self._growth = float(state["mu"]), float(state["growth"])
        self._forcing = None if state["forcing"] is None else tuple(map(float, state["forcing"]))

    def _evaluated(self, point: Tensor, data: Data) -> Evaluation:
        """The objective at a point that the twin is at: often that of the last step."""
        if self._here is None or not torch.equal(self._here[0], point):
            self._here = point, self._objective.evaluate(data)
        return self._here[1]

    def _lower_point(
        self, origin: Tensor, solution: Solution, system: System, start: Evaluation, data: Data
    ) -> tuple[Tensor, Evaluation] | None:
        """Where a solution leads, bent or else straight, if the objective is lower there."""
        moves = [solution.move]
        if self._settings.acceleration and solution.correct is not None:
            moves.insert(0, self._bent(origin, solution, system))
        for move in moves:
            if move is not None:
                point = self._rounded(origin + move)
                write_(self._twins, point)
                after = self._objective.evaluate(data)
                if after.is_finite and after.total < start.total:
                    return point, after
        return None

    def _bent(self, origin: Tensor, solution: Solution, system: ParameterSystem | SampleSystem) -> Tensor | None:
        around = []
        for share in (-STEP, STEP):
            write_(self._twins, origin + share * solution.move)
            around.append(self._source.residuals())
        write_(self._twins, origin)
        return bent(solution.move, solution.correct, (around[0], system.residuals, around[1]), system.scale)

    def _rounded(self, point: Tensor) -> Tensor:
        """To the model's dtype, in which the model will have it."""
        return point.to(self._parameters[0].dtype).double()

    def _relax(self, gain_ratio: float) -> None:
        self._mu = max(self._mu * max(1 / 3, 1 - (2 * gain_ratio - 1) ** 3), LOWEST)
        self._growth = 2.0

    def _linearised(self, data: Data) -> System:
        """Gauss-Newton's model of the objective at the twin's parameters."""
        objective, size, factorised = self._objective, self._slots.size, self._settings.factorised
        if self._source is None:
            self._source = RowSource(objective.network, objective.problem, self._slots)
        count = self._source.count() if objective.term is None else None
        if count is not None and count < min(SAMPLES * size, factorised) and count * size <= self._settings.most_full:
            return SampleSystem(*self._source.in_full())
        if size > factorised and self._source.is_chain:
            return self._matrix_free(data)
        normal = self._source.normal_equations()
        gradient, matrix = normal.gradient, normal.matrix
        mean = float(matrix.diagonal().mean())
        if objective.term is not None:
            gradient = gradient + penalty_gradient(objective, data)
            for entry in penalty_curvature(objective, self._slots, data):
                add_curvature_(matrix, self._slots, entry)
        return ParameterSystem(
            gradient, matrix, damping_scale(matrix.diagonal().clone(), mean), normal.residuals, normal.pull
        )

    def _matrix_free(self, data: Data) -> MatrixFreeSystem:
        objective = self._objective
        objective.backward(data)
        gradient = flattened(torch.zeros_like(twin) if twin.grad is None else twin.grad for twin in self._twins)
        curvature = () if objective.term is None else penalty_curvature(objective, self._slots, data)
        slope = float(gradient.norm())
        forcing = forcing_term(slope, self._forcing)
        self._forcing = slope, forcing
        return MatrixFreeSystem(self._source, self._slots, gradient, curvature, forcing)

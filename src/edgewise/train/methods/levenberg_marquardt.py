"""A penalty's gradient and curvature at a point, for second-order methods.

Geodesic acceleration: a Gauss-Newton step bent along the curvature of the residuals.

Levenberg-Marquardt: Gauss-Newton steps with damping, for sums of squares and cross-entropy, in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.nn.layers.segments import dense_rows
from edgewise.outcomes import StopReason
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.jacobian.rows import ParameterSlots, has_segments
from edgewise.train.methods.base import Method, StepResult, flattened, write_
from edgewise.train.methods.linear_systems import (
    MatrixFreeSystem,
    ParameterSystem,
    SampleSystem,
    Solution,
    damping_scale,
    forcing_term,
)
from edgewise.train.penalties import Curvature
from edgewise.train.problems.data import Data
from edgewise.train.problems.objective import Evaluation, Objective


def penalty_gradient(objective: Objective, data: Data) -> Tensor:
    """The gradient by all of `objective.parameters`, (P,)."""
    parameters = list(objective.parameters.values())
    for parameter in parameters:
        parameter.grad = None
    objective.penalty_backward(data)
    return flattened(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)


def penalty_curvature(objective: Objective, slots: ParameterSlots, data: Data) -> list[Curvature]:
    """Second derivatives by the trainable parameters, or what stands for them, see `Term.curvature`."""
    magnitudes = objective.magnitudes(data) if objective.needs_trace else ()
    with torch.no_grad():
        grams = _edge_grams(objective, slots, data) if objective.needs_trace else ()
        entries = objective.term.curvature(magnitudes, grams)
    return [entry for entry in entries if entry.name in slots.slots]


def add_curvature_(matrix: Tensor, slots: ParameterSlots, entry: Curvature) -> None:
    """Adds an entry to a matrix (P, P), both triangles."""
    index = torch.arange(slots.size, device=matrix.device)[slots.slots[entry.name]].view(slots.shapes[entry.name])
    if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
        index = index.transpose(1, 2)
        matrix[index[..., :, None], index[..., None, :]] += entry.values
    else:
        matrix[index, index] += entry.values


def _edge_grams(objective: Objective, slots: ParameterSlots, data: Data) -> list[dict[str, Tensor]]:
    """For every layer the mean over samples of (d phi / d parameter)(d phi / d parameter)' of each edge."""
    layers, total = list(objective.network.layers), []
    for part, share in data.chunks(max(1, ROW_CHUNK_NUMBERS // slots.size)):
        inputs = objective.network.trace(part.x).inputs
        weight = (part.x.new_ones(len(part)) if part.weight is None else part.weight) * (share / len(part))
        for number, (layer, x) in enumerate(zip(layers, inputs, strict=True)):
            if number == len(total):
                total.append({})
            for name, gram in _grams_of(layer, x, weight).items():
                total[number][name] = total[number].get(name, 0) + gram
    return total


def _grams_of(layer: torch.nn.Module, x: Tensor, weight: Tensor) -> dict[str, Tensor]:
    found = {}
    for part in layer.jacobian_segments(x[None], x.new_ones(1, len(x), layer.out_features)):
        shape = layer.get_parameter(part.parameter).shape
        kind = part.parameter.split(".")[-1]
        if kind == "coef":
            rows = dense_rows(part, shape.numel()).view(len(x), *shape)
            found[part.parameter] = torch.einsum("b,bigo,biho->iogh", weight, rows, rows)
        elif kind in ("base", "weight"):
            found[part.parameter] = torch.einsum("b,bio->io", weight, part.values.view(len(x), *shape).square())
    return found


STEP = 0.1  # share of the move over which second differences are taken, theirs
MOST = 0.75  # largest 2 |correction| / |move|, theirs: beyond, the move is too long for a parabola


def bent(
    move: Tensor,
    correct: Callable[[Tensor], Tensor],
    residuals: tuple[Tensor, Tensor, Tensor],
    scale: Tensor,
) -> Tensor | None:
    """The move with its second-order correction, (P,); None where that is too large, or not a number.

    With v the move and r_vv the second derivative of the residuals along it, the correction is a / 2 with a the
    solution of the damped system for r_vv in place of r: M. Transtrum, J. Sethna, "Improvements to the
    Levenberg-Marquardt algorithm for nonlinear least-squares minimization", arXiv 1201.5885, section 5. Measured on
    three functions and eleven starts: after 40 to 64 steps the loss was 1.1 to 2,000 times smaller with it.

    Args:
        correct: of the `Solution` that the move is from.
        residuals: after -STEP times the move, before it, and after +STEP times it.
        scale: D of the damped system, in whose norm moves are measured.
    """
    behind, here, ahead = residuals
    second = correct((ahead - 2 * here + behind) / STEP**2)
    size = float((scale * move.square()).sum())
    if not 4 * float((scale * second.square()).sum()) <= MOST**2 * size:
        return None
    return move + second / 2


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

    def start(self, objective: Objective, *, steps: int) -> LevenbergMarquardtRun:
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
            return StepResult(start, StopReason.CONVERGED, "The gradient is zero.")
        for _ in range(self._settings.trials):
            solution = system.solve(self._mu)
            if solution is not None:
                point = self._rounded(origin + solution.move)
                if torch.equal(point, origin) or solution.predicted <= ROUNDING * start.total:
                    return StepResult(start, StopReason.CONVERGED, "The predicted gain of a step is below rounding.")
                found = self._lower_point(origin, solution, system, start, data)
                if found is not None:
                    point, after = self._here = found
                    self._relax((start.total - after.total) / solution.predicted)
                    write_(self._parameters, point)
                    return StepResult(after)
            if self._mu >= HIGHEST:
                break
            self._mu, self._growth = self._mu * self._growth, self._growth * 2
        return StepResult(start, StopReason.NO_PROGRESS, "No damping gives a step that lowers the loss any further.")

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

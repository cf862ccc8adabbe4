"""Levenberg-Marquardt: Gauss-Newton steps with damping, for sums of squares; dense, in float64."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.jacobian import ParameterSlots, is_chain, residual_rows
from edgewise.train.methods import Method, StepResult, check_count, flattened, is_number, write_
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.penalty import Curvature
from edgewise.train.problem import Data

# Share of the mean of the diagonal that damps a parameter besides its own entry. With the plain diagonal (Marquardt)
# coefficients that no sample reaches run away; 0.05 held them in prototypes (design, "Precision").
FLOOR = 0.05
LOWEST, HIGHEST = 1e-15, 1e15  # of the damping
ROUNDING = torch.finfo(torch.float64).eps  # a smaller relative gain can't be seen in the loss
CHUNK_NUMBERS = 2**22  # in the rows of one chunk (32 MiB)


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss-Newton for problems with residuals (Levenberg 1944; Marquardt, SIAM J. Appl. Math. 11, 1963).

    With J the Jacobian of the residuals r and P the penalty, a step d solves

        (H + mu D) d = -g,   H = 2 J'J + P'',   g = 2 J'r + P',   D = diag(H) + 0.05 mean(diag(2 J'J)).

    It is taken only if it lowers the objective; mu follows the ratio of actual and predicted decrease (H. B. Nielsen,
    "Damping parameter in Marquardt's method", IMM-REP-1999-05, eq. 2.21; Madsen, Nielsen, Tingleff, "Methods for
    non-linear least squares problems", 2004, algorithm 3.16). Quadratic penalties enter exactly, others by their
    gradient and a positive curvature (see `Sparsity`).

    All in float64 on a copy of the model; a trial is rounded to the model's dtype before it is judged. J'J is summed
    over chunks of samples. The matrix has the square of the parameter count: for models up to a few thousand.

    damping: the first mu.
    trials: most values of mu tried in one step.
    max_parameters: refuse larger models.
    """

    damping: float = 1e-2
    trials: int = 30
    max_parameters: int = 8000

    full_batch = True
    monotone = True

    def __post_init__(self):
        if not (is_number(self.damping) and self.damping > 0):
            raise InputError(f"damping must be a positive number, got {self.damping!r}")
        check_count(self.trials, "trials")
        check_count(self.max_parameters, "max_parameters")

    def start(self, objective: Objective, *, steps: int) -> "LevenbergMarquardtRun":
        if objective.problem.residuals is None:
            raise InputError(
                f"LevenbergMarquardt needs a problem with residuals, which {type(objective.problem).__name__} "
                "has not: use LBFGS() or Adam()"
            )
        count = sum(p.numel() for p in objective.parameters.values())
        if count > self.max_parameters:
            raise InputError(
                f"LevenbergMarquardt takes at most max_parameters = {self.max_parameters} trainable parameters, "
                f"got {count}: use LBFGS() or Adam()"
            )
        return LevenbergMarquardtRun(self, objective)


@dataclass(frozen=True)
class _Normal:
    """The normal equations at a point: objective, gradient, H, and D."""

    evaluation: Evaluation
    gradient: Tensor
    matrix: Tensor
    scale: Tensor


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
        self._chain: bool | None = None  # asked once: on small tables the answer took a fifth of a step
        self._rows = max(1, CHUNK_NUMBERS // self._slots.size)

    def step(self, data: Data) -> StepResult:
        data = self._objective.problem.train  # the same samples in float64
        origin = flattened(self._parameters).double()
        write_(self._twins, origin)
        normal = self._linearise(data)
        start = normal.evaluation
        if not (start.is_finite and bool(normal.gradient.isfinite().all())):
            return StepResult(Evaluation(math.nan, start.penalty))
        if not bool(normal.gradient.any()):
            return StepResult(start, "converged", "The gradient is zero.")
        for _ in range(self._settings.trials):
            move = self._solve(normal)
            if move is not None:
                predicted = 0.5 * float(move @ (self._mu * normal.scale * move - normal.gradient))
                point = (origin + move).to(self._parameters[0].dtype).double()
                if torch.equal(point, origin) or predicted <= ROUNDING * start.total:
                    return StepResult(start, "converged", "The predicted gain of a step is below rounding.")
                write_(self._twins, point)
                after = self._objective.evaluate(data)
                if after.is_finite and after.total < start.total:
                    self._lower((start.total - after.total) / predicted)
                    write_(self._parameters, point)
                    return StepResult(after)
            if self._mu >= HIGHEST:
                break
            self._mu, self._growth = self._mu * self._growth, self._growth * 2
        return StepResult(start, "no_progress", "No damping gives a step that lowers the loss any further.")

    def state(self) -> dict:
        return {"mu": self._mu, "growth": self._growth}

    def restore(self, state: dict) -> None:
        self._mu, self._growth = float(state["mu"]), float(state["growth"])

    def _lower(self, gain_ratio: float) -> None:
        self._mu = max(self._mu * max(1 / 3, 1 - (2 * gain_ratio - 1) ** 3), LOWEST)
        self._growth = 2.0

    def _solve(self, normal: _Normal) -> Tensor | None:
        damped = normal.matrix.clone()
        damped.diagonal().add_(normal.scale, alpha=self._mu)
        factor, info = torch.linalg.cholesky_ex(damped)
        if int(info) != 0:
            return None
        move = -torch.cholesky_solve(normal.gradient[:, None], factor)[:, 0]
        return move if bool(move.isfinite().all()) else None

    def _linearise(self, data: Data) -> _Normal:
        size, objective = self._slots.size, self._objective
        if self._chain is None:
            self._chain = is_chain(objective.network, self._slots, data.x[:2])
        matrix, gradient, loss = data.x.new_zeros(size, size), data.x.new_zeros(size), 0.0
        grams: list[dict[str, Tensor]] = []
        for part, share in data.chunks(self._rows):
            columns = residual_rows(objective.network, self._slots, objective.problem, part, chain=self._chain)
            for rows, residuals in columns:
                matrix.addmm_(rows.mT, rows, alpha=2 * share)
                gradient.addmv_(rows.mT, residuals, alpha=2 * share)
                loss += share * float(residuals @ residuals)
            if objective.needs_trace:
                grams = _summed(grams, self._edge_grams(part), share)
        floor = FLOOR * float(matrix.diagonal().mean())
        penalty = self._add_penalty(matrix, gradient, data, grams)
        diagonal = matrix.diagonal().clone()
        scale = diagonal + (floor if floor > 0 else FLOOR * float(diagonal.mean()) or 1.0)
        return _Normal(Evaluation(loss, penalty), gradient, matrix, scale)

    def _add_penalty(self, matrix: Tensor, gradient: Tensor, data: Data, grams: list[dict[str, Tensor]]) -> float:
        """Adds the penalty's derivatives to the normal equations; returns its value."""
        objective = self._objective
        if objective.term is None:
            return 0.0
        for twin in self._twins:
            twin.grad = None
        objective.penalty_backward(data)
        gradient += flattened(torch.zeros_like(twin) if twin.grad is None else twin.grad for twin in self._twins)
        magnitudes = objective.magnitudes(data) if objective.needs_trace else ()
        with torch.no_grad():
            for entry in objective.term.curvature(magnitudes, grams):
                if entry.name in self._slots.slots:
                    _add_curvature(matrix, self._slots, entry)
            return float(objective.term.value(magnitudes))

    def _edge_grams(self, part: Data) -> list[dict[str, Tensor]]:
        """For every layer the mean over samples of (d phi / d parameter)(d phi / d parameter)' of each edge."""
        with torch.no_grad():
            trace = self._objective.network.trace(part.x)
            share = (part.x.new_ones(len(part)) if part.weight is None else part.weight) / len(part)
            grams = []
            for layer, x in zip(self._objective.network.layers, trace.inputs, strict=True):
                rows = layer.jacobian_rows(x, x.new_ones(len(x), layer.out_features))
                gram = {}
                for name, values in rows.items():
                    if values.ndim == 4:
                        gram[name] = torch.einsum("b,bigo,biho->iogh", share, values, values)
                    elif values.ndim == 3:
                        gram[name] = torch.einsum("b,bio->io", share, values.square())
                grams.append(gram)
            return grams


def _summed(total: list[dict[str, Tensor]], part: list[dict[str, Tensor]], share: float) -> list[dict[str, Tensor]]:
    scaled = [{name: share * values for name, values in layer.items()} for layer in part]
    if not total:
        return scaled
    return [{name: old[name] + new[name] for name in new} for old, new in zip(total, scaled, strict=True)]


def _add_curvature(matrix: Tensor, slots: ParameterSlots, entry: Curvature) -> None:
    index = torch.arange(slots.size, device=matrix.device)[slots.slots[entry.name]].view(slots.shapes[entry.name])
    if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
        index = index.transpose(1, 2)
        matrix[index[..., :, None], index[..., None, :]] += entry.values
    else:
        matrix[index, index] += entry.values

"""L-BFGS with a strong Wolfe line search: the method for smooth losses on all samples at once."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.train.methods import Method, StepResult, check_count, flattened, write_
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.problem import Data

# Sufficient decrease and curvature: Nocedal and Wright, "Numerical Optimization" (2006), section 3.1, the values
# they give for quasi-Newton methods.
DECREASE, CURVATURE = 1e-4, 0.9


@dataclass(frozen=True)
class LBFGS(Method):
    """L-BFGS, Nocedal and Wright (2006), algorithms 7.4 and 7.5.

    Every criterion is relative. torch.optim.LBFGS keeps a curvature pair only where y's > 1e-10 and ends its line
    search below an absolute width; with squared errors under about 1e-9 it stalls, which is where KANs get interesting.
    A trial with a NaN or infinite loss only shortens the step.

    history: pairs of steps and gradient changes that are kept.
    evaluations: most trials in one line search.
    """

    history: int = 20
    evaluations: int = 25

    full_batch = True
    monotone = True

    def __post_init__(self):
        check_count(self.history, "history")
        check_count(self.evaluations, "evaluations")

    def start(self, objective: Objective, *, steps: int) -> "LBFGSRun":
        return LBFGSRun(self, objective)


@dataclass(frozen=True)
class _Trial:
    """A point of a line search: step length, objective, its slope along the line, the rest to keep if accepted."""

    length: float
    value: float
    slope: float
    evaluation: Evaluation | None = None
    gradient: Tensor | None = None
    point: Tensor | None = None


class LBFGSRun:
    """L-BFGS at work."""

    def __init__(self, settings: LBFGS, objective: Objective):
        self._settings, self._objective = settings, objective
        self._parameters = list(objective.parameters.values())
        self._moves: list[Tensor] = []
        self._changes: list[Tensor] = []
        self._here: tuple[Evaluation, Tensor] | None = None  # at the parameters as they are

    def step(self, data: Data) -> StepResult:
        if self._here is None:
            self._here = self._evaluate(data)
        start, gradient = self._here
        if not start.is_finite or not bool(gradient.isfinite().all()):
            return StepResult(Evaluation(math.nan, start.penalty))
        if not bool(gradient.any()):
            return StepResult(start, "converged", "The gradient is zero.")
        origin = flattened(self._parameters)
        found = self._search(data, origin, start, gradient)
        if found is None and self._moves:  # the memory may mislead near rounding: once more by steepest descent
            self._moves, self._changes = [], []
            found = self._search(data, origin, start, gradient)
        if found is None:
            return StepResult(start, "no_progress", "No step along the gradient lowers the loss any further.")
        self._remember(found.point - origin, found.gradient - gradient)
        self._here = found.evaluation, found.gradient
        return StepResult(found.evaluation)

    def state(self) -> dict:
        return {"moves": [v.clone() for v in self._moves], "changes": [v.clone() for v in self._changes]}

    def restore(self, state: dict) -> None:
        self._moves = [v.clone() for v in state["moves"]]
        self._changes = [v.clone() for v in state["changes"]]
        self._here = None

    def _evaluate(self, data: Data) -> tuple[Evaluation, Tensor]:
        evaluation = self._objective.backward(data)
        zeros = (torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters)
        return evaluation, flattened(zeros)

    def _search(self, data: Data, origin: Tensor, start: Evaluation, gradient: Tensor) -> _Trial | None:
        """Moves the parameters along the quasi-Newton direction, or leaves them at `origin` and returns None."""
        direction = self._direction(gradient)
        slope = float(direction @ gradient)
        if not slope < 0:
            return None

        def attempt(length: float) -> _Trial:
            point = origin + length * direction
            write_(self._parameters, point)
            evaluation, new = self._evaluate(data)
            return _Trial(length, evaluation.total, float(new @ direction), evaluation, new, point)

        # Without memory nothing is known about the scale: the first trial moves by at most 1 (sum of |changes|).
        first = 1.0 if self._moves else min(1.0, 1 / float(gradient.abs().sum()))
        found = strong_wolfe(attempt, start.total, slope, first, self._settings.evaluations)
        if found is not None and torch.equal(found.point, origin):
            found = None
        write_(self._parameters, origin if found is None else found.point)
        return found

    def _direction(self, gradient: Tensor) -> Tensor:
        """- H gradient by the two-loop recursion, algorithm 7.4, with the scaling of eq. (7.20)."""
        q = gradient.clone()
        if not self._moves:
            return -q
        shares = []
        for move, change in zip(reversed(self._moves), reversed(self._changes), strict=True):
            shares.append((move @ q) / (move @ change))
            q = q - shares[-1] * change
        q = q * ((self._moves[-1] @ self._changes[-1]) / self._changes[-1].square().sum())
        for move, change in zip(self._moves, self._changes, strict=True):
            q = q + move * (shares.pop() - (change @ q) / (move @ change))
        return -q

    def _remember(self, move: Tensor, change: Tensor) -> None:
        # Wolfe's conditions make the curvature positive, but for rounding.
        floor = torch.finfo(move.dtype).eps * float(move.norm()) * float(change.norm())
        if float(move @ change) > floor:
            self._moves = [*self._moves, move][-self._settings.history :]
            self._changes = [*self._changes, change][-self._settings.history :]


def strong_wolfe(
    attempt: Callable[[float], _Trial], value: float, slope: float, length: float, evaluations: int
) -> _Trial | None:
    """A step length that meets the strong Wolfe conditions; Nocedal and Wright (2006), algorithms 3.5 and 3.6.

    Where `evaluations` run out, the best trial with sufficient decrease; None if there is none.

    Args:
        attempt: evaluates a length.
        value, slope: at length 0.
        length: of the first trial.
    """
    low, high = _Trial(0.0, value, slope), None
    for _ in range(evaluations):
        trial = attempt(length)
        usable = math.isfinite(trial.value) and math.isfinite(trial.slope)
        if not usable or trial.value > value + DECREASE * length * slope or trial.value >= low.value:
            high = trial
        elif abs(trial.slope) <= -CURVATURE * slope:
            return trial
        else:
            end = math.inf if high is None else high.length
            if trial.slope * (end - low.length) >= 0:
                high = low
            low = trial
        if high is None:
            length *= 4
            continue
        width = high.length - low.length
        if abs(width) <= 1e-12 * max(abs(high.length), abs(low.length)):
            break
        length = _minimum_between(low, high)
    return low if low.point is not None else None


def _minimum_between(low: _Trial, high: _Trial) -> float:
    """Minimum of the cubic through both points (Nocedal and Wright, eq. 3.59), a tenth of the width off each."""
    width = high.length - low.length
    if not (math.isfinite(high.value) and math.isfinite(high.slope)):
        return low.length + 0.1 * width
    first = low.slope + high.slope - 3 * (low.value - high.value) / (low.length - high.length)
    root = first * first - low.slope * high.slope
    share = 0.5
    if root >= 0:
        second = math.copysign(math.sqrt(root), width)
        below = high.slope - low.slope + 2 * second
        if below != 0:
            share = 1 - (high.slope + second - first) / below
    return low.length + min(max(share, 0.1), 0.9) * width

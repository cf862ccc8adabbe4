"""Steps along lines: a strong Wolfe line search, and the run of every method that moves by it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from edgewise.train.data import Data
from edgewise.train.methods import StepResult, flattened, write_
from edgewise.train.objective import Evaluation, Objective

# Sufficient decrease and curvature: Nocedal and Wright, "Numerical Optimization" (2006), section 3.1, the values
# they give for quasi-Newton methods.
DECREASE, CURVATURE = 1e-4, 0.9
# Values that differ by less than this share are too close to judge a step by: Hager and Zhang, "A new conjugate
# gradient method with guaranteed descent and an efficient line search" (SIAM J. Optim. 16, 2005), section 4.
NEAR = 1e-6


@dataclass(frozen=True)
class Trial:
    """A point of a line search: step length, objective, its slope along the line, the rest to keep if accepted."""

    length: float
    value: float
    slope: float
    evaluation: Evaluation | None = None
    gradient: Tensor | None = None
    point: Tensor | None = None

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.slope)


class Memory(Protocol):
    """What a quasi-Newton method knows about the curvature.

    known: whether it knows anything; without, steps go along the gradient and their scale is a guess.
    """

    known: bool

    def direction(self, gradient: Tensor) -> Tensor:
        """The step to try, (n,)."""

    def remember(self, move: Tensor, change: Tensor, bend: float) -> None:
        """Learns from an accepted step: s = `move`, y = `change` of the gradient, `bend` = s'Bs, where B is what was
        known of the second derivatives."""

    def forget(self) -> None:
        """Back to knowing nothing."""

    def state(self) -> dict: ...

    def restore(self, state: dict) -> None: ...


class LineSearchRun:
    """A descent method at work: direction, line search, what was learned.

    exact: the objective whose values decide, on a copy of the model in float64; None for the model's own. A trial is
        rounded to the model's dtype before it is judged, so what is reported is what the model gives.
    """

    def __init__(self, objective: Objective, memory: Memory, evaluations: int, exact: Objective | None = None):
        self._objective, self._memory, self._evaluations = exact or objective, memory, evaluations
        self._parameters = list(objective.parameters.values())
        self._twins = None if exact is None else list(exact.parameters.values())
        self._here: tuple[Evaluation, Tensor] | None = None  # at the parameters as they are

    def step(self, data: Data) -> StepResult:
        origin = flattened(self._parameters)
        if self._twins is not None:
            data, origin = self._objective.problem.train, origin.to(torch.float64)  # the same samples in float64
        if self._here is None:
            self._here = self._evaluate(data, origin)[:2]
        start, gradient = self._here
        if not start.is_finite or not bool(gradient.isfinite().all()):
            return StepResult(Evaluation(math.nan, start.penalty))
        if not bool(gradient.any()):
            return StepResult(start, "converged", "The gradient is zero.")
        found = self._search(data, origin, start, gradient)
        if found is None and self._memory.known:  # it may mislead near rounding: once more by steepest descent
            self._memory.forget()
            found = self._search(data, origin, start, gradient)
        if found is None:
            return StepResult(start, "no_progress", "No step along the gradient lowers the loss any further.")
        move = found.point - origin
        self._memory.remember(move, found.gradient - gradient, -found.length * float(move @ gradient))
        self._here = found.evaluation, found.gradient
        return StepResult(found.evaluation)

    def state(self) -> dict:
        return self._memory.state()

    def restore(self, state: dict) -> None:
        self._memory.restore(state)
        self._here = None

    def _evaluate(self, data: Data, point: Tensor) -> tuple[Evaluation, Tensor, Tensor]:
        """Objective and gradient at a point, and the point as the model's dtype has it; the parameters stay there."""
        write_(self._parameters, point)
        if self._twins is not None:
            point = flattened(self._parameters).to(torch.float64)
            write_(self._twins, point)
        evaluation = self._objective.backward(data)
        parameters = self._objective.parameters.values()
        gradient = flattened(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)
        return evaluation, gradient, point

    def _search(self, data: Data, origin: Tensor, start: Evaluation, gradient: Tensor) -> Trial | None:
        """Moves the parameters along the direction, or leaves them at `origin` and returns None."""
        direction = self._memory.direction(gradient)
        slope = float(direction @ gradient)
        if not slope < 0 or not math.isfinite(slope):
            return None

        def attempt(length: float) -> Trial:
            evaluation, new, point = self._evaluate(data, origin + length * direction)
            return Trial(length, evaluation.total, float(new @ direction), evaluation, new, point)

        # Nothing known about the scale: the first trial moves by at most 1 (sum of |changes|).
        first = 1.0 if self._memory.known else min(1.0, 1 / float(gradient.abs().sum()))
        found = strong_wolfe(attempt, start.total, slope, first, self._evaluations)
        if found is not None and torch.equal(found.point, origin):
            found = None
        write_(self._parameters, origin if found is None else found.point)
        return found


def strong_wolfe(
    attempt: Callable[[float], Trial], value: float, slope: float, length: float, evaluations: int
) -> Trial | None:
    """A step length that meets the strong Wolfe conditions; Nocedal and Wright (2006), algorithms 3.5 and 3.6.

    Near machine precision a decrease of the value can't be told from rounding, a slope still can. There a trial counts
    by its slope, as in the approximate Wolfe conditions (Hager and Zhang 2005, eq. 4.1), if the value doesn't rise.
    A trial that is NaN or infinite only shortens the step. Where `evaluations` run out, the best trial with sufficient
    decrease; None if there is none.

    Args:
        attempt: evaluates a length.
        value, slope: at length 0.
        length: of the first trial.
    """
    low, high = Trial(0.0, value, slope), None
    for _ in range(evaluations):
        trial = attempt(length)
        flat = trial.is_finite and abs(trial.slope) <= -CURVATURE * slope
        if flat and value - NEAR * abs(value) <= trial.value <= value:
            return trial
        if not trial.is_finite or trial.value > value + DECREASE * length * slope or trial.value >= low.value:
            high = trial
        elif flat:
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


def _minimum_between(low: Trial, high: Trial) -> float:
    """Minimum of the cubic through both points (Nocedal and Wright, eq. 3.59), a tenth of the width off each."""
    width = high.length - low.length
    if not high.is_finite:
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

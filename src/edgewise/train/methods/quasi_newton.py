"""Steps along lines: a strong Wolfe line search, and the run of every method that moves by it.

L-BFGS with a strong Wolfe line search: the method for smooth losses on all samples at once.

Quasi-Newton methods with a whole inverse Hessian, in float64: self-scaled Broyden, self-scaled BFGS, BFGS."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from edgewise.checks import check_count
from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.train.methods.base import Method, StepResult, flattened, write_
from edgewise.train.problems.data import Data
from edgewise.train.problems.objective import Evaluation, Objective

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
            return StepResult(start, StopReason.CONVERGED, "The gradient is zero.")
        found = self._search(data, origin, start, gradient)
        if found is None and self._memory.known:  # it may mislead near rounding: once more by steepest descent
            self._memory.forget()
            found = self._search(data, origin, start, gradient)
        if found is None:
            return StepResult(start, StopReason.NO_PROGRESS, "No step along the gradient lowers the loss any further.")
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

    def start(self, objective: Objective, *, steps: int) -> LineSearchRun:
        return LineSearchRun(objective, _Pairs(self.history), self.evaluations)


class _Pairs:
    """The latest steps s and changes y of the gradient."""

    def __init__(self, history: int):
        self._history = history
        self._moves: list[Tensor] = []
        self._changes: list[Tensor] = []

    @property
    def known(self) -> bool:
        return bool(self._moves)

    def direction(self, gradient: Tensor) -> Tensor:
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

    def remember(self, move: Tensor, change: Tensor, bend: float) -> None:
        if has_curvature(move, change):
            self._moves = [*self._moves, move][-self._history :]
            self._changes = [*self._changes, change][-self._history :]

    def forget(self) -> None:
        self._moves, self._changes = [], []

    def state(self) -> dict:
        return {"moves": [v.clone() for v in self._moves], "changes": [v.clone() for v in self._changes]}

    def restore(self, state: dict) -> None:
        self._moves = [v.clone() for v in state["moves"]]
        self._changes = [v.clone() for v in state["changes"]]


def has_curvature(move: Tensor, change: Tensor) -> bool:
    """Whether y's is positive beyond rounding; Wolfe's conditions make it so in exact arithmetic."""
    floor = torch.finfo(move.dtype).eps * float(move.norm()) * float(change.norm())
    return float(move @ change) > floor


VARIANTS = ("ssbroyden", "ssbfgs", "bfgs")
EPSILON = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class SSBroyden(Method):
    """Self-scaled Broyden for smooth losses on all samples at once, squares or not: deeper than L-BFGS where the
    curvature differs widely between directions, as in physics losses.

    With s the last step, y the change of the gradient over it and H the inverse Hessian so far,

        H <- 1/tau (H - H y y'H / y'Hy + phi v v') + s s'/y's,   v = (y'Hy)^(1/2) (s / y's - H y / y'Hy).

    tau = phi = 1 is BFGS. "ssbfgs" takes tau = min(1, y's / s'Bs), B = H^-1, and phi = 1: M. Al-Baali, "Numerical
    experience with a class of self-scaling quasi-Newton algorithms" (J. Optim. Theory Appl. 96, 1998). "ssbroyden"
    chooses both within an interval: M. Al-Baali and H. Khalfan, "Wide interval for efficient self-scaling quasi-Newton
    algorithms" (Optim. Methods Softw. 20, 2005), as used for physics losses by J. F. Urban, P. Stefanou, J. A. Pons,
    "Unveiling the optimization process of physics informed neural networks" (J. Comput. Phys. 523, 113656, 2025) and
    E. Kiyani et al. (CMAME 446, 118308, 2025, arXiv 2501.16371). See `scaling`.

    All in float64, on a copy of the model where that has another dtype; a trial is rounded to the model's dtype before
    it is judged. H has the square of the parameter count: 200 MB for 5,000 parameters.

    variant: "ssbroyden", "ssbfgs" or "bfgs".
    evaluations: most trials in one line search.
    max_parameters: refuse larger models.
    """

    variant: str = "ssbroyden"
    evaluations: int = 25
    max_parameters: int = 8000

    full_batch = True
    monotone = True

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise InputError(f"variant must be one of {', '.join(VARIANTS)}, got {self.variant!r}")
        check_count(self.evaluations, "evaluations")
        check_count(self.max_parameters, "max_parameters")

    def start(self, objective: Objective, *, steps: int) -> LineSearchRun:
        count = sum(p.numel() for p in objective.parameters.values())
        if count > self.max_parameters:
            raise InputError(
                f"SSBroyden takes at most max_parameters = {self.max_parameters} trainable parameters, "
                f"got {count}: use LBFGS()"
            )
        exact = None
        if any(p.dtype != torch.float64 for p in objective.parameters.values()):
            twin = copy.deepcopy(objective.network).double()
            twin.zero_grad()
            exact = objective.twin(twin, torch.float64)
        return LineSearchRun(objective, _InverseHessian(self.variant), self.evaluations, exact)


class _InverseHessian:
    """The matrix H, (n, n), or None for the identity that every run starts from."""

    def __init__(self, variant: str):
        self._variant = variant
        self._inverse: Tensor | None = None

    @property
    def known(self) -> bool:
        return self._inverse is not None

    def direction(self, gradient: Tensor) -> Tensor:
        return -gradient if self._inverse is None else -(self._inverse @ gradient)

    def remember(self, move: Tensor, change: Tensor, bend: float) -> None:
        if not has_curvature(move, change):
            return
        first = self._inverse is None
        inverse = torch.eye(len(move), dtype=move.dtype, device=move.device) if first else self._inverse
        self._inverse = inverse if update_(inverse, move, change, bend, self._variant, first=first) else None

    def forget(self) -> None:
        self._inverse = None

    def state(self) -> dict:
        return {"inverse": None if self._inverse is None else self._inverse.clone()}

    def restore(self, state: dict) -> None:
        self._inverse = None if state["inverse"] is None else state["inverse"].clone()


def update_(inverse: Tensor, move: Tensor, change: Tensor, bend: float, variant: str, *, first: bool = False) -> bool:
    """The formula of `SSBroyden`, in place and in one pass over H.

    Args:
        inverse: H, (n, n), symmetric and positive definite.
        move, change: s and y, (n,), with y's > 0.
        bend: s'Bs. After a step along -H g of length a it is -a s'g, so that B is never needed.
        first: whether H is the identity, which knows no scale.

    Returns:
        False where rounding has left H no longer positive definite; it is then useless.
    """
    product = inverse @ change
    gain, weight = float(change @ move), float(change @ product)  # y's, y'Hy
    b, h = bend / gain, weight / gain
    if not (b > 0 and h > 0 and math.isfinite(b) and math.isfinite(h)):
        return False
    tau, phi = scaling(variant, b, h, len(move), first=first)
    # The three rank-one terms in the basis (s, Hy).
    ss, mixed, pp = phi * h / gain / tau + 1 / gain, -phi / gain / tau, (phi - 1) / weight / tau
    if not all(math.isfinite(value) for value in (ss, mixed, pp)):
        return False
    pair = torch.stack((move, product), dim=1)
    inner = torch.tensor([[ss, mixed], [mixed, pp]], dtype=pair.dtype, device=pair.device)
    inverse.addmm_(pair @ inner, pair.mT, beta=1 / tau)
    return True


def scaling(variant: str, b: float, h: float, size: int, *, first: bool = False) -> tuple[float, float]:
    """tau and phi of `SSBroyden` for b = s'Bs / y's, h = y'Hy / y's and `size` parameters.

    Before the first update H is the identity, and tau takes the scale of the loss from y: 1/tau = y's / y'y for BFGS
    (Nocedal and Wright, eq. 6.20) and its counterpart (1 + a theta) / h for the Broyden class.
    """
    if variant != "ssbroyden":
        return (h if first else 1.0 if variant == "bfgs" else min(1.0, 1 / b)), 1.0
    a = max(b * h - 1, EPSILON)  # not negative in exact arithmetic (Cauchy-Schwarz)
    lowest = min(1.0, max(h * (1 - math.sqrt(a / (1 + a))), EPSILON))
    theta = max((lowest - 1) / a, min(1 / lowest, (1 - b) / b))  # 0 is BFGS, 1 is DFP
    sigma = 1 + a * theta  # at least `lowest`
    phi = (1 - theta) / sigma
    if first:
        return h / sigma, phi
    spread = sigma ** (-1 / max(size - 1, 1))  # keeps the determinant
    shrink = min(1.0, 1 / b)
    return (shrink * min(spread, 1 / theta) if theta > 0 else min(shrink * spread, sigma)), phi

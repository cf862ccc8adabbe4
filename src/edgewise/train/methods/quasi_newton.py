"""Quasi-Newton methods with a strong Wolfe line search: L-BFGS and self-scaled Broyden.

`LineSearchRun` runs both: in each step it computes a direction from an approximation of the inverse Hessian, searches
along it, and updates the approximation. The methods differ in that approximation: L-BFGS represents it by the last few
moves and gradient changes, self-scaled Broyden stores the whole matrix in float64.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from edgewise.checks import check_count, typed
from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.train.blocks import Data
from edgewise.train.methods.base import Method, StepResult
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.parameters import flattened, gradient_of, write_

# Sufficient decrease and curvature: Nocedal and Wright, "Numerical optimization", 2nd ed. (2006), section 3.1, the
# values that they give for quasi-Newton methods.
DECREASE = 1e-4
CURVATURE = 0.9


@dataclass(frozen=True)
class LBFGS(Method):
    """L-BFGS: a quasi-Newton method that keeps the latest steps and gradient changes.

    It suits smooth losses on all samples at once with many parameters. Every criterion is relative.
    `torch.optim.LBFGS` keeps a curvature pair only where y's > 1e-10 and ends its line search below an absolute width,
    so that it stalls at squared errors of about 1e-8: fitting sin(3 x) by one spline of 17 coefficients it stopped
    at a loss of 3e-8, this one at 1e-13. A further reason for an own implementation is its state, from which a fit
    resumes with the same bits. A trial with a NaN or infinite loss only shortens the step.

    Parameters
    ----------
    history : int
        Number of pairs that are kept.
    evaluations : int
        Largest number of trials in one line search.

    Raises
    ------
    InputError
        A setting is out of its range.

    References
    ----------
    .. [1] J. Nocedal, S. Wright, "Numerical optimization", 2nd ed. (2006), algorithms 7.4 and 7.5.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression, fit
    >>> from edgewise.nn import MLP
    >>> from edgewise.train import LBFGS
    >>> x = torch.linspace(-1, 1, 100, dtype=torch.float64)[:, None]
    >>> report = fit(MLP([1, 10, 1], dtype=torch.float64), Regression(x, x.abs()), LBFGS(), steps=50)
    >>> report.loss < 0.01 * report.history[0].loss
    True
    """

    history: int = 20
    evaluations: int = 25

    full_batch: ClassVar[bool] = True
    monotone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count(self.history, "history")
        check_count(self.evaluations, "evaluations")

    def start(self, objective: Objective, *, steps: int) -> LineSearchRun:
        """Start from the present parameters; see `Method.start`."""
        return LineSearchRun(objective, CurvaturePairs(self.history), self.evaluations)


@typed
@dataclass(frozen=True)
class SSBroyden(Method):
    """Self-scaled Broyden: a quasi-Newton method with a whole inverse Hessian, in float64.

    It suits smooth losses on all samples at once, squares or not, and gets deeper than L-BFGS where the curvature
    differs widely between directions, as in physics losses. With s the last step, y the change of the gradient over
    it and H the inverse Hessian so far,

        H <- 1/tau (H - H y y'H / y'Hy + phi v v') + s s'/y's,   v = (y'Hy)^(1/2) (s / y's - H y / y'Hy).

    tau = phi = 1 is BFGS. Here both are chosen within an interval [1]_, as for physics losses in [2]_ and [3]_.

    A model of another dtype is copied to float64, and a trial is rounded to the model's dtype before it is judged. H
    has the square of the number of parameters: 200 MB for 5,000 parameters.

    Parameters
    ----------
    evaluations : int
        Largest number of trials in one line search.
    max_parameters : int
        Larger models are refused.

    Raises
    ------
    InputError
        A setting is out of its range.

    References
    ----------
    .. [1] M. Al-Baali, H. Khalfan, "Wide interval for efficient self-scaling quasi-Newton algorithms", Optim. Methods
       Softw. 20 (2005).
    .. [2] J. F. Urbán, P. Stefanou, J. A. Pons, "Unveiling the optimization process of physics informed neural
       networks", J. Comput. Phys. 523 (2025) 113656.
    .. [3] E. Kiyani et al., CMAME 446 (2025) 118308, arXiv 2501.16371.

    Examples
    --------
    >>> from edgewise.train import SSBroyden
    >>> SSBroyden().settings()
    {'name': 'SSBroyden', 'evaluations': 25, 'max_parameters': 8000}
    """

    evaluations: int = 25
    max_parameters: int = 8000

    full_batch: ClassVar[bool] = True
    monotone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count(self.evaluations, "evaluations")
        check_count(self.max_parameters, "max_parameters")

    def start(self, objective: Objective, *, steps: int) -> LineSearchRun:
        """Start from the present parameters; see `Method.start`."""
        count = sum(p.numel() for p in objective.parameters.values())
        if count > self.max_parameters:
            raise InputError(
                f"SSBroyden takes at most max_parameters = {self.max_parameters} trainable parameters, "
                f"got {count}: use LBFGS()"
            )
        exact = None
        if any(p.dtype != torch.float64 for p in objective.parameters.values()):
            copied = copy.deepcopy(objective.network).double()
            copied.zero_grad()
            exact = objective.twin(copied, torch.float64)
        return LineSearchRun(objective, _InverseHessian(), self.evaluations, exact)


class Memory(Protocol):
    """Knowledge of a quasi-Newton method about the curvature."""

    @property
    def is_empty(self) -> bool:
        """True while nothing is known: steps then go along the gradient, and their scale is a guess."""

    def direction(self, gradient: Tensor) -> Tensor:
        """The step to try, (n,)."""

    def remember(self, move: Tensor, change: Tensor, curvature: float) -> None:
        """Learn from an accepted step: s = `move`, y = `change` of the gradient, s'Bs = `curvature`.

        B is the matrix of second derivatives as it was known before.
        """

    def forget(self) -> None:
        """Return to knowing nothing."""

    def state(self) -> dict[str, Any]:
        """A copy of the memory, for a fit that resumes."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""


@dataclass(frozen=True)
class LineSearchPoint:
    """A point of a line search."""

    length: float  # step length
    value: float  # the objective, and its derivative along the line
    slope: float
    # loss and penalty, gradient (n,) and parameters (n,), to keep if the point is accepted; empty at the start
    evaluation: Evaluation = field(default_factory=lambda: Evaluation(math.nan))
    gradient: Tensor = field(default_factory=lambda: torch.empty(0))
    point: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def is_finite(self) -> bool:
        """True if value and slope are finite numbers."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


class LineSearchRun:
    """A descent method at work."""

    def __init__(self, objective: Objective, memory: Memory, evaluations: int, exact: Objective | None = None):
        self._objective = exact or objective
        self._memory = memory
        self._evaluations = evaluations
        self._parameters = list(objective.parameters.values())
        # The parameters in float64 of a model of another dtype; () where the model itself is float64.
        self._copies: Sequence[Tensor] = () if exact is None else list(exact.parameters.values())
        self._latest: tuple[Evaluation, Tensor] | None = None  # objective and gradient at the present parameters

    def step(self, data: Data) -> StepResult:
        """Make one step on all samples."""
        origin = flattened(self._parameters)
        if self._copies:
            # the same samples in float64
            data = self._objective.problem.train
            origin = origin.to(torch.float64)
        if self._latest is None:
            self._latest = self._evaluate(data, origin)[:2]
        start, gradient = self._latest
        if not start.is_finite or not bool(gradient.isfinite().all()):
            return StepResult(Evaluation(math.nan, start.penalty))
        if not bool(gradient.any()):
            return StepResult(start, StopReason.CONVERGED, "The gradient is zero.")
        accepted = self._search(data, origin, start, gradient)
        if accepted is None and not self._memory.is_empty:
            # Near rounding the approximation of the Hessian may be wrong, so steepest descent is tried as well.
            self._memory.forget()
            accepted = self._search(data, origin, start, gradient)
        if accepted is None:
            message = "No step along the gradient lowers the loss any further."
            return StepResult(start, StopReason.NO_PROGRESS, message)
        # The memory learns from the accepted step.
        move = accepted.point - origin
        self._memory.remember(move, accepted.gradient - gradient, -accepted.length * float(move @ gradient))
        self._latest = accepted.evaluation, accepted.gradient
        return StepResult(accepted.evaluation)

    def state(self) -> dict[str, Any]:
        """A copy of the memory."""
        return self._memory.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._memory.restore(state)
        self._latest = None

    def _evaluate(self, data: Data, point: Tensor) -> tuple[Evaluation, Tensor, Tensor]:
        """Objective, gradient, and the point rounded to the model's dtype; the parameters stay there."""
        write_(self._parameters, point)
        if self._copies:
            point = flattened(self._parameters).to(torch.float64)
            write_(self._copies, point)
        evaluation = self._objective.backward(data)
        return evaluation, gradient_of(self._objective.parameters.values()), point

    def _search(self, data: Data, origin: Tensor, start: Evaluation, gradient: Tensor) -> LineSearchPoint | None:
        """Move the parameters along the direction, or leave them at `origin` and return None."""
        accepted = line_search(self._memory, partial(self._evaluate, data), origin, start, gradient, self._evaluations)
        if accepted is None or torch.equal(accepted.point, origin):
            write_(self._parameters, origin)
            return None
        write_(self._parameters, accepted.point)
        return accepted


def line_search(
    memory: Memory,
    evaluate: Callable[[Tensor], tuple[Evaluation, Tensor, Tensor]],
    origin: Tensor,
    start: Evaluation,
    gradient: Tensor,
    evaluations: int,
) -> LineSearchPoint | None:
    """Search along the direction of a memory from a point (n,), where objective and gradient (n,) are those given.

    `evaluate` gives the objective at a point, its gradient, and the point as it was taken.
    """
    direction = memory.direction(gradient)
    slope = float(direction @ gradient)
    if not slope < 0 or not math.isfinite(slope):
        return None

    def attempt(length: float) -> LineSearchPoint:
        evaluation, new, point = evaluate(origin + length * direction)
        return LineSearchPoint(length, evaluation.total, float(new @ direction), evaluation, new, point)

    # While nothing is known about the scale, the first trial moves by at most 1 (sum of absolute changes).
    first = 1.0
    if memory.is_empty:
        first = min(1.0, 1 / float(gradient.abs().sum()))
    return strong_wolfe(attempt, start.total, slope, first, evaluations)


def strong_wolfe(
    attempt: Callable[[float], LineSearchPoint], value: float, slope: float, length: float, evaluations: int
) -> LineSearchPoint | None:
    """Find a step length that meets the strong Wolfe conditions."""
    # Near machine precision a decrease of the value vanishes in rounding, while a slope is still accurate. There a
    # trial counts by its slope, as in the approximate Wolfe conditions [2] (eq. 4.1), if the value does not rise. A
    # trial that is NaN or infinite only shortens the step.
    # [1] J. Nocedal, S. Wright, "Numerical optimization", 2nd ed. (2006), algorithms 3.5 and 3.6.
    # [2] W. Hager, H. Zhang, "A new conjugate gradient method with guaranteed descent and an efficient line search",
    # SIAM J. Optim. 16 (2005).
    # `low` is the best point so far, `high` the other end of the bracket once there is one.
    low = LineSearchPoint(0.0, value, slope)
    high = None
    for _ in range(evaluations):
        trial = attempt(length)
        flat = trial.is_finite and abs(trial.slope) <= -CURVATURE * slope
        # Values closer than a millionth cannot judge a step, slopes can ([2], section 4).
        if flat and value - 1e-6 * abs(value) <= trial.value <= value:
            return trial
        # Sufficient decrease fails: the minimum lies between `low` and the trial.
        if not trial.is_finite or trial.value > value + DECREASE * length * slope or trial.value >= low.value:
            high = trial
        elif flat:
            return trial
        else:
            end = math.inf if high is None else high.length
            if trial.slope * (end - low.length) >= 0:
                high = low
            low = trial
        # Without a bracket the step grows, while the line still falls.
        if high is None:
            length *= 4.0
            continue
        # A bracket of a thousand times the rounding of float64 ends the search.
        width = high.length - low.length
        if abs(width) <= 1e-12 * max(abs(high.length), abs(low.length)):
            break
        length = _minimum_between(low, high)
    if low.length > 0:
        return low
    return None


def _minimum_between(low: LineSearchPoint, high: LineSearchPoint) -> float:
    """Minimum of the cubic through both points (Nocedal and Wright, eq. 3.59), at least a tenth of the width inside."""
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


class CurvaturePairs:
    """The latest steps s and changes y of the gradient: the memory of L-BFGS.

    `metric` maps a gradient (n,) by the inverse Hessian before the first pair; None while nothing is known of it.
    """

    def __init__(self, history: int, metric: Callable[[Tensor], Tensor] | None = None):
        self._history = history
        self._metric = metric
        self._moves: list[Tensor] = []
        self._changes: list[Tensor] = []

    @property
    def is_empty(self) -> bool:
        return not self._moves and self._metric is None

    def direction(self, gradient: Tensor) -> Tensor:
        """- H gradient by the two-loop recursion, algorithm 7.4; without a metric with the scaling of eq. (7.20)."""
        q = gradient.clone()
        shares = []
        for move, change in zip(reversed(self._moves), reversed(self._changes), strict=True):
            shares.append((move @ q) / (move @ change))
            q = q - shares[-1] * change
        if self._metric is not None:
            q = self._metric(q)
        elif self._moves:
            q = q * ((self._moves[-1] @ self._changes[-1]) / self._changes[-1].square().sum())
        for move, change in zip(self._moves, self._changes, strict=True):
            q = q + move * (shares.pop() - (change @ q) / (move @ change))
        return -q

    def remember(self, move: Tensor, change: Tensor, curvature: float) -> None:
        if has_curvature(move, change):
            self._moves = [*self._moves, move][-self._history :]
            self._changes = [*self._changes, change][-self._history :]

    def forget(self) -> None:
        self._moves = []
        self._changes = []

    def state(self) -> dict[str, Any]:
        return {"moves": [v.clone() for v in self._moves], "changes": [v.clone() for v in self._changes]}

    def restore(self, state: dict[str, Any]) -> None:
        self._moves = [v.clone() for v in state["moves"]]
        self._changes = [v.clone() for v in state["changes"]]


class _InverseHessian:
    """The matrix H, (n, n), or None for the identity that every run starts from: the memory of `SSBroyden`."""

    def __init__(self) -> None:
        self._inverse: Tensor | None = None

    @property
    def is_empty(self) -> bool:
        return self._inverse is None

    def direction(self, gradient: Tensor) -> Tensor:
        if self._inverse is None:
            return -gradient
        return -(self._inverse @ gradient)

    def remember(self, move: Tensor, change: Tensor, curvature: float) -> None:
        if not has_curvature(move, change):
            return
        is_first = self._inverse is None
        inverse = self._inverse
        if inverse is None:
            inverse = torch.eye(len(move), dtype=move.dtype, device=move.device)
        is_positive = update_(inverse, move, change, curvature, is_first=is_first)
        if is_positive:
            self._inverse = inverse
        else:
            self._inverse = None

    def forget(self) -> None:
        self._inverse = None

    def state(self) -> dict[str, Any]:
        return {"inverse": copy.deepcopy(self._inverse)}

    def restore(self, state: dict[str, Any]) -> None:
        self._inverse = copy.deepcopy(state["inverse"])


def has_curvature(move: Tensor, change: Tensor) -> bool:
    """Check that y's is positive beyond rounding, as the Wolfe conditions make it in exact arithmetic."""
    floor = torch.finfo(move.dtype).eps * float(move.norm()) * float(change.norm())
    return float(move @ change) > floor


def update_(inverse: Tensor, move: Tensor, change: Tensor, curvature: float, *, is_first: bool = False) -> bool:
    """Update an inverse Hessian (n, n) by the formula of `SSBroyden`, in place and in one pass over it.

    `move` and `change` (n,) are s and y with y's > 0, `curvature` is s'Bs: after a step along -H g of length a it is -a
    s'g, so that B is never needed. Before the first update H is the identity, which is scaled to the curvature of the
    first move. False where rounding has left H no longer positive definite; it is then useless.
    """
    product = inverse @ change
    # y's, y'Hy
    gain = float(change @ move)
    weight = float(change @ product)
    b = curvature / gain
    h = weight / gain
    if not (b > 0 and h > 0 and math.isfinite(b) and math.isfinite(h)):
        return False
    tau, phi = scaling(b, h, len(move), is_first=is_first)
    # The three rank-one terms in the basis (s, Hy).
    ss = phi * h / gain / tau + 1 / gain
    mixed = -phi / gain / tau
    pp = (phi - 1) / weight / tau
    if not all(math.isfinite(value) for value in (ss, mixed, pp)):
        return False
    pair = torch.stack((move, product), dim=1)
    inner = torch.tensor([[ss, mixed], [mixed, pp]], dtype=pair.dtype, device=pair.device)
    inverse.addmm_(pair @ inner, pair.mT, beta=1 / tau)
    return True


def scaling(b: float, h: float, size: int, *, is_first: bool = False) -> tuple[float, float]:
    """The factors tau and phi of `SSBroyden` from b = s'Bs / y's and h = y'Hy / y's, for `size` parameters."""
    rounding = torch.finfo(torch.float64).eps
    a = max(b * h - 1, rounding)  # not negative in exact arithmetic (Cauchy-Schwarz)
    lowest = min(1.0, max(h * (1 - math.sqrt(a / (1 + a))), rounding))
    theta = max((lowest - 1) / a, min(1 / lowest, (1 - b) / b))  # 0 is BFGS, 1 is DFP
    sigma = 1 + a * theta  # at least `lowest`
    phi = (1 - theta) / sigma
    # Before the first update H is the identity, and tau takes the scale of the loss from y: the counterpart of
    # 1/tau = y's / y'y for BFGS (Nocedal and Wright, eq. 6.20).
    if is_first:
        return h / sigma, phi
    spread = sigma ** (-1 / max(size - 1, 1))  # keeps the determinant
    shrink = min(1.0, 1 / b)
    if theta > 0:
        return shrink * min(spread, 1 / theta), phi
    return min(shrink * spread, sigma), phi

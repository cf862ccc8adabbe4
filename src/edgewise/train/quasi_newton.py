"""Quasi-Newton methods with a whole inverse Hessian, in float64: self-scaled Broyden, self-scaled BFGS, BFGS."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.lbfgs import has_curvature
from edgewise.train.line_search import LineSearchRun
from edgewise.train.methods import Method, check_count
from edgewise.train.objective import Objective

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

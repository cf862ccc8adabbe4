"""One training of a network on a problem: Levenberg-Marquardt, or another method, until steps gain little."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from edgewise.outcomes import StopReason
from edgewise.pde.problem.equation import PDE
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

STEPS = 200  # at most
SETTLED = 1e-2  # ends when ten steps lower the loss by less than this share: a finer network gains more
# Smooth parts of the error weigh as little as the grid size to the power of four beside rough ones in J'J: damping must
# be far below that, or they stay, and last derivatives with them that tell where to cut.
LEAST_DAMPING = 1e-12
# B-splines that barely reach into a disk or polygon are held by next to nothing but the damping: with less of it they
# run away, and the grid is refined where they are.
CUT_DAMPING = 1e-9


class Patience(NamedTuple):
    """A training also ends when `steps` steps in a row lower the loss by less than the share `slow` each."""

    slow: float
    steps: int


PATIENT = Patience(0.05, 3)
# Where everything is linear the first step solves it, but for rounding: a second one that doesn't halve the loss is no
# better than more knots.
HASTY = Patience(0.5, 1)


class _Watch:
    """Ends a fit whose steps gain little."""

    def __init__(self, patience: Patience):
        self.patience, self.last, self.slow = patience, math.inf, 0

    def __call__(self, event) -> bool:
        self.slow = self.slow + 1 if event.loss > (1 - self.patience.slow) * self.last else 0
        self.last = event.loss
        return self.slow >= self.patience.steps


@dataclass(frozen=True)
class Trained:
    """loss: the last one, infinite if it is no number; steps: that were made."""

    loss: float
    steps: int


def trained(
    network: nn.Module, problem: PDE, method: Method, steps: int = STEPS, patience: Patience = PATIENT
) -> Trained:
    """Trains a network in place. Ctrl-C raises KeyboardInterrupt."""
    report = fit(network, problem, method, steps=steps, tolerance=SETTLED, callbacks=[_Watch(patience)])
    if report.stopped is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    return Trained(report.loss if math.isfinite(report.loss) else math.inf, report.steps)


def linear_method(most: int, *, is_cut: bool = False) -> LevenbergMarquardt:
    """For networks that are linear in their parameters, at most so many: nearly Gauss-Newton from the first step on.

    is_cut: whether the domain cuts through cells of the grid.
    """
    damping = CUT_DAMPING if is_cut else LEAST_DAMPING
    return LevenbergMarquardt(damping=damping, acceleration=False, factorised=most)


def count(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

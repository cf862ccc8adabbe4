"""One training of a network on a problem, by Levenberg-Marquardt or another method, until steps gain little."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from edgewise.files.journal import Journal, Part
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.limits import Limits
from edgewise.pde.solver.network import count_parameters
from edgewise.pde.spaces.networks import chain_of
from edgewise.train.cost import EQUATION_COST, active_parameters
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import StepEvent
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems import Problem

NETWORK_STEPS = "steps of a network"  # the kind of work whose pace gives the time of a further stage
STEPS = 200  # largest number of steps: trainings end by tolerance or patience long before


@dataclass(frozen=True)
class TrainingSettings:
    """When a training ends, and damping of networks that are linear in their parameters."""

    # A training ends when ten steps together lower the loss by less than this share: a finer network gains more.
    tolerance: float = 1e-2
    # Damping for networks that are linear in their parameters. Smooth parts of the error weigh as little as the grid
    # size to the power of four beside rough ones in J'J: damping must be far below that, or they stay, and with them
    # wrong last derivatives, by which grids are refined.
    least_damping: float = 1e-12
    # The same where a domain cuts through cells of the grid. B-splines that barely reach into a disk or polygon are
    # determined by next to nothing but the damping: with less of it they run away, and the grid is refined where they
    # are.
    cut_damping: float = 1e-9


SETTINGS = TrainingSettings()


class Patience:
    """Callback that ends a training when several steps in a row lower the loss too little."""

    def __init__(self, least_gain: float, steps: int):
        self.least_gain = least_gain
        self.steps = steps
        self._last = math.inf
        self._slow = 0

    @classmethod
    def patient(cls) -> Patience:
        """Three steps that gain less than 5 % each end the training."""
        return cls(0.05, 3)

    @classmethod
    def hasty(cls) -> Patience:
        """One step that does not halve the loss ends the training.

        For linear problems and networks: the first step solves them but for rounding, and a second one that does not
        halve the loss is no better than more knots.
        """
        return cls(0.5, 1)

    def __call__(self, event: StepEvent) -> bool:
        if event.loss > (1 - self.least_gain) * self._last:
            self._slow = self._slow + 1
        else:
            self._slow = 0
        self._last = event.loss
        return self._slow >= self.steps


@dataclass(frozen=True)
class TrainingOutcome:
    """Result of a training."""

    loss: float  # last loss, infinite if it is not a number
    steps: int  # number of steps made


def train_network(
    network: nn.Module,
    problem: Problem,
    method: Method,
    steps: int = STEPS,
    patience: Callable[[StepEvent], bool] | None = None,
) -> TrainingOutcome:
    """Train a network in place. Ctrl-C raises KeyboardInterrupt, so that the solver can end with an earlier stage."""
    callbacks = [patience or Patience.patient()]
    report = fit(network, problem, method, steps=steps, tolerance=SETTINGS.tolerance, callbacks=callbacks)
    if not math.isfinite(report.loss):
        return TrainingOutcome(math.inf, report.steps)
    return TrainingOutcome(report.loss, report.steps)


class Trainer:
    """Trains networks within limits, and keeps every training in a journal, if there is one."""

    def __init__(self, limits: Limits, method: Method, journal: Journal | None = None):
        self.limits = limits
        self.method = method
        self.journal = journal

    def train(self, network: nn.Module, problem: Collocation, steps: int, patience: Patience) -> TrainingOutcome:
        """Train a network in place, or take the result from the journal, and count the work.

        The time limit ends a training, after at least one step.
        """
        limits = self.limits
        began = limits.seconds
        # Parameters by their names, and unknown coefficients by theirs, which a space sets apart.
        state = dict(network.state_dict()) | {f"unknown {name}": value for name, value in problem.unknowns.items()}
        recalled: Part | None = None
        if self.journal is not None:
            recalled = self.journal.recall("training")
        # A training that is not in the journal is made, and kept there; another one sets the parameters alone.
        if recalled is None:
            outcome = train_network(
                network, problem, self.method, steps, lambda event: patience(event) or limits.past_deadline
            )
            if self.journal is not None:
                arrays = {name: value.detach().numpy().copy() for name, value in state.items()}
                self.journal.keep("training", Part({"loss": outcome.loss, "steps": outcome.steps}, arrays))
        else:
            outcome = TrainingOutcome(float(recalled.facts["loss"]), recalled.facts["steps"])
            with torch.no_grad():
                for name, value in state.items():
                    value.copy_(torch.from_numpy(recalled.arrays[name]))
        # Work and pace, for forecasts.
        work = outcome.steps * solve_step_work(network, problem)
        limits.work += work
        limits.took(NETWORK_STEPS, work, limits.seconds - began)
        return outcome


def solve_step_work(network: nn.Module, problem: Collocation) -> float:
    """Work of one Levenberg-Marquardt step of a chain of layers, see `edgewise.train.cost`."""
    size = count_parameters(network)
    # integrals make rows of all parameters
    if problem.form.has_integrals:
        active = size
    else:
        active = active_parameters(chain_of(network))
    rows = sum(len(block.data) * (1 + 2 * block.order) for block in problem.blocks())
    return EQUATION_COST.levenberg_marquardt(rows, size, active)


def linear_method(most_parameters: int, *, is_cut: bool = False) -> LevenbergMarquardt:
    """Levenberg-Marquardt for networks that are linear in their parameters: nearly Gauss-Newton from the first step on.

    Matrices are factorised up to `most_parameters`; `is_cut` is whether the boundary cuts through cells of the grid.
    """
    damping = SETTINGS.least_damping
    if is_cut:
        damping = SETTINGS.cut_damping
    return LevenbergMarquardt(
        damping=damping, acceleration=False, factorised=most_parameters, least_gain=SETTINGS.tolerance
    )

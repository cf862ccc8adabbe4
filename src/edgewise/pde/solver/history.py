"""How far off the coefficients that were found from noisy data may be.

What `solve` keeps account of: work and time spent, stages, the best network so far, and how far off it may be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.pde.problem.equation import INTERIOR, PDE
from edgewise.pde.solver.network import described, grid_sizes
from edgewise.pde.solver.solution import CHUNK, Solution, Stage, field_values
from edgewise.pde.solver.training import count
from edgewise.train.jacobian import RowSource, trainable_slots

MEASURED = "Observations"  # blocks of measured values have names that begin so
FLOOR = 1e-13  # of the diagonal: what rounding leaves uncertain


def standard_errors(network: nn.Module, problem: PDE) -> Mapping[str, float]:
    """Of each unknown coefficient, from the scatter of the measured values; nothing where there are none.

    With H = 2 J'WJ of the whole loss at its minimum and J_m the rows of the measured values, of weight w and variance
    s^2, parameters scatter with the covariance H^-1 (2 w / N)^2 s^2 J_m'J_m H^-1 (the sandwich of P. Huber, "The
    behavior of maximum likelihood estimates under nonstandard conditions", 1967): equations have no noise.
    """
    blocks = [block for block in problem.blocks() if block.name.startswith(MEASURED)]
    if not blocks or not problem.unknowns or not hasattr(network, "layers"):
        return {}
    slots = trainable_slots(network, problem)
    matrix = RowSource(network, problem, slots).normal_equations().matrix.triu()
    matrix = matrix + matrix.triu(1).mT
    matrix.diagonal().add_(FLOOR * float(matrix.diagonal().max()))
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        return dict.fromkeys(problem.unknowns, math.nan)
    variances = dict.fromkeys(problem.unknowns, 0.0)
    for block in blocks:
        rows, residuals = RowSource(network, _Only(problem, replace(block, weight=1.0)), slots).in_full()
        count = len(block.data)
        rows, residuals = rows * (count / 2) ** 0.5, residuals * (count / 2) ** 0.5
        noise = float(residuals.square().sum()) / max(count - len(problem.unknowns), 1)
        for name in variances:
            unit = matrix.new_zeros(len(matrix))
            unit[slots.slots[f"unknowns.{name}"]] = 1.0
            along: Tensor = rows @ torch.cholesky_solve(unit[:, None], factor)[:, 0]
            variances[name] += (2 * block.weight / count) ** 2 * noise * float(along.square().sum())
    return {name: math.sqrt(variance) for name, variance in variances.items()}


class _Only:
    """A problem of one block."""

    def __init__(self, problem: PDE, block):
        self.unknowns, self._block = problem.unknowns, block

    def second_order_blocks(self):
        return (self._block,)


WORK = 4e11  # multiply-adds of a budget of 1: a few minutes at most on one core
FRESH = 2000  # points on which residuals and changes are judged


@dataclass(frozen=True)
class Arm:
    """A network, its problem with coefficients of its own, and the loss it has reached."""

    network: nn.Module
    problem: PDE
    loss: float = math.inf


class Account:
    """See above. budget: of work, 1 is `WORK`; time_limit: seconds, decides between stages only."""

    def __init__(self, problem: PDE, seed: int, budget: float, time_limit: float | None, progress: Callable | None):
        self.limit, self.time_limit, self.progress = budget * WORK, time_limit, progress
        self.work, self.began = 0.0, time.perf_counter()
        self.fresh = problem.domain.interior(FRESH, "sobol", seed=seed + 31)
        self.stages: list[Stage] = []
        self.best: Arm | None = None

    @property
    def late(self) -> bool:
        return self.time_limit is not None and time.perf_counter() - self.began > self.time_limit

    def spend(self, network: nn.Module, problem: PDE, steps: int) -> None:
        self.work += steps * step_work(network, problem)

    def tell(self, stage: str, loss: float) -> None:
        if self.progress is not None:
            self.progress(stage, min(self.work / self.limit, 1.0), math.sqrt(max(loss, 0.0)))

    def note(self, arm: Arm, points: int | None = None) -> None:
        """A stage is complete, and better than what was there. points: of all blocks, if not those of the problem."""
        before, self.best = self.best, arm
        change = math.nan
        if before is not None:
            new = field_values(arm.network, arm.problem, self.fresh)
            old = field_values(before.network, before.problem, self.fresh)
            change = float((new - old).norm() / new.norm().clamp(min=1e-300))
        stage = Stage(
            grid_size=grid_sizes(arm.network),
            parameters=count(arm.network) + len(arm.problem.unknowns),
            points=len(arm.problem.train) if points is None else points,
            loss=arm.loss,
            residual=residual_at(arm.network, arm.problem, self.fresh),
            change=change,
            seconds=round(time.perf_counter() - self.began, 3),
        )
        self.stages.append(stage)
        self.tell(described(arm.network), arm.loss)

    @property
    def estimate(self) -> float:
        """The last change is about the error of the stage before; the losses tell how much smaller the last one is."""
        if len(self.stages) < 2:
            return math.nan
        before, last = self.stages[-2:]
        return last.change * min(1.0, math.sqrt(last.loss / before.loss)) if before.loss > 0 else last.change

    def solution(self, stopped: str, message: str) -> Solution:
        best = self.best
        unknowns = {name: float(value.detach()) for name, value in best.problem.unknowns.items()}
        errors = standard_errors(best.network, best.problem)
        stages = tuple(self.stages)
        return Solution(best.network, best.problem, stages, unknowns, self.estimate, stopped, message, errors)

    def unfinished(self, why: str) -> str:
        """Why it ended, and which residual is largest."""
        losses, arm = {}, self.best
        with torch.no_grad():
            for block in arm.problem.blocks():
                value = sum(s * block.loss(arm.network, p, arm.problem.unknowns) for p, s in block.data.chunks(CHUNK))
                losses[block.name] = math.sqrt(float(value))
        worst = max(losses, key=losses.get)
        return f"{why}; the largest residual is that of {worst!r}, {losses[worst]:.1g} in units of an error."


def residual_at(network: nn.Module, problem: PDE, x: Tensor) -> float:
    """Root mean square of the equation's residual at other points x (N, n) of the domain, in units of an error."""
    elsewhere = problem.resampled(len(x), 16, interior=x)
    block = next(block for block in elsewhere.blocks() if block.name == INTERIOR)
    unknowns = {name: value.detach() for name, value in problem.unknowns.items()}
    with torch.no_grad():
        plain = replace(block, weight=1.0)
        return math.sqrt(sum(s * float(plain.loss(network, part, unknowns)) for part, s in block.data.chunks(CHUNK)))


def step_work(network: nn.Module, problem: PDE) -> float:
    """Multiply-adds, about, of one Levenberg-Marquardt step. Counted, never timed."""
    size, active = count(network), 0
    for layer in network.layers:
        if isinstance(layer, TensorLayer):
            active += layer.out_features * (layer.degree + 1) ** layer.in_features
        elif hasattr(layer, "degree"):
            active += layer.in_features * layer.out_features * (layer.degree + 1)
    if problem.has_integrals:  # rows in full
        active = size
    rows = sum(len(block.data) * (1 + 2 * block.order) for block in problem.blocks())
    return rows * (min(active**2, size**2 / 8) / 2 + 40 * active) + size**3 / 24

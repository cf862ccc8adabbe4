"""`solve`: a differential equation to an accuracy that it estimates itself, with nothing to choose."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.ops.bspline import MAX_DEGREE
from edgewise.pde.equation import INTERIOR, PDE
from edgewise.pde.network import (
    SeparableNetwork,
    described,
    fit_hidden_grids_,
    grid_sizes,
    network_for,
    refined,
    separable_network,
)
from edgewise.pde.solution import CHUNK, Solution, Stage, field_values
from edgewise.train.fit import fit
from edgewise.train.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods import Method, check_count, is_number

WORK = 1e11  # multiply-adds of a budget of 1: up to a minute or so on two cores
FIRST_GRID, FIRST_RANK = 5, 2  # of every coordinate; 20 intervals for functions of one variable
RACE_STEPS = 15
ROUNDS = 8  # of moving hidden grids, at most
STEPS = 200  # of a stage
SETTLED = 1e-2  # a stage ends when ten steps lower the loss by less than this share: the next one gains more
ROWS = 4  # residuals for each parameter
LEAST_POINTS = {1: 200}  # by dimension; else 1000
FRESH = 2000  # points on which residuals and changes are judged
ROUNDING = 1e-26  # of the loss, in units of a squared error of a solution of size 1
WORTHWHILE = 1.3  # stages that lower the loss by less than this factor, three in a row, end the refinement
STALLS = 3


@dataclass(frozen=True)
class Plan:
    """What `solve` was asked for, or chose. hidden: None for separable functions."""

    hidden: tuple | None
    grid_size: int
    degree: int
    method: Method
    starts: int
    seed: int


def solve(
    problem: PDE,
    *,
    hidden: Sequence | None = None,
    grid_size: int | None = None,
    degree: int | None = None,
    method: Method | None = None,
    starts: int = 2,
    budget: float = 1.0,
    time_limit: float | None = None,
    tolerance: float = 1e-10,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
) -> Solution:
    """Solves a differential equation.

    The fields are sums of separable functions, products of one spline of each coordinate, unless `hidden` asks for a
    KAN with these hidden layers (as problems with periodic coordinates get). Levenberg-Marquardt brings the loss down
    on a coarse grid, the best of a few starts goes on; then either every interval is halved or there are half as many
    terms again, whichever lowers the loss more, both without any change of the function; and so on, on fresh and more
    points, until two stages agree to `tolerance`, the loss falls no further, or the budget is spent. The hidden grids
    of a KAN follow the activations on the coarse grid and are only halved from there on. Splines have the highest
    degree, five: an equation of order m leaves them a residual that falls with the grid size to the power of 6 - m.

    Args:
        problem: the equation; its own points are not used.
        hidden: nodes of the hidden layers of a KAN, as (5,), or ((0, 4),) for four products.
        grid_size: of the coarsest grid.
        degree: of the splines.
        method: `LevenbergMarquardt()`; `SSBroyden()`, `LBFGS()` or `Adam()` as well.
        starts: how many.
        budget: work allowed; 1 is up to a minute or so on two cores.
        time_limit: seconds; decides between stages only.
        tolerance: of the estimated relative error.
        seed: of points and weights.
        progress: told of stage, share of the budget and root of the loss.

    Raises:
        InputError: an argument is not as above, or the order of the equation is above four.
    """
    plan = _planned(problem, hidden, grid_size, degree, method, starts, seed)
    for value, name in ((budget, "budget"), (1.0 if time_limit is None else time_limit, "time_limit")):
        if not (is_number(value) and value > 0):
            raise InputError(f"{name} must be a positive number, got {value!r}")
    if not (is_number(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance must be a number of at least 0, got {tolerance!r}")
    return _Run(problem, plan, budget * WORK, time_limit, tolerance, progress).solution()


def _planned(problem, hidden, grid_size, degree, method, starts, seed) -> Plan:
    if not isinstance(problem, PDE):
        raise InputError(f"problem must be a PDE, got {type(problem).__name__}")
    if problem.order > MAX_DEGREE - 1:
        raise InputError(f"the equation must be of order {MAX_DEGREE - 1} at most, got {problem.order}")
    degree = MAX_DEGREE if degree is None else degree
    check_count(degree, "degree")
    check_count(starts, "starts")
    check_count(seed, "seed", 0)
    if degree > MAX_DEGREE or problem.order > degree - 1:
        raise InputError(
            f"degree must be {problem.order + 1} to {MAX_DEGREE} for an equation of order {problem.order}, got {degree}"
        )
    dimension = problem.domain.dimension
    grid_size = (FIRST_GRID if dimension > 1 else 4 * FIRST_GRID) if grid_size is None else grid_size
    check_count(grid_size, "grid_size")
    if hidden is None and problem.periodic:
        hidden = (5 + dimension,)
    if hidden is None and dimension == 1:
        hidden = ()
    shape = None if hidden is None else tuple(hidden)
    return Plan(shape, grid_size, degree, method or LevenbergMarquardt(), 1 if shape == () else starts, seed)


class _Clock:
    """Work and time spent."""

    def __init__(self, limit: float, time_limit: float | None, progress):
        self.limit, self.time_limit, self.progress = limit, time_limit, progress
        self.work, self.began = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    @property
    def late(self) -> bool:
        return self.time_limit is not None and self.seconds > self.time_limit

    def tell(self, stage: str, loss: float) -> None:
        if self.progress is not None:
            self.progress(stage, min(self.work / self.limit, 1.0), math.sqrt(max(loss, 0.0)))


@dataclass(frozen=True)
class _Arm:
    """A network, its problem with coefficients of its own, and the loss it has reached."""

    network: nn.Module
    problem: PDE
    loss: float = math.inf


class _Run:
    """One solution at work."""

    def __init__(self, problem: PDE, plan: Plan, limit: float, time_limit: float | None, tolerance: float, progress):
        self.problem, self.plan, self.tolerance = problem, plan, tolerance
        self.clock = _Clock(limit, time_limit, progress)
        self.fresh = problem.domain.interior(FRESH, "sobol", seed=plan.seed + 31)
        self.stages: list[Stage] = []
        self.best: _Arm | None = None

    def solution(self) -> Solution:
        self._note(self._settled(min(map(self._started, range(self.plan.starts)), key=lambda arm: arm.loss)))
        try:
            stopped, message = self._grown()
        except KeyboardInterrupt:
            stopped, message = "interrupted", "Interrupted; the solution is that of the last complete stage."
        best = self.best
        unknowns = {name: float(value.detach()) for name, value in best.problem.unknowns.items()}
        stages = tuple(self.stages)
        return Solution(best.network, best.problem, stages, unknowns, self._estimate(), stopped, message)

    def _started(self, number: int) -> _Arm:
        plan = self.plan
        seed = plan.seed + 1000 * number
        if plan.hidden is None:
            network = separable_network(self.problem, FIRST_RANK, plan.grid_size, plan.degree, seed)
        else:
            network = network_for(self.problem, plan.hidden, plan.grid_size, plan.degree, seed)
        arm = _Arm(network, self._sampled(self.problem, network))
        for _ in range(3):
            fit_hidden_grids_(network, arm.problem.train.x)
            arm = self._trained(arm, RACE_STEPS)
        self.clock.tell(f"start {number + 1}: {described(network)}", arm.loss)
        return arm

    def _sampled(self, problem: PDE, network: nn.Module) -> PDE:
        """The problem at as many points as the network needs, with coefficients of its own."""
        least = LEAST_POINTS.get(problem.domain.dimension, 1000)
        sampled = problem.resampled(max(least, ROWS * _count(network)), seed=self.plan.seed + len(self.stages))
        sampled.unknowns = {
            name: nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)
            for name, value in problem.unknowns.items()
        }
        return sampled

    def _settled(self, arm: _Arm) -> _Arm:
        """The coarse grid to the end, with hidden grids moved while activations leave them."""
        for _ in range(ROUNDS):
            if not fit_hidden_grids_(arm.network, arm.problem.train.x):
                break
            arm = self._trained(arm, RACE_STEPS)
        return self._trained(arm, STEPS)

    def _trained(self, arm: _Arm, steps: int) -> _Arm:
        report = fit(arm.network, arm.problem, self.plan.method, steps=steps, tolerance=SETTLED)
        self.clock.work += report.steps * step_work(arm.network, arm.problem)
        if report.stopped == "interrupted":
            raise KeyboardInterrupt
        return replace(arm, loss=report.loss if math.isfinite(report.loss) else math.inf)

    def _grown(self) -> tuple[str, str]:
        """Finer grids or more terms while it pays; says why it ended."""
        stalls = 0
        while True:
            estimate = self._estimate()
            if estimate <= self.tolerance:
                return "converged", f"Two stages agree to {estimate:.1g}, within the tolerance."
            if self.best.loss < ROUNDING:
                return "converged", "The loss is at rounding."
            arms = [_Arm(network, self._sampled(self.best.problem, network)) for network in self._larger()]
            cost = sum(STEPS / 8 * step_work(arm.network, arm.problem) for arm in arms)
            if self.clock.work + cost > self.clock.limit:
                return "budget", _unfinished(self.best, "The budget is spent")
            if self.clock.late:
                return "time", _unfinished(self.best, "The time is over")
            arms = [self._trained(arm, STEPS if len(arms) == 1 else 2 * RACE_STEPS) for arm in arms]
            arm = min(arms, key=lambda arm: arm.loss)
            if len(arms) > 1:
                arm = self._trained(arm, STEPS)
            before = self.best.loss
            stalls = stalls + 1 if arm.loss * WORTHWHILE > before else 0
            if arm.loss < before:
                self._note(arm)
            if stalls == STALLS or (arm.loss >= before and len(arms) == 1):
                return "no_progress", _unfinished(self.best, "Larger networks lowered the loss no further")

    def _larger(self) -> list[nn.Module]:
        """What may come next, each with the function of the best so far."""
        network = self.best.network
        larger = [refined(network, 2)]
        if isinstance(network, SeparableNetwork):
            rank = network.rank + max(1, network.rank // 2)
            larger.append(network.with_rank(rank, self.plan.seed + 17 * len(self.stages)))
        return larger

    def _note(self, arm: _Arm) -> None:
        before, self.best = self.best, arm
        change = math.nan
        if before is not None:
            new = field_values(arm.network, arm.problem, self.fresh)
            old = field_values(before.network, before.problem, self.fresh)
            change = float((new - old).norm() / new.norm().clamp(min=1e-300))
        stage = Stage(
            grid_size=grid_sizes(arm.network),
            parameters=_count(arm.network) + len(arm.problem.unknowns),
            points=sum(len(block.data) for block in arm.problem.blocks()),
            loss=arm.loss,
            residual=residual_at(arm.network, arm.problem, self.fresh),
            change=change,
            seconds=round(self.clock.seconds, 3),
        )
        self.stages.append(stage)
        self.clock.tell(described(arm.network), arm.loss)

    def _estimate(self) -> float:
        """The last change is about the error of the stage before; the losses tell how much smaller the last one is."""
        if len(self.stages) < 2:
            return math.nan
        before, last = self.stages[-2:]
        return last.change * min(1.0, math.sqrt(last.loss / before.loss)) if before.loss > 0 else last.change


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
    count, splines = _count(network), [layer for layer in network.layers if hasattr(layer, "degree")]
    active = sum(layer.in_features * layer.out_features * (layer.degree + 1) for layer in splines)
    rows = sum(len(block.data) * (1 + 2 * block.order) for block in problem.blocks())
    return rows * (min(active**2, count**2 / 8) / 2 + 40 * active) + count**3 / 24


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _unfinished(arm: _Arm, why: str) -> str:
    """Why it ended, and which residual is largest."""
    losses = {}
    with torch.no_grad():
        for block in arm.problem.blocks():
            value = sum(s * block.loss(arm.network, p, arm.problem.unknowns) for p, s in block.data.chunks(CHUNK))
            losses[block.name] = math.sqrt(float(value))
    worst = max(losses, key=losses.get)
    return f"{why}; the largest residual is that of {worst!r}, {losses[worst]:.1g} in units of an error."

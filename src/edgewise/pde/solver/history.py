"""History of a solve: work and time spent, the stages, the best network so far, and error estimates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.errors import InputError, SolutionWarning, warn_caller
from edgewise.files import Journal, Part
from edgewise.nn.layers.base import Chain
from edgewise.nn.prediction import BATCH_ROWS
from edgewise.outcomes import Deadline, OutOfTime, Progress, ProgressCallback, StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.judging.correction import CORRECTION_OF_SLABS, CORRECTION_WORK
from edgewise.pde.solver.judging.evidence import LARGEST_RESIDUAL, Evidence, judge
from edgewise.pde.solver.judging.residuals import Sought, residual_size, sought_points
from edgewise.pde.solver.judging.uniqueness import squared_residuals, undefined_beyond
from edgewise.pde.solver.network import count_parameters
from edgewise.pde.solver.restated import until
from edgewise.pde.solver.solution import Solution, Stage, field_values
from edgewise.pde.solver.training import STEPS, Patience, TrainingOutcome, train_network
from edgewise.pde.spaces.networks import SlabNetwork, SolverNetwork, TensorNetwork, described, grid_sizes
from edgewise.pde.tiers.tensor_train.network import LowRankNetwork
from edgewise.settings import ABOVE_ZERO, EQUATION_BUDGET_WORK
from edgewise.train.cost import EQUATION_COST, WorkBudget, active_parameters
from edgewise.train.methods.base import Method
from edgewise.train.problems.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.tiers.evolution.stepper import TimeIntegration, TimeStepper

NETWORK_STEPS = "steps of a network"  # the kind of work whose pace gives the time of a further stage
UNKNOWN = "unknown "  # before the names of unknown coefficients beside those of parameters
FRESH_POINTS = 2000  # points at which residuals and changes are measured: two digits of a root mean square
# Stages whose ratio of change and residual counts for networks that may rest at a poor minimum.
REMEMBERED = 3
# Largest factor from one change to the next that is taken for a rate of convergence: above it is noise.
SLOWEST_FALL = 0.9
# Largest residual that is found, relative to the mean, of a solution that is smooth in time: it is about 1.
UNEVEN = 1e3
# Largest factor by which a pass through time with a hundredth of the tolerance is believed to be better: 7 to 50 were
# measured on equations with known solutions.
FALL_OF_PASSES = 20.0
LEAST_BEGINNING = 1e-2  # of the time: shorter beginnings of passes are no evidence, and give way
SHARPER_MARCH = 100.0  # a pass through time has so much less of a tolerance than the one before
# A difference of two passes through time is extrapolated to at most this multiple of the time in which it was seen.
# Measured: to ten times that time it is no evidence.
LONGEST_FOLLOWED = 2.0
COMPARED_POINTS = 256  # at a moment, at which two passes through time are compared
MOST_GROWTH = 700.0  # logarithm of the largest factor that float64 holds
ROUNDING = 1e-16  # no estimate is below it: relative rounding of float64
CORRECTION_SHARE = 0.1  # of the work so far, for the equation of the error: it costs a step of a stage
CORRECTION_PACE = 1e9  # its multiply-adds in a second, a third of those of `StepCost`: it also evaluates residuals
# Share and most seconds of a time limit that are left for the judgement; seconds beyond it for a first result, so that
# a short limit has one; and seconds for the judgement after Ctrl-C: a judgement takes a tenth of a second to some
# seconds, and nobody waits for more than a few after Ctrl-C.
RESERVED_SHARE = 0.15
MOST_RESERVED = 5.0
FIRST_GRACE = 0.25
INTERRUPTED_SECONDS = 1.0
# Factor by which the estimate from all evidence may exceed the tolerance once two solutions agree to it: it holds parts
# that are bounds, not errors.
UNLIKE = 10.0
LOWERED = 0.9  # share of the residual of a grid below which a finer one counts as having lowered it
SEARCH_OF_FRESH = 3.0  # the search for large residuals has so many times the fresh points, in one to three dimensions
FRESH_SEED = 31  # added to the seed of the solve, so that these points are not among those of the training

WHY_EARLY = {
    StopReason.NO_PROGRESS: "Slabs of time became too short, as where a solution blows up or jumps: it ends",
    StopReason.BUDGET: "The budget was spent before the last moment, which needs a larger one: the solution ends",
    StopReason.TIME_LIMIT: "The time was over before the last moment: the solution ends",
    StopReason.INTERRUPTED: "Interrupted before the last moment: the solution ends",
}


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, its problem with unknown coefficients of its own, the loss that it has reached, and the method."""

    network: SolverNetwork
    problem: Collocation
    loss: float = math.inf
    tier: str = "network"


class History(WorkBudget):
    """Record of a solve."""

    def __init__(
        self,
        problem: Collocation,
        seed: int = 0,
        budget: float = 1.0,
        time_limit: float | None = None,
        progress: ProgressCallback | None = None,
        journal: Journal | None = None,
    ):
        self.seed = seed
        self.remark = ""
        self.separation = 0.0
        self._divergence = math.nan  # of the only stage from one that ends earlier
        self._of_beginning = 0.0  # the same for one that ends in the first half of the time
        super().__init__(budget * EQUATION_BUDGET_WORK, time_limit, progress)
        self.has_result, self.deadline, self._is_judging = False, Deadline(self.seconds_left), False
        self.journal = journal
        self.began -= 0.0 if journal is None else journal.earlier_seconds
        self._evidence: Evidence | None = None
        self._sought: tuple[Sought, float] | None = None
        self._has_stalled, self._whole_bounds = False, problem.domain.bounds
        self._draw_points(problem)
        self.stages: list[Stage] = []
        self._beginning: tuple[TrainedNetwork, list[Stage]] | None = None  # of a pass that gave way
        self.aside: tuple[TrainedNetwork, list[Stage]] | None = None
        self.best: TrainedNetwork | None = None

    @property
    def past_deadline(self) -> bool:
        """True once the time for the solve is over, which leaves some of the limit for its judgement."""
        return self.time_limit is not None and self.seconds > self.time_limit - self._reserved

    @property
    def _reserved(self) -> float:
        if self.time_limit is None:
            return 0.0
        return min(RESERVED_SHARE * self.time_limit, MOST_RESERVED)

    def seconds_left(self) -> float:
        """Seconds until no further part of the work begins: more for a first result, and for the judgement."""
        if self.time_limit is None:
            return math.inf
        if self._is_judging:
            beyond = 0.0
        elif self.has_result:
            beyond = -self._reserved
        else:
            beyond = FIRST_GRACE
        return self.time_limit + beyond - self.seconds

    def work_within_reach(self, work: float, seconds: float) -> float:
        """Most work of the solve that the budget and the time allow, at the pace since so much work and seconds."""
        passed = self.seconds - seconds
        if self.time_limit is None or not (self.work > work and passed > 0):
            return self.limit
        left = max(self.time_limit - self._reserved - self.seconds, 0.0)
        return min(self.limit, self.work + (self.work - work) / passed * left)

    def nothing_in_time(self, problem: Collocation) -> InputError:
        """The error of a time limit that is over before there is anything to return."""
        what = "for a solution on the first grid"
        axis = problem.form.time
        if axis is not None and not problem.form.smoothed_fields:
            begin = float(problem.domain.bounds[axis, 0])
            what = f"to go beyond the first moment, {problem.domain.coordinates[axis]} = {begin:g}"
        return InputError(f"time_limit must be long enough {what}, got {self.time_limit:g} s")

    def hurry(self) -> None:
        """After Ctrl-C: leave the judgement a second."""
        soon = self.seconds + INTERRUPTED_SECONDS
        if self.time_limit is None:
            self.time_limit = soon
        else:
            self.time_limit = min(self.time_limit, soon)

    @contextmanager
    def _judged_in_time(self) -> Iterator[None]:
        self._is_judging = True
        try:
            with self.deadline.holds():
                yield
        finally:
            self._is_judging = False

    def train(
        self,
        network: nn.Module,
        problem: Collocation,
        method: Method,
        steps: int = STEPS,
        patience: Patience | None = None,
    ) -> TrainingOutcome:
        """Train a network in place, or take the result from the journal, and count the work.

        The time limit ends a training, after at least one step.
        """
        began = self.seconds
        state = dict(network.state_dict()) | {f"{UNKNOWN}{name}": value for name, value in problem.unknowns.items()}
        if self.journal is None:
            known = None
        else:
            known = self.journal.recall("training")
        if known is None:
            own = Patience.patient() if patience is None else patience
            outcome = train_network(network, problem, method, steps, lambda event: own(event) or self.past_deadline)
            if self.journal is not None:
                arrays = {name: value.detach().numpy().copy() for name, value in state.items()}
                self.journal.keep("training", Part({"loss": outcome.loss, "steps": outcome.steps}, arrays))
        else:
            outcome = TrainingOutcome(float(known.facts["loss"]), known.facts["steps"])
            with torch.no_grad():
                for name, value in state.items():
                    value.copy_(torch.from_numpy(known.arrays[name]))
        work = outcome.steps * solve_step_work(network, problem)
        self.spend(work)
        self.deadline.took(NETWORK_STEPS, work, self.seconds - began)
        return outcome

    def ends_in_time(self, work: float) -> bool:
        """Return whether so many multiply-adds would end before the time limit, at the speed of the last training."""
        return (
            self.time_limit is None or self.seconds + self.deadline.seconds_for(NETWORK_STEPS, work) <= self.time_limit
        )

    @property
    def exhausted(self) -> tuple[StopReason, str] | None:
        """The reason to end and a clause, where the budget or the time is over; None where there is some of both."""
        if self.work > self.limit:
            return StopReason.BUDGET, "The budget is spent"
        if self.past_deadline:
            return (StopReason.TIME_LIMIT, "The time is over")
        return None

    def report_progress(self, stage: str, loss: float) -> None:
        """Pass a `Progress` to the callback, if there is one."""
        if self.progress is not None:
            best_loss = None if self.best is None else self.best.loss
            self.progress(Progress(stage, min(self.work / self.limit, 1.0), loss, best_loss, self.seconds))

    def add_stage(self, result: TrainedNetwork, points: int | None = None) -> None:
        """Record a complete stage, which becomes the best one.

        `points` is the number of collocation points, if it is not that of the problem.
        """
        before = self.best
        self.best = result
        self.has_result = True
        if before is not None and not torch.equal(before.problem.domain.bounds, result.problem.domain.bounds):
            self._beginning = (before, self.stages)
            before = None
            self.stages = []
            self._draw_points(result.problem)
        self._evidence = None
        self._sought = None
        self._has_stalled = False
        change = math.nan
        if before is not None:
            new = field_values(result.network, result.problem, self.fresh_points)
            old = field_values(before.network, before.problem, self.fresh_points)
            change = float((new - old).norm() / new.norm().clamp(min=ABOVE_ZERO))
        stage = Stage(
            grid_size=grid_sizes(result.network),
            parameters=count_parameters(result.network) + len(result.problem.unknowns),
            points=result.problem.point_count if points is None else points,
            loss=result.loss,
            residual=self._residual_at_fresh(result),
            change=change,
            seconds=round(self.seconds, 3),
        )
        self.stages.append(stage)
        self.report_progress(described(result.network), result.loss)

    def _residual_at_fresh(self, result: TrainedNetwork) -> float:
        """Root mean square of the residual at the fresh points, which serve for the judgement if there is no time."""
        began = self.seconds
        squares = squared_residuals(result.network, result.problem, self.fresh_points)
        self._fresh = Sought(self.fresh_points, torch.full_like(squares, 1 / len(squares)), squares)
        self._fresh_seconds = self.seconds - began
        return float(squares.mean().sqrt())

    def add_stage_before(self, result: TrainedNetwork, points: int) -> None:
        """Record a coarser solution as the stage before the only one, so that the two are compared."""
        finer = self.best
        only = self.stages.pop()
        sought = self._sought
        assert finer is not None and not self.stages
        self.best = None
        self.add_stage(result, points)
        self.add_stage(finer, only.points)
        self._sought = sought

    def passed(self, problem: Collocation, stepper: TimeStepper, stop: list[StopReason]) -> TimeIntegration | None:
        """Result of a pass through time, as far as it came; `stop` gets why a limit or Ctrl-C ended it.

        Where these leave nothing to return, an InputError about the time limit, or Ctrl-C itself, is raised; where
        another solution is set aside, it is what they raised themselves.
        """
        try:
            return stepper.run()
        except (KeyboardInterrupt, OutOfTime) as error:
            is_late, result = isinstance(error, OutOfTime), stepper.result()
            stop.append(StopReason.TIME_LIMIT if is_late else StopReason.INTERRUPTED)
            if self.best is None and self.aside is not None:
                raise
            if result is None and self.best is None:
                raise (self.nothing_in_time(problem) if is_late else error) from None
            return result

    def ended_early(self, problem: Collocation, integration: TimeIntegration, loss: float, reason: StopReason) -> str:
        """Record the only pass through time, up to the moment that it reached, and return a clause about it."""
        axis = problem.form.time
        why = WHY_EARLY[reason]
        assert axis is not None
        shorter = until(problem, axis, integration.reached)
        self._draw_points(shorter)
        self.add_stage(TrainedNetwork(integration.network, shorter, loss, integration.tier), integration.points)
        if reason is StopReason.NO_PROGRESS:
            x = self.fresh_points.clone()
            x[:, axis] = integration.reached
            beyond = undefined_beyond(integration.network, shorter, x)
            if beyond:
                why = f"{beyond}: the solution ends"
        return f"{why} at {problem.domain.coordinates[axis]} = {integration.reached:.6g}"

    def begun(
        self, problem: Collocation, integration: TimeIntegration, loss: float, reason: StopReason, *, gives_way: bool
    ) -> tuple[StopReason, str] | None:
        """Record the only integration in time; return the stop reason and a sentence, or None if it hardly began.

        With `gives_way` the result is also None where it goes wrong within the first hundredth of the time, so that
        another method can follow.
        """
        axis = problem.form.time
        domain = problem.domain
        clause = self.ended_early(problem, integration, loss, reason)
        assert axis is not None
        is_short = integration.reached - float(domain.bounds[axis, 0]) < LEAST_BEGINNING * float(domain.size[axis])
        if gives_way and is_short and not self.past_deadline and self.evidence().estimate > LARGEST_RESIDUAL:
            self.remark = (
                f"slabs of time reached no further than {domain.coordinates[axis]} = {integration.reached:.6g}"
            )
            return None
        return reason, self.message_with_residual(clause)

    def _draw_points(self, problem: Collocation) -> None:
        """Fresh points in the domain of a problem, which may end earlier than the whole one."""
        self.fresh_points = problem.domain.interior(FRESH_POINTS, "sobol", seed=self.seed + FRESH_SEED)

    def returned_to(self, best: TrainedNetwork, stages: int, has_stalled: bool = False) -> None:
        """Take an earlier network for the best one again, and forget the stages after the first so many.

        Where finer grids were no better, or had no solution, `has_stalled`, the error no longer falls as residuals do.
        """
        if self._beginning is not None and best is self._beginning[0]:
            self.stages = self._beginning[1]
            self._draw_points(best.problem)
        self.stages = self.stages[:stages]
        self._has_stalled = has_stalled
        if best is not self.best or has_stalled:
            self.best = best
            self._evidence = None
            self._sought = None
            self._residual_at_fresh(best)

    def set_aside(self) -> None:
        """Begin again with another method, until `take_back` returns to the best network so far."""
        assert self.best is not None
        self.aside = self.best, self.stages
        self.stages = []
        self.best = None
        self._evidence = None
        self._sought = None

    def take_back(self) -> None:
        """Return to the best network that was set aside."""
        assert self.aside is not None
        (best, self.stages), self.aside, self._divergence = self.aside, None, math.nan
        self.returned_to(best, len(self.stages))

    def compare_beginning(self, network: nn.Module, reached: float) -> None:
        """Estimate the error of the only stage, a pass through time, from another that ends at an earlier moment.

        Their difference is followed to the last moment: it grows on by the same factor in the same time where it more
        than doubled in the second half of the common time, as in chaotic problems, and by the same power of time
        elsewhere. It stays where it fell, as after a start that jumps. A beginning shorter than half of the time is
        no evidence for what follows: the error is at least what it is there.
        """
        if len(self.stages) != 1 or self.best is None:
            return
        domain = self.best.problem.domain
        axis = self.best.problem.form.time
        assert axis is not None
        begin, end = domain.bounds[axis].tolist()
        x = self.fresh_points[:COMPARED_POINTS].clone()
        gaps = []
        for share in (0.5, 1.0):
            x[:, axis] = begin + share * (reached - begin)
            new, old = (field_values(each, self.best.problem, x) for each in (network, self.best.network))
            gaps.append(float((new - old).norm() / new.norm().clamp(min=ABOVE_ZERO)))
        half, whole = gaps
        times = (end - begin) / (reached - begin)
        self._evidence = None
        if times > LONGEST_FOLLOWED:
            self._of_beginning = max(gaps)
            return
        growth = whole / max(half, ABOVE_ZERO)
        if growth > 2:
            exponent = 2 * (times - 1) * math.log(growth)
        else:
            exponent = math.log2(max(growth, 1.0)) * math.log(times)
        self._divergence = max(min(whole * math.exp(min(exponent, MOST_GROWTH)), 1.0), ROUNDING)

    @property
    def sought(self) -> Sought:
        """Fresh points for the best network, see `sought_points`; once for each stage."""
        return self._search()[0]

    def _search(self) -> tuple[Sought, float]:
        """Points of a worst-case search, and the size of the residual there."""
        if self._sought is None:
            assert self.best is not None
            with self._judged_in_time():
                is_long = self.seconds_left() < SEARCH_OF_FRESH * self._fresh_seconds
                if is_long:
                    points = self._fresh
                else:
                    points = sought_points(self.best.network, self.best.problem, self.seed)
            self._sought = points, residual_size(self.best.network, self.best.problem, points)
        return self._sought

    @property
    def fresh_residual(self) -> float:
        """Mean residual of the best network at the points that were sought for it; infinity before the first stage."""
        return math.inf if self.best is None else self._search()[1]

    def residual_of(self, result: TrainedNetwork) -> float:
        """Mean residual of another network at those fresh points that were sought for the best one; see `judge`."""
        points = self.sought._replace(squares=squared_residuals(result.network, result.problem, self.sought.x))
        residual = residual_size(result.network, result.problem, points)
        return residual if math.isfinite(residual) else math.inf

    @property
    def error_estimate(self) -> float:
        """Estimate of the relative error of the last stage from the stages; nan where there is nothing to compare.

        The last change is about the error of the stage before, and residuals at fresh points fall as the error does or
        more slowly. Where a network may rest at a poor minimum, so that its last change is too small, the largest ratio
        of change and residual of the last stages counts. A grid that leaves the residual was not finer where the error
        comes from, so that its change is little evidence: the last one that lowered the residual counts as well. Where
        finer grids were no better the last change itself counts. Beside a corner residuals fall faster than errors:
        changes that fall by a constant factor q from stage to stage leave q / (1 - q) times the last one. The residual
        of a sharper pass through time falls faster than its error, which grows from slab to slab; one that stays large
        at a place, as where the start contradicts the boundary, leaves an error that need not fall.
        """
        if len(self.stages) < 2:
            return self._divergence
        assert self.best is not None
        is_linear = isinstance(self.best.network, TensorNetwork | SlabNetwork | LowRankNetwork)
        pairs = list(pairwise(self.stages))[-REMEMBERED:]
        if is_linear:
            lowered = [pair for pair in pairs if pair[1].residual < LOWERED * pair[0].residual]
            pairs = lowered[-1:] + pairs[-1:]
        ratios = [after.change / before.residual for before, after in pairs if before.residual > 0]
        last = self.stages[-1]
        before = self.stages[-2]
        by_residual = max(after.change for _, after in pairs)
        if not self._has_stalled:
            by_residual = min(max(ratios, default=0.0) * last.residual, by_residual)
        if isinstance(self.best.network, SlabNetwork):
            is_even = self.fresh_residual <= UNEVEN * last.residual
            by_residual = max(by_residual, last.change / (fall_of_pass(before.loss / last.loss) if is_even else 1))
        if before.change > 0:
            fall = min(last.change / before.change, SLOWEST_FALL)
        else:
            fall = 0.0
        return max(by_residual, last.change * fall / (1 - fall) if is_linear else 0.0, self._separation, ROUNDING)

    @property
    def _separation(self) -> float:
        if self.best is not None and isinstance(self.best.network, LowRankNetwork):
            return self.separation
        return 0.0

    def evidence(self) -> Evidence:
        """Judgement of the best network, see `judge`; made once for each stage."""
        assert self.best is not None
        if self._evidence is None:
            points = self.sought
            has_slabs = isinstance(self.best.network, SlabNetwork)
            work = max(CORRECTION_SHARE * min(self.work, self.limit), CORRECTION_WORK)
            if has_slabs:
                work = max(work, CORRECTION_OF_SLABS)
            with self._judged_in_time():
                self._evidence = judge(
                    self.best.network,
                    self.best.problem,
                    change=self.error_estimate if len(self.stages) == 1 else self.stages[-1].change,
                    estimate=self.error_estimate,
                    work=min(work, CORRECTION_PACE * self.seconds_left()),
                    points=points,
                )
            if len(self.stages) == 1 and has_slabs and math.isnan(self._divergence):
                # Residuals are those of all moments in the mean, and say little of errors that grow towards the last.
                check = f"the only pass through time had a tolerance of {self.best.loss:.1g}"
                known = min(self.best.loss, self._evidence.bound)
                estimate = max(self._evidence.estimate, known, self._of_beginning)
                self._evidence = replace(self._evidence, checks=(*self._evidence.checks, check), estimate=estimate)
            if self._separation:
                check = f"sources and conditions, written as sums of products, are off by {self._separation:.1g}"
                self._evidence = replace(self._evidence, checks=(*self._evidence.checks, check))
        return self._evidence

    def judged(self, evidence: Evidence) -> None:
        """Take over the judgement of the best network, where it is not `judge` that makes it."""
        self._evidence = evidence

    def doubt(self, sentence: str, *, only_first: bool = False) -> str:
        """Doubt the best network, whose error is unknown then, perhaps only if nothing else does; a last sentence.

        It takes the place of other doubts, for at a fold no solution is unique; surplus conditions are named too.
        """
        assert self.best is not None
        found = self.evidence()
        if found.is_sound or not only_first:
            others = found.doubts if self.best.problem.form.surplus else ()
            self._evidence = replace(found, doubts=(*others, sentence), estimate=max(found.estimate, 1.0))
        return self.message_with_residual("A finer grid would not help")

    def solution(self, stopped: StopReason, message: str) -> Solution:
        """The best network as a `Solution`; where there are doubts it has not converged.

        A solution that is not to be trusted, or that ends before the last moment, is announced by a warning.
        """
        assert self.best is not None
        network = self.best.network
        problem = self.best.problem
        evidence = self.evidence()
        if self.remark:
            evidence = replace(evidence, checks=(*evidence.checks, self.remark))
            message = f"{message} {self.remark[0].upper()}{self.remark[1:]}."
        if evidence.doubts:
            if stopped is StopReason.CONVERGED:
                stopped = StopReason.NO_PROGRESS
            message = " ".join([*evidence.doubts, message])
        if evidence.doubts or not torch.equal(problem.domain.bounds, self._whole_bounds):
            warn_caller(message, SolutionWarning)
        return Solution(
            model=network,
            problem=problem,
            stages=tuple(self.stages),
            unknowns={name: float(value.detach()) for name, value in problem.unknowns.items()},
            error_estimate=evidence.whole_estimate,
            stopped=stopped,
            message=message,
            standard_errors=evidence.standard_errors,
            trust=evidence.trust,
            tier=self.best.tier,
        )

    def message_with_residual(self, reason: str) -> str:
        """A sentence: the reason of the end, and the largest residual of the best network."""
        assert self.best is not None
        network = self.best.network
        problem = self.best.problem
        losses = {}
        with torch.no_grad():
            for block in problem.blocks():
                if block.role is BlockRole.EQUATION:
                    losses[block.name] = float(self._fresh.squares.mean().sqrt())
                    continue
                value = sum(
                    s * float(block.loss(network, p, problem.unknowns)) for p, s in block.data.chunks(BATCH_ROWS)
                )
                losses[block.name] = math.sqrt(value)
        worst = max(losses, key=lambda name: losses[name])
        return f"{reason}; the largest residual is that of {worst!r}, {losses[worst]:.1g} in units of the field."


def solve_step_work(network: nn.Module, problem: Collocation) -> float:
    """Work of one Levenberg-Marquardt step of a chain of layers, see `edgewise.train.cost`."""
    assert isinstance(network, Chain)
    size = count_parameters(network)
    # integrals make rows of all parameters
    if problem.form.has_integrals:
        active = size
    else:
        active = active_parameters(network)
    rows = sum(len(block.data) * (1 + 2 * block.order) for block in problem.blocks())
    return EQUATION_COST.levenberg_marquardt(rows, size, active)


def fall_of_pass(sharper: float) -> float:
    """Largest factor by which a pass through time whose tolerance is so many times sharper is believed to be better."""
    return FALL_OF_PASSES ** min(max(math.log(sharper) / math.log(SHARPER_MARCH), 0.0), 1.0)

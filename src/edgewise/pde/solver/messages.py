"""Sentences about a solve: why it ended, how far it came, and what is off."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from edgewise.errors import InputError, SolutionWarning, warn_caller
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.outcomes import StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.strong_form import StrongForm
from edgewise.pde.solver.judging.uniqueness import undefined_beyond
from edgewise.pde.solver.limits import Ending, Limits
from edgewise.pde.solver.solution import Solution
from edgewise.presentation import as_sentence, typed_text
from edgewise.train.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.solver.record import Record


class Clause(StrEnum):
    """Why a tier ended, or a remark beside it; a clause that needs no residual beside it ends with a full stop."""

    NOT_FINER = "A finer grid does not lower the residual"
    NO_HELP = "A finer grid would not help"
    LARGEST_GRID = "The largest grid is reached."
    GRID_OUT_OF_REACH = "A finer grid is out of reach of the budget."
    NOT_SHARPER = "A sharper integration in time is no better"
    GRADED_NO_BETTER = "Grids that follow the residual are no better"
    NETWORKS_NO_BETTER = "Trained networks are no better"
    ONLY_ROUNDING = "Only rounding is left of the residual."
    NOT_A_NUMBER = "The loss is no number."
    STAGE_OUT_OF_REACH = "A further stage would not end in time"
    INTEGRALS_NO_HELP = "More points of integrals do not help"
    INTERRUPTED_FIRST = "Interrupted before the first stage was complete, whose network this is."
    INTEGRATIONS_NO_BETTER = "Integrations in time are no better than the networks"
    INTERRUPTED_OTHERS = "Interrupted while other solutions were sought."
    ANOTHER_SOLUTION = "another solution exists, which other_solutions gives"


def agreement(record: Record) -> str:
    """Sentence on two levels that agree to the tolerance."""
    tier = record.tier
    return f"Two {tier.of_levels} agree to {typed_text(record.error, 1)}{tier.unit}, within the tolerance."


def other_evidence(record: Record) -> str:
    """Clause on two levels that agree to the tolerance where other evidence contradicts them."""
    estimate = record.evidence().estimate
    agreement = f"Two {record.tier.of_levels} agree to {typed_text(record.error, 1)}"
    return f"{agreement}, but other evidence puts the error at {typed_text(estimate, 1)}."


def hardly_begun(record: Record) -> str:
    """Clause on an integration in time that went wrong soon."""
    name, reached = _last_moment(record)
    return f"time elements reached no further than {name} = {typed_text(reached)}"


def _last_moment(record: Record) -> tuple[str, float]:
    problem = record.problem
    axis = problem.form.time
    assert axis is not None
    return problem.domain.coordinates[axis], float(problem.domain.bounds[axis, 1])


def sentence(record: Record, ending: Ending) -> str:
    """Why a tier ended and the largest residual, which stands alone where the solution ends early: that is a doubt."""
    over = {
        StopReason.BUDGET: "The budget is spent",
        StopReason.TIME_LIMIT: "The time is over",
        StopReason.INTERRUPTED: "Interrupted; the solution is that of the last complete grid or pass.",
    }
    if not record.is_complete:
        residual = _largest_residual(record)
        return f"{residual[0].upper()}{residual[1:]}"
    usual = Clause.NOT_FINER
    if record.evidence().is_final:
        usual = Clause.NO_HELP
    clause = str(ending.clause) or over.get(ending.reason, usual)
    if clause.endswith("."):
        return clause
    if record.tier.judges_itself:
        return f"{clause}."
    return f"{clause}; {_largest_residual(record)}"


def early_end(record: Record) -> str:
    """Why a solution ends before the last moment, and where; a field that leaves the domain of the equation there."""
    reasons = {
        StopReason.NO_PROGRESS: "Time elements became too short, as where a solution blows up or jumps: it ends",
        StopReason.BUDGET: "The budget was spent before the last moment, which needs a larger one: the solution ends",
        StopReason.TIME_LIMIT: "The time was over before the last moment: the solution ends",
        StopReason.INTERRUPTED: "Interrupted before the last moment: the solution ends",
    }
    name, reached = _last_moment(record)
    clause = reasons[record.ended]
    if record.ended is StopReason.NO_PROGRESS:
        x = record.fresh_points.clone()
        assert record.problem.form.time is not None
        x[:, record.problem.form.time] = reached
        beyond = undefined_beyond(record.level.network, record.problem, x)
        if beyond:
            clause = f"{beyond}: the solution ends"
    return f"{clause} at {name} = {typed_text(reached)}."


def _largest_residual(record: Record) -> str:
    """Clause on the largest residual of the best level."""
    network = record.level.network
    problem = record.problem
    sizes = {}
    with torch.no_grad():
        for block in problem.blocks():
            if block.role is BlockRole.EQUATION:
                sizes[block.name] = float(record.at_fresh.squares.mean().sqrt())
                continue
            parts = block.data.chunks()
            square = sum(share * float(block.loss(network, part, problem.unknowns)) for part, share in parts)
            sizes[block.name] = math.sqrt(square)
    worst = max(sizes, key=lambda name: sizes[name])
    return f"the largest residual is that of {worst!r}, {typed_text(sizes[worst], 1)} in units of the field."


def solution_of(record: Record, ending: Ending) -> Solution:
    """The best level as a `Solution`; where there are doubts it has not converged, and a warning announces them."""
    problem = record.problem
    evidence = record.evidence()
    # A solution that ends before the last moment is not that of the problem as it is stated.
    if not record.is_complete:
        evidence = replace(evidence, doubts=(*evidence.doubts, early_end(record)))
    message = sentence(record, ending)
    stopped = ending.reason
    # A residual that noise in measured values keeps is no lack of progress.
    is_within_noise = evidence.is_sound and evidence.estimate < evidence.noise
    if stopped is StopReason.NO_PROGRESS and is_within_noise:
        stopped = StopReason.CONVERGED
        message = (
            f"The solution is as accurate as the data: their noise leaves a relative standard error of "
            f"{typed_text(evidence.noise, 1)}, and the method an error of {typed_text(evidence.estimate, 1)}."
        )
    # Remarks of the tier, and doubts, which take back that the levels agreed.
    if record.remark:
        evidence = replace(evidence, checks=(*evidence.checks, record.remark))
        message = f"{message} {as_sentence(record.remark)}"
    if evidence.doubts:
        if stopped is StopReason.CONVERGED:
            stopped = StopReason.NO_PROGRESS
        message = " ".join([*evidence.doubts, message])
        warn_caller(message, SolutionWarning)
    # The public account of the solve.
    return Solution(
        model=record.level.network,
        problem=problem,
        stages=tuple(record.stages),
        unknowns={name: float(value.detach()) for name, value in problem.unknowns.items()},
        error_estimate=evidence.whole_estimate,
        stopped=stopped,
        message=message,
        standard_errors=evidence.standard_errors,
        trust=evidence.trust,
        tier=record.tier.name,
    )


def nothing_in_time(problem: Collocation, limits: Limits) -> InputError:
    """The error of a time limit that is over before there is anything to return."""
    assert limits.time_limit is not None, "a limit has ended the work"
    what = "for a solution on the first grid"
    axis = problem.form.time
    if axis is not None and not problem.form.smoothed_fields:
        begin = float(problem.domain.bounds[axis, 0])
        what = f"to go beyond the first moment, {problem.domain.coordinates[axis]} = {typed_text(begin)}"
    return InputError(f"time_limit must be long enough {what}, got {typed_text(limits.time_limit)} s")


def too_high_order(form: StrongForm, why: str = "") -> InputError:
    """The error of an equation whose derivatives networks do not have, and why it is left to them."""
    where = "where no grid of splines has a solution"
    came = str(form.order)
    if why:
        where = "where it is left to networks"
        came = f"{form.order}, and {why}"
    return InputError(f"the equation must be of order {MAX_DEGREE - 1} at most {where}, got {came}")

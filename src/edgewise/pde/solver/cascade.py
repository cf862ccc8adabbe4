"""The tiers of `solve` in the order in which they are tried. A new one is a class here, with its method in `tiers`.

Each says which problems it refuses, yields its levels, and says when another tier may do better; the first that is good
enough ends the solve, see `driver.first_good`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.outcomes import OutOfTime, StopReason, check_time
from edgewise.pde.solver import messages
from edgewise.pde.solver.driver import Attempt, Levels, Task, Tier
from edgewise.pde.solver.facts import Facts
from edgewise.pde.solver.judging.evidence import LARGEST_RESIDUAL, Evidence, evidence_of_fields
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.plan import MOST_TENSOR
from edgewise.pde.solver.record import Record, error_of_even_grids, error_of_networks, error_of_passes
from edgewise.pde.solver.refinement import GradedGrids, TrainedNetworks
from edgewise.pde.solver.solution import field_values
from edgewise.pde.solver.time_integration import (
    LEAST_BEGUN,
    check_by_coarse_pass,
    check_outflow,
    even_grids,
    evidence_of_even_grids,
    passes,
)
from edgewise.pde.spaces.networks import TENSOR, grid_sizes

if TYPE_CHECKING:
    from edgewise.pde.spaces.axis import SplineAxis
    from edgewise.pde.spaces.statement import Statement

# Modules of `tiers` are imported late: `import edgewise` stays light.

# Estimated relative error above which graded grids or networks follow structured grids, as by sources that jump within
# cells: one per cent, as of a residual.
UNSOLVED_ESTIMATE = 1e-2
REACH_OF_NETWORKS = 1e-9  # estimated relative error on a solid up to which slabs in time do no better
MOST_PLANE = 3  # coordinates, time among them, of evolutions in the plane
BESIDE_JUMPS = 3.0  # errors at an outflow relative to those of the whole domain, where a start jumps
GAP_OF_ERRORS = 0.2  # standard errors to which two grids must agree: an interval is then 2 % too short
STARTS_OF_OTHERS = 5  # from which another solution is sought: less than a second on a square
# Multiply-adds allowed below which cut cells are left out: those of three grids around four balls; networks do with
# less.
LEAST_SOLID_WORK = 2e11


class FieldFits(Tier):
    """Unknown fields from measured values, whose grids agree within their noise."""

    name = "penalised least squares"
    unit = " of a standard error"
    own_tolerance: ClassVar[float | None] = GAP_OF_ERRORS
    judges_itself = True

    def refusal(self, facts: Facts) -> str:
        return "" if facts.form.smoothed_fields else "there is no UnknownField"

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.unknown_fields import inverse_fits

        limits = task.limits
        spent = limits.work  # that of a fit is counted with it

        def watch(work: float, loss: float) -> bool:
            limits.work = spent + work
            record.report(f"unknown fields, grid {len(record.stages) + 1}", loss)
            return limits.over is None

        for fit in inverse_fits(task.problem, task.facts.form.smoothed_fields, watch):
            limits.work = spent
            yield fit
            spent = limits.work
            if fit.is_interrupted:
                clause = "Interrupted; the solution is that of the last step on the first grid."
                return Ending(StopReason.INTERRUPTED, clause)
            if not fit.has_noise:
                return Ending(StopReason.NO_PROGRESS, messages.NO_HELP)
        return Ending(StopReason.NO_PROGRESS, messages.LARGEST_GRID)

    def error(self, record: Record) -> float:
        """Difference of the last two fits in units of standard errors."""
        if len(record.levels) < 2:
            return math.nan
        x = record.fresh_points
        before, last = (field_values(each.network, each.problem or record.stated, x) for each in record.levels[-2:])
        return float((last - before).norm() / record.level.network.standard_errors(x).norm())  # type: ignore[operator]

    def judge(self, record: Record) -> Evidence:
        from edgewise.pde.tiers.unknown_fields import InverseFit

        fit = record.level
        assert isinstance(fit, InverseFit)
        x = record.fresh_points
        errors, values = fit.network.standard_errors(x), field_values(fit.network, record.problem, x)
        names = record.problem.form.smoothed_fields
        return evidence_of_fields(fit, names, record.stages[-1], self.error(record), errors, values)


class PassTier(Tier):
    """Passes through time, each sharper than the one before."""

    of_levels = "passes through time"

    def error(self, record: Record) -> float:
        return error_of_passes(record)


class EvenGridTier(Tier):
    """Passes through time on finer and finer even grids, whose residuals at points are no evidence."""

    judges_itself = True

    def error(self, record: Record) -> float:
        return error_of_even_grids(record)

    def judge(self, record: Record) -> Evidence:
        return evidence_of_even_grids(record)


class WeakForm(EvenGridTier):
    """Linear evolution with coefficients, initial data or walls that no grid of splines resolves."""

    name = "weak form"

    def refusal(self, facts: Facts) -> str:
        return "" if facts.rough else "splines resolve the coefficients and the data"

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.rough import WEAK_FORM

        statement = task.facts.weak
        assert statement is not None
        if statement.outflow_conditions:
            check_by_coarse_pass(task, statement)
        why = f"the equation holds in its weak form, for its {task.facts.rough} rough, so that residuals say nothing"
        return (yield from even_grids(task, record, statement, WEAK_FORM, why))

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        statement = task.facts.statement
        if statement is not None and statement.outflow_conditions:
            allowed = LARGEST_RESIDUAL + BESIDE_JUMPS * record.evidence().estimate
            check_outflow(record.level.network, record.problem, statement, allowed)
        return ending


class TimeElements(PassTier):
    """Evolution on a box: collocation in slab after slab of time."""

    name = "time elements"

    def refusal(self, facts: Facts) -> str:
        if facts.rough:
            return f"the {facts.rough} rough"
        return "" if facts.is_initial_value_problem else facts.no_grid or "it does not evolve from initial data"

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.evolution.collocation import COLLOCATION

        statement = task.facts.statement
        assert statement is not None
        if statement.outflow_conditions and task.facts.rough is not None:
            check_by_coarse_pass(task, statement)
        return (yield from passes(task, record, statement, COLLOCATION))

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        statement = task.facts.statement
        if statement is not None and statement.outflow_conditions:
            check_outflow(record.level.network, record.problem, statement, LARGEST_RESIDUAL)
        return ending

    def gives_way(self, record: Record) -> bool:
        """Whether they went wrong within the first hundredth of the time."""
        axis = record.problem.form.time
        assert axis is not None
        share = float(record.problem.domain.size[axis] / record.stated.domain.size[axis])
        return share < LEAST_BEGUN and record.evidence().estimate > LARGEST_RESIDUAL


class Hyperviscosity(EvenGridTier):
    """The same on even grids that smooth fronts, after time elements that ended early or do not see the fronts."""

    name = "hyperviscosity"

    def refusal(self, facts: Facts) -> str:
        return "" if facts.has_fronts and not facts.rough else "no fronts are carried along"

    def follows(self, best: Attempt | None, task: Task) -> bool:
        if best is None:
            return False
        if not best.record.is_complete:
            return best.ending.reason is StopReason.NO_PROGRESS
        is_only = len(best.record.levels) == 1
        is_out_of_reach = best.ending.reason in (StopReason.BUDGET, StopReason.TIME_LIMIT)
        return is_only and is_out_of_reach and not best.record.is_resolved

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.evolution.collocation import SMOOTHED

        assert task.facts.statement is not None
        record.remark = ""
        why = (
            "fronts are thinner than any grid within reach, and a hyperviscosity smooths them over a few intervals of "
            "{length:.2g}, so that residuals say nothing"
        )
        return (yield from even_grids(task, record, task.facts.statement, SMOOTHED, why))

    def is_better(self, record: Record, other: Record) -> bool:
        """Whether it reaches the last moment."""
        return record.is_complete


class CutCellsInTime(PassTier):
    """Evolution on a domain of the plane that is no box: Galerkin's method on cut cells, in slabs of time."""

    name = "cut cells in time"

    def refusal(self, facts: Facts) -> str:
        if facts.rough or facts.evolving is None:
            return "it does not evolve on a domain with cut cells"
        return "" if facts.dimension <= MOST_PLANE else "solids are left to networks first"

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_slabs import CUT_CELLS

        assert task.facts.evolving is not None
        return (yield from passes(task, record, task.facts.evolving, CUT_CELLS))


class GridTier(Tier):
    """Ever finer grids without time, of which the one with the least loss counts."""

    def settle(self, record: Record, *, has_stalled: bool) -> None:
        if not record.is_doubted:
            record.return_to_least(has_stalled=has_stalled)

    def gives_way(self, record: Record) -> bool:
        """Whether grids that follow the residual may find what no structured grid resolves."""
        if record.is_doubted or (record.evidence().is_final and (record.problem.form.is_linear or record.is_resolved)):
            return False
        return not record.is_resolved or record.evidence().estimate > UNSOLVED_ESTIMATE


class Collocation(GridTier):
    """Boxes of at most three coordinates: products of splines and as many points."""

    name = "collocation"

    def refusal(self, facts: Facts) -> str:
        statement = facts.statement
        if statement is None or facts.rough:
            return facts.no_grid or f"the {facts.rough} rough"
        if statement.form.has_integrals:
            return "there are integrals or delays"
        if facts.is_initial_value_problem and (statement.constraint_variables or facts.is_in_time):
            return "it evolves in time"
        return "it evolves in time" if facts.is_in_time and facts.dimension > 1 else ""

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.collocation.deflation import interpolated
        from edgewise.pde.tiers.collocation.stationary import first_axes

        statement = task.facts.statement
        assert statement is not None
        begin = None
        if task.start is not None:
            axes = first_axes(statement)
            begin = axes, interpolated(task.start, axes)
        return (yield from self.levels_from(statement, begin))

    def levels_from(self, statement: Statement, begin: tuple[list[SplineAxis], np.ndarray] | None) -> Levels:
        """Levels from given coefficients on given axes on, or from the usual first grid."""
        from edgewise.pde.tiers.collocation.stationary import stationary_stages

        yield from stationary_stages(statement, begin)
        return Ending(StopReason.NO_PROGRESS)

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        """Look for another solution of a nonlinear problem."""
        from edgewise.pde.tiers.collocation.deflation import others

        is_known = ending.reason is StopReason.CONVERGED and not task.facts.form.is_linear
        if not is_known or task.limits.past_deadline:
            return ending
        assert task.facts.statement is not None
        try:
            found = next(others(task.facts.statement, [record.level.network], STARTS_OF_OTHERS), None)
        except OutOfTime:
            found = None
        except KeyboardInterrupt:  # the solution itself is complete
            return Ending(StopReason.INTERRUPTED, f"{ending.clause} {messages.INTERRUPTED_OTHERS}")
        if found is not None:
            record.remark = messages.ANOTHER_SOLUTION
        return ending


class CutCells(GridTier):
    """Linear equations of second order for one field on solids that others or interfaces cut."""

    name = "cut cells"

    def refusal(self, facts: Facts) -> str:
        form = facts.form
        if facts.statement is not None or facts.rough or facts.has_more:
            return facts.has_more or "a tensor grid holds the problem"
        if len(form.fields) > 1 or not form.is_linear or form.order != 2:
            return "it is not one linear equation of second order"
        return "" if facts.is_cut_solid and len(facts.interfaces) <= 1 else "the domain is no cut solid"

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_stages import solid_stages

        if task.limits.limit >= LEAST_SOLID_WORK:
            yield from solid_stages(task.problem, task.facts.interfaces)
        return Ending(StopReason.NO_PROGRESS)

    def gives_way(self, record: Record) -> bool:
        return True


class LeastSquares(GridTier):
    """Splines whose coefficients minimise the residual, on one or two coordinates.

    On domains of the plane even grids of high degree come first, with functions that are singular at corners and around
    holes; where these stay far from the solution, and in all other problems, grids follow the residual.
    """

    name = "least squares"
    no_better = messages.GRADED_NO_BETTER

    def refusal(self, facts: Facts) -> str:
        return ""

    def follows(self, best: Attempt | None, task: Task) -> bool:
        return super().follows(best, task) and (task.plan.shape == TENSOR or _has_even_grids(task))

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.least_squares import even_levels

        if _has_even_grids(task):
            is_far = yield from even_levels(task.problem, task.start)
            if record.levels:
                record.return_to_least(has_stalled=False)
                if not is_far or record.evidence().is_final:
                    return Ending(StopReason.NO_PROGRESS)
        if task.plan.shape != TENSOR or task.facts.form.order >= MAX_DEGREE:
            return Ending(StopReason.NO_PROGRESS)
        return (yield from GradedGrids(task.problem, task.plan, record, task.tolerance).levels())

    def settle(self, record: Record, *, has_stalled: bool) -> None:
        if not record.level.is_graded:
            super().settle(record, has_stalled=has_stalled)

    def gives_way(self, record: Record) -> bool:
        return False


def _has_even_grids(task: Task) -> bool:
    """Whether even grids in the plane fit: nothing is chosen, and there are an equation and conditions alone."""
    facts = task.facts
    form = facts.form
    is_plain = not facts.has_more and not facts.rough and form.parts is None and not form.periodic
    is_plane = facts.dimension == MOST_TENSOR and not facts.has_time and facts.statement is None
    return is_plane and is_plain and not task.plan.is_chosen


class TensorTrain(GridTier):
    """One field on a box of more coordinates, or where three are too many for a grid: a tensor train of splines."""

    name = "tensor train"

    def refusal(self, facts: Facts) -> str:
        if facts.dimension <= MOST_TENSOR:
            return "there are few coordinates"
        if facts.rough or facts.is_initial_value_problem or facts.evolving is not None:
            return "it evolves in time"
        statement = facts.many_coordinates
        if isinstance(statement, str):
            return statement
        if statement.constant or len(facts.form.fields) > 1 or statement.form.has_integrals:
            return "there are several fields, integrals or a free constant"
        return ""

    def follows(self, best: Attempt | None, task: Task) -> bool:
        return best is None or best.ending.reason is StopReason.NO_PROGRESS

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.tensor_train.stages import low_rank_stages

        def spend(work: float) -> None:
            task.limits.work += work
            check_time()
            if task.limits.over is StopReason.BUDGET:
                raise OutOfTime

        statement = task.facts.many_coordinates
        assert not isinstance(statement, str)
        begin = None
        if record.before is not None:
            begin = [count // 2 for count in grid_sizes(record.before.level.network)]
        yield from low_rank_stages(statement, spend, task.plan.seed, begin)
        return Ending(StopReason.NO_PROGRESS)

    def gives_way(self, record: Record) -> bool:
        """Whether it did not come far: networks with fewer parameters for each term do not resolve more."""
        return len(record.levels) == 1 and super().gives_way(record)


class Networks(Tier):
    """All others: networks that are trained, with more knots or terms."""

    name = "network"
    of_levels = "stages"
    unlike = 1.0
    no_better = messages.NETWORKS_NO_BETTER

    def refusal(self, facts: Facts) -> str:
        return "" if facts.form.order < MAX_DEGREE else "the order is too high"

    def follows(self, best: Attempt | None, task: Task) -> bool:
        return task.plan.shape != TENSOR and super().follows(best, task)

    def levels(self, task: Task, record: Record) -> Levels:
        return (yield from TrainedNetworks(task.problem, task.plan, record, task.tolerance).levels())

    def error(self, record: Record) -> float:
        return error_of_networks(record)


class CutCellsOfSolids(PassTier):
    """Evolution on a solid, where networks left an error.

    Networks come first: they have the last digits of what is a sum of few products within seconds, of which a grid of
    a solid takes ten.
    """

    name = "cut cells in time"
    is_compared = False
    no_better = messages.PASSES_NO_BETTER

    def refusal(self, facts: Facts) -> str:
        is_solid = facts.dimension > MOST_PLANE and facts.evolving is not None
        return "" if is_solid else "it does not evolve on a solid"

    def follows(self, best: Attempt | None, task: Task) -> bool:
        if best is None or best.ending.reason is not StopReason.NO_PROGRESS:
            return False
        return best.record.evidence().estimate > max(task.tolerance, REACH_OF_NETWORKS)

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_slabs import CUT_CELLS_OF_SOLIDS

        assert task.facts.evolving is not None
        return (yield from passes(task, record, task.facts.evolving, CUT_CELLS_OF_SOLIDS))

    def is_better(self, record: Record, other: Record) -> bool:
        return record.is_complete and record.evidence().estimate < other.evidence().estimate


TIERS: tuple[Tier, ...] = (
    FieldFits(),
    WeakForm(),
    TimeElements(),
    Hyperviscosity(),
    CutCellsInTime(),
    Collocation(),
    CutCells(),
    LeastSquares(),
    TensorTrain(),
    Networks(),
    CutCellsOfSolids(),
)

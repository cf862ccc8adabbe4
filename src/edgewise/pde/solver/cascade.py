"""The tiers of `solve` in the order in which they are tried. A new one is a class here, with its method in `tiers`.

Each names the problems that it solves, yields its levels, and decides when another tier may do better; the first good
enough one ends the solve, see `driver.first_good`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgewise.errors import SolutionWarning, warn_caller
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.outcomes import OutOfWork, StopReason, check_time
from edgewise.pde.problem.strong_form import Feature
from edgewise.pde.solver import messages
from edgewise.pde.solver.driver import Attempt, Levels, Task, Tier
from edgewise.pde.solver.facts import Facts
from edgewise.pde.solver.judging.evidence import EVIDENCE, Evidence, evidence_of_fields, place_of_jump
from edgewise.pde.solver.judging.uniqueness import has_diffusion
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.plan import MOST_TENSOR
from edgewise.pde.solver.record import (
    Record,
    error_of_collocation,
    error_of_even_grids,
    error_of_integrations,
    error_of_least_squares,
    error_of_networks,
)
from edgewise.pde.solver.refinement import GradedGrids, TrainedNetworks
from edgewise.pde.solver.solution import field_values
from edgewise.pde.solver.time_integration import (
    INTEGRATION,
    check_by_coarse_integration,
    check_outflow,
    even_grids,
    evidence_of_even_grids,
    integrations,
)
from edgewise.pde.spaces.networks import TENSOR, fields_of
from edgewise.pde.tiers.level import Begun
from edgewise.presentation import as_sentence

if TYPE_CHECKING:
    from edgewise.pde.spaces.axis import SplineAxis
    from edgewise.pde.spaces.grid_problem import GridProblem

# Modules of `tiers` are imported late: `import edgewise` stays light.


@dataclass(frozen=True)
class CascadeSettings:
    """When a tier gives way to another one."""

    # Estimated relative error above which graded grids or networks follow structured grids, as by sources that jump
    # within cells: one per cent, as of a residual.
    unsolved_estimate: float = 1e-2
    reach_of_networks: float = 1e-9  # estimated relative error on a solid up to which time elements do no better
    most_plane: int = 3  # coordinates, time among them, of evolutions in the plane
    beside_jumps: float = 3.0  # errors at an outflow relative to those of the whole domain, where a start jumps
    gap_of_errors: float = 0.2  # standard errors to which two grids must agree: an interval is then 2 % too short
    starts_of_others: int = 5  # from which another solution is sought: less than a second on a square
    # Multiply-adds allowed below which cut cells are left out: those of three grids around four balls; networks do with
    # less.
    least_solid_work: float = 2e11


CASCADE = CascadeSettings()


class FieldFits(Tier):
    """Unknown fields from measured values, whose grids agree within their noise."""

    name = "penalised least squares"
    unit = " of a standard error"
    own_tolerance: ClassVar[float | None] = CASCADE.gap_of_errors
    judges_itself = True

    def solves(self, facts: Facts) -> bool:
        return Feature.UNKNOWN_FIELDS in facts.form.features

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.unknown_fields import inverse_fits

        # Work and cuts of a fit are passed on while it runs.
        limits = task.limits
        spent = limits.work  # that of a fit is counted with it

        def watch(work: float, loss: float) -> bool:
            limits.work = spent + work
            record.report(f"unknown fields, grid {len(record.stages) + 1}", loss)
            return limits.over is None

        def begin(begun: Begun) -> None:
            record.begun = begun

        # Penalised least squares from grid to grid.
        for fit in inverse_fits(task.problem, task.facts.form.smoothed_fields, watch, begin):
            limits.work = spent
            yield fit
            spent = limits.work
            if not fit.has_noise:
                return Ending(StopReason.NO_PROGRESS, messages.Clause.NO_HELP)
        return Ending(StopReason.NO_PROGRESS, messages.Clause.LARGEST_GRID)

    def error(self, record: Record) -> float:
        """Difference of the last two fits in units of standard errors."""
        x = record.fresh_points
        size = field_values(record.level.network, record.problem, x).norm()
        errors = fields_of(record.level.network).standard_errors(x)
        assert errors is not None
        return float(record.stages[-1].change * size / errors.norm())

    def judge(self, record: Record) -> Evidence:
        from edgewise.pde.tiers.unknown_fields import InverseFit

        fit = record.level
        assert isinstance(fit, InverseFit)
        x = record.fresh_points
        errors, values = fit.network.standard_errors(x), field_values(fit.network, record.problem, x)
        names = record.problem.form.smoothed_fields
        return evidence_of_fields(fit, names, record.stages[-1], self.error(record), errors, values)


class IntegrationTier(Tier):
    """Integrations in time, each sharper than the one before."""

    of_levels = "integrations in time"

    def error(self, record: Record) -> float:
        return error_of_integrations(record)


class EvenGridTier(Tier):
    """Integrations in time on finer and finer even grids, whose residuals at points are no evidence."""

    judges_itself = True

    def error(self, record: Record) -> float:
        return error_of_even_grids(record)

    def judge(self, record: Record) -> Evidence:
        return evidence_of_even_grids(record)


class WeakForm(EvenGridTier):
    """Linear evolution with coefficients, initial data or walls that no grid of splines resolves."""

    name = "weak form"

    def solves(self, facts: Facts) -> bool:
        return bool(facts.rough)

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.rough import WEAK_FORM

        grid_problem = task.facts.weak
        assert grid_problem is not None
        if grid_problem.outflow_conditions:
            check_by_coarse_integration(task, record, grid_problem)
        why = f"the equation holds in its weak form, for its {task.facts.rough} rough, so that residuals say nothing"
        # A coefficient that jumps before second derivatives may be meant as one of fluxes.
        form = task.problem.form
        jump = place_of_jump(form)
        if jump and has_diffusion(form):
            why = f"{why}; a leading coefficient jumps near {jump}, where fluxes of diffusion(u, k) are continuous"
        elif jump:
            record.remark = (
                f"a leading coefficient of the equation jumps near {jump}, where slopes of the solution are taken as "
                "continuous: write diffusion(u, k) for continuous fluxes, or give Interface(on=...) there"
            )
            warn_caller(as_sentence(record.remark), SolutionWarning)
        return (yield from even_grids(task, record, grid_problem, WEAK_FORM, why))

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        grid_problem = task.facts.grid_problem
        if grid_problem is not None and grid_problem.outflow_conditions:
            allowed = EVIDENCE.largest_residual + CASCADE.beside_jumps * record.evidence().estimate
            check_outflow(record.level.network, record.problem, grid_problem, allowed)
        return ending


class TimeElements(IntegrationTier):
    """Evolution on a box: collocation in time element after time element."""

    name = "time elements"

    def solves(self, facts: Facts) -> bool:
        return facts.is_initial_value_problem and not facts.rough

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.evolution.collocation import COLLOCATION

        grid_problem = task.facts.grid_problem
        assert grid_problem is not None
        if grid_problem.outflow_conditions and task.facts.rough is not None:
            check_by_coarse_integration(task, record, grid_problem)
        return (yield from integrations(task, record, grid_problem, COLLOCATION))

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        grid_problem = task.facts.grid_problem
        if grid_problem is not None and grid_problem.outflow_conditions:
            check_outflow(record.level.network, record.problem, grid_problem, EVIDENCE.largest_residual)
        return ending

    def gives_way(self, record: Record) -> bool:
        """Whether they went wrong within the first hundredth of the time."""
        axis = record.problem.form.time
        assert axis is not None
        share = float(record.problem.domain.size[axis] / record.stated.domain.size[axis])
        return share < INTEGRATION.least_begun and record.evidence().estimate > EVIDENCE.largest_residual


class Hyperviscosity(EvenGridTier):
    """The same on even grids that smooth fronts, after time elements that ended early or do not see the fronts."""

    name = "hyperviscosity"

    def solves(self, facts: Facts) -> bool:
        return facts.has_fronts and not facts.rough

    def follows(self, best: Attempt | None, task: Task) -> bool:
        if best is None:
            return False
        if not best.record.is_complete:
            return best.ending.reason is StopReason.NO_PROGRESS
        is_only = best.record.count == 1
        is_out_of_reach = best.ending.reason in (StopReason.BUDGET, StopReason.TIME_LIMIT)
        return is_only and is_out_of_reach and not best.record.is_resolved

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.evolution.collocation import SMOOTHED

        assert task.facts.grid_problem is not None
        record.remark = ""
        why = (
            "fronts are thinner than any grid within reach, and a hyperviscosity smooths them over a few intervals of "
            "{length}, so that residuals say nothing"
        )
        return (yield from even_grids(task, record, task.facts.grid_problem, SMOOTHED, why))

    def is_better(self, record: Record, other: Record) -> bool:
        """Whether it reaches the last moment."""
        return record.is_complete


class CutCellsInTime(IntegrationTier):
    """Evolution on a domain of the plane that is no box: Galerkin's method on cut cells, in time elements."""

    name = "cut cells in time"

    def solves(self, facts: Facts) -> bool:
        return facts.evolving is not None and facts.dimension <= CASCADE.most_plane and not facts.rough

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_evolution import CUT_CELLS

        assert task.facts.evolving is not None
        return (yield from integrations(task, record, task.facts.evolving, CUT_CELLS))


class GridTier(Tier):
    """Ever finer grids without time: the finest counts, or that with the least loss where finer ones were no better."""

    def settle(self, record: Record, *, has_stalled: bool) -> None:
        if has_stalled and not record.is_doubted:
            record.return_to_least(has_stalled=True)

    def gives_way(self, record: Record) -> bool:
        """Whether grids that follow the residual may find what no structured grid resolves."""
        if record.is_doubted or (record.evidence().is_final and (record.problem.form.is_linear or record.is_resolved)):
            return False
        return not record.is_resolved or record.evidence().estimate > CASCADE.unsolved_estimate


class GridCollocation(GridTier):
    """Boxes of at most three coordinates: products of splines and as many points."""

    name = "collocation"

    def error(self, record: Record) -> float:
        return error_of_collocation(record)

    def solves(self, facts: Facts) -> bool:
        grid_problem = facts.grid_problem
        if grid_problem is None or facts.rough or grid_problem.form.has_integrals:
            return False
        is_evolution = facts.is_initial_value_problem and (grid_problem.constraint_variables or facts.is_in_time)
        return not is_evolution and not (facts.is_in_time and facts.dimension > 1)

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.collocation.deflation import interpolated
        from edgewise.pde.tiers.collocation.stationary import axes_of_start

        grid_problem = task.facts.grid_problem
        assert grid_problem is not None
        begin = None
        if task.start is not None and grid_problem.folding is None:
            assert task.plan.start is not None
            axes = axes_of_start(grid_problem, task.plan.start)
            begin = axes, interpolated(task.start, axes)
        return (yield from self.levels_from(grid_problem, begin))

    def levels_from(self, grid_problem: GridProblem, begin: tuple[list[SplineAxis], np.ndarray] | None) -> Levels:
        """Levels from given coefficients on given axes on, or from the usual first grid."""
        from edgewise.pde.tiers.collocation.stationary import stationary_levels

        yield from stationary_levels(grid_problem, begin)
        return Ending(StopReason.NO_PROGRESS)

    def conclude(self, task: Task, record: Record, ending: Ending) -> Ending:
        """Look for another solution of a nonlinear problem."""
        from edgewise.pde.tiers.collocation.deflation import others

        is_known = ending.reason is StopReason.CONVERGED and not task.facts.form.is_linear
        grid_problem = task.facts.grid_problem
        assert grid_problem is not None
        if not is_known or grid_problem.folding is not None or task.limits.past_deadline:
            return ending
        if next(others(grid_problem, [record.level.network], CASCADE.starts_of_others), None) is not None:
            record.remark = messages.Clause.ANOTHER_SOLUTION
        return ending


class CutCells(GridTier):
    """Linear equations of second order for one field on solids that others or interfaces cut."""

    name = "cut cells"

    def solves(self, facts: Facts) -> bool:
        form = facts.form
        is_of_second_order = len(form.fields) == 1 and form.is_linear and form.order == 2
        return facts.is_off_grid and is_of_second_order and facts.is_cut_solid and len(facts.interfaces) <= 1

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_stationary import cut_cell_levels

        if task.limits.limit >= CASCADE.least_solid_work:
            yield from cut_cell_levels(task.problem, task.facts.interfaces)
        return Ending(StopReason.NO_PROGRESS)

    def gives_way(self, record: Record) -> bool:
        return True


class LeastSquares(GridTier):
    """Splines whose coefficients minimise the residual, on one or two coordinates.

    On domains of the plane even grids of high degree come first, with functions that are singular at corners and around
    holes; where these stay far from the solution, and in all other problems, grids follow the residual.
    """

    name = "least squares"
    no_better = messages.Clause.GRADED_NO_BETTER

    def error(self, record: Record) -> float:
        return error_of_least_squares(record)

    def solves(self, facts: Facts) -> bool:
        return _has_even_grids(facts) or facts.form.order < MAX_DEGREE

    def follows(self, best: Attempt | None, task: Task) -> bool:
        has_grids = task.plan.shape == TENSOR or (_has_even_grids(task.facts) and not task.plan.is_chosen)
        return has_grids and super().follows(best, task)

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.least_squares import even_grid_levels

        if _has_even_grids(task.facts) and not task.plan.is_chosen:
            # Even grids of high degree first, which end the tier where their estimate is small.
            is_far = yield from even_grid_levels(task.problem, task.start)
            if record.count:
                record.return_to_least(has_stalled=False)
                evidence = record.evidence()
                is_enough = record.level.is_enriched or evidence.estimate <= max(
                    task.tolerance, CASCADE.reach_of_networks
                )
                if evidence.is_final or (not is_far and is_enough):
                    return Ending(StopReason.NO_PROGRESS)
        if task.plan.shape != TENSOR or task.facts.form.order >= MAX_DEGREE:
            return Ending(StopReason.NO_PROGRESS)
        # Adaptive refinement by the residual.
        return (yield from GradedGrids(task.problem, task.plan, record, task.tolerance).levels())

    def settle(self, record: Record, *, has_stalled: bool) -> None:
        if not (record.level.is_graded or record.is_doubted):
            record.return_to_least(has_stalled=has_stalled)

    def gives_way(self, record: Record) -> bool:
        return False


def _has_even_grids(facts: Facts) -> bool:
    """Whether even grids in the plane fit: there are an equation and conditions alone."""
    is_plain = facts.is_off_grid and not facts.interfaces and not facts.form.periodic
    return is_plain and facts.dimension == MOST_TENSOR and not facts.has_time


class TensorTrain(GridTier):
    """One field on a box of more coordinates, or where three are too many for a grid: a tensor train of splines."""

    name = "tensor train"

    def solves(self, facts: Facts) -> bool:
        if facts.dimension <= MOST_TENSOR or facts.rough or facts.is_initial_value_problem:
            return False
        grid_problem = facts.many_coordinates
        if facts.evolving is not None or grid_problem is None:
            return False
        return not (grid_problem.constant or len(facts.form.fields) > 1 or grid_problem.form.has_integrals)

    def follows(self, best: Attempt | None, task: Task) -> bool:
        return best is None or best.ending.reason is StopReason.NO_PROGRESS

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.tensor_train.levels import tensor_train_levels

        def spend(work: float) -> None:
            task.limits.work += work
            check_time()
            if task.limits.over is StopReason.BUDGET:
                raise OutOfWork

        grid_problem = task.facts.many_coordinates
        assert grid_problem is not None
        begin = None
        if record.before is not None:
            begin = [count // 2 for count in fields_of(record.before.level.network).grid_sizes]
        yield from tensor_train_levels(grid_problem, spend, task.plan.seed, begin)
        return Ending(StopReason.NO_PROGRESS)

    def gives_way(self, record: Record) -> bool:
        """Whether it did not come far: networks with fewer parameters for each term do not resolve more."""
        return record.count == 1 and super().gives_way(record)


class Networks(Tier):
    """All others: networks that are trained, with more knots or terms."""

    name = "network"
    of_levels = "stages"
    unlike = 1.0
    no_better = messages.Clause.NETWORKS_NO_BETTER

    def solves(self, facts: Facts) -> bool:
        return facts.form.order < MAX_DEGREE

    def follows(self, best: Attempt | None, task: Task) -> bool:
        return task.plan.shape != TENSOR and super().follows(best, task)

    def levels(self, task: Task, record: Record) -> Levels:
        return (yield from TrainedNetworks(task.problem, task.plan, record, task.tolerance).levels())

    def error(self, record: Record) -> float:
        return error_of_networks(record)


class CutCellsOfSolids(IntegrationTier):
    """Evolution on a solid, where networks left an error.

    Networks come first: they have the last digits of what is a sum of few products within seconds, of which a grid of
    a solid takes ten.
    """

    name = "cut cells in time"
    is_compared = False
    no_better = messages.Clause.INTEGRATIONS_NO_BETTER

    def solves(self, facts: Facts) -> bool:
        return facts.dimension > CASCADE.most_plane and facts.evolving is not None

    def follows(self, best: Attempt | None, task: Task) -> bool:
        if best is None or best.ending.reason is not StopReason.NO_PROGRESS:
            return False
        return best.record.evidence().estimate > max(task.tolerance, CASCADE.reach_of_networks)

    def levels(self, task: Task, record: Record) -> Levels:
        from edgewise.pde.tiers.galerkin.cut_evolution import CUT_CELLS_OF_SOLIDS

        assert task.facts.evolving is not None
        return (yield from integrations(task, record, task.facts.evolving, CUT_CELLS_OF_SOLIDS))

    def is_better(self, record: Record, other: Record) -> bool:
        return record.is_complete and record.evidence().estimate < other.evidence().estimate


TIERS: tuple[Tier, ...] = (
    FieldFits(),
    WeakForm(),
    TimeElements(),
    Hyperviscosity(),
    CutCellsInTime(),
    GridCollocation(),
    CutCells(),
    LeastSquares(),
    TensorTrain(),
    Networks(),
    CutCellsOfSolids(),
)

"""`solve`: a differential equation to an accuracy that it estimates itself, with nothing to choose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import torch

from edgewise.checks import check_count, check_number, check_options
from edgewise.errors import InputError
from edgewise.files import Journal
from edgewise.nn.layers.base import Chain
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.outcomes import (
    OnInterrupt,
    OutOfTime,
    ProgressCallback,
    StopReason,
    check_on_interrupt,
    check_progress,
    check_time,
    reported,
)
from edgewise.pde.domains.domain import TIME, Box
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.history import UNLIKE, History, TrainedNetwork
from edgewise.pde.solver.judging.evidence import LARGEST_RESIDUAL, evidence_of_fields
from edgewise.pde.solver.network import check_as_start
from edgewise.pde.solver.passes import check_by_coarse_pass, check_outflow, solve_in_passes, solve_in_weak_form
from edgewise.pde.solver.refinement import NO_SOLUTION, SEPARABLE, TENSOR, Plan, Refinement
from edgewise.pde.solver.restated import in_own_units, solution_in_units
from edgewise.pde.solver.solution import Solution, field_values
from edgewise.pde.solver.training import linear_method
from edgewise.pde.spaces.networks import (
    EnrichedNetwork,
    SeparableNetwork,
    SolverNetwork,
    TensorNetwork,
    grid_sizes,
    kan_of,
)
from edgewise.settings import MOST_FACTORISED_IN_EQUATIONS, MOST_FACTORISED_WITH_INTEGRALS
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

if TYPE_CHECKING:
    from edgewise.pde.tiers.collocation.stationary import Stage
    from edgewise.pde.tiers.evolution.problem import Known

# Intervals of the coarsest grid: of each coordinate, and of the only one; coarse enough that the first stage takes less
# than a second.
FIRST_GRID_OF_BOX = 5
FIRST_GRID_OF_LINE = 20
# Degree of splines on parts between interfaces: on each part the solution is smooth up to the interface and beyond, so
# that a higher degree needs fewer coefficients; from 9 on the matrices lose digits.
DEGREE_OF_PARTS = 7
# Estimated relative error above which networks are trained after structured grids, as by sources that jump within
# cells: one per cent, as of a residual.
UNSOLVED_ESTIMATE = 1e-2
# The same after splines alone on domains of the plane. Measured: networks on a disk reach 1e-9 after a minute.
REACH_OF_NETWORKS = 1e-9
DEFAULT_TOLERANCE = 1e-10  # What two grids reach on smooth problems
MOST_PLANE = 3  # coordinates, time among them, of evolutions in the plane
BESIDE_JUMPS = 3.0  # errors at an outflow relative to those of the whole domain, where a start jumps
GAP_OF_ERRORS = 0.2  # standard errors to which two grids must agree: an interval is then 2 % too short
STARTS_OF_OTHERS = 5  # from which another solution is sought: less than a second on a square
INTERRUPTED = "Interrupted; the solution is that of the last complete grid."
ALWAYS = ("on_interrupt", "verbose", "journal")  # options that do not choose how a problem is solved
# Dimensions up to which products of B-splines of all coordinates are used: their number grows like that of the
# intervals to the power of the dimension.
MOST_TENSOR = 2


class SolveOptions(TypedDict, total=False):
    """Keyword options of `solve` for the network, the method, Ctrl-C and a line of progress.

    Problems with `UnknownField` take `on_interrupt`, `verbose` and `journal` only.

    Parameters
    ----------
    hidden : sequence
        Nodes of the hidden layers of a KAN, as (5,), or ((0, 4),) for four products; splines of all coordinates, or
        separable functions, if left out.
    grid_size : int
        Intervals of the coarsest grid.
    degree : int
        Degree of the splines, at most 5, which is the default.
    method : Method
        `LevenbergMarquardt()`, the default, `SSBroyden()`, `LBFGS()` or `Adam()`.
    starts : int
        Number of starts of networks that are not linear in their parameters; 2 if left out.
    resample : bool
        False keeps the problem's own points throughout.
    start : Solution
        Solution of a like problem, with the same coordinates, ends, periods, parts and fields: Newton's method and the
        training of networks, which keep its shape, begin with its fields, unknown coefficients at its values. Linear
        problems need none. A nonlinear slab of time begins with the better of its fields and the slab before,
        continued: for a parameter 1 % away that saved a tenth to a third of Newton's steps, but no time.
    on_interrupt : {"raise", "keep"}
        What Ctrl-C does: "raise", the default, passes the KeyboardInterrupt on; "keep" returns the solution of the last
        complete stage, once there is one, or, in time, that up to the moment that was reached.
    verbose : bool or int
        Whether to show a line with the stage and the time on terminals and in notebooks.
    journal : edgewise.files.Journal
        Keeps every training, so that another call with the same arguments and a resumed journal goes on after the last
        one that is there, with the same result. Structured grids are not kept: they are solved again.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time
    >>> options: SolveOptions = {"grid_size": 10, "degree": 4}
    >>> solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-4, **options).stages[0].grid_size
    (10,)
    """

    hidden: Sequence | None
    grid_size: int | None
    degree: int | None
    method: Method | None
    starts: int
    resample: bool
    start: Solution | None
    on_interrupt: OnInterrupt
    verbose: bool | int
    journal: Journal | None


@torch.enable_grad()
def solve(
    problem: Collocation,
    *,
    budget: float = 1.0,
    time_limit: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    **options: Unpack[SolveOptions],
) -> Solution:
    """Solve a differential equation.

    Parameters
    ----------
    problem : PDE
        The equation with its conditions; its own points are not used.
    budget : float
        Work allowed, in units of `edgewise.settings.EQUATION_BUDGET_WORK`: 1 is up to about two minutes of one core.
    time_limit : float, optional
        Wall seconds allowed, of which 15 %, 5 at most, are left for the judgement. No part begins that is foreseen to
        end later; a pass that would not reach the last moment begins again with a larger tolerance.
    tolerance : float
        Estimated relative error at which the solve ends; not for `UnknownField`, whose grids must agree to 0.2 of a
        standard error.
    seed : int
        Seed of points and weights.
    progress : callable, optional
        Receives a `Progress` after every part of the work: the stage, the share of the budget, and the loss.
    **options
        Choice of the network and the method, what Ctrl-C does, and `verbose`, see `SolveOptions`.

    Returns
    -------
    Solution
        The fields anywhere, with an estimate of the error and the reason of the end.

    Raises
    ------
    InputError
        An argument is not as above, time is over before there is a solution, or the equation has an order above nine,
        or above four where products of splines of the coordinates do not hold the problem.
    KeyboardInterrupt
        The user pressed Ctrl-C, and `on_interrupt` is "raise" or no stage is complete.

    Warns
    -----
    SolutionWarning
        The solution is not to be trusted, or ends before the last moment.

    Notes
    -----
    Fields of very different sizes, or far from one, as in SI units, are solved for in units of their own, which follow
    from the equations and the conditions: estimates count the error of each field by its size.

    Time is t, or the only coordinate that acts as it: the equation evolves along it from conditions at its lower end,
    as `Dirichlet(..., on="s=0")`. Where nothing is chosen, the first of these methods that fits is taken, and each goes
    from grid to grid, or from one pass through time to a sharper one, until two results agree to `tolerance`:

    - Boxes of at most three coordinates, with as many conditions as the equations' orders: collocation with products of
      splines of degree 9 to 11 and sparse factors, in time slab after slab. A field of which only derivatives occur, as
      the pressure of a flow, needs one value, as `Observations`, or its mean, as a `Condition` on its `integral`. In
      time its mean is zero; initial velocities alone are given, without a divergence and as at the walls; an outlet has
      p = 0 with v = 0 and the normal derivative of u, or with both normal derivatives.
    - Linear evolution on an interval or a rectangle with coefficients that no grid resolves, and waves and transport,
      also as systems of first order, from starts or with data on walls that have kinks or jumps, or contradict each
      other, as a wave from rest that a wall drives: a weak form on even grids. Fronts too thin for slabs, and
      diffusion that degenerates: even grids with a hyperviscosity, which smooths them over a few intervals.
    - Evolution on other domains of the plane: Galerkin's method in slabs of time. On solids, for one field, networks
      are the first, and such slabs follow where the estimate is above the tolerance and 1e-9.
    - Linear equations of second order for one field on solids cut from others: Galerkin's method on cut cells.
    - One field of more coordinates, or where three are too many for a grid: a tensor train of splines.
    - Other domains of the plane without time: splines of degree 11 by least squares, with functions that are singular
      at corners and around round holes where the leading part is one field's Laplacian; else there must be no reentrant
      corner, and networks come next where splines do not resolve the solution.
    - Fields that `UnknownField` names: penalised least squares on tensor grids.

    All others are solved by networks: sums of all products of B-splines (`TensorLayer`) on one or two coordinates, sums
    of products of one function of each coordinate on more, or a KAN if `hidden` asks for one. Levenberg-Marquardt
    minimises the residuals on a coarse grid; then intervals are added where the estimated error is largest, or half as
    many terms, whichever lowers the loss more.

    Examples
    --------
    >>> import torch
    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> problem = PDE(lambda u, x: u.xx + u, Interval(0, 1), [Dirichlet(lambda x: x.cos())])
    >>> solution = solve(problem, tolerance=1e-8)
    >>> solution.stopped, solution.error_estimate < 1e-8
    (<StopReason.CONVERGED: 'converged'>, True)
    """
    plan = _planned(problem, seed, **options)
    stated, (problem, start, units) = problem, in_own_units(problem, options.get("start"))
    if start is not None and units:
        options["start"] = start
        plan = _planned(problem, seed, **options)
    keep_interrupted = check_on_interrupt(options.get("on_interrupt", "raise")) == "keep"
    _check_limits(problem, budget, time_limit, tolerance, options)
    check_progress(progress)
    with reported(progress, options.get("verbose", False), "solve") as report:
        history = History(problem, seed, budget, time_limit, report, options.get("journal"))
        ended = None
        try:
            with history.deadline.holds():
                if problem.form.smoothed_fields:
                    ended = _find_fields(problem, history)
                elif _is_unchosen(options):
                    ended = _solve_on_structured_grids(problem, history, tolerance, start)
                    if ended is None and (history.deadline.is_over or history.past_deadline):  # no networks are trained
                        if history.best is None:
                            raise history.nothing_in_time(problem)
                        ended = StopReason.TIME_LIMIT, history.message_with_residual("The time is over")
                stopped, message = ended or _refined(Refinement(problem, plan, history, tolerance), history)
                if ended is None and _is_unchosen(options) and stopped is StopReason.NO_PROGRESS:
                    stopped, message = _passed_through_solid(problem, history, tolerance, (stopped, message))
        except KeyboardInterrupt:
            stopped = StopReason.INTERRUPTED
            message = INTERRUPTED
    if stopped is StopReason.INTERRUPTED:
        if not keep_interrupted or history.best is None:
            raise KeyboardInterrupt
        history.hurry()
    return solution_in_units(history.solution(stopped, message), stated, units)


def _check_limits(
    problem: Collocation, budget: float, time_limit: float | None, tolerance: float, options: SolveOptions
) -> None:
    """Check how much work is allowed and how exact it must be, and that unknown fields leave the choice to `solve`."""
    for value, name in ((budget, "budget"), (1.0 if time_limit is None else time_limit, "time_limit")):
        check_number(value, name, positive=True)
    check_number(tolerance, "tolerance")
    if problem.form.smoothed_fields:
        given: dict[str, object] = {**options, "tolerance": None if tolerance == DEFAULT_TOLERANCE else tolerance}
        chosen = next((name for name, value in given.items() if name not in ALWAYS and value is not None), None)
        if chosen is not None:
            raise InputError(f"{chosen} must be left out for problems with UnknownField, got {given[chosen]!r:.60}")


def _refined(refinement: Refinement, history: History) -> tuple[StopReason, str]:
    """Refine networks; where structured grids or sums of products were better, they are the solution.

    Residuals are compared, and estimated errors where the equation held: a jump of a source keeps residuals large.
    """
    before = history.best
    residual = history.fresh_residual
    count = len(history.stages)
    if refinement.problem.form.order > MAX_DEGREE - 1:
        if before is None:
            raise InputError(
                f"the equation must be of order {MAX_DEGREE - 1} at most where no grid of splines has a solution, got "
                f"{refinement.problem.form.order}"
            )
        return StopReason.NO_PROGRESS, history.message_with_residual("A finer grid does not lower the residual")
    if before is None:
        estimate = math.nan
    else:
        estimate = history.evidence().estimate
    stopped, message = refinement.run()
    if before is None:
        return stopped, message
    is_better = history.fresh_residual < residual
    if residual <= LARGEST_RESIDUAL:
        is_better = history.evidence().estimate < estimate
    if not is_better:
        history.returned_to(before, count)
        message = history.message_with_residual("Trained networks are no better")
    return stopped, message


def _passed_through_solid(
    problem: Collocation, history: History, tolerance: float, ended: tuple[StopReason, str]
) -> tuple[StopReason, str]:
    """Solve an evolution on a solid in passes through time, where networks left an error; the smaller estimate counts.

    Networks come first: they have the last digits of what is a sum of few products within seconds, of which a grid of
    a solid takes ten.
    """
    from edgewise.pde.tiers.galerkin.cut_slabs import cut_cell_statement  # imported late: `import edgewise` stays light

    if problem.domain.dimension > MOST_PLANE:
        statement = cut_cell_statement(problem.form)
    else:
        statement = None
    if statement is None:
        return ended
    estimate = history.evidence().estimate
    if estimate <= max(tolerance, REACH_OF_NETWORKS):
        return ended
    history.set_aside()
    try:
        passed = solve_in_passes(problem, statement, history, tolerance, None)
    except KeyboardInterrupt:
        passed = StopReason.INTERRUPTED, "Interrupted; the solution is that of the only pass through time."
    except OutOfTime:
        passed = StopReason.TIME_LIMIT, "The time is over; the solution is that of the only pass through time."
    is_stopped = passed is not None and passed[0] is StopReason.INTERRUPTED
    if is_stopped:
        history.hurry()
    if passed is not None and history.stages and history.evidence().estimate < estimate:
        return passed
    reason, clause = history.exhausted or (ended[0], "Passes through time are no better than the networks")
    if is_stopped:
        reason = StopReason.INTERRUPTED
        clause = "Interrupted in passes through time; the solution is a network's"
    history.take_back()
    return reason, history.message_with_residual(clause)


def _planned(problem: Collocation, seed: int, **options: Unpack[SolveOptions]) -> Plan:
    """The choices of a solve, checked, with defaults for those that are left out."""
    if not isinstance(problem, Collocation):
        raise InputError(f"problem must be a PDE, got {type(problem).__name__}")
    check_options(solve, options, SolveOptions)
    is_high = problem.form.order > MAX_DEGREE - 1
    if is_high:
        _check_high_order(problem, options)
    degree = options.get("degree")
    if degree is None:
        if problem.form.parts is None:
            degree = MAX_DEGREE
        else:
            degree = max(DEGREE_OF_PARTS, problem.form.order + 1)
    starts = options.get("starts", 2)
    check_count(degree, "degree")
    check_count(starts, "starts")
    check_count(seed, "seed", 0)
    if degree > max(MAX_DEGREE, DEGREE_OF_PARTS) or (problem.form.order > degree - 1 and not is_high):
        raise InputError(
            f"degree must be {problem.form.order + 1} to {MAX_DEGREE} for an equation of order {problem.form.order}, "
            f"got {degree}"
        )
    dimension = problem.domain.dimension
    grid_size = options.get("grid_size")
    if grid_size is None:
        grid_size = FIRST_GRID_OF_BOX if dimension > 1 else FIRST_GRID_OF_LINE
    check_count(grid_size, "grid_size")
    shape: tuple | str = TENSOR if dimension <= MOST_TENSOR else SEPARABLE
    if shape == SEPARABLE and problem.form.periodic:
        shape = (5 + dimension,)  # separable networks are not periodic
    hidden = options.get("hidden")
    if hidden is not None:
        if not isinstance(hidden, Sequence) or isinstance(hidden, str):
            raise InputError(f"hidden must be the nodes of the hidden layers, as (5,), got {hidden!r:.60}")
        shape = tuple(hidden)
    start = options.get("start")
    begin = None
    if start is not None:
        if not isinstance(start, Solution):
            raise InputError(f"start must be a solution, from solve, got {type(start).__name__}")
        ours, theirs = ((list(each.domain.ends.items()), each.fields) for each in (problem, start.problem))
        if ours != theirs:
            raise InputError(f"start must have the coordinates, ends and fields of the problem, {ours}, got {theirs}")
        repeats = problem.form.periodic
        has = start.problem.form.periodic
        if set(repeats) != set(has):
            raise InputError(f"start must have the periodic coordinates of the problem, {repeats}, got {has}")
        if problem.form.outputs != start.problem.form.outputs:
            raise InputError(
                f"start must have as many fields on parts between interfaces as the problem, {problem.form.outputs}, "
                f"got {start.problem.form.outputs}"
            )
        begin = start.model
        if isinstance(begin, TensorNetwork):  # without the covariance of measured fields, which is of that problem
            begin = TensorNetwork(begin.tensor_layer)
        if isinstance(begin, Chain):
            check_as_start(problem, begin, hidden, options.get("degree"), options.get("grid_size"))
            if isinstance(begin, SeparableNetwork):
                shape = SEPARABLE
            else:
                if isinstance(begin, TensorNetwork):
                    shape = TENSOR
                else:
                    shape = kan_of(begin).config.width[1:-1]
    if problem.form.has_integrals:
        most = MOST_FACTORISED_WITH_INTEGRALS
    else:
        most = MOST_FACTORISED_IN_EQUATIONS
    method = options.get("method")
    if method is None:
        is_cut = not isinstance(problem.domain, Box)
        if shape == TENSOR:
            method = linear_method(most, is_cut=is_cut)
        else:
            method = LevenbergMarquardt()
    return Plan(shape, grid_size, degree, method, starts, seed, most, options.get("resample", True), begin)


def _check_high_order(problem: Collocation, options: SolveOptions) -> None:
    """Raise an InputError where only networks could solve an equation whose derivatives they do not have."""
    from edgewise.pde.spaces.statement import recognised  # imported late: `import edgewise` stays light

    if _is_unchosen(options):
        found = recognised(problem.form)
    else:
        found = "a network or its method is chosen"
    if isinstance(found, str):
        most = MAX_DEGREE - 1
        raise InputError(
            f"the equation must be of order {most} at most where it is left to networks, got {problem.form.order}, "
            f"and {found}"
        )


def _is_unchosen(options: SolveOptions) -> bool:
    """True if the user chooses nothing about networks and methods."""
    chosen: dict[str, object] = {**options}
    return all(chosen.get(name) is None for name in ("hidden", "grid_size", "degree", "method", "resample"))


def _solve_on_structured_grids(
    problem: Collocation, history: History, tolerance: float, start: Solution | None
) -> tuple[StopReason, str] | None:
    """Solve on finer and finer structured grids, until two of them agree.

    Returns the reason of the end and a sentence, or None where networks come next: if the statement does not fit, no
    grid has a solution, or none resolves it.
    """
    from edgewise.pde.spaces.statement import recognised
    from edgewise.pde.tiers.collocation.deflation import (  # imported late: `import edgewise` stays light
        interpolated,
        others,
    )
    from edgewise.pde.tiers.collocation.stationary import first_axes, stationary_stages
    from edgewise.pde.tiers.evolution.collocation import is_initial_value_problem
    from edgewise.pde.tiers.galerkin.cut_slabs import cut_cell_statement
    from edgewise.pde.tiers.galerkin.cut_stages import solid_stages
    from edgewise.pde.tiers.galerkin.rough import first_order_statement, rough_part
    from edgewise.pde.tiers.least_squares import enriched_stages

    known: Known = None if start is None else lambda x: field_values(start.model, start.problem, x)
    statement = recognised(problem.form)
    is_large = problem.domain.dimension > MOST_TENSOR
    if isinstance(statement, str):
        first = first_order_statement(problem.form)
        rough = None if first is None else rough_part(first)
        if first is not None and rough:
            return solve_in_weak_form(problem, first, history, tolerance, rough)
        evolving = cut_cell_statement(problem.form)
        if evolving is not None and problem.domain.dimension <= MOST_PLANE:  # on solids networks are the first
            return solve_in_passes(problem, evolving, history, tolerance, known)
        if is_large:
            ended = solve_on_grids(problem, solid_stages(problem, history.limit), history, tolerance, "cut cells")
            if ended is None or ended[0] is StopReason.NO_PROGRESS:  # or networks, whatever is better
                return _solve_with_low_rank(problem, history, tolerance, None)
            return ended
        ended = solve_on_grids(problem, enriched_stages(problem, known), history, tolerance, "least squares")
        if ended is not None and ended[0] is StopReason.NO_PROGRESS and not history.evidence().is_final:
            assert history.best is not None
            is_poor = history.evidence().estimate > REACH_OF_NETWORKS
            if is_poor and not isinstance(history.best.network, EnrichedNetwork):
                return None  # or networks, whatever is better
        return ended
    is_in_time = TIME in problem.domain.coordinates and problem.form.time is not None
    if is_initial_value_problem(statement):
        rough = rough_part(statement)
        if statement.outflow_conditions and rough is not None:
            check_by_coarse_pass(problem, statement, history)
        if rough:
            ended = solve_in_weak_form(problem, statement, history, tolerance, rough)
        else:
            ended = solve_in_passes(problem, statement, history, tolerance, known)
        if history.best is not None and statement.outflow_conditions:
            allowed = LARGEST_RESIDUAL + (BESIDE_JUMPS * history.evidence().estimate if rough else 0.0)
            check_outflow(history.best.network, history.best.problem, statement, allowed)
        if rough or ended is not None or statement.constraint_variables or is_in_time:
            return ended
    if statement.form.has_integrals or (is_in_time and problem.domain.dimension > 1):
        if is_large:
            return _solve_with_low_rank(problem, history, tolerance, None)
        return None
    begin = None
    if known is not None:
        axes = first_axes(statement)
        begin = axes, interpolated(known, axes)
    ended = solve_on_grids(problem, stationary_stages(statement, begin), history, tolerance)
    if is_large and (ended is None or ended[0] is StopReason.NO_PROGRESS):
        return _solve_with_low_rank(problem, history, tolerance, ended)
    if ended is not None and ended[0] is StopReason.CONVERGED and not problem.form.is_linear:
        assert history.best is not None
        try:
            found = None
            if not history.past_deadline:
                found = next(others(statement, [history.best.network], STARTS_OF_OTHERS), None)
        except KeyboardInterrupt:  # the solution itself is complete
            return StopReason.INTERRUPTED, f"{ended[1]} Interrupted while other solutions were sought."
        except OutOfTime:
            return ended
        if found is not None:
            history.remark = "another solution exists, which other_solutions gives"
    return ended


def _solve_with_low_rank(
    problem: Collocation, history: History, tolerance: float, ended: tuple[StopReason, str] | None
) -> tuple[StopReason, str] | None:
    """Solve on a box by sums of products, until two of them agree; an earlier solution is kept if it is better.

    Returns the reason of the end and a sentence, or `ended`, that of the earlier solution, if the statement does not
    fit or nothing better was found.
    """
    from edgewise.pde.spaces.statement import recognised
    from edgewise.pde.tiers.tensor_train.stages import low_rank_stages  # imported late: `import edgewise` stays light

    statement = recognised(problem.form, math.inf)
    if isinstance(statement, str) or statement.constant or len(problem.fields) > 1 or statement.form.has_integrals:
        return ended
    before, residual, count = history.best, history.fresh_residual, len(history.stages)

    def spend(work: float) -> None:
        history.spend(work)
        check_time()
        if history.work > history.limit:
            raise OutOfTime

    def stages() -> Iterator[Stage]:
        if before is None:
            begin = None
        else:
            begin = [count // 2 for count in grid_sizes(before.network)]
        for stage, missed in low_rank_stages(statement, spend, history.seed, begin):
            history.separation = missed
            yield stage

    try:
        found = solve_on_grids(problem, stages(), history, tolerance, "tensor train")
    except KeyboardInterrupt:
        found = StopReason.INTERRUPTED, INTERRUPTED
    if found is None and len(history.stages) > count + 1:
        # Networks with fewer parameters for each term would not resolve what this does not.
        found = StopReason.NO_PROGRESS, history.message_with_residual("A finer grid does not lower the residual")
    is_cut = found is not None and found[0] in (StopReason.INTERRUPTED, StopReason.TIME_LIMIT)
    if before is not None and not history.fresh_residual < residual:
        history.returned_to(before, count)
        return found if is_cut else ended
    return found or ended


def _find_fields(problem: Collocation, history: History) -> tuple[StopReason, str]:
    """Find unknown fields from measured values on finer and finer grids, until two agree within their noise."""
    from edgewise.pde.tiers.unknown_fields import inverse_fits  # imported late: `import edgewise` stays light

    x = history.fresh_points
    names = problem.form.smoothed_fields
    before = None
    spent = history.work

    def watch(work: float, loss: float) -> bool:
        history.work = spent + work
        history.report_progress(f"unknown fields, grid {len(history.stages) + 1}", loss)
        return history.exhausted is None

    try:
        for fit in inverse_fits(problem, names, watch):
            history.work = spent = spent + fit.work
            values, errors = field_values(fit.network, fit.problem, x), fit.network.standard_errors(x)
            result = TrainedNetwork(fit.network, fit.problem, fit.loss, "penalised least squares")
            history.add_stage(result, fit.points)
            if before is None:
                gap = math.nan
            else:
                gap = float((values - before).norm() / errors.norm())
            before = values
            history.judged(evidence_of_fields(fit, names, history.stages[-1], gap, errors, values))
            if fit.is_interrupted:
                return StopReason.INTERRUPTED, "Interrupted; the solution is that of the last step on the first grid."
            if not fit.has_noise:
                return StopReason.NO_PROGRESS, "A finer grid would not help."
            if gap <= GAP_OF_ERRORS:
                return StopReason.CONVERGED, f"Two grids agree to {gap:.1g} of a standard error."
            if history.exhausted:
                break
    except OutOfTime:
        if before is None:
            raise history.nothing_in_time(problem) from None
        return StopReason.TIME_LIMIT, "The time is over."
    reason, clause = history.exhausted or (StopReason.NO_PROGRESS, "The largest grid is reached")
    return reason, f"{clause}."


def solve_on_grids(
    problem: Collocation, stages: Iterator[Stage], history: History, tolerance: float, tier: str = "collocation"
) -> tuple[StopReason, str] | None:
    """Take solutions on finer and finer grids until two of them agree.

    Returns the reason of the end and a sentence, or None if no grid has a solution, or none resolves it.
    """
    best: TrainedNetwork | None = None
    exhausted: tuple[StopReason, str] | None = None
    try:
        for stage in stages:
            history.spend(stage.work)
            assert isinstance(stage.network, SolverNetwork)
            result = TrainedNetwork(stage.network, problem, stage.loss, tier)
            history.add_stage(result, stage.points)
            best = result if best is None or result.loss < best.loss else best
            if stage.is_fold:
                return StopReason.NO_PROGRESS, history.doubt(NO_SOLUTION)
            if stage.doubt:
                return StopReason.NO_PROGRESS, history.doubt(stage.doubt, only_first=True)
            is_close = history.error_estimate <= tolerance and history.fresh_residual <= LARGEST_RESIDUAL
            if is_close and history.evidence().estimate <= UNLIKE * tolerance:
                return StopReason.CONVERGED, f"Two grids agree to {history.error_estimate:.1g}, within the tolerance."
            if history.exhausted:
                reason, clause = history.exhausted
                return reason, history.message_with_residual(clause)
    except OutOfTime:
        exhausted = StopReason.TIME_LIMIT, "The time is over"
    if best is None:
        return None
    exhausted = exhausted or history.exhausted
    history.returned_to(best, len(history.stages), has_stalled=not exhausted)
    if exhausted:
        return exhausted[0], history.message_with_residual(exhausted[1])
    evidence = history.evidence()
    is_resolved = history.fresh_residual <= LARGEST_RESIDUAL
    if evidence.is_final and (problem.form.is_linear or is_resolved):
        return StopReason.NO_PROGRESS, history.message_with_residual("A finer grid would not help")
    if not is_resolved or evidence.estimate > UNSOLVED_ESTIMATE:
        return None  # least squares on grids graded by the residual may still find what no structured grid resolves
    return StopReason.NO_PROGRESS, history.message_with_residual("A finer grid does not lower the residual")

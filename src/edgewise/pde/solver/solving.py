"""`solve`: a differential equation to an accuracy that it estimates itself, with nothing to choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from edgewise.checks import check_kind, check_number, check_options
from edgewise.errors import InputError
from edgewise.files.journal import Journal
from edgewise.listeners import check_progress, reported
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.outcomes import OnInterrupt, ProgressCallback, StopReason, check_on_interrupt
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver import messages
from edgewise.pde.solver.cascade import TIERS, LeastSquares, Networks
from edgewise.pde.solver.driver import Task, first_good
from edgewise.pde.solver.facts import Facts
from edgewise.pde.solver.limits import Limits
from edgewise.pde.solver.plan import check_start, is_unchosen, planned
from edgewise.pde.solver.restated import in_own_units, solution_in_units
from edgewise.pde.solver.solution import Solution, field_values
from edgewise.train.methods.base import Method

DEFAULT_TOLERANCE = 1e-10  # What two grids reach on smooth problems


class SolveOptions(TypedDict, total=False):
    """Keyword options of `solve` for the network, the method and Ctrl-C.

    Problems with `UnknownField` take `on_interrupt` and `journal` only.

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
        problems need none, nor do integrations in time, whose time elements begin with the one before.
    on_interrupt : {"raise", "keep"}
        What Ctrl-C does: "raise", the default, passes the KeyboardInterrupt on; "keep" returns the solution of the last
        complete stage, once there is one, or, in time, that up to the moment that was reached.
    journal : edgewise.files.journal.Journal
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
    journal: Journal | None


@torch.enable_grad()
def solve(
    problem: Collocation,
    *,
    budget: float = 1.0,
    time_limit: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
    progress: ProgressCallback | bool = False,
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
        end later; an integration that would not reach it begins again with a larger tolerance.
    tolerance : float
        Estimated relative error at which the solve ends; not for `UnknownField`, whose grids must agree to 0.2 of a
        standard error.
    seed : int
        Seed of points and weights.
    progress : bool or callable
        True shows a line with the stage and the time on terminals and in notebooks. A function receives a `Progress`
        after every part of the work: the stage, the share of the budget, and the loss.
    **options
        Choice of the network and the method, and what Ctrl-C does, see `SolveOptions`.

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
    from grid to grid, or from one integration in time to a sharper one, until two results agree to `tolerance`:

    - Boxes of at most three coordinates, with as many conditions as the equations' orders: collocation with products of
      splines of degree 9 to 11 and sparse factors, in time element after time element. Where interfaces are planes of
      one coordinate of space, the parts between them are folded onto one box, as a system. A field of which only
      derivatives occur, as the pressure of a flow, needs one value, as `Observations`, or its mean, as a `Condition` on
      its `integral`. In time its mean is zero; initial velocities alone are given, without a divergence and as at the
      walls; an outlet has p = 0 with v = 0 and the normal derivative of u, or with both normal derivatives.
    - Linear evolution on an interval or a rectangle with coefficients that no grid resolves, and waves and transport,
      also as systems of first order, from starts or with data on walls that have kinks or jumps, or contradict each
      other, as a wave from rest that a wall drives: a weak form on even grids. Fronts too thin for time elements, and
      diffusion that degenerates: even grids with a hyperviscosity, which smooths them over a few intervals.
    - Evolution on other domains of the plane: Galerkin's method in time elements. On solids, for one field, networks
      are the first, and such time elements follow where the estimate is above the tolerance and 1e-9.
    - Linear equations of second order for one field on solids cut from others: Galerkin's method on cut cells.
    - One field of more coordinates, or where three are too many for a grid: a tensor train of splines.
    - Other domains of the plane without time: splines of degree 11 by least squares, with functions that are singular
      at corners and around round holes where the leading part is one field's Laplacian; else there must be no reentrant
      corner. Where such splines do not resolve the solution, and in other problems on one or two coordinates, as with
      unknown coefficients: least squares of splines of degree 5 on grids with more intervals where the residual or the
      estimated error is largest.
    - Fields that `UnknownField` names: penalised least squares on tensor grids.

    All others are solved by networks: sums of products of one function of each coordinate, or a KAN if `hidden` asks
    for one. Levenberg-Marquardt minimises the residuals on a coarse grid; then all intervals are halved, or half as
    many terms are added, whichever lowers the loss more.

    Examples
    --------
    >>> import torch
    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> problem = PDE(lambda u, x: u.xx + u, Interval(0, 1), [Dirichlet(lambda x: x.cos())])
    >>> solution = solve(problem, tolerance=1e-8)
    >>> solution.stopped, solution.error_estimate < 1e-8
    (<StopReason.CONVERGED: 'converged'>, True)
    """
    # Options are checked, and the problem is stated for fields near one.
    _check_options(problem, budget, time_limit, tolerance, options)
    keep_interrupted = check_on_interrupt(options.get("on_interrupt", "raise")) == "keep"
    check_progress(progress, has_line=True)
    restated, start, units = in_own_units(problem, options.get("start"))
    # What the problem is decides which tiers solve it.
    facts = Facts(restated.form)
    _check_order(facts, options)
    plan = planned(restated, seed, {**options, "start": start})
    tiers = TIERS
    if plan.is_chosen:
        tiers = (LeastSquares(), Networks())
    # Tiers in their order, each refined until two levels agree, as far as the limits allow.
    journal = options.get("journal")
    earlier_seconds = 0.0
    if journal is not None:
        earlier_seconds = journal.earlier_seconds
    guess: Callable[[Tensor], Tensor] | None = None
    if start is not None:
        guess = partial(field_values, start.model, start.problem)
    with reported(progress, "solve") as report:
        limits = Limits(budget, time_limit, report, earlier_seconds)
        task = Task(restated, facts, plan, limits, tolerance, guess)
        with limits.holds():
            found = first_good(task, tiers)
    if found.ending.reason is StopReason.INTERRUPTED and not keep_interrupted:
        raise KeyboardInterrupt
    # The best level with its judgement, in the units of the statement.
    return solution_in_units(messages.solution_of(found.record, found.ending), problem, units)


def _check_options(
    problem: Collocation, budget: float, time_limit: float | None, tolerance: float, options: SolveOptions
) -> None:
    """Check the problem, how much work is allowed, how exact it must be, and that options fit the problem."""
    check_kind(problem, Collocation, "problem must be a PDE")
    check_options(solve, options, SolveOptions)
    check_number(budget, "budget", positive=True)
    if time_limit is not None:
        check_number(time_limit, "time_limit", positive=True)
    check_number(tolerance, "tolerance")
    check_start(problem, options.get("start"))
    # Unknown fields have a method of their own, without choices.
    if problem.form.smoothed_fields:
        given: dict[str, object] = {**options, "on_interrupt": None, "journal": None}  # these two choose no method
        if tolerance != DEFAULT_TOLERANCE:
            given["tolerance"] = tolerance
        chosen = next((name for name, value in given.items() if value is not None), None)
        if chosen is not None:
            raise InputError(f"{chosen} must be left out for problems with UnknownField, got {given[chosen]!r:.60}")


def _check_order(facts: Facts, options: SolveOptions) -> None:
    """Raise an InputError where only networks could solve an equation whose derivatives they do not have."""
    if facts.form.order > MAX_DEGREE - 1:
        why = "a network or its method is chosen"
        if is_unchosen(options):
            why = facts.no_grid
        if why:
            raise messages.too_high_order(facts.form, why)

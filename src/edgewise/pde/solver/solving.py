"""`solve`: a differential equation to an accuracy that it estimates itself, with nothing to choose."""

from collections.abc import Callable, Sequence

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.equation import PDE
from edgewise.pde.solver.history import Account, Arm
from edgewise.pde.solver.refinement import SEPARABLE, TENSOR, Growth, Plan
from edgewise.pde.solver.solution import Solution
from edgewise.pde.solver.time_windows import March, can_march
from edgewise.pde.solver.training import linear_method
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

FIRST_GRID = 5  # of every coordinate; four times as many intervals for functions of one variable
FIRST_TOLERANCE, SHARPER, DEARER = (
    1e-3,
    30.0,
    5.0,
)  # of a march through time; of the next one, and how many times its cost
MOST = 10_000  # parameters of a matrix that is factorised
MOST_IN_FULL = 2000  # where rows have all parameters in them, as integrals make them
MOST_TENSOR = 2  # dimensions


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
    resample: bool = True,
    progress: Callable[[str, float, float], None] | None = None,
) -> Solution:
    """Solves a differential equation.

    On one or two coordinates the fields are sums of all products of B-splines (`TensorLayer`), in more dimensions sums
    of separable functions, products of one spline of each coordinate, or of functions of one coordinate each, unless
    `hidden` asks for a KAN with these hidden layers. Levenberg-Marquardt brings the loss down on a coarse grid. Then
    there are more intervals where most is missing (on boxes, where all is linear, each interval then misses the same;
    else some are halved), or half as many terms again, whichever lowers the loss more, without any change of the
    function but in the first case; and so on, on more points, until two stages agree to `tolerance`, the loss falls no
    further, or the budget is spent. Nonlinear equations in time with at most one dimension of space are
    solved window after window instead, each on a grid of its own, and again with a sharper tolerance. Splines have the
    highest degree, five: an equation of order m leaves them a residual that falls with the grid size to the power of
    6 - m.

    Args:
        problem: the equation; its own points are not used.
        hidden: nodes of the hidden layers of a KAN, as (5,), or ((0, 4),) for four products.
        grid_size: of the coarsest grid.
        degree: of the splines.
        method: `LevenbergMarquardt()`; `SSBroyden()`, `LBFGS()` or `Adam()` as well.
        starts: how many, of networks that are not linear in their parameters.
        budget: work allowed; 1 is a few minutes at most on one core.
        time_limit: seconds; decides between stages only.
        tolerance: of the estimated relative error.
        seed: of points and weights.
        resample: False keeps the problem's own points throughout.
        progress: told of stage, share of the budget and root of the loss.

    Raises:
        InputError: an argument is not as above, or the order of the equation is above four.
    """
    plan = _planned(problem, hidden, grid_size, degree, method, starts, seed, resample)
    for value, name in ((budget, "budget"), (1.0 if time_limit is None else time_limit, "time_limit")):
        if not (is_number(value) and value > 0):
            raise InputError(f"{name} must be a positive number, got {value!r}")
    if not (is_number(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance must be a number of at least 0, got {tolerance!r}")
    account = Account(problem, seed, budget, time_limit, progress)
    ended = None
    if plan.shape == TENSOR and method is None and resample and can_march(problem):
        ended = _marched(problem, plan, account, tolerance)
    return account.solution(*(ended or Growth(problem, plan, account, tolerance).run()))


def _planned(problem, hidden, grid_size, degree, method, starts, seed, resample) -> Plan:
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
    shape = TENSOR if dimension <= MOST_TENSOR else SEPARABLE
    if shape == SEPARABLE and problem.periodic:
        shape = (5 + dimension,)
    if hidden is not None:
        shape = tuple(hidden)
    most = MOST_IN_FULL if problem.has_integrals else MOST
    is_cut = not isinstance(problem.domain, Box)
    chosen = method or (linear_method(most, is_cut=is_cut) if shape == TENSOR else LevenbergMarquardt())
    return Plan(shape, grid_size, degree, chosen, starts, seed, most, resample)


def _marched(problem: PDE, plan: Plan, account: Account, tolerance: float) -> tuple[str, str] | None:
    """Through time, sharper each time; how it ended, or None where not even the first march came to its end."""
    allowed, costs = FIRST_TOLERANCE, []
    while True:
        before = account.work
        if account.best is not None:
            if account.estimate <= tolerance:
                return "converged", f"Two marches agree to {account.estimate:.1g}, within the tolerance."
            dearer = costs[-1] / costs[-2] if len(costs) > 1 else DEARER
            if before + dearer * costs[-1] > account.limit:
                return "budget", account.unfinished("The budget is spent")
            if account.late:
                return "time", account.unfinished("The time is over")
        march = March(problem, 2 * plan.grid_size, plan.degree, allowed, plan.most, account)
        try:
            found = march.run()
        except KeyboardInterrupt:
            if account.best is None:
                raise
            return "interrupted", "Interrupted; the solution is that of the last complete march."
        if found is None:
            if account.best is None:
                return None
            if account.work > account.limit:
                return "budget", account.unfinished("The budget was spent in a sharper march")
            return "no_progress", account.unfinished("A sharper march got stuck")
        network, loss, points = found
        account.note(Arm(network, problem, loss), points)
        allowed = allowed / SHARPER
        costs.append(account.work - before)

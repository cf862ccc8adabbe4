"""`other_solutions`: further solutions of a nonlinear problem, by deflation of the known ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from edgewise.checks import check_count, check_number, is_sequence, typed
from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde.solver.cascade import GridCollocation
from edgewise.pde.solver.driver import refine
from edgewise.pde.solver.facts import Facts
from edgewise.pde.solver.limits import Limits
from edgewise.pde.solver.messages import solution_of
from edgewise.pde.solver.record import Record
from edgewise.pde.solver.restated import in_units, solution_in_units, units_of
from edgewise.pde.solver.solution import Solution
from edgewise.pde.spaces.networks import fields_of


@typed
def other_solutions(
    known: Solution | Sequence[Solution], *, most: int = 4, budget: float = 1.0, tolerance: float = 1e-10, seed: int = 0
) -> list[Solution]:
    """Find further solutions of a nonlinear problem on a box without time.

    Parameters
    ----------
    known : Solution or sequence of Solution
        One or several solutions of the problem, from `solve` or this function.
    most : int
        Largest number of solutions to look for.
    budget, tolerance, seed
        As in `solve`, for each solution.

    Returns
    -------
    list of Solution
        Solutions that differ from the known ones and from each other, in the order in which they were found; empty
        where none was found, which does not prove that there is none.

    Raises
    ------
    InputError
        The problem is linear, depends on time, or has a domain or conditions that do not fit a grid of products.

    Notes
    -----
    Newton's method starts again and again on a coarse grid, with a factor that keeps it away from all solutions that
    are known [1]_. Each solution is then resolved on finer grids as in `solve`.

    References
    ----------
    .. [1] P. Farrell, A. Birkisson, S. Funke, "Deflation techniques for finding distinct solutions of nonlinear partial
       differential equations", SIAM J. Sci. Comput. 37 (2015) A2026.

    Examples
    --------
    Bratu's equation has two solutions:

    >>> import torch
    >>> from edgewise.pde import PDE, Dirichlet, Interval, solve
    >>> lower = solve(PDE(lambda u: u.xx + torch.exp(u), Interval(0, 1), [Dirichlet(0.0)]))
    >>> (upper,) = other_solutions(lower)
    >>> [round(float(each([[0.5]])[0, 0]), 4) for each in (lower, upper)]
    [0.1405, 4.0915]
    """
    # Solutions of one problem, and what is asked for.
    given: list = [known]
    if is_sequence(known):
        given = list(known)
    solutions = [each for each in given if isinstance(each, Solution)]
    if not given or len(solutions) < len(given):
        raise InputError(f"known must hold solutions, from solve, got {known!r:.60}")
    if any(each.problem.form is not solutions[0].problem.form for each in solutions):
        raise InputError("known must hold solutions of one problem, got several problems")
    check_count(most, "most")
    check_count(seed, "seed", 0)
    for value, name in ((budget, "budget"), (tolerance, "tolerance")):
        check_number(value, name, positive=True)
    from edgewise.pde.tiers.collocation.deflation import others  # imported late: `import edgewise` stays light

    # The problem in units of its own, on a tensor grid.
    stated = solutions[0].problem
    models = [each.model for each in solutions]
    units = units_of(stated.form)
    problem = in_units(stated, units)
    if units:
        inverse = torch.tensor([1 / units[name] for name in stated.fields], dtype=torch.float64)
        models = [fields_of(model).scaled(inverse) for model in models]
    # Only nonlinear problems without time have further solutions to look for.
    facts = Facts(problem.form)
    tier = GridCollocation()
    grid_problem = facts.grid_problem
    reason = facts.no_grid
    if not reason and facts.form.is_linear:
        reason = "it is linear"
    if not reason and facts.interfaces:
        reason = "there are interfaces"
    if not reason and facts.form.has_integrals and not facts.is_initial_value_problem:
        reason = "there are integrals or delays"
    if not reason and (facts.is_initial_value_problem or not tier.solves(facts)):
        reason = "it evolves in time"
    if grid_problem is None or reason:
        raise InputError(f"known must solve a nonlinear problem on a box without time, but {reason}")
    # Deflated Newton iterations on a coarse grid, each refined as in `solve`.
    found = []
    for axes, coef in others(grid_problem, models):
        record = Record(tier, problem, Limits(budget), seed)
        ending = refine(tier.levels_from(grid_problem, (axes, coef)), record, tolerance)
        if ending.reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt
        if record.count and not (ending.reason is StopReason.NO_PROGRESS and tier.gives_way(record)):
            found.append(solution_in_units(solution_of(record, ending), stated, units))
        if len(found) == most:
            break
    return found

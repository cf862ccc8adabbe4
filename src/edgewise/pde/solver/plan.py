"""Choices of a solve about networks and their training: those of the user, checked, and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewise.checks import check_count, check_kind, is_list
from edgewise.errors import InputError
from edgewise.files.journal import Journal
from edgewise.nn.layers.base import Chain
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.network import check_as_start
from edgewise.pde.solver.solution import Solution
from edgewise.pde.solver.training import linear_method
from edgewise.pde.spaces.networks import SEPARABLE, TENSOR, TensorNetwork, as_chain, fields_of
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

if TYPE_CHECKING:
    from edgewise.pde.solver.solving import SolveOptions

# Dimensions up to which products of B-splines of all coordinates are used: their number grows like that of the
# intervals to the power of the dimension.
MOST_TENSOR = 2


@dataclass(frozen=True)
class Plan:
    """Choices of a solve, by the user or by default."""

    shape: tuple | str  # hidden layers of a KAN, `TENSOR` or `SEPARABLE`
    grid_size: int  # intervals of the coarsest grid, and degree of the splines
    degree: int
    method: Method  # optimisation method
    starts: int  # number of starts of networks that are not linear in their parameters
    seed: int  # seed of points and weights
    most: int  # largest number of parameters
    is_chosen: bool = False  # whether the user chooses anything about networks and methods
    resample: bool = True  # whether points are chosen anew for each network; if not, those of the problem are kept
    start: Chain | None = None  # network of another solution, from which the training begins
    journal: Journal | None = None  # keeps every training


def is_unchosen(options: SolveOptions) -> bool:
    """True if the user chooses nothing about networks and methods."""
    chosen: dict[str, object] = {**options}
    return all(chosen.get(name) is None for name in ("hidden", "grid_size", "degree", "method", "resample"))


def check_start(problem: Collocation, start: Solution | None) -> None:
    """Raise an InputError unless a start is a solution of a like problem."""
    if start is None:
        return
    check_kind(start, Solution, "start must be a solution, from solve")
    # Fields and coordinates of both problems are the same.
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


def planned(problem: Collocation, seed: int, options: SolveOptions) -> Plan:
    """The choices of a solve, checked, with defaults for the omitted ones."""
    # Degree of splines on parts between interfaces: on each part the solution is smooth up to the interface and beyond,
    # so that a higher degree needs fewer coefficients; from 9 on the matrices lose digits.
    degree_of_parts = 7
    # Degree of the splines.
    degree = options.get("degree")
    if degree is None:
        if problem.form.parts is None:
            degree = MAX_DEGREE
        else:
            degree = max(degree_of_parts, problem.form.order + 1)
    starts = options.get("starts", 2)
    check_count(degree, "degree")
    check_count(starts, "starts")
    check_count(seed, "seed", 0)
    is_high = problem.form.order > MAX_DEGREE - 1  # only grids solve it, which choose a degree of their own
    if degree > max(MAX_DEGREE, degree_of_parts) or (problem.form.order > degree - 1 and not is_high):
        raise InputError(
            f"degree must be {problem.form.order + 1} to {MAX_DEGREE} for an equation of order {problem.form.order}, "
            f"got {degree}"
        )
    # First grid, of each coordinate or of the only one, whose level takes less than a second, and shape of the network.
    dimension = problem.domain.dimension
    grid_size = options.get("grid_size")
    if grid_size is None:
        grid_size = 20
        if dimension > 1:
            grid_size = 5
    check_count(grid_size, "grid_size")
    shape: tuple | str = TENSOR if dimension <= MOST_TENSOR else SEPARABLE
    if shape == SEPARABLE and problem.form.periodic:
        shape = (5 + dimension,)  # separable networks are not periodic
    # Hidden layers that were asked for.
    hidden = options.get("hidden")
    if hidden is not None:
        if not is_list(hidden):
            raise InputError(f"hidden must be the nodes of the hidden layers, as (5,), got {hidden!r:.60}")
        hidden = shape = tuple(hidden)
    # A network that is trained further.
    start = options.get("start")
    begin: Chain | None = None
    if start is not None:
        begin = as_chain(start.model)
    if begin is not None:
        check_as_start(problem, begin, hidden, options.get("degree"), options.get("grid_size"))
        kan = fields_of(begin).kan
        grid = fields_of(begin).grid
        if kan is not None:
            shape = kan.config.width[1:-1]
        elif grid is not None:
            shape = TENSOR
            begin = TensorNetwork(grid)  # without the covariance of measured fields, which is of that problem
        else:
            shape = SEPARABLE
    # Largest number of parameters, whose square matrix is formed and factorised, and the method of training. Splines of
    # one tensor product meet few parameters per point, so that forming the matrix is cheap, and one factorisation
    # solves a linear equation: 800 MB and about 6 s of one core. Rows of integrals hold all parameters: forming a
    # matrix of 10,000 would cost hundreds of times what factorising it does.
    most = 10_000
    if problem.form.has_integrals:
        most = 2000
    method = options.get("method")
    if method is None:
        is_cut = not problem.domain.is_box
        if shape == TENSOR:
            method = linear_method(most, is_cut=is_cut)
        else:
            method = LevenbergMarquardt()
    return Plan(
        shape,
        grid_size,
        degree,
        method,
        starts,
        seed,
        most,
        is_chosen=not is_unchosen(options),
        resample=options.get("resample", True),
        start=begin,
        journal=options.get("journal"),
    )

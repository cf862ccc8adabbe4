"""Problems without time: Newton's method on one grid, and grids that follow the residual between the points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edgewise.outcomes import check_time
from edgewise.pde.algebra.newton import (
    Solved,
    defined_start,
    is_finite,
    missing_diffusion,
    shape_of,
    smooth_start,
    solved_on_grid,
    stabilised,
)
from edgewise.pde.algebra.solver import solver_for
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.features import narrow_features, resolving, within_reach
from edgewise.pde.spaces.axis import SplineAxis, prolonged
from edgewise.pde.spaces.blocks import Jacobian, RowBlock, wave_symbol
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.spaces.networks import TensorNetwork, fields_of
from edgewise.pde.tiers.collocation.paths import PathEnd, sought_along_path
from edgewise.pde.tiers.level import Doubt, Level
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class GridSettings:
    """First grids, refinement and the ends of collocation without time; tuples by the number of coordinates."""

    first_intervals: tuple[int, ...] = (0, 16, 8, 6)  # of a coordinate: a tenth of a second
    # Change of the length of intervals along a half of a coordinate where an even grid meets a singularity: a tenth,
    # which moves the middle by a fifth of an interval.
    skew: float = 0.1
    refinement: tuple[float, ...] = (0, 4.0, 2.0, 1.6)  # largest factor by which an interval is refined in one stage
    # Points of each coordinate at which a residual is looked for at least: narrower sources are missed.
    search_points: tuple[int, ...] = (0, 2000, 100, 20)
    largest_grid: tuple[int, ...] = (0, 20_000, 500_000, 500_000)  # coefficients: a minute of one core

    highest_degree: int = 11  # needs the fewest coefficients for smooth solutions; graded breakpoints serve the others
    # Shortest interval, relative to the domain: a layer of width 1e-10 is resolved; rounding is at 1e-16.
    shortest_interval: float = 1e-11
    # Reduction of the residual that one stage aims at, where the estimated error does not say how much is needed.
    reduce: float = 1e4
    # Change of the length of intervals per length: neighbours differ by a factor of 1.5 at most.
    neighbour_change: float = 0.5
    # The same for flows: at a corner where a pressure has no bound, the error of smooth splines is that of the ratio of
    # neighbours, however short they are. Measured under a lid.
    neighbour_change_in_flows: float = 0.25
    # A coordinate, and in a solution that is not resolved an interval, whose error is below this share of the largest
    # one stays as it is; an error relative to the solution above which it is not resolved.
    marked_share: float = 0.05
    unresolved_error: float = 1e-2
    missed: float = 10.0  # factor by which a residual elsewhere must be larger than what is known to count
    # Least factor of the error from one stage to the next that an estimate believes.
    least_gain: float = 1e-2
    # Error where a residual is no number, as beyond the domain of a root: as large as fields are, so that it is
    # refined.
    undefined_error: float = 1.0
    # Of the size with which it would balance the other fields of a flow: smaller pressures and velocities count as if
    # they had this size, for their rounding is that of the others; pressures are a tenth of all forces at least.
    balanced_share: float = 0.1
    # Weight of an error that is summed up over the whole time beside that of one time element, of which there are many
    lasting_weight: float = 0.1
    mean_rounding: float = 1e-15  # of the slopes of the shortest waves: means of residuals below it are rounding
    # Relative difference of two grids, and least size in units of the field, of a mean residual that is no error of
    # theirs: rounding leaves 1e-13.
    settled: float = 1e-2
    least_imbalance: float = 1e-9
    # Factor by which residuals grow into changes of the solution, both in units of the field, above which it is hardly
    # determined: errors of 1e-9, as far as a residual is seen on two grids, are then one per cent of the field.
    # Measured: layers that are free to move have 3e7 to 2e10, all other problems that were tried at most 4e3.
    largest_growth: float = 1e7
    # The same above which the grid's own matrix is singular, as where sources and fluxes must balance; and the
    # number of coordinates in which least squares do without one.
    singular_growth: float = 1e15
    least_squares_follow: int = 2
    largest_first: int = 8000  # coefficients of a field on the first grid: in three dimensions, half a minute a step
    # Steps of defect correction at most, the factor by which each must be smaller than the one before, and that by
    # which a stage with them must lower the residual for the next to have them.
    defect_steps: int = 30
    defect_fall: float = 0.7
    worth_correcting: float = 0.1
    coarser_start: float = 0.5  # intervals of the grid on which the smoothest function is tried, relative to the first
    finer_on_path: float = 1.5  # the second grid on which a fold is sought, relative to the first
    stalls: int = 3  # stages without a smaller residual after which refinement ends


GRIDS = GridSettings()


def first_axes(grid_problem: GridProblem) -> list[SplineAxis]:
    """Return the axes of the coarsest grid."""
    bounds = grid_problem.form.domain.bounds.numpy()
    first = [
        np.linspace(low, high, max(GRIDS.first_intervals[len(bounds)], GRIDS.highest_degree + 1 if repeats else 0) + 1)
        for (low, high), repeats in zip(bounds, grid_problem.periodic, strict=True)
    ]
    features = narrow_features(grid_problem.form)
    finer = [resolving(points, features, axis) for axis, points in enumerate(first)]
    first = within_reach(first, finer, GRIDS.highest_degree, GRIDS.largest_first)
    return grid_problem.axes(first, [GRIDS.highest_degree] * len(bounds))


def uneven_axes(grid_problem: GridProblem, axes: Sequence[SplineAxis]) -> list[SplineAxis]:
    """Axes whose intervals become shorter from end to end."""
    skewed = []
    for axis in axes:
        low, high = axis.breakpoints[[0, -1]]
        skewed.append(
            axis.breakpoints + GRIDS.skew * (axis.breakpoints - low) * (high - axis.breakpoints) / (high - low)
        )
    return grid_problem.axes(skewed, [axis.degree for axis in axes])


def axes_of_start(grid_problem: GridProblem, start: nn.Module) -> list[SplineAxis]:
    """Axes with the breakpoints of a start's grid; those of the coarsest grid where these are more or it has too many.

    Newton's method from fields that a grid does not resolve begins elsewhere.
    """
    first = first_axes(grid_problem)
    grid = fields_of(start).grid
    if grid is None:
        return first
    lines = [max(axis.breakpoints, line.numpy(), key=len) for line, axis in zip(grid.breakpoints, first, strict=True)]
    axes = grid_problem.axes(lines, [axis.degree for axis in first])
    if math.prod(axis.count for axis in axes) > GRIDS.largest_first:
        return first
    return axes


def stationary_levels(
    grid_problem: GridProblem, begin: tuple[list[SplineAxis], np.ndarray] | None = None
) -> Iterator[Level]:
    """Solve on ever finer grids; ends where Newton's method fails, the residual stalls or the grid gets too large.

    Newton's method begins at zero, or where the equation is not defined there at the mean of the functions on which it
    was tried, or at given coefficients on given axes; and where that fails on the first grid at the smoothest function
    with the conditions, on a grid of half as many intervals and then on this one.
    """
    # The first grid.
    axes, coef = (first_axes(grid_problem), None) if begin is None else begin
    dimension = len(axes)
    degrees = [GRIDS.highest_degree] * len(axes)
    before = axes
    best = math.inf
    stalls = 0
    failures = 0
    loss = 0.0
    constant = 0.0
    is_stabilised = is_corrected = is_resolved = is_uneven = False
    fold: Level | None = None  # which is named where finer grids have no solution either
    while True:
        check_time()
        # Damped Newton steps from the solution on the grid before, prolonged to this one.
        if coef is None:
            start = defined_start(grid_problem, axes)
        else:
            start = prolonged(coef, before, axes)
        found = solved_on_grid(grid_problem, axes, start, is_stabilised)
        # A source without a bound at a point of an even grid, as 1 / r at the centre of a square, is at none of an
        # uneven one.
        if found is None and coef is None and not is_uneven:
            is_uneven = True
            with np.errstate(all="ignore"):
                is_defined = is_finite([block.evaluate(start) for block in grid_problem.blocks(axes)])
            if not is_defined:
                axes = uneven_axes(grid_problem, axes)
                before = axes
                continue
        is_first = found is None and axes is before and not grid_problem.form.is_linear
        # Nested iteration from the smoothest function.
        if is_first:
            axes, found = solved_from_smoothest(grid_problem, axes, start)
        # Continuation: the residual is lowered to zero, or to a fold, beyond which there is no solution.
        if is_first and found is None:
            finer = grid_problem.axes([refined(axis.breakpoints, GRIDS.finer_on_path) for axis in axes], degrees)
            end = sought_along_path(grid_problem, axes, finer, start)
            if end is not None and end.solved is None:
                fold = level_at_fold(grid_problem, end)
                loss = fold.loss
            elif end is not None:
                axes = list(end.axes)
                found = end.solved
        solved = None if found is None else found[:2]
        if solved is not None and is_corrected:
            solved = corrected(grid_problem, axes, *solved)
        # A finer grid, where this one has no solution.
        if found is None or solved is None:
            failures += 1
            if failures > GRIDS.stalls or (coef is not None and is_resolved):
                break
            # An oscillating solution of a grid that resolves nothing is a worse start than none on a finer one.
            axes = grid_problem.axes([refined(axis.breakpoints, 2.0) for axis in axes], degrees)
            coef = None
            if math.prod(shape_of(grid_problem, axes)) > GRIDS.largest_grid[dimension]:
                break
            continue
        (coef, work), fold = solved, None
        # Error that the residual between the points implies, and the balance of sources and fluxes.
        errors = relative_errors(grid_problem, axes, coef)
        loss = max(sum(float(each.max()) ** 2 for each in errors), GRIDS.least_gain**2 * loss)
        points = sum(block.rows for block in grid_problem.blocks(axes))
        constant, constant_before = grid_problem.imbalance(axes, coef), constant
        is_in_balance = abs(constant - constant_before) > GRIDS.settled * constant or constant < GRIDS.least_imbalance
        is_in_balance = is_in_balance or math.sqrt(loss) > constant
        # Growth of a residual by the inverse of the Jacobian.
        is_resolved = max(float(each.max()) for each in errors) < GRIDS.unresolved_error
        growth = 1.0 if grid_problem.constraint_variables or not is_resolved else found[2]()
        if growth > GRIDS.singular_growth and dimension <= GRIDS.least_squares_follow:
            return
        network = grid_problem.as_stated(network_of(axes, coef))
        doubt = doubt_of_grid(is_in_balance, growth)
        yield Level(network=network, loss=loss, points=points, work=work, doubt=doubt)
        # Upwind diffusion for layers thinner than the intervals, and corrections of what it leaves.
        was = is_stabilised, is_corrected
        if not is_resolved:
            # Layers may be unseen where first derivatives outweigh second ones within intervals; for a flow diffusion
            # would be as large an error as a pressure without bound at a corner.
            if not grid_problem.constraint_variables and not is_stabilised:
                blocks = grid_problem.equation_blocks(axes)
                is_stabilised = any(missing_diffusion(block, block.evaluate(coef)[1]) for block in blocks)
            is_corrected = False
        elif is_stabilised:  # corrections first, as long as they help: they need few intervals outside of layers
            is_stabilised = is_corrected = dimension == 1 and (not is_corrected or loss < GRIDS.worth_correcting * best)
        best = best if was == (is_stabilised, is_corrected) else math.inf
        stalls = stalls + 1 if is_resolved and loss >= best / 2 else 0
        best = min(best, loss)
        if stalls >= GRIDS.stalls:
            return
        before = axes
        # The next grid equidistributes the errors.
        if grid_problem.constraint_variables:
            change = GRIDS.neighbour_change_in_flows
        else:
            change = GRIDS.neighbour_change
        axes = grid_problem.axes(next_breakpoints(axes, errors, GRIDS.reduce, change), degrees)
        is_same = all(a.intervals == b.intervals for a, b in zip(axes, before, strict=True))
        if is_same and is_resolved:
            axes = grid_problem.axes([refined(axis.breakpoints, 1.3) for axis in axes], degrees)
        if (is_same and not is_resolved) or math.prod(shape_of(grid_problem, axes)) > GRIDS.largest_grid[dimension]:
            return
    if fold is not None:
        yield fold


def solved_from_smoothest(
    grid_problem: GridProblem, axes: list[SplineAxis], start: np.ndarray
) -> tuple[list[SplineAxis], Solved | None]:
    """Solution from the smoothest function with the conditions, on a grid of half as many intervals or on this one.

    Nested iteration: the equations of many splines have solutions that are none of the equation, as those of Monge and
    Ampere, which turn to another branch within the last interval, and those of few hardly any.
    """
    coarser = grid_problem.axes(
        [refined(axis.breakpoints, 1.0 if axis.periodic else GRIDS.coarser_start) for axis in axes],
        [axis.degree for axis in axes],
    )
    for grid in (coarser, axes):
        smooth = smooth_start(grid_problem, grid, prolonged(start, axes, grid))
        if smooth is None:
            continue
        found = solved_on_grid(grid_problem, grid, smooth)
        if found is not None:
            return list(grid), found
    return axes, None


def level_at_fold(grid_problem: GridProblem, end: PathEnd) -> Level:
    """The fields at which a path ends, beyond which there is no solution, as a level."""
    doubt = Doubt(
        "No solution was found: two grids leave the same residual, as where the problem has none; if it has one, a "
        "solution of a like problem, as `start`, may lead to it.",
        is_alone=True,
    )
    return Level(
        network=grid_problem.as_stated(network_of(end.axes, end.coef)),
        loss=sum(float(each.max()) ** 2 for each in relative_errors(grid_problem, end.axes, end.coef)),
        points=sum(block.rows for block in grid_problem.blocks(end.axes)),
        work=end.work,
        doubt=doubt,
    )


def doubt_of_grid(is_in_balance: bool, growth: float) -> Doubt | None:
    """What a grid says against its solution: sources do not balance, or residuals grow; None where it says nothing."""
    if not is_in_balance:
        return Doubt(
            "No solution was found, for sources and what flows through the boundary contradict each other: two grids "
            "leave the same mean residual."
        )
    if growth > GRIDS.largest_growth:
        return Doubt(
            "The equation and its conditions hardly determine the solution, as where a layer may be moved: a residual "
            f"changes it by {typed_text(growth, 1)} times as much."
        )
    return None


def corrected(
    grid_problem: GridProblem, axes: Sequence[SplineAxis], coef: np.ndarray, work: float
) -> tuple[np.ndarray, float]:
    """Coefficients that fulfil all rows without the added diffusion, if steps with it lead there, and the work."""
    # Defect correction [1]: each step lowers errors of what the grid resolves, and leaves waves from point to point as
    # they are, which the rows themselves hardly determine where intervals are longer than layers.
    # [1] P. Hemker, "Mixed defect correction iteration for the accurate solution of the convection diffusion equation",
    # Multigrid Methods, Lecture Notes in Mathematics 960, 1982, 485.
    blocks = grid_problem.blocks(axes)
    before = math.inf
    jacobian = [(stabilised(block, coef) if block.face is None else block.evaluate(coef))[1] for block in blocks]
    system = LinearSystem(blocks, jacobian, coef.shape)
    solver = solver_for(grid_problem, system)
    if solver is None:
        return coef, work
    for _ in range(GRIDS.defect_steps):
        check_time()
        step = solver(-np.concatenate([block.residuals(coef).ravel() for block in blocks])).reshape(coef.shape)
        size = float(np.abs(step).max())
        if not size < GRIDS.defect_fall * before:
            break
        coef = coef + step
        before = size
    return coef, work + system.work


def local_errors(
    grid_problem: GridProblem, axes: Sequence[SplineAxis], coef: np.ndarray, of: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Error of the fields that the residual between the points implies, for each interval of each coordinate.

    A residual r is divided by the sum over its derivatives of slope times (pi / h)^order, the residual of the fastest
    wave of amplitude 1 that intervals of length h hold, which is what a residual between points stems from. Between
    points of one coordinate the others are those of the collocation, where the residual comes from this one alone; on
    a coarse grid it is also looked at everywhere, lest a narrow source is missed; not so where only some coordinates
    are of interest, `of`.
    """
    # Points along each coordinate alone, and on coarse grids everywhere.
    dimension = len(axes)
    chosen = range(len(axes)) if of is None else of
    found = [np.zeros(line.intervals) for line in axes]
    most = [max(2, -(-GRIDS.search_points[dimension] // line.intervals)) for line in axes]
    for block in [*grid_problem.equation_blocks(axes), *grid_problem.condition_blocks(axes)]:
        if block.face is not None and block.face[0] not in chosen:
            continue
        free = [axis for axis in chosen if block.face is None or block.face[0] != axis]
        everywhere = {axis: most[axis] for axis in free}
        alone = [{axis: 2} for axis in free]
        is_coarse = dimension > 1 and of is None and max(most) > 2
        known = 0.0  # largest residual along one coordinate alone
        for counts in [*alone, *([everywhere] if is_coarse else [])]:
            counts = everywhere if dimension == 1 and of is None else counts
            points = [axes[k].fresh_points(counts[k]) if k in counts else block.points[k] for k in range(dimension)]
            fresh = RowBlock(block.form, block.term, block.numbers, axes, points, block.face, block.past)
            evaluated = fresh.evaluate(coef)
            # A residual that is as large along one coordinate alone comes from this one; a larger one elsewhere does
            # not tell which coordinate is too coarse, and all of them are refined alike.
            size = float(np.abs(evaluated[0]).max())
            if is_coarse and counts is everywhere and size <= GRIDS.missed * known:
                continue
            known = max(known, size)
            for axis, count in counts.items():
                # Residual over the symbol of the fastest wave.
                short = wave_symbol(fresh, evaluated[0].shape, evaluated[1], axis)
                values = implied_errors(evaluated[0], short)
                of_variables = {
                    key: s for key, s in evaluated[1].items() if key[1] in grid_problem.constraint_variables
                }
                if of_variables:  # what a short time element makes small in other fields need not be so in these
                    wave = wave_symbol(fresh, evaluated[0].shape, of_variables, axis)
                    own = implied_errors(evaluated[0], np.where(wave > ABOVE_ZERO, wave, math.inf))
                    values = np.maximum(values, own * cell_roots(fresh))
                if of is not None:
                    values = np.maximum(values, lasting_errors(fresh, coef, *evaluated, short, axis, count))
                largest = values.max(tuple(other for other in range(dimension) if other != axis))
                found[axis] = np.maximum(found[axis], largest.reshape(-1, count).max(1))
    return found


def relative_errors(grid_problem: GridProblem, axes: Sequence[SplineAxis], coef: np.ndarray) -> list[np.ndarray]:
    """Local errors relative to the fields, or to themselves where they are larger."""
    errors = local_errors(grid_problem, axes, coef)
    size = float(np.abs(coef).max()) + max(float(each.max()) for each in errors)
    return [each / max(size, ABOVE_ZERO) for each in errors]


def cell_roots(block: RowBlock) -> np.ndarray:
    """Root of the size of the cell in which each point of a block lies, relative to cells of an even grid.

    With this factor errors are those in the mean square: a pressure may have no bound at a corner.
    """
    roots = np.ones(())
    for line, at in zip(block.axes, block.points, strict=True):
        lengths = np.diff(line.breakpoints)
        roots = np.multiply.outer(roots, np.sqrt(lengths[line.places(at)] / lengths.mean()))
    return roots


def implied_errors(values: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Errors that residuals imply by those of waves, see `local_errors`: the largest of all residuals at each point."""
    errors = (np.abs(values) / wave).max(0)
    return np.where(np.isfinite(errors), errors, GRIDS.undefined_error)


def lasting_errors(
    block: RowBlock, coef: np.ndarray, values: np.ndarray, jacobian: Jacobian, short: np.ndarray, axis: int, count: int
) -> np.ndarray:
    """Errors in the whole domain that means of residuals over intervals of a coordinate, `count` points each, imply.

    A wave as long as an interval is damped by the highest derivatives; a residual in the mean over intervals is a
    source in every time element. Means within rounding do not count; `short` are the `wave_symbol` of the coordinate.
    """
    lines = np.moveaxis(values, axis + 1, -1)
    means = np.abs(lines.reshape(*lines.shape[:-1], -1, count).mean(-1)).repeat(count, -1)
    rounding = GRIDS.mean_rounding * float(np.abs(coef).max()) * short
    lasting = np.maximum(np.moveaxis(means, -1, axis + 1) - rounding, 0.0)
    errors = GRIDS.lasting_weight * (lasting / wave_symbol(block, values.shape, jacobian, None)).max(0)
    return np.where(np.isfinite(errors), errors, GRIDS.undefined_error)


def balanced_sizes(
    grid_problem: GridProblem,
    blocks: Sequence[RowBlock],
    evaluated: Sequence[tuple[np.ndarray, Jacobian]],
    sizes: np.ndarray,
) -> np.ndarray:
    """Least sizes of a pressure, and of velocities of a flow, beside other fields of sizes (fields,).

    They are a share of what balances the others, as waves as long as the domain: of a pressure the forces in all
    residuals in which it occurs, of a velocity the slopes of the others in the divergence. Other fields get 0.
    """
    balanced = np.zeros_like(sizes)
    constraint_variables = set(grid_problem.constraint_variables)
    time = grid_problem.form.time
    assert time is not None
    for block, (_, jacobian) in zip(blocks, evaluated, strict=True):
        # Symbol of each field in each row, for a wave as long as the domain.
        waves = np.zeros((len(block.numbers), len(sizes)))
        for slot in {slot for _, slot, _ in jacobian if block.is_equation}:
            own = {key: slope for key, slope in jacobian.items() if key[1] == slot}
            waves[:, slot] = wave_symbol(block, (len(waves), *block.shape), own, None).reshape(len(waves), -1).max(1)
        waves[waves <= ABOVE_ZERO] = 0.0
        # The divergence has derivatives in space of velocities alone.
        keys = [{(slot, index) for row, slot, index in jacobian if row == number} for number in range(len(waves))]
        is_divergence = [
            all(slot not in constraint_variables and sum(index) > index[time] == 0 for slot, index in each)
            for each in keys
        ]
        # The size that balances the other terms of these rows.
        for slot in range(len(sizes)):
            rows = (waves[:, slot] > 0) & (slot in constraint_variables or np.array(is_divergence))
            others = waves[rows] @ sizes - waves[rows, slot] * sizes[slot]
            balanced[slot] += GRIDS.balanced_share * others.sum() / max(waves[rows, slot].sum(), ABOVE_ZERO)
    return balanced


def next_breakpoints(
    axes: Sequence[SplineAxis], errors: Sequence[np.ndarray], needed: float, change: float
) -> list[np.ndarray]:
    """Breakpoints of the next grid, whose neighbours change by `change`, see `GRIDS.neighbour_change`.

    Where a solution is not resolved at all, intervals with about the largest error are cut into as many parts as a
    stage may; else each by the power of its error that the degree of the splines gives, to reduce it by `needed`.
    """
    largest = max(float(each.max()) for each in errors)
    most = GRIDS.refinement[len(axes)]
    new = []
    for axis, line in enumerate(axes):
        if largest > GRIDS.unresolved_error:
            factor = np.where(errors[axis] > GRIDS.marked_share * largest, most, 1.0)
        else:
            # Equidistribution: an error falls with the power degree + 1 of the length.
            relative = errors[axis] * (needed / max(largest, ABOVE_ZERO))  # it is zero where the solution is
            factor = np.clip(relative ** (1 / (line.degree + 1)), 1.0, most)
        lengths = np.diff(line.breakpoints)
        lengths = np.maximum(lengths / factor, np.minimum(lengths, GRIDS.shortest_interval * np.ptp(line.breakpoints)))
        new.append(graded(line.breakpoints, lengths, line.periodic, change))
    return new


def refined(breakpoints: np.ndarray, factor: float) -> np.ndarray:
    """Breakpoints with every interval cut by a factor."""
    return graded(breakpoints, np.diff(breakpoints) / factor, False)


def graded(
    breakpoints: np.ndarray, lengths: np.ndarray, periodic: bool, change: float = GRIDS.neighbour_change
) -> np.ndarray:
    """New breakpoints whose intervals have about the wanted lengths, (intervals,), and change smoothly."""
    middles = (breakpoints[1:] + breakpoints[:-1]) / 2
    lengths = lengths.copy()
    gaps = change * np.diff(middles)
    # Lengths limited by their neighbours, forwards and backwards, once more around a period.
    for _ in range(2 if periodic else 1):
        for i in range(1, len(lengths)):
            lengths[i] = min(lengths[i], lengths[i - 1] + gaps[i - 1])
        for i in range(len(lengths) - 2, -1, -1):
            lengths[i] = min(lengths[i], lengths[i + 1] + gaps[i])
        if periodic:
            lengths[[0, -1]] = lengths[[0, -1]].min()
    # Breakpoints at equal shares of the integral of 1 / length.
    shares = np.concatenate([[0.0], np.cumsum(np.diff(breakpoints) / lengths)])
    count = max(math.ceil(shares[-1] - 1e-6), 1)
    new = np.interp(np.linspace(0, shares[-1], count + 1), shares, breakpoints)
    new[[0, -1]] = breakpoints[[0, -1]]
    return new


def network_of(axes: Sequence[SplineAxis], coef: np.ndarray) -> TensorNetwork:
    """The fields as a network of one layer."""
    layer = TensorLayer(
        [torch.from_numpy(axis.breakpoints) for axis in axes],
        coef.shape[-1],
        degree=[axis.degree for axis in axes],
        periodic=[axis.periodic for axis in axes],
        clamped=True,
    )
    layer.coef = nn.Parameter(torch.from_numpy(np.ascontiguousarray(coef)))
    return TensorNetwork(layer)

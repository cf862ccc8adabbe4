"""Low-rank solutions on boxes of many coordinates: finer grids, sharper tolerances and higher ranks, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError

from edgewise.pde.algebra.newton import Advance, newton
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.level import Level
from edgewise.pde.tiers.tensor_train.functions import Function
from edgewise.pde.tiers.tensor_train.sweeps import Pairs
from edgewise.pde.tiers.tensor_train.system import Spend, lift_of, lines_of, system_of
from edgewise.pde.tiers.tensor_train.trains import along
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class TrainSettings:
    """Grids, ranks and tolerances of tensor trains, from level to level."""

    degree: int = 11  # the highest degree needs the fewest coefficients for smooth solutions
    # Intervals of each coordinate on the first grid: it takes a second.
    first_intervals: int = 2
    first_periodic: int = 16
    # Tolerance and largest rank of the first level; factors of both from level to level, and the least tolerance.
    first_tolerance: float = 1e-4
    sharper: float = 100.0
    sharpest: float = 1e-13
    first_rank: int = 8
    rank_growth: int = 2
    # Largest rank of sources and of the data of conditions beside that of the solution, and the share of the
    # tolerance that their errors may have.
    data_rank: int = 4
    data_share: float = 0.1
    most_growth: float = 1.5  # of the number of splines of a coordinate from level to level
    most_intervals: int = 250  # of a coordinate: dense matrices of a line take a tenth of a second
    # Steps of Newton's method, and times the tolerance: change after which they end.
    steps: int = 20
    close: float = 10.0
    diverged: float = 1e3  # size of a step over that of the first one
    unresolved: float = 0.05  # relative error above which a finer grid need not be better yet
    stalls: int = 3  # levels without a smaller error after which the search ends


SETTINGS = TrainSettings()


def tensor_train_levels(
    grid_problem: GridProblem, spend: Spend, seed: int = 0, begin: Sequence[int] | None = None
) -> Iterator[Level]:
    """Solve on finer and finer grids, with sharper tolerances and higher ranks, until the error stalls.

    The grid_problem is a problem of one field on a box, `spend` receives the work and raises `OutOfTime` to end the
    search, `seed` is that of random places, and `begin` has the numbers of intervals of the first grid. Yield each
    stage with the relative error of sources, coefficients and conditions in separated form.
    """
    # First grid, tolerance and rank.
    bounds = grid_problem.form.domain.bounds.numpy()
    counts = [SETTINGS.first_periodic if repeats else SETTINGS.first_intervals for repeats in grid_problem.periodic]
    if begin is not None:
        counts = [max(each) for each in zip(counts, begin, strict=True)]
    tolerance = SETTINGS.first_tolerance
    most = SETTINGS.first_rank
    best = math.inf
    stalls = 0
    function: Function | None = None
    while True:
        # The solution on even grids, and its error by a grid of half as many intervals.
        breakpoints = [np.linspace(low, high, count + 1) for (low, high), count in zip(bounds, counts, strict=True)]
        axes = grid_problem.axes(breakpoints, [SETTINGS.degree] * len(bounds))
        try:
            solved = _newton(grid_problem, axes, function, tolerance, most, seed, spend)
        except (NotImplementedError, LinAlgError):  # a matrix without eigenvectors
            return
        if solved is None:
            return
        function, missed = solved
        coarser = function.coarser_errors()
        loss = max(*coarser, missed, tolerance) ** 2
        points = sum(core.size for core in function.train)
        yield Level(network=function.network(), loss=loss, points=points, data_error=missed)
        # Resolved levels that are no better end the search; the next one is finer, sharper and of higher rank.
        if loss >= best / 2 and max(coarser) < SETTINGS.unresolved:
            stalls = stalls + 1
        else:
            stalls = 0
        best = min(best, loss)
        most = SETTINGS.rank_growth * most
        seed = seed + 1
        tolerance = max(tolerance / SETTINGS.sharper, SETTINGS.sharpest)
        grown = [_grown(*each, tolerance) for each in zip(axes, coarser, strict=True)]
        counts = [count for count, _ in grown]
        tolerance = max(tolerance, SETTINGS.data_share * max(left for _, left in grown))
        if stalls >= SETTINGS.stalls or max(counts) > SETTINGS.most_intervals:
            return


def _grown(axis: SplineAxis, coarser: float, tolerance: float) -> tuple[int, float]:
    """Number of intervals of the next grid, and the error that it leaves, from the error with half as many intervals.

    Errors of smooth functions fall like a power of a number, the number of splines in the exponent, and in the end like
    the power of the length of intervals that the degree gives; the slower of the two counts.
    """
    # The error on this grid, extrapolated from half as many intervals by geometric and by algebraic convergence.
    count = axis.count
    fewer = axis.intervals // 2
    if not axis.periodic:
        fewer += SETTINGS.degree
    error = max(min(coarser, 1.0) ** (count / fewer), coarser / 2 ** (SETTINGS.degree + 1))
    # More intervals, until the extrapolated error is below the tolerance.
    intervals = axis.intervals + 1

    def left(intervals: int) -> float:
        more = intervals + count - axis.intervals
        return max(error ** (more / count), error * (axis.intervals / intervals) ** (SETTINGS.degree + 1))

    while left(intervals) > tolerance and intervals + count - axis.intervals < SETTINGS.most_growth * count:
        intervals += 1
    return intervals, left(intervals)


def _newton(
    grid_problem: GridProblem,
    axes: Sequence[SplineAxis],
    before: Function | None,
    tolerance: float,
    most: int,
    seed: int,
    spend: Spend,
) -> tuple[Function, float] | None:
    """The solution on a grid from that of the level before, and the error of data in separated form; None without one.

    The linearised equation is solved for the next function itself, to a tolerance relative to that: Newton's method is
    for the fixed point of this map, where it ends, and steps are differences of functions, whose ranks change.
    """
    # Lines with the conditions at their ends.
    lines, owners = lines_of(grid_problem, axes, spend)
    # The lift of the conditions, about which Newton's method begins.
    data = SETTINGS.data_share * tolerance
    data_rank = SETTINGS.data_rank * most
    lift, missed = lift_of(grid_problem, lines, owners, data, data_rank, seed)
    is_linear = grid_problem.form.is_linear
    first = math.nan
    ahead = lift

    def residual(current: Function) -> Function:
        """The function less the solution of the equation linearised about it."""
        nonlocal missed, ahead
        about = current
        if is_linear:
            about = Function.zero(lines)
        # The linearised equation for what is beyond the lift of the conditions, from a start in its space.
        system = system_of(grid_problem, lines, about, lift, data, data_rank, seed, spend)
        if current is lift:
            generator = np.random.default_rng(seed)
            start = [generator.standard_normal((1, line.basis.shape[1], 1)) for line in lines]
        else:
            beyond = (current - lift).rounded(tolerance)
            start = along(beyond.train, [line.tested @ line.splines(0) for line in lines])
        pairs = Pairs(system, start)
        if not pairs.run(tolerance, most, spend):
            raise LinAlgError("a pair of cores has no solution")
        missed = max(missed, system.missed)
        ahead = (lift + Function(lines, along(pairs.cores, [line.basis for line in lines]))).rounded(data)
        return current - ahead

    def settled(current: Function, step: Function, solver: Callable[[Function], Function]) -> Advance[Function] | None:
        """Full steps, until one changes next to nothing; it diverges where changes grow without bound."""
        nonlocal first
        change = step.norm / max(ahead.norm, ABOVE_ZERO)
        if math.isnan(first):
            first = change
        if not change <= SETTINGS.diverged * first:
            return None
        return Advance(ahead, is_last=is_linear or change <= SETTINGS.close * tolerance)

    def factorised(current: Function) -> Callable[[Function], Function]:
        """The Jacobian of the map is next to zero at its fixed point: that of the residual is the identity."""
        return lambda values: values

    # From the level before, or from the lift.
    start = lift
    if before is not None:
        start = before.on(lines)
    solved = newton(start, residual, factorised, settled, SETTINGS.steps, lambda function: function.norm)
    if solved is None:
        return None
    return solved[0], missed

"""Residuals lowered share by share, to a solution, or to a fold, beyond which no fields leave a smaller share.

No error of a row depends on it. The sentence "No solution was found" does, just beyond a fold: without it the networks
that come next leave a residual of 1e-8 there, and estimate an error of 1e-6 for what is no solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.outcomes import check_time
from edgewise.pde.algebra.newton import NEWTON, GridEquations, Solved, damped_newton
from edgewise.pde.spaces.axis import SplineAxis, prolonged
from edgewise.pde.spaces.grid_problem import GridProblem


@dataclass(frozen=True)
class PathSettings:
    """Steps of the share, and the comparison of two grids."""

    # Shares that are tried on a grid, and multiply-adds of its factors (seconds of one core).
    most_tried: int = 120
    most_work: float = 1e10
    # First and largest step, relative to the share; one below the shortest ends at a fold; and a share from which on
    # Newton's method needs no further one.
    first_step: float = 0.2
    longest_step: float = 0.9
    shortest_step: float = 1e-6
    nearly_solved: float = 1e-9
    # Least damping factor of a Newton step: one from fields that are near enough needs none, and beyond a fold each
    # halving costs a solution.
    least_factor: float = 0.25
    # Relative difference of the shares on two grids at folds that are the same, far above zero then, and of the fields
    # at folds or solutions that are.
    same_share: float = 3e-2
    same_fields: float = 1e-2


PATHS = PathSettings()


class PathEnd(NamedTuple):
    """Where a path ends on a grid: what `damped_newton` gives for a solution, None at a fold."""

    axes: Sequence[SplineAxis]
    coef: np.ndarray
    share: float  # of the residual of the start, which is left; 0 for a solution
    solved: Solved | None
    work: float  # multiply-adds


class ResidualPath:
    """Fields u whose residual is a share s of that of a start u_0, F(u) = s F(u_0), by natural continuation [1].

    [1] E. Allgower, K. Georg, "Introduction to Numerical Continuation Methods", SIAM, 2003, section 1.1.
    """

    def __init__(self, grid_problem: GridProblem, axes: Sequence[SplineAxis], start: np.ndarray):
        self.axes = axes
        self.equations = GridEquations(grid_problem, axes)
        self.source = self.equations.residual(start)

    def at(self, share: float, near: np.ndarray, least_factor: float = NEWTON.least_factor) -> Solved | None:
        """Fields with a share of the residual, by Newton's method from others; None where it finds none."""
        self.equations.target = share * self.source
        return damped_newton(self.equations, near, least_factor)

    def follow(self, coef: np.ndarray, share: float = 1.0) -> PathEnd | None:
        """Lower the share from that of given fields on; None where it ends neither at a solution nor at a fold."""
        step = PATHS.first_step
        has_grown = True  # the last share was found, too
        for _ in range(PATHS.most_tried):
            check_time()
            if self.equations.work > PATHS.most_work:
                return None
            target = share * (1 - step)
            if share < PATHS.nearly_solved:
                target = 0.0
            found = self.at(target, coef, PATHS.least_factor)
            if found is not None and not target:
                return self._end(found[0], 0.0, found)
            if found is not None:
                coef = found[0]
                share = target
                if has_grown:
                    step = min(2 * step, PATHS.longest_step)
            elif not target:
                return None
            else:
                step = step / 2
            has_grown = found is not None
            # A fold, unless not even the first step was possible.
            if step < PATHS.shortest_step and share < 1:
                return self._end(coef, share, None)
            if step < PATHS.shortest_step:
                return None
        return None

    def _end(self, coef: np.ndarray, share: float, solved: Solved | None) -> PathEnd:
        return PathEnd(self.axes, coef, share, solved, self.equations.work)


def sought_along_path(
    grid_problem: GridProblem, axes: Sequence[SplineAxis], finer: Sequence[SplineAxis], start: np.ndarray
) -> PathEnd | None:
    """A solution that two grids have, or the fold at which both leave the same least share; None for neither."""
    coarse = ResidualPath(grid_problem, axes, start).follow(start)
    if coarse is None:
        return None
    # On the finer grid the path begins a little before the end on the coarse one.
    path = ResidualPath(grid_problem, finer, prolonged(start, axes, finer))
    share = coarse.share * (1 + PATHS.same_share)
    near = prolonged(coarse.coef, axes, finer)
    begin = path.at(share, near)
    if begin is None:
        return None
    fine = path.follow(begin[0], share)
    if fine is None or (fine.solved is None) != (coarse.solved is None):
        return None
    is_same = abs(coarse.share - fine.share) <= PATHS.same_share * fine.share
    is_same = is_same and bool(np.abs(near - fine.coef).max() < PATHS.same_fields * np.abs(fine.coef).max())
    if not is_same:
        return None
    return fine._replace(work=coarse.work + fine.work)

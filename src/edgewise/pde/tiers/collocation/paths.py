"""Paths from a start to a solution, along which the residual falls, and folds, at which it falls no further.

The error of no solution depends on them. The sentence "No solution was found" does, just beyond a fold: without paths
the networks that come next leave a residual of 1e-8 there, and estimate an error of 1e-6 for what is no solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.outcomes import check_time
from edgewise.pde.algebra.newton import Advance, GridEquations, Solved, newton, solved_on_grid
from edgewise.pde.algebra.system import Solver
from edgewise.pde.spaces.axis import SplineAxis, prolonged
from edgewise.pde.spaces.statement import Statement
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class PathSettings:
    """Steps, corrections and the comparison of points of a path of solutions."""

    # Points that are tried on a path, and its multiply-adds (seconds of one core); a longer path has no result.
    most_tried: int = 50
    most_path_work: float = 1e10
    # Length of the first step, in units of Newton's step from the start, the shortest one, and the growth after one
    # that was corrected in few steps.
    first_length: float = 0.2
    shortest_length: float = 1e-3
    length_growth: float = 1.6
    few_corrections: int = 3
    # Newton steps that correct a point at most, their size when it is done, and the least cosine of the angle between
    # two tangents: curves that turn faster may be left for others.
    corrections: int = 6
    corrected: float = 1e-8
    least_cosine: float = 0.8
    # Evaluations by which a fold, or a solution, is found between two points, and the slope of the share that counts as
    # none: the share at the fold is then off by its square.
    between: int = 12
    slope_at_fold: float = 1e-6
    # Relative difference of the shares on two grids at folds that are the same, far above zero then, and of the fields
    # at folds or solutions that are.
    same_share: float = 3e-2
    same_fields: float = 1e-2


PATHS = PathSettings()


class PathPoint(NamedTuple):
    """A point of a path."""

    coef: np.ndarray  # coefficients, (n_1, ..., n_d, fields)
    share: float  # share of the residual of the start that the equations leave
    tangent: np.ndarray  # change of the coefficients along the path
    slope: float  # change of the share along the path


class PathEnd(NamedTuple):
    """End of a path: a solution, or the point with the least share and the one before it; all None if neither."""

    solution: np.ndarray | None = None
    fold: PathPoint | None = None
    before: PathPoint | None = None


class ResidualPath:
    """Fields u whose residual is a share of that of a start u_0: F(u) = s F(u_0), a homotopy by arc length [1] [2].

    [1] H. Keller, "Numerical solution of bifurcation and nonlinear eigenvalue problems", in Applications of Bifurcation
    Theory, Academic Press, 1977, 359.

    [2] E. Allgower, K. Georg, "Introduction to Numerical Continuation Methods", SIAM, 2003, section 1.1.
    """

    def __init__(self, statement: Statement, axes: Sequence[SplineAxis], start: np.ndarray):
        self.equations = GridEquations(statement, axes)
        self.start = start
        self.source = self.equations.residual(start)
        self.size = math.nan
        self.tried = 0

    def follow(self, begin: tuple[np.ndarray, float] | None = None) -> PathEnd:
        """Follow the path from its start to a solution or until all of the residual is back.

        A path that turns away from s = 0 is followed beyond the fold: it may turn once more, and reach a solution. One
        that begins at coefficients and a share near a point of it ends at the fold.
        """
        coef, share = (self.start, 1.0) if begin is None else begin
        point = self._first(coef, share)
        fold = None
        before = None
        length = PATHS.first_length
        while (
            point is not None
            and point.share <= 1
            and self.equations.work < PATHS.most_path_work
            and self.tried < PATHS.most_tried
        ):
            check_time()
            ahead, steps = self._ahead(point, length)
            if ahead is None:
                turned = 1.0
            else:
                turned = self._product(ahead.tangent, point.tangent) + ahead.slope * point.slope
            if ahead is None or turned < PATHS.least_cosine:
                length /= 2
                if length < PATHS.shortest_length:
                    return PathEnd()
                continue
            lowest = ahead
            if point.slope < 0 < ahead.slope:
                lowest = self._between(point, ahead, lambda each: each.slope, PATHS.slope_at_fold)
                if fold is None or lowest.share < fold.share:
                    fold = lowest
                    before = point
                if begin is not None and lowest.share > 0:
                    return PathEnd(None, fold, before)
            if lowest.share <= 0:
                return PathEnd(self._between(point, lowest, lambda each: each.share, PATHS.corrected).coef)
            point = ahead
            length = length * (PATHS.length_growth if steps <= PATHS.few_corrections else 1.0)
        if point is None or point.share <= 1:
            return PathEnd()
        return PathEnd(None, fold, before)

    def _product(self, one: np.ndarray, other: np.ndarray) -> float:
        return float(np.mean(one * other)) / self.size**2

    def _moves(self, coef: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Changes of coefficients that remove what the residual is off, and that add the residual of the start."""
        solver = self.equations.factorised(coef)
        if solver is None:
            return None
        step = solver(-self.equations.residual(coef)).reshape(coef.shape)
        response = solver(self.source).reshape(coef.shape)
        if not np.isfinite(step).all():
            return None
        return step + share * response, response

    def _first(self, coef: np.ndarray, share: float) -> PathPoint | None:
        """The point of the path with this share, from coefficients near it, and the tangent along which s falls."""
        equations = self.equations

        def full(coef: np.ndarray, step: np.ndarray, solver: Solver) -> Advance:
            if math.isnan(self.size):
                response = solver(self.source)
                self.size = max(float(np.sqrt(np.mean(response**2))), ABOVE_ZERO)
            return Advance(coef + step, is_last=self._product(step, step) <= PATHS.corrected**2)

        near = newton(
            coef, lambda at: equations.residual(at) - share * self.source, equations.factorised, full, PATHS.corrections
        )
        if near is None:
            return None
        return self._at(near[0], share, near[1](self.source).reshape(coef.shape), -1.0)

    def _at(self, coef: np.ndarray, share: float, response: np.ndarray, sign: float) -> PathPoint:
        length = sign * math.sqrt(self._product(response, response) + 1)
        return PathPoint(coef, share, response / length, 1 / length)

    def _ahead(self, point: PathPoint, length: float) -> tuple[PathPoint | None, int]:
        """The point of the path at a length along the tangent, and the steps that it took; None where there is none."""
        coef = point.coef + length * point.tangent
        share = point.share + length * point.slope
        before = length
        self.tried += 1
        for count in range(1, PATHS.corrections + 1):
            moves = self._moves(coef, share)
            if moves is None:
                break
            step, response = moves
            along = point.slope + self._product(point.tangent, response)
            change = -self._product(point.tangent, step) / along
            step = step + change * response
            coef = coef + step
            share = share + change
            size = math.sqrt(self._product(step, step) + change**2)
            if not size < before:
                break
            before = size
            if size < PATHS.corrected:
                return self._at(coef, share, response, math.copysign(1.0, along)), count
        return None, PATHS.corrections

    def _between(
        self, point: PathPoint, ahead: PathPoint, value: Callable[[PathPoint], float], least: float
    ) -> PathPoint:
        """The point between two at which a value is zero, by the Illinois method in the length along the tangent."""
        length = self._product(point.tangent, ahead.coef - point.coef) + point.slope * (ahead.share - point.share)
        ends = [0.0, length]
        values = [value(point), value(ahead)]
        best = ahead
        last = -1
        for _ in range(PATHS.between):
            middle = (ends[0] * values[1] - ends[1] * values[0]) / (values[1] - values[0])
            found, _ = self._ahead(point, middle)
            if found is None:
                break
            best = found
            new = value(found)
            if abs(new) < least:
                break
            side = int(new * values[1] > 0)
            ends[side], values[side] = middle, new
            values[1 - side] /= 2 if side == last else 1
            last = side
        return best


class PathResult(NamedTuple):
    """Fields to which a path has led on a grid, what `newton` gives for a solution, None at a fold; multiply-adds."""

    axes: Sequence[SplineAxis]
    coef: np.ndarray
    solved: Solved | None
    work: float

    @property
    def is_solution(self) -> bool:
        """True for a solution, False for a fold."""
        return self.solved is not None


def sought_along_path(
    statement: Statement, axes: Sequence[SplineAxis], finer: Sequence[SplineAxis], start: np.ndarray
) -> PathResult | None:
    """A solution that two grids have, or the fold at which both leave the same least residual; None for neither."""

    def agree(one: np.ndarray, other: np.ndarray) -> bool:
        return bool(np.abs(prolonged(one, axes, finer) - other).max() < PATHS.same_fields * np.abs(other).max())

    coarse = ResidualPath(statement, axes, start)
    end = coarse.follow()
    if end.solution is not None:
        found = solved_on_grid(statement, finer, prolonged(end.solution, axes, finer))
        is_kept = found is not None and agree(end.solution, found[0])
        if found is not None and is_kept:
            return PathResult(finer, found[0], found, coarse.equations.work)
        return None
    if end.fold is None or end.before is None:
        return None
    fine = ResidualPath(statement, finer, prolonged(start, axes, finer))
    fine.size = coarse.size
    again = fine.follow((prolonged(end.before.coef, axes, finer), end.before.share)).fold
    if again is None or not abs(end.fold.share - again.share) < PATHS.same_share * again.share:
        return None
    work = coarse.equations.work + fine.equations.work
    if agree(end.fold.coef, again.coef):
        return PathResult(finer, again.coef, None, work)
    return None

"""Initial data that jump, or that contradict the walls: a grid graded towards these places, and projections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.pde.domains.jumps import jumps_on_line, points_of_line
from edgewise.pde.problem.dry_run import probes
from edgewise.pde.problem.features import narrow_features, with_features
from edgewise.pde.problem.linearisation import linearise, smooth_jet, zero_jet
from edgewise.pde.problem.strong_form import Feature, ResidualTerm
from edgewise.pde.spaces.axis import SplineAxis, dense
from edgewise.pde.spaces.blocks import normal_of
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.evolution.problem import OnGrid
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class InitialSettings:
    """Search for jumps of initial values, and grids beside them."""

    # Points that are compared, and the share of the largest value that a jump has at least: far above rounding, and
    # above what tails are cut off by walls.
    line_points: int = 513
    least_jump: float = 1e-6
    # Shortest interval beside a jump, relative to the domain, and even intervals on each side of it, beyond which they
    # grow by a factor: a jump is forgotten after a time of a hundred squares of the interval, and its projection has
    # oscillations that fall by about 0.7 from interval to interval; on uneven ones collocation loses what oscillates.
    shortest: float = 5e-5
    even: int = 30
    growth: float = 1.4
    most_even: int = 800  # intervals, if all were as long as those away from the jumps
    faster: int = 4  # power of the factor of finer grids by which the shortest interval falls: a third each time
    # Error, by the 1.5th power of the shortest interval, that a slope leaves which the wall does not allow. Measured:
    # 0.1, with a factor of two.
    left_by_kink: float = 0.2
    # Least size of fields by what a wall's slope times the length of the domain would make of them: what diffusion
    # makes of it within a millionth of the time in which it crosses the domain.
    size_by_kink: float = 1e-3


SETTINGS = InitialSettings()
# points of a one-sided derivative, and their distance by the domain's
STENCIL = np.arange(5.0)
STENCIL_STEP = 1e-3
STENCIL_WEIGHTS = np.linalg.solve(np.vander(STENCIL, increasing=True).T, np.eye(len(STENCIL))[1])  # of its values there


class RoughInitial:
    """Initial data of a parabolic problem of one coordinate of space that jump, projected on splines.

    The equation smooths a jump at once. Interpolated, it would leave an error of its mass; the error of the projection
    is orthogonal to all splines, so that it is gone as soon as the solution is smooth on the grid [1].

    [1] V. Thomee, "Galerkin Finite Element Methods for Parabolic Problems", 2nd edition, 2006, chapters 3 and 7.
    """

    def __init__(self, grid_problem: GridProblem, at: OnGrid, places: Sequence[float], finer: float, moment: float):
        self.grid_problem = grid_problem
        self.at = at
        self.places = places
        self.moment = moment
        (self.space,) = (axis for axis in range(grid_problem.form.domain.dimension) if axis != grid_problem.form.time)
        self.low, self.high = grid_problem.form.domain.bounds[self.space].tolist()
        self.shortest = (self.high - self.low) * SETTINGS.shortest / finer**SETTINGS.faster
        self.least_size = 0.0

    @classmethod
    def of_data(
        cls, grid_problem: GridProblem, at: OnGrid, finer: float, allowed: float, moment: float
    ) -> RoughInitial | None:
        """The data, or None where they are smooth, the equation does not smooth them, or in several coordinates."""
        form = grid_problem.form
        if form.domain.dimension != 2 or any(grid_problem.periodic) or not _smooths(grid_problem):
            return None
        rough = cls(grid_problem, at, [], finer, moment)
        # Jumps inside.
        line = points_of_line(rough.low, rough.high, SETTINGS.line_points)
        line = with_features(line, narrow_features(form), rough.space)
        ends = np.array([rough.low, rough.high])
        values = at([line])[0]
        at_ends = at([ends])[0]
        if not (np.isfinite(values).all() and np.isfinite(at_ends).all()):
            return None
        rough.places = jumps_on_line(lambda places: at([places])[0][..., None], line, SETTINGS.least_jump)
        # Walls that the initial values contradict.
        gaps = np.abs(np.where(np.isfinite(rough.walls()), rough.walls() - at_ends, 0.0)).max(1)
        rough.places += ends[gaps > SETTINGS.least_jump * max(float(np.abs(values).max()), float(gaps.max()))].tolist()
        # Walls whose slopes they contradict, where the shortest interval follows from the error that this leaves.
        kinks = rough.kinks()
        rough.least_size = SETTINGS.size_by_kink * float(kinks.max())
        size = max(float(np.abs(values).max()), ABOVE_ZERO)
        if not gaps.any():
            size = max(size, float(kinks.max()))
        kinks /= size
        if kinks.max() > SETTINGS.least_jump:
            rough.places += ends[(kinks > SETTINGS.least_jump) & (gaps == 0)].tolist()
            shortest = (allowed / (SETTINGS.left_by_kink * kinks.max())) ** (2 / 3)
            rough.shortest = min(rough.shortest, (rough.high - rough.low) * shortest)
        if not rough.places:
            return None
        return rough

    def _conditions(self) -> Iterator[tuple[int, ResidualTerm, Tensor, Tensor | None]]:
        """Conditions at the moment at the walls: 0 or 1 for the end, term, point and normal, (1, 2) each."""
        form = self.grid_problem.form
        for number, axis, end in self.grid_problem.faces():
            if axis != self.space:
                continue
            term = form.condition_terms[number]
            x = torch.full((1, 2), self.moment, dtype=torch.float64)
            x[:, axis] = form.domain.bounds[axis, end]
            yield end, term, x, normal_of((axis, end), x)

    def walls(self) -> np.ndarray:
        """Given values of the fields at both ends at the moment, (2, fields); nan where there are none."""
        values = np.full((2, len(self.grid_problem.form.fields)), np.nan)
        for end, term, x, normal in self._conditions():
            residuals, jacobian = linearise(self.grid_problem.form, term, x, normal, zero_jet(term, x))
            for row, residual in enumerate(residuals):
                by = [(field, index) for number, field, index in jacobian if number == row]
                # A condition on the value of one field, linear in it.
                if len(by) == 1 and not any(by[0][1]):
                    values[end, by[0][0]] = -residual.item() / jacobian[row, *by[0]].item()
        return values

    def kinks(self) -> np.ndarray:
        """By how much the slopes of the data miss conditions at both ends, times the length of the domain, (2,)."""
        found = np.zeros(2)
        length = self.high - self.low
        first = tuple(int(k == self.space) for k in range(2))
        for end, term, x, normal in self._conditions():
            place = (self.low, self.high)[end]
            # Values and slopes of the data at the wall, by one-sided differences into the domain.
            step = (1 - 2 * end) * STENCIL_STEP * length
            near = self.at([place + step * STENCIL])[0]
            known = {(0, 0): near[0], first: STENCIL_WEIGHTS @ near / step}
            if not all(index in known for _, index in term.requirements.keys):
                continue
            jet = {(field, index): torch.tensor([known[index][field]]) for field, index in term.requirements.keys}
            # The residual of the condition over its factor of the slope.
            residuals, jacobian = linearise(self.grid_problem.form, term, x, normal, jet)
            for (row, _, index), slope in jacobian.items():
                if index == first and slope.item():
                    found[end] = max(found[end], abs(residuals[row].item() / slope.item()) * length)
        return found

    def axis(self, degree: int, intervals: int) -> SplineAxis:
        """The coordinate, with short intervals beside the jumps and otherwise as long as those of an even grid."""
        ends = (self.low, self.high)
        longest = (self.high - self.low) / intervals
        fixed = np.unique([*ends, *self.places])
        points = [fixed]
        # Beside each jump a geometric mesh: even short intervals, then ones that grow up to the longest.
        for place in self.places:
            for sign in (-1.0, 1.0):
                beyond = fixed[(fixed - place) * sign > 0]
                if not len(beyond):
                    continue
                gap = float(np.abs(beyond - place).min())
                room = gap
                if any(gap == abs(each - place) for each in self.places):  # another jump needs the other half
                    room = gap / 2
                steps = self.shortest * SETTINGS.growth ** np.maximum(np.arange(2000) - SETTINGS.even, 0)
                away = np.cumsum(np.minimum(steps, longest))
                points.append(place + sign * away[away < room - np.minimum(steps, longest) / 2])
        breakpoints = np.unique(np.concatenate(points))
        # Two jumps that are closer than the shortest interval are one for the grid.
        near = np.flatnonzero(np.diff(breakpoints) < self.shortest / 2)
        near = np.where(near == 0, 1, near)
        return self.grid_problem.axis(np.delete(breakpoints, near), degree, False)

    def begun(self, degree: int, intervals: int, allowed: float) -> tuple[list[SplineAxis], np.ndarray]:
        """The coordinate and the data on it: away from the jumps with an allowed error, relative to the fields."""
        before = np.inf
        while True:
            axis = self.axis(degree, intervals)
            state = self.state(axis)
            points = axis.fresh_points()
            lengths = np.diff(axis.breakpoints)
            is_far = (lengths > 0.5 * lengths.max())[axis.places(points)]
            # Error between the points, away from the jumps, where intervals are long.
            misfit = np.abs(axis.table(points) @ state[0] - self.at([points])[0])[is_far].max(initial=0.0)
            error = float(misfit / max(np.abs(state).max(), ABOVE_ZERO))
            # What oscillates beyond the short intervals no finer grid makes smaller.
            if error <= allowed or error > before / 2 or 2 * intervals > SETTINGS.most_even:
                return [axis], state
            before = error
            intervals = 2 * intervals

    def spared(self, axis: SplineAxis, errors: np.ndarray) -> np.ndarray:
        """Errors in the intervals of an axis, 0 beside a jump: no grid is fine enough there, and none needs to be."""
        return np.where(np.diff(axis.breakpoints) < 2 * self.shortest, 0.0, errors)

    def state(self, axis: SplineAxis) -> np.ndarray:
        """Coefficients of the data, (1, count, fields), with least squared error among splines with the given ends."""
        # L2 projection: mass matrix and loads.
        points, weights = (each.ravel() for each in axis.quadrature(axis.degree + 1))
        table = dense(axis.table(points))
        values = self.at([points])[0]
        walls = self.walls()
        weighted = table.T * weights
        matrix = weighted @ table
        loads = weighted @ values
        coef = np.zeros_like(loads)
        # Given values at the ends leave the projection as it is for the others (elimination of Dirichlet data).
        for slot, given in enumerate(walls.T):
            is_given = np.zeros(axis.count, dtype=bool)
            is_given[[0, -1]] = np.isfinite(given)
            coef[[0, -1], slot] = np.where(np.isfinite(given), given, 0.0)
            rhs = loads[:, slot] - matrix @ coef[:, slot]
            coef[~is_given, slot] = np.linalg.solve(matrix[~is_given][:, ~is_given], rhs[~is_given])
        return coef[None]


def _smooths(grid_problem: GridProblem) -> bool:
    """True if each equation has a rate and, with the opposite sign, second derivatives of one and the same field."""
    form = grid_problem.form
    time = grid_problem.form.time
    if (
        Feature.DELAYS in form.features
        or (grid_problem.field_orders != np.array([1 if k == time else 2 for k in range(2)])).any()
    ):
        return False
    # Parabolic systems: rate and second derivative of one field have factors of opposite signs in each equation.
    x = probes(form.domain)[0]
    jacobian = linearise(form, form.equation_term, x, None, smooth_jet(form, form.equation_term, x))[1]
    rate, second = (tuple(order * int((k == time) == (order == 1)) for k in range(2)) for order in (1, 2))
    pairs = [(number, field) for number, field, index in jacobian if index == rate]
    return len(pairs) == len(form.fields) and all(
        (number, field, second) in jacobian
        and bool((jacobian[number, field, rate] * jacobian[number, field, second] <= 0).all())
        for number, field in pairs
    )

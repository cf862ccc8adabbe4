"""Evolution in time on domains that are no box: time elements, in each of which space is fitted at scattered points.

The fields of a time element are splines of space on the box around the domain times one polynomial of time. At the
moments of Radau's method the equation and the conditions on the boundary hold in the mean, see `assembly`. Eigenvectors
of the derivative in time part the time element into systems of the size of space, with factors that all time elements
of one length share.

In the plane one measured row needs them: heat around holes (Heat2d-CG). On solids, where networks are the first, none
does; the guide to materials promises them for heat in a ball.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.outcomes import check_time
from edgewise.pde.algebra.newton import Advance, newton
from edgewise.pde.algebra.radau import ShiftedSystems
from edgewise.pde.algebra.system import Solver
from edgewise.pde.problem.linearisation import linearise, residuals_at
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, TimeAxis
from edgewise.pde.spaces.blocks import Jacobian
from edgewise.pde.spaces.grid_problem import GridProblem, initial_terms, orders_of
from edgewise.pde.tiers.evolution.collocation import NEWTON
from edgewise.pde.tiers.evolution.grids import refined
from edgewise.pde.tiers.evolution.guesses import first_guess
from edgewise.pde.tiers.evolution.problem import SETTINGS as EVOLUTION
from edgewise.pde.tiers.evolution.problem import Evolution, State, TimeElement, floored, time_error
from edgewise.pde.tiers.evolution.stepper import ElementSolver, Method
from edgewise.pde.tiers.galerkin.assembly import Assembly, wave_size
from edgewise.pde.tiers.galerkin.cut_grid import CutGrid
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class CutElementSettings:
    """Grids of space and Newton's method of time elements on cut cells."""

    most_axes: int = 4  # as many inputs as a `TensorLayer` has
    # Degree, and intervals of a coordinate of the first and of the largest grid, by the number of coordinates of space:
    # as on boxes, but that a higher degree leaves more splines to rounding where the boundary cuts through cells.
    # Factors of the largest grid take 0.2 GB.
    degree: tuple[int, ...] = (0, 8, 8, 8)
    first_intervals: tuple[int, ...] = (0, 16, 6, 4)
    most_intervals: tuple[int, ...] = (0, 1000, 64, 8)
    # Intervals across the smallest hole, points by which its width is found and their seed, the numbers of intervals
    # between which a first grid follows from that width, and its degree: below, refinement gets there, and beyond,
    # even grids are too large; splines of degree 8 reach across holes and past them, and their factors take four times
    # as long.
    across: float = 2.5
    hole_points: int = 64
    hole_seed: int = 5
    hole_intervals: tuple[int, int] = (24, 128)
    hole_degree: int = 4
    closed: float = 0.2  # length of the mean normal below which a piece is a closed curve: a half circle has 0.64
    # In the plane: multiply-adds for each interval of a coordinate of a grid, for the points in its cut cells; measured
    # on a disk, an L and a ring: 0.01 to 0.02 seconds.
    cut_work: float = 5e7
    # On solids: multiply-adds of a value of a spline of three coordinates at a point, and values of all for the points
    # and matrices of a grid. Measured in a ball: 2e-8 seconds each, and ten seconds for a grid of 4^3 cells.
    value_work: float = 30.0
    times_at_points: float = 50.0
    # In the plane: factors of a time element by those of a fit, of seven moments three pairs of complex eigenvalues and
    # a real one; the power of the number of splines with which they grow (A. George, "Nested dissection of a regular
    # finite element mesh", SIAM J. Numer. Anal. 10, 1973, 345); and the share of the remaining work for one grid.
    times_fit: float = 13.0
    growth_of_factors: float = 1.5
    most_share: float = 0.5
    contraction: float = 0.3  # of Newton's steps, below which factors are used again
    # Errors that residuals imply are overestimates beside the boundary: this share of them counts. Measured on a disk.
    implied_share: float = 0.3


SETTINGS = CutElementSettings()


class CutCellSolver(ElementSolver):
    """Solver of time elements on any domain of space, see the module."""

    shares_factors = True
    has_rough_initial = False
    initial_error = 0.0

    def __init__(self, evolution: Evolution):
        self.evolution = evolution
        assert evolution.domain.space is not None
        self.place = evolution.domain.space
        self._grids: list[CutGrid] = []
        self._refined = (0, math.inf)
        self._is_settled = False
        # Of the last time element, and whether they are exact.
        self._kept: tuple[Assembly, ShiftedSystems, list[Jacobian], bool] | None = None

    def _grid(self, axes: Sequence[SplineAxis]) -> CutGrid:
        for grid in self._grids:
            if all(a is b for a, b in zip(grid.axes, axes, strict=True)):
                return grid
        self._grids = [*self._grids[-1:], CutGrid(self.evolution.grid_problem.form, self.place, axes)]
        self._count_values(self._grids[-1], SETTINGS.times_at_points)
        if len(axes) == 2:
            self.evolution.spend(SETTINGS.cut_work * sum(axis.intervals for axis in axes))
        return self._grids[-1]

    def _count_values(self, grid: CutGrid, times: float) -> None:
        """Count the work of the values of all splines at all points, `times` times; in the plane it is little."""
        if len(grid.axes) > 2:
            local = math.prod(axis.degree + 1 for axis in grid.axes)
            self.evolution.spend(times * SETTINGS.value_work * local * len(grid.points))

    def initial(self) -> State:
        """State at the first moment: its grid is refined until the state is resolved."""
        evolution = self.evolution
        axes = self._first_axes()
        before = math.inf
        while True:
            check_time()
            # Least squares of the initial values at the points of the grid.
            grid = self._grid(axes)
            x = grid.points
            given = evolution.initial_at(x.numpy())  # (order, m, fields)
            flat = np.moveaxis(given, 1, 0).reshape(len(x), -1)
            solved = grid.fitted(flat)
            # Errors of it at the points of the equation.
            count = len(grid.parts[0].x)
            values = grid.values(0, (0,) * len(axes), solved)
            wrong = np.abs(values - flat[:count]).reshape(count, *given[:, 0].shape)
            scale = np.maximum(np.abs(given).max(1), ABOVE_ZERO)
            state = grid.spread(np.moveaxis(solved.reshape(-1, *scale.shape), 1, 0))
            errors = self._by_interval(grid, (wrong / scale).max((1, 2)))
            largest = max(float(each.max()) for each in errors)
            # A finer grid, while the error falls and the limits allow one.
            finer = None
            if evolution.allowed < largest < before / 2:
                finer = self._affordable(axes, refined(evolution, axes, errors, SETTINGS.most_intervals))
            if finer is None:
                return State(axes, state)
            axes = finer
            before = largest

    def _affordable(self, axes: Sequence[SplineAxis], finer: list[SplineAxis] | None) -> list[SplineAxis] | None:
        """Coordinates of a finer grid of the plane; None where the factors of a time element on it are too dear."""
        if finer is None or len(axes) > 2:
            return finer
        ratio = math.prod(line.count for line in finer) / math.prod(line.count for line in axes)
        needed = SETTINGS.times_fit * self._grid(axes).fit_work * ratio**SETTINGS.growth_of_factors
        if needed > SETTINGS.most_share * self.evolution.left:
            return None
        return finer

    def _first_axes(self) -> list[SplineAxis]:
        """Coordinates of the first grid, in the plane with a few intervals across the smallest hole."""
        evolution = self.evolution
        bounds = self.place.bounds.numpy()
        dimension = len(evolution.space)
        degree = SETTINGS.degree[dimension]
        first = SETTINGS.first_intervals[dimension]
        counts = np.full(dimension, first)
        # Splines of low degree on many intervals where holes are narrow.
        if dimension == 2:
            asked = np.ceil(SETTINGS.across * np.ptp(bounds, axis=1) / self._narrowest())
            if SETTINGS.hole_intervals[0] < asked.max() <= SETTINGS.hole_intervals[1]:
                degree = SETTINGS.hole_degree
                counts = np.maximum(asked, first).astype(int)
        axes = list[SplineAxis]()
        for k, axis in enumerate(evolution.space):
            repeats = evolution.grid_problem.periodic[axis]
            intervals = int(np.round(evolution.finer * counts[k]))
            if repeats:  # a spline must not meet itself
                intervals = max(intervals, degree + 1)
            axes.append(SplineAxis(np.linspace(bounds[k, 0], bounds[k, 1], intervals + 1), degree, repeats))
        return axes

    def _narrowest(self) -> float:
        """Smallest width, in any coordinate, of a closed curve of the boundary, whose normals cancel out."""
        widths = [self.place.size.numpy()]
        for name in self.place.boundary_names:
            x, normals = self.place.boundary(SETTINGS.hole_points, "sobol", SETTINGS.hole_seed, [name])
            if float(normals.mean(0).norm()) < SETTINGS.closed:
                widths.append(np.ptp(x.numpy(), 0))
        return float(np.min(widths))

    def _by_interval(self, grid: CutGrid, errors: np.ndarray) -> list[np.ndarray]:
        """Errors (m,) at the points of the equation, for each interval of each coordinate in the mean square."""
        means = []
        shares = grid.parts[0].weights ** 2
        for axis, line in zip(grid.axes, grid.parts[0].x.numpy().T, strict=True):
            # Sums of squares over each interval, by the weights of the quadrature, relative to those of even intervals.
            total = np.bincount(axis.places(line), shares * errors**2, axis.intervals) * axis.intervals / shares.sum()
            means.append(np.sqrt(total))
        return means

    def indicators(self, element: TimeElement) -> list[np.ndarray]:
        """Errors of a time element that the residual implies, for each interval, in the mean."""
        evolution = self.evolution
        grid = self._grid(element.state.space)
        line = evolution.line(element.axes)
        # The residual at the moments of the time element.
        values = self._nodal(line, element.coef)
        lines = np.moveaxis(element.coef, evolution.time, 0)
        begin = line.breakpoints[:1]
        known = np.concatenate([np.tensordot(line.table(begin, order), lines, 1) for order in range(evolution.order)])
        evaluated = self._evaluated(grid, line, values, known, True)
        residual, jacobian = evaluated[0]
        # Residuals of waves of half a length in an interval of space, and of two in the time element.
        waves = np.zeros(residual.shape[:2])
        widths = grid.widths(grid.parts[0].x)
        rate = 2 * np.pi / float(np.ptp(line.breakpoints))
        for (number, _, index), slope in jacobian.items():
            of_space = tuple(index[k] for k in evolution.space)
            size = wave_size(widths, {of_space: np.abs(slope).mean(1)}, np.pi)
            waves[number] += size * rate ** index[evolution.time]
        waves = np.maximum(waves, ABOVE_ZERO)
        scale = self._sizes(self._at_points(grid.axes, element.coef)).max()
        errors = SETTINGS.implied_share * np.sqrt((residual**2).mean(2)) / waves / scale
        return self._by_interval(grid, errors.max(0))

    def refine(self, state: State, indicators: list[np.ndarray]) -> State | None:
        """The state on a grid with shorter intervals where errors are above the allowed one; None where none are.

        None, too, where the budget leaves no work for one, or once a finer grid has not made the largest error half as
        large: it is rounding, or what no grid of this kind resolves.
        """
        # A grid that is finer but no better ends the refinement.
        largest = max(float(each.max()) for each in indicators)
        intervals = sum(line.intervals for line in state.space)
        before = self._refined
        if intervals > before[0] and largest > before[1] / 2:
            self._is_settled = True
        self._refined = intervals, largest
        if self._is_settled:
            return None
        finer = refined(self.evolution, state.space, indicators, SETTINGS.most_intervals)
        space = self._affordable(state.space, finer)
        if space is None:
            return None
        return State(space, self.prolonged(state.values, state.space, space))

    def _nodal(self, line: TimeAxis, coef: np.ndarray) -> np.ndarray:
        """Coefficients of space (q, *counts, fields) at the moments of a time element."""
        return np.tensordot(line.table(line.collocation_points(self.evolution.order)), coef, (1, self.evolution.time))

    def _changes(self, grid: CutGrid, line: TimeAxis, nodal: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
        """Active coefficients at the moments of an element, and their derivatives in time, (q, active, fields) each."""
        taken = grid.taken(nodal)
        start = grid.taken(known)
        rates = line.rates(self.evolution.order)
        changes = [taken, np.tensordot(rates, taken - start[0], 1)]
        if self.evolution.order == 2:
            changes.append(np.tensordot(rates, changes[1] - start[1], 1))
        return changes

    def _evaluated(
        self, grid: CutGrid, line: TimeAxis, nodal: np.ndarray, known: np.ndarray, with_jacobian: bool
    ) -> list[tuple[np.ndarray, Jacobian]]:
        """Residuals (residuals, m, q) and Jacobian (m, q) of parts, from values at the moments and the first one."""
        form = self.evolution.grid_problem.form
        used = {tuple(index[k] for k in self.evolution.space) for _, index in form.equation_term.requirements.keys}
        self._count_values(grid, len(used))
        changes = self._changes(grid, line, nodal, known)
        return [
            self._linearised(grid, line, changes, number, part.term, with_jacobian)
            for number, part in enumerate(grid.parts)
        ]

    def _linearised(
        self,
        grid: CutGrid,
        line: TimeAxis,
        changes: Sequence[np.ndarray],
        number: int,
        term: ResidualTerm,
        with_jacobian: bool,
    ) -> tuple[np.ndarray, Jacobian]:
        """Residuals (residuals, m, q) and Jacobian (m, q) of a term at the points of a part at all moments."""
        form = self.evolution.grid_problem.form
        part = grid.parts[number]
        moments = line.collocation_points(self.evolution.order)
        count = len(part.x)
        q = len(moments)
        # Points of the part at every moment, and normals, which the equation on a wall does not have.
        x = torch.empty(count, q, form.domain.dimension, dtype=torch.float64)
        x[..., self.evolution.space], x[..., self.evolution.time] = part.x[:, None], torch.from_numpy(moments)
        normal = None
        if part.normal is not None and term is part.term:
            normal = torch.zeros_like(x)
            normal[..., self.evolution.space] = part.normal[:, None]
            normal = normal.flatten(0, 1)
        # The jet: all derivatives by space that are alike in one product.
        jet = {}
        keys = term.requirements.keys
        for own in {tuple(index[k] for k in self.evolution.space) for _, index in keys}:
            alike = [(slot, index) for slot, index in keys if tuple(index[k] for k in self.evolution.space) == own]
            coef = np.concatenate([changes[index[self.evolution.time]][..., slot] for slot, index in alike]).T
            for key, values in zip(alike, np.split(grid.values(number, own, coef), len(alike), 1), strict=True):
                jet[key] = torch.from_numpy(values.ravel())
        place = (form, term, x.flatten(0, 1), normal, jet)
        if with_jacobian:
            residuals, jacobian = linearise(*place)
        else:
            residuals, jacobian = residuals_at(*place), {}
        shaped = {key: part.numpy().reshape(count, q) for key, part in jacobian.items()}
        return residuals.numpy().reshape(-1, count, q), shaped

    def solve(
        self, state: State, begin: float, end: float, previous: TimeElement | None, near: TimeElement | None
    ) -> TimeElement | None:
        """The time element from a state on; None where simplified Newton iterations find none."""
        evolution = self.evolution
        axes = evolution.with_time(state.space, begin, end)
        try:
            coef = self._newton(
                axes, state, first_guess(evolution, self.prolonged, axes, state, end - begin, previous, near)
            )
        except np.linalg.LinAlgError:  # a Jacobian that is singular or not finite
            coef = None
        if coef is None:
            return None
        # Its error in time, from the last Legendre coefficients at the points of the equation.
        values = self._at_points(state.space, coef)
        tail = np.tensordot(evolution.last_legendre, values, 1)
        return TimeElement(state, axes, coef, time_error(np.sqrt((tail**2).mean(1)) / self._sizes(values)))

    def _newton(self, axes: list[SplineAxis], state: State, guess: np.ndarray) -> np.ndarray | None:
        """Coefficients of an element by Newton's method, with factors that others share; None if it fails."""
        evolution = self.evolution
        grid = self._grid(state.space)
        line = evolution.line(axes)
        initial = state.values
        rates = line.rates(evolution.order)
        # Factors of the time element before, where the grid and the length are the same.
        assembly, systems, _, is_exact = self._kept or (None, None, [], False)
        is_usable = systems is not None and assembly is not None and assembly.grid is grid and systems.serves(rates)
        fresh: list[np.ndarray] | None = None  # residuals where the Jacobian was evaluated; None for older factors
        before = math.inf  # size of the step before

        def factorised(nodal: np.ndarray) -> Solver | None:
            """Factors of the Jacobian, its mean over the moments; at first those of the last element, if they serve."""
            nonlocal assembly, systems, is_exact, is_usable, fresh
            if not is_usable:
                # Residuals and Jacobians at all moments, and those of the equation on the walls.
                evaluated = self._evaluated(grid, line, grid.spread(nodal), initial, True)
                fresh = [values for values, _ in evaluated]
                if not all(np.isfinite(values).all() for values in fresh):
                    return None
                changes = self._changes(grid, line, grid.spread(nodal), initial)
                equation = evolution.grid_problem.form.equation_term
                at_walls = [
                    self._linearised(grid, line, changes, number, equation, True)[1]
                    for number in range(1, len(grid.parts))
                ]
                # The mean Jacobian over the moments, so that Radau's systems are diagonal.
                means = [
                    {key: slope.mean(1) for key, slope in jacobian.items()}
                    for jacobian in (*(jacobian for _, jacobian in evaluated), *at_walls)
                ]
                assembly, systems = self._assembled(grid, means)
                systems.factorise(rates)
                is_exact = evolution.grid_problem.form.is_linear and all(
                    np.ptp(slope, 1).max() <= EVOLUTION.same_jacobian * np.abs(slope).max()
                    for _, jacobian in evaluated
                    for slope in jacobian.values()
                )
                self._kept = assembly, systems, means, is_exact
            is_usable = False
            assert systems is not None
            return systems.solved

        def residual(nodal: np.ndarray) -> np.ndarray:
            """Residuals tested with all splines, (q, active * fields)."""
            values = fresh
            if values is None:
                values = [each for each, _ in self._evaluated(grid, line, grid.spread(nodal), initial, False)]
            assert assembly is not None
            return assembly.tested(values, self._changes(grid, line, grid.spread(nodal), initial)).reshape(
                len(nodal), -1
            )

        def contracting(nodal: np.ndarray, step: np.ndarray, solver: Solver) -> Advance | None:
            """A full step, whose factors serve the next one while steps contract."""
            nonlocal fresh, before
            # The size of the step at the points of the equation.
            step = step.reshape(nodal.shape)
            nodal = nodal + step
            at_points, values = (self._values(grid, each) for each in (step, nodal))
            size = float((np.sqrt((at_points**2).mean((0, 1))) / self._sizes(values)).max())
            if not math.isfinite(size) or size > NEWTON.diverged:
                return None
            # Convergence; small steps that remain are in splines that hardly reach inside.
            is_still = size > before / 2 and size <= evolution.allowed
            if size <= NEWTON.step * evolution.allowed or is_still or is_exact:
                return Advance(nodal, is_last=True)
            # Slow contraction: new factors, but not for steps that grow with those of another time element.
            is_slow = size > SETTINGS.contraction * before
            if is_slow and fresh is None and size > 2 * before and before < 1:
                return None
            fresh = None
            before = size
            return Advance(nodal, keeps_factors=not is_slow)

        # Simplified Newton steps.
        solved = newton(grid.taken(self._nodal(line, guess)), residual, factorised, contracting, NEWTON.iterations)
        if solved is None:
            return None
        return evolution.from_nodal(line, grid.spread(solved[0]), initial)

    def _sizes(self, values: np.ndarray) -> np.ndarray:
        """Root mean square of each field from values (..., fields)."""
        return floored(np.sqrt((values.reshape(-1, values.shape[-1]) ** 2).mean(0)))

    def _at_points(self, space: Sequence[SplineAxis], coef: np.ndarray) -> np.ndarray:
        """Values (k, m, fields) of coefficients over time at the points of the equation."""
        grid = self._grid(space)
        return self._values(grid, grid.taken(np.moveaxis(coef, self.evolution.time, 0)))

    def _values(self, grid: CutGrid, taken: np.ndarray) -> np.ndarray:
        """Values (k, m, fields) of active coefficients (k, active, fields) at the points of the equation."""
        values = grid.values(0, (0,) * len(self.evolution.space), np.moveaxis(taken, 1, 0).reshape(taken.shape[1], -1))
        return np.moveaxis(values.reshape(-1, len(taken), taken.shape[-1]), 1, 0)

    def _assembled(self, grid: CutGrid, jacobians: Sequence[Jacobian]) -> tuple[Assembly, ShiftedSystems]:
        """Matrices for mean Jacobians of all parts, and of the equation on the boundary; the last ones for the same."""
        if self._kept is not None and self._kept[0].grid is grid:
            assembly, systems, before, _ = self._kept
            if all(
                old.keys() == new.keys() and all(np.array_equal(old[key], new[key]) for key in new)
                for old, new in zip(before, jacobians, strict=True)
            ):
                return assembly, systems
        count = len(grid.parts)
        assembly = Assembly(grid, jacobians[:count], jacobians[count:], self.evolution.time)
        return assembly, ShiftedSystems(assembly.matrices, self.evolution.spend, is_cut=True)

    def prolonged(self, values: np.ndarray, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> np.ndarray:
        """Coefficients of space (k, *counts, fields) on another grid."""
        if all(a is b for a, b in zip(old, new, strict=True)):
            return values
        # Least squares of the old values at the points of the new grid.
        before = self._grid(old)
        after = self._grid(new)
        taken = np.moveaxis(before.taken(values), 1, 0)  # (active, k, fields)
        at_points = before.at(after.points, (0,) * len(new), taken.reshape(len(taken), -1))
        return after.through(at_points.reshape(len(at_points), *taken.shape[1:]))


# Seconds for a first integration; below the least tolerance rounding is seen.
CUT_CELLS = Method(CutCellSolver, tolerances=(1e-5, 1e-10))
# On a solid a grid that is half as fine again has three times as many unknowns, as a sharper first integration would,
# which takes minutes. Its first time elements grow from a fiftieth of the time to one as long as the time.
CUT_CELLS_OF_SOLIDS = Method(CutCellSolver, dearer=10.0, growing=6, tolerances=(1e-4, 1e-10))


def cut_cell_problem(form: StrongForm) -> GridProblem | None:
    """The problem on a grid of an evolution on a domain that is no box, or None where time elements cannot solve it."""
    domain = form.domain
    if domain.space is None or form.time != domain.dimension - 1 or domain.dimension > SETTINGS.most_axes:
        return None
    if form.features:
        return None
    if not initial_terms(form) or (domain.dimension == SETTINGS.most_axes and len(form.fields) > 1):  # dense, on solids
        return None
    orders, field_orders = orders_of(form)
    if int(field_orders[:, form.time].max()) not in (1, 2) or form.order > SETTINGS.degree[domain.dimension - 1] - 2:
        return None
    return GridProblem(form, orders, field_orders, ())

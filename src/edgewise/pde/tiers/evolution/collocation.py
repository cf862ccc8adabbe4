"""Time elements by collocation on a tensor grid: Newton's method, whose factors serve as long as they contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgewise.outcomes import check_time
from edgewise.pde.algebra.newton import Advance, newton
from edgewise.pde.algebra.solver import Krylov, solver_for
from edgewise.pde.algebra.system import LinearSystem, Preconditioner, Solver
from edgewise.pde.problem.features import narrow_features, resolving
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.grid_problem import GridProblem, initial_terms
from edgewise.pde.tiers.collocation.stationary import balanced_sizes, local_errors
from edgewise.pde.tiers.evolution import grids
from edgewise.pde.tiers.evolution.guesses import first_guess, steady
from edgewise.pde.tiers.evolution.hyperviscosity import Hyperviscosity
from edgewise.pde.tiers.evolution.initial import RoughInitial
from edgewise.pde.tiers.evolution.problem import (
    Evolution,
    State,
    TimeElement,
    each_prolonged,
    floored,
    last_legendre,
    on_points,
    time_error,
)
from edgewise.pde.tiers.evolution.stepper import Method
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class CollocationSettings:
    """Grids of space, by the number of its coordinates."""

    degree: tuple[int, ...] = (0, 10, 10)
    first_intervals: tuple[int, ...] = (0, 24, 12)  # the initial state and the residual refine it
    most_intervals: tuple[int, ...] = (0, 3000, 100)  # of a coordinate: a time element takes a second
    initial_rounds: int = 36  # grids of the initial state
    coarse_rounds: int = 12  # of a coarser state


@dataclass(frozen=True)
class NewtonSettings:
    """Newton's method in a time element."""

    iterations: int = 12
    contraction: float = 0.2  # of steps, below which the factors are used again
    # Contraction up to which the steps to come are a geometric series (Hairer and Wanner, volume II, section IV.8), and
    # their sum relative to the allowed error at which it ends.
    series: float = 0.5
    step: float = 0.02
    # steps below these that contract no longer are rounding, without and with a pressure, which has more of it
    stalled: tuple[float, float] = (1e-10, 1e-7)
    diverged: float = 1e6  # step relative to the field
    application_work: float = 400.0  # multiply-adds of a coefficient, to evaluate the residual and apply the factors


NEWTON = NewtonSettings()


class CollocationSolver:
    """Solver of time elements on a tensor grid; `damping`, if given, is that of one even grid."""

    shares_factors = False
    settings = CollocationSettings()

    def __init__(self, evolution: Evolution, damping: Hyperviscosity | None = None):
        self.evolution = evolution
        self.damping = damping
        self.initial_error = 0.0  # of the initial state on the largest grid; 0 where the grid resolves it
        self.rough: RoughInitial | None = None  # where the initial state jumps and the equation smooths it
        self._preconditioner: Preconditioner | None = None  # of the last time element
        # sizes of the fields so far, for flows, which may start from rest
        self._largest: np.ndarray | None = None
        if evolution.grid_problem.constraint_variables:
            self._largest = np.zeros(len(evolution.grid_problem.form.fields))

    def initial(self) -> State:
        """State at the first moment: its grid is refined until the state is resolved."""
        evolution = self.evolution
        dimension = len(evolution.space)
        if not dimension:
            return State([], evolution.initial_at(np.zeros((1, 0))).reshape(evolution.order, -1))
        if self.damping is not None:
            space = self.damping.axes()
            return State(space, evolution.interpolated_initial(space))
        degree = self.settings.degree[dimension]
        # Data that jump have a grid of their own, graded towards the jumps.
        count = self._fewest(degree)
        self.rough = RoughInitial.of_data(
            evolution.grid_problem, evolution.initial_on, evolution.finer, evolution.allowed, evolution.begin
        )
        if self.rough is not None:
            return State(*self.rough.begun(degree, count, evolution.allowed))
        # Interpolation on finer and finer grids, until errors between the points are allowed ones.
        low, high = evolution.domain.bounds.numpy().T
        periodic = evolution.grid_problem.periodic
        features = narrow_features(evolution.grid_problem.form)
        axes = [
            evolution.grid_problem.axis(
                resolving(np.linspace(low[k], high[k], count + 1), features, k), degree, periodic[k]
            )
            for k in evolution.space
        ]
        for _ in range(self.settings.initial_rounds):
            check_time()
            state = State(axes, evolution.interpolated_initial(axes))
            errors = self._misfits(state, evolution.initial_on)
            finer = grids.refined(evolution, axes, errors, self.settings.most_intervals, grids.SETTINGS.initial_margin)
            if finer is None:
                break
            axes = finer
        # The largest grid may leave more than the allowed error.
        error = max(float(each.max()) for each in errors)
        if error > evolution.allowed:
            self.initial_error = error
        return state

    def restart(self, state: State, moment: float) -> State:
        """State after a jump of the equation, which walls may contradict as they may initial values."""
        evolution = self.evolution
        if not evolution.space:
            return state
        at = partial(on_points, state.space, state.values)
        rough = RoughInitial.of_data(evolution.grid_problem, at, evolution.finer, evolution.allowed, moment)
        if rough is None:
            return state
        self.rough = rough
        degree = state.space[0].degree
        return State(*rough.begun(degree, self._fewest(degree), evolution.allowed))

    def _fewest(self, degree: int) -> int:
        """Intervals of the first grid, at least as many as splines on a periodic coordinate need."""
        return max(round(self.evolution.finer * self.settings.first_intervals[len(self.evolution.space)]), degree + 1)

    # One time element.

    def solve(
        self, state: State, begin: float, end: float, previous: TimeElement | None, near: TimeElement | None
    ) -> TimeElement | None:
        """The time element on the grid of a state; None where Newton's method finds none."""
        evolution = self.evolution
        axes = evolution.with_time(state.space, begin, end)
        # The hyperviscosity of this time element follows from the speeds at its beginning.
        if self.damping is not None:
            self.damping.measure(axes, steady(evolution, axes, state, end - begin))
        solved = self._newton(axes, state, end - begin, previous, near)
        if solved is None:
            return None
        coef, steps = solved
        # Error in time from the last two Legendre coefficients.
        if self._largest is not None:
            self._largest = self._scale(coef)
        error = time_error(last_legendre(evolution, state.space, coef, self._scale(coef)))
        return TimeElement(state, axes, coef, error, steps)

    def _newton(
        self,
        axes: list[SplineAxis],
        state: State,
        length: float,
        previous: TimeElement | None,
        near: TimeElement | None,
    ) -> tuple[np.ndarray, int] | None:
        """Coefficients and number of steps of the simplified Newton's method; None if it fails."""
        evolution = self.evolution
        grid_problem = evolution.grid_problem
        enough = NEWTON.step * evolution.allowed
        # Rows of the time element, and the state of the iteration.
        blocks = grid_problem.blocks(axes)
        if self.damping is not None:
            blocks = self.damping.damped(blocks)
        is_start = [block.face == (evolution.time, 0) for block in blocks]
        system: LinearSystem | None = None
        is_fresh = False  # the factors are those of the last step's beginning
        fresh_residual = np.zeros(0)  # there
        before = math.inf  # size of the step before
        first = np.zeros(0)  # sizes of the fields after the first step
        steps = 0

        def flat(evaluated: Sequence[np.ndarray]) -> np.ndarray:
            """Residuals; the initial state is kept exactly, so that nothing is left of it in a step."""
            return np.concatenate(
                [
                    np.zeros(block.rows) if starts else values.ravel()
                    for block, starts, values in zip(blocks, is_start, evaluated, strict=True)
                ]
            )

        def factorised(coef: np.ndarray) -> Solver | None:
            """Factors of the equations linearised at coefficients."""
            nonlocal system, is_fresh, fresh_residual
            # Residuals and Jacobians of all rows.
            evaluated = [block.evaluate(coef) for block in blocks]
            is_fresh = True
            fresh_residual = flat([values for values, _ in evaluated])
            if not np.isfinite(fresh_residual).all():
                return None
            # Least sizes of the pressure of a flow that starts from rest.
            if self._largest is not None and not steps:
                least = balanced_sizes(grid_problem, blocks, evaluated, self._scale(coef))
                self._largest = np.maximum(self._largest, least)
            # Factors of the Jacobian, or Krylov iterations with the preconditioner of the time element before.
            system = LinearSystem(blocks, [jacobian for _, jacobian in evaluated], coef.shape)
            solver = solver_for(grid_problem, system, enough * self._scale(coef), self._preconditioner)
            if solver is not None:
                self._preconditioner = solver.preconditioner if isinstance(solver, Krylov) else None
            return solver

        def residual(coef: np.ndarray) -> np.ndarray:
            if is_fresh:
                return fresh_residual
            return flat(
                [
                    np.zeros(0) if starts else block.residuals(coef)
                    for block, starts in zip(blocks, is_start, strict=True)
                ]
            )

        def contracting(coef: np.ndarray, step: np.ndarray, solver: Solver) -> Advance | None:
            """A full step, whose factors serve the next one while steps contract."""
            nonlocal steps, first, before, is_fresh
            steps += 1
            assert system is not None
            evolution.spend(system.work + NEWTON.application_work * coef.size)
            system.work = 0.0
            # The whole step, and its size in units of the fields.
            step = step.reshape(coef.shape)
            coef = coef + step
            moved = np.abs(step).reshape(-1, coef.shape[-1]).max(0)
            sizes = self._scale(coef)
            size = float((moved / sizes).max())
            if steps == 1:
                first = sizes
            if not math.isfinite(size) or size > NEWTON.diverged:
                return None
            # Contraction, in units that stay the same: where the linearised equation grows without bound, the fields do
            # so too, and steps are small beside them.
            change = float((moved / first).max())
            rate = 1.0
            if math.isfinite(before):
                rate = change / before
            # Convergence: the sum of all steps to come, a geometric series, is small, or steps are rounding.
            to_come = size
            if rate < NEWTON.series:
                to_come = size * rate / (1 - rate)
            if to_come <= enough or (grid_problem.form.is_linear and is_fresh):
                return Advance(coef, is_last=True)
            if size < NEWTON.stalled[bool(grid_problem.constraint_variables)] and rate > NEWTON.series:
                return Advance(coef, is_last=True)
            # Old factors with which steps grow are those of a time element that is too long.
            if rate > 1 and not is_fresh:
                return None
            keeps_factors = rate <= NEWTON.contraction or not math.isfinite(before)
            before = change
            is_fresh = False
            return Advance(coef, keeps_factors=keeps_factors)

        # Simplified Newton steps from a guess that continues the time element before.
        guess = first_guess(evolution, each_prolonged, axes, state, length, previous, near)
        solved = newton(guess, residual, factorised, contracting, NEWTON.iterations)
        if solved is None:
            return None
        return solved[0], steps

    @property
    def has_rough_initial(self) -> bool:
        """True if initial data jump, beside which the error falls with the grid alone."""
        return self.rough is not None

    def _scale(self, coef: np.ndarray) -> np.ndarray:
        """Size of each field, (fields,); of flows, which may start from rest, the largest so far."""
        sizes = np.abs(coef).reshape(-1, coef.shape[-1]).max(0)
        if self._largest is not None:
            sizes = np.maximum(sizes, self._largest)
        if self.rough is None:
            return floored(sizes, 0.0)
        return floored(sizes, self.rough.least_size)

    # The grid of space.

    def indicators(self, element: TimeElement) -> list[np.ndarray]:
        """Errors of an element that the residual between points of space implies, for each interval, in the mean."""
        evolution = self.evolution
        if not evolution.space or self.damping is not None:
            return []
        size = float(self._scale(element.coef).max())
        errors = local_errors(evolution.grid_problem, element.axes, element.coef, evolution.space)
        return [self._weighed(element.axes[axis], errors[axis] / size) for axis in evolution.space]

    def refine(self, state: State, indicators: list[np.ndarray]) -> State | None:
        """The state on a grid with shorter intervals where errors are above the allowed one; None where none are."""
        space = self._finer(state.space, indicators)
        if space is None:
            return None
        return State(space, each_prolonged(state.values, state.space, space))

    def _finer(self, space: list[SplineAxis], indicators: list[np.ndarray]) -> list[SplineAxis] | None:
        """Finer coordinates of space, but beside jumps of the initial state; None where none are finer."""
        if self.rough is not None:
            indicators = [self.rough.spared(line, each) for line, each in zip(space, indicators, strict=True)]
        return grids.refined(self.evolution, space, indicators, self.settings.most_intervals)

    def coarsen(self, state: State, element: TimeElement) -> State:
        """The state on a coarser grid, where indicators of the last time element and the state itself allow it."""
        if not self.evolution.space or self.damping is not None:
            return state
        errors = element.indicators
        if errors is None:
            errors = self.indicators(element)
        coarser = grids.coarsened(self.evolution, state.space, errors)
        at = partial(on_points, state.space, state.values)
        # Fewer intervals, if they resolve the state, of which a residual of a short time element shows little.
        for _ in range(self.settings.coarse_rounds):
            coarser = [self._worth(new, old) for new, old in zip(coarser, state.space, strict=True)]
            moved = State(coarser, each_prolonged(state.values, state.space, coarser))
            finer = self._finer(coarser, self._misfits(moved, at))
            if finer is None:
                return moved
            coarser = finer
        return state

    def _worth(self, new: SplineAxis, old: SplineAxis) -> SplineAxis:
        """The coarser line where it spares enough intervals, else the old one."""
        if self._fewest(old.degree) <= new.intervals < (1 - grids.SETTINGS.spared) * old.intervals:
            return new
        return old

    def _misfits(self, state: State, at: Callable[[Sequence[np.ndarray]], np.ndarray]) -> list[np.ndarray]:
        """Largest errors of a state in the intervals of each coordinate; `at` gives it on a grid of points."""
        order = self.evolution.order
        axes = state.space
        scale = np.maximum(np.abs(state.values).reshape(order, -1, state.values.shape[-1]).max(1), ABOVE_ZERO)
        errors = []
        for number, line in enumerate(axes):
            # Gaps between the points of one coordinate, at the points of the others.
            points = [axis.all_points() for axis in axes]
            points[number] = line.fresh_points()
            gap = np.abs(on_points(axes, state.values, points) - at(points))
            wrong = gap / scale.reshape(order, *[1] * len(axes), -1)
            each = np.moveaxis(wrong, number + 1, 0).reshape(line.intervals, -1).max(1)
            errors.append(self._weighed(line, each))
        return errors

    def _weighed(self, line: SplineAxis, errors: np.ndarray) -> np.ndarray:
        """Errors in the intervals of a coordinate times the root of their length, that of even intervals being 1.

        Where `WaveByWave` is faster than smaller grids, it is the largest one everywhere, so that grids stay even.
        """
        errors = errors * np.sqrt(np.diff(line.breakpoints) * line.intervals / np.ptp(line.breakpoints))
        grid_problem = self.evolution.grid_problem
        is_even = len(self.evolution.space) > 1 and all(grid_problem.periodic[k] for k in self.evolution.space)
        if is_even and len(grid_problem.form.fields) > 1:
            return np.full_like(errors, errors.max())
        return errors


COLLOCATION = Method(CollocationSolver)
SMOOTHED = Method(
    lambda evolution: CollocationSolver(evolution, Hyperviscosity(evolution)),
    first_intervals=Hyperviscosity.settings.first_intervals,
    most_intervals=Hyperviscosity.settings.most_intervals,
)


def is_initial_value_problem(grid_problem: GridProblem) -> bool:
    """True if time elements can solve a problem: its fields start from given values and have order 2 in time at most.

    Fields of order 0 in time, as the algebraic ones of differential-algebraic equations, start from nothing, and so do
    those of which there are integrals up to now alone.
    """
    form = grid_problem.form
    if form.time is None:
        return False
    order = int(grid_problem.field_orders[:, form.time].max())
    if not order:
        return form.has_integrals
    return bool(initial_terms(form)) and order <= 2

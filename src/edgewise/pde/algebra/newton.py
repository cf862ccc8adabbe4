"""Newton's method, its starts and its damping for the equations of one grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from edgewise.outcomes import check_time
from edgewise.pde.algebra.solver import solver_for
from edgewise.pde.algebra.system import LinearSystem, Solver
from edgewise.pde.problem.dry_run import WAVE_TRIALS
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import HIGH_ORDER, Jacobian, RowBlock
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.settings import ABOVE_ZERO

Solved = tuple[np.ndarray, float, Callable[[], float]]
"""Coefficients, the work, and a function that gives the growth of residuals, see `growth_of`."""


@dataclass(frozen=True)
class NewtonSettings:
    """Newton's method on one grid, and its starts."""

    steps: int = 40
    least_factor: float = 1e-4  # of damping: smaller ones never ended at a solution
    # Steps relative to the solution after which it is done, for the next one is at rounding; and below which it is
    # where no smaller residual is found.
    rounding: float = 1e-9
    close: float = 1e-6
    polishing_steps: int = 4  # of iterative refinement at most
    polished: float = 0.5  # factor by which each of these must be smaller than the one before
    beside_zero: float = 1e-2  # from where on an equation is defined on both sides of zero, for fields of size 1
    # A smooth start: coefficients at most, whose rows are factorised in less than a second, and singular values,
    # relative to the largest one, that are none.
    most_smooth: int = 800
    rounded_bending: float = 1e-13
    bending: float = 1e-4  # weight of second derivatives beside conditions, for these to hold to a few digits


NEWTON = NewtonSettings()


def defined_start(grid_problem: GridProblem, axes: Sequence[SplineAxis]) -> np.ndarray:
    """Coefficients of a constant at which residuals and Jacobian are finite: zero if they are beside it, too."""
    blocks, shape = grid_problem.blocks(axes), shape_of(grid_problem, axes)

    def is_defined(level: float) -> bool:
        return is_finite([block.evaluate(np.full(shape, level)) for block in blocks])

    levels = dict.fromkeys((grid_problem.form.level, *(trial.level for trial in WAVE_TRIALS)))
    with np.errstate(all="ignore"):
        if all(map(is_defined, (0.0, -NEWTON.beside_zero, NEWTON.beside_zero))):
            return np.zeros(shape)
        for level in levels:
            if is_defined(level):
                return np.full(shape, level)
    return np.zeros(shape)


def smooth_start(grid_problem: GridProblem, axes: Sequence[SplineAxis], start: np.ndarray) -> np.ndarray | None:
    """Coefficients of the function that bends least among those with the conditions, linearised at a start.

    None where they are too many. The entries of the Jacobian of an equation of first order, as |grad u| = 1, may vanish
    at a constant.
    """
    dimension = len(axes)
    fields = start.shape[-1]
    blocks = grid_problem.condition_blocks(axes)
    if start.size > NEWTON.most_smooth or not blocks:
        return None
    # Rows of the conditions, and of the second derivatives everywhere.
    evaluated = [block.evaluate(start) for block in blocks]
    if not is_finite(evaluated):
        return None
    jacobian = [each for _, each in evaluated]
    points = [axis.all_points() for axis in axes]
    everywhere = RowBlock(grid_problem.form, grid_problem.form.equation_term, tuple(range(fields)), axes, points)
    lengths = [np.ptp(axis.breakpoints) for axis in axes]
    for pair in itertools.combinations_with_replacement(range(dimension), 2):
        index = tuple(pair.count(axis) for axis in range(dimension))
        weight = NEWTON.bending * math.prod(lengths[axis] for axis in pair)
        jacobian.append({(slot, slot, index): np.full(everywhere.shape, weight) for slot in range(fields)})
        blocks.append(everywhere)
    # The solution of least squares.
    matrix = LinearSystem(blocks, jacobian, start.shape).matrix().toarray()
    target = residuals_of(evaluated) - matrix[: sum(values.size for values, _ in evaluated)] @ start.ravel()
    solution = np.linalg.lstsq(matrix, np.pad(-target, (0, len(matrix) - len(target))), rcond=NEWTON.rounded_bending)[0]
    return solution.reshape(start.shape)


def is_finite(evaluated: Sequence[tuple[np.ndarray, Jacobian]]) -> bool:
    """True if residuals and Jacobian are."""
    return all(np.isfinite(part).all() for values, jacobian in evaluated for part in (values, *jacobian.values()))


def shape_of(grid_problem: GridProblem, axes: Sequence[SplineAxis]) -> tuple[int, ...]:
    """Shape of the coefficients: (n_1, ..., n_d, fields)."""
    return (*(axis.count for axis in axes), len(grid_problem.form.fields))


class Vector(Protocol):
    """Unknowns or residuals: an array, or a function in another format."""

    def __neg__(self) -> Self: ...


V = TypeVar("V", bound=Vector)


@dataclass(frozen=True)
class Advance(Generic[V]):
    """Where a step of Newton's method leads."""

    point: V
    is_last: bool = False  # it is a solution, or as near to one as is asked for
    keeps_factors: bool = False  # they serve the next step, too: the simplified method


def largest(values: np.ndarray) -> float:
    """Largest magnitude among values."""
    return float(np.abs(values).max(initial=0.0))


def newton(
    start: V,
    residual: Callable[[V], V],
    factorised: Callable[[V], Callable[[V], V] | None],
    globalisation: Callable[[V, V, Callable[[V], V]], Advance[V] | None],
    most_steps: int,
    size: Callable[[Any], float] = largest,
) -> tuple[V, Callable[[V], V]] | None:
    """A zero of a residual by Newton's method [1], and the solver of its last step; None if it finds none.

    `factorised` gives the solver of the equations linearised at a point, None where they are singular, and the
    globalisation decides where a step leads, with the solver that made it, which step is the last one, and whether its
    solver serves the next one: it makes the method damped, simplified or deflated, and gives None where it fails. The
    size of residuals and steps must be finite.

    [1] P. Deuflhard, "Newton Methods for Nonlinear Problems", 2004.
    """
    point = start
    solver = None
    for _ in range(most_steps):
        check_time()
        if solver is None:
            solver = factorised(point)
        if solver is None:
            return None
        # The Newton step; residuals far from a solution may overflow, which their size shows.
        with np.errstate(over="ignore", invalid="ignore"):
            values = residual(point)
        if not math.isfinite(size(values)):
            return None
        step = solver(-values)
        if not math.isfinite(size(step)):
            return None
        # The globalisation takes the step, damps it or refuses it.
        ahead = globalisation(point, step, solver)
        if ahead is None:
            return None
        point = ahead.point
        if ahead.is_last:
            return point, solver
        if not ahead.keeps_factors:
            solver = None
    return None


class GridEquations:
    """Residuals of a problem on a grid, and their linearisation; `is_stabilised` as of `stabilised`."""

    def __init__(self, grid_problem: GridProblem, axes: Sequence[SplineAxis], is_stabilised: bool = False):
        self.grid_problem = grid_problem
        self.blocks = grid_problem.blocks(axes)
        self.is_stabilised = is_stabilised
        self.target: np.ndarray | float = 0.0  # residuals that are aimed at
        self.linearised: list[tuple[np.ndarray, Jacobian]] = []  # residuals and Jacobian of the last factors
        self._system: LinearSystem | None = None
        self._work = 0.0  # of the systems before the last one
        self._kept: tuple[np.ndarray, list[tuple[np.ndarray, Jacobian]]] | None = None  # the last evaluation

    @property
    def work(self) -> float:
        """Multiply-adds of all factors and solutions so far."""
        if self._system is None:
            return self._work
        return self._work + self._system.work

    def evaluate(self, coef: np.ndarray) -> list[tuple[np.ndarray, Jacobian]]:
        """Residuals and Jacobian of each block."""
        if self._kept is None or self._kept[0] is not coef:
            evaluated = []
            for block in self.blocks:
                if self.is_stabilised and block.face is None:
                    evaluated.append(stabilised(block, coef))
                else:
                    evaluated.append(block.evaluate(coef))
            self._kept = coef, evaluated
        return self._kept[1]

    def residual(self, coef: np.ndarray) -> np.ndarray:
        """All residuals as one vector, less their targets."""
        return residuals_of(self.evaluate(coef)) - self.target

    def factorised(self, coef: np.ndarray) -> Solver | None:
        """Solver of the equations linearised at coefficients; None where they are singular or not finite."""
        evaluated = self.evaluate(coef)
        if not is_finite(evaluated):
            return None
        self._work = self.work
        self.linearised = evaluated
        self._system = LinearSystem(self.blocks, [jacobian for _, jacobian in evaluated], coef.shape)
        return solver_for(self.grid_problem, self._system)


def solved_on_grid(
    grid_problem: GridProblem, axes: Sequence[SplineAxis], start: np.ndarray, is_stabilised: bool = False
) -> Solved | None:
    """Coefficients that fulfil all rows, by damped Newton steps from a start; None where these fail."""
    return damped_newton(GridEquations(grid_problem, axes, is_stabilised), start)


def damped_newton(
    equations: GridEquations, start: np.ndarray, least_factor: float = NEWTON.least_factor
) -> Solved | None:
    """Coefficients with the residuals that are aimed at, by damped Newton steps; None if they lead to none."""
    is_linear = equations.grid_problem.form.is_linear

    def damped(coef: np.ndarray, step: np.ndarray, solver: Solver) -> Advance | None:
        """The longest step of halves that passes the natural monotonicity test [1].

        A damped step must make the next simplified step shorter, by a quarter of its factor at least. Residuals say
        less: those of a layer weigh as its second derivative.

        [1] P. Deuflhard, "Newton Methods for Nonlinear Problems", 2004, section 3.3.
        """
        step = step.reshape(coef.shape)
        if is_linear:
            return Advance(coef + step, is_last=True)
        fields = tuple(range(coef.ndim - 1))
        sizes = np.maximum(np.maximum(np.abs(coef).max(fields), np.abs(step).max(fields)), ABOVE_ZERO)
        length = float(np.linalg.norm(step / sizes))
        longest = float(np.abs(step).max())
        # Halves of the step, until the next simplified one is shorter.
        factor = 1.0
        while factor >= least_factor:
            check_time()
            moved = coef + factor * step
            if math.isfinite(norm_of(equations.evaluate(moved))):
                simplified = solver(-equations.residual(moved)).reshape(coef.shape)
                if float(np.linalg.norm(simplified / sizes)) <= (1 - factor / 4) * length:
                    return Advance(moved, is_last=longest <= NEWTON.rounding * float(np.abs(moved).max()))
            # Only rounding is left where a full step changes next to nothing.
            if longest < NEWTON.close * max(float(np.abs(coef).max()), ABOVE_ZERO):
                return Advance(coef, is_last=True)
            factor /= 2
        return None

    # Newton's method, and iterative refinement of its last step.
    solved = newton(start, equations.residual, equations.factorised, damped, NEWTON.steps)
    if solved is None:
        return None
    coef, solver = solved
    growth = partial(growth_of, solver, equations.blocks, equations.linearised)
    work = equations.work
    return polished(equations, coef, solver), work, growth


def polished(equations: GridEquations, coef: np.ndarray, solver: Solver) -> np.ndarray:
    """Coefficients after iterative refinement by residuals of extended precision, where the equation has these [1]."""
    # [1] N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002, section 12.1.
    if equations.grid_problem.form.order < HIGH_ORDER:
        return coef
    before = math.inf
    for _ in range(NEWTON.polishing_steps):
        step = solver(-equations.residual(coef)).reshape(coef.shape)
        size = float(np.abs(step).max())
        if not size < NEWTON.polished * before:
            break
        coef = coef + step
        before = size
    return coef


def growth_of(solver: Solver, blocks: Sequence[RowBlock], evaluated: Sequence[tuple[np.ndarray, Jacobian]]) -> float:
    """Size of the solution of the linearised equations for smooth random residuals, in units of the field.

    They are waves of up to a period along each coordinate, as large as a wave of amplitude 1 would leave: rough ones
    excite what the grid alone leaves free, as waves from point to point at the edges of a solid.
    """
    random = np.random.default_rng(0)
    parts = []
    for block, (values, jacobian) in zip(blocks, evaluated, strict=True):
        # Products of random cosine series of up to a period along each coordinate, one for each residual.
        residuals = np.zeros(values.shape)
        sizes = block.wave_sizes(values.shape, jacobian)
        if np.any(sizes):
            waves = [random.standard_normal(len(values))]
            for (low, high), places in zip(block.form.domain.bounds.numpy(), block.points, strict=True):
                phases = np.pi * (np.outer(np.arange(3), (places - low) / (high - low)) + random.random((3, 1)))
                waves.append(random.standard_normal(3) @ np.cos(phases))
            residuals = sizes * reduce(np.multiply.outer, waves).reshape(values.shape)
        parts.append(residuals.ravel())
    return float(np.abs(solver(np.concatenate(parts))).max())


def residuals_of(evaluated: Sequence[tuple[np.ndarray, Jacobian]]) -> np.ndarray:
    """All residuals of the blocks as one vector."""
    return np.concatenate([values.ravel() for values, _ in evaluated])


def stabilised(block: RowBlock, coef: np.ndarray) -> tuple[np.ndarray, Jacobian]:
    """Residuals and Jacobian with as much more diffusion as the grid needs to have no oscillations [1]."""
    # Where a layer is thinner than an interval the solution oscillates everywhere. With the second derivative's slope
    # at least h / 2 times that of the first one, as by upwind differences, only the layer itself is wrong, so that the
    # grid can be refined there.
    # [1] A. Brooks, T. Hughes, "Streamline upwind/Petrov-Galerkin formulations for convection dominated flows", Comput.
    # Methods Appl. Mech. Engrg. 32, 1982, 199.
    values, jacobian = block.evaluate(coef)
    jet = block.jet(coef)
    for (number, slot, index), missing in missing_diffusion(block, jacobian).items():
        values[number] += missing * jet[slot, index]
        jacobian[number, slot, index] = jacobian[number, slot, index] + missing
    return values, jacobian


def missing_diffusion(block: RowBlock, jacobian: Jacobian) -> Jacobian:
    """By how much the Jacobian by second derivatives falls short of h / 2 times that by first ones, with signs."""
    missing = {}
    for (number, slot, index), slope in jacobian.items():
        axis = int(np.argmax(index))
        first = (number, slot, tuple(order // 2 for order in index))
        if sum(index) == index[axis] == 2 and first in jacobian:
            # Cell Peclet number above 1: slope of the first derivative times h / 2 over that of the second.
            line = block.axes[axis]
            lengths = line.lengths_at(block.points[axis])
            lengths = np.expand_dims(lengths, [k for k in range(slope.ndim) if k != axis])
            lack = np.maximum(np.abs(jacobian[first]) * lengths / 2 - np.abs(slope), 0.0) * np.sign(slope)
            if lack.any():
                missing[number, slot, index] = lack
    return missing


def norm_of(evaluated: Sequence[tuple[np.ndarray, dict]]) -> float:
    """Root of the sum over blocks of the mean squared residual; infinity where a residual is not finite."""
    with np.errstate(over="ignore"):
        total = sum(float(np.mean(values**2)) for values, _ in evaluated)
    return math.sqrt(total) if math.isfinite(total) else math.inf

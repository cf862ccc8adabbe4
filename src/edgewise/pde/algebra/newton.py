"""Newton's method for the equations of one grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from edgewise.outcomes import check_time
from edgewise.pde.algebra import LinearSystem, solver_for
from edgewise.pde.algebra.system import Solver
from edgewise.pde.problem.dry_run import WAVE_TRIALS
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import HIGH_ORDER, FunctionalBlock, RowBlock, Slopes, wave_slopes
from edgewise.pde.spaces.statement import Statement
from edgewise.settings import ABOVE_ZERO

Solved = tuple[np.ndarray, float, Callable[[], float]]
"""Coefficients, the work, and a function that gives the growth of residuals, see `growth_of`."""

BESIDE_ZERO = 1e-2  # from where on an equation is defined on both sides of zero, for fields of size 1
# A smooth start: coefficients at most, whose rows are factorised in less than a second, the weight of second
# derivatives beside conditions, for these to hold to a few digits, and singular values, relative to the largest one,
# that are none.
MOST_SMOOTH = 800
BENDING = 1e-4
ROUNDED_BENDING = 1e-13
# Newton's method: steps, and the smallest damping factor; smaller ones never ended at a solution.
NEWTON_STEPS = 40
LEAST_DAMPING_FACTOR = 1e-4
# Steps relative to the solution after which Newton's method is done, for the next one is at rounding; and below which
# it is where no smaller residual is found.
NEWTON_ROUNDING = 1e-9
NEWTON_CLOSE = 1e-6
# Steps of iterative refinement at most, and the factor by which each must be smaller than the one before.
POLISHING_STEPS = 4
POLISHED = 0.5


def defined_start(statement: Statement, axes: Sequence[SplineAxis]) -> np.ndarray:
    """Coefficients of a constant at which residuals and slopes are finite: zero if they are beside it, too."""
    blocks, shape = statement.blocks(axes), shape_of(statement, axes)

    def is_defined(level: float) -> bool:
        return is_finite([block.evaluate(np.full(shape, level)) for block in blocks])

    levels = dict.fromkeys((statement.form.level, *(trial.level for trial in WAVE_TRIALS)))
    with np.errstate(all="ignore"):
        if all(map(is_defined, (0.0, -BESIDE_ZERO, BESIDE_ZERO))):
            return np.zeros(shape)
        for level in levels:
            if is_defined(level):
                return np.full(shape, level)
    return np.zeros(shape)


def smooth_start(statement: Statement, axes: Sequence[SplineAxis], start: np.ndarray) -> np.ndarray | None:
    """Coefficients of the function that bends least among those with the conditions, linearised at a start.

    None where they are too many. The slopes of an equation of first order, as |grad u| = 1, may vanish at a constant.
    """
    dimension = len(axes)
    fields = start.shape[-1]
    blocks = statement.condition_blocks(axes)
    if start.size > MOST_SMOOTH or not blocks:
        return None
    evaluated = [block.evaluate(start) for block in blocks]
    if not is_finite(evaluated):
        return None
    slopes = [each for _, each in evaluated]
    points = [axis.all_points() for axis in axes]
    everywhere = RowBlock(statement.form, statement.form.equation_term, tuple(range(fields)), axes, points)
    lengths = [np.ptp(axis.breakpoints) for axis in axes]
    for pair in itertools.combinations_with_replacement(range(dimension), 2):
        index = tuple(pair.count(axis) for axis in range(dimension))
        weight = BENDING * math.prod(lengths[axis] for axis in pair)
        slopes.append({(slot, slot, index): np.full(everywhere.shape, weight) for slot in range(fields)})
        blocks.append(everywhere)
    matrix = LinearSystem(blocks, slopes, start.shape).matrix().toarray()
    sought = residuals_of(evaluated) - matrix[: sum(values.size for values, _ in evaluated)] @ start.ravel()
    solution = np.linalg.lstsq(matrix, np.pad(-sought, (0, len(matrix) - len(sought))), rcond=ROUNDED_BENDING)[0]
    return solution.reshape(start.shape)


def is_finite(evaluated: Sequence[tuple[np.ndarray, Slopes]]) -> bool:
    """True if residuals and slopes are."""
    return all(np.isfinite(part).all() for values, slopes in evaluated for part in (values, *slopes.values()))


def shape_of(statement: Statement, axes: Sequence[SplineAxis]) -> tuple[int, ...]:
    """Shape of the coefficients: (n_1, ..., n_d, fields)."""
    return (*(axis.count for axis in axes), len(statement.form.fields))


def newton(
    statement: Statement, axes: Sequence[SplineAxis], coef: np.ndarray, is_stabilised: bool = False
) -> Solved | None:
    """Coefficients that fulfil all rows, by damped Newton steps from a start; None if there are none."""
    # A damped step must make the next simplified step shorter, by a quarter of its factor at least (the natural
    # monotonicity test [1]). Residuals say less: those of a layer weigh as its second derivative.
    # [1] P. Deuflhard, "Newton Methods for Nonlinear Problems", 2004, section 3.3.
    blocks = statement.blocks(axes)
    work = 0.0
    is_linear = statement.form.is_linear

    def evaluate(coef: np.ndarray) -> list[tuple[np.ndarray, Slopes]]:
        return [
            stabilised(block, coef) if is_stabilised and block.face is None else block.evaluate(coef)
            for block in blocks
        ]

    evaluated = evaluate(coef)
    for _ in range(NEWTON_STEPS):
        check_time()
        solved = newton_step(statement, blocks, evaluated, coef.shape)
        if solved is None:
            return None
        step, spent, solver = solved
        work = work + spent
        growth = partial(growth_of, solver, blocks, evaluated)
        if is_linear:
            return polished(statement, coef + step, solver, evaluate), work, growth
        fields = tuple(range(coef.ndim - 1))
        sizes = np.maximum(np.maximum(np.abs(coef).max(fields), np.abs(step).max(fields)), ABOVE_ZERO)
        length = float(np.linalg.norm(step / sizes))
        factor = 1.0
        # Only rounding is left where a full step changes next to nothing.
        is_tiny = float(np.abs(step).max()) < NEWTON_CLOSE * max(float(np.abs(coef).max()), ABOVE_ZERO)
        while True:
            check_time()
            moved = coef + factor * step
            after = evaluate(moved)
            if math.isfinite(norm_of(after)):
                simplified = solver(-residuals_of(after)).reshape(coef.shape)
                if float(np.linalg.norm(simplified / sizes)) <= (1 - factor / 4) * length:
                    break
            if is_tiny:
                return polished(statement, coef, solver, evaluate), work, growth
            factor /= 2
            if factor < LEAST_DAMPING_FACTOR:
                return None
        coef = moved
        evaluated = after
        if float(np.abs(step).max()) <= NEWTON_ROUNDING * float(np.abs(coef).max()):
            return polished(statement, coef, solver, evaluate), work, growth
    return None


def polished(
    statement: Statement,
    coef: np.ndarray,
    solver: Solver,
    evaluate: Callable[[np.ndarray], Sequence[tuple[np.ndarray, Slopes]]],
) -> np.ndarray:
    """Coefficients after iterative refinement by residuals of extended precision, where the equation has these [1]."""
    # [1] N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002, section 12.1.
    before = math.inf
    for _ in range(POLISHING_STEPS if statement.form.order >= HIGH_ORDER else 0):
        step = solver(-residuals_of(evaluate(coef))).reshape(coef.shape)
        size = float(np.abs(step).max())
        if not size < POLISHED * before:
            break
        coef = coef + step
        before = size
    return coef


def growth_of(solver: Solver, blocks: Sequence[RowBlock], evaluated: Sequence[tuple[np.ndarray, Slopes]]) -> float:
    """Size of the solution of the linearised equations for random residuals, in units of the field.

    At each point the residual is as large as that of a wave of amplitude 1, as long as the domain, would be there.
    """
    random = np.random.default_rng(0)
    parts = []
    for block, (values, slopes) in zip(blocks, evaluated, strict=True):
        is_local = not isinstance(block, FunctionalBlock)
        sizes = wave_slopes(block, values.shape, slopes, None) if is_local else 0.0
        parts.append((random.standard_normal(values.shape) * sizes).ravel())
    return float(np.abs(solver(np.concatenate(parts))).max())


def residuals_of(evaluated: Sequence[tuple[np.ndarray, Slopes]]) -> np.ndarray:
    """All residuals of the blocks as one vector."""
    return np.concatenate([values.ravel() for values, _ in evaluated])


def newton_step(
    statement: Statement,
    blocks: Sequence[RowBlock],
    evaluated: Sequence[tuple[np.ndarray, Slopes]],
    shape: tuple[int, ...],
) -> tuple[np.ndarray, float, Solver] | None:
    """Solve the equations linearised at residuals and slopes: the step, the work and the solver; None if none."""
    if not is_finite(evaluated):
        return None
    system = LinearSystem(blocks, [slopes for _, slopes in evaluated], shape)
    solver = solver_for(statement, system)
    if solver is None:
        return None
    step = solver(-residuals_of(evaluated)).reshape(shape)
    if np.isfinite(step).all():
        return (step, system.work, solver)
    return None


def stabilised(block: RowBlock, coef: np.ndarray) -> tuple[np.ndarray, Slopes]:
    """Residuals and slopes with as much more diffusion as the grid needs to have no oscillations [1]."""
    # Where a layer is thinner than an interval the solution oscillates everywhere. With the second derivative's slope
    # at least h / 2 times that of the first one, as by upwind differences, only the layer itself is wrong, so that the
    # grid can be refined there.
    # [1] A. Brooks, T. Hughes, "Streamline upwind/Petrov-Galerkin formulations for convection dominated flows", Comput.
    # Methods Appl. Mech. Engrg. 32, 1982, 199.
    values, slopes = block.evaluate(coef)
    jet = block.jet(coef)
    for (number, slot, index), missing in missing_diffusion(block, slopes).items():
        values[number] += missing * jet[slot, index]
        slopes[number, slot, index] = slopes[number, slot, index] + missing
    return values, slopes


def missing_diffusion(block: RowBlock, slopes: Slopes) -> Slopes:
    """Return by how much slopes by second derivatives fall short of h / 2 times those by first ones, with signs."""
    missing = {}
    for (number, slot, index), slope in slopes.items():
        axis = int(np.argmax(index))
        first = (number, slot, tuple(order // 2 for order in index))
        if sum(index) == index[axis] == 2 and first in slopes:
            line = block.axes[axis]
            place = np.clip(np.searchsorted(line.breakpoints, block.points[axis]) - 1, 0, line.intervals - 1)
            lengths = np.diff(line.breakpoints)[place].reshape([-1 if k == axis else 1 for k in range(slope.ndim)])
            lack = np.maximum(np.abs(slopes[first]) * lengths / 2 - np.abs(slope), 0.0) * np.sign(slope)
            if lack.any():
                missing[number, slot, index] = lack
    return missing


def norm_of(evaluated: Sequence[tuple[np.ndarray, dict]]) -> float:
    """Root of the sum over blocks of the mean squared residual; infinity where a residual is not finite."""
    with np.errstate(over="ignore"):
        total = sum(float(np.mean(values**2)) for values, _ in evaluated)
    return math.sqrt(total) if math.isfinite(total) else math.inf

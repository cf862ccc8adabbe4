"""Other solutions of a nonlinear problem: Newton's method that is kept away from the solutions that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.pde.algebra.newton import Advance, GridEquations, newton, shape_of, solved_on_grid
from edgewise.pde.algebra.system import Solver
from edgewise.pde.spaces.axis import SplineAxis, prolonged
from edgewise.pde.spaces.blocks import grid_points
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.collocation.stationary import first_axes, refined
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class DeflationSettings:
    """Beginnings and steps of a deflated Newton iteration."""

    # Steps of the deflated method from one start, and the longest step relative to the fields (it converges as Newton's
    # method does, once it is near a solution, and before it wanders).
    deflated_steps: int = 20
    longest_step: float = 10.0
    multiples: tuple[float, ...] = (2.0, -1.0, 10.0)  # of known solutions, with which it begins
    responses: tuple[float, ...] = (0.3, 2.0, 10.0)  # multiples of the response to a source
    zero_field: float = 1e-9  # fields below this size are zero
    nearly: float = 1e-2  # relative length of a step below which Newton's method itself may go on
    # Relative distance of two solutions that are different, far above the error of the coarse grid; and the change on a
    # finer grid up to which a solution is one of the equation, and not of the grid alone.
    distinct: float = 1e-3
    unchanged: float = 1e-2


DEFLATION = DeflationSettings()


def others(
    grid_problem: GridProblem, known: Sequence[nn.Module], most_starts: int | None = None
) -> Iterator[tuple[list[SplineAxis], np.ndarray]]:
    """Find solutions of a nonlinear problem that are not known yet, on a coarse grid."""
    # The residual F(u) is multiplied by the product over known solutions v of 1 / r + 1, with r = |u - v|^2 / |v|^2,
    # which is infinite at v. Newton's step d for F becomes d / (1 - q), with q the derivative of the logarithm of the
    # factor along d [1], so that the factor costs nothing. Starts are known solutions plus multiples of their response
    # to a constant source, which near a fold points to the next solution; zero; multiples of the known solutions; and
    # constants of their size. |v| is 1 for v = 0.
    # [1] P. Farrell, A. Birkisson, S. Funke, "Deflation techniques for finding distinct solutions of nonlinear partial
    # differential equations", SIAM J. Sci. Comput. 37 (2015) A2026.
    axes = first_axes(grid_problem)
    found = []
    for network in known:
        solved = solved_on_grid(grid_problem, axes, interpolated(network, axes))
        if solved is None:
            return  # the grid does not resolve it, so that the distance from it would mean nothing
        found.append(solved[0])
    for start in list(_starts(grid_problem, axes, found))[:most_starts]:
        while True:
            near = _deflated(grid_problem, axes, start, found)
            if near is None:
                solved = None
            else:
                solved = solved_on_grid(grid_problem, axes, near)
            if solved is None or min(_distance(solved[0], each) for each in found) < DEFLATION.distinct:
                break
            found.append(solved[0])
            # A solution of the equation is one on a finer grid too; one of the grid alone is not found again.
            finer = grid_problem.axes([refined(axis.breakpoints, 2.0) for axis in axes], [axis.degree for axis in axes])
            begin = prolonged(solved[0], axes, finer)
            checked = solved_on_grid(grid_problem, finer, begin)
            if checked is not None and _distance(checked[0], begin) < DEFLATION.unchanged:
                yield axes, solved[0]


def _starts(grid_problem: GridProblem, axes: list[SplineAxis], found: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Coefficients with which deflated Newton steps begin, in the order of how many solutions they led to."""
    shape = shape_of(grid_problem, axes)
    size = max(_size(each) for each in found)
    responses = [(each, _response(grid_problem, axes, each)) for each in found]

    def moved(factor: float) -> Iterator[np.ndarray]:
        for each, response in responses:
            if response is not None:
                yield from (each + sign * factor * size * response for sign in (1.0, -1.0))

    yield from moved(DEFLATION.responses[0])
    yield np.zeros(shape)
    yield from (factor * each for each in found for factor in DEFLATION.multiples)
    yield from (np.full(shape, value) for value in (size, -size))
    for factor in DEFLATION.responses[1:]:
        yield from moved(factor)


def _response(grid_problem: GridProblem, axes: list[SplineAxis], coef: np.ndarray) -> np.ndarray | None:
    """Return the change of a solution by a constant source in all equations, of size 1; None where there is none."""
    equations = GridEquations(grid_problem, axes)
    # One solve with the Jacobian at the solution, a source of 1 in the rows of the equation alone.
    source = [
        np.full(values.size, float(block.is_equation))
        for block, (values, _) in zip(equations.blocks, equations.evaluate(coef), strict=True)
    ]
    solver = equations.factorised(coef)
    if solver is None:
        return None
    response = solver(np.concatenate(source)).reshape(coef.shape)
    if not np.isfinite(response).all() or not response.any():
        return None
    return response / np.abs(response).max()


def _deflated(
    grid_problem: GridProblem, axes: list[SplineAxis], coef: np.ndarray, found: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Return coefficients near another solution, by deflated Newton steps from a start; None where they reach none."""
    equations = GridEquations(grid_problem, axes)
    scales = [_size(each) ** 2 for each in found]

    def deflated(coef: np.ndarray, step: np.ndarray, solver: Solver) -> Advance:
        """Newton's step times the factor of deflation, no longer than the fields allow."""
        step = step.reshape(coef.shape)
        # Derivative of the logarithm of the deflation factor along the step.
        slope = 0.0
        for each, scale in zip(found, scales, strict=True):
            gap = coef - each
            r = max(float(np.mean(gap**2)) / scale, ABOVE_ZERO)
            slope -= 2 * float(np.mean(gap * step)) / scale / (r * (1 + r))
        if abs(1 - slope) > ABOVE_ZERO:
            step = step / (1 - slope)
        # Step length is bounded by a multiple of the size of the fields.
        size = max(float(np.abs(coef).max()), *(scale**0.5 for scale in scales))
        length = float(np.abs(step).max())
        if length > DEFLATION.longest_step * size:
            step = step * (DEFLATION.longest_step * size / length)
        return Advance(coef + step, is_last=length < DEFLATION.nearly * size)

    near = newton(coef, equations.residual, equations.factorised, deflated, DEFLATION.deflated_steps)
    if near is None:
        return None
    return near[0]


def _size(coef: np.ndarray) -> float:
    """Root mean square of coefficients; 1 for u = 0, since coordinates and data are of size 1."""
    size = float(np.sqrt(np.mean(coef**2)))
    if size > DEFLATION.zero_field:
        return size
    return 1.0


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two functions by their coefficients, relative to the larger."""
    size = max(float(np.abs(one).max()), float(np.abs(other).max()), ABOVE_ZERO)
    return float(np.abs(one - other).max()) / size


@torch.no_grad()
def interpolated(network: Callable[[Tensor], Tensor], axes: Sequence[SplineAxis]) -> np.ndarray:
    """Coefficients of the splines that have the values of a network at the Greville points."""
    points = [axis.all_points() for axis in axes]
    coef = network(grid_points(points)).numpy().reshape(*(len(each) for each in points), -1)
    for number, axis in enumerate(axes):
        coef = axis.interpolated(coef, number)
    return coef

"""Linear evolution in weak form, for coefficients, and starts and boundary values of waves, that no grid resolves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.linearisation import linearise, residuals_at, zero_jet
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, along
from edgewise.pde.spaces.blocks import normal_of
from edgewise.pde.spaces.grid_problem import GridProblem, initial_terms, orders_of
from edgewise.pde.tiers.evolution.initial import STENCIL, STENCIL_STEP, STENCIL_WEIGHTS
from edgewise.pde.tiers.evolution.problem import SETTINGS as EVOLUTION
from edgewise.pde.tiers.evolution.problem import (
    Evolution,
    State,
    TimeElement,
    even_axes,
    floored,
    last_legendre,
    on_points,
    time_error,
)
from edgewise.pde.tiers.evolution.stepper import ElementSolver, Method
from edgewise.pde.tiers.galerkin.first_order import (
    FirstOrderForm,
    resolved,
    sat_penalty,
    symmetriser,
    terms_on,
    walls_of,
)
from edgewise.pde.tiers.galerkin.weak import SETTINGS as WEAK
from edgewise.pde.tiers.galerkin.weak import WeakForm, data_of, jacobian_of, points_at, weighted
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class RoughSettings:
    """What counts as rough, and the even grids of weak forms; tuples by the number of coordinates of space."""

    compared_moments: tuple[float, ...] = (0.37, 1.0)  # shares of the time at which coefficients must be the same
    # Intervals of a coordinate, and degree of splines, on which a coefficient is rough if they are off by more than
    # this share of it: no time element has a finer grid; errors of solutions are as large.
    grid: tuple[int, ...] = (0, 3000, 100)
    grid_degree: int = 5
    rough: float = 1e-2
    # Share of the largest value by which rough initial data are off at least on these grids, and factor by which that
    # is less than on grids of half as many intervals, at most: about 1 for jumps, 2 for kinks, 64 for smooth functions;
    # kinks of size one are off by 1e-5, rounding to single precision by 1e-7.
    rough_initial: float = 1e-6
    slow_fall: float = 8.0
    # Share of the largest value by which initial data contradict values at sides at least to be rough: smaller ones
    # leave errors that are far smaller.
    rough_wall: float = 1e-4
    rate_step: float = 1e-6  # of the time, after which a side is looked at for its rate: the middle of float64's digits
    # Even intervals of the first and of the largest grid of a weak form, and degree: a second, and a minute; at a given
    # number of splines degrees 4 to 8 are as good for waves through a speed that jumps at random.
    first_intervals: tuple[int, ...] = (0, 48, 12)
    most_intervals: tuple[int, ...] = (0, 3000, 100)
    degree: int = 4


SETTINGS = RoughSettings()


def has_weak_form(grid_problem: GridProblem) -> bool:
    """True if a problem has a `WeakForm` or a `FirstOrderForm`, whose coefficients do not change in time."""
    form = grid_problem.form
    # Linear evolution of second order, or of first order for systems, without integrals and multipliers.
    if form.time is None or not form.is_linear or form.order > min(2, 3 - len(form.fields[:2])) or form.has_integrals:
        return False
    space = [axis for axis in range(form.domain.dimension) if axis != form.time]
    if not 1 <= len(space) < len(SETTINGS.grid) or grid_problem.constraint_variables:
        return False
    # The form of the equation, and for systems that of the conditions, on the finest grid.
    bounds = form.domain.bounds.numpy()
    begin = float(bounds[form.time, 0])
    length = float(np.ptp(bounds[form.time]))
    grid = [axis.all_points() for axis in even_axes(grid_problem, SETTINGS.grid[len(space)], SETTINGS.grid_degree)]

    def on(face: tuple[int, int]) -> list[np.ndarray]:
        places = list(grid)
        places[space.index(face[0])] = bounds[face[0], [face[1]]]
        return places

    try:
        if form.order == 1:
            symmetriser(resolved(grid_problem, grid, begin)[1])
            # Walls with the fewest conditions come first: if there are too few, that is the mistake to name.
            for wall in sorted(walls_of(grid_problem), key=lambda wall: len(terms_on(grid_problem, wall))):
                sat_penalty(grid_problem, wall, on(wall), begin, is_even=False)
        else:
            weighted(grid_problem, grid, begin)
    except InputError:  # which is a ValueError too
        raise
    except ValueError:
        return False
    # Jacobians of the equation and of the conditions at several moments.
    rows: list[tuple[ResidualTerm, list[np.ndarray], tuple[int, int] | None]] = [(form.equation_term, grid, None)]
    for number, axis, end in grid_problem.faces():
        if axis != form.time:
            rows.append((form.condition_terms[number], on((axis, end)), (axis, end)))
    for term, points, face in rows:
        before = jacobian_of(grid_problem, term, points, begin, face)[0]
        if not all(np.isfinite(slope).all() for slope in before.values()):  # a pole, as at the axis of a disc
            return False
        # Conditions give values, or normal derivatives.
        if face is not None and form.order == 2:
            indices = [index for _, _, index in before]
            highest = before[0, 0, max(indices, key=sum)]
            is_along = all(index[face[0]] == sum(index) <= 1 for index in indices)
            if not is_along or not np.abs(highest).min() > 0:
                return False
        for share in SETTINGS.compared_moments:
            later = jacobian_of(grid_problem, term, points, begin + share * length, face)[0]
            if later.keys() != before.keys() or any(
                np.abs(later[key] - slope).max() > EVOLUTION.same_jacobian * np.abs(slope).max()
                for key, slope in before.items()
            ):
                return False
    return form.order == 1 or len({face for _, _, face in rows}) == len(rows)


def first_order_problem(form: StrongForm) -> GridProblem | None:
    """An evolution of first order on a box, perhaps with conditions for which there are no points on a grid."""
    if not form.domain.is_box or form.order > 1 or form.features or not initial_terms(form):
        return None
    if len(form.equation_term.requirements.sizes) != len(form.fields):
        return None
    return GridProblem(form, *orders_of(form), tuple(range(form.domain.dimension)))


def has_rough_coefficient(grid_problem: GridProblem) -> bool:
    """True if no grid of splines resolves coefficients of the highest derivatives, of a problem with a weak form."""
    form = grid_problem.form
    assert form.time is not None
    begin = float(form.domain.bounds[form.time, 0])

    def leading(points: Sequence[np.ndarray]) -> np.ndarray:
        """Coefficients (*points, k) in the equation for the highest derivative by time."""
        if form.order == 1:
            return np.concatenate(
                [flux.reshape(*flux.shape[:-2], -1) for flux in resolved(grid_problem, points, begin)[1]], -1
            )
        weight, spread, _ = weighted(grid_problem, points, begin)
        return (spread / weight)[..., None]

    # The interpolant on the finest grid, and what it misses at fresh points between those of the interpolation.
    axes = even_axes(grid_problem, SETTINGS.grid[form.domain.dimension - 1], SETTINGS.grid_degree)
    fresh = [axis.fresh_points(1) for axis in axes]
    values = leading([axis.all_points() for axis in axes])
    size = float(np.abs(values).max())
    if np.ptp(values.reshape(-1, values.shape[-1]), axis=0).max() <= EVOLUTION.same_jacobian * size:
        return False
    for k, line in enumerate(axes):
        values = along(line.table(fresh[k]), line.interpolated(values, k), k)
    try:
        return float(np.abs(values - leading(fresh)).max()) > SETTINGS.rough * size
    except ValueError:
        return False


def rough_part(grid_problem: GridProblem) -> str | None:
    """Name what no grid of splines resolves: "coefficients are", "start or boundary values are" or "".

    None where there is no weak form, see `has_weak_form`.
    """
    if not has_weak_form(grid_problem):
        return None
    if has_rough_coefficient(grid_problem):
        return "coefficients are"
    if has_rough_initial(Evolution(grid_problem, 1.0)):
        return "start or boundary values are"
    return ""


def _fall_slowly(gaps: Sequence[float]) -> bool:
    """True if errors of splines on a grid, after those on one of half as many intervals, are those of a kink."""
    return gaps[1] > SETTINGS.rough_initial and gaps[0] < SETTINGS.slow_fall * gaps[1]


def has_rough_initial(evolution: Evolution) -> bool:
    """True if the equation keeps jumps and kinks, and the start or walls have some, or contradict each other."""
    if evolution.order == 1 and evolution.grid_problem.form.order == 2:
        return False  # diffusion smooths them
    units = np.array([1.0, float(evolution.domain.size[evolution.time])])[: evolution.order]
    # Errors of interpolation on two grids: smooth functions converge fast, kinks and jumps do not.
    gaps = list[float]()
    for intervals in (SETTINGS.grid[len(evolution.space)] // 2, SETTINGS.grid[len(evolution.space)]):
        axes = even_axes(evolution.grid_problem, intervals, SETTINGS.grid_degree)
        fresh = [axis.fresh_points(1) for axis in axes]
        values = evolution.initial_on(fresh)
        both = values, on_points(axes, evolution.interpolated_initial(axes), fresh) - values
        size, gap = (float((np.abs(each.reshape(evolution.order, -1)).max(1) * units).max()) for each in both)
        gaps.append(gap / max(size, ABOVE_ZERO))
    # The same for the data of walls in time, and whether start and walls contradict each other.
    walls = [face for face in evolution.grid_problem.faces() if face[1] != evolution.time]
    if _fall_slowly(gaps) or any(_fall_slowly(_gaps_in_time(evolution, *face)) for face in walls):
        return True
    gap = max((_gap_on(evolution, *face) for face in walls), default=0.0)
    return gap > SETTINGS.rough_wall * max(size, gap)


def _gaps_in_time(evolution: Evolution, number: int, axis: int, end: int) -> list[float]:
    """Errors of splines of time for the data of a condition on a face, by their size, on two even grids."""
    gaps = list[float]()
    term = evolution.grid_problem.form.condition_terms[number]
    first, last = evolution.domain.bounds[evolution.time].tolist()
    # Places on the face.
    points = [
        line.all_points() for line in even_axes(evolution.grid_problem, SETTINGS.first_intervals[2], SETTINGS.degree)
    ]
    points[evolution.space.index(axis)] = evolution.domain.bounds[axis, [end]].numpy()
    # Interpolation in time on two grids, compared at fresh moments.
    for intervals in (SETTINGS.grid[1] // 2, SETTINGS.grid[1]):
        line = SplineAxis(np.linspace(first, last, intervals + 1), SETTINGS.grid_degree)
        fresh = line.fresh_points(1)
        at_points, values = (
            data_of(evolution.grid_problem, term, points, each, (axis, end)) for each in (line.all_points(), fresh)
        )
        gap = along(line.table(fresh), line.interpolated(at_points, 1), 1) - values
        gaps.append(float(np.abs(gap).max()) / max(float(np.abs(values).max()), ABOVE_ZERO))
    return gaps


@np.errstate(invalid="ignore")  # rates may be infinite at the start
def _gap_on(evolution: Evolution, number: int, axis: int, end: int) -> float:
    """Largest gap of a condition on a face at the start, and a moment later over the share of the time till then.

    The latter makes a kink, which waves and flows carry along.
    """
    begin = evolution.begin
    step = SETTINGS.rate_step * float(evolution.domain.size[evolution.time])
    sizes = evolution.domain.size.numpy()
    axes = even_axes(evolution.grid_problem, SETTINGS.first_intervals[len(evolution.space)], SETTINGS.degree)
    points = [line.all_points() for line in axes]
    points[evolution.space.index(axis)] = evolution.domain.bounds[axis, [end]].numpy()
    known = _initial_jet(evolution, points)
    # Residuals of the condition for the start continued linearly in time, in units of the field.
    form = evolution.grid_problem.form
    term = form.condition_terms[number]
    gaps = list[np.ndarray]()
    for later in (0.0, step):
        x, _ = points_at(form, points, np.array([begin + later]))
        jet = {}
        for slot, index in term.requirements.keys:
            rate = (*index[: evolution.time], 1, *index[evolution.time + 1 :])
            moved = known[index] + later * known.get(rate, np.zeros(1))
            jet[slot, index] = torch.from_numpy(moved[..., slot].ravel())
        residuals, jacobian = linearise(form, term, x, normal_of((axis, end), x), jet)
        units = np.zeros(len(residuals))
        for (row, _, index), slope in jacobian.items():
            length = math.prod(size**order for size, order in zip(sizes, index, strict=True))
            units[row] = max(units[row], float(slope.abs().max()) / length)
        gaps.append(residuals.numpy() / units[:, None])
    return max(float(np.abs(gaps[0]).max()), float(np.abs(gaps[1] - gaps[0]).max()) / SETTINGS.rate_step)


def _initial_jet(evolution: Evolution, points: Sequence[np.ndarray]) -> dict[Index, np.ndarray]:
    """Values of the start on a grid of space, their first derivatives, and rates, (*points, fields) each.

    Rates are given, or follow from equations of first order.
    """
    known = dict[Index, np.ndarray]()
    size = evolution.domain.dimension
    units = [tuple(row) for row in np.eye(size, dtype=int).tolist()]
    for order, values in enumerate(evolution.initial_on(points)):
        by_time = tuple(order * each for each in units[evolution.time])
        known[by_time] = values
        # First derivatives in space by one-sided differences that stay inside of the domain.
        for k, axis in enumerate(evolution.space):
            low, high = evolution.domain.bounds[axis].tolist()
            steps = np.where(points[k] < (low + high) / 2, 1, -1) * STENCIL_STEP * (high - low)
            turned = np.zeros(1)
            for weight, place in zip(STENCIL_WEIGHTS, STENCIL, strict=True):
                moved = [*points]
                moved[k] = points[k] + place * steps
                turned = turned + np.moveaxis(
                    np.moveaxis(evolution.initial_on(moved)[order], k, -1) * (weight / steps), -1, k
                )
            known[tuple(a + b for a, b in zip(by_time, units[axis], strict=True))] = turned
    # Rates of equations of first order: minus M^-1 times the residual without them.
    if evolution.order == 1:
        term = evolution.grid_problem.form.equation_term
        x, _ = points_at(evolution.grid_problem.form, points, np.array([evolution.begin]))
        jet = zero_jet(term, x)
        for slot, index in jet:
            if not index[evolution.time]:
                jet[slot, index] = torch.from_numpy(known[index][..., slot].ravel())
        values = residuals_at(evolution.grid_problem.form, term, x, None, jet).numpy()
        residuals = np.moveaxis(values.reshape(-1, *map(len, points)), 0, -1)
        inverse, _, _ = resolved(evolution.grid_problem, points, evolution.begin)
        known[units[evolution.time]] = -(inverse @ residuals[..., None])[..., 0]
    return known


class WeakSolver(ElementSolver):
    """Solver of time elements by a `WeakForm` or a `FirstOrderForm` on one even grid of space."""

    shares_factors = True
    has_rough_initial = False
    initial_error = 0.0

    def __init__(self, evolution: Evolution):
        self.evolution = evolution

    def initial(self) -> State:
        """State at the first moment, with least squared error."""
        evolution = self.evolution
        intervals = round(evolution.finer * SETTINGS.first_intervals[len(evolution.space)])
        axes = even_axes(evolution.grid_problem, intervals, SETTINGS.degree)
        if evolution.grid_problem.form.order == 1:
            self.form: WeakForm = FirstOrderForm(evolution.grid_problem, axes, evolution.spend)
        else:
            self.form = WeakForm(evolution.grid_problem, axes, evolution.spend)
        values = evolution.interpolated_initial(axes)
        return State(axes, self.form.started(values, evolution.initial_on, evolution.begin))

    def solve(
        self, state: State, begin: float, end: float, previous: TimeElement | None, near: TimeElement | None
    ) -> TimeElement:
        """The time element from a state on."""
        evolution = self.evolution
        axes = evolution.with_time(state.space, begin, end)
        line = evolution.line(axes)
        coef = evolution.from_nodal(line, self.form.solved(line, state.values), state.values)
        evolution.spend(WEAK.element_work)
        scale = floored(np.abs(coef).reshape(-1, coef.shape[-1]).max(0))
        return TimeElement(state, axes, coef, time_error(last_legendre(evolution, state.space, coef, scale)))


WEAK_FORM = Method(WeakSolver, first_intervals=SETTINGS.first_intervals, most_intervals=SETTINGS.most_intervals)

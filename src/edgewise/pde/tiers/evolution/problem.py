"""What a time stepper and its solver share: the problem of evolution, states at a moment, and time elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.outcomes import OutOfWork
from edgewise.pde.domains.sampling import legendre_rule
from edgewise.pde.problem.linearisation import linearise, zero_jet
from edgewise.pde.spaces.axis import SplineAxis, TimeAxis, along, prolonged
from edgewise.pde.spaces.blocks import grid_points, normal_of
from edgewise.pde.spaces.grid_problem import GridProblem, initial_terms
from edgewise.presentation import typed_text

OnGrid = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Values and rates on a grid of points of space, (order, *points, fields)."""


@dataclass(frozen=True)
class EvolutionSettings:
    """Degree in time and allowed errors of time elements."""

    degree: tuple[int, ...] = (
        10,
        9,
        7,
        6,
    )  # in time, by the number of space coordinates: long where a time element is cheap
    share: float = 0.1  # of the tolerance, allowed as error of one time element, for the errors of many add up
    # Least error of a time element, relative to the field, that is aimed at, without and with coordinates of space:
    # rounding, from which shorter time elements do not help. Without, time elements below 2e-14 become shorter until
    # the integration gives up, and 5e-14 leaves errors of 1e-15 to 3e-12 in half as many time elements. With, of
    # Burgers' shock 2e-15 left five times the error of 1e-14.
    least_allowed: tuple[float, float] = (5e-14, 1e-14)
    least_field: float = 1e-6  # size of a field, relative to the largest one, to which its errors are relative at least
    # The same of all fields, in units in which they are near one: it grows from nothing at the foot of a pulse
    least_size: float = float(np.finfo(float).eps ** 4)
    same_length: float = 1e-9  # relative: time elements whose lengths are closer share factors; far above rounding
    same_jacobian: float = 1e-12  # relative change of a slope or a coefficient from one moment to another: rounding


SETTINGS = EvolutionSettings()


@dataclass(frozen=True, eq=False)
class State:
    """The fields at one moment, and their rates where the equation has second derivatives in time."""

    space: list[SplineAxis]
    values: np.ndarray  # coefficients, (order, *counts, fields)


@dataclass(frozen=True, eq=False)
class TimeElement:
    """The solution in one time element: splines of space times one polynomial of time."""

    state: State  # at its beginning
    axes: list[SplineAxis]  # all coordinates
    coef: np.ndarray  # (*counts, fields)
    time_error: float  # relative to the field
    steps: int = 1  # of Newton's method
    indicators: list[np.ndarray] | None = None  # errors in the intervals of each coordinate of space, once estimated


class Evolution:
    """A problem of evolution, the error that a time element of it may have, and the work that was spent on it."""

    def __init__(
        self,
        grid_problem: GridProblem,
        tolerance: float,
        finer: float = 1.0,
        left: Callable[[float], float] | None = None,
    ):
        self.grid_problem = grid_problem
        self.finer = finer  # factor of the first grids of space
        # Multiply-adds so far, and a function for the remaining ones; None without a limit. Up to the first time
        # element, on any grid, there is nothing to end with.
        self.work = 0.0
        self.has_element = False
        self._left = left
        self.domain = grid_problem.form.domain
        assert grid_problem.form.time is not None
        self.time = grid_problem.form.time
        self.begin, self.end = self.domain.bounds[self.time].tolist()
        self.space = [axis for axis in range(self.domain.dimension) if axis != self.time]
        self.allowed = max(SETTINGS.share * tolerance, SETTINGS.least_allowed[bool(self.space)])
        self.degree = SETTINGS.degree[len(self.space)]
        self.order = max(int(grid_problem.field_orders[:, self.time].max()), 1)
        self._initial_terms = initial_terms(grid_problem.form)
        # Rows that give the last two Legendre coefficients of a polynomial in Bernstein's basis.
        nodes, weights = legendre_rule(self.degree + 1)
        self.unit_line = TimeAxis(0.0, 1.0, self.degree)
        values = self.unit_line.table((nodes + 1) / 2)
        legendre = np.polynomial.legendre.legvander(nodes, self.degree)[:, -2:] * weights[:, None]
        self.last_legendre = (legendre * (np.arange(2 * self.degree - 1, 2 * self.degree + 2, 2) / 2)).T @ values

    def spend(self, work: float) -> None:
        """Count multiply-adds, also inside of a time element; OutOfWork once the budget is spent."""
        self.work += work
        if self.left < 0 and self.has_element:
            raise OutOfWork

    @property
    def left(self) -> float:
        """Multiply-adds that the budget leaves."""
        if self._left is None:
            return math.inf
        return self._left(self.work)

    def with_time(self, space: Sequence[SplineAxis], begin: float, end: float) -> list[SplineAxis]:
        """All coordinates of a time element."""
        axes = list(space)
        axes.insert(self.time, TimeAxis(begin, end, self.degree))
        return axes

    def line(self, axes: Sequence[SplineAxis]) -> TimeAxis:
        """The coordinate of time among those of a time element."""
        line = axes[self.time]
        assert isinstance(line, TimeAxis)
        return line

    def spatial(self, axes: Sequence[SplineAxis]) -> list[SplineAxis]:
        """Coordinates of space among all of them."""
        return [axes[axis] for axis in self.space]

    def last_state(self, element: TimeElement, length: float) -> State:
        """State at the end of a time element: values, and rates of change for equations of order 2."""
        lines = np.moveaxis(element.coef, self.time, 0)
        if self.order == 1:
            return State(element.state.space, lines[-1:].copy())
        return State(element.state.space, np.stack([lines[-1], self.last_rate(lines, length)]))

    def last_rate(self, lines: np.ndarray, length: float) -> np.ndarray:
        """Rate of change at the end of an element of order 2 by Radau's method, from coefficients (degree + 1, ...)."""
        return np.tensordot(TimeAxis(0.0, length, self.degree).pair_tables[0][-1], lines, 1)

    def from_nodal(self, line: TimeAxis, nodal: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Coefficients of an element from those at its moments, (q, *counts, fields), and the state at the first."""
        moments = line.collocation_points(self.order)
        begin = line.breakpoints[0]
        points = line.all_points()
        length = float(np.ptp(line.breakpoints))
        fields = []
        for slot in range(nodal.shape[-1]):
            # Legendre coefficients from the values and rates at the first moment and the values at the others.
            given = int(self.grid_problem.field_orders[slot, self.time])
            data = np.concatenate([state[:given, ..., slot], nodal[..., slot]])
            powers = np.polynomial.legendre.legvander(2 * (moments - begin) / length - 1, len(data) - 1)
            first = np.polynomial.legendre.legvander(np.array([-1.0]), len(data) - 1)
            rows = []
            if given:
                rows.append(first)
            if given > 1:
                slope = [np.polynomial.legendre.Legendre(each).deriv()(-1.0) for each in np.eye(len(data))]
                rows.append(np.array([slope]) * 2 / length)
            to_legendre = np.linalg.inv(np.concatenate([*rows, powers]))
            at = np.polynomial.legendre.legvander(2 * (points - begin) / length - 1, len(data) - 1)
            fields.append(np.tensordot(line.interpolated(at @ to_legendre), data, 1))
        return np.moveaxis(np.stack(fields, -1), 0, self.time)

    def initial_on(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """Initial values and rates on a grid of points of space, (order, *points, fields)."""
        return self.initial_at(grid_points(points).numpy()).reshape(self.order, *map(len, points), -1)

    def initial_at(self, places: np.ndarray) -> np.ndarray:
        """Initial values and rates at places (b, dimension of space), (order, b, fields)."""
        form = self.grid_problem.form
        x = torch.full((len(places), self.domain.dimension), self.begin, dtype=torch.float64)
        x[:, self.space] = torch.from_numpy(places)
        values = np.zeros((2, len(x), len(form.fields)))
        # Initial conditions are linear in values and rates: u = -residual at zero over its slope.
        for term in self._initial_terms:
            normal = normal_of((self.time, 0), x)
            residuals, jacobian = linearise(form, term, x, normal, zero_jet(term, x))
            for (number, slot, index), slope in jacobian.items():
                values[index[self.time], :, slot] = -residuals[number].numpy() / slope.numpy()
        return values[: self.order]

    def interpolated_initial(self, axes: Sequence[SplineAxis]) -> np.ndarray:
        """Splines of the initial state, (order, *counts, fields)."""
        points = [axis.all_points() for axis in axes]
        state = self.initial_on(points)
        # A pole or a logarithm at the boundary has no spline.
        wrong = np.argwhere(~np.isfinite(state).all((0, -1)))
        if len(wrong):
            names = [self.domain.coordinates[k] for k in self.space]
            place = ", ".join(
                f"{name} = {typed_text(line[i], 4)}" for name, line, i in zip(names, points, wrong[0], strict=True)
            )
            raise InputError(f"Initial must have finite values up to the boundary, got others at {place}")
        # Interpolation along one coordinate after the other.
        for k, axis in enumerate(axes):
            state = axis.interpolated(state, k + 1)
        return state


def even_axes(grid_problem: GridProblem, intervals: int, degree: int) -> list[SplineAxis]:
    """Coordinates of space with this number of even intervals each."""
    bounds = grid_problem.form.domain.bounds.numpy()
    periodic = grid_problem.periodic
    return [
        SplineAxis(np.linspace(low, high, intervals + 1), degree, periodic[axis])
        for axis, (low, high) in enumerate(bounds)
        if axis != grid_problem.form.time
    ]


def on_points(axes: Sequence[SplineAxis], state: np.ndarray, points: Sequence[np.ndarray]) -> np.ndarray:
    """A state (order, *counts, fields) on a grid of points of space, (order, *points, fields)."""
    for k, axis in enumerate(axes):
        state = along(axis.table(points[k]), state, k + 1)
    return state


def each_prolonged(values: np.ndarray, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> np.ndarray:
    """Coefficients of space (k, *counts, fields) on other breakpoints of space."""
    if all(a is b for a, b in zip(old, new, strict=True)):
        return values
    return np.stack([prolonged(each, old, new) for each in values])


def floored(sizes: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Sizes of fields, none of them far below the largest one."""
    return np.maximum(sizes, max(SETTINGS.least_field * float(sizes.max()), least, SETTINGS.least_size))


def last_legendre(evolution: Evolution, space: Sequence[SplineAxis], coef: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Last two Legendre coefficients in time of each field, root mean squares over space, relative to sizes, (2, n)."""
    tail = np.abs(np.tensordot(evolution.last_legendre, coef, (1, evolution.time)) / scale)
    for line in space:  # however short its intervals are somewhere
        tail = np.sqrt(np.tensordot(line.shares, tail**2, (0, 1)))
    return tail


def time_error(tail: np.ndarray) -> float:
    """Error in time of an element from its last two Legendre coefficients, (2, fields): the last, where they fall."""
    return float(np.maximum(tail[1], 0.1 * tail[0]).max())

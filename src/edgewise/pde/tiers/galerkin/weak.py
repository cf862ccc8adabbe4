"""Weak forms of linear evolution: equations of second order in space, tested by splines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from torch import Tensor

from edgewise.outcomes import check_time
from edgewise.pde.algebra.factors import cell_factors
from edgewise.pde.algebra.radau import ShiftedSystems, Spend
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.interfaces import noted_diffusion
from edgewise.pde.problem.linearisation import Key, linearise, residuals_at, zero_jet
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, TimeAxis, along
from edgewise.pde.spaces.blocks import grid_points, normal_of
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.evolution.problem import OnGrid


@dataclass(frozen=True)
class WeakSettings:
    """Quadrature of weak forms, and their cost."""

    # Points of a coordinate, at least: PINNacle's rough coefficients have 256 values of a coordinate; and of an
    # interval.
    points: int = 512
    points_of_interval: int = 6
    element_work: float = (
        1e7  # multiply-adds of a time element, at least, for the time of evaluating the data. Measured
    )


SETTINGS = WeakSettings()


class AxisQuadrature:
    """A coordinate with a quadrature rule, or an end of it, and the splines at the points."""

    def __init__(self, axis: SplineAxis, end: int | None = None):
        if end is None:
            # Gauss-Legendre points of all intervals.
            cells = axis.intervals
            per_cell = max(SETTINGS.points_of_interval, -(-SETTINGS.points // axis.intervals))
            points, self.weights = axis.quadrature(per_cell)
            self.points = points.ravel()
        else:
            # The low end, number 0, or the high end, number -1.
            cells = 1
            per_cell = 1
            self.points = axis.breakpoints[[-end]]
            self.weights = np.ones((1, 1))
        local = [axis.local(self.points, order) for order in (0, 1)]
        self.columns, self.count = local[0][0].reshape(cells, per_cell, -1)[:, 0], axis.count
        self.values = [each.reshape(cells, per_cell, -1) for _, each in local]
        self.loads = sparse.csr_array(axis.table(self.points)).T @ sparse.diags_array(self.weights.ravel())


@dataclass(eq=False)
class Side:
    """A condition on one side of a box."""

    axis: int  # number of the coordinate of space that is constant, and 0 or 1 for its low or high end
    end: int
    term: ResidualTerm  # the condition
    points: list[np.ndarray]  # points of each coordinate of space
    # what multiplies the residual of u = 0 at the points: for values themselves, or in the weak form
    factor: np.ndarray
    rules: list[AxisQuadrature]  # quadrature on the side; empty where values are given


class WeakForm:
    """An equation of one field, w (m u_tt + d u_t + b grad u + c u - f) = div(k grad u), tested by splines of space.

    Here -k / w is the slope of the residual by second derivatives, and k is 1, or the coefficient of `diffusion`. After
    integration by parts no derivative of k is left, and without b matrices are symmetric, so that energy is kept or
    lost whatever the coefficients are; collocation has waves that grow where they jump [1].

    [1] P. Joly, "Variational methods for time-dependent wave propagation problems", in "Topics in Computational Wave
    Propagation", Lecture Notes in Computational Science and Engineering 31, 2003, 201.
    """

    def __init__(self, grid_problem: GridProblem, axes: Sequence[SplineAxis], spend: Spend):
        # Coefficients at the points of a quadrature.
        form = grid_problem.form
        self.grid_problem = grid_problem
        self.axes = axes
        assert form.time is not None
        self.time, self.order = form.time, int(grid_problem.field_orders[:, form.time].max())
        self.space = [axis for axis in range(form.domain.dimension) if axis != form.time]
        rules = [AxisQuadrature(axis) for axis in axes]
        low = float(form.domain.bounds[form.time, 0])
        weight, spread, lower = weighted(grid_problem, [rule.points for rule in rules], low)
        # Stiffness, and the matrices of lower order in space, by their order in time.
        units = np.eye(len(axes), dtype=int).tolist()
        self.matrices = [assembled(rules, spread, units[0], units[0])]
        for unit in units[1:]:
            self.matrices[0] += assembled(rules, spread, unit, unit)
        self.matrices += [sparse.csr_array(self.matrices[0].shape) for _ in range(self.order)]
        for index, slope in lower.items():
            trials = [index[axis] for axis in self.space]
            self.matrices[index[self.time]] += assembled(rules, slope, trials=trials)
        self.sources = assembled(rules, weight)
        # Conditions on the sides: given values, or fluxes.
        self._places = [axis.all_points() for axis in axes]
        self.sides, given = list[Side](), np.zeros([axis.count for axis in axes], dtype=bool)
        for condition, axis, end in grid_problem.faces():
            if axis == self.time:
                continue
            number = self.space.index(axis)
            term = form.condition_terms[condition]
            at = [AxisQuadrature(each, end if k == number else None) for k, each in enumerate(axes)]
            points = [rule.points for rule in at]
            jacobian, _ = jacobian_of_field(grid_problem, term, points, low, (axis, end))
            normal = jacobian.get(tuple(int(k == axis) for k in range(form.domain.dimension)))
            level = jacobian.get((0,) * form.domain.dimension)
            if normal is None:  # values are given, of which a side has those at the places of its splines
                ends = points[number]
                points = list(self._places)
                points[number] = ends
                level = jacobian_of_field(grid_problem, term, points, low, (axis, end))[0][(0,) * form.domain.dimension]
                self.sides.append(Side(number, end, term, points, -1 / level, []))
                given[self._place(self.sides[-1])] = True
                continue
            # Natural conditions: fluxes, with a reaction for those of Robin.
            factor = weighted(grid_problem, points, low)[1] / normal * (2 * end - 1)
            if level is not None:
                self.matrices[0] += assembled(at, factor * level)
            self.sides.append(Side(number, end, term, points, factor, at))
        # Unknowns are the coefficients that no side gives.
        self.given = given.ravel()
        inner = [each[~self.given][:, ~self.given] for each in self.matrices]
        self.systems = ShiftedSystems(inner, spend, is_cut=False)

    def _place(self, side: Side) -> tuple[slice, ...]:
        """Coefficients of a side among all of them."""
        place: list[slice] = [slice(None)] * len(self.axes)
        place[side.axis] = slice(0, 1)
        if side.end:
            place[side.axis] = slice(-1, None)
        return tuple(place)

    def solved(self, line: TimeAxis, state: np.ndarray) -> np.ndarray:
        """Coefficients of space at the moments of a time element, (q, *counts), from the state at its beginning.

        These are those of `TimeAxis`, the method of Radau, whose matrix is diagonalised.
        """
        check_time()
        moments = line.collocation_points(self.order)
        rates = line.rates(self.order)
        start = state.reshape(self.order, -1)
        loads, known = self._data(moments, start[0])
        rhs = loads - self.matrices[0] @ start[0]
        if self.order == 2:
            rhs += np.outer(rates.sum(1), self.matrices[2] @ start[1])
        if self.given.any():
            # What the given coefficients and their rates leave in the equations of the others.
            change = known
            for matrix in self.matrices:
                rhs -= (matrix @ change.T).T
                change = rates @ change
        if not self.systems.serves(rates):
            self.systems.factorise(rates)
        known[:, ~self.given] += self.systems.solved(rhs[:, ~self.given])
        return (start[0] + known).reshape(-1, *state.shape[1:])

    def started(self, state: np.ndarray, at: OnGrid, moment: float) -> np.ndarray:
        """The initial state, (order, *counts, fields), with least squared error among those with the given sides.

        Interpolated, as `state` is, a jump would leave an error of its mass.
        """
        rules = [AxisQuadrature(axis) for axis in self.axes]
        free = ~self.given
        flat = state.reshape(self.order, -1).copy()
        values = np.moveaxis(at([rule.points for rule in rules]), -1, 0)  # (fields, order, *points)
        flat[0] += self._data(np.array([moment]), flat[0])[1][0]
        masses = sparse.kron(assembled(rules, np.ones(values.shape[2:])), sparse.eye_array(len(values)), "csr")
        loads = np.moveaxis(integrated(rules, values, 2), 0, -1).reshape(flat.shape).T
        loads -= masses[:, self.given] @ flat[:, self.given].T
        within = masses[free][:, free]
        flat[:, free] = cell_factors(within, np.sqrt(within.diagonal()), is_cut=False)(loads[free]).T
        return flat.reshape(state.shape)

    def _data(self, moments: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Integrals of data at moments with all splines, and changes of given coefficients, (q, splines) each."""
        counts = [axis.count for axis in self.axes]
        source = data_of(self.grid_problem, self.grid_problem.form.equation_term, self._places, moments)[0]
        # Loads of the source, interpolated in the spline space.
        loads = np.zeros((len(moments), len(start)))
        known = np.zeros((len(moments), *counts))
        self._subtract_source(loads, source)
        for side in self.sides:
            face = self.space[side.axis], side.end
            # Values at the sides give coefficients, fluxes give loads.
            data = side.factor * data_of(self.grid_problem, side.term, side.points, moments, face)[0]
            if not side.rules:
                for k, axis in enumerate(self.axes):
                    if k != side.axis:
                        data = axis.interpolated(data, k + 1)
                known[:, *self._place(side)] = data
            elif data.any():
                loads -= integrated(side.rules, data, 1).reshape(loads.shape)
        return loads, np.where(self.given, known.reshape(loads.shape) - start, 0.0)

    def _subtract_source(self, loads: np.ndarray, source: np.ndarray) -> None:
        """Subtract, in place, from loads (q, splines) the integrals of a source (q, *places of splines, ...)."""
        if source.any():
            for k, axis in enumerate(self.axes):
                source = axis.interpolated(source, k + 1)
            loads -= (self.sources @ source.reshape(len(loads), -1).T).T


def integrated(rules: Sequence[AxisQuadrature], values: np.ndarray, first: int) -> np.ndarray:
    """Integrals of functions with every spline: axes of points of values, from `first` on, become axes of splines."""
    for k, rule in enumerate(rules):
        values = along(rule.loads, values, first + k)
    return values


def assembled(
    rules: Sequence[AxisQuadrature], values: np.ndarray, tests: Sequence[int] = (0, 0), trials: Sequence[int] = (0, 0)
) -> sparse.csr_array:
    """Integrals of a function with derivatives of every two splines. Shapes: returns (splines, splines)."""
    # One coordinate after the other, which products of lines allow: sums over all points of each cell, as of `CutGrid`,
    # took three times the time and half as much memory again for rough coefficients.
    shape = [size for rule in rules for size in rule.weights.shape]
    parts = values.reshape(shape)
    rows = np.zeros((), dtype=int)
    columns = np.zeros((), dtype=int)
    count = 1
    for rule, test, trial in zip(rules, tests, trials, strict=False):
        table = (rule.values[test] * rule.weights[..., None])[..., None] * rule.values[trial][..., None, :]
        # The coordinate is taken from the front, and its cells and products become the last ones.
        parts = np.einsum("xa...,xam->...xm", parts, table.reshape(*table.shape[:2], -1))
        size = rule.columns.shape[1]
        rows = (rows * rule.count)[..., None, None] + np.repeat(rule.columns, size, 1)
        columns = (columns * rule.count)[..., None, None] + np.tile(rule.columns, size)
        count *= rule.count
    entries = parts.ravel(), (rows.ravel(), columns.ravel())
    return sparse.csr_array(sparse.coo_array(entries, shape=(count, count)))


def points_at(form: StrongForm, points: Sequence[np.ndarray], moments: np.ndarray) -> tuple[Tensor, tuple[int, ...]]:
    """Points (N, n) of a grid of space at moments, and the number of each coordinate's."""
    lines = list(points)
    assert form.time is not None
    lines.insert(form.time, moments)
    return grid_points(lines), tuple(map(len, lines))


def data_of(
    grid_problem: GridProblem,
    term: ResidualTerm,
    points: Sequence[np.ndarray],
    moments: np.ndarray,
    face: tuple[int, int] | None = None,
) -> np.ndarray:
    """Residuals of u = 0 at moments, (residuals, q, *points), on a grid of space."""
    form = grid_problem.form
    assert form.time is not None
    x, shape = points_at(form, points, moments)
    residuals = residuals_at(form, term, x, normal_of(face, x), zero_jet(term, x))
    return np.moveaxis(residuals.numpy().reshape(-1, *shape), form.time + 1, 1)


def jacobian_of(
    grid_problem: GridProblem,
    term: ResidualTerm,
    points: Sequence[np.ndarray],
    moment: float,
    face: tuple[int, int] | None = None,
) -> tuple[dict[Key, np.ndarray], list[tuple[Tensor, Tensor]]]:
    """Jacobian of residuals on a grid of space, (*points), at a moment, and what `noted_diffusion` has of them."""
    x, _ = points_at(grid_problem.form, points, np.array([moment]))
    with noted_diffusion() as noted:
        jacobian = linearise(grid_problem.form, term, x, normal_of(face, x), zero_jet(term, x))[1]
    shape = tuple(map(len, points))
    return {key: part.numpy().reshape(shape) for key, part in jacobian.items()}, noted


def jacobian_of_field(
    grid_problem: GridProblem,
    term: ResidualTerm,
    points: Sequence[np.ndarray],
    moment: float,
    face: tuple[int, int] | None = None,
) -> tuple[dict[Index, np.ndarray], list[tuple[Tensor, Tensor]]]:
    """Jacobian of a single residual by the derivatives of a single field, as `jacobian_of` has it for several."""
    jacobian, noted = jacobian_of(grid_problem, term, points, moment, face)
    return {index: part for (_, _, index), part in jacobian.items()}, noted


def weighted(
    grid_problem: GridProblem, points: Sequence[np.ndarray], moment: float
) -> tuple[np.ndarray, np.ndarray, dict[Index, np.ndarray]]:
    """w, k and the entries of the Jacobian of lower order times w of a `WeakForm`, on a grid of space."""
    form = grid_problem.form
    jacobian, noted = jacobian_of_field(grid_problem, form.equation_term, points, moment)
    space = [axis for axis in range(form.domain.dimension) if axis != form.time]
    size = form.domain.dimension
    leading = [jacobian.pop(tuple(2 * int(k == axis) for k in range(size)), np.zeros(1)) for axis in space]
    first = leading[0]
    rest = [sum(index[axis] for axis in space) + bool(index[form.time or 0]) for index in jacobian]
    is_even = all(np.allclose(each, first, rtol=1e-12) for each in leading) and float(first.min() * first.max()) > 0
    if not is_even or max(rest, default=0) > 1 or len(noted) > 1:
        raise ValueError("second derivatives are no Laplacian times a coefficient that keeps its sign")
    if not noted:
        weight = -np.ones_like(first) / first
        return weight, np.ones_like(first), {index: weight * slope for index, slope in jacobian.items()}
    # The slope of a coefficient of `diffusion` is part of the divergence.
    coefficient, slopes = noted[0]
    spread = coefficient.numpy().reshape(first.shape)
    weight = -spread / first
    lower = {index: weight * slope for index, slope in jacobian.items()}
    for axis, slope in zip(space, slopes.numpy().T[space], strict=True):
        index = tuple(int(k == axis) for k in range(size))
        lower[index] = lower.get(index, 0.0) + slope.reshape(first.shape)
    return weight, spread, lower

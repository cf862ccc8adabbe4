"""Rows of the system that determines the coefficients on a structured grid: residuals at the points of a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.integrals import at_places
from edgewise.pde.problem.linearisation import Jet, Key, linearise, residuals_at
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, Table, along, product_numbers, product_values
from edgewise.settings import ABOVE_ZERO

Jacobian = dict[Key, np.ndarray]
"""Slopes of residuals by derivatives of fields at the points of a block, in the shape of its grid."""

# Order of a derivative from which on its sum over splines is taken in extended precision: second derivatives keep seven
# digits, and smooth solutions of such equations all but four of them.
HIGH_ORDER = 3

PastValues = Callable[[int, Tensor], Tensor]
"""Maps the number of a field and points (b, q, n) at earlier moments to its values there, (b, q)."""


def grid_points(lines: Sequence[np.ndarray]) -> Tensor:
    """All points (N, n) with one coordinate of each line, the last coordinate running fastest."""
    return torch.from_numpy(np.stack([line.ravel() for line in np.meshgrid(*lines, indexing="ij")], 1))


def normal_of(face: tuple[int, int] | None, x: Tensor) -> Tensor | None:
    """Outward normals (N, n) at points x (N, n) of a face of a box, by its coordinate and end; None for no face."""
    if face is None:
        return None
    normal = torch.zeros_like(x)
    normal[:, face[0]] = 2.0 * face[1] - 1.0
    return normal


@dataclass(eq=False)
class RowBlock:
    """Residuals of a term on a grid of points: rows of the system that determines the coefficients."""

    form: StrongForm  # the problem
    term: ResidualTerm  # the equation or a condition
    numbers: tuple[int, ...]  # numbers of those residuals of the term that are collocated here
    axes: Sequence[SplineAxis]  # the coordinates
    points: Sequence[np.ndarray]  # points of each coordinate; the grid has all their combinations
    # for conditions: number of the coordinate that is constant, and 0 or 1 for its low or high end
    face: tuple[int, int] | None = None
    # values of the fields at earlier moments, for delays and integrals up to now; later ones are those of the block
    past: PastValues | None = None
    _tables: dict[tuple[int, int, bool], Table] = field(default_factory=dict, init=False)
    _local: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points of each coordinate."""
        return tuple(map(len, self.points))

    @property
    def rows(self) -> int:
        """Number of rows: residuals times points."""
        return len(self.numbers) * math.prod(self.shape)

    def table(self, axis: int, order: int, is_long: bool = False) -> Table:
        """Values of the B-splines of a coordinate, or of a derivative, at its points; `is_long` as of `SplineAxis`."""
        if (axis, order, is_long) not in self._tables:
            self._tables[axis, order, is_long] = self.axes[axis].table(self.points[axis], order, is_long)
        return self._tables[axis, order, is_long]

    def local(self, axis: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """The splines of a coordinate that can differ from zero at its points: see `SplineAxis.local`."""
        if (axis, order) not in self._local:
            self._local[axis, order] = self.axes[axis].local(self.points[axis], order)
        return self._local[axis, order]

    def local_products(self, indices: Iterable[Index]) -> tuple[np.ndarray, dict[Index, np.ndarray]]:
        """Products of the splines that can differ from zero: numbers and derivatives at points, (N, products) each."""
        # Each point of the grid by the places of its coordinates; products by Kronecker's rule.
        places = np.indices(self.shape).reshape(len(self.shape), -1)
        numbers = product_numbers(self.axes, [self.local(axis, 0)[0][at] for axis, at in enumerate(places)])
        lines = range(len(places))
        return numbers, {
            index: product_values([self.local(axis, index[axis])[1][places[axis]] for axis in lines])
            for index in indices
        }

    @property
    def reduced_axis(self) -> int | None:
        """The coordinate along which rows make a space smaller, see `ReducedSpaceBlock`; None for other rows."""
        return None

    @property
    def fixes_constant(self) -> bool:
        """True for the row of a field's constant, see `ConstantBlock`."""
        return False

    @property
    def is_equation(self) -> bool:
        """True for rows of the equation, see `EquationBlock`."""
        return False

    def without(self, axis: int) -> RowBlock:
        """The rows on all coordinates but one, at the same points; a face of this one is no face then."""
        others = [k for k in range(len(self.axes)) if k != axis]
        axes = [self.axes[k] for k in others]
        points = [self.points[k] for k in others]
        face = None
        if self.face is not None and self.face[0] != axis:
            face = others.index(self.face[0]), self.face[1]
        return RowBlock(self.form, self.term, self.numbers, axes, points, face)

    @cached_property
    def x(self) -> Tensor:
        """All points, (N, n), the last coordinate running fastest."""
        return grid_points(self.points)

    @cached_property
    def normal(self) -> Tensor | None:
        """Outward normals, (N, n), on a face."""
        return normal_of(self.face, self.x)

    def constants(self) -> np.ndarray:
        """Rows with the same constant up to which they hold, (constants, rows); none here."""
        return np.zeros((0, 0), dtype=int)

    def jet(self, coef: np.ndarray) -> dict[tuple[int, Index], np.ndarray]:
        """All derivatives of the fields that the term uses, at the points; coef is (n_1, ..., n_d, fields)."""
        needed = self._needed
        values = self.derivatives(coef, {index for _, index in needed}, is_exact=True)
        return {(number, index): values[index][number] for number, index in needed}

    @property
    def _needed(self) -> list[tuple[int, Index]]:
        """Derivatives of fields that the term uses, and those by which integrals up to now depend on the time element.

        These are all derivatives in time: with them a polynomial is known at all moments of the time element.
        """
        needed = self.term.requirements.keys
        time = self.form.time
        terms = self.term.requirements.integrals
        if time is None or self.past is None:
            return needed
        names = {name for name, _, number in terms if number >= 0}
        orders = range(self.axes[time].degree + 1)
        series = [tuple(order * int(k == time) for k in range(len(self.axes))) for order in orders]
        remembered = [number for number, name in enumerate(self.form.fields) if name in names]
        return list(dict.fromkeys([*needed, *((number, index) for number in remembered for index in series)]))

    def derivatives(
        self, coef: np.ndarray, indices: Iterable[Index], is_exact: bool = False
    ) -> dict[Index, np.ndarray]:
        """Derivatives of all fields at the points, (fields, *shape) each.

        Those of high order are summed in extended precision for `is_exact`, as their terms cancel each other: of 16
        intervals and degree 11, fourth derivatives lose nine digits. Where the machine has none, they do so.
        """
        # Sum factorisation: tables are applied along one coordinate after the other, and derivatives share their
        # beginnings.
        partial: dict[tuple[Index, bool], np.ndarray] = {((), False): coef}

        def upto(index: Index, is_long: bool) -> np.ndarray:
            """Derivatives by the first coordinates: the tables of these are applied, their axes are the last ones."""
            if (index, is_long) not in partial:
                before = upto(index[:-1], is_long)
                table = self.table(len(index) - 1, index[-1], is_long)
                product = table @ before.reshape(before.shape[0], -1)
                partial[index, is_long] = product.reshape(-1, *before.shape[1:]).transpose(*range(1, before.ndim), 0)
            return partial[index, is_long]

        kinds = {index: is_exact and sum(index) >= HIGH_ORDER for index in indices}
        if any(kinds.values()):
            partial[(), True] = coef.astype(np.longdouble)
        return {index: upto(index, is_long).astype(np.float64, copy=False) for index, is_long in kinds.items()}

    def residuals(self, coef: np.ndarray) -> np.ndarray:
        """Residuals at the points, in units of the field: (residuals, *shape)."""
        return self.evaluate(coef, with_jacobian=False)[0]

    def evaluate(self, coef: np.ndarray, with_jacobian: bool = True) -> tuple[np.ndarray, Jacobian]:
        """Residuals (residuals, *shape), and their Jacobian by every derivative, see `linearise`."""
        jet = {key: torch.from_numpy(np.ascontiguousarray(value)).ravel() for key, value in self.jet(coef).items()}
        # Integrals and delays take values of other moments.
        elsewhere = None
        if self.past is not None:
            elsewhere = partial(self._elsewhere, coef)
        place = (self.form, self.term, self.x, self.normal, jet, self.numbers, elsewhere)
        if with_jacobian:
            values, parts = linearise(*place)
        else:
            values, parts = residuals_at(*place), {}
        jacobian = {key: part.numpy().reshape(self.shape) for key, part in parts.items()}
        return values.numpy().reshape(len(self.numbers), *self.shape), jacobian

    def wave_sizes(self, shape: tuple[int, ...], jacobian: Jacobian) -> np.ndarray | float:
        """Residuals, in magnitude, of waves as long as the domain, see `wave_symbol`."""
        return wave_symbol(self, shape, jacobian, None)

    def _elsewhere(
        self, coef: np.ndarray, jet: Jet, number: int, axis: int, places: Tensor, is_delay: bool = False
    ) -> Tensor:
        """Values of a field at other moments, (b, q)."""
        assert self.past is not None
        at = at_places(self.x, axis, places)
        if is_delay:
            return self.past(number, at)
        # Moments of the time element itself, and earlier ones, the same for all points.
        is_own = at[..., axis] > self.axes[axis].breakpoints[0]
        values = at.new_zeros(at.shape[:2])
        columns = is_own.any(0)
        same = (at[..., axis] == at[:1, :, axis]).all(0)
        # Moments before the time element are mostly the same for all of its points.
        once = at.unflatten(0, self.shape).select(axis, 0)[..., same, :]
        known = self.past(number, once.reshape(len(at) // self.shape[axis], once.shape[-2], len(self.axes)))
        known = known.reshape(once.shape[:-1]).unsqueeze(axis)
        values[:, same] = known.expand(*self.shape, -1).reshape(len(at), once.shape[-2])
        others = ~same & ~is_own.all(0)
        values[:, others] = self.past(number, at[:, others])
        if not bool(columns.any()):
            return values
        # Values of the polynomial of the time element.
        own = self._within(coef, number, axis, at[:, columns, axis])
        if torch.is_grad_enabled():
            # Slopes by the derivatives at the point: Taylor's series of a polynomial. Its value would lose digits.
            gap = at[:, columns, axis] - self.x[:, axis, None]
            index = [0] * len(self.axes)
            series = torch.zeros_like(gap)
            power = torch.ones_like(gap)
            for order in range(self.axes[axis].degree + 1):
                index[axis] = order
                series = series + power * jet[number, tuple(index)][:, None]
                power = power * gap / (order + 1)
            own = own + (series - series.detach())
        return values.index_copy(1, columns.nonzero()[:, 0], torch.where(is_own[:, columns], own, values[:, columns]))

    def _within(self, coef: np.ndarray, number: int, axis: int, moments: Tensor) -> Tensor:
        """Values of a field at the points, at other moments (N, q) of the same time element: (N, q)."""
        # Values at the points of the other coordinates, then the basis at the moments.
        lines = coef[..., number]
        for k in range(len(self.axes)):
            if k != axis:
                lines = along(self.table(k, 0), lines, k)
        lines = np.expand_dims(np.moveaxis(lines, axis, -1), axis)
        lines = np.broadcast_to(lines, (*self.shape, lines.shape[-1])).reshape(len(moments), -1)
        basis = self.axes[axis].local(moments.numpy().ravel())[1].reshape(*moments.shape, -1)
        return torch.from_numpy(np.einsum("nqk,nk->nq", basis, lines))


@dataclass(eq=False)
class EquationBlock(RowBlock):
    """Residuals of the equation, one of which, `balanced`, may hold up to a constant at each moment.

    What flows through the boundary of a domain must sum to zero, or no flow is free of divergence. With splines it does
    so up to their error, and this error must have a place: it is spread evenly over the domain.
    """

    balanced: int | None = None

    @property
    def is_equation(self) -> bool:
        """True: they are."""
        return True

    def evaluate(self, coef: np.ndarray, with_jacobian: bool = True) -> tuple[np.ndarray, Jacobian]:
        """Residuals, without the constants, and their Jacobian, as of `RowBlock`."""
        values, jacobian = super().evaluate(coef, with_jacobian)
        if self.balanced is not None:
            # The mean over space at each moment is the constant.
            space = tuple(axis for axis in range(len(self.axes)) if axis != self.form.time)
            values[self.balanced] -= values[self.balanced].mean(space, keepdims=True)
        return values, jacobian

    def constants(self) -> np.ndarray:
        """Rows with the same constant, (moments, rows of a moment)."""
        if self.balanced is None:
            return super().constants()
        rows = np.arange(self.rows).reshape(len(self.numbers), *self.shape)[self.balanced]
        if self.form.time is None:
            return rows.reshape(1, -1)
        return np.moveaxis(rows, self.form.time, 0).reshape(self.shape[self.form.time], -1)


@dataclass(eq=False)
class FunctionalBlock(RowBlock):
    """Rows that are functionals of some fields, `numbers`, along each coordinate, minus a value."""

    value: float = 0.0

    def wave_sizes(self, shape: tuple[int, ...], jacobian: Jacobian) -> np.ndarray | float:
        """None: these rows hold no residual at a point."""
        return 0.0

    def table(self, axis: int, order: int, is_long: bool = False) -> Table:
        """Table of the functionals of a coordinate, (rows, count), in float64."""
        columns, values = self.local(axis, order)
        table = np.zeros((len(columns), self.axes[axis].count))
        np.add.at(table, (np.arange(len(columns))[:, None], columns), values)
        return table

    def evaluate(self, coef: np.ndarray, with_jacobian: bool = True) -> tuple[np.ndarray, Jacobian]:
        """Differences from the value, (fields, *shape), and their Jacobian."""
        index = tuple([0] * len(self.axes))
        values = self.derivatives(coef, [index])[index][list(self.numbers)] - self.value
        return values, {(row, number, index): np.ones(self.shape) for row, number in enumerate(self.numbers)}


@dataclass(eq=False)
class ReducedSpaceBlock(FunctionalBlock):
    """Rows that let some fields have a smaller space than others along a coordinate, `reduced`.

    The variable of a constraint, as the pressure of an incompressible flow, is a polynomial of time of one degree
    less than the fields that it acts on [1]. Between walls it has two coefficients fewer than velocities that have two
    conditions, as in the pair P_N, P_(N-2) of spectral methods [2]: at the outermost breakpoints inside, no derivative
    of its splines jumps.

    [1] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section VII.4, problems of index 2.

    [2] C. Canuto, M. Hussaini, A. Quarteroni, T. Zang, "Spectral Methods: Evolution to Complex Geometries and
    Applications to Fluid Dynamics", 2007, section 3.5.
    """

    reduced: int = 0

    @property
    def reduced_axis(self) -> int:
        """That along which the space is smaller."""
        return self.reduced

    def without(self, axis: int) -> RowBlock:
        """Rows of the others without the reduced one, and rows that reduce it without another one."""
        rows = super().without(axis)
        if axis == self.reduced:
            return rows
        return replace(self, axes=rows.axes, points=rows.points, reduced=self.reduced - (axis < self.reduced))

    def local(self, axis: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Values; along the reduced coordinate jumps of the highest derivative, or that itself in a single interval.

        These are in units of the coefficient of the highest Chebyshev polynomial.
        """
        if axis != self.reduced:
            return super().local(axis, order)
        # The highest derivative is constant in an interval; its jump is the difference to the interval before.
        line = self.axes[axis]
        middles = (line.breakpoints[1:] + line.breakpoints[:-1]) / 2
        place = line.places(self.points[axis])
        columns, values = line.local(middles[place], line.degree)
        length = np.diff(line.breakpoints)[place]
        if line.intervals > 1:
            others, before = line.local(middles[place - 1], line.degree)
            columns = np.concatenate([columns, others], 1)
            values = np.concatenate([values, -before], 1)
            length = np.minimum(length, np.diff(line.breakpoints)[place - 1])
        # From the highest derivative to the leading Chebyshev coefficient, h^p / (p! 2^(2p - 1)).
        factor = length**line.degree / (math.factorial(line.degree) * 2.0 ** (2 * line.degree - 1))
        return columns, factor[:, None] * values


@dataclass(eq=False)
class ConstantBlock(FunctionalBlock):
    """Rows for the constant of a field of which only derivatives occur: its value at a point, or its mean.

    Coordinates without points are those over which the mean is taken.
    """

    @property
    def fixes_constant(self) -> bool:
        """True: it does."""
        return True

    def without(self, axis: int) -> RowBlock:
        """The row of the constant without a coordinate."""
        rows = super().without(axis)
        return replace(self, axes=rows.axes, points=rows.points)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points of each coordinate, one where the mean is taken."""
        return tuple(max(1, len(points)) for points in self.points)

    def local(self, axis: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Values; all splines with their shares of the mean along coordinates without points."""
        if len(self.points[axis]):
            return super().local(axis, order)
        return np.arange(self.axes[axis].count)[None], self.axes[axis].shares[None]


def wave_symbol(block: RowBlock, shape: tuple[int, ...], jacobian: Jacobian, axis: int | None) -> np.ndarray:
    """Residuals, in magnitude, of waves of amplitude 1 that are as long as two intervals along a coordinate.

    Along the others, or along all of them for None, they are as long as the domain.
    """
    scale = np.zeros(shape)
    bounds = block.form.domain.bounds.numpy()
    for (number, _, index), slope in jacobian.items():
        wave = np.abs(slope)
        for other, (order, line, at) in enumerate(zip(index, block.axes, block.points, strict=True)):
            # One half of the wave: an interval, or half of the domain or of the grid.
            if other == axis:
                length = line.lengths_at(at)
            elif axis is None:
                length = np.ptp(bounds[other]) / 2
            else:
                length = np.ptp(line.breakpoints) / 2
            factors = (np.pi / length) ** order * np.ones(len(at))
            wave = wave * np.expand_dims(factors, [k for k in range(wave.ndim) if k != other])
        scale[number] += wave
    return np.maximum(scale, ABOVE_ZERO)

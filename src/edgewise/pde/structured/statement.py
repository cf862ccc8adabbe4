"""Statements that a structured grid can hold, and which residual is collocated at which points of the grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE
from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.evaluation import EvaluationContext, is_linear_in_fields
from edgewise.pde.problem.fields import Field, Index
from edgewise.pde.problem.integrals import at_places
from edgewise.pde.problem.strong_form import PROBE_SEEDS, PROBES, ResidualTerm, StrongForm
from edgewise.pde.structured.axis import SplineAxis, Table

Key = tuple[int, int, Index]
"""Number of a residual, number of a field, and the derivative of that field by which the residual has a slope."""
Slopes = dict[Key, np.ndarray]
"""Slopes of residuals by derivatives of fields at the points of a block, in the shape of its grid."""

PastValues = Callable[[int, Tensor], Tensor]
"""Maps the number of a field and points (b, q, n) at earlier moments to its values there, (b, q)."""

MOST_AXES = 3  # as many inputs as a `TensorLayer` has


@dataclass(eq=False)
class RowBlock:
    """Residuals of a term on a grid of points: rows of the system that determines the coefficients.

    Parameters
    ----------
    form : StrongForm
        The problem.
    term : ResidualTerm
        The equation or a condition.
    numbers : tuple of int
        Numbers of those residuals of the term that are collocated here.
    axes : list of SplineAxis
        The coordinates.
    points : list of ndarray
        Points of each coordinate; the grid has all their combinations.
    face : tuple of int, optional
        For conditions: number of the coordinate that is constant, and 0 or 1 for its low or high end.
    past : callable, optional
        Values of the fields at earlier moments, for delays.
    """

    form: StrongForm
    term: ResidualTerm
    numbers: tuple[int, ...]
    axes: Sequence[SplineAxis]
    points: Sequence[np.ndarray]
    face: tuple[int, int] | None = None
    past: PastValues | None = None
    _tables: dict[tuple[int, int], Table] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points of each coordinate."""
        return tuple(map(len, self.points))

    @property
    def rows(self) -> int:
        """Number of rows: residuals times points."""
        return len(self.numbers) * math.prod(self.shape)

    def table(self, axis: int, order: int) -> Table:
        """Values of the B-splines of a coordinate, or of a derivative, at its points."""
        if (axis, order) not in self._tables:
            self._tables[axis, order] = self.axes[axis].table(self.points[axis], order)
        return self._tables[axis, order]

    def local_products(self, indices: Iterable[Index]) -> tuple[np.ndarray, dict[Index, np.ndarray]]:
        """Products of the splines that can differ from zero at each point: their numbers, and the derivatives.

        Both have shape (N, products).
        """
        places, values = np.zeros((1, 1), dtype=int), dict[Index, np.ndarray]()
        for index in {tuple([0] * len(self.axes)), *indices}:
            numbers, product = np.zeros((1, 1), dtype=int), np.ones((1, 1))
            for axis, points, order in zip(self.axes, self.points, index, strict=True):
                columns, local = axis.local(points, order)
                shape = (len(product) * len(points), -1)
                numbers = (numbers[:, None, :, None] * axis.count + columns[:, None]).reshape(shape)
                product = (product[:, None, :, None] * local[:, None]).reshape(shape)
            places, values[index] = numbers, product
        return places, values

    @cached_property
    def x(self) -> Tensor:
        """All points, (N, n), the last coordinate running fastest."""
        lines = np.meshgrid(*self.points, indexing="ij")
        return torch.from_numpy(np.stack([line.ravel() for line in lines], 1))

    @cached_property
    def normal(self) -> Tensor | None:
        """Outward normals, (N, n), on a face."""
        if self.face is None:
            return None
        normal = torch.zeros_like(self.x)
        normal[:, self.face[0]] = 2.0 * self.face[1] - 1.0
        return normal

    def jet(self, coef: np.ndarray) -> dict[tuple[int, Index], np.ndarray]:
        """All derivatives of the fields that the term uses, at the points; coef is (n_1, ..., n_d, fields)."""
        needed = self.term.requirements.derivatives
        values = self.derivatives(coef, {index for indices in needed.values() for index in indices})
        return {
            (number, index): values[index][number]
            for number, name in enumerate(self.form.fields)
            for index in needed[name]
        }

    def derivatives(self, coef: np.ndarray, indices: Iterable[Index]) -> dict[Index, np.ndarray]:
        """Derivatives of all fields at the points, (fields, *shape) each."""
        partial: dict[Index, np.ndarray] = {(): coef}

        def upto(index: Index) -> np.ndarray:
            """Derivatives by the first coordinates: the tables of these are applied, their axes are the last ones."""
            if index not in partial:
                before = upto(index[:-1])
                table = self.table(len(index) - 1, index[-1])
                product = table @ before.reshape(before.shape[0], -1)
                partial[index] = np.moveaxis(product.reshape(-1, *before.shape[1:]), 0, -1)
            return partial[index]

        return {index: upto(index) for index in indices}

    def residuals(self, coef: np.ndarray) -> np.ndarray:
        """Residuals at the points, in units of an error: (residuals, *shape)."""
        return self.evaluate(coef, with_slopes=False)[0]

    def evaluate(self, coef: np.ndarray, with_slopes: bool = True) -> tuple[np.ndarray, Slopes]:
        """Residuals (residuals, *shape), and their slopes by every derivative, exact by automatic differentiation."""
        jet = self.jet(coef)
        leaves = {key: torch.from_numpy(np.ascontiguousarray(value)).ravel() for key, value in jet.items()}
        return self.evaluate_jet(leaves, with_slopes)

    def evaluate_jet(self, jet: dict[tuple[int, Index], Tensor], with_slopes: bool) -> tuple[np.ndarray, Slopes]:
        """Residuals and slopes, as `evaluate`, where derivatives of the fields (N,) are given."""
        if with_slopes:
            jet = {key: value.requires_grad_() for key, value in jet.items()}
        names = self.form.domain.coordinates

        def reader(number: int) -> Field:
            return Field(lambda index: jet[number, index], names, partial(self._elsewhere, number))

        fields = {name: reader(number) for number, name in enumerate(self.form.fields)}
        sizes = self.term.requirements.sizes
        slopes: Slopes = {}
        with torch.set_grad_enabled(with_slopes):
            context = EvaluationContext(names, self.x, fields, {}, self.normal)
            results = self.term.residuals(context)
            results = [results[number] / sizes[number] for number in self.numbers]
            values = torch.stack([result.detach().expand(len(self.x)) for result in results])
            for number, result in enumerate(results if with_slopes else ()):
                if not result.requires_grad:
                    continue
                parts = torch.autograd.grad(result.sum(), list(jet.values()), retain_graph=True, allow_unused=True)
                for (slot, index), part in zip(jet, parts, strict=True):
                    if part is not None and bool((part != 0).any()):
                        slopes[number, slot, index] = part.numpy().reshape(self.shape)
        return values.numpy().reshape(len(self.numbers), *self.shape), slopes

    def _elsewhere(self, number: int, axis: int, places: Tensor, *_: bool) -> Tensor:
        """Values of a field at other places along a coordinate, (b, q): ones where there is no past, to find slopes."""
        at = at_places(self.x, axis, places)
        return torch.ones(at.shape[:2], dtype=at.dtype) if self.past is None else self.past(number, at)


class HighestOrderBlock(RowBlock):
    """Rows that let some fields, `numbers`, have one degree less in time, the only coordinate with one point.

    The multiplier of a constraint, as the pressure of an incompressible flow, is a polynomial of time of one degree
    less than the fields that it acts on [1]_.

    References
    ----------
    .. [1] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section VII.4, problems of index 2.
    """

    def evaluate(self, coef: np.ndarray, with_slopes: bool = True) -> tuple[np.ndarray, Slopes]:
        """Coefficients of the highest Chebyshev polynomial of time, and their slopes."""
        (axis,) = (k for k, points in enumerate(self.points) if len(points) == 1)
        degree, length = self.axes[axis].degree, float(np.ptp(self.axes[axis].breakpoints))
        factor = length**degree / (math.factorial(degree) * 2.0 ** (2 * degree - 1))
        index = tuple(degree if k == axis else 0 for k in range(len(self.axes)))
        values = factor * self.derivatives(coef, [index])[index][list(self.numbers)]
        slope = np.full(self.shape, factor)
        return values, {(row, number, index): slope for row, number in enumerate(self.numbers)}


@dataclass(frozen=True, eq=False)
class Statement:
    """A problem on a box whose equations and conditions determine the coefficients of a tensor grid one for one.

    Parameters
    ----------
    form : StrongForm
        The problem.
    orders : ndarray of int
        Order of each residual of the equation by each coordinate, (residuals, n): so many coefficients of a line along
        the coordinate are left to conditions.
    field_orders : ndarray of int
        Order of each field by each coordinate, (fields, n).
    priority : tuple of int
        The coordinates in the order in which their conditions hold where two faces meet.
    condition_orders : mapping
        Orders by each coordinate of the field that each residual of a condition is about, (residuals, n), by the
        condition's number and the face.
    past : callable, optional
        Values of the fields at earlier moments, for delays.
    multipliers : tuple of int
        Numbers of the fields without derivatives by time that no constraint contains: differential-algebraic equations
        of index 2, as the pressure of an incompressible flow.
    """

    form: StrongForm
    orders: np.ndarray
    field_orders: np.ndarray
    priority: tuple[int, ...]
    condition_orders: Mapping[tuple[int, int, int], np.ndarray] = field(default_factory=dict)
    past: PastValues | None = None
    multipliers: tuple[int, ...] = ()

    @property
    def periodic(self) -> tuple[bool, ...]:
        """For each coordinate whether the solution is periodic in it."""
        return tuple(name in self.form.periodic for name in self.form.domain.coordinates)

    def axes(self, breakpoints: Sequence[np.ndarray], degrees: Sequence[int]) -> list[SplineAxis]:
        """Coordinates with these breakpoints."""
        return [SplineAxis(*each) for each in zip(breakpoints, degrees, self.periodic, strict=True)]

    def faces(self) -> Iterator[tuple[int, int, int]]:
        """Numbers of conditions with coordinate and end (0 or 1) of every face on which they hold."""
        names = [piece.name for piece in self.form.domain.pieces]
        for number, term in enumerate(self.form.condition_terms):
            for name in term.pieces:
                yield number, *divmod(names.index(name), 2)

    def blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the equation and of all conditions, with as many rows as there are coefficients."""
        return [*self.equation_blocks(axes), *self.condition_blocks(axes), *self.multiplier_blocks(axes)]

    def equation_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the equation: one for all residuals that have the same orders, and so the same points."""
        return [
            RowBlock(
                self.form,
                self.form.equation_term,
                numbers,
                axes,
                [axis.collocation_points(m) for axis, m in zip(axes, orders, strict=True)],
                past=self.past,
            )
            for orders, numbers in alike(self.orders)
        ]

    def condition_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the conditions: on each face at those points that faces of higher priority leave to it."""
        blocks = []
        for condition, axis, end in self.faces():
            above = self.priority[: self.priority.index(axis)]
            term = self.form.condition_terms[condition]
            for orders, numbers in alike(self.condition_orders[condition, axis, end]):
                points = [
                    line.breakpoints[[-1 if end else 0]]
                    if number == axis
                    else line.collocation_points(orders[number])
                    if number in above
                    else line.all_points()
                    for number, line in enumerate(axes)
                ]
                blocks.append(RowBlock(self.form, term, numbers, axes, points, (axis, end)))
        return blocks

    def multiplier_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """One degree less in time for each multiplier, at as many points of space as it has splines."""
        if not self.multipliers:
            return []
        time = self.form.time
        points = [line.breakpoints[-1:] if k == time else line.all_points() for k, line in enumerate(axes)]
        return [HighestOrderBlock(self.form, self.form.equation_term, self.multipliers, axes, points)]


def alike(orders: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Different rows of orders, each with the numbers of the residuals that have it."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(orders.tolist()):
        groups.setdefault(tuple(row), []).append(number)
    return [(row, tuple(numbers)) for row, numbers in groups.items()]


def recognised(form: StrongForm, most_axes: float = MOST_AXES) -> Statement | str:
    """The statement, or the reason why products of splines of the coordinates do not hold it, as a clause."""
    domain = form.domain
    if type(domain) is not Box or domain.dimension > most_axes:
        return f"the domain is no box of at most {most_axes} coordinates"
    if form.parts is not None:
        return "there are interfaces"
    if form.coefficients or form.observations:
        return "there are unknown coefficients or measured values"
    if form.has_quadratures or form.hard.values:
        return "there are integrals or hard conditions"
    if form.order > MAX_PRODUCT_DEGREE - 2:
        return f"the order is above {MAX_PRODUCT_DEGREE - 2}"
    count = len(form.equation_term.requirements.sizes)
    if count != len(form.fields):
        return "there are not as many equations as fields"
    slopes = _probed(form, form.equation_term)
    residual_orders, field_orders = orders_of(form, slopes)
    statement = Statement(form, residual_orders, field_orders, tuple(range(domain.dimension)))
    given, normal = np.zeros(domain.dimension, dtype=int), np.zeros(domain.dimension, dtype=int)
    for number, axis, _ in statement.faces():
        requirements = form.condition_terms[number].requirements
        given[axis] += len(requirements.sizes)
        normal[axis] = max(normal[axis], *(requirements.order(name, [axis]) for name in form.fields))
    for axis, repeats in enumerate(statement.periodic):
        if repeats:
            if given[axis]:
                return "there are conditions on the ends of a periodic coordinate"
            residual_orders[:, axis] = field_orders[:, axis] = 0
        elif given[axis] != residual_orders[:, axis].sum():
            return "there are not as many conditions as the order of the equations"
    multipliers = _multipliers(form, statement, slopes)
    if multipliers:
        time = form.time
        residual_orders[residual_orders[:, time] == 0, time] = 1
        field_orders[list(multipliers), time] = 1
    priority = tuple(np.argsort(normal, kind="stable").tolist())
    orders: dict[tuple[int, int, int], np.ndarray] = {}
    for number, axis, end in statement.faces():
        term = form.condition_terms[number]
        orders[number, axis, end] = np.repeat(residual_orders[:1], len(term.requirements.sizes), 0)
        if domain.dimension > 1 and not bool((residual_orders == residual_orders[0]).all()):
            of_conditions = _orders_of_conditions(
                _probed(form, term, (axis, end)), field_orders, orders[number, axis, end]
            )
            if of_conditions is None or sorted(residual_orders.tolist()) != sorted(field_orders.tolist()):
                return "the equations of a system have different orders, and their fields do not have the same ones"
            orders[number, axis, end] = of_conditions
    return Statement(form, residual_orders, field_orders, priority, orders, multipliers=multipliers)


def _orders_of_conditions(slopes: Slopes, field_orders: np.ndarray, like: np.ndarray) -> np.ndarray | None:
    """Orders of the field of each residual of a condition; None where one joins fields of different orders."""
    orders = np.full_like(like, -1)
    for number, slot, _ in slopes:
        if (orders[number] >= 0).all() and (orders[number] != field_orders[slot]).any():
            return None
        orders[number] = field_orders[slot]
    return orders


def start_terms(form: StrongForm) -> tuple[ResidualTerm, ...]:
    """Conditions at the first moment; none if others are at the last one, or do not give one value or rate each."""
    if form.time is None:
        return ()
    name = form.domain.coordinates[form.time]
    first, *last = (piece.name for piece in form.domain.pieces if piece.coordinate == name)
    terms = tuple(term for term in form.condition_terms if {first, *last}.intersection(term.pieces))
    for term in terms:
        face = form.time, 0
        block, keys = scattered_block(form, term, _probes(form, face), face), sorted(_probed(form, term, face))
        if (
            set(last).intersection(term.pieces)
            or [number for number, _, _ in keys] != list(block.numbers)
            or any(sum(index) > min(index[form.time], 1) for _, _, index in keys)
            or not is_linear_in_fields(term.residuals, form.fields, form.domain, block.x, {}, block.normal)
        ):
            return ()
    return terms


def scattered_block(form: StrongForm, term: ResidualTerm, x: Tensor, face: tuple[int, int] | None = None) -> RowBlock:
    """All residuals of a term at any points (N, n), which lie on a face of the box for conditions."""
    block = RowBlock(form, term, tuple(range(len(term.requirements.sizes))), [], [np.zeros(len(x))], face)
    block.x = x
    return block


def _probes(form: StrongForm, face: tuple[int, int] | None) -> Tensor:
    """Points (N, n) of a dry run, inside or on a face of the box."""
    x = form.domain.interior(PROBES, "sobol", seed=PROBE_SEEDS[0])
    if face is not None:
        x[:, face[0]] = form.domain.bounds[face]
    return x


def _probed(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None = None) -> Slopes:
    """Slopes of the residuals of a term by all derivatives, at random points and values of the fields."""
    x, generator = _probes(form, face), torch.Generator().manual_seed(PROBE_SEEDS[1])
    block = scattered_block(form, term, x, face)
    jet = {
        (slot, index): torch.rand(len(x), generator=generator, dtype=torch.float64) + 0.5
        for slot, name in enumerate(form.fields)
        for index in term.requirements.derivatives[name]
    }
    return block.evaluate_jet(jet, with_slopes=True)[1]


def _multipliers(form: StrongForm, statement: Statement, slopes: Slopes) -> tuple[int, ...]:
    """Fields without a start and without derivatives by time, where no constraint, a residual without them, has any."""
    time = form.time
    constraints = np.flatnonzero(statement.orders[:, time] == 0)
    algebraic = np.flatnonzero(statement.field_orders[:, time] == 0)
    is_index_1 = any(number in constraints and slot in algebraic for number, slot, _ in slopes)
    is_first_order = int(statement.orders[:, time].max()) == 1
    if not start_terms(form) or is_index_1 or not is_first_order or len(constraints) != len(algebraic):
        return ()
    return tuple(algebraic.tolist())


def orders_of(form: StrongForm, slopes: Slopes | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Orders by each coordinate of every residual of the equation, and of every field in it."""
    of_residuals = np.zeros((len(form.equation_term.requirements.sizes), form.domain.dimension), dtype=int)
    of_fields = np.zeros((len(form.fields), form.domain.dimension), dtype=int)
    for number, slot, index in slopes or _probed(form, form.equation_term):
        of_residuals[number] = np.maximum(of_residuals[number], index)
        of_fields[slot] = np.maximum(of_fields[slot], index)
    return of_residuals, of_fields

"""Problems that a structured grid can hold, and which residual is collocated at which points of the grid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE
from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.checks import flow_through, integrates_past, needs_no_condition
from edgewise.pde.problem.dry_run import PROBE_SEEDS, PROBES, DryRun, probes
from edgewise.pde.problem.evaluation import EvaluationContext
from edgewise.pde.problem.fields import Field, Index
from edgewise.pde.problem.folding import Folding, folded_form, folding_of
from edgewise.pde.problem.integrals import PlaceRecorder, as_axes
from edgewise.pde.problem.linearisation import Key, linearise
from edgewise.pde.problem.strong_form import Feature, ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import ConstantBlock, EquationBlock, PastValues, ReducedSpaceBlock, RowBlock, normal_of
from edgewise.pde.spaces.networks import FoldedNetwork
from edgewise.presentation import typed_text


@dataclass(frozen=True, eq=False)
class GridProblem:
    """A problem on a box whose equations and conditions determine the coefficients of a tensor grid one for one."""

    form: StrongForm  # the problem
    # order of each residual of the equation by each coordinate, (residuals, n): the number of coefficients of a line
    # along the coordinate that are left to conditions
    orders: np.ndarray
    field_orders: np.ndarray  # order of each field by each coordinate, (fields, n)
    priority: tuple[int, ...]  # the coordinates in the order in which their conditions hold where two faces meet
    # orders by each coordinate of the field that each residual of a condition is about, (residuals, n), by the
    # condition's number and the face
    condition_orders: Mapping[tuple[int, int, int], np.ndarray] = field(default_factory=dict)
    past: PastValues | None = None  # values of the fields at earlier moments, for delays
    # numbers of the fields that uphold constraints and do not occur in them, as the pressure of an incompressible flow.
    # In time they make differential-algebraic equations of index 2
    constraint_variables: tuple[int, ...] = ()
    # by how many coefficients the space of constraint variables is smaller than that of other fields, for each
    # coordinate
    reductions: tuple[int, ...] = ()
    # for each residual of a condition whether it is about a constraint variable alone, (residuals,), by the
    # condition's number and the face
    about_constraint_variables: Mapping[tuple[int, int, int], np.ndarray] = field(default_factory=dict)
    constant: Constant | None = None  # what determines the constant of a field of which only derivatives occur
    # conditions where a field is carried out of the domain, which those where it comes in already determine
    outflow_conditions: tuple[ResidualTerm, ...] = ()
    folding: Folding | None = None  # of the parts between interfaces of the problem that was stated

    def as_stated(self, network: nn.Module) -> nn.Module:
        """A network of the fields of `form` as one of the problem that was stated."""
        if self.folding is None:
            return network
        return FoldedNetwork(network, self.folding)

    def __post_init__(self) -> None:
        for array in (self.orders, self.field_orders):
            array.flags.writeable = False

    @property
    def periodic(self) -> tuple[bool, ...]:
        """For each coordinate whether the solution is periodic in it."""
        return tuple(name in self.form.periodic for name in self.form.domain.coordinates)

    def axes(self, breakpoints: Sequence[np.ndarray], degrees: Sequence[int]) -> list[SplineAxis]:
        """Coordinates with these breakpoints, see `axis`."""
        return [self.axis(*each) for each in zip(breakpoints, degrees, self.periodic, strict=True)]

    def axis(self, breakpoints: np.ndarray, degree: int, periodic: bool) -> SplineAxis:
        """A coordinate of space with these breakpoints.

        A periodic one of a flow between walls has an odd number of intervals: with an even one a pressure that changes
        its sign from interval to interval has no slope at any point, so that nothing determines it.
        """
        has_walls = any(count for axis, count in enumerate(self.reductions) if axis != self.form.time)
        count = len(breakpoints) - 1
        if periodic and has_walls and count % 2 == 0:
            shares = np.linspace(0, count, count + 2)
            breakpoints = np.interp(shares, np.arange(count + 1), breakpoints)
        return SplineAxis(breakpoints, degree, periodic)

    def faces(self) -> Iterator[tuple[int, int, int]]:
        """Numbers of conditions with coordinate and end (0 or 1) of every face on which they hold."""
        names = [piece.name for piece in self.form.domain.pieces]
        for number, term in enumerate(self.form.condition_terms):
            for name in term.pieces:
                yield number, *divmod(names.index(name), 2)

    def is_free(self, field: int, keys: Sequence[Key]) -> bool:
        """True if only derivatives of a field occur, in the equation with these `dependences` and in all conditions."""
        terms = self.form.condition_terms
        of_faces = (dependences(self.form, terms[number], (axis, end)) for number, axis, end in self.faces())
        return all(any(index) for each in (keys, *of_faces) for _, slot, index in each if slot == field)

    def blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the equation and of all conditions, with as many rows as there are coefficients."""
        return [*self.equation_blocks(axes), *self.condition_blocks(axes), *self.constraint_blocks(axes)]

    def equation_blocks(self, axes: Sequence[SplineAxis]) -> list[EquationBlock]:
        """Blocks of the equation: one for all residuals that have the same orders, and so the same points."""
        term = self.form.equation_term
        blocks = []
        for orders, numbers in alike(self.orders):
            points = [axis.collocation_points(m) for axis, m in zip(axes, orders, strict=True)]
            block = EquationBlock(self.form, term, numbers, axes, points, past=self.past)
            if self.constant is not None and self.constant.constraint in numbers:
                block.balanced = numbers.index(self.constant.constraint)
            blocks.append(block)
        return blocks

    def imbalance(self, axes: Sequence[SplineAxis], coef: np.ndarray) -> float:
        """Mean residual, in magnitude, of the equation that holds up to a constant; 0 where there is none."""
        for block in self.equation_blocks(axes):
            if block.balanced is not None:
                return abs(float(replace(block, balanced=None).residuals(coef)[block.balanced].mean()))
        return 0.0

    def condition_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the conditions: on each face at those points that faces of higher priority leave to it."""
        blocks = []
        for condition, axis, end in self.faces():
            above = self.priority[: self.priority.index(axis)]
            term = self.form.condition_terms[condition]
            key = (condition, axis, end)
            orders = self.condition_orders[key]
            about = self.about_constraint_variables.get(key, np.zeros(len(orders), dtype=bool))
            for (*left, is_about), numbers in alike(np.column_stack([orders, about])):
                # Points that coordinates of higher priority leave, or the space of a constraint variable.
                taken = {number: left[number] for number in above}
                if is_about:
                    taken = dict(enumerate(self.reductions))
                points = points_of(axes, taken)
                points[axis] = axes[axis].breakpoints[[-end]]
                blocks.append(RowBlock(self.form, term, numbers, axes, points, (axis, end)))
        return blocks

    def constraint_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks that make the space of constraint variables smaller, and that of the constant of one of them."""
        blocks = list[RowBlock]()
        form = self.form
        reduced = [axis for axis, count in enumerate(self.reductions) if count]
        given = {(axis, end) for (_, axis, end), about in self.about_constraint_variables.items() if about.any()}
        # Fewer splines along each reduced coordinate, at the points that the ones before leave.
        for place, axis in enumerate(reduced):
            ends = [-2, 1] if (axis, 0) in given else [1, -2]  # first that end at which nothing is given
            points = points_of(axes, {number: self.reductions[number] for number in reduced[:place]})
            points[axis] = axes[axis].breakpoints[ends[: self.reductions[axis]]]
            blocks.append(
                ReducedSpaceBlock(form, form.equation_term, self.constraint_variables, axes, points, reduced=axis)
            )
        if self.constant is not None:
            # Its place, or no points along the coordinates over which the mean is taken, at each moment.
            points = [np.zeros(0)] * len(axes)
            if self.constant.place is not None:
                points = list(self.constant.place[:, None])
            if form.time is not None:
                points[form.time] = axes[form.time].collocation_points(self.reductions[form.time])
            field = self.constant.field
            value = self.constant.value
            blocks.append(ConstantBlock(form, form.equation_term, (field,), axes, points, value=value))
        return blocks


@dataclass(frozen=True, eq=False)
class Constant:
    """Value that fixes the constant of a field: at a place, or the mean at each moment."""

    field: int  # number of the field
    constraint: int  # number of the residual that it upholds: it holds up to a constant, see `EquationBlock`
    place: np.ndarray | None = None  # the point, (n,); the mean if left out
    value: float = 0.0  # value there, or mean


def points_of(axes: Sequence[SplineAxis], taken: Mapping[int, int]) -> list[np.ndarray]:
    """Points of each coordinate: all of them, or fewer by the number of coefficients that others have `taken`."""
    return [
        line.collocation_points(taken[number]) if number in taken else line.all_points()
        for number, line in enumerate(axes)
    ]


def alike(orders: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Different rows of orders, each with the numbers of the residuals that have it."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(orders.tolist()):
        groups.setdefault(tuple(row), []).append(number)
    return [(row, tuple(numbers)) for row, numbers in groups.items()]


class NoGrid(Exception):
    """Products of splines of the coordinates do not hold a problem; the text is the reason, as a clause."""


def recognised(form: StrongForm, most_axes: float = 3) -> GridProblem:
    """The problem on a grid; a `NoGrid` without one. A `TensorLayer` has three inputs at most."""
    # What no products of splines of the coordinates hold.
    domain = form.domain
    if not domain.is_box or domain.dimension > most_axes:
        raise NoGrid(f"the domain is no box of at most {most_axes} coordinates")
    folding = folding_of(form)
    if folding is not None:
        form = folded_form(form, folding)
        domain = form.domain
    for feature in (Feature.INTERFACES, Feature.COEFFICIENTS):
        if feature in form.features:
            raise NoGrid(feature.value)

    # Conditions that give the mean of a field determine its constant; the others hold on faces.
    means = [mean_given(form, term) for term in form.condition_terms]
    others = tuple(term for term, mean in zip(form.condition_terms, means, strict=True) if mean is None)
    form = replace(form, condition_terms=others)
    means = [each for each in means if each is not None]
    is_past = not any(term.requirements.integrals for term in others) and integrates_past(form, probes_of(form, None))
    has_quadratures = Feature.INTEGRALS in form.features and not is_past
    if has_quadratures or Feature.HARD_CONDITIONS in form.features or len(means) > 1:
        raise NoGrid("there are integrals or hard conditions")
    if form.order > MAX_PRODUCT_DEGREE - 2:
        raise NoGrid(f"the order is above {MAX_PRODUCT_DEGREE - 2}")
    if len(form.equation_term.requirements.sizes) != len(form.fields):
        raise NoGrid("there are not as many equations as fields")

    # Orders of residuals and fields by each coordinate, and residuals and normal derivatives on its faces.
    form, outflow_conditions = _without_outflow(form)
    keys = dependences(form, form.equation_term)
    dimension = domain.dimension
    orders, field_orders = orders_of(form, keys)
    problem = GridProblem(
        form,
        orders,
        field_orders,
        tuple(range(dimension)),
        reductions=(0,) * dimension,
        outflow_conditions=outflow_conditions,
        folding=folding,
    )
    given = np.zeros(dimension, dtype=int)
    normal = np.zeros(dimension, dtype=int)
    for number, axis, _ in problem.faces():
        requirements = form.condition_terms[number].requirements
        given[axis] += len(requirements.sizes)
        normal[axis] = max(normal[axis], *(requirements.order(name, [axis]) for name in form.fields))

    # A multiplier between walls, as a pressure, and the constant of a field of which only derivatives occur.
    mean = next(iter(means), None)
    problem = with_pressure(problem, keys, mean)
    if problem.constant is None and form.time is None and len(form.fields) == 1 and problem.is_free(0, keys):
        with contextlib.suppress(NoGrid):
            problem = replace(problem, constant=_constant(form, 0, 0, mean))  # as that of a Neumann problem
    if (form.observations or means) and problem.constant is None:
        if form.observations:
            raise NoGrid(Feature.OBSERVATIONS.value)
        raise NoGrid("there are integrals or hard conditions")

    # As many conditions on the ends of each coordinate as the orders of the equations.
    problem = _without_needless_conditions(problem)
    expected = problem.orders.sum(0) - problem.reductions
    for axis, repeats in enumerate(problem.periodic):
        if repeats and given[axis]:
            raise NoGrid("there are conditions on the ends of a periodic coordinate")
        if not repeats and given[axis] != expected[axis]:
            raise NoGrid("there are not as many conditions as the order of the equations")
    open_axes = np.logical_not(problem.periodic)
    problem = replace(problem, orders=problem.orders * open_axes, field_orders=problem.field_orders * open_axes)
    if not problem.constraint_variables and problem.constant is None:
        problem = constraint_variables_in_time(problem, keys)

    # The coefficients that conditions determine where faces meet: those of the orders of the fields they are about.
    condition_orders: dict[tuple[int, int, int], np.ndarray] = {}
    are_alike = bool((problem.orders == problem.orders[0]).all())
    for number, axis, end in problem.faces():
        term = form.condition_terms[number]
        count = len(term.requirements.sizes)
        of_condition: np.ndarray | None = np.repeat(problem.orders[:1], count, 0)
        if dimension > 1 and not are_alike:
            of_condition = _orders_of_condition(dependences(form, term, (axis, end)), problem.field_orders, count)
            if of_condition is None or sorted(problem.orders.tolist()) != sorted(problem.field_orders.tolist()):
                raise NoGrid(
                    "the equations of a system have different orders, and their fields do not have the same ones"
                )
        assert of_condition is not None
        condition_orders[number, axis, end] = of_condition
    whole = [axis for axis in range(dimension) if not problem.reductions[axis]]
    if not _fit_fields(condition_orders, problem.field_orders, whole):
        raise NoGrid("some field has more conditions than its own order, and another one has fewer")
    # Where faces meet, conditions with the lowest normal derivatives hold.
    priority = tuple(np.argsort(normal, kind="stable").tolist())
    return replace(problem, priority=priority, condition_orders=condition_orders)


def _fit_fields(orders: Mapping[tuple[int, int, int], np.ndarray], field_orders: np.ndarray, axes: list[int]) -> bool:
    """True if along these coordinates the fields of each orders have as many conditions as their own orders.

    Else the rows are not as many as the coefficients, for conditions on faces meet along fewer or more edges.
    """
    for axis in axes:
        # Orders of the fields of all conditions along the coordinate, as a multiset.
        rows = [tuple(row) for (_, along, _), each in orders.items() if along == axis for row in each.tolist()]
        wanted = [tuple(row) for row in field_orders.tolist() for _ in range(row[axis])]
        if sorted(rows) != sorted(wanted):
            return False
    return True


def _without_outflow(form: StrongForm) -> tuple[StrongForm, tuple[ResidualTerm, ...]]:
    """The problem without the conditions on outflow faces of a first-order equation, and those conditions.

    Raises an InputError for a condition on an outflow face without one on the opposite face, the inflow.
    """
    domain = form.domain
    time = form.time
    outflow_conditions = list[ResidualTerm]()
    if time is None or len(form.fields) > 1 or form.order > 1 or not form.is_linear:
        return form, ()
    for axis in (axis for axis, name in enumerate(domain.coordinates) if axis != time and name not in form.periodic):
        # The face through which the field is carried in, and that through which it goes out.
        faces = domain.pieces[2 * axis : 2 * axis + 2]
        flows = [flow_through(form, (axis, end)) for end in (0, 1)]
        if sorted(flows) != [-1, 1]:
            continue
        out = faces[flows.index(1)].name
        into = faces[flows.index(-1)].name
        # Conditions on the face through which the field goes out only check its values there.
        on_outflow = [term for term in form.condition_terms if out in term.pieces]
        if on_outflow and not any(into in term.pieces for term in form.condition_terms):
            raise InputError(
                f"conditions of an equation of first order must hold where it carries {form.fields[0]} into the "
                f"domain, on {into!r}, got {on_outflow[0].label} on {out!r} alone, where it leaves"
            )
        outflow_conditions += [replace(term, pieces=(out,)) for term in on_outflow]
        left = (replace(term, pieces=tuple(p for p in term.pieces if p != out)) for term in form.condition_terms)
        form = replace(form, condition_terms=tuple(term for term in left if term.pieces))
    return form, tuple(outflow_conditions)


def _without_needless_conditions(problem: GridProblem) -> GridProblem:
    """The problem with lower orders by coordinates of residuals that need no condition on a face without one."""
    form = problem.form
    # Faces without a condition, on each of which fewer coefficients are left to conditions.
    orders = problem.orders.copy()
    field_orders = problem.field_orders.copy()
    given = {(axis, end) for _, axis, end in problem.faces()}
    axes = [axis for axis, repeats in enumerate(problem.periodic) if not repeats and axis != form.time]
    for axis, end in ((axis, end) for axis in axes for end in (0, 1) if (axis, end) not in given):
        # Fichera's function: where the second derivative degenerates at the face, bounded solutions take no condition.
        free = needs_no_condition(form, (axis, end))
        for number in {number for number, _ in free}:
            orders[number, axis] -= all(free[key] for key in free if key[0] == number)
        for slot in range(len(form.fields)):
            of_field = [is_free for (_, each), is_free in free.items() if each == slot]
            field_orders[slot, axis] -= bool(of_field) and all(of_field)
    return replace(problem, orders=orders, field_orders=field_orders)


def _orders_of_condition(keys: Sequence[Key], field_orders: np.ndarray, count: int) -> np.ndarray | None:
    """Orders of the field of each residual of a condition, (count, n); None where one joins different orders."""
    orders = np.full((count, field_orders.shape[1]), -1)
    for number, slot, _ in keys:
        if (orders[number] >= 0).all() and (orders[number] != field_orders[slot]).any():
            return None
        orders[number] = field_orders[slot]
    return orders


def initial_terms(form: StrongForm) -> tuple[ResidualTerm, ...]:
    """Conditions at the first moment; none if others are at the last one, or do not give one value or rate each."""
    if form.time is None:
        return ()
    # Conditions on the first moment, none on the last.
    name = form.domain.coordinates[form.time]
    first, *last = (piece.name for piece in form.domain.pieces if piece.coordinate == name)
    terms = tuple(term for term in form.condition_terms if {first, *last}.intersection(term.pieces))
    for term in terms:
        # Each residual depends linearly on one value or rate.
        face = form.time, 0
        x = probes_of(form, face)
        keys = sorted(dependences(form, term, face))
        if (
            set(last).intersection(term.pieces)
            or [number for number, _, _ in keys] != list(range(len(term.requirements.sizes)))
            or any(sum(index) > min(index[form.time], 1) for _, _, index in keys)
            or not DryRun(term.residuals, form.fields, form.domain, {}, x, normal_of(face, x)).is_linear()
        ):
            return ()
    return terms


def probes_of(form: StrongForm, face: tuple[int, int] | None, count: int = PROBES) -> Tensor:
    """Points (N, n) of a dry run, inside or on a face of the box."""
    x = probes(form.domain, count=count)[0]
    if face is not None:
        x[:, face[0]] = form.domain.bounds[face]
    return x


def dependences(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None = None) -> list[Key]:
    """Derivatives of fields by which the residuals of a term change, at random points and values of the fields."""
    x = probes_of(form, face)
    return list(linearise(form, term, x, normal_of(face, x), random_jet(term, len(x)))[1])


def random_jet(term: ResidualTerm, count: int) -> dict[tuple[int, Index], Tensor]:
    """Random values (count,), far from zero, of all derivatives that a term uses."""
    generator = torch.Generator().manual_seed(PROBE_SEEDS[1])
    return {key: torch.rand(count, generator=generator, dtype=torch.float64) + 0.5 for key in term.requirements.keys}


def constraint_variables_in_time(grid_problem: GridProblem, keys: Sequence[Key]) -> GridProblem:
    """The problem with constraint variables: fields without start and rate, where no constraint has any.

    A constraint is an equation without rates. Orders by time of constraints and constraint variables become those of a
    first-order equation.
    """
    form = grid_problem.form
    time = grid_problem.form.time
    orders = grid_problem.orders.copy()
    field_orders = grid_problem.field_orders.copy()
    # Equations without rates, and fields without one.
    constraints = np.flatnonzero(orders[:, time] == 0)
    algebraic = np.flatnonzero(field_orders[:, time] == 0)
    is_index_1 = any(number in constraints and slot in algebraic for number, slot, _ in keys)
    is_first_order = int(orders[:, time].max()) == 1
    if not initial_terms(form) or is_index_1 or not is_first_order or len(constraints) != len(algebraic):
        return grid_problem
    if not len(algebraic):
        return grid_problem
    # Multipliers are polynomials in time of one degree less.
    orders[constraints, time] = field_orders[algebraic, time] = 1
    reductions = tuple(int(axis == time) for axis in range(form.domain.dimension))
    constraint_variables = tuple(algebraic.tolist())
    return replace(
        grid_problem,
        orders=orders,
        field_orders=field_orders,
        constraint_variables=constraint_variables,
        reductions=reductions,
    )


def mean_given(form: StrongForm, term: ResidualTerm) -> tuple[int, float] | None:
    """Number of the field whose mean over the box a condition gives, and the mean; None for any other condition.

    Such a condition is a linear integral of the values of the field over all coordinates of space, with a constant
    kernel.
    """
    # It holds one integral over all of space, and no derivatives.
    domain = form.domain
    integrals = term.requirements.integrals
    space = [axis for axis in range(domain.dimension) if axis != form.time]
    if any(term.requirements.derivatives.values()) or len(integrals) != 1 or len(term.requirements.sizes) != 1:
        return None
    ((name, along, _), count), *_ = integrals.items()
    if as_axes(along) != space:
        return None
    # Residuals at points of the boundary for given values at the places of the integral.
    box = Box(**{domain.coordinates[axis]: domain.ends[domain.coordinates[axis]] for axis in space})
    places, weights = box.quadrature(round(count ** (1 / len(space))))
    x, normal = domain.boundary(PROBES, "sobol", PROBE_SEEDS[0], term.pieces)
    recorder = PlaceRecorder(x)

    def residual(values: Tensor) -> Tensor:
        """Residual at points of the boundary for values of the field (q,) at the places of the integral."""

        def elsewhere(axis: int | tuple[int, ...], at: Tensor, *_: bool) -> Tensor:
            recorder((name, axis, 0), at)
            return values.expand(len(x), -1)

        reader = Field(lambda index: x.new_zeros(len(x)), domain.coordinates, elsewhere)
        fields = dict.fromkeys(form.fields, reader)
        return term.residuals(EvaluationContext(domain.coordinates, x, fields, {}, normal))[0]

    # The kernel is constant where residuals for random values are a constant plus the weighted sum of these.
    generator = torch.Generator().manual_seed(PROBE_SEEDS[1])
    values = torch.rand(count, generator=generator, dtype=torch.float64)
    at_zero, at_values, at_weights = (residual(each) for each in (0 * values, values, weights / weights.mean()))
    if recorder.places[name, along, 0].shape[1:] != (len(places), domain.dimension):
        return None
    # The factor of the mean, and what else there is.
    slope = float((at_weights - at_zero).mean() / (weights.square().sum() / weights.mean()))
    gap = at_values - at_zero[0] - slope * weights @ values
    is_whole = bool(torch.isclose(recorder.places[name, along, 0][..., space], places).all())
    rounding = 1e-12 * abs(slope) * float(weights.sum())  # of a sum of some hundred values
    if not is_whole or not float(gap.abs().max()) <= rounding:
        return None
    return form.fields.index(name), float(-at_zero[0] / slope / weights.sum())


def _constant(form: StrongForm, field: int, constraint: int, mean: tuple[int, float] | None) -> Constant:
    """Value or mean that fixes the constant of a field of which only derivatives occur; a `NoGrid` without one."""
    # A mean that a condition gives, one measured value, or, in time, a mean of zero.
    observed = form.observations
    names = {each.field for each in observed}
    points = sum(len(each.values) for each in observed)
    if mean is not None and mean[0] == field and not observed:
        return Constant(field, constraint, value=mean[1])
    if mean is None and form.time is None and points == 1 and names <= {None, form.fields[field]}:
        return Constant(field, constraint, observed[0].x[0].double().numpy(), float(observed[0].values[0]))
    if mean is None and form.time is not None and not observed:
        return Constant(field, constraint)
    raise NoGrid(f"the constant of {form.fields[field]} is not determined by one value")


def with_pressure(grid_problem: GridProblem, keys: Sequence[Key], mean: tuple[int, float] | None) -> GridProblem:
    """The problem with a constraint variable between walls, as the pressure of a flow; unchanged where there is none.

    All equations but one, the constraint, are of the same order along each coordinate with walls, at least 2; one field
    is of order 1 at most and does not occur in the constraint. Orders of both become those of the other ones.
    """
    form = grid_problem.form
    time = grid_problem.form.time
    dimension = grid_problem.form.domain.dimension
    # The constraint is the only equation of lower order, and the pressure the only field of order 1 at most.
    orders = grid_problem.orders.copy()
    field_orders = grid_problem.field_orders.copy()
    walls = [axis for axis, repeats in enumerate(grid_problem.periodic) if not repeats and axis != time]
    if not walls:
        return grid_problem
    space = [axis for axis in range(dimension) if axis != time]
    others = np.flatnonzero((orders[:, walls] >= 2).all(1))
    low = np.flatnonzero((field_orders[:, space] <= 1).all(1))
    if len(others) != len(orders) - 1 or len(low) != 1 or (orders[others] != orders[others[:1]]).any():
        return grid_problem
    (constraint,) = np.setdiff1d(np.arange(len(orders)), others).tolist()
    (pressure,) = low.tolist()
    if any(number == constraint and slot == pressure for number, slot, _ in keys):
        return grid_problem
    if time is not None and (orders[constraint, time] or field_orders[pressure, time] or not initial_terms(form)):
        return grid_problem
    # Conditions for the pressure alone, of which there may be some on opposite faces.
    about: dict[tuple[int, int, int], np.ndarray] = {}
    given = np.zeros(dimension, dtype=int)
    for key in grid_problem.faces():
        number, axis, end = key
        term = form.condition_terms[number]
        of_face = dependences(form, term, (axis, end))
        slots = [{slot for row, slot, _ in of_face if row == k} for k in range(len(term.requirements.sizes))]
        about[key] = np.array([each == {pressure} for each in slots])
        given[axis] += about[key].sum()
    # In time the equations give the pressure at the first moment.
    if time is not None and given[time]:
        name = form.fields[pressure]
        raise InputError(
            f"Initial must leave out {name}, which has no rate of change: the equations give it at the first moment "
            f"too, got an initial {name}"
        )
    # Its space has fewer splines along each coordinate: as many as the orders of the others, less the conditions.
    reductions = np.zeros(dimension, dtype=int)
    reductions[walls] = orders[others[0], walls]
    reductions -= given
    if time is not None:
        reductions[time] = 1
    if (given > 0).sum() > 1 or (reductions < 0).any() or (reductions[walls] > 2).any():
        raise NoGrid(f"the conditions for {form.fields[pressure]} are too many, or not on opposite faces")
    # Its constant, where only derivatives occur; constraint and pressure count as of the order of the others.
    constant = None
    if grid_problem.is_free(pressure, keys):
        constant = _constant(form, pressure, constraint, mean)
    orders[constraint] = orders[others[0]]
    field_orders[pressure] = orders[others[0]]
    return replace(
        grid_problem,
        orders=orders,
        field_orders=field_orders,
        constraint_variables=(pressure,),
        reductions=tuple(reductions.tolist()),
        about_constraint_variables=about,
        constant=constant,
    )


def check_initial(grid_problem: GridProblem, axes: Sequence[SplineAxis], state: np.ndarray) -> None:
    """Raise an InputError where the initial state of a flow, (*counts, fields), has a divergence or leaves its walls.

    Such a flow jumps at the first moment, with a layer at walls of no thickness and a pressure without bound. Gaps
    below a thousandth of the speed are errors of a user's initial values.
    """
    form = grid_problem.form
    time = grid_problem.form.time
    if time is None or not any(count for axis, count in enumerate(grid_problem.reductions) if axis != time):
        return
    # The initial state, constant in time.
    coef = np.stack([state] * axes[time].count, time)
    velocities = [slot for slot in range(len(form.fields)) if slot not in grid_problem.constraint_variables]
    size = float(np.abs(state[..., velocities]).max())
    for block in [*grid_problem.condition_blocks(axes), *grid_problem.equation_blocks(axes)]:
        if block.face is not None and block.face[0] == time:
            continue
        # Residuals of the constraint and of the walls' conditions at the first moment, without conditions on rates.
        points = list(block.points)
        points[time] = axes[time].breakpoints[:1]
        first = RowBlock(form, block.term, block.numbers, axes, points, block.face)
        values, slopes = first.evaluate(coef)
        for number, row in enumerate(values):
            own = {key: slope for key, slope in slopes.items() if key[0] == number}
            if not own or any(slot in grid_problem.constraint_variables or index[time] for _, slot, index in own):
                continue
            order = max(sum(index) for _, _, index in own)
            if order != (block.face is None):
                continue  # a slope at a wall that does not fit makes a weaker layer
            length = 1.0
            if order:
                length = float(form.domain.size[[k for k in range(len(axes)) if k != time]].min())
            # The gap in units of the speed, and the divergence or condition that it belongs to.
            gap = float((np.abs(row) / max(abs(slope).max() for slope in own.values())).max()) * length
            if gap > 1e-3 * max(size, 0.0 if order else gap):
                where = "have no divergence"
                if block.face is not None:
                    wall, end = block.face
                    where = f"fit the conditions on {form.domain.pieces[2 * wall + end].name}"
                names = ", ".join(form.fields[slot] for slot in velocities)
                raise InputError(
                    f"the initial values of {names} must {where}, got a gap of {typed_text(gap, 2)}: let a speed "
                    "that starts at once grow over a short time, as by 1 - exp(-(t / 0.1)**2)"
                )


def orders_of(form: StrongForm, keys: Sequence[Key] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Orders by each coordinate of every residual of the equation, and of every field in it."""
    of_residuals = np.zeros((len(form.equation_term.requirements.sizes), form.domain.dimension), dtype=int)
    of_fields = np.zeros((len(form.fields), form.domain.dimension), dtype=int)
    # The highest derivative by each coordinate.
    for number, slot, index in keys or dependences(form, form.equation_term):
        of_residuals[number] = np.maximum(of_residuals[number], index)
        of_fields[slot] = np.maximum(of_fields[slot], index)
    return of_residuals, of_fields

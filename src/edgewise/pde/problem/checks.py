"""Checks of a problem as it is stated: kinds of arguments, and conditions: enough, not too many, no contradiction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from edgewise.checks import check_kind
from edgewise.errors import InputError
from edgewise.pde.domains.domain import TIME, Domain, Piece, is_space
from edgewise.pde.problem.conditions import Dirichlet, Initial, by_field
from edgewise.pde.problem.dry_run import PROBE_SEEDS, PROBES, ROUNDING, DryRun, place_words
from edgewise.pde.problem.evaluation import EvaluationContext, Value, errors_named, value_at
from edgewise.pde.problem.fields import Field
from edgewise.pde.problem.integrals import IntegralCalls, PlaceRecorder, Rule, integrals_by
from edgewise.pde.problem.linearisation import Key, linearise, smooth_jet
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm


@dataclass(frozen=True)
class CheckSettings:
    """Where coefficients of an equation are looked at."""

    # Distance from a face, relative to the domain, at which coefficients are looked at, and what rounding and this
    # distance may change of a ratio of them: far above rounding, and far below the size of the domain.
    near_face: float = 1e-4
    same_ratio: float = 1e-2
    face_probes: int = 16  # points of a face at which they are
    # Sizes of fields, of either sign, for which an equation is looked at that depends on them: from millivolts to
    # kelvins and pascals, so close that smooth fields of size 1 fill the gaps.
    field_sizes: tuple[float, ...] = tuple(sign * 2.0**k for k in range(-10, 21) for sign in (-1, 1))
    # Two numbers of short waves, by the length of the domain, whose rates are those of the highest derivatives; the
    # least growth by the magnitude of the rate, and the least determinant that is not rounding.
    wave_numbers: tuple[float, float] = (2.0**21, 2.0**23)
    least_growth: float = 1e-2
    # two wave numbers, in units of the coordinates, between which determinants grow by the power that is their order
    orders_between: tuple[float, float] = (2.0**12, 2.0**14)
    regular: float = 1e-8
    latest: float = 1e-12  # of the time: a place of an integral that is later than its point by this is rounding


CHECKS = CheckSettings()


def check_statement(domain: Domain, conditions: Sequence, coefficients: Mapping[str, float] | None) -> None:
    """Check the kinds of arguments of a problem, the names of its coefficients, and those of the boundary's pieces."""
    check_kind(domain, Domain, "domain must be a domain, as Box(x=(0, 1))")
    if not isinstance(conditions, Iterable) or isinstance(conditions, str | Mapping):
        raise InputError(
            "conditions must be a sequence of Dirichlet, Neumann ..., as [Dirichlet(0.0)], "
            f"got {type(conditions).__name__}"
        )
    # Names of pieces, by which conditions find them, and of coefficients, which are arguments of functions.
    names = [piece.name for piece in domain.pieces]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"domain must have pieces of different names, got two named {twice!r}")
    check_kind(coefficients, Mapping | None, 'coefficients must be numbers by name, as {"k": 1.0}')
    wrong = [name for name in coefficients or {} if not (isinstance(name, str) and name.isidentifier())]
    if wrong:
        raise InputError(f"coefficients must be named like arguments of a function, got {wrong[0]!r}")


def check_together(form: StrongForm) -> None:
    """Raise an InputError if the problem joins kinds of conditions and terms that do not go together."""
    # Interfaces cut the domain, so that no field is known along a line through it.
    if form.has_integrals and form.parts is not None:
        raise InputError("conditions must have no integrals where there are interfaces")
    if form.smoothed_fields and form.parts is not None:
        raise InputError("conditions must not have both UnknownField and Interface, got both")
    if form.smoothed_fields and not (form.observations and not form.hard.values and form.domain.dimension <= 3):
        what = "Observations"
        if form.observations:
            what = "conditions that are not hard, and at most 3 coordinates"
        raise InputError(f"UnknownField needs {what}, got a problem without")
    if form.has_integrals and form.hard.values:
        raise InputError(f"conditions must not be hard where there are integrals, got {', '.join(form.hard.values)}")


def check_no_contradiction(conditions: Sequence, domain: Domain, fields: tuple[str, ...]) -> None:
    """Raise an InputError where two conditions give a field different values on one piece or at the first moment."""
    given: dict[tuple[str, str], Value] = {}
    for condition in conditions:
        if not isinstance(condition, Dirichlet | Initial):
            continue
        for name, value in by_field(condition.value, fields).items():
            for piece in domain.named(condition.pieces(domain)):
                # The first value on a piece stands; another one is compared with it at points of the piece.
                before = given.setdefault((piece.name, name), value)
                if before is value:
                    continue
                x, _ = piece.sample(PROBES, "sobol", PROBE_SEEDS[1])
                with errors_named(f"{type(condition).__name__} on {piece.name}"):
                    first, second = (value_at(each, domain.coordinates, x, "value") for each in (before, value))
                if not torch.allclose(first, second):
                    rate = "; a rate is given as Initial(value, rate)" * isinstance(condition, Initial)
                    where = f"{name} one value on {piece.name!r}"
                    raise InputError(f"conditions must give {where}, got two different ones{rate}")


def check_coefficients_matter(runs: Sequence[tuple[ResidualTerm, DryRun]], coefficients: Mapping[str, float]) -> None:
    """Raise an InputError for a coefficient on which neither the equation nor any condition depends."""
    for name, start in coefficients.items():

        def at(value: float, term: ResidualTerm, run: DryRun, name: str = name) -> Tensor:
            with errors_named(term.label):
                return replace(run, coefficients={**coefficients, name: value}).values(term.requirements.trial)

        # Beside the start: residuals may depend on it on one side of a bend alone, as of relu(u - k).
        tried = (1.5 * start + 0.1, -1e3, -1.0, 0.0, 1.0, 1e3)
        if all(torch.equal(at(start, *each), at(value, *each)) for each in runs for value in tried):
            raise InputError(
                f"coefficients must be used by the equation or by a condition, got {name}, which nothing uses"
            )


class Conditions(NamedTuple):
    """Conditions at the ends of a coordinate, or on the other pieces of the boundary."""

    # place and names of the conditions, as "along x there are 2 conditions (...) for an equation of order 1"
    words: str
    given: int  # their number, and how many the orders of all fields need
    needed: int
    # how many there may be: along a coordinate of order 1 beside others one at each end, as where a flow comes in from
    # both sides
    allowed: int


def conditions_by_place(form: StrongForm) -> Iterator[Conditions]:
    """All places with conditions along which the equation has derivatives, for all fields together."""
    domain = form.domain
    # An integral over the domain, as the mean of a pressure, belongs to no face.
    conditions = [term for term in form.condition_terms if any(term.requirements.derivatives.values())]
    whole = [axis for axis, name in enumerate(domain.coordinates) if is_space(name)]
    places = [(f"on {piece.name}", whole, [piece.name]) for piece in domain.pieces if piece.coordinate is None]
    for axis, name in enumerate(domain.coordinates):
        if name not in form.periodic:
            places.append((f"along {name}", [axis], [each.name for each in domain.pieces if each.coordinate == name]))
    # Orders of all fields together, and residuals of conditions.
    for where, axes, pieces in places:
        order = sum(form.equation_term.requirements.order(name, axes) for name in form.fields)
        ends = 1 if axes is whole else max(2, len(pieces))  # more than two where parts are cut out
        needed = allowed = math.ceil(order * ends / 2)
        if order == len(form.fields) and domain.dimension > 1 and where != f"along {TIME}":
            allowed = len(form.fields) * len(pieces)
        given = sum(len(term.requirements.sizes) * len({*pieces}.intersection(term.pieces)) for term in conditions)
        if pieces and order:  # of order 0, conditions everywhere are a habit
            names = ", ".join(f"{term.label} on {p}" for p in pieces for term in conditions if p in term.pieces)
            words = f"{where} there are {given} conditions ({names}) for an equation of order {order}"
            yield Conditions(words, given, needed, allowed)
            if len(axes) == 1 and axes[0] != form.time and len(form.fields) > 1:
                yield from _values_on_faces(form, axes[0], order, [*pieces])


def _values_on_faces(form: StrongForm, axis: int, order: int, pieces: Sequence[str]) -> Iterator[Conditions]:
    """Values on faces of a system whose determinant has a lower order than its fields together, as of a flow.

    Half of the order of the determinant of the symbol is the number of conditions on a face [1]: of a flow with its
    pressure all velocities, beside which no value of the pressure is free.

    [1] S. Agmon, A. Douglis, L. Nirenberg, "Estimates near the boundary for solutions of elliptic partial differential
    equations satisfying general boundary conditions II", Comm. Pure Appl. Math. 17, 1964, 35.
    """
    whole = _order_of_determinant(form, axis)
    if whole is None or not 0 < whole < order or whole % 2:
        return
    # Conditions on values alone, on each face, beside half the order of the determinant.
    for piece in pieces:
        values = [
            term
            for term in form.condition_terms
            if piece in term.pieces and not any(term.requirements.order(name, [axis]) for name in form.fields)
        ]
        given = sum(len(term.requirements.sizes) for term in values)
        names = ", ".join(term.label for term in values)
        words = f"on {piece} there are {given} values ({names}) for equations whose determinant is of order {whole}"
        yield Conditions(words, given, whole // 2, whole // 2)


def _order_of_determinant(form: StrongForm, axis: int) -> int | None:
    """Order along an axis of the determinant of the linearised equations' symbol; None where it vanishes."""
    term = form.equation_term
    fields = len(form.fields)
    if len(term.requirements.sizes) != fields or form.has_integrals:
        return None
    # The symbol at a point, for two numbers of waves along the axis.
    x = form.domain.interior(1, "sobol")
    jacobian = linearise(form, term, x, None, smooth_jet(form, term, x))[1]
    numbers = CHECKS.orders_between
    sizes = []
    for number in numbers:
        symbol = torch.zeros(fields, fields, dtype=torch.complex128)
        for (row, field, index), part in jacobian.items():
            others = sum(index) - index[axis]
            symbol[row, field] += part[0] * (1j * number) ** index[axis] * 1j**others
        sizes.append(float(torch.linalg.det(symbol).abs()))
    if not (all(map(math.isfinite, sizes)) and min(sizes) > 0):
        return None
    # The exponent of the growth between the two numbers.
    return round(math.log(sizes[1] / sizes[0]) / math.log(numbers[1] / numbers[0]))


def check_enough_conditions(form: StrongForm, field: str) -> None:
    """Raise an InputError unless a field has enough conditions on every piece of the boundary and in time.

    A coordinate by which the equation has no derivatives of the field needs none, nor does a face on which it is
    degenerate, see `needs_no_condition`. One that acts as time, whatever its name, has all of them on one face.
    """
    domain = form.domain
    space = [axis for axis, name in enumerate(domain.coordinates) if is_space(name)]
    requirements = form.equation_term.requirements

    def given_on(pieces: Sequence[Piece]) -> int:
        names = [piece.name for piece in pieces]
        # An integral along the coordinate of a face, as the heat in a rod, may stand for a condition there.
        axes = [domain.coordinates.index(piece.coordinate) for piece in pieces if piece.coordinate is not None]
        terms = [term for term in form.condition_terms if not set(term.pieces).isdisjoint(names)]
        return sum(term.constrains(field, axes) for term in terms)

    def is_degenerate(piece: Piece) -> bool:
        free = needs_no_condition(form, divmod(domain.pieces.index(piece), 2))
        return min((free[key] for key in free if form.fields[key[1]] == field), default=False)

    # Initial values.
    times = [axis for axis, name in enumerate(domain.coordinates) if name == TIME and name not in form.periodic]
    needed = requirements.order(field, times)
    given = given_on([piece for piece in domain.pieces if piece.is_time_end])
    if given < needed:
        raise InputError(
            f"conditions at the start must give {field} and its derivatives below order {needed}, got {given} "
            f"of {needed}: add Initial(value{', rate' * (needed > 1)})"
        )
    # Boundary values: half of the order on each face, or all on the face at which a coordinate begins.
    whole = requirements.order(field, space)
    if whole < 2:
        return
    for piece in domain.named(domain.boundary_names):
        given = given_on([piece])
        needed = whole // 2
        order = whole
        initial = ""
        if piece.coordinate is not None:
            axis = domain.coordinates.index(piece.coordinate)
            order = requirements.order(field, [axis])
            faces = [given_on([other]) for other in domain.pieces if other.coordinate == piece.coordinate]
            # A coordinate that acts as time has all its conditions on one face.
            if max(faces) >= order and requirements.acts_as_time(field, axis, space):
                continue
            if max(faces) and requirements.acts_as_time(field, axis, space):
                others = [other.name for other in domain.pieces if other.coordinate == piece.coordinate]
                start = others[faces.index(max(faces))]
                initial = f", or give {field} and its derivatives below order {order} on {start!r}, as initial values"
            needed = min(max(order // 2, 1), order)
            if (order == 1 and sum(faces) >= 1) or (order == 2 and not given and is_degenerate(piece)):
                continue
        if given < needed and piece.coordinate not in form.periodic:
            value = "0.0"
            if len(form.fields) > 1:
                value = f"{{{field!r}: 0.0}}"
            raise InputError(
                f"conditions on {piece.name!r} must be {needed} for {field}, for an equation of order {order} in "
                f"space, got {given}: add Dirichlet({value}, on={piece.name!r}){initial}"
            )


def check_direction(form: StrongForm) -> None:
    """Raise an InputError where short waves grow without bound away from the moment at which the fields are given [1].

    By a du/dt + b d2u/dx2 = 0 the amplitude of exp(ikx) changes as exp(k^2 b t / a); in systems rates are eigenvalues
    of the symbol. Where that is so at one point, nothing is well posed around it. Coefficients that depend on fields
    count at a point where no fields of any size and sign let waves stay.

    [1] F. John, "Partial Differential Equations", 4th edition, 1982, section 7.1: the symbol at high frequencies.
    """
    time = form.time
    if time is None or form.features:
        return
    # All conditions are at one end of the time: growth counts forwards from the first one, backwards from the last.
    ends = [piece.name for piece in form.domain.pieces if piece.is_time_end]
    given = [any(end in term.pieces for term in form.condition_terms) for end in ends]
    if sum(given) != 1:
        return
    direction = 1.0 if given[0] else -1.0
    order = max(form.equation_term.requirements.order(name, [time]) for name in form.fields)
    # Short waves along each coordinate, for fields of size one and then of all sizes.
    sizes = (1.0,) if form.is_linear else CHECKS.field_sizes
    for axis, name in enumerate(form.domain.coordinates):
        if axis == time or not _growing_waves(form, time, axis, direction, (1.0,)):
            continue
        found = _growing_waves(form, time, axis, direction, sizes)
        if found:
            field, place = found
            end = ends[given.index(True)]
            remedy = f"give {field} at both ends, renamed"
            if order == 1:
                remedy = f"give {field} at the other end of the time"
            raise InputError(
                f"equation must not let short waves of {field} grow without bound away from {end!r}, where {field} is "
                f"given, got highest derivatives by {name} of the wrong sign{place}: change it, or {remedy}"
            )


def _growing_waves(
    form: StrongForm, time: int, axis: int, direction: float, sizes: Sequence[float]
) -> tuple[str, str] | None:
    """The field whose short waves along an axis grow for fields of all these sizes, and words for the place, or None.

    The words are "" where they grow everywhere.
    """
    # The equation linearised about smooth fields of each size.
    domain = form.domain
    x = domain.interior(CHECKS.face_probes, "sobol", 0).repeat(len(sizes), 1)
    size = torch.tensor(sizes).to(x).repeat_interleave(CHECKS.face_probes)
    jet = {key: size * values for key, values in smooth_jet(form, form.equation_term, x).items()}
    jacobian = linearise(form, form.equation_term, x, None, jet)[1]
    along = {key: part for key, part in jacobian.items() if key[2][time] + key[2][axis] == sum(key[2])}
    names = list(form.fields)
    if not any(key[2][axis] for key in along) or len(form.equation_term.requirements.sizes) != len(names):
        return None
    # Rates of two wave numbers: waves grow without bound where the fastest rate does.
    fastest = list[Tensor]()
    for number in CHECKS.wave_numbers:
        found = _rates(along, len(names), time, axis, number / float(domain.size[axis]), direction)
        if found is None:
            return None
        rates, modes = found
        largest, at = rates.real.max(1)
        fastest.append(largest)
    size_of_fastest = rates.gather(1, at[:, None])[:, 0].abs()
    grows = (fastest[1] > 2 * fastest[0].clamp(min=0)) & (fastest[1] > CHECKS.least_growth * size_of_fastest)
    always = grows.reshape(len(sizes), -1).all(0)
    if not bool(always.any()):
        return None
    first = int(always.to(torch.int8).argmax())
    place = ""
    if not bool(always.all()):
        place = f" at {place_words(domain.coordinates, x[: len(always)], always)}"
    return names[int(modes[first, :, at[first]].abs().argmax())], place


def _rates(
    jacobian: Mapping[Key, Tensor], fields: int, time: int, axis: int, number: float, direction: float
) -> tuple[Tensor, Tensor] | None:
    """Rates (N, m) at which waves of a number along an axis grow, and fields of each (N, fields, m).

    None where fields without a rate do not follow from the others, as a pressure.
    """
    # The symbol, a matrix of residuals and fields by each order of the time derivative.
    order = max(key[2][time] for key in jacobian)
    if order not in (1, 2):
        return None
    count = len(next(iter(jacobian.values())))
    symbol = torch.zeros(order + 1, count, fields, fields, dtype=torch.complex128)
    for (row, field, index), part in jacobian.items():
        symbol[index[time], :, row, field] += part * (1j * number) ** index[axis]
    # Fields without a rate are eliminated by as many residuals without one.
    is_moving = (symbol[order] != 0).any(0)
    rows = is_moving.any(1)
    columns = is_moving.any(0)
    if int(rows.sum()) != int(columns.sum()) or (order == 2 and not bool(rows.all())):
        return None
    if bool((symbol[1:, :, ~rows] != 0).any()) or bool((symbol[1:, :, :, ~columns] != 0).any()):
        return None
    static = symbol[0]
    moving = symbol[1:][:, :, rows][..., columns]
    rest = static[:, ~rows][..., ~columns]
    if not (_is_regular(moving[-1]) and _is_regular(rest)):
        return None
    inner = static[:, rows][..., columns]
    inner = inner - static[:, rows][..., ~columns] @ torch.linalg.solve(rest, static[:, ~rows][..., columns])
    # Eigenvalues, for the second order those of the companion matrix.
    system = -torch.linalg.solve(moving[-1], inner)
    if order == 2:
        damping = -torch.linalg.solve(moving[-1], moving[0])
        unit = torch.eye(fields, dtype=system.dtype).expand_as(system) * abs(number)
        system = torch.cat([torch.cat([0 * unit, unit], 2), torch.cat([system / abs(number), damping], 2)], 1)
    # Rates are the eigenvalues; their eigenvectors show the fields that grow.
    if not bool(system.isfinite().all()):
        return None
    rates, vectors = torch.linalg.eig(system)
    modes = torch.zeros(count, fields, rates.shape[1], dtype=vectors.dtype)
    modes[:, columns] = vectors[:, : int(columns.sum())]
    return direction * rates, modes


def _is_regular(matrices: Tensor) -> bool:
    """Whether no matrix (N, n, n) is singular, in units of its rows and columns; one without rows is not."""
    if not matrices.shape[-1]:
        return True
    scaled = matrices / matrices.abs().amax(2, keepdim=True).clamp(min=ABOVE_ZERO)
    scaled = scaled / scaled.abs().amax(1, keepdim=True).clamp(min=ABOVE_ZERO)
    return bool((torch.linalg.det(scaled).abs() > CHECKS.regular).all())


def needs_no_condition(form: StrongForm, face: tuple[int, int]) -> dict[tuple[int, int], bool]:
    """Tell whether an equation of second order needs no condition on a face of a box, as x u'' + u' = f at x = 0."""
    # With a u_nn + b u_n along the distance d from the face, bounded solutions take no condition where a vanishes and b
    # - a' has the sign of a, or is zero (Fichera's function [1]), or where b d / a is one at least: u'' + u' / x = f is
    # the same equation.
    # A face is the number of the coordinate that is constant, and 0 or 1 for its low or high end. There is an answer
    # for each residual and field, by their numbers, on whose second derivative by this coordinate the residual depends;
    # none on other domains than boxes.
    # [1] O. Oleinik, E. Radkevich, "Second Order Equations with Nonnegative Characteristic Form", 1973, section 1.1.
    axis, end = face
    domain = form.domain
    if not domain.is_box:
        return {}
    # Points at one and at two small distances from the face.
    near = CHECKS.near_face * float(domain.size[axis])
    x = domain.interior(CHECKS.face_probes, "sobol", 0).repeat(2, 1)
    x[:, axis] = domain.bounds[axis, end] + (1 - 2 * end) * near * torch.tensor([1.0, 2.0]).repeat_interleave(
        CHECKS.face_probes
    ).to(x)
    jacobian = linearise(form, form.equation_term, x, None, smooth_jet(form, form.equation_term, x))[1]
    is_free = dict[tuple[int, int], bool]()
    first, second = (tuple(order * int(k == axis) for k in range(domain.dimension)) for order in (1, 2))
    for (number, field, index), leading in jacobian.items():
        if index != second:
            continue
        # a and b near the face, and b - a' on it.
        a = leading[: CHECKS.face_probes]
        far = leading[CHECKS.face_probes :]
        b = jacobian.get((number, field, first), torch.zeros_like(leading)) * (1 - 2 * end)
        ratio = near * b[: CHECKS.face_probes] / a
        on_face = (2 * b[: CHECKS.face_probes] - b[CHECKS.face_probes :]) * a.sign()
        # a falls as the square of the distance
        is_flat = (far / a > 3) & (on_face >= -CHECKS.same_ratio * b.abs().max())
        is_free[number, field] = bool(((ratio >= 1 - CHECKS.same_ratio) | is_flat).all())
    return is_free


def flow_through(form: StrongForm, face: tuple[int, int]) -> int:
    """Return 1 where a linear equation of first order carries its only field out through a face of a box, -1 where in.

    The speed is the factor of the derivative along the face's coordinate over that of the rate: 0 where its sign
    changes on the face, and for equations that do not have both. See also `needs_no_condition`.
    """
    axis, end = face
    assert form.time is not None
    domain = form.domain
    x = domain.interior(CHECKS.face_probes, "sobol", 0)
    x[:, axis] = domain.bounds[axis, end]
    # Characteristic speed along the coordinate, from the linearised equation at points of the face.
    jacobian = linearise(form, form.equation_term, x, None, smooth_jet(form, form.equation_term, x))[1]
    along, rate = (
        jacobian.get((0, 0, tuple(int(k == number) for k in range(domain.dimension)))) for number in (axis, form.time)
    )
    if along is None or rate is None:
        return 0
    # The flow runs in or out where the sign is the same at all points.
    signs = (along / rate).sign() * (2 * end - 1)
    if bool((signs != signs[0]).any()):
        return 0
    return int(signs[0])


def integrates_past(form: StrongForm, x: Tensor) -> bool:
    """Return whether all integrals of an equation are along the coordinate that is time, up to now at most.

    Their kernels are smooth where two rules on pieces of the time agree to rounding. Shapes: x (b, n).
    """
    term = form.equation_term
    domain = form.domain
    time = form.time
    # Their integrands must be smooth for smooth fields, which two rules show: splines do not resolve what a kernel
    # without bound makes of a solution.
    if time is None or any(axis != time for _, axis, number in term.requirements.integrals if number >= 0):
        return False
    # Places of all integrals, none of which is later than its point.
    recorder = PlaceRecorder(x)
    calls = IntegralCalls(recorder)
    names = form.fields
    readers = {name: Field(lambda _: torch.ones_like(x[:, 0]), domain.coordinates, calls.of(name)) for name in names}
    numbers = {name: torch.full_like(x[:, 0], value) for name, value in form.coefficients.items()}
    term.residuals(EvaluationContext(domain.coordinates, x, readers, numbers))
    latest = x[:, None, time] + CHECKS.latest * float(domain.size[time])
    if not all(bool((places[..., time] <= latest).all()) for places in recorder.places.values()):
        return False
    # Residuals by two rules on pieces of the time.
    by_rule = list[Tensor]()
    first = float(domain.bounds[time, 0])
    size = float(domain.size[time])
    # A few dozen pieces resolve layers of a hundredth of the time, and no roots.
    cuts = tuple(first + size * number / 32 for number in range(1, 32))
    for factor in (1, 2):
        with integrals_by(Rule(factor, axis=time, cuts=cuts)):
            run = DryRun(term.residuals, names, domain, form.coefficients, x)
            by_rule.append(run.values(term.requirements.trial))
    return bool((by_rule[0] - by_rule[1]).abs().max() <= ROUNDING * by_rule[0].abs().max())

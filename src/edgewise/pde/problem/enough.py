"""Whether a problem has enough conditions, too many, or coefficients that nothing uses, seen before it is solved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.errors import InputError, warn_caller
from edgewise.pde.domains.domain import TIME, Domain, Piece, is_space
from edgewise.pde.problem.evaluation import errors_named, needs_no_condition, wave_residuals
from edgewise.pde.problem.interfaces import two_sided

if TYPE_CHECKING:
    from edgewise.pde.problem.strong_form import ResidualTerm

# Values that are tried for a coefficient beside its start: residuals may depend on it on one side of a bend alone, as
# of relu(u - k). A choice.
TRIED_COEFFICIENTS = (-1e3, -1.0, 0.0, 1.0, 1e3)


def check_coefficients_matter(
    samples: Sequence[tuple[ResidualTerm, Tensor, Tensor | None]],
    fields: tuple[str, ...],
    domain: Domain,
    coefficients: Mapping[str, float],
) -> None:
    """Raise an InputError for a coefficient on which neither the equation nor any condition depends.

    Parameters
    ----------
    samples : sequence
        Terms of the equation and of the conditions, with points (b, n) and normals (b, n) or None for each.
    fields, domain, coefficients
        Of the problem.
    """
    for name, start in coefficients.items():

        def at(value: float, term: ResidualTerm, x: Tensor, normal: Tensor | None, name: str = name) -> Tensor:
            names = two_sided(fields) if term.is_interface else fields
            with errors_named(term.label):
                return wave_residuals(term.residuals, names, domain, x, {**coefficients, name: value}, normal)

        tried = (1.5 * start + 0.1, *TRIED_COEFFICIENTS)
        if all(torch.equal(at(start, *sample), at(value, *sample)) for sample in samples for value in tried):
            raise InputError(
                f"coefficients must be used by the equation or by a condition, got {name}, which nothing uses"
            )


def warn_of_surplus_conditions(
    domain: Domain,
    fields: Sequence[str],
    equation: ResidualTerm,
    conditions: Sequence[ResidualTerm],
    periodic: Sequence[str],
) -> None:
    """Warn where there are more conditions than the orders of all fields allow: only some of them can hold, mostly.

    At the ends of a coordinate there are as many as the order of the equation along it, for all fields together. Along
    one of order 1 beside others there may be one at each end, as where a flow comes in from both sides.
    """
    # An integral over the domain, as the mean of a pressure, belongs to no face.
    conditions = [term for term in conditions if any(term.requirements.derivatives.values())]
    whole = [axis for axis, name in enumerate(domain.coordinates) if is_space(name)]
    places = [(f"On {piece.name}", whole, [piece.name]) for piece in domain.pieces if piece.coordinate is None]
    for axis, name in enumerate(domain.coordinates):
        if name not in periodic:
            places.append((f"Along {name}", [axis], [each.name for each in domain.pieces if each.coordinate == name]))
    for where, axes, pieces in places:
        order = sum(equation.requirements.order(name, axes) for name in fields)
        ends = 1 if axes is whole else max(2, len(pieces))  # more than two where parts are cut out
        allowed = math.ceil(order * ends / 2)
        if order == len(fields) and domain.dimension > 1 and where != f"Along {TIME}":
            allowed = len(fields) * len(pieces)
        given = sum(len(term.requirements.sizes) * len({*pieces}.intersection(term.pieces)) for term in conditions)
        if pieces and order and given > allowed:  # of order 0, conditions everywhere are a habit
            names = ", ".join(f"{term.label} on {p}" for p in pieces for term in conditions if p in term.pieces)
            warn_caller(
                f"{where} there are {given} conditions ({names}) for an equation of order {order}: only {allowed} of "
                "them can hold, unless the others follow from these."
            )


def check_enough_conditions(
    field: str,
    domain: Domain,
    equation: ResidualTerm,
    conditions: Sequence[ResidualTerm],
    periodic: Sequence[str],
    coefficients: Mapping[str, float],
) -> None:
    """Raise an InputError unless a field has enough conditions on every piece of the boundary and in time.

    A coordinate by which the equation has no derivatives of the field needs none, nor does a face on which it is
    degenerate, see `needs_no_condition`. One that acts as time, whatever its name, has all of them on one face.
    """
    space = [axis for axis, name in enumerate(domain.coordinates) if is_space(name)]
    requirements = equation.requirements

    def given_on(names: Sequence[str]) -> int:
        return sum(term.constrains(field) for term in conditions if not set(term.pieces).isdisjoint(names))

    def is_degenerate(piece: Piece) -> bool:
        fields, face = tuple(requirements.derivatives), divmod(domain.pieces.index(piece), 2)
        free = needs_no_condition(equation.residuals, fields, domain, coefficients, face)
        return min((free[key] for key in free if key[1] == field), default=False)

    times = [axis for axis, name in enumerate(domain.coordinates) if name == TIME]
    needed = requirements.order(field, times)
    given = given_on([piece.name for piece in domain.pieces if piece.is_time_end])
    if given < needed:
        raise InputError(
            f"conditions at the start must give {field} and its derivatives below order {needed}, got {given} "
            f"of {needed}: add Initial(value{', rate' if needed > 1 else ''})"
        )
    whole = requirements.order(field, space)

    for piece in domain.named(domain.boundary_names) if whole > 1 else ():
        given, needed, order = given_on([piece.name]), whole // 2, whole
        if piece.coordinate is not None:
            axis = domain.coordinates.index(piece.coordinate)
            order = requirements.order(field, [axis])
            faces = [given_on([other.name]) for other in domain.pieces if other.coordinate == piece.coordinate]
            if max(faces) >= order and requirements.acts_as_time(field, axis, space):
                continue
            needed = min(max(order // 2, 1), order)
            if (order == 1 and sum(faces) >= 1) or (order == 2 and not given and is_degenerate(piece)):
                continue
        if given < needed and piece.coordinate not in periodic:
            raise InputError(
                f"conditions on {piece.name!r} must be {needed} for {field}, for an equation of order {order} in "
                f"space, got {given}: add Dirichlet(..., on={piece.name!r})"
            )

"""Boxes that planes cut across one coordinate, with the parts folded onto one another: a system on one box.

Each part is mapped to 0 <= s <= 1, every second one reversed, as a strip of paper is folded. Both sides of an interface
are then on the same face of the box, where its conditions join fields of a system without interfaces, whose grid ends
at every plane however thin the parts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.pde.domains.domain import Box, is_space
from edgewise.pde.problem.conditions import of_kind
from edgewise.pde.problem.dry_run import DryRun, probes
from edgewise.pde.problem.evaluation import EvaluationContext, Residuals
from edgewise.pde.problem.fields import Field
from edgewise.pde.problem.interfaces import OTHER_SIDE, Interface
from edgewise.pde.problem.strong_form import Feature, ResidualTerm, StrongForm


@dataclass(frozen=True, eq=False)
class Folding:
    """The map from a box, which planes cut across one coordinate, to the box of all its parts folded together."""

    axis: int  # the coordinate
    cuts: tuple[float, ...]  # ends of the parts in ascending order, (parts + 1,)
    # place of each part in this order, by its number among `Parts`, by which the outputs of a network are ordered
    places: tuple[int, ...]

    @property
    def is_reversed(self) -> list[bool]:
        """Whether a part is reversed, by its place."""
        return [place % 2 == 1 for place in range(len(self.places))]

    def rate(self, place: int) -> float:
        """Derivative of the folded coordinate by that of a part."""
        low, high = self.cuts[place : place + 2]
        rate = 1 / (high - low)
        return -rate if self.is_reversed[place] else rate

    def folded(self, x: Tensor, place: int) -> Tensor:
        """Points of the folded box from points x (b, n) of a part."""
        low, high = self.cuts[place : place + 2]
        x = x.clone()
        begin = high if self.is_reversed[place] else low
        x[:, self.axis] = (x[:, self.axis] - begin) * self.rate(place)
        return x

    def unfolded(self, x: Tensor, place: int) -> Tensor:
        """Points of a part, not on its interfaces, from points x (b, n) of the folded box."""
        low, high = self.cuts[place : place + 2]
        # Distance from an interface at which functions that jump there are taken: above the rounding of what a user
        # writes for the place of the jump.
        beside = 1e-13 * (self.cuts[-1] - self.cuts[0])
        x = x.clone()
        share = 1 - x[:, self.axis] if self.is_reversed[place] else x[:, self.axis]
        x[:, self.axis] = (low + (high - low) * share).clamp(
            low + beside * (place > 0), high - beside * (place < len(self.places) - 1)
        )
        return x

    def field(self, field: Field, place: int) -> Field:
        """A field of the folded box with derivatives by the coordinate of a part."""
        return field.stretched(self.axis, self.rate(place))


def name_on_part(name: str, place: int) -> str:
    """Name of a field on a part, by the place of the part."""
    return f"{name} on part {place + 1}"


@dataclass(frozen=True, eq=False)
class ResidualsOnParts:
    """Residuals on some parts, one part after the other, as a function of the fields on all parts."""

    residuals: Residuals  # those of the problem as it is stated, see `Residuals`
    folding: Folding
    fields: tuple[str, ...]  # names of the fields as they are stated
    places: tuple[int, ...]  # of the parts

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        found = list[Tensor]()
        for place in self.places:
            fields = {
                name: self.folding.field(context.fields[name_on_part(name, place)], place) for name in self.fields
            }
            normal = context.normal
            if normal is not None and self.folding.is_reversed[place]:
                normal = normal.clone()
                normal[:, self.folding.axis] *= -1
            x = self.folding.unfolded(context.x, place)
            found += self.residuals(replace(context, x=x, fields=fields, normal=normal))
        return found


@dataclass(frozen=True, eq=False)
class ResidualsBetweenParts:
    """Residuals of the interface behind a part, as a function of the fields on all parts."""

    residuals: Residuals  # of the interface, of fields on both sides
    folding: Folding
    fields: tuple[str, ...]  # names of the fields as they are stated
    place: int  # of the part before the interface

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        axis = self.folding.axis
        fields = {}
        for suffix, place in (("", self.place), (OTHER_SIDE, self.place + 1)):
            for name in self.fields:
                fields[name + suffix] = self.folding.field(context.fields[name_on_part(name, place)], place)
        x = context.x.clone()
        x[:, axis] = self.folding.cuts[self.place + 1]
        normal = torch.zeros_like(x)
        normal[:, axis] = 1
        return self.residuals(replace(context, x=x, fields=fields, normal=normal))


def folding_of(form: StrongForm) -> Folding | None:
    """How the parts of a box may be folded; None unless planes across one coordinate of space are all that cuts it."""
    domain = form.domain
    if not domain.is_box or form.parts is None or form.features != {Feature.INTERFACES} or form.has_integrals:
        return None
    planes = [interface.on for interface in of_kind(form.conditions, Interface)]
    names = {on.partition("=")[0].strip() if isinstance(on, str) else "" for on in planes}
    if len(names) != 1 or names == {""}:
        return None
    (name,) = names
    if name in form.periodic or not is_space(name):
        return None
    # Parts in ascending order, by points in their middles.
    axis = domain.coordinates.index(name)
    inner = [float(each.bounds[axis, 1]) for each in form.parts.inner]
    low, high = domain.bounds[axis].tolist()
    cuts = (low, *sorted(inner), high)
    middles = domain.bounds.mean(1).repeat(len(cuts) - 1, 1)
    middles[:, axis] = torch.tensor([(before + after) / 2 for before, after in pairwise(cuts)])
    numbers = form.parts.number(middles)
    if numbers.unique().tolist() != list(range(len(cuts) - 1)) or form.parts.count != len(numbers):
        return None
    return Folding(axis, cuts, tuple(numbers.argsort().tolist()))


def folded_form(form: StrongForm, folding: Folding) -> StrongForm:
    """A problem with interfaces as a system on the folded box, whose fields are those on all parts."""
    # Fields of all parts on the folded box.
    names = form.domain.coordinates
    box = Box(**{**form.domain.ends, names[folding.axis]: (0.0, 1.0)})
    fields = tuple(name_on_part(name, place) for place in folding.places for name in form.fields)
    pieces = [piece.name for piece in form.domain.pieces]
    ends = [piece.name for piece in box.pieces][2 * folding.axis : 2 * folding.axis + 2]
    last = len(folding.places) - 1

    def stated(term: ResidualTerm, residuals: Residuals, on: Sequence[str]) -> ResidualTerm:
        """A term with other residuals, on other pieces, and its requirements anew."""
        run = DryRun(residuals, fields, box, form.coefficients, *probes(box, tuple(on) or None))
        requirements = run.requirements()
        return replace(
            term, residuals=residuals, requirements=requirements, pieces=tuple(on), surface=None, part_sizes=None
        )

    def on_parts(term: ResidualTerm, places: Sequence[int], on: Sequence[str]) -> ResidualTerm:
        return stated(term, ResidualsOnParts(term.residuals, folding, form.fields, tuple(places)), on)

    # The equation holds on every part, and conditions beside the folded coordinate do.
    every = range(len(folding.places))
    equation = on_parts(form.equation_term, every, ())
    conditions = list[ResidualTerm]()
    inner = iter(form.parts.inner if form.parts is not None else ())
    for term in form.condition_terms:
        if term.is_interface:
            # Both sides of an interface are the face at which the part before it ends.
            place = folding.cuts.index(float(next(inner).bounds[folding.axis, 1])) - 1
            joined = ResidualsBetweenParts(term.residuals, folding, form.fields, place)
            conditions.append(stated(term, joined, [ends[0 if folding.is_reversed[place] else 1]]))
            continue
        sides = [name for name in term.pieces if pieces.index(name) // 2 != folding.axis]
        if sides:
            conditions.append(on_parts(term, every, sides))
        # The first part begins at 0; the last one ends there too if it is reversed.
        for name in term.pieces:
            axis, end = divmod(pieces.index(name), 2)
            if axis == folding.axis:
                place = last if end else 0
                conditions.append(on_parts(term, [place], [ends[end - folding.is_reversed[place]]]))
    return replace(
        form,
        domain=box,
        conditions=tuple(each for each in form.conditions if not isinstance(each, Interface)),
        fields=fields,
        solution=None,
        equation_term=equation,
        condition_terms=tuple(conditions),
        hard=replace(form.hard, fields=fields, domain=box),
        parts=None,
    )

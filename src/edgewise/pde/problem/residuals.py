"""Blocks of residuals: the terms of a strong form at points, as functions of the jet of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.problem.conditions import HardConditions
from edgewise.pde.problem.dry_run import Requirements
from edgewise.pde.problem.evaluation import NORMAL, EvaluationContext, Residuals, errors_named
from edgewise.pde.problem.fields import Field, Stencil, stencil
from edgewise.pde.problem.integrals import IntegralCalls, PlaceRecorder, ValueReader, axes_of, integrals_by, once
from edgewise.pde.problem.interfaces import Parts, sides_of, two_sided
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.train.blocks import BlockRole, Data, ResidualBlock

# Auxiliary values of collocation points by their names, besides the outward normals (N, n) on a boundary: "measured"
# values (N,) at points of observations, "hard_jets" of factor and value of hard conditions (N, fields with a hard
# condition, 2, C), and coordinates "places" (N, q) of the quadrature points of all integrals along their axes.
# On domains with interfaces also numbers "sides" (N, 1) of the parts, or (N, 2) of both sides of an interface.


@dataclass(frozen=True, eq=False)
class BlockResiduals:
    """Residuals of a block as a function of the network's jet, each divided by its size.

    It holds plain data and the user's function only, so that nothing leads back from a block to its problem.
    """

    name: str  # name of the block, for errors of the function
    function: Residuals  # see `Residuals`
    coordinates: tuple[str, ...]  # names of the coordinates
    hard: HardConditions  # conditions that hold by construction; it knows the names of the fields
    plan: Stencil  # rules by which derivatives are read from the jet
    requirements: Requirements  # integrals and sizes of the residuals
    # values of the unknown coefficients where only the places of integrals are wanted
    coefficients: Mapping[str, float]
    parts: Parts | None = None  # parts of a domain with interfaces
    is_interface: bool = False  # whether the residuals join both sides of an interface
    part_sizes: Tensor | None = None  # sizes of the residuals on each part, (parts, r)

    def __call__(self, jet: Tensor, part: Data, unknowns: Mapping[str, Tensor] | None = None) -> Tensor:
        """Residuals (b, r) from the jet (C + q, b, fields), with values at the q points of integrals at its end."""
        names = self.hard.fields
        check_outputs(jet, names, self.parts)
        # Outputs of the part in which a point lies, or of both sides of an interface.
        if self.parts is not None:
            jet = self.parts.select(jet, part.auxiliary["sides"].long(), len(names))
            if self.is_interface:
                names = two_sided(names)
        # Fields from the jet, with the values of their integrals.
        own = self.hard.apply(jet[: self.plan.components], part.auxiliary.get("hard_jets"), self.plan.order)
        values = jet[self.plan.components :]
        integrals = self.requirements.integrals
        places = part.auxiliary.get("places", part.x[:, :0])
        scales = self.hard.domain.bounds.abs().amax(1)
        calls = IntegralCalls(ValueReader(values, places, integrals, self.hard.fields, scales))
        elsewhere = [calls.of(name) for name in names]
        fields = dict(zip(names, self.plan.fields(own, self.coordinates, elsewhere), strict=True))
        # The user's function at the points, by the rule of integrals that the form has.
        normal, measured = (part.auxiliary.get(name) for name in (NORMAL, "measured"))
        context = EvaluationContext(self.coordinates, part.x, fields, unknowns or {}, normal, measured)
        with errors_named(self.name), integrals_by(self.requirements.rule):
            residuals = torch.stack(self.function(context), 1)
        calls.check(integrals)
        # Residuals in units of the field.
        if self.part_sizes is not None:
            return residuals / self.part_sizes.to(part.x.dtype)[part.auxiliary["sides"][:, 0].long()]
        return residuals / self.requirements.sizes.to(part.x.dtype)

    def integral_points(self, x: Tensor) -> Tensor:
        """Points (b, q, n) of all integrals of the residuals at x (b, n)."""
        recorder = PlaceRecorder(x)
        calls = IntegralCalls(recorder)
        fields = {
            name: Field(lambda index: x.new_zeros(len(x)), self.coordinates, calls.of(name))
            for name in self.hard.fields
        }
        numbers = {name: x.new_full((len(x),), value) for name, value in self.coefficients.items()}
        with errors_named(self.name), integrals_by(self.requirements.rule):
            self.function(EvaluationContext(self.coordinates, x, fields, numbers, torch.zeros_like(x)))
        calls.check(self.requirements.integrals)
        return _side_by_side([recorder.places[key] for key in self.requirements.integrals])

    def integral_places(self, x: Tensor) -> Tensor:
        """Coordinates (b, c) of the points of all integrals along their axes, see `ValueReader`."""
        parts = self.integral_points(x).split(list(self.requirements.integrals.values()), 1)
        coordinates = [
            once(at)[..., axes_of(key)].flatten(1).expand(len(x), -1)
            for key, at in zip(self.requirements.integrals, parts, strict=True)
        ]
        return _side_by_side(coordinates)


def _side_by_side(parts: list[Tensor]) -> Tensor:
    """Joined tensors (b, q, ...), without a copy of a single one, whose rows may stand in memory once."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts, 1)


def check_outputs(prediction: Tensor, fields: Sequence[str], parts: Parts | None) -> None:
    """Raise an InputError unless a model has an output for each field, on each part of a domain with interfaces."""
    wanted = len(fields)
    where = ""
    if parts is not None:
        wanted *= parts.count
        where = f" on each of {parts.count} parts"
    if prediction.shape[-1] != wanted:
        raise InputError(
            f"the model must have {wanted} outputs, for {', '.join(fields)}{where}, got {prediction.shape[-1]}"
        )


def block_of(name: str, form: StrongForm, term: ResidualTerm, data: Data) -> ResidualBlock:
    """The block of a term at points: with the stencil of its derivatives and the jets of hard conditions."""
    # Directions of differentiation that the residuals need, and the function of the jet.
    requirements = term.requirements
    parts = form.parts
    plan = stencil(set[tuple[int, ...]]().union(*requirements.derivatives.values()), form.domain.dimension)
    residuals = BlockResiduals(
        name,
        term.residuals,
        form.domain.coordinates,
        form.hard,
        plan,
        requirements,
        form.coefficients,
        parts,
        term.is_interface,
        term.part_sizes,
    )
    # Points beside interfaces, each with the number of its part.
    if parts is not None:
        x = data.x
        if term.role is BlockRole.EQUATION:
            x = parts.beside(x)
        sides = sides_of(parts, x, data.auxiliary.get(NORMAL), term.is_interface)
        data = replace(data, x=x, auxiliary={**data.auxiliary, "sides": sides.double()})
    # What depends on the points alone is computed once: jets of hard conditions, and places of integrals.
    auxiliary = dict(data.auxiliary)
    hard_jets = form.hard.jets(data.x, plan.directions, plan.order)
    if hard_jets is not None:
        auxiliary["hard_jets"] = hard_jets
    if requirements.integrals:
        auxiliary["places"] = residuals.integral_places(data.x)
    return ResidualBlock(
        name,
        replace(data, auxiliary=auxiliary),
        residuals,
        term.weight,
        plan.directions,
        plan.order,
        residuals.integral_points if requirements.integrals else None,
        role=term.role,
    )

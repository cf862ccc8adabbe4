"""Residuals of a term where the values and derivatives of fields are given, and their Jacobian by these.

All that asks how an equation or a condition depends on its fields asks here: rows of linear systems, weak forms, tensor
trains, and the checks of a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.pde.problem.evaluation import EvaluationContext
from edgewise.pde.problem.fields import Field, Index
from edgewise.pde.problem.integrals import integrals_by

if TYPE_CHECKING:
    from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm

Jet = Mapping[tuple[int, Index], Tensor]
"""Derivatives of fields at points, (N,) each, by the number of the field and the multi-index."""
Key = tuple[int, int, Index]
"""Number of a residual, number of a field, and the derivative of that field by which the residual is differentiated."""
Elsewhere = Callable[[Jet, int, "int | tuple[int, ...]", Tensor, bool], Tensor]
"""Maps a jet, the number of a field, the axis (or axes) of an integral or a delay, places along it, (N, q), and whether
it is a delay to the values of the field there, (N, q)."""


def linearise(
    form: StrongForm,
    term: ResidualTerm,
    x: Tensor,
    normal: Tensor | None,
    jet: Jet,
    residuals: Sequence[int] | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[Tensor, dict[Key, Tensor]]:
    """Residuals (r, N) of a term at points x (N, n), and their Jacobian, (N,) for each derivative that is not zero.

    The Jacobian is exact, by automatic differentiation. `residuals` are the numbers of the wanted ones, all by
    default; the keys count these. Residuals are in units of the field; normals are (N, n). Integrals and delays take
    the values of `elsewhere`, or ones.
    """
    leaves = {key: values.detach().requires_grad_() for key, values in jet.items()}
    jacobian: dict[Key, Tensor] = {}
    with torch.enable_grad():
        rows = _rows(form, term, x, normal, leaves, residuals, elsewhere)
        for number, row in enumerate(rows):
            if not row.requires_grad:
                continue
            parts = torch.autograd.grad(row.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
            for (field, index), part in zip(leaves, parts, strict=True):
                if part is not None and bool((part != 0).any()):
                    jacobian[number, field, index] = part
    return torch.stack([row.detach().expand(len(x)) for row in rows]), jacobian


@torch.no_grad()
def residuals_at(
    form: StrongForm,
    term: ResidualTerm,
    x: Tensor,
    normal: Tensor | None,
    jet: Jet,
    residuals: Sequence[int] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Tensor:
    """Residuals (r, N) of a term, as `linearise` has them, without the Jacobian."""
    rows = _rows(form, term, x, normal, jet, residuals, elsewhere)
    return torch.stack([row.detach().expand(len(x)) for row in rows])


@torch.no_grad()
def arguments_of(form: StrongForm, term: ResidualTerm, x: Tensor, normal: Tensor | None, jet: Jet) -> set[str]:
    """Names of all arguments of the functions that give a term at points x (N, n)."""
    asked = set[str]()
    _rows(form, term, x, normal, jet, None, None, asked)
    return asked


def _rows(
    form: StrongForm,
    term: ResidualTerm,
    x: Tensor,
    normal: Tensor | None,
    jet: Jet,
    residuals: Sequence[int] | None,
    elsewhere: Elsewhere | None,
    asked: set[str] | None = None,
) -> list[Tensor]:
    """Residuals (N,) in units of the field, see `linearise`; names of arguments of functions are added to `asked`."""
    names = form.domain.coordinates

    def ones(jet: Jet, number: int, axis: int | tuple[int, ...], places: Tensor, is_delay: bool = False) -> Tensor:
        return x.new_ones(len(x), places.shape[1])

    def reader(number: int) -> Field:
        return Field(lambda index: jet[number, index], names, partial(elsewhere or ones, jet, number))

    fields = {name: reader(number) for number, name in enumerate(form.fields)}
    coefficients = {name: x.new_full((len(x),), value) for name, value in form.coefficients.items()}
    sizes = term.requirements.sizes
    with integrals_by(term.requirements.rule):
        every = term.residuals(EvaluationContext(names, x, fields, coefficients, normal, asked=asked))
        if residuals is None:
            residuals = range(len(sizes))
        return [every[number] / sizes[number] for number in residuals]


def zero_jet(term: ResidualTerm, x: Tensor) -> dict[tuple[int, Index], Tensor]:
    """The jet of fields that are zero at points x (N, n)."""
    return {key: torch.zeros_like(x[:, 0]) for key in term.requirements.keys}


def smooth_jet(form: StrongForm, term: ResidualTerm, x: Tensor) -> dict[tuple[int, Index], Tensor]:
    """Smooth derivatives of size 1 at points x (N, n), another function for each, so that products do not vanish."""
    along = (x / form.domain.size).sum(1)
    return {
        (number, index): 1.5 + (along + 1.3 * number + 0.7 * sum(index)).cos()
        for number, index in term.requirements.keys
    }

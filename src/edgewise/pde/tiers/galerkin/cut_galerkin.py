"""Galerkin's method on cut cells: linear equations of second order of one field on domains that are no box."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.linearisation import linearise, zero_jet
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.tiers.galerkin.cut_grid import SEAM_WEIGHT, CutGrid
from edgewise.settings import ABOVE_ZERO

# Penalty on values at the boundary, in units of the least one of whole cells, (p + 1) (p + d) / (d h), for degree p in
# d coordinates (T. Warburton, J. Hesthaven, Comput. Methods Appl. Mech. Engrg. 192, 2003, 2765).
PENALTY = 4.0
LEAST_FLUX = 1e-6  # of its derivatives, where a condition is about the flux, and not along the boundary


def grid_penalty(grid: CutGrid, x: torch.Tensor, normal: np.ndarray) -> np.ndarray:
    """Penalty on values at points (m, d) of a boundary, in units of the flux, (m,), see `PENALTY`."""
    degree = max(axis.degree for axis in grid.axes)
    dimension = len(grid.axes)
    return PENALTY * (degree + 1) * (degree + dimension) / dimension * (np.abs(normal) / grid.widths(x)).sum(1)


class CutGalerkin:
    """Matrix and load of a linear equation with its conditions, in terms of the active splines of a grid.

    The residual is multiplied with every spline. A condition on values has Nitsche's terms [1]_, which for Dirichlet
    conditions give the symmetric form of self-adjoint equations; one on fluxes, of Neumann or Robin, is multiplied with
    every spline too, in units of the equation's own flux.

    Parameters
    ----------
    form : StrongForm
        The problem: one field, an equation of second order.
    grid : CutGrid
        Splines and points.

    Attributes
    ----------
    matrix : sparse array
        (active, active).
    load : ndarray
        Right-hand side, (active,).

    Raises
    ------
    InputError
        A condition is about derivatives along the boundary, or the equation or a condition has several residuals.

    References
    ----------
    .. [1] J. Nitsche, "Ueber ein Variationsprinzip zur Loesung von Dirichlet-Problemen", Abh. Math. Sem. Univ. Hamburg
       36, 1971, 9.
    """

    def __init__(self, form: StrongForm, grid: CutGrid):
        self._form = form
        dimension = len(grid.axes)
        most = max((part.term for part in grid.parts), key=lambda term: len(term.requirements.sizes))
        if len(most.requirements.sizes) > 1:
            raise InputError(f"{most.label} must return one residual, got {len(most.requirements.sizes)}")
        none = (0,) * dimension
        units = [tuple(int(k == axis) for k in range(dimension)) for axis in range(dimension)]
        inside = grid.parts[0]
        known, factors = linearised_at_zero(form, form.equation_term, inside.x, None)
        pure = sum(factors.get(tuple(2 * k for k in unit), np.zeros(len(inside.x))).sum() for unit in units)
        self.sign = sign = -float(np.sign(pure))
        weight = {none: sign * inside.weights**2}
        self.load = -grid.sums(0, weight, known[:, None])[:, 0]
        lengths = grid.widths(inside.x)
        leading = {index: each for index, each in factors.items() if sum(index) == 2}
        stiff = float(sum((np.abs(each) / np.prod(lengths**index, 1)).mean() for index, each in leading.items()))
        self.matrix = grid.products(0, weight, factors) + SEAM_WEIGHT * stiff * grid.ghost
        for number, part in enumerate(grid.parts[1:], 1):
            assert part.normal is not None
            normal = part.normal.numpy()
            share = part.weights**2
            flux = self.flux(part.x, normal)
            across = sum(each * normal[:, k] for k, each in enumerate(flux))
            known, own = linearised_at_zero(form, part.term, part.x, part.normal)
            order = max((sum(index) for index in own), default=0)
            if order == 0:
                value = own.get(none, np.zeros(len(share)))
                scale = np.abs(value).max(initial=ABOVE_ZERO)
                tested = {unit: -share * each * scale for unit, each in zip(units, flux, strict=True)}
                tested[none] = grid_penalty(grid, part.x, normal) * share * across * scale
                factors = {none: value / scale**2}
                known = known / scale**2
            else:
                slope = sum(own.get(unit, np.zeros(len(share))) * normal[:, k] for k, unit in enumerate(units))
                size = max(np.abs(each).max() for index, each in own.items() if sum(index))
                least = float(min(np.abs(slope).min(), slope.min() * np.sign(slope.max())))  # below 0 if signs differ
                if order > 1 or least < LEAST_FLUX * size:
                    raise InputError(
                        "conditions must be about values or about derivatives across the boundary, got "
                        f"{part.term.label}"
                    )
                tested = {none: share * across / slope}
                factors = own
            self.matrix = self.matrix + grid.products(number, tested, factors)
            self.load -= grid.sums(number, tested, known[:, None])[:, 0]

    def flux(self, x: torch.Tensor, normal: np.ndarray) -> list[np.ndarray]:
        """The vector n A at points (m, d) with normals (m, d): factors of the derivatives in the flux n A grad u.

        A are the factors of second derivatives in the equation, with the sign with which A is positive.
        """
        dimension = x.shape[1]
        units = np.eye(dimension, dtype=int)
        term = self._form.equation_term
        flux = [np.zeros(len(x)) for _ in units]
        leading = linearised_at_zero(self._form, term, x, None)[1]
        for first, second in product(range(dimension), repeat=2):
            slope = leading.get(tuple((units[first] + units[second]).tolist()))
            if slope is not None:
                flux[second] = flux[second] - self.sign * normal[:, first] * slope * (1.0 if first == second else 0.5)
        return flux


def linearised_at_zero(
    form: StrongForm, term: ResidualTerm, x: torch.Tensor, normal: torch.Tensor | None
) -> tuple[np.ndarray, dict[Index, np.ndarray]]:
    """The residual (m,) of one field that is zero at points x (m, d), and its Jacobian (m,) by each derivative."""
    values, jacobian = linearise(form, term, x, normal, zero_jet(term, x), (0,))
    return values[0].numpy(), {index: part.numpy() for (_, _, index), part in jacobian.items()}

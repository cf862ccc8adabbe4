"""Galerkin's method on cut cells: one assembly of linearised equations and their conditions to sparse matrices.

Residuals of the equation are multiplied with every spline, and conditions enter by Nitsche's method [1]_: one on values
has a term that makes the form of a self-adjoint equation symmetric, and a penalty; one on fluxes, of Neumann or Robin,
is multiplied with every spline, in units of the equation's own flux.

References
----------
.. [1] J. Nitsche, "Ueber ein Variationsprinzip zur Loesung von Dirichlet-Problemen", Abh. Math. Sem. Univ. Hamburg 36,
   1971, 9.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from edgewise.errors import InputError
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.linearisation import Key, linearise, zero_jet
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.tiers.galerkin.cut_grid import Combination, CutGrid, between_fields
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class AssemblySettings:
    """Weights of Galerkin's method on cut cells."""

    # Penalty on values at the boundary, in units of the least one of whole cells, (p + 1) (p + d) / (d h), for degree p
    # in d coordinates (T. Warburton, J. Hesthaven, Comput. Methods Appl. Mech. Engrg. 192, 2003, 2765).
    penalty: float = 4.0
    # Weight of the ghost penalty, see `CutGrid.ghost`: from a hundredth to a hundred times as much the errors of heat
    # on a disk are the same.
    ghost: float = 0.01
    # Of the derivatives in a condition, least part across the boundary with which it is about the flux.
    least_flux: float = 1e-6


SETTINGS = AssemblySettings()
Jacobian = Mapping[Key, np.ndarray]
"""Jacobian of residuals at points, (m,) each, by residual, field and derivative."""
ByOrder = dict[int, dict[int, dict[Index, np.ndarray]]]
"""The same of one residual: by the order in time, the field, and the derivative by space."""


def wave_size(widths: np.ndarray, factors: Mapping[Index, np.ndarray], number: float = 1.0) -> np.ndarray:
    """Symbol (m,), in magnitude, of factors of derivatives for a wave of `number` radians in an interval."""
    total = np.zeros(len(widths))
    for index, factor in factors.items():
        total += np.abs(factor) * np.prod((number / widths) ** index, 1)
    return total


def nitsche_penalty(
    grid: CutGrid, x: torch.Tensor, normal: np.ndarray, equation: Mapping[Index, np.ndarray]
) -> np.ndarray:
    """Penalty (m,) on values at points (m, d) of a boundary, from factors of derivatives in the equation there.

    For A of second derivatives it is `AssemblySettings.penalty` times n A n (p + 1) (p + d) / (d h); those of another
    order count as their symbol for a wave along the normal does, which for transport is the speed across.
    """
    degree = max(axis.degree for axis in grid.axes)
    dimension = len(grid.axes)
    wave = (np.abs(normal) / grid.widths(x)).sum(1)
    # Symbol of the equation for a wave along the normal, by order.
    symbols: dict[int, np.ndarray] = {}
    for index, factor in equation.items():
        order = sum(index)
        if order:
            symbols[order] = symbols.get(order, np.zeros(len(x))) + factor * np.prod(normal**index, 1)
    # Size of the flux of the shortest wave: the symbol over the wave number.
    flux = np.zeros(len(x))
    for order, symbol in symbols.items():
        flux += np.abs(symbol) * wave ** (order - 1)
    return SETTINGS.penalty * (degree + 1) * (degree + dimension) / dimension * flux


def flux_factors(equation: Mapping[Index, np.ndarray], normal: np.ndarray) -> np.ndarray:
    """The vector -n A, (m, d): factors of the first derivatives in the flux, from those of the second ones, A."""
    units = np.eye(normal.shape[1], dtype=int)
    flux = np.zeros(normal.shape)
    # A mixed derivative is that of both orders, half of it each.
    for first, second in itertools.product(range(len(units)), repeat=2):
        factor = equation.get(tuple((units[first] + units[second]).tolist()))
        if factor is not None:
            flux[:, second] -= normal[:, first] * factor * (1.0 if first == second else 0.5)
    return flux


class Assembly:
    """Matrices of a linearised equation with its conditions, in terms of the active splines, and tested residuals."""

    # The test functions of a residual are its derivatives by those of the highest order in time, so that the matrix of
    # this order is a mass matrix; without time they are the splines. A residual without derivatives in time beside
    # others is fitted by least squares.
    matrices: list[sparse.csr_array]  # of each order in time, (active * fields,) * 2, the fields of a spline neighbours
    sign: float  # with which a residual without time is multiplied, for its form to be positive

    def __init__(
        self, grid: CutGrid, jacobians: Sequence[Jacobian], at_walls: Sequence[Jacobian], time: int | None = None
    ):
        self.grid = grid
        self.time = time
        parts = [self._by_residual(each) for each in jacobians]
        highest = max((order for part in parts for of_order in part.values() for order in of_order), default=0)
        size = len(grid.active) * grid.fields
        self.matrices = [sparse.csr_array((size, size)) for _ in range(highest + 1)]
        self._tests: list[tuple[int, int, int, Combination]] = []  # part, residual, field, factors
        self._ghosts: list[tuple[int, int, int, float]] = []  # field, order in time, other field, weight of the ghost
        self.sign = 1.0
        if time is None:
            (equation,) = parts[0].values()
            self.sign = -float(np.sign(sum(v.sum() for k, v in equation[0][0].items() if sum(k) == max(k) == 2)))
        # The equation: its leading terms and their sizes, tests and ghost penalties.
        self._highest = {residual: max(by_order) for residual, by_order in parts[0].items()}
        self._sizes = {residual: self._lead_size(by_order) for residual, by_order in parts[0].items()}
        inside = grid.parts[0].weights ** 2
        for residual, by_order in parts[0].items():
            for slot, lead in self._lead(residual, by_order, len(inside)).items():
                self._tests.append((0, residual, slot, {index: inside * each for index, each in lead.items()}))
            self._add_ghost(by_order)
        # The conditions.
        for number, wall in enumerate(at_walls, 1):
            self._add_conditions(number, self._by_residual(wall), parts[number])
        # The matrices.
        shape = grid.fields, grid.fields
        for number, residual, slot, test in self._tests:
            for order, fields in parts[number][residual].items():
                for other, factors in fields.items():
                    self.matrices[order] += between_fields(grid.products(number, test, factors), slot, other, shape)
        for slot, order, other, weight in self._ghosts:
            self.matrices[order] += between_fields(weight * grid.ghost, slot, other, shape)

    def tested(self, residuals: Sequence[np.ndarray], changes: Sequence[np.ndarray]) -> np.ndarray:
        """Sums (q, active, fields) of residuals (residuals, m, q) of each part times all test functions.

        `changes` are the active coefficients and their derivatives in time, (q, active, fields) each, of which the
        ghost penalty is a part.
        """
        moments, active, fields = changes[0].shape
        tested = np.zeros((active, fields, moments))
        for part, residual, slot, test in self._tests:
            tested[:, slot] += self.grid.sums(part, test, residuals[part][residual])
        for slot, order, other, weight in self._ghosts:
            tested[:, slot] += weight * (self.grid.ghost @ changes[order][..., other].T)
        return np.moveaxis(tested, 2, 0)

    def _by_residual(self, jacobian: Jacobian) -> dict[int, ByOrder]:
        """The Jacobian of each residual."""
        result: dict[int, ByOrder] = {}
        for (residual, slot, index), slope in jacobian.items():
            order = 0
            if self.time is not None:
                order = index[self.time]
                index = (*index[: self.time], *index[self.time + 1 :])
            result.setdefault(residual, {}).setdefault(order, {}).setdefault(slot, {})[index] = slope
        return result

    def _waves(self, fields: Mapping[int, Mapping[Index, np.ndarray]], least_order: int = 0) -> float:
        """Mean size of terms of the equation for waves of one radian in an interval."""
        widths = self.grid.widths(self.grid.parts[0].x)
        return sum(
            float(wave_size(widths, {index: each for index, each in terms.items() if sum(index) >= least_order}).mean())
            for terms in fields.values()
        )

    def _lead_size(self, by_order: ByOrder) -> float:
        """Size of the leading terms of a residual."""
        highest = max(by_order)
        if self.time is None:
            return 1.0
        if not highest:
            return max(self._waves(by_order[0]), ABOVE_ZERO)
        return max(
            sum(float(np.abs(e).mean()) for terms in by_order[highest].values() for e in terms.values()), ABOVE_ZERO
        )

    def _lead(self, residual: int, by_order: ByOrder, count: int) -> dict[int, dict[Index, np.ndarray]]:
        """Factors (m,) of the test functions of a residual, by their field."""
        if self.time is None:
            return {0: {(0,) * len(self.grid.axes): np.full(count, self.sign)}}
        leading = by_order.get(self._highest[residual], {})
        square = self._sizes[residual] ** 2
        return {slot: {index: each / square for index, each in terms.items()} for slot, terms in leading.items()}

    def _add_ghost(self, by_order: ByOrder) -> None:
        """Weights of the ghost penalty: jumps have neither the leading term in time nor the largest other one."""
        stiff = self._waves(by_order.get(0, {}), 1)
        if self.time is None:
            self._ghosts.append((0, 0, 0, SETTINGS.ghost * stiff))
            return
        highest = max(by_order)
        most = 0
        if not highest:
            most = max(sum(index) for terms in by_order[0].values() for index in terms)
        # Mean factors of the leading derivatives: of the highest order in time, or of space where there is none.
        lead = dict[int, float]()
        for slot, terms in by_order[highest].items():
            for index, factor in terms.items():
                if sum(index) == most and highest:
                    lead[slot] = float(factor.mean())
                elif sum(index) == most:
                    lead[slot] = stiff
        # The penalty of the field and, where the equation has a rate, of its rate.
        total = max(sum(map(abs, lead.values())), ABOVE_ZERO)
        for (slot, test), (other, slope) in itertools.product(lead.items(), repeat=2):
            weight = SETTINGS.ghost * test * slope / total**2
            self._ghosts.append((slot, highest, other, weight))
            if highest:
                self._ghosts.append((slot, 0, other, weight * stiff / total))

    def _add_conditions(self, number: int, equation: Mapping[int, ByOrder], conditions: Mapping[int, ByOrder]) -> None:
        """Add the tests of the conditions on a part of the boundary, from the Jacobian of the equation there."""
        part = self.grid.parts[number]
        assert part.normal is not None
        normal = part.normal.numpy()
        dimension = normal.shape[1]
        none: Index = (0,) * dimension
        units: list[Index] = [tuple(row) for row in np.eye(dimension, dtype=int).tolist()]
        share = part.weights**2
        widths = self.grid.widths(part.x)
        # The penalty, of all residuals of the equation in units of their leading terms, and fluxes n A, (m, d), of each
        # field in what is tested with another one, by these two.
        penalty = np.zeros(len(share))
        fluxes: dict[tuple[int, int], np.ndarray] = {}
        for residual, by_order in equation.items():
            if residual not in self._sizes:  # it vanishes inside
                continue
            leads = self._lead(residual, by_order, len(share))
            is_tested = self.time is None or self._highest[residual] > 0
            for other, terms in by_order.get(0, {}).items():
                penalty += nitsche_penalty(self.grid, part.x, normal, terms) / self._sizes[residual]
                for slot, lead in leads.items():
                    if is_tested and set(lead) == {none}:
                        flux = lead[none][:, None] * flux_factors(terms, normal)
                        fluxes[slot, other] = fluxes.get((slot, other), 0.0) + flux
        for residual, by_order in conditions.items():
            of_fields = by_order.get(0, {})
            differentiated = [slot for slot, terms in of_fields.items() if any(map(sum, terms))]
            rates = [fields for order, fields in by_order.items() if order]
            has_simple_rates = not any(any(map(sum, terms)) for fields in rates for terms in fields.values())
            tests: dict[int, dict[Index, np.ndarray]] = {}
            if not differentiated and not rates:
                # Values: the penalty, and the term that makes a self-adjoint form symmetric.
                square = np.add.reduce([terms[none] ** 2 for terms in of_fields.values()])
                square = np.maximum(square, max(SETTINGS.least_flux**2 * float(square.max()), ABOVE_ZERO))
                for other, terms in of_fields.items():
                    value = share * terms[none] / square
                    tests.setdefault(other, {})[none] = penalty * value
                    for (slot, field), flux in fluxes.items():
                        if field == other:
                            test = tests.setdefault(slot, {})
                            for k, unit in enumerate(units):
                                test[unit] = test.get(unit, 0.0) - flux[:, k] * value
            elif len(differentiated) == 1 and has_simple_rates:
                # A flux: its condition takes the place of what integration by parts leaves on the boundary.
                field = differentiated[0]
                across = _across(of_fields[field], normal)
                if across is not None:
                    through = {slot: (flux * normal).sum(1) for (slot, other), flux in fluxes.items() if other == field}
                    tests = {slot: {none: share * each / across} for slot, each in through.items()}
            if not tests and self.time is None:
                raise InputError(
                    "conditions must be about values or about derivatives across the boundary, got " + part.term.label
                )
            if not tests:
                # Other conditions: a penalty on their residuals alone.
                sizes = [wave_size(widths, terms) for fields in by_order.values() for terms in fields.values()]
                weight = share * penalty / np.maximum(np.add.reduce(sizes), ABOVE_ZERO) ** 2
                for slot, terms in by_order[max(by_order)].items():
                    tests[slot] = {index: weight * each for index, each in terms.items()}
            self._tests += [(number, residual, slot, test) for slot, test in tests.items()]


def _across(terms: Mapping[Index, np.ndarray], normal: np.ndarray) -> np.ndarray | None:
    """Factor (m,) of the normal derivative in a condition; None where it vanishes or the condition has others."""
    first = {index: factor for index, factor in terms.items() if sum(index)}
    if max(map(sum, first)) > 1:
        return None
    across = np.add.reduce([factor * normal[:, index.index(1)] for index, factor in first.items()])
    largest = max(float(np.abs(factor).max()) for factor in first.values())
    least = float((across * np.sign(across.max())).min())  # below 0 if signs differ
    if not least >= SETTINGS.least_flux * largest:
        return None
    return across


def stationary(form: StrongForm, grid: CutGrid) -> tuple[Assembly, np.ndarray]:
    """Return the matrix of a linear equation of one field without time, and its right-hand side, (active,)."""
    most = max((part.term for part in grid.parts), key=lambda term: len(term.requirements.sizes))
    if len(most.requirements.sizes) > 1:
        raise InputError(f"{most.label} must return one residual, got {len(most.requirements.sizes)}")
    # Residuals at zero and their slopes, and the equation on the walls, whose fluxes Nitsche's terms need.
    residuals = []
    jacobians = []
    at_walls = []
    for number, part in enumerate(grid.parts):
        residual, jacobian = linearised_at_zero(form, part.term, part.x, part.normal)
        residuals.append(residual[:, :, None])
        jacobians.append(jacobian)
        if number:
            at_walls.append(linearised_at_zero(form, form.equation_term, part.x, None)[1])
    # A u = b with b the tested residuals at zero, negative.
    assembly = Assembly(grid, jacobians, at_walls)
    load = -assembly.tested(residuals, [np.zeros((1, len(grid.active), 1))])
    return assembly, load[0, :, 0]


def linearised_at_zero(
    form: StrongForm, term: ResidualTerm, x: torch.Tensor, normal: torch.Tensor | None
) -> tuple[np.ndarray, Jacobian]:
    """Residuals (residuals, m) of fields that are zero at points x (m, d), and their Jacobian."""
    values, jacobian = linearise(form, term, x, normal, zero_jet(term, x))
    return values.numpy(), {key: part.numpy() for key, part in jacobian.items()}

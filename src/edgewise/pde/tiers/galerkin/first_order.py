"""Weak form of linear evolution of first order: transport, and systems of waves, with conditions by characteristics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from edgewise.errors import InputError
from edgewise.pde.algebra.radau import ShiftedSystems, Spend
from edgewise.pde.problem.strong_form import ResidualTerm
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.galerkin.cut_grid import between_fields
from edgewise.pde.tiers.galerkin.weak import AxisQuadrature, WeakForm, assembled, data_of, integrated, jacobian_of
from edgewise.presentation import typed_text


@dataclass(frozen=True)
class FirstOrderSettings:
    """What is zero in systems of first order."""

    vanishes: float = 1e-9  # relative size below which a singular value, a speed or an eigenvalue is zero
    # Least size of the fluxes somewhere, by the largest one, with which equations are divided by it: below it a speed
    # may vanish in between.
    even_flux: float = 1e-2


SETTINGS = FirstOrderSettings()


class FirstOrderForm(WeakForm):
    """A system M u_t + sum_k A_k u_k + C u = f, which a matrix S makes symmetric, tested by splines of space [1].

    S is symmetric and positive definite, and all S M^-1 A_k are symmetric, so that where these are constant and C and f
    are zero the energy u S u / 2 changes through the boundary alone. There the fields that run into the domain,
    eigenvectors of negative eigenvalues of the flux along the normal, have a penalty for their distance from the values
    that conditions B u = g give, in proportion to their speed (simultaneous approximation terms): energy never grows
    there unless conditions supply it, or reflect more than arrives. Where coefficients jump but fields do not,
    S / |S M^-1 A| leaves no jump in fluxes.

    [1] B. Gustafsson, H.-O. Kreiss, J. Oliger, "Time Dependent Problems and Difference Methods", 1995, chapters 9 and
    11; M. Carpenter, D. Gottlieb, S. Abarbanel, "Time-stable boundary conditions for finite-difference schemes solving
    hyperbolic systems", J. Comput. Phys. 111, 1994, 220.
    """

    def __init__(self, grid_problem: GridProblem, axes: Sequence[SplineAxis], spend: Spend):
        form = grid_problem.form
        self.grid_problem = grid_problem
        self.axes = axes
        self.order = 1
        assert form.time is not None
        self.time, self.fields, low = form.time, len(form.fields), float(form.domain.bounds[form.time, 0])
        self.space = [axis for axis in range(form.domain.dimension) if axis != form.time]
        rules = [AxisQuadrature(axis) for axis in axes]
        inverse, fluxes, level = resolved(grid_problem, [rule.points for rule in rules], low)
        # The symmetriser, by the size of fluxes where they vanish nowhere.
        mass = symmetriser(fluxes)
        sizes = flux_sizes(mass, fluxes)
        is_even = float(sizes.min()) > SETTINGS.even_flux * float(sizes.max())
        if is_even:
            mass = mass / sizes[..., None, None]
        # Mass and stiffness, which the SAT penalties of the walls are a part of.
        self.sources = self._assembled(rules, mass @ inverse)
        self.matrices = [self._assembled(rules, mass @ level), self._assembled(rules, mass)]
        for unit, flux in zip(np.eye(len(axes), dtype=int).tolist(), fluxes, strict=True):
            self.matrices[0] += self._assembled(rules, mass @ flux, unit)
        self._places = [axis.all_points() for axis in axes]
        # face, quadrature, factors of residuals
        self.walls = list[tuple[tuple[int, int], list[AxisQuadrature], np.ndarray]]()
        for face in walls_of(grid_problem):
            number = self.space.index(face[0])
            at = [AxisQuadrature(each, face[1] if k == number else None) for k, each in enumerate(axes)]
            given, factors = sat_penalty(grid_problem, face, [rule.points for rule in at], low, is_even)
            self.matrices[0] += self._assembled(at, factors @ given)
            if factors.any():
                self.walls.append((face, at, factors))
        self.given = np.zeros(self.matrices[0].shape[0], dtype=bool)
        self.systems = ShiftedSystems(self.matrices, spend, is_cut=False)

    def _assembled(
        self, rules: Sequence[AxisQuadrature], values: np.ndarray, trials: Sequence[int] = (0, 0)
    ) -> sparse.csr_array:
        """Integrals of matrices (*points, fields, columns), with all splines for each field, the fields first."""
        total = sparse.csr_array((0, 0))
        for row, column in np.ndindex(values.shape[-2:]):
            entry = values[..., row, column]
            if entry.any() or not total.shape[0]:
                each = between_fields(assembled(rules, entry, trials=trials), row, column, values.shape[-2:])
                if total.shape[0]:
                    total = total + each
                else:
                    total = each
        return total

    def _data(self, moments: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Loads of the source, then of the data of the conditions.
        source = np.moveaxis(
            data_of(self.grid_problem, self.grid_problem.form.equation_term, self._places, moments), 0, -1
        )
        loads = np.zeros((len(moments), len(start)))
        self._subtract_source(loads, source)
        for face, rules, factors in self.walls:
            at = [rule.points for rule in rules]
            terms = terms_on(self.grid_problem, face)
            data = np.concatenate([data_of(self.grid_problem, term, at, moments, face) for term in terms])
            data = (factors @ np.moveaxis(data, 0, -1)[..., None])[..., 0]
            loads -= integrated(rules, data, 1).reshape(loads.shape)
        return loads, np.zeros_like(loads)


def terms_on(grid_problem: GridProblem, face: tuple[int, int]) -> list[ResidualTerm]:
    """Conditions on a face."""
    return [
        grid_problem.form.condition_terms[number] for number, *other in grid_problem.faces() if tuple(other) == face
    ]


def walls_of(grid_problem: GridProblem) -> list[tuple[int, int]]:
    """Ends of coordinates of space that are not periodic: coordinate and end."""
    time = grid_problem.form.time
    periodic = grid_problem.periodic
    return [(axis, end) for axis, repeats in enumerate(periodic) if axis != time and not repeats for end in (0, 1)]


def _kinds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different ones of arrays (m, ...), and the number of that which each is, (m,)."""
    if (values == values[:1]).all():
        return values[:1], np.zeros(len(values), dtype=int)
    kinds, places = np.unique(values.reshape(len(values), -1), axis=0, return_inverse=True)
    return kinds.reshape(-1, *values.shape[1:]), places.ravel()


def resolved(
    grid_problem: GridProblem, points: Sequence[np.ndarray], moment: float
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """M^-1, all M^-1 A_k and M^-1 C on a grid of space, (*points, fields, fields) each."""
    form = grid_problem.form
    shape = tuple(map(len, points))
    assert form.time is not None
    jacobian, _ = jacobian_of(grid_problem, form.equation_term, points, moment)
    # Coefficients of all first derivatives and of the fields themselves as matrices.
    units = [tuple(row) for row in np.eye(form.domain.dimension, dtype=int).tolist()]
    found = {index: np.zeros((*shape, *[len(form.fields)] * 2)) for index in [*units, (0,) * len(units)]}
    for (row, slot, index), slope in jacobian.items():
        found[index][..., row, slot] = slope
    # M is inverted once for each different value; a singular one leaves rates undetermined.
    rates = found.pop(units[form.time])
    kinds, places = _kinds(rates.reshape(-1, *rates.shape[-2:]))
    is_finite = all(np.isfinite(slope).all() for slope in jacobian.values())  # no pole, as at the axis of a disc
    if is_finite:
        values = np.linalg.svd(kinds, compute_uv=False)
    else:
        values = np.zeros(1)
    if values.min() <= SETTINGS.vanishes * values.max():
        raise ValueError("some rates of change are not determined")
    inverse = np.linalg.inv(kinds)[places].reshape(rates.shape)
    space = [unit for axis, unit in enumerate(units) if axis != form.time]
    return inverse, [inverse @ found[unit] for unit in space], inverse @ found[(0,) * len(units)]


def symmetriser(fluxes: Sequence[np.ndarray]) -> np.ndarray:
    """S (*points, n, n), symmetric and positive definite, that makes all fluxes (*points, n, n) symmetric."""
    # It is the projection of the unit matrix on all that do.
    count = fluxes[0].shape[-1]
    shape = fluxes[0].shape
    stacked = np.stack([each.reshape(-1, count, count) for each in fluxes], 1)  # (points, k, n, n)
    kinds, places = _kinds(stacked)
    # An orthonormal basis of symmetric matrices.
    upper = np.triu_indices(count)
    basis = np.zeros((len(upper[0]), count, count))
    basis[np.arange(len(basis)), upper[0], upper[1]] = 1.0
    basis = basis + basis.swapaxes(1, 2)
    basis /= np.linalg.norm(basis, axis=(1, 2), keepdims=True)
    # The null space of S -> S A_k - (S A_k)^T for all k, by singular value decomposition.
    products = basis[:, None] @ kinds[:, None]  # (kinds, basis, k, n, n)
    gaps = (products - products.swapaxes(-1, -2)).reshape(len(kinds), len(basis), -1)
    left, values, _ = np.linalg.svd(gaps, full_matrices=False)  # there are no more rows than columns
    sizes = np.sqrt((kinds**2).sum((1, 2, 3)))
    # Projection of the unit matrix on the null space; it has to be positive definite.
    unit = np.einsum("bii->b", basis)
    free = left * (values <= SETTINGS.vanishes * sizes[:, None])[:, None]
    matrix = np.einsum("pb,bij->pij", np.einsum("pbs,pcs,c->pb", free, free, unit), basis)
    if np.linalg.eigvalsh(matrix)[:, 0].min() <= SETTINGS.vanishes:
        raise ValueError("no positive matrix makes the system symmetric")
    return matrix[places].reshape(shape)


def flux_sizes(matrix: np.ndarray, fluxes: Sequence[np.ndarray]) -> np.ndarray:
    """Sizes (*points,) of what a matrix (*points, n, n) makes of all fluxes."""
    return np.sqrt(sum(((matrix @ flux) ** 2).sum((-2, -1)) for flux in fluxes))


def sat_penalty(
    grid_problem: GridProblem, face: tuple[int, int], points: Sequence[np.ndarray], moment: float, is_even: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Factors B of conditions on a face, (*points, rows, fields), and those of their residuals in the weak form."""
    # `is_even` is whether the equations are divided by the sizes of their fluxes, in the whole domain.
    form = grid_problem.form
    shape = tuple(map(len, points))
    # Flux through the face, symmetrised.
    _, fluxes, _ = resolved(grid_problem, points, moment)
    space = [axis for axis in range(form.domain.dimension) if axis != form.time]
    matrix = symmetriser(fluxes)
    flux = (2.0 * face[1] - 1.0) * matrix @ fluxes[space.index(face[0])]
    if is_even:
        flux = flux / flux_sizes(matrix, fluxes)[..., None, None]
    # The conditions B u = g.
    rows = []
    for term in terms_on(grid_problem, face):
        given = np.zeros((*shape, len(term.requirements.sizes), len(form.fields)))
        for (row, slot, index), slope in jacobian_of(grid_problem, term, points, moment, face)[0].items():
            if any(index):
                raise ValueError("conditions have derivatives")
            given[..., row, slot] = slope
        rows.append(given)
    if rows:
        given = np.concatenate(rows, -2)
    else:
        given = np.zeros((*shape, 0, len(form.fields)))
    # Fields that run into the domain, which the conditions must determine.
    speeds, vectors = np.linalg.eigh(flux)
    running = speeds < -SETTINGS.vanishes * max(float(np.abs(speeds).max()), SETTINGS.vanishes)
    count = given.shape[-2]
    least = int(running.sum(-1).min())
    if count < least:
        at = f"{form.domain.coordinates[face[0]]}={typed_text(float(form.domain.bounds[face]))}"
        raise InputError(
            f"conditions on {at!r} must be {least} at least, as many as waves run into the domain there, got {count}"
        )
    if not (running.sum(-1) == count).all():
        raise ValueError("conditions are not as many as fields that run into the domain")
    if not count:
        return given, np.zeros((*shape, len(form.fields), 0))
    # The penalty: speeds of the incoming fields, through the inverse of the conditions on them.
    into = vectors[..., :count]
    both = given @ into
    if np.linalg.svd(both, compute_uv=False).min() <= SETTINGS.vanishes * max(
        float(np.abs(given).max()), SETTINGS.vanishes
    ):
        raise ValueError("conditions do not determine the fields that run into the domain")
    return given, into * -speeds[..., None, :count] @ np.linalg.inv(both)

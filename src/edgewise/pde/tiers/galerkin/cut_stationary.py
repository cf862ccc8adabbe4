"""Linear equations of second order on domains of space that are no box, also with an interface: grid after grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from edgewise.errors import InputError
from edgewise.outcomes import check_time
from edgewise.pde.algebra.factors import cell_factors
from edgewise.pde.domains.domain import DOMAINS
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.conditions import by_field
from edgewise.pde.problem.evaluation import Value, value_at
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.interfaces import Interface
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.tiers.collocation.stationary import network_of
from edgewise.pde.tiers.galerkin.assembly import (
    Assembly,
    flux_factors,
    linearised_at_zero,
    nitsche_penalty,
    stationary,
    wave_size,
)
from edgewise.pde.tiers.galerkin.cut_grid import CutGrid
from edgewise.pde.tiers.level import Level
from edgewise.settings import ABOVE_ZERO
from edgewise.train.cost import EQUATION_COST


@dataclass(frozen=True)
class CutStationarySettings:
    """Grids of solids without time."""

    degree: int = 5  # with the first grid, three digits of a smooth solution within three seconds
    first_intervals: int = 4
    # Factor of the splines from grid to grid, share of the most of them that the last grid may have, for more of them
    # reach into the domain than its share of the box, and the most: dense factors of 6,500 take 0.3 GB and about ten
    # seconds.
    growth: float = 1.9
    last_growth: float = 0.93
    most_splines: int = 6500
    pair_work: float = 6.0  # multiply-adds for each point and pair of splines there, in time. Measured
    unsolved: float = 1e-7  # of the load: what a singular matrix leaves of it, as without any value, is more
    fresh_points: int = 2000  # at which a residual is looked at


SETTINGS = CutStationarySettings()


def cut_cell_levels(problem: Collocation, interfaces: Sequence[Interface] = ()) -> Iterator[Level]:
    """Solve on finer and finer grids; without a level where a piece of the boundary has no distance."""
    # Parts of the domain on both sides of an interface.
    form = problem.form
    domain = problem.domain
    spaces = [domain]
    if form.parts is not None:
        inner = form.parts.inner[0]
        spaces = [domain - inner, domain & inner]
    if any(piece.distance is None for space in spaces for piece in space.pieces):
        return
    # The first grid, and points at which residuals are looked at, with the numbers of their parts.
    counts = [SETTINGS.first_intervals] * 3
    periodic = [name in form.periodic for name in domain.coordinates]
    for axis, repeats in enumerate(periodic):
        if repeats:  # a spline must not meet itself
            counts[axis] = max(counts[axis], SETTINGS.degree + 1)
    x = domain.interior(SETTINGS.fresh_points, "sobol", seed=1)
    if form.parts is None:
        number = torch.zeros(len(x), dtype=torch.int64)
    else:
        number = form.parts.number(x)
    while True:
        # One grid: its splines, the solution, its work and the error that it implies.
        check_time()
        ends = domain.bounds.tolist()
        axes = [
            SplineAxis(np.linspace(low, high, count + 1), SETTINGS.degree, repeats)
            for (low, high), count, repeats in zip(ends, counts, periodic, strict=True)
        ]
        grids = [CutGrid(form, space, axes, points_of_interval=SETTINGS.degree + 1) for space in spaces]
        size = sum(len(grid.active) for grid in grids)
        if size > SETTINGS.most_splines:
            return
        solutions = _solutions_on(problem, grids, interfaces)
        if solutions is None:
            return
        coefs = [grid.spread(each[None, :, None])[0] for grid, each in zip(grids, solutions, strict=True)]
        network = network_of(axes, np.concatenate(coefs, -1))
        pairs = sum(len(part.x) for grid in grids for part in grid.parts) * (SETTINGS.degree + 1.0) ** 6
        work = SETTINGS.pair_work * pairs + size**3 / 3 / EQUATION_COST.product_speed
        points = sum(len(grid.parts[0].x) for grid in grids)
        loss = _loss(problem, x, number, grids, solutions)
        yield Level(network=network, loss=loss, points=points, work=work)
        counts = _finer(x, number, grids, solutions, counts)


def _finer(
    x: Tensor, number: Tensor, grids: Sequence[CutGrid], solutions: Sequence[np.ndarray], counts: Sequence[int]
) -> list[int]:
    """Numbers of intervals of a grid with more splines: the coordinate of the largest error has one more in turn.

    Errors are the highest derivatives along each coordinate times powers of the length of an interval.
    """
    # The highest derivative along each coordinate, in the mean over the points of each part.
    errors = []
    size = sum(len(grid.active) for grid in grids)
    for axis in range(3):
        index = (*(SETTINGS.degree * int(k == axis) for k in range(3)),)
        total = 0.0
        for part, (grid, solution) in enumerate(zip(grids, solutions, strict=True)):
            own = x[number == part]
            highest = grid.at(own, index, solution[:, None])[:, 0]
            total += float(((highest * (grid.widths(own)[:, axis] / np.pi) ** SETTINGS.degree) ** 2).sum())
        errors.append(math.sqrt(total))
    # Intervals are added along the coordinate with the largest error, up to a factor of the splines.
    finer = list(counts)
    splines = math.prod(count + SETTINGS.degree for count in counts)
    if SETTINGS.growth * size <= SETTINGS.most_splines:
        least = SETTINGS.growth
    else:
        least = SETTINGS.last_growth * SETTINGS.most_splines / size
    while True:
        remaining = [e * (old / new) ** SETTINGS.degree for e, old, new in zip(errors, counts, finer, strict=True)]
        axis = int(np.argmax(remaining))
        more = [count + int(k == axis) for k, count in enumerate(finer)]
        if math.prod(count + SETTINGS.degree for count in more) > least * splines and finer != list(counts):
            return finer
        finer = more


def _solutions_on(
    problem: Collocation, grids: Sequence[CutGrid], interfaces: Sequence[Interface]
) -> list[np.ndarray] | None:
    """Coefficients (active,) of the solution on each part; None where there is no single one."""
    try:
        assemblies, loads = zip(*(stationary(problem.form, grid) for grid in grids), strict=True)
    except InputError:
        return None
    # A block for each part of the domain; interfaces join them.
    blocks: list[list[sparse.sparray]] = [
        [
            assembly.matrices[0] if assembly.grid is other else sparse.csr_array((len(load), len(other.active)))
            for other in grids
        ]
        for assembly, load in zip(assemblies, loads, strict=True)
    ]
    for interface in interfaces:
        _join(problem, interface, assemblies, loads, blocks)
    matrix = sparse.block_array(blocks, format="csr")
    load = np.concatenate(loads)
    try:
        with np.errstate(all="ignore"):
            factors = cell_factors(matrix, np.sqrt(np.abs(matrix.diagonal())))
            solution = factors(load)
    except np.linalg.LinAlgError:
        return None
    # A residual of the load shows a singular matrix: the solution is not the only one.
    residual = factors.rows * (load - matrix @ solution)
    if not float(np.linalg.norm(residual)) <= SETTINGS.unsolved * max(
        float(np.linalg.norm(factors.rows * load)), ABOVE_ZERO
    ):
        return None
    return np.split(solution, np.cumsum([len(grid.active) for grid in grids])[:-1])


def _join(
    problem: Collocation,
    interface: Interface,
    assemblies: Sequence[Assembly],
    loads: Sequence[np.ndarray],
    blocks: list[list[sparse.sparray]],
) -> None:
    """Add to loads and the matrix what joins both sides of an interface: the symmetric interior penalty method [1]."""
    # [1] D. Arnold, "An interior penalty finite element method with discontinuous elements", SIAM J. Numer. Anal. 19,
    # 1982, 742.
    form = problem.form
    grids = [assembly.grid for assembly in assemblies]
    sign = assemblies[0].sign
    inner = grids[1]
    # Given jumps of values and of fluxes.
    given: Value = 0.0
    if interface.value is not None:
        given = next(iter(by_field(interface.value, form.fields).values()))
    flux: Value
    if isinstance(interface.flux, Sequence):
        flux = interface.flux[0]
    else:
        flux = interface.flux
    names = form.domain.coordinates
    step = DOMAINS.off_boundary_step * float(form.domain.size.max())
    none: Index = (0, 0, 0)
    units: list[Index] = [tuple(row) for row in np.eye(3, dtype=int).tolist()]
    for x, normal, weights in (part for name, part in inner.boundary.items() if name not in form.domain.boundary_names):
        share = weights.numpy()
        numbers = [grid.with_points(x) for grid in grids]
        # The equation on both sides, its fluxes, and the mean penalty.
        sides = [x + step * normal, x - step * normal]
        linearised = [linearised_at_zero(form, form.equation_term, side, None)[1] for side in sides]
        factors = [{index: each for (_, _, index), each in jacobian.items()} for jacobian in linearised]
        fluxes = [sign * flux_factors(side, normal.numpy()) for side in factors]
        penalty = share * sum(nitsche_penalty(inner, x, normal.numpy(), side) for side in factors) / 2
        jump = value_at(given, names, x, "value").expand(len(x)).numpy()
        gap = value_at(flux, names, x, "flux").expand(len(x)).numpy()
        gap = -sign * gap / float(form.equation_term.requirements.sizes[0])
        # Jumps are outside less inside, and means those of both sides; the normal points from inside to outside.
        for row, side in enumerate((1.0, -1.0)):
            mean = {none: 0.5 * share}
            tested = {
                none: side * penalty,
                **{unit: 0.5 * share * fluxes[row][:, k] for k, unit in enumerate(units)},
            }
            for combination, values in ((tested, jump), (mean, -gap)):
                loads[row][:] += grids[row].sums(numbers[row], combination, values[:, None])[:, 0]
            # Jumps and mean fluxes of trial functions on both sides.
            for column, turn in enumerate((1.0, -1.0)):
                beyond = grids[column], numbers[column]
                flow: dict[Index, np.ndarray] = {unit: -turn * fluxes[column][:, k] for k, unit in enumerate(units)}
                for left, right in ((tested, {none: turn + 0 * share}), (mean, flow)):
                    joined = grids[row].products(numbers[row], left, right, beyond)
                    blocks[row][column] = blocks[row][column] + joined


def _loss(
    problem: Collocation, x: Tensor, number: Tensor, grids: Sequence[CutGrid], solutions: Sequence[np.ndarray]
) -> float:
    """Square of the error that the residual at points on numbered parts implies, relative to the solution."""
    form = problem.form
    errors = list[np.ndarray]()
    values = list[np.ndarray]()
    for part, (grid, solution) in enumerate(zip(grids, solutions, strict=True)):
        own = x[number == part]
        # The residual of the solution at fresh points, as the equation is linear.
        residuals, jacobian = linearised_at_zero(form, form.equation_term, own, None)
        factors = {index: each for (_, _, index), each in jacobian.items()}
        residual = residuals[0]
        for index, factor in factors.items():
            residual = residual + factor * (grid.at(own, index, solution[:, None])[:, 0])
        # Error of the fastest wave that the grid holds, for which the residual stands.
        waves = wave_size(grid.widths(own), factors, np.pi)
        errors.append(residual / np.maximum(waves, ABOVE_ZERO))
        values.append(grid.at(own, (0, 0, 0), solution[:, None])[:, 0])
    return float((np.concatenate(errors) ** 2).mean() / max((np.concatenate(values) ** 2).mean(), ABOVE_ZERO))

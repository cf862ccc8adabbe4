"""Grids for eigenvalues, finer and finer, and functions of the corners that fulfil all conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.mesh import separated
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.features import NarrowFeature, jumps_along, narrow_features, resolving, within_reach
from edgewise.pde.problem.singular import CornerFunctions, corner_functions
from edgewise.pde.problem.strong_form import Feature
from edgewise.train.blocks import BlockRole


@dataclass(frozen=True)
class GridSettings:
    """Grids of splines for eigenvalues."""

    # Intervals of each coordinate on the first grid, by dimension, and factor from grid to grid: the first takes
    # milliseconds, and splines of degree 5 have eigenvalues that converge with the tenth power of the grid size.
    coarsest: tuple[int, ...] = (16, 7, 3)
    finer: float = 1.5
    most_splines: int = 3600  # of all fields: their dense matrices are factorised within about ten seconds
    # Degree of the splines for equations up to order 4, and by how much it is above higher orders: higher ones couple
    # more splines and lose digits on graded grids.
    degree: int = 5
    above_order: int = 3
    # The same where the boundary cuts cells, by dimension: splines of degree 8 have ten digits on a disk after three
    # seconds, and in three dimensions products of higher ones are dear.
    coarsest_cut: tuple[int, ...] = (8, 6, 4)
    cut_degree: tuple[int, ...] = (8, 8, 5)
    most_cut_splines: int = 1500
    # Octaves towards a reentrant corner on the first grid, and more of them from grid to grid. An eigenvalue's error
    # there falls with the size of the smallest cell to the power of 4/3 for an angle of 270 degrees.
    corner_octaves: int = 10
    more_octaves: int = 6
    # Where the singular functions of the corners are known: intervals of the first grid, octaves, and the most
    # splines; octaves of the quadrature, whose integrands are bounded; and the residual of such a function, relative
    # to its largest derivative, up to which the equation's leading part is the Laplacian; half a minute to nine
    # digits.
    coarsest_with_corners: int = 17
    octaves_with_corners: int = 4
    more_with_corners: int = 1
    most_with_corners: int = 1800
    integrated_octaves: int = 8
    harmonic: float = 1e-6
    # Cells of an interval of the first grid whose ends may miss a feature, about as many as it has points of quadrature
    cells_of_interval: int = 4
    beside_feature: float = 2.0  # widths of a feature from its middle, within which intervals are cut from grid to grid
    # Share of the largest singular value below which a combination of splines fulfils the conditions: far above
    # rounding and far below any combination that does not.
    fulfilled: float = 1e-10


SETTINGS = GridSettings()


def harmonic_corners(problem: Collocation) -> list[CornerFunctions]:
    """Singular functions of reentrant corners that fulfil all conditions, or none unless they are all harmonic there.

    They are so if the second derivatives of the equation are a number times the Laplacian at the corner.
    """
    if len(problem.fields) > 1 or problem.form.order != 2:
        return []
    conditions = problem.with_role(BlockRole.CONDITION)
    numbers = {name: value.detach() for name, value in problem.unknowns.items()}
    found = []
    for functions in corner_functions(problem.domain):
        # Is the equation the Laplacian near the corner, up to a factor? Then residuals of the strongest singular
        # functions are small beside their derivatives.
        around = functions.radius * torch.tensor([1e-5, 2e-5], dtype=torch.float64)
        inside = functions.start + functions.opening * torch.tensor([0.3, 0.7], dtype=torch.float64)
        x = functions.corner + around[:, None] * torch.stack([inside.cos(), inside.sin()], 1)
        data = points_with(x)
        block = problem.equation_block(data)
        first = functions.chosen(
            [n for n, (exponent, _, more) in enumerate(functions.terms) if exponent < 2 and not more]
        )
        jet = first.jet(x, block.directions, block.order)
        largest = jet.abs().amax((0, 1))
        copies = {name: value.expand(len(x)) for name, value in numbers.items()}
        for number, size in enumerate(largest.tolist()):
            residual = block.residuals(jet[..., number : number + 1], block.data, copies) * problem.sizes
            if float(residual.abs().max()) > SETTINGS.harmonic * size:
                return []
        # Functions that fulfil the conditions at their points.
        fulfilled = torch.ones(len(functions.terms), dtype=torch.bool)
        for condition in conditions:
            near = condition.data.select((condition.data.x - functions.corner).norm(dim=1) > 0)
            jet = functions.jet(near.x, condition.directions, condition.order)
            copies = {name: value.expand(len(near)) for name, value in numbers.items()}
            for number in range(len(functions.terms)):
                residual = condition.residuals(jet[..., number : number + 1], near, copies)
                fulfilled[number] &= float(residual.abs().max()) < SETTINGS.fulfilled
        if bool(fulfilled.any()):
            found.append(functions.chosen(fulfilled.nonzero()[:, 0].tolist()))
    return found


def degree_of(problem: Collocation) -> int:
    """Degree of the splines on grids whose cells the boundary does not cut."""
    if problem.form.order < SETTINGS.degree:
        return SETTINGS.degree
    return min(problem.form.order + SETTINGS.above_order, MAX_PRODUCT_DEGREE)


def finer_grids(problem: Collocation, is_fitted: bool, corners_are_known: bool) -> Iterator[list[Tensor]]:
    """Breakpoints of ever finer grids; those of polygons hold the corners and are graded towards reentrant ones."""
    domain = problem.domain
    # Sizes and growth of the grids: fitted to the domain, cut by its boundary, or with singular functions of corners.
    count = SETTINGS.coarsest[problem.domain.dimension - 1]
    octaves = SETTINGS.corner_octaves
    more = SETTINGS.more_octaves
    most = SETTINGS.most_splines
    degree = degree_of(problem)
    if not is_fitted:
        count = SETTINGS.coarsest_cut[domain.dimension - 1]
        most = SETTINGS.most_cut_splines
        degree = SETTINGS.cut_degree[domain.dimension - 1]
    if corners_are_known:
        count = SETTINGS.coarsest_with_corners
        octaves = SETTINGS.octaves_with_corners
        more = SETTINGS.more_with_corners
        most = SETTINGS.most_with_corners
    periodic = [name in problem.form.periodic for name in domain.coordinates]
    first = count
    breakpoints = _Breakpoints.of(problem, first)
    while True:
        # Even breakpoints; in polygons they hold the corners and are graded geometrically towards reentrant ones.
        lines = []
        for axis, (low, high) in enumerate(domain.bounds.tolist()):
            line = torch.linspace(low, high, max(count, degree + 1 if periodic[axis] else 1) + 1, dtype=torch.float64)
            if is_fitted and len(domain.corners):
                coarse = torch.linspace(
                    low, high, count if corners_are_known else max(5, count // 2), dtype=torch.float64
                )
                line = graded_to_corners(
                    domain, axis, torch.cat([coarse, domain.corners[:, axis], line[[0, -1]]]), octaves
                )
            lines.append(line)
        # Splines inside the domain, of all fields, are limited.
        share = len(problem.fields) * (1.0 if is_fitted else domain.volume / float(domain.size.prod()))
        splines = math.prod(len(line) - 1 + (0 if p else degree) for line, p in zip(lines, periodic, strict=True))
        if splines * share > most:
            return
        yield within_reach(lines, breakpoints.within(lines, math.ceil(count / first)), degree, most / share)
        count = math.ceil(SETTINGS.finer * count)
        octaves = octaves + more


@dataclass(frozen=True)
class _Breakpoints:
    """Breakpoints that the functions of the equation ask for, for each axis of a box."""

    jumps: tuple[list[float], ...]
    features: tuple[NarrowFeature, ...]

    @classmethod
    def of(cls, problem: Collocation, count: int) -> _Breakpoints:
        """Breakpoints for a problem whose first grid has `count` intervals along each axis."""
        form = problem.form
        if not form.domain.is_box or Feature.INTEGRALS in form.features:
            return cls((), ())
        jumps = tuple(jumps_along(form, axis) for axis in range(form.domain.dimension))
        # What quadrature on the first grid may miss, and what even the look at many places may.
        coarse = narrow_features(form, SETTINGS.cells_of_interval * count)
        return cls(jumps, (*coarse, *narrow_features(form)))

    def within(self, lines: Sequence[Tensor], parts: int) -> list[Tensor]:
        """Breakpoints of each axis with these among them, and intervals in and beside features cut into `parts`."""
        if not self.jumps:
            return list(lines)
        finer = []
        for axis, line in enumerate(lines):
            resolved = torch.from_numpy(resolving(line.numpy(), self.features, axis))
            points = separated(torch.cat([resolved, resolved.new_tensor(self.jumps[axis])]))
            # Two grids with the same intervals in a feature would agree on what both miss there.
            middles = (points[1:] + points[:-1]) / 2
            near = torch.zeros_like(middles, dtype=torch.bool)
            for feature in self.features:
                if feature.axis == axis:
                    near |= (middles - feature.place).abs() < SETTINGS.beside_feature * feature.width
            shares = torch.arange(1, parts, dtype=points.dtype) / parts
            inner = points[:-1][near, None] + points.diff()[near, None] * shares
            finer.append(separated(torch.cat([points, inner.flatten()])))
        return finer


def graded_to_corners(domain: Domain, axis: int, line: Tensor, octaves: int) -> Tensor:
    """Breakpoints with more of them towards the reentrant corners: the distance is halved `octaves` times."""
    low, high = domain.bounds[axis].tolist()
    inner = [line]
    # Corners at which the way around the polygon turns to the outside: the angle inside is more than 180 degrees.
    ahead = domain.corners.roll(-1, 0) - domain.corners
    back = domain.corners - domain.corners.roll(1, 0)
    turn = back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0]
    for corner in domain.corners[turn < 0]:
        steps = (high - low) / 4 * 0.5 ** torch.arange(octaves, dtype=torch.float64)
        inner += [corner[axis] + steps, corner[axis] - steps]
    every = torch.cat(inner)
    return separated(every[(every >= low) & (every <= high)])

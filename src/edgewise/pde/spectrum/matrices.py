"""Matrices of Galerkin's method at given values of the coefficient, on cells that fit the domain or are cut by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import check_time
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.singular import CornerFunctions
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.networks import EnrichedNetwork, TensorNetwork
from edgewise.pde.spectrum.grids import SETTINGS, degree_of, graded_to_corners
from edgewise.pde.tiers.collocation.stationary import network_of
from edgewise.pde.tiers.galerkin.assembly import stationary
from edgewise.pde.tiers.galerkin.cut_grid import CutGrid
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import BlockRole
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import trainable_slots
from edgewise.train.problems import BlockProblem


@dataclass(frozen=True)
class MatrixSettings:
    """Splines that are left out, and rows at once."""

    # Energy, relative to the largest, below which a sum of splines hardly reaches into the domain, so that rounding
    # alone determines its eigenvalue: eigenvalues change by as much where it is left out.
    least_energy: float = 1e-13
    corner_chunk: int = 2**18  # numbers in the rows of one chunk, where there are also dense rows of corner functions


MATRICES = MatrixSettings()
Matrices = tuple[list[Tensor], Callable[[Tensor], nn.Module]]
"""Matrices (P, P) at some values of the coefficient, and what makes a function of mean square 1 from a vector (P,)."""


def on_fitted_cells(
    problem: Collocation, lines: list[Tensor], corners: list[CornerFunctions], values: list[float]
) -> Matrices:
    """Galerkin's method with splines, and functions of corners, that fulfil all conditions."""
    periodic = [name in problem.form.periodic for name in problem.domain.coordinates]
    degree = degree_of(problem)
    layer = TensorLayer(lines, len(problem.fields), degree=degree, periodic=periodic)
    network = TensorNetwork(layer)
    (name,) = problem.form.coefficients
    # Cells of the quadrature, graded towards corners with singular functions.
    finer = lines
    domain = problem.domain
    if corners:
        halved = [torch.cat([line, (line[1:] + line[:-1]) / 2]) for line in lines]
        finer = [graded_to_corners(domain, axis, line, SETTINGS.integrated_octaves) for axis, line in enumerate(halved)]
    mesh = Mesh(domain, finer, degree + 1)  # points of each interval: exact for products of two splines
    # The same problem with the coefficient fixed at each value.
    problems = [
        problem.with_unknowns(
            {name: nn.Parameter(torch.tensor(value, dtype=torch.float64), requires_grad=False)}
        ).resampled(1, mesh=mesh)
        for value in values
    ]
    projected = [_projected(network, each, corners) for each in problems]
    space = _fulfilling(network, problems[:2], projected[0][1])
    x, weights = mesh.interior()

    def function(vector: Tensor) -> nn.Module:
        coef, factors = (space @ vector).tensor_split([layer.coef.numel()])
        one = TensorLayer(lines, len(problem.fields), degree=degree, periodic=periodic)
        one.coef = nn.Parameter(coef.reshape(one.coef.shape))
        made = TensorNetwork(one)
        if corners:
            made = EnrichedNetwork(one, corners, factors)
        # The mean square over the domain is one.
        norm = (weights[:, None] * predict_in_batches(made, x).square()).sum(1).mean().sqrt()
        for each in made.unknowns():
            each.data /= norm
        return made

    return [space.mT @ matrix @ space for matrix, _ in projected], function


def on_cut_cells(problem: Collocation, lines: list[Tensor], values: list[float]) -> Matrices:
    """Galerkin's method with all splines that reach into the domain, whose boundary cuts cells."""
    domain = problem.domain
    (name,) = problem.form.coefficients
    degree = SETTINGS.cut_degree[domain.dimension - 1]
    periodic = [each in problem.form.periodic for each in domain.coordinates]
    axes = [SplineAxis(line.numpy(), degree, repeats) for line, repeats in zip(lines, periodic, strict=True)]
    # Matrices of the weak form, from whose energy its reach into the domain is known.
    grid = CutGrid(problem.form, domain, axes, points_of_interval=degree + 1)
    forms = [replace(problem.form, coefficients={name: value}) for value in values]
    matrices = [torch.from_numpy(stationary(form, grid)[0].matrices[0].toarray()) for form in forms]
    mass = matrices[1] - matrices[0]
    share = matrices[0].diagonal().abs().max() / mass.diagonal().abs().max().clamp(min=ABOVE_ZERO)
    # The space of those splines whose energy inside is above rounding.
    energy = matrices[0] + share * mass * mass.diagonal().sum().sign()
    unit = energy.diagonal().abs().clamp(min=ABOVE_ZERO).rsqrt()
    sizes, directions = torch.linalg.eigh(unit[:, None] * (energy + energy.mT) / 2 * unit)
    space = unit[:, None] * directions[:, sizes > MATRICES.least_energy * sizes[-1]]

    def function(vector: Tensor) -> nn.Module:
        coef = (space @ vector).numpy()
        inside = grid.parts[0]
        shares = inside.weights**2 / (inside.weights**2).sum()
        coef = coef / math.sqrt(shares @ grid.values(0, (0,) * len(axes), coef[:, None])[:, 0] ** 2)
        return network_of(axes, grid.spread(coef[None, :, None])[0])

    return [space.mT @ matrix @ space for matrix in matrices], function


def _projected(network: TensorNetwork, problem: Collocation, corners: list[CornerFunctions]) -> tuple[Tensor, Tensor]:
    """Products (P, P) of functions with the equation's residuals of functions, and energy norms (P,) of the functions.

    The functions are the splines, and after them those of corners.

    Residual r is multiplied with the splines of field r. The energy norm is the root of the norm of the spline times
    that of its residual: with splines of energy norm 1, matrices of strongly graded grids lose few digits.
    """
    # Sums over the points of the equation, part by part.
    fields = len(problem.fields)
    splines = network.tensor_layer.coef.numel()
    size = splines + sum(len(functions.terms) for functions in corners)
    (block,) = problem.with_role(BlockRole.EQUATION)
    alone = BlockProblem([block], problem.unknowns)
    total = torch.zeros(size * size, dtype=torch.float64)
    squares = torch.zeros(2, size, dtype=torch.float64)
    offset = 0
    slots = trainable_slots(network, alone)
    source = RowSource(network, alone, slots)
    if corners:
        source = RowSource(network, alone, slots, MATRICES.corner_chunk)
    for rows, _ in source.chunks():
        check_time()
        (run,) = rows.runs
        part = len(run.starts) // fields
        x = block.data.x[offset : offset + part]
        weight = block.data.weight
        roots = torch.ones(part, dtype=torch.float64)
        if weight is not None:
            roots = weight[offset : offset + part].sqrt()
        offset += part
        # Splines times residuals of splines.
        for field in range(fields):
            sensitivity = torch.zeros(1, part, fields, dtype=torch.float64)
            sensitivity[..., field] = roots
            (tested,) = network.tensor_layer.jacobian_segments(x[None], sensitivity)
            own = slice(field * part, (field + 1) * part)
            # Entries of residuals and of tests that are not zero.
            columns, values = _entries(run.starts[own], run.values[own])
            places, tests = _entries(tested.starts, tested.values)
            flat = places[:, :, None] * size + columns[:, None, :]
            total.index_add_(0, flat.flatten(), (tests[:, :, None] * values[:, None, :]).flatten())
            squares[0].index_add_(0, places.flatten(), tests.square().flatten())
            squares[1].index_add_(0, columns.flatten(), values.square().flatten())
            # The same with functions of corners.
            if corners:
                of_corners = torch.cat([functions(x) for functions in corners], 1) * roots[:, None]
                # Weighted residuals of the functions of all corners, one after the other.
                data = block.data.select(slice(offset - part, offset))
                jet = torch.cat([functions.jet(data.x, block.directions, block.order) for functions in corners], 2)
                copies = {name: value.detach().expand(len(data)) for name, value in problem.unknowns.items()}
                columns_of = [block.weighted_residuals(each[..., None], data, copies) for each in jet.unbind(2)]
                left = torch.cat(columns_of, 1)
                row = torch.zeros(part, splines, dtype=torch.float64).scatter_(1, columns, values)
                test = torch.zeros(part, splines, dtype=torch.float64).scatter_(1, places, tests)
                matrix = total.view(size, size)
                matrix[:splines, splines:] += test.mT @ left
                matrix[splines:, :splines] += of_corners.mT @ row
                matrix[splines:, splines:] += of_corners.mT @ left
                squares[0, splines:] += of_corners.square().sum(0)
                squares[1, splines:] += left.square().sum(0)
    return total.reshape(size, size), squares.prod(0).sqrt().sqrt()


def _entries(starts: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and entries of each row, (b, s * length) both, from its runs."""
    columns = starts[..., None] + torch.arange(values.shape[2])
    return columns.flatten(1), values.flatten(1)


def _fulfilling(network: TensorNetwork, problems: list[Collocation], norms: Tensor) -> Tensor:
    """Combinations (P, m) of functions of energy norm 1 that fulfil the conditions of these problems.

    Functions after the splines fulfil them already.
    """
    rows = []
    for problem in problems:
        blocks = problem.with_role(BlockRole.CONDITION)
        if blocks:
            alone = BlockProblem(list(blocks), problem.unknowns)
            rows.append(RowSource(network, alone, trainable_slots(network, alone)).in_full()[0])
    # Splines of energy norm 1 that have points inside the domain.
    seen = norms > SETTINGS.fulfilled * norms.max()  # other splines have no point inside the domain
    unit = torch.where(seen, 1 / norms, 0.0)
    free = seen.nonzero()[:, 0]
    identity = torch.zeros(len(norms), len(free), dtype=torch.float64)
    identity[free, torch.arange(len(free))] = unit[free]
    if not rows:
        return identity
    # The null space of the conditions of all problems, by singular values.
    every = torch.cat(rows)
    every = torch.cat([every, every.new_zeros(len(every), len(norms) - every.shape[1])], 1)
    scaled = every[:, free] * unit[free]
    size = scaled.norm(dim=0)
    bound = size > SETTINGS.fulfilled * size.max()
    _, sizes, directions = torch.linalg.svd(scaled[:, bound] / size[bound], full_matrices=True)
    rank = int((sizes > SETTINGS.fulfilled * sizes[0]).sum())
    kept = directions[rank:].mT / size[bound][:, None]
    return torch.cat([identity[:, ~bound], identity[:, bound] @ torch.linalg.qr(kept)[0]], 1)

"""The error of a solution from the equation of the error, solved on another grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.outcomes import check_time
from edgewise.pde.domains.mesh import Mesh, equal_shares
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.judging.residuals import WorstCase, residual_size
from edgewise.pde.solver.judging.uniqueness import (
    COARSE,
    UNIQUENESS,
    SumNetwork,
    problem_around,
    squared_residuals,
)
from edgewise.pde.solver.solution import field_values
from edgewise.pde.solver.training import linear_method, train_network
from edgewise.pde.spaces.networks import TensorNetwork, fields_of
from edgewise.settings import ABOVE_ZERO
from edgewise.train.cost import EQUATION_COST


@dataclass(frozen=True)
class CorrectionSettings:
    """Grid and work of the equation of the error."""

    # A correction that leaves a share of the residual leaves about that share of the error; above this share the rest
    # of the residual is rounding or finer than the grid, and does not count.
    explained: float = 0.9
    # Points of the equation of the error between breakpoints; in a time element there are as many as its polynomial has
    # coefficients, for its residual is orthogonal to polynomials of all lower degrees, and fewer points do not see
    # that.
    points: int = 3
    late_share: float = 0.1  # of the time: the last part, whose error counts where it is larger
    # Multiply-adds that a correction may take at least, some 0.05 seconds, and where a solution consists of time
    # elements, whose growth of errors nothing else knows, a second.
    work: float = 1e8
    work_of_elements: float = 1e9


CORRECTION = CorrectionSettings()


def correction_of(
    network: nn.Module, problem: Collocation, points: WorstCase, residual: float, work: float, is_only: bool
) -> float | None:
    """Size of the error's solution on another grid, relative to the fields; None without such a grid."""
    check_time()
    # A grid for the error, unlike that of the solution.
    degree, (x, weights, _) = max(UNIQUENESS.coarse_degree, problem.form.order + 1), points
    for own, per_interval in _grids_of(network, problem, is_only):
        lines = _other_grid(own, per_interval, problem, points, degree, work)
        if lines is not None:
            break
    else:
        return None
    periodic = [name in problem.form.periodic for name in problem.domain.coordinates]
    error = TensorNetwork(TensorLayer(lines, problem.form.outputs, degree=degree, periodic=periodic))
    # The residual oscillates on the grid of the network: fewer points would take it for a smooth one.
    are_elements = max(per_interval) > CORRECTION.points
    both = list(own)
    for axis, (line, of_network) in enumerate(zip(lines, own, strict=True)):
        if not are_elements or len(of_network) < len(line):
            both[axis] = torch.cat([line, of_network]).unique()
    sampled = problem.resampled(1, seed=1, mesh=Mesh(problem.domain, both, of_each=per_interval), own_unknowns=True)
    around = problem_around(network, sampled)
    check_time()
    # Least squares of the linearised equation.
    method = linear_method(error.tensor_layer.coef.numel() + len(problem.unknowns) + 1, is_cut=problem.is_cut)
    steps = 4
    if problem.form.is_linear:
        steps = 2
    train_network(error, around, method, steps)
    check_time()
    # Size of the error, in the mean over the domain and over the end of the time.
    total = SumNetwork(network, error)
    corrected = problem.with_unknowns({name: value.detach() for name, value in around.unknowns.items()})
    before = field_values(network, problem, x)
    after = field_values(total, corrected, x)
    shares = [weights[:, None]]
    moments = fields_of(network).moments
    if moments is not None:  # errors grow in time, and users ask for the last moment
        axis, ends = moments
        begin = float(ends[0])
        end = float(ends[-1])
        shares.append(shares[0] * (x[:, axis, None] > end - CORRECTION.late_share * (end - begin)))
    # Relative change of the fields, and the share of the residual that the correction leaves.
    gaps = [float((each * (after - before).square()).sum().sqrt()) for each in shares]
    sizes = [max(float((each * after.square()).sum().sqrt()), ABOVE_ZERO) for each in shares]
    gap = max(gap / size for gap, size in zip(gaps, sizes, strict=True))
    check_time()
    fresh = points._replace(squares=squared_residuals(total, corrected, x))
    left = residual_size(total, corrected, fresh) / max(residual, ABOVE_ZERO)
    if not (math.isfinite(gap) and math.isfinite(left)):
        return None
    # Scaled to its best multiple, or, where it explains most of the residual, summed as a geometric series.
    if left > 1 and not is_only:  # it is longer than the multiple of it that leaves the least
        return gap / left
    if left >= CORRECTION.explained:
        return gap
    return gap / (1 - left)


def _grids_of(
    network: nn.Module, problem: Collocation, is_only: bool
) -> Iterator[tuple[Sequence[Tensor], Sequence[int]]]:
    """Breakpoints between which the residual of a network oscillates, and points for each interval; then fewer."""
    # Grid of the network; of an integration in time its elements, with a point for each coefficient in time.
    ends = [torch.stack([low, high]) for low, high in problem.domain.bounds]
    few = [CORRECTION.points] * len(ends)
    grid = fields_of(network).grid
    moments = fields_of(network).moments
    if grid is None:
        yield ends, few
    elif moments is None:
        yield grid.breakpoints, few
    else:
        axis, element_ends = moments
        lines = list(grid.breakpoints)
        counts = few.copy()
        lines[axis] = element_ends
        counts[axis] = grid.degrees[axis] + 1
        yield lines, counts
        if is_only:
            yield ends, few


def _other_grid(
    own: Sequence[Tensor],
    per_interval: Sequence[int],
    problem: Collocation,
    points: WorstCase,
    degree: int,
    work: float,
) -> list[Tensor] | None:
    """Breakpoints of a grid unlike that of the network, for the error: in one to three dimensions, or None.

    Each coordinate has intervals of equal shares of the residual and of the length; their number is what the work
    allows, and at most about three times that of the network.
    """
    dimension = problem.domain.dimension
    fields = problem.form.outputs
    if dimension not in COARSE:
        return None
    # As many intervals as the work allows.
    sizes = [len(line) - 1 for line in own]
    are_elements = max(per_interval) > CORRECTION.points
    counts = [3 * n // 2 + 1 if n > 1 and not are_elements else round(300 ** (1 / dimension)) for n in sizes]
    rows = 1 + 2 * problem.form.order
    places = sum(problem.form.equation_term.requirements.integrals.values())
    while True:
        # Work of a step of least squares on this grid.
        size = math.prod(n + degree for n in counts) * fields
        each = zip(counts, sizes, per_interval, strict=True)
        joined = (per * (m if are_elements and m >= n else n + m) for n, m, per in each)
        count = math.prod(joined) * fields
        if problem.form.has_integrals:
            active = size
        else:
            active = (degree + 1) ** dimension * fields
        of_integrals = EQUATION_COST.active_work * count * places * active
        if 2 * (EQUATION_COST.levenberg_marquardt(count * rows, size, active) + of_integrals) <= work:
            break
        if min(counts) <= degree + 1:
            return None
        counts = [max(degree + 1, round(0.85 * n)) for n in counts]
    # Equal shares of the residual.
    lines = equal_shares(points.x, points.weights, points.squares.sqrt(), problem.domain.bounds, counts)
    for axis, (low, high) in enumerate(problem.domain.bounds.tolist()):
        if len(lines[axis]) <= degree + 1:
            lines[axis] = torch.linspace(low, high, counts[axis] + 1, dtype=torch.float64)
    return lines

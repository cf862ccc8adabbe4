"""Residuals of a solution at points that it was not made from, sought where they are large."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgewise.outcomes import OutOfTime, check_time
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.integrals import Rule
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver.judging.uniqueness import (
    block_squares,
    squared_residuals,
)
from edgewise.train.blocks import BlockRole


@dataclass(frozen=True)
class SearchSettings:
    """Points and rounds of the search for large residuals."""

    # Cells of each coordinate with one point each from which the search starts, by dimension, and points of a Sobol
    # sequence in more dimensions, a power of 2: about 4,000 to 8,000 points, a fraction of a second.
    first_cells: tuple[int, int, int] = (8192, 72, 18)
    many_dimensions: int = 4096
    # Rounds of the search, and cells that are split in each, those of the largest share of the mean square: five rounds
    # find places 32 times narrower than a cell.
    search_rounds: int = 5
    split: int = 128
    condition_points: int = 400  # on the boundary, for the residuals of conditions: two digits of a mean
    # Two rules of integration must agree to this size, in units of the field.
    integrals_agree: float = 1e-8
    largest_gap: float = 1e-4  # the same, above which they are doubted; a smaller one is part of the estimate


SEARCH = SearchSettings()


class WorstCase(NamedTuple):
    """Fresh points and what the equation leaves there."""

    x: Tensor  # points, (N, n)
    weights: Tensor  # the parts of the domain that they stand for, (N,); their sum is 1
    squares: Tensor  # sums of the squared residuals of the equation, in units of the field, (N,)


def worst_case_points(network: nn.Module, problem: Collocation, seed: int = 0) -> WorstCase:
    """Points that are denser where residuals are large; as many as there is time for."""
    # Stratified sampling that splits those cells that have the largest shares of the mean square, as in recursive
    # stratified sampling [1]; weighted means at the points are means over the domain.
    # [1] W. Press, G. Farrar, "Recursive stratified sampling for multidimensional Monte Carlo integration", Computers
    # in Physics 4, 1990, 190.
    domain = problem.domain
    dimension = problem.domain.dimension
    if dimension > len(SEARCH.first_cells):
        x = domain.interior(SEARCH.many_dimensions, "sobol", seed)
        return WorstCase(
            x, torch.full((len(x),), 1 / len(x), dtype=torch.float64), squared_residuals(network, problem, x)
        )
    # An integral needs the field at all its places for every point.
    fewer = 8 if problem.form.has_integrals else 1
    first = SEARCH.first_cells[dimension - 1] // fewer
    most = SEARCH.split // fewer
    # Even cells with a random point in each.
    generator = torch.Generator().manual_seed(seed)
    centers = domain.bounds[:, 0] + domain.size * unit_points(first**dimension, dimension, "grid")
    sides = (domain.size / first).expand_as(centers)
    corners = torch.cartesian_prod(*[torch.tensor([-0.25, 0.25], dtype=torch.float64)] * dimension).reshape(
        -1, dimension
    )

    def drawn(centers: Tensor, sides: Tensor) -> tuple[Tensor, ...]:
        x = centers + sides * (torch.rand(centers.shape, generator=generator, dtype=torch.float64) - 0.5)
        inside = domain.contains(x)
        x = x[inside]
        centers = centers[inside]
        sides = sides[inside]
        return x, centers, sides, squared_residuals(network, problem, x) if len(x) else x[:, 0]

    cells = drawn(centers, sides)
    # Cells with the largest shares are split.
    for _ in range(SEARCH.search_rounds):
        try:
            check_time()
        except OutOfTime:
            break
        x, centers, sides, squares = cells
        order = torch.where(squares.isfinite(), squares * sides.prod(1), math.inf).argsort(descending=True)
        split = order[:most]
        kept = order[most:]
        finer = (centers[split, None] + sides[split, None] * corners).flatten(0, 1)
        new = drawn(finer, (sides[split] / 2).repeat_interleave(2**dimension, 0))
        cells = tuple(torch.cat([old[kept], more]) for old, more in zip(cells, new, strict=True))
    # Weights of the points are the volumes of their cells.
    x, _, sides, squares = cells
    return WorstCase(x, sides.prod(1) / sides.prod(1).sum(), squares)


def residual_size(network: nn.Module, problem: Collocation, points: WorstCase) -> float:
    """Weighted mean of the equation's residuals at points, in magnitude, plus those of all conditions.

    The mean of magnitudes, not of squares: beside a corner of the domain the square of the residual of a good solution
    has no finite mean, and the solution depends continuously on the mean.
    """
    total = float((points.weights * points.squares.sqrt()).sum())
    fresh = problem.resampled(1, SEARCH.condition_points, how="sobol", seed=problem.sampling.seed + 1)
    for block in fresh.with_role(BlockRole.CONDITION):
        total += float(block_squares(replace(block, weight=1.0), network, problem).sqrt().mean())
    return total


def integrals_gap(network: nn.Module, problem: Collocation, x: Tensor, rule: Rule | None = None) -> float:
    """Largest change of the equation's residuals when integrals have twice as many points, in units of the field.

    They are computed by the rule of the problem, or by another one.
    """
    x = x[:: max(1, len(x) // 500)]
    if rule is None:
        rule = problem.form.integral_rule
    values = []
    with torch.no_grad():
        for factor in (rule.factor, 2 * rule.factor):
            form = with_integrals_by(problem.form, rule._replace(factor=factor))
            each = Collocation(form, problem.sampling, problem.unknowns)
            block = replace(each.equation_block(points_with(x)), weight=1.0)
            copies = {name: value.detach().expand(len(x)) for name, value in problem.unknowns.items()}
            values.append(block.weighted_residuals(block.jet(network, x), block.data, copies))
    return float((values[0] - values[1]).abs().max())

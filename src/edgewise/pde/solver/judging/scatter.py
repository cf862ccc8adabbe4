"""Spread of the solution that noise in measured values causes: standard errors of coefficients and of the fields."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.linalg import LinAlgError

from edgewise.native import interruptible
from edgewise.pde.algebra.dense import CholeskyFactor
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.solution import field_values
from edgewise.pde.spaces.networks import as_chain
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import BlockRole
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import trainable_slots
from edgewise.train.problems import BlockProblem


@dataclass(frozen=True)
class ScatterSettings:
    """Draws of the noise of measured values, and neighbours among them."""

    # Ridge of the normal matrix, scaled to a diagonal of ones: the uncertainty that rounding leaves (1e-16 times the
    # numbers that are summed).
    rounding_ridge: float = 1e-13
    # Draws of the noise for the scatter of the fields: a standard deviation to 12 % if one direction dominates.
    draws: int = 32
    # Measured values whose neighbours are looked at: fewer show nothing, and more take long.
    least_neighbours: int = 12
    most_neighbours: int = 2000
    draw_seed: int = 47  # of the draws, so that a judgement can be repeated


SCATTER = ScatterSettings()


class Misfit(NamedTuple):
    """Misfit of a solution and the measured values of a field."""

    field: str  # name of the field
    share: float  # root mean square of the differences, relative to the standard deviation of the values
    # correlation of the differences with those at the nearest other points, in standard deviations of independent ones
    deviations: float


def misfits_of(network: nn.Module, problem: Collocation) -> list[Misfit]:
    """Misfits of a solution and each of its measured fields; those of few values or without spread are left out."""
    found = []
    for observed in problem.form.observations:
        x = observed.x.double()[: SCATTER.most_neighbours]
        values = observed.values.double()[: SCATTER.most_neighbours]
        name = observed.field or problem.fields[0]
        if len(values) < SCATTER.least_neighbours:
            continue
        spread = float(values.std())
        if not spread:
            continue
        # Correlation of the misfits of nearest neighbours, zero in the mean for independent noise.
        differences = field_values(network, problem, x)[:, problem.fields.index(name)] - values
        scaled = x / problem.domain.size
        distances = torch.cdist(scaled, scaled).fill_diagonal_(math.inf)
        products = differences * differences[distances.argmin(1)]
        mean_square = float(differences.square().mean())
        # Pairs are mostly each other's nearest, so that half of the products are independent.
        deviations = float(products.mean()) / max(mean_square, ABOVE_ZERO) * math.sqrt(len(x) / 2)
        found.append(Misfit(name, math.sqrt(mean_square) / spread, deviations))
    return found


@dataclass(frozen=True)
class Scatter:
    """Spread of a solution that the noise of the measured values causes."""

    # standard errors of the unknown coefficients, nan where no more values are measured than coefficients are unknown;
    # empty where there are none, or no measured values
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    # standard error of the fields: the root of their mean variance over the points; 0 without measured values or with
    # no more of them than unknown coefficients, nan where the equations and the values do not determine them
    fields: float = 0.0


def scatter_of(network: nn.Module, problem: Collocation, x: Tensor) -> Scatter:
    """Standard errors of the unknown coefficients, and of the fields at points x (N, n), from the measured values."""
    # With H = 2 J'WJ of the whole loss at its minimum and J_m the rows of the measured values, of weight w and variance
    # s^2, parameters scatter with the covariance H^-1 (2 w / N)^2 s^2 J_m'J_m H^-1, the sandwich of [1]: equations have
    # no noise. The variance s^2 is that of the residuals of the measured values. For the fields noise is drawn and
    # carried to the parameters, and the network is evaluated with these.
    # [1] P. Huber, "The behavior of maximum likelihood estimates under nonstandard conditions", Proc. 5th Berkeley
    # Symposium on Mathematical Statistics and Probability, 1967.
    blocks = problem.with_role(BlockRole.OBSERVATION)
    is_pinned = sum(len(block.data) for block in blocks) <= 1 and not problem.unknowns  # one value shows no noise
    if is_pinned or not blocks or as_chain(network) is None:
        return Scatter()
    if 0 < sum(len(block.data) for block in blocks) <= len(problem.unknowns):  # which they all fit
        return Scatter(dict.fromkeys(problem.unknowns, math.nan))
    # Cholesky factor of H.
    slots = trainable_slots(network, problem)
    matrix = RowSource(network, problem, slots).normal_equations().matrix.triu()
    matrix = matrix + matrix.triu(1).mT
    try:
        factor = interruptible(lambda: CholeskyFactor(matrix, SCATTER.rounding_ridge, is_fixed=True))
    except LinAlgError:
        return Scatter(dict.fromkeys(problem.unknowns, math.nan), math.nan)
    variances = dict.fromkeys(problem.unknowns, 0.0)
    moves = matrix.new_zeros(len(matrix), SCATTER.draws)
    generator = torch.Generator().manual_seed(SCATTER.draw_seed)
    # Covariance by the noise of each set of measured values.
    for block in blocks:
        only = BlockProblem([replace(block, weight=1.0)], problem.unknowns)
        rows, residuals = RowSource(network, only, slots).in_full()
        count = len(block.data)
        rows = rows * (count / 2) ** 0.5
        residuals = residuals * (count / 2) ** 0.5
        noise = float(residuals.square().sum()) / max(count - len(problem.unknowns), 1)
        share = (2 * block.weight / count) * math.sqrt(noise)
        draws = torch.randn(len(rows), SCATTER.draws, generator=generator, dtype=torch.float64)
        moves += share * factor.solve(rows.mT @ draws)
        for name in variances:
            unit = matrix.new_zeros(len(matrix))
            unit[slots.slots[f"unknowns.{name}"]] = 1.0
            along: Tensor = rows @ factor.solve(unit[:, None])[:, 0]
            variances[name] += share**2 * float(along.square().sum())
    # Standard errors of the coefficients, and of the fields at the points.
    errors = {name: math.sqrt(variance) for name, variance in variances.items()}
    return Scatter(errors, _scatter_of_fields(network, problem, x, moves, slots.slots))


def _scatter_of_fields(
    network: nn.Module, problem: Collocation, x: Tensor, moves: Tensor, slots: Mapping[str, slice]
) -> float:
    """Root of the mean square change of the fields at points x (N, n) when parameters move, by columns of `moves`."""
    values = field_values(network, problem, x)
    moved = copy.deepcopy(network)
    parameters = dict(moved.named_parameters())
    total = 0.0
    for move in moves.mT:
        with torch.no_grad():
            for name, own in network.named_parameters():
                if name in slots:
                    parameters[name].copy_(own + move[slots[name]].view_as(own))
        total += float((field_values(moved, problem, x) - values).square().mean())
    return math.sqrt(total / moves.shape[1])

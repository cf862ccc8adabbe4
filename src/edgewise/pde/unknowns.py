"""How far off the coefficients that were found from noisy data may be."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgewise.pde.equation import PDE
from edgewise.train.normal_equations import RowSource, trainable_slots

MEASURED = "Observations"  # blocks of measured values have names that begin so
FLOOR = 1e-13  # of the diagonal: what rounding leaves uncertain


def standard_errors(network: nn.Module, problem: PDE) -> Mapping[str, float]:
    """Of each unknown coefficient, from the scatter of the measured values; nothing where there are none.

    With H = 2 J'WJ of the whole loss at its minimum and J_m the rows of the measured values, of weight w and variance
    s^2, parameters scatter with the covariance H^-1 (2 w / N)^2 s^2 J_m'J_m H^-1 (the sandwich of P. Huber, "The
    behavior of maximum likelihood estimates under nonstandard conditions", 1967): equations have no noise.
    """
    blocks = [block for block in problem.blocks() if block.name.startswith(MEASURED)]
    if not blocks or not problem.unknowns or not hasattr(network, "layers"):
        return {}
    slots = trainable_slots(network, problem)
    matrix = RowSource(network, problem, slots).normal_equations().matrix.triu()
    matrix = matrix + matrix.triu(1).mT
    matrix.diagonal().add_(FLOOR * float(matrix.diagonal().max()))
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        return dict.fromkeys(problem.unknowns, math.nan)
    variances = dict.fromkeys(problem.unknowns, 0.0)
    for block in blocks:
        rows, residuals = RowSource(network, _Only(problem, replace(block, weight=1.0)), slots).in_full()
        count = len(block.data)
        rows, residuals = rows * (count / 2) ** 0.5, residuals * (count / 2) ** 0.5
        noise = float(residuals.square().sum()) / max(count - len(problem.unknowns), 1)
        for name in variances:
            unit = matrix.new_zeros(len(matrix))
            unit[slots.slots[f"unknowns.{name}"]] = 1.0
            along: Tensor = rows @ torch.cholesky_solve(unit[:, None], factor)[:, 0]
            variances[name] += (2 * block.weight / count) ** 2 * noise * float(along.square().sum())
    return {name: math.sqrt(variance) for name, variance in variances.items()}


class _Only:
    """A problem of one block."""

    def __init__(self, problem: PDE, block):
        self.unknowns, self._block = problem.unknowns, block

    def second_order_blocks(self):
        return (self._block,)

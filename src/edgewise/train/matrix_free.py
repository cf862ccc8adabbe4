"""Damped Gauss-Newton systems of many parameters, by products with J'J that never form a row."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.nn.layer import KANLayer
from edgewise.nn.mlp import DenseLayer
from edgewise.ops import normal
from edgewise.ops.normal import Runs
from edgewise.train.conjugate_gradient import conjugate_gradient
from edgewise.train.damped import Solution, damping_scale
from edgewise.train.edge_blocks import EdgeBlocks
from edgewise.train.methods import write_
from edgewise.train.network_rows import Spread
from edgewise.train.normal_equations import RowSource
from edgewise.train.parameter_slots import ParameterSlots
from edgewise.train.penalty import Curvature

LINEAR = (KANLayer, DenseLayer)  # their output is linear in their parameters
KEPT_NUMBERS = 2**26  # of inputs and derivatives of layers that are kept (512 MiB); beyond, they are made again
SEEN = 4096
PRODUCTS = 200  # most products in one solution


@dataclass(frozen=True)
class _Part:
    """Some samples of a block: their spread, the rows of layers that aren't linear, and the factor of their sum."""

    spread: Spread
    others: list[Runs]
    factor: float


class MatrixFreeSystem:
    """(H + mu D) d = -g by conjugate gradients, truncated by a forcing term.

    A layer that is linear in its parameters gives J v by a forward pass with v in their place, contracted with the
    derivatives by its output, and J'u by the backward pass of that.

    gradient, scale: g and D, (P,). D and the preconditioner are taken from at most `SEEN` samples of each block.

    Args:
        source: of the rows, for a chain of layers. gradient: with that of the penalty, whose `curvature` is extra.
        forcing: the residual that a solution may leave, relative to g.
    """

    def __init__(
        self, source: RowSource, slots: ParameterSlots, gradient: Tensor, curvature: Sequence[Curvature], forcing: float
    ):
        self._source, self._slots, self._forcing = source, slots, forcing
        self.gradient, self._curvature = gradient, curvature
        self._twin = copy.deepcopy(source.network)  # holds v, and zeros where parameters are frozen
        for parameter in self._twin.parameters():
            parameter.detach().zero_()
        named = dict(self._twin.named_parameters())
        self._tangents = [named[name] for name in slots.slots if name in named]
        self._blocks = EdgeBlocks(source.network, slots)
        for rows, factor in source.chunks(SEEN):
            self._blocks.add(rows.runs, 2 * factor)
        diagonal = self._blocks.diagonal()
        mean = float(diagonal.mean())
        for entry in self._curvature:
            self._blocks.add_curvature(entry)
        self.scale = damping_scale(self._blocks.diagonal(), mean)
        self._kept: list[_Part] | None = None
        if source.spread_numbers() <= KEPT_NUMBERS:
            self._kept = list(self._parts())

    def solve(self, mu: float) -> Solution | None:
        """As `ParameterSystem.solve`, to the accuracy of the forcing term."""
        precondition = self._blocks.factorised(mu * self.scale)
        if precondition is None:
            return None
        move, left = conjugate_gradient(
            lambda v: self.product(v) + mu * self.scale * v,
            -self.gradient,
            precondition,
            tolerance=self._forcing,
            limit=PRODUCTS,
        )
        if not bool(move.isfinite().all()):
            return None
        # d'(H + mu D)d = -g'd - left'd, so the model's decrease -g'd - d'Hd/2 needs no further product.
        predicted = 0.5 * float(move @ (mu * self.scale * move + left - self.gradient))
        return Solution(move, predicted)

    def product(self, v: Tensor) -> Tensor:
        """H v, (P,)."""
        write_(self._tangents, v[: sum(p.numel() for p in self._tangents)])
        total = torch.zeros_like(v)
        for part in self._kept if self._kept is not None else self._parts():
            total += self._part_product(part, v)
        for entry in self._curvature:
            slot, shape = self._slots.slots[entry.name], self._slots.shapes[entry.name]
            total[slot] += _curved(entry, v[slot].view(shape)).reshape(-1)
        return total

    def _part_product(self, part: _Part, v: Tensor) -> Tensor:
        spread, total = part.spread, torch.zeros_like(v)
        columns = len(spread.local.rows)
        with torch.enable_grad():
            along = v.new_zeros(columns, spread.inputs[0].shape[1])  # J v, column by column of the residuals
            for number, layer in enumerate(self._twin.layers):
                if isinstance(layer, LINEAR) and any(p.requires_grad for p in layer.parameters()):
                    x = spread.inputs[number]
                    y = layer(x[0])[None] if spread.order == 0 else layer.jet(x, spread.order)
                    along = along + torch.stack([(one * y).sum((0, 2)) for one in spread.sets[number][:columns]])
        others = normal.times(part.others, v).view_as(along) if part.others else 0
        weights = 2 * part.factor * (along.detach() + others)
        if along.requires_grad:
            pulled = torch.autograd.grad(along, self._tangents, weights, allow_unused=True)
            flat = [torch.zeros_like(p) if g is None else g for p, g in zip(self._tangents, pulled, strict=True)]
            flat = torch.cat([g.reshape(-1) for g in flat])
            total[: len(flat)] += flat
        if part.others:
            total += normal.transposed(part.others, weights.reshape(-1), len(v))
        return total

    def _parts(self) -> Iterator[_Part]:
        for rows, spread, factor in self._source.spreads():
            columns = len(spread.local.rows)
            others = rows.unknown_runs(spread.local, columns)
            for number, layer in enumerate(self._twin.layers):
                if not isinstance(layer, LINEAR):
                    count = columns * spread.inputs[0].shape[1]
                    runs = rows.layer_runs(spread, number)
                    others += [Runs(run.offset, run.starts[:count], run.values[:count]) for run in runs]
            yield _Part(spread, sorted(others, key=lambda run: run.offset), factor)


def forcing_term(slope: float, before: tuple[float, float] | None) -> float:
    """How exactly a system is solved, from the norm of its gradient and (norm, forcing) of the step before.

    S. Eisenstat, H. Walker, "Choosing the forcing terms in an inexact Newton method", SIAM J. Sci. Comput. 17 (1996),
    choice 2 with gamma = 0.9, alpha = 2 and their safeguard; never above 0.1, where steps got useless in trials.
    """
    if before is None:
        return 0.1
    ratio = 0.9 * (slope / before[0]) ** 2
    guarded = max(ratio, 0.9 * before[1] ** 2) if 0.9 * before[1] ** 2 > 0.1 else ratio
    return min(max(guarded, 1e-8), 0.1) if math.isfinite(guarded) else 0.1


def _curved(entry: Curvature, v: Tensor) -> Tensor:
    if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
        return torch.einsum("iogh,iho->igo", entry.values, v)
    return entry.values * v

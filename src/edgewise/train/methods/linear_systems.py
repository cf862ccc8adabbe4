"""Damped Gauss-Newton systems, (H + mu D) d = -g, factorised in the space of parameters or of samples.

Preconditioned conjugate gradients: a linear system from products with its matrix alone.

The blocks of J'J on the diagonal, one per spline edge: what preconditions conjugate gradients.

Damped Gauss-Newton systems of many parameters, by products with J'J that never form a row."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.mlp import DenseLayer
from edgewise.ops import normal
from edgewise.ops.normal import Runs
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.jacobian.rows import LayerDerivatives, ParameterSlots
from edgewise.train.methods.base import write_
from edgewise.train.penalties import Curvature

# Share of the mean of the diagonal that damps a parameter besides its own entry. With the plain diagonal (Marquardt)
# coefficients that no sample reaches run away; 0.05 held them in prototypes (design, "Precision").
FLOOR = 0.05


class Solution(NamedTuple):
    """What a damped system gives.

    move: d, (P,). predicted: the decrease of the objective by the model without damping.
    correct: w -> -(H + mu D)^-1 J'w, with J and w scaled so that J'r is the gradient of the loss; None for unknown.
    """

    move: Tensor
    predicted: float
    correct: Callable[[Tensor], Tensor] | None = None


def damping_scale(diagonal: Tensor, mean: float) -> Tensor:
    """D: the diagonal of H, and of the mean of the diagonal of its data part a share."""
    floor = FLOOR * mean
    return diagonal + (floor if floor > 0 else FLOOR * float(diagonal.mean()) or 1.0)


@dataclass(frozen=True, eq=False)
class ParameterSystem:
    """H in full.

    gradient: g, (P,). matrix: H, (P, P), in the upper triangle. scale: D, (P,).
    residuals, pull: r and w -> J'w, see `NormalEquations`.
    """

    gradient: Tensor
    matrix: Tensor
    scale: Tensor
    residuals: Tensor | None = None
    pull: Callable[[Tensor], Tensor] | None = None

    def solve(self, mu: float) -> Solution | None:
        """d, or None where the system is not positive definite in floating point."""
        damped = self.matrix.clone()
        damped.diagonal().add_(self.scale, alpha=mu)
        # The transposed is in LAPACK's own order, and its lower triangle is what LAPACK reads.
        factor, info = torch.linalg.cholesky_ex(damped.mT)
        if int(info) != 0:
            return None

        def solved(right: Tensor) -> Tensor:
            return torch.cholesky_solve(right[:, None], factor)[:, 0]

        correct = None if self.pull is None else (lambda w: -solved(self.pull(w)))
        return _solution(solved(-self.gradient), self, mu, correct)


class SampleSystem:
    """H = J'J and g = J'r with fewer rows than parameters: d = -D^-1 J' (J D^-1 J' + mu)^-1 r, by Woodbury's identity.

    rows: J, (M, P). residuals: r, (M,).
    """

    def __init__(self, rows: Tensor, residuals: Tensor):
        self._rows, self.residuals = rows, residuals
        self.gradient = rows.mT @ residuals
        diagonal = rows.square().sum(0)
        self.scale = damping_scale(diagonal, float(diagonal.mean()))
        self._gram = (rows / self.scale) @ rows.mT

    def solve(self, mu: float) -> Solution | None:
        """As `ParameterSystem.solve`."""
        damped = self._gram.clone()
        damped.diagonal().add_(mu)
        factor, info = torch.linalg.cholesky_ex(damped)
        if int(info) != 0:
            return None

        def correct(w: Tensor) -> Tensor:
            return -(self._rows.mT @ torch.cholesky_solve(w[:, None], factor)[:, 0]) / self.scale

        return _solution(correct(self.residuals), self, mu, correct)


def _solution(
    move: Tensor,
    system: ParameterSystem | SampleSystem,
    mu: float,
    correct: Callable[[Tensor], Tensor] | None,
) -> Solution | None:
    if not bool(move.isfinite().all()):
        return None
    return Solution(move, 0.5 * float(move @ (mu * system.scale * move - system.gradient)), correct)


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    precondition: Callable[[Tensor], Tensor],
    *,
    tolerance: float,
    limit: int,
) -> tuple[Tensor, Tensor]:
    """x with |A x - right| <= tolerance |right|, and the residual right - A x, for A symmetric and positive definite.

    Nocedal and Wright, "Numerical Optimization" (2006), algorithm 5.3. Every iterate lowers x' A x / 2 - right' x, so
    it may be stopped early: after `limit` products, or where rounding leaves no direction of positive curvature.

    Args:
        product: v -> A v. precondition: r -> M^-1 r, with M symmetric, positive definite and near A.
    """
    x, residual = torch.zeros_like(right), right.clone()
    goal = tolerance * float(right.norm())
    pulled = precondition(residual)
    direction, size = pulled, float(residual @ pulled)
    for _ in range(limit):
        if not (float(residual.norm()) > goal and size > 0):
            break
        image = product(direction)
        bend = float(direction @ image)
        if not bend > 0:
            break
        x = x + (size / bend) * direction
        residual = residual - (size / bend) * image
        pulled = precondition(residual)
        size, before = float(residual @ pulled), size
        direction = pulled + (size / before) * direction
    return x, residual


MOST_NUMBERS = 2**26  # in all blocks (512 MiB); layers beyond are left with their diagonal


class EdgeBlocks:
    """Sums of squares of all columns of J, and for the edges of spline layers the whole block of coefficients and
    base weight: neighbours on a grid overlap, and the base function nearly is a spline."""

    def __init__(self, network: nn.Module, slots: ParameterSlots):
        self._slots = slots
        self._diagonal = torch.zeros(slots.size, dtype=torch.float64)
        self._edges: list[_LayerBlocks] = []
        room = MOST_NUMBERS
        for number, layer in enumerate(network.layers):
            name = f"layers.{number}.coef"
            if isinstance(layer, KANLayer) and name in slots.slots:
                inputs, count, outputs = layer.coef.shape
                numbers = inputs * outputs * (count + 1) ** 2
                if numbers <= room:
                    room -= numbers
                    self._edges.append(_LayerBlocks(layer, slots, number))

    def add(self, runs: Sequence[Runs], scale: float) -> None:
        """Adds scale * J'J of some rows."""
        by_offset = {run.offset: run for run in runs}
        for run in runs:
            index = run.offset + run.starts[..., None] + torch.arange(run.values.shape[2])
            self._diagonal.index_add_(0, index.flatten(), (scale * run.values.square()).flatten())
        for edges in self._edges:
            edges.add(by_offset, scale)

    def add_curvature(self, entry: Curvature) -> None:
        """Adds a penalty's second derivatives."""
        values = entry.values
        flat = values.diagonal(dim1=2, dim2=3).permute(0, 2, 1) if values.ndim == 4 else values
        self._diagonal[self._slots.slots[entry.name]] += flat.reshape(-1)
        for edges in self._edges:
            edges.add_curvature(entry)

    def diagonal(self) -> Tensor:
        """Of all that was added, (P,)."""
        return self._diagonal.clone()

    def factorised(self, damping: Tensor) -> Callable[[Tensor], Tensor] | None:
        """r -> (blocks + diag(damping))^-1 r; None where a block is not positive definite in floating point."""
        inverse = 1 / (self._diagonal + damping)
        factors = []
        for edges in self._edges:
            factor, info = torch.linalg.cholesky_ex(edges.damped(damping))
            if bool(info.any()):
                return None
            factors.append(factor)

        def solve(vector: Tensor) -> Tensor:
            result = inverse * vector
            for edges, factor in zip(self._edges, factors, strict=True):
                edges.put(result, torch.cholesky_solve(edges.take(vector)[..., None], factor)[..., 0])
            return result

        return solve if bool(inverse.isfinite().all()) else None


class _LayerBlocks:
    """Blocks (in, out, m, m) of one layer's edges: coefficients, and last the base weight if it is trained."""

    def __init__(self, layer: KANLayer, slots: ParameterSlots, number: int):
        inputs, count, outputs = layer.coef.shape
        self._shape, self._degree = (inputs, count, outputs), layer.degree
        self._coef, self._base = f"layers.{number}.coef", f"layers.{number}.base"
        self._coef_slot, self._base_slot = slots.slots[self._coef], slots.slots.get(self._base)
        size = count + (self._base_slot is not None)
        self._blocks = torch.zeros(inputs, outputs, size, size, dtype=torch.float64)

    def add(self, runs: dict[int, Runs], scale: float) -> None:
        inputs, count, outputs = self._shape
        coef = runs[self._coef_slot.start]
        active = self._degree + 1
        room = max(1, ROW_CHUNK_NUMBERS // (inputs * outputs * (count + 1)))
        if len(coef.values) > room:  # rows are filled up below
            for first in range(0, len(coef.values), room):
                part = slice(first, first + room)
                self.add({k: Runs(k, run.starts[part], run.values[part]) for k, run in runs.items()}, scale)
            return
        batch = len(coef.values)
        values = coef.values.view(batch, inputs, active, outputs).permute(1, 3, 0, 2).flatten(0, 1)  # (edges, b, K)
        first = (coef.starts // outputs - torch.arange(inputs) * count).mT  # (in, b)
        rows = values.new_zeros(inputs * outputs, batch, self._blocks.shape[2])
        index = first[:, None, :, None] + torch.arange(active)
        rows.scatter_(2, index.expand(inputs, outputs, batch, active).flatten(0, 1), values)
        if self._base_slot is not None:
            base = runs[self._base_slot.start].values.view(batch, inputs, outputs)
            rows[:, :, count] = base.permute(1, 2, 0).flatten(0, 1)
        self._blocks += scale * (rows.mT @ rows).view_as(self._blocks)

    def add_curvature(self, entry: Curvature) -> None:
        count = self._shape[1]
        if entry.name == self._coef:
            spline = self._blocks[..., :count, :count]
            if entry.values.ndim == 4:
                spline += entry.values
            else:
                spline.diagonal(dim1=2, dim2=3).add_(entry.values.permute(0, 2, 1))
        elif entry.name == self._base and self._base_slot is not None:
            self._blocks[..., count, count] += entry.values

    def damped(self, damping: Tensor) -> Tensor:
        blocks = self._blocks.clone()
        blocks.diagonal(dim1=2, dim2=3).add_(self.take(damping))
        return blocks

    def take(self, vector: Tensor) -> Tensor:
        """Numbers of each edge, (in, out, m)."""
        inputs, _, outputs = self._shape
        coef = vector[self._coef_slot].view(self._shape).transpose(1, 2)
        if self._base_slot is None:
            return coef
        return torch.cat([coef, vector[self._base_slot].view(inputs, outputs, 1)], 2)

    def put(self, vector: Tensor, numbers: Tensor) -> None:
        """The reverse of `take`, into `vector`."""
        count = self._shape[1]
        vector[self._coef_slot] = numbers[..., :count].transpose(1, 2).reshape(-1)
        if self._base_slot is not None:
            vector[self._base_slot] = numbers[..., count].reshape(-1)


LINEAR = (KANLayer, DenseLayer)  # their output is linear in their parameters
KEPT_NUMBERS = 2**26  # of inputs and derivatives of layers that are kept (512 MiB); beyond, they are made again
SEEN = 4096
PRODUCTS = 200  # most products in one solution


@dataclass(frozen=True)
class _Part:
    """Some samples of a block: their spread, the rows of layers that aren't linear, and the factor of their sum."""

    spread: LayerDerivatives
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
        if source.derivative_numbers() <= KEPT_NUMBERS:
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
                    sensitivities = spread.sensitivities[number][:columns]
                    along = along + torch.stack([(one * y).sum((0, 2)) for one in sensitivities])
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
        for rows, spread, factor in self._source.layer_derivatives():
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

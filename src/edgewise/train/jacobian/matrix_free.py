"""Gauss-Newton systems without a matrix: products with vectors, a preconditioner, and conjugate gradients.

No row of the Jacobian is formed. `ImplicitMatrix` multiplies by Gauss-Newton's matrix, `EdgeBlocks` are the blocks on
its diagonal, and `MatrixFreeSystem` solves the damped system (H + mu D) d = -g.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.ops import normal
from edgewise.ops.gauss_newton import DampedStep
from edgewise.ops.normal import Runs
from edgewise.settings import ROW_CHUNK_NUMBERS, chunks
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.jacobian.rows import LayerDerivatives, layers_of
from edgewise.train.parameters import ParameterSlots, write_
from edgewise.train.penalties import Curvature

# Numbers in the inputs and derivatives of layers that are kept between products: 512 MiB. Beyond it they are computed
# anew for each product.
MOST_KEPT_NUMBERS = 2**26
# Samples of each block from which D and the preconditioner are computed, since both need no high accuracy.
PRECONDITIONER_SAMPLES = 4096


class ImplicitMatrix:
    """Gauss-Newton's matrix 2 J'J of a chain of layers, by products with vectors; the parameters must not change.

    A layer that is linear in its parameters gives J v by a forward pass with v in their place, contracted with the
    derivatives by its output, and J'u by the backward pass of that. The rows of other layers are kept.
    """

    def __init__(self, source: RowSource, place: tuple[int, int] | None = None) -> None:
        self._source = source
        self._copy = copy.deepcopy(source.network)  # holds v, and zeros where parameters are frozen
        for parameter in self._copy.parameters():
            parameter.detach().zero_()
        named = dict(self._copy.named_parameters())
        self._tangents = [named[name] for name in source.slots.slots if name in named]
        self.blocks = EdgeBlocks(source.network, source.slots)
        for rows, factor in source.chunks(PRECONDITIONER_SAMPLES, place):
            self.blocks.add(rows.runs, 2 * factor)
        self._kept: list[_MixedRows] | None = None
        if source.derivative_numbers() <= MOST_KEPT_NUMBERS:
            self._kept = list(self._mixed_rows())

    def times(self, v: Tensor) -> Tensor:
        """2 J'J v for v (P,)."""
        write_(self._tangents, v[: sum(p.numel() for p in self._tangents)])
        total = torch.zeros_like(v)
        for part in self._kept if self._kept is not None else self._mixed_rows():
            total += self._product_of(part, v)
        return total

    def _product_of(self, part: _MixedRows, v: Tensor) -> Tensor:
        """2 J'J v of some samples, times their share."""
        derivatives = part.derivatives
        total = torch.zeros_like(v)
        # Forward: J v, the change of each residual when the parameters move along v. Layers that are linear in their
        # parameters are evaluated at v itself.
        columns = len(derivatives.local.rows)
        with torch.enable_grad():
            along = v.new_zeros(columns, derivatives.inputs[0].shape[1])  # J v, column by column of the residuals
            for number, layer in enumerate(layers_of(self._copy)):
                if layer.is_linear and any(p.requires_grad for p in layer.parameters()):
                    x = derivatives.inputs[number]
                    if derivatives.order == 0:
                        y = layer(x[0])[None]
                    else:
                        y = layer.jet(x, derivatives.order)
                    sensitivities = derivatives.sensitivities[number][:columns]
                    along = along + torch.stack([(one * y).sum((0, 2)) for one in sensitivities])
        # Parameters outside of these layers have explicit rows.
        others = normal.times(part.others, v).view_as(along) if part.others else 0
        weights = 2 * part.factor * (along.detach() + others)
        # Backward: J' of the weighted change, by the derivative of J v with respect to v.
        if along.requires_grad:
            pulled = torch.autograd.grad(along, self._tangents, weights, allow_unused=True)
            parts = [torch.zeros_like(p) if g is None else g for p, g in zip(self._tangents, pulled, strict=True)]
            flat = torch.cat([g.reshape(-1) for g in parts])
            total[: len(flat)] += flat
        if part.others:
            total += normal.transposed(part.others, weights.reshape(-1), len(v))
        return total

    def _mixed_rows(self) -> Iterator[_MixedRows]:
        for rows, derivatives, factor in self._source.layer_derivatives():
            columns = len(derivatives.local.rows)
            others = rows.unknown_runs(derivatives.local, columns)
            for number, layer in enumerate(layers_of(self._copy)):
                if not layer.is_linear:
                    count = columns * derivatives.inputs[0].shape[1]
                    runs = rows.layer_runs(derivatives, number)
                    others += [Runs(run.offset, run.starts[:count], run.values[:count]) for run in runs]
            yield _MixedRows(derivatives, sorted(others, key=lambda run: run.offset), factor)


@dataclass(frozen=True)
class _MixedRows:
    """Rows of some samples of a block: the inputs and derivatives of linear layers, the rows of all others."""

    derivatives: LayerDerivatives  # inputs of every layer, and derivatives of the residuals by its output
    others: list[Runs]  # rows of layers that are not linear in their parameters, and of the unknowns
    factor: float  # factor of the sum over the samples in the loss


class EdgeBlocks:
    """Blocks on the diagonal of J'J, one per spline edge: the preconditioner of conjugate gradients.

    The block of an edge holds its coefficients and its base weight, since neighbours on a grid overlap and the base
    function is nearly a spline. All other parameters have their diagonal entries.
    """

    def __init__(self, network: nn.Module, slots: ParameterSlots):
        self._slots = slots
        self._diagonal = next(network.parameters()).new_zeros(slots.size, dtype=torch.float64)
        self._edges: list[_LayerBlocks] = []
        # 512 MiB for all blocks of the preconditioner. Layers beyond are preconditioned by their diagonal.
        remaining_numbers = 2**26
        for number, layer in spline_layers(network).items():
            if f"layers.{number}.coef" in slots.slots:
                inputs, count, outputs = layer.coef.shape
                numbers = inputs * outputs * (count + 1) ** 2
                if numbers <= remaining_numbers:
                    remaining_numbers -= numbers
                    self._edges.append(_LayerBlocks(layer, slots, number))

    def add(self, runs: Sequence[Runs], scale: float) -> None:
        """Add scale * J'J of some rows."""
        by_offset = {run.offset: run for run in runs}
        for run in runs:
            index = run.offset + run.starts[..., None] + torch.arange(run.values.shape[2], device=run.starts.device)
            self._diagonal.index_add_(0, index.flatten(), (scale * run.values.square()).flatten())
        for edges in self._edges:
            edges.add(by_offset, scale)

    def add_curvature(self, entry: Curvature) -> None:
        """Add second derivatives of a penalty."""
        values = entry.values
        if values.ndim == 4:  # one block per edge
            values = values.diagonal(dim1=2, dim2=3).permute(0, 2, 1)
        self._diagonal[self._slots.slots[entry.name]] += values.reshape(-1)
        for edges in self._edges:
            edges.add_curvature(entry)

    def parts(self) -> list[Tensor]:
        """All numbers, as tensors that may be changed in place."""
        return [self._diagonal, *(edges.blocks for edges in self._edges)]

    def diagonal(self) -> Tensor:
        """The diagonal of everything that was added, (P,)."""
        return self._diagonal.clone()

    def factorised(self, damping: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The map r -> (blocks + diag(damping))^-1 r; None where a block is not positive definite."""
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
    """Blocks (in, out, m, m) of the edges of one layer: coefficients, and last the base weight if it is trained."""

    def __init__(self, layer: KANLayer, slots: ParameterSlots, number: int):
        inputs, count, outputs = layer.coef.shape
        self._shape = (inputs, count, outputs)
        self._degree = layer.degree
        self._coef = f"layers.{number}.coef"
        self._base = f"layers.{number}.base"
        self._coef_slot = slots.slots[self._coef]
        self._base_slot = slots.slots.get(self._base)
        size = count + (self._base_slot is not None)
        self.blocks = layer.coef.new_zeros(inputs, outputs, size, size, dtype=torch.float64)

    def add(self, runs: dict[int, Runs], scale: float) -> None:
        """Add scale * J'J of some rows, given by their places in the vector of parameters."""
        inputs, count, outputs = self._shape
        coef = runs[self._coef_slot.start]
        active = self._degree + 1
        # Many rows are summed in parts.
        parts = list(chunks(len(coef.values), inputs * outputs * (count + 1), ROW_CHUNK_NUMBERS))
        if len(parts) > 1:  # rows are filled with zeros below
            for part in parts:
                self.add({k: Runs(k, run.starts[part], run.values[part]) for k, run in runs.items()}, scale)
            return
        # Each edge's rows: few B-splines are active at a point, at places that its grid interval gives.
        batch = len(coef.values)
        values = coef.values.view(batch, inputs, active, outputs).permute(1, 3, 0, 2).flatten(0, 1)  # (edges, b, K)
        starts = (coef.starts // outputs - torch.arange(inputs, device=coef.starts.device) * count).mT  # (in, b)
        rows = values.new_zeros(inputs * outputs, batch, self.blocks.shape[2])
        index = starts[:, None, :, None] + torch.arange(active, device=starts.device)
        rows.scatter_(2, index.expand(inputs, outputs, batch, active).flatten(0, 1), values)
        # A column more for the factor of the base function.
        if self._base_slot is not None:
            base = runs[self._base_slot.start].values.view(batch, inputs, outputs)
            rows[:, :, count] = base.permute(1, 2, 0).flatten(0, 1)
        # One block of J'J for each edge.
        self.blocks += scale * (rows.mT @ rows).view_as(self.blocks)

    def add_curvature(self, entry: Curvature) -> None:
        """Add second derivatives of a penalty, if they are by this layer's parameters."""
        count = self._shape[1]
        if entry.name == self._coef:
            spline = self.blocks[..., :count, :count]
            if entry.values.ndim == 4:
                spline += entry.values
            else:
                spline.diagonal(dim1=2, dim2=3).add_(entry.values.permute(0, 2, 1))
        elif entry.name == self._base and self._base_slot is not None:
            self.blocks[..., count, count] += entry.values

    def damped(self, damping: Tensor) -> Tensor:
        """The blocks with a damping (P,) on their diagonals."""
        blocks = self.blocks.clone()
        blocks.diagonal(dim1=2, dim2=3).add_(self.take(damping))
        return blocks

    def take(self, vector: Tensor) -> Tensor:
        """The numbers of a vector (P,) that belong to each edge, (in, out, m)."""
        inputs, _, outputs = self._shape
        coef = vector[self._coef_slot].view(self._shape).transpose(1, 2)
        if self._base_slot is None:
            return coef
        return torch.cat([coef, vector[self._base_slot].view(inputs, outputs, 1)], 2)

    def put(self, vector: Tensor, numbers: Tensor) -> None:
        """Write numbers of each edge, (in, out, m), into a vector (P,)."""
        count = self._shape[1]
        vector[self._coef_slot] = numbers[..., :count].transpose(1, 2).reshape(-1)
        if self._base_slot is not None:
            vector[self._base_slot] = numbers[..., count].reshape(-1)


def damping_scale(diagonal: Tensor, mean: Tensor) -> Tensor:
    """The diagonal D (P,) of a damped system, from that of H and the mean of that of the part of H from the data."""
    # A share of the mean of the diagonal damps a parameter besides its own entry. With the plain diagonal (Marquardt)
    # coefficients that no sample reaches run away; 0.05 held them in prototypes.
    share = 0.05
    floor = share * mean
    of_all = share * diagonal.mean()
    return diagonal + torch.where(floor > 0, floor, of_all.masked_fill(of_all == 0, 1.0))


class MatrixFreeSystem:
    """A damped system of many parameters, solved by conjugate gradients that a forcing term truncates.

    Shapes: gradient (P,), scale (P,).
    """

    residuals = None  # they are not kept

    def __init__(
        self,
        matrix: ImplicitMatrix,
        slots: ParameterSlots,
        gradient: Tensor,
        curvature: Sequence[Curvature],
        forcing: float,
    ):
        self._matrix = matrix
        self._slots = slots
        self._forcing = forcing
        self.gradient = gradient
        self._curvature = curvature
        mean = matrix.blocks.diagonal().mean()
        for entry in self._curvature:
            matrix.blocks.add_curvature(entry)
        self.scale = damping_scale(matrix.blocks.diagonal(), mean)

    def solve(self, mu: float) -> DampedStep | None:
        """The step d to the accuracy of the forcing term, or None where the preconditioner cannot be factorised."""
        precondition = self._matrix.blocks.factorised(mu * self.scale)
        if precondition is None:
            return None
        move, left = conjugate_gradient(
            lambda v: self.product(v) + mu * self.scale * v,
            -self.gradient,
            precondition,
            tolerance=self._forcing,
            limit=200,  # products, far above what the forcing term demands near a minimum
        )
        if not bool(move.isfinite().all()):
            return None
        # d'(H + mu D)d = -g'd - left'd, so the predicted decrease -g'd - d'Hd/2 needs no further product.
        predicted = 0.5 * float(move @ (mu * self.scale * move + left - self.gradient))
        return DampedStep(move, predicted)

    def product(self, v: Tensor) -> Tensor:
        """H v for v (P,)."""
        total = self._matrix.times(v)
        for entry in self._curvature:
            slot = self._slots.slots[entry.name]
            shape = self._slots.shapes[entry.name]
            along = v[slot].view(shape)
            if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
                total[slot] += torch.einsum("iogh,iho->igo", entry.values, along).reshape(-1)
            else:
                total[slot] += (entry.values * along).reshape(-1)
        return total


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    precondition: Callable[[Tensor], Tensor],
    *,
    tolerance: float,
    limit: int,
) -> tuple[Tensor, Tensor]:
    """Solve A x = right by preconditioned conjugate gradients, for A symmetric and positive definite."""
    # Every iterate lowers x'A x / 2 - right'x, so the iteration may be stopped early: after `limit` products, or where
    # rounding leaves no direction of positive curvature. `scipy.sparse.linalg.cg` works on numpy arrays and returns no
    # residual, right - A x, which the predicted gain of a step needs.
    # `product` maps v to A v, `precondition` r to M^-1 r with M symmetric, positive definite and near A, and the
    # tolerance is the norm of the residual relative to that of `right`.
    # [1] J. Nocedal, S. Wright, "Numerical optimization", 2nd ed. (2006), algorithm 5.3.
    x = torch.zeros_like(right)
    residual = right.clone()
    goal = tolerance * float(right.norm())
    direction = pulled = precondition(residual)
    left, size = torch.stack([residual.norm(), residual @ pulled]).tolist()
    for _ in range(limit):
        if not (left > goal and size > 0):
            break
        image = product(direction)
        curvature = float(direction @ image)
        if not curvature > 0:
            break
        x = x + (size / curvature) * direction
        residual = residual - (size / curvature) * image
        pulled = precondition(residual)
        before = size
        left, size = torch.stack([residual.norm(), residual @ pulled]).tolist()  # each reading waits for the device
        direction = pulled + (size / before) * direction
    return x, residual


def forcing_term(slope: float, before: tuple[float, float] | None) -> float:
    """Allowed residual of a truncated solution, relative to the gradient, from the norm of that, `slope`."""
    # Choice 2 of Eisenstat and Walker [1] with gamma = 0.9, alpha = 2 and their safeguard, by the norm and the forcing
    # term of the step before; never above 0.1, where steps became useless in trials, and never below 1e-8.
    # [1] S. Eisenstat, H. Walker, "Choosing the forcing terms in an inexact Newton method", SIAM J. Sci. Comput. 17
    # (1996).
    if before is None:
        return 0.1
    term = 0.9 * (slope / before[0]) ** 2
    safeguard = 0.9 * before[1] ** 2
    if safeguard > 0.1:
        term = max(term, safeguard)
    if math.isfinite(term):
        return min(max(term, 1e-8), 0.1)
    return 0.1

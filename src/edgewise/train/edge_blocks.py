"""The blocks of J'J on the diagonal, one per spline edge: what preconditions conjugate gradients."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from edgewise.nn.layer import KANLayer
from edgewise.ops.normal import Runs
from edgewise.train.parameter_slots import ParameterSlots
from edgewise.train.penalty import Curvature

CHUNK_NUMBERS = 2**22  # in filled rows (32 MiB)
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
        room = max(1, CHUNK_NUMBERS // (inputs * outputs * (count + 1)))
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

"""Gauss-Newton's quadratic model of a loss at a point, summed over chunks of samples in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from edgewise.ops import normal
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.blocks import ResidualBlock
from edgewise.train.jacobian.rows import BlockRows, LayerDerivatives, NetworkRows
from edgewise.train.parameters import ParameterSlots, write_
from edgewise.train.problems import Problem


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Quadratic model of a loss (without penalty) near a point: loss + gradient' d + d' matrix d / 2."""

    gradient: Tensor  # gradient, (P,)
    matrix: Tensor  # Gauss-Newton's matrix 2 J'J, (P, P), in the upper triangle; the lower one is undefined
    # residuals r, (rows,), scaled so that the gradient is J'r. None if the loss is no sum of squares
    residuals: Tensor | None
    # function w -> J'w for w in the order of r. It may evaluate the network, which then must be at the same point. None
    # if the loss is no sum of squares
    pull: Callable[[Tensor], Tensor] | None


class RowSource:
    """Jacobian rows of all blocks of a problem for one network, chunk by chunk.

    Parameters
    ----------
    network : Module
        Network whose parameters the rows are for.
    problem : Problem
        Problem with `second_order_blocks`.
    slots : ParameterSlots
        Positions of the trainable parameters and of the unknowns.
    chunk_numbers : int
        Most numbers in the rows of one chunk.

    Examples
    --------
    The normal equations of a linear model with a bias, whose gradient and matrix are J'r and J'J:

    >>> from edgewise import Regression
    >>> from edgewise.nn import MLP
    >>> from edgewise.train.parameters import trainable_slots
    >>> x = torch.linspace(0, 1, 10, dtype=torch.float64)[:, None]
    >>> model, problem = MLP([1, 1], dtype=torch.float64), Regression(x, 2 * x)
    >>> source = RowSource(model, problem, trainable_slots(model, problem))
    >>> jacobian, residuals = source.in_full()
    >>> torch.allclose(source.normal_equations().gradient, jacobian.mT @ residuals)
    True
    """

    def __init__(
        self, network: nn.Module, problem: Problem, slots: ParameterSlots, chunk_numbers: int = ROW_CHUNK_NUMBERS
    ) -> None:
        self.network = network
        self.slots = slots
        self._problem = problem
        self._blocks = [block for block in problem.second_order_blocks() if len(block.data)]
        self._rows = NetworkRows(network, slots, self._blocks[0].data.x)
        self._chunk_numbers = chunk_numbers

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        """For each block how many numbers the rows of one sample hold, and how many residuals a sample has.

        The number of residuals is 0 if they don't give the gradient.
        """
        sizes = []
        for block in self._blocks:
            rows = self._rows.block_rows(block, block.data.select(slice(0, 1)), self._problem.unknowns)
            count = 0 if rows.residuals is None else len(rows.residuals)
            batch = len(rows.runs[0].values) + (len(rows.slope[0].values) if rows.slope else 0)
            numbers = normal.active(rows.runs)
            if normal.is_dense(rows.runs, self.slots.size):
                numbers += self.slots.size
            sizes.append((batch * numbers, count))
        return sizes

    def count(self) -> int | None:
        """Number of rows of J over all blocks; None if the loss is no sum of squares."""
        counts = [count for _, count in self._sizes]
        if all(counts):
            return sum(c * len(b.data) for c, b in zip(counts, self._blocks, strict=True))
        return None

    def chunks(
        self, most: int | None = None, place: tuple[int, int] | None = None
    ) -> Iterator[tuple[BlockRows, float]]:
        """Rows of some samples, with the factor that makes sums over them parts of the loss."""
        # Of more samples than `most` so many are used, evenly spaced, of a loader the first ones. Several processes
        # take them together: `place` is the number of samples in the processes before this one, and in all.
        for block, (numbers, _) in zip(self._blocks, self._sizes, strict=True):
            data = block.data
            before, total = place or (0, len(data))
            factor = 1 / total
            if most is not None and total > most:
                spread = torch.linspace(0, total - 1, most).long().to(data.x.device) - before
                mine = spread[(spread >= 0) & (spread < len(data))]
                factor = 1 / most
                if not len(mine):
                    continue
                data = data.select(slice(0, len(mine)) if data.is_batched else mine)
            for part, _ in data.chunks(numbers, self._chunk_numbers):
                yield self._rows.block_rows(block, part, self._problem.unknowns), factor

    def normal_equations(self) -> NormalEquations:
        """Gradient and Gauss-Newton's matrix, summed over all chunks.

        The rows are kept for `pull` if all of them fit into one chunk, and computed again otherwise. Of a loader
        neither they nor the residuals are kept.
        """
        # Whether residuals can be kept, and whether all rows fit into memory.
        is_square = self.count() is not None and not any(block.data.is_batched for block in self._blocks)
        numbers = sum(n * len(block.data) for (n, _), block in zip(self._sizes, self._blocks, strict=True))
        kept: list[tuple[BlockRows, float]] | None = [] if numbers <= self._chunk_numbers else None
        matrix = self._blocks[0].data.x.new_zeros(self.slots.size, self.slots.size)
        gradient = matrix.new_zeros(self.slots.size)
        residuals: list[Tensor] = []
        # Sums over chunks of J'J, and of J'r or of the gradient where the loss is no sum of squares.
        for rows, factor in self.chunks():
            normal.gram_(matrix, rows.runs, 2 * factor)
            if rows.residuals is None:
                ones = rows.slope[0].values.new_ones(len(rows.slope[0].values))
                gradient += normal.transposed(rows.slope, ones, self.slots.size, factor)
            else:
                gradient += normal.transposed(rows.runs, rows.residuals, self.slots.size, 2 * factor)
                residuals += [(2 * factor) ** 0.5 * rows.residuals] if is_square else []
            if kept is not None:
                kept.append((rows, factor))
        if not is_square:
            return NormalEquations(gradient, matrix, None, None)
        return NormalEquations(gradient, matrix, torch.cat(residuals), partial(self._pulled, kept))

    def _pulled(self, kept: Iterable[tuple[BlockRows, float]] | None, w: Tensor) -> Tensor:
        """J'w, from rows that were kept or are computed again."""
        total = w.new_zeros(self.slots.size)
        first = 0
        for rows, factor in self.chunks() if kept is None else kept:
            assert rows.residuals is not None
            part = w[first : first + len(rows.residuals)]
            total += normal.transposed(rows.runs, part, self.slots.size, (2 * factor) ** 0.5)
            first += len(part)
        return total

    def in_full(self) -> tuple[Tensor, Tensor]:
        """J (rows, P) and the residuals (rows,), scaled: the gradient is J'r and Gauss-Newton's matrix J'J."""
        dense_rows = []
        residuals = []
        for rows, factor in self.chunks():
            assert rows.residuals is not None
            dense_rows.append((2 * factor) ** 0.5 * normal.dense(rows.runs, self.slots.size))
            residuals.append((2 * factor) ** 0.5 * rows.residuals)
        return torch.cat(dense_rows), torch.cat(residuals)

    def residuals(self) -> Tensor:
        """All residuals at the network's present parameters, scaled and ordered as by `in_full`."""
        parts = []
        with torch.no_grad():
            for block, (numbers, _) in zip(self._blocks, self._sizes, strict=True):
                assert isinstance(block, ResidualBlock)
                root = (2 / len(block.data)) ** 0.5
                for part, _ in block.data.chunks(numbers, self._chunk_numbers):
                    copies = {name: value.expand(len(part)) for name, value in self._problem.unknowns.items()}
                    jet = block.jet(self.network, part.x)
                    parts.append(root * block.weighted_residuals(jet, part, copies).mT.reshape(-1))
        return torch.cat(parts)

    def summed_residuals(self, parameters: Collection[Tensor], behind: Tensor, ahead: Tensor) -> Tensor:
        """The sum of the residuals at two values (P,) of the network's parameters, which keep the second one."""
        write_(parameters, behind)
        first = self.residuals()
        write_(parameters, ahead)
        return first + self.residuals()

    @property
    def is_chain(self) -> bool:
        """True if the network is a chain of layers and no block needs values at other places."""
        return self._rows.is_chain and all(block.places is None for block in self._blocks)

    def layer_derivatives(self) -> Iterator[tuple[NetworkRows, LayerDerivatives, float]]:
        """Derivatives by the layers' outputs from which `chunks` computes rows, for products without rows."""
        for block, numbers in zip(self._blocks, self._derivative_sizes, strict=True):
            for part, _ in block.data.chunks(numbers, self._chunk_numbers):
                derivatives = self._rows.layer_derivatives(block, part, self._problem.unknowns)
                yield self._rows, derivatives, 1 / len(block.data)

    def derivative_numbers(self) -> int:
        """Count of numbers that all `layer_derivatives` hold."""
        return sum(n * len(block.data) for n, block in zip(self._derivative_sizes, self._blocks, strict=True))

    @property
    def _derivative_sizes(self) -> list[int]:
        """Count of numbers that the layer derivatives of one sample hold, for each block."""
        sizes = []
        for block in self._blocks:
            one = self._rows.layer_derivatives(block, block.data.select(slice(0, 1)), self._problem.unknowns)
            tensors = [*one.inputs, *(each for layer in one.sensitivities for each in layer)]
            sizes.append(sum(tensor.numel() for tensor in tensors))
        return sizes

"""Gauss-Newton's quadratic model of a loss at a point, summed over chunks of samples in constant memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.ops import normal
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.jacobian.rows import BlockRows, NetworkRows, ParameterSlots, Spread
from edgewise.train.problems.base import Problem


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """The loss near a point: loss + gradient' d + d' matrix d / 2, without penalty.

    gradient: (P,). matrix: (P, P), Gauss-Newton's 2 J'J, in the upper triangle; the lower one is undefined.
    residuals: r (rows,), scaled so that the gradient is J'r. pull: w -> J'w for w in the order of r; it may ask the
        network, which then must be at the same point. None for cross-entropy.
    """

    gradient: Tensor
    matrix: Tensor
    residuals: Tensor | None
    pull: Callable[[Tensor], Tensor] | None


class RowSource:
    """Rows of all blocks of a problem for one network, chunk by chunk.

    chunk_numbers: most numbers in the rows of one chunk.
    """

    def __init__(
        self, network: nn.Module, problem: Problem, slots: ParameterSlots, chunk_numbers: int = ROW_CHUNK_NUMBERS
    ):
        self.network, self._problem, self._slots = network, problem, slots
        self._blocks = [block for block in problem.second_order_blocks() if len(block.data)]
        self._rows = NetworkRows(network, slots, self._blocks[0].data.x)
        self._chunk_numbers = chunk_numbers
        self._per_sample: list[tuple[int, int]] = []  # numbers in the rows of a sample, and rows; of each block

    def count(self) -> int | None:
        """Rows of J, over all blocks; None where residuals don't give the gradient."""
        if not self._per_sample:
            for block in self._blocks:
                rows = self._rows.of(block, block.data.select(slice(0, 1)), self._problem.unknowns)
                count = 0 if rows.residuals is None else len(rows.residuals)
                batch = len(rows.runs[0].values) + (len(rows.slope[0].values) if rows.slope else 0)
                numbers = normal.active(rows.runs)
                if normal.is_dense(rows.runs, self._slots.size):
                    numbers += self._slots.size
                self._per_sample.append((batch * numbers, count))
        counts = [count for _, count in self._per_sample]
        return sum(c * len(b.data) for c, b in zip(counts, self._blocks, strict=True)) if all(counts) else None

    def chunks(self, most: int | None = None) -> Iterator[tuple[BlockRows, float]]:
        """Rows of some samples, with the factor that makes sums over them parts of the loss.

        most: where a block has more samples, so many evenly picked ones stand for all.
        """
        self.count()
        for block, (numbers, _) in zip(self._blocks, self._per_sample, strict=True):
            data = block.data
            if most is not None and len(data) > most:
                data = data.select(torch.linspace(0, len(data) - 1, most).long())
            for part, _ in data.chunks(max(1, self._chunk_numbers // numbers)):
                yield self._rows.of(block, part, self._problem.unknowns), 1 / len(data)

    @property
    def is_chain(self) -> bool:
        """Whether there are `spreads`."""
        return self._rows.is_chain and all(getattr(block, "places", None) is None for block in self._blocks)

    def spreads(self) -> Iterator[tuple[NetworkRows, Spread, float]]:
        """What `chunks` are made from, for networks that are chains: the same without the rows."""
        for block, numbers in zip(self._blocks, self._spread_numbers(), strict=True):
            for part, _ in block.data.chunks(max(1, self._chunk_numbers // numbers)):
                yield self._rows, self._rows.spread(block, part, self._problem.unknowns), 1 / len(block.data)

    def spread_numbers(self) -> int:
        """How many numbers all `spreads` hold."""
        return sum(n * len(b.data) for n, b in zip(self._spread_numbers(), self._blocks, strict=True))

    def _spread_numbers(self) -> list[int]:
        one = [
            self._rows.spread(block, block.data.select(slice(0, 1)), self._problem.unknowns) for block in self._blocks
        ]
        return [sum(x.numel() for x in [*s.inputs, *(y for ys in s.sets for y in ys)]) for s in one]

    def normal_equations(self) -> NormalEquations:
        """J'J and the gradient."""
        size, matrix, gradient = self._slots.size, None, None
        is_square = self.count() is not None
        numbers = sum(n * len(b.data) for (n, _), b in zip(self._per_sample, self._blocks, strict=True))
        residuals: list[Tensor] = []
        kept: list[tuple[BlockRows, float]] | None = [] if numbers <= self._chunk_numbers else None
        for rows, factor in self.chunks():
            if matrix is None:
                matrix = rows.runs[0].values.new_zeros(size, size)
                gradient = matrix.new_zeros(size)
            normal.gram_(matrix, rows.runs, 2 * factor)
            gradient += self._slope(rows, factor)
            if is_square:
                residuals.append((2 * factor) ** 0.5 * rows.residuals)
            if kept is not None:
                kept.append((rows, factor))
        if not is_square:
            return NormalEquations(gradient, matrix, None, None)
        return NormalEquations(gradient, matrix, torch.cat(residuals), partial(self._pulled, kept))

    def residuals(self) -> Tensor:
        """All residuals, scaled as in `in_full` and in that order, at the network's parameters as they are."""
        self.count()
        found = []
        with torch.no_grad():
            for block, (numbers, _) in zip(self._blocks, self._per_sample, strict=True):
                root = (2 / len(block.data)) ** 0.5
                for part, _ in block.data.chunks(max(1, self._chunk_numbers // numbers)):
                    each = {name: value.expand(len(part)) for name, value in self._problem.unknowns.items()}
                    jet = block.jet(self.network, part.x)
                    found.append(root * block.weighted_residuals(jet, part, each).mT.reshape(-1))
        return torch.cat(found)

    def _pulled(self, kept: list[tuple[BlockRows, float]] | None, w: Tensor) -> Tensor:
        total, first = w.new_zeros(self._slots.size), 0
        for rows, factor in self.chunks() if kept is None else kept:
            part = w[first : first + len(rows.residuals)]
            total += normal.transposed(rows.runs, part, self._slots.size, (2 * factor) ** 0.5)
            first += len(part)
        return total

    def in_full(self) -> tuple[Tensor, Tensor]:
        """J (rows, P) and the residuals (rows,), scaled: the gradient is J'r and Gauss-Newton's matrix J'J."""
        parts = [(rows, (2 * factor) ** 0.5) for rows, factor in self.chunks()]
        return (
            torch.cat([root * normal.dense(rows.runs, self._slots.size) for rows, root in parts]),
            torch.cat([root * rows.residuals for rows, root in parts]),
        )

    def _slope(self, rows: BlockRows, factor: float) -> Tensor:
        if rows.residuals is not None:
            return normal.transposed(rows.runs, rows.residuals, self._slots.size, 2 * factor)
        ones = rows.slope[0].values.new_ones(len(rows.slope[0].values))
        return normal.transposed(rows.slope, ones, self._slots.size, factor)


def normal_matrix(model: nn.Module, problem: Problem) -> Tensor:
    """Gauss-Newton's second derivative of the loss by the trainable parameters, 2 J'J (P, P), without penalty.

    The parameters lie in the order of `Objective.parameters`: the model's, then the problem's unknowns. For
    cross-entropy the generalised Gauss-Newton matrix.

    Args:
        model: in the dtype of the problem.

    Raises:
        InputError: the problem has no blocks to second order.
    """
    slots = trainable_slots(model, problem)
    if not problem.second_order_blocks():
        raise InputError(f"problem must be a sum of squares or a cross-entropy, got {type(problem).__name__}")
    upper = RowSource(model, problem, slots).normal_equations().matrix.triu()
    return upper + upper.triu(1).mT


def trainable_slots(model: nn.Module, problem: Problem) -> ParameterSlots:
    """Where each trainable parameter, and each unknown, lies among all of them."""
    unknowns = {f"unknowns.{name}": value for name, value in problem.unknowns.items()}
    everything = {**dict(model.named_parameters()), **unknowns}
    return ParameterSlots({name: p for name, p in everything.items() if p.requires_grad})

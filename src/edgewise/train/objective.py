"""Objective of a fit: loss plus penalty of one model on given data, with gradients, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.prediction import numbers_of_row, predict_in_batches
from edgewise.nn.trace import Trace
from edgewise.settings import FORWARD_CHUNK_NUMBERS
from edgewise.train.blocks import Data
from edgewise.train.jacobian.matrix_free import ImplicitMatrix
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.jacobian.rows import edge_grams
from edgewise.train.parameters import ParameterSlots, trainable_parameters
from edgewise.train.penalties import Penalty, edge_magnitudes
from edgewise.train.problems import Problem


@dataclass(frozen=True)
class Evaluation:
    """Value of an objective."""

    loss: float  # loss on some data
    penalty: float = 0.0  # penalty of the model

    @property
    def total(self) -> float:
        """Loss plus penalty."""
        return self.loss + self.penalty

    @property
    def is_finite(self) -> bool:
        """True if loss and penalty are finite numbers."""
        return math.isfinite(self.total)


def unwrapped(model: nn.Module) -> nn.Module:
    """Network inside a DistributedDataParallel wrapper, or the model itself."""
    if isinstance(model, nn.parallel.DistributedDataParallel):
        return model.module
    return model


def mean_over_processes(model: nn.Module, value: float) -> float:
    """Mean of the values of all processes that train one DistributedDataParallel model; otherwise the value itself.

    Every process gets the same mean, so that all of them decide alike.
    """
    if not isinstance(model, nn.parallel.DistributedDataParallel):
        return value
    total = torch.tensor(value, dtype=torch.float64, device=next(model.parameters()).device)
    torch.distributed.all_reduce(total, group=model.process_group)
    return float(total) / torch.distributed.get_world_size(model.process_group)


class Objective:
    """Loss of a problem plus a penalty, as a function of a model's parameters.

    The loss is problem.loss(model(x), data). The loss of a problem of blocks is the sum over its blocks, whatever the
    `data`.
    """

    is_shared: ClassVar[bool] = False  # whether other processes hold more samples

    def __init__(
        self, model: nn.Module, problem: Problem, penalty: Penalty | None = None, *, numbers: int | None = None
    ) -> None:
        self.model = model
        self.network = unwrapped(model)
        self.problem = problem
        self.penalty = penalty
        self.term = None if penalty is None else penalty.bind(self.network)
        self.needs_trace = penalty is not None and penalty.needs_trace
        self.parameters = trainable_parameters(self.network, problem)
        if not self.parameters:
            raise InputError("model must have a trainable parameter, got none with requires_grad")
        self.numbers = numbers or numbers_of_row(self.network)  # that a sample takes

    def twin(self, network: nn.Module, dtype: torch.dtype) -> Objective:
        """Same objective for a copy of the network in another dtype, with its data in that dtype."""
        return Objective(network, self.problem.to(dtype), self.penalty, numbers=self.numbers)

    def row_source(self, slots: ParameterSlots) -> RowSource:
        """Return the rows of the Jacobian of the loss."""
        return RowSource(self.network, self.problem, slots)

    def implicit_matrix(self, source: RowSource) -> ImplicitMatrix:
        """Return Gauss-Newton's matrix at the present parameters, by products."""
        return ImplicitMatrix(source)

    def edge_grams(self, data: Data, numbers: int) -> list[dict[str, Tensor]]:
        """Return the grams of all edges, see `jacobian.rows.edge_grams`."""
        return edge_grams(self.network, data, numbers)

    def predict(self, x: Tensor) -> Tensor:
        """Outputs of the model, (N, out), without gradients."""
        return predict_in_batches(self.network, x, numbers=self.numbers)

    def metric(self, parts: Iterable[Data]) -> tuple[str, float] | None:
        """Headline metric of samples that come in parts, or None if the problem has none that parts give."""
        order = self.problem.metric_order
        name = ""
        total = 0.0
        count = 0
        if order is None:
            return None
        # A weighted power mean: of order 1 for shares, of order 2 for root mean squares.
        for part in parts:
            found = self.problem.metric(self.predict(part.x), part)
            assert found is not None
            name = found[0]
            total = total + len(part) * found[1] ** order
            count = count + len(part)
        if count:
            return (name, (total / count) ** (1 / order))
        return None

    def predictions(self, parts: Iterable[Data]) -> tuple[Tensor, Tensor]:
        """Outputs of the model, (N, out), and targets of samples that come in parts, without gradients."""
        found = [(self.predict(part.x), part.y) for part in parts]
        return torch.cat([one for one, _ in found]), torch.cat([one for _, one in found])

    def loss(self, data: Data) -> float:
        """Loss alone, without gradients."""
        with torch.no_grad():
            return _numbers_sum(list(self._losses(data)))

    def evaluate(self, data: Data) -> Evaluation:
        """Loss and penalty, without gradients."""
        with torch.no_grad():
            if self.problem.by_blocks:
                return Evaluation(self.loss(data), self._penalty(self.magnitudes(data)))
            loss, magnitudes = self.values(data)
            return Evaluation(loss, self._penalty(magnitudes))

    def values(self, data: Data) -> tuple[float, list[Tensor]]:
        """Loss, and the `magnitudes`, of one pass over the samples; not for problems of blocks."""
        losses = []
        shares = []
        parts = []
        with torch.no_grad():
            for part, share in data.chunks(self.numbers):
                prediction, magnitudes = self._forward(part)
                losses.append(self.problem.loss(prediction, part))
                shares.append(share)
                parts.append([share * each for each in magnitudes])
        return _numbers_sum(losses, shares), _sums(parts)

    def magnitudes(self, data: Data) -> list[Tensor]:
        """Mean |phi| of every edge over all samples, (in, out) per layer; empty where the penalty needs no trace."""
        if not self.needs_trace:
            return []
        with torch.no_grad():
            return _sums(
                [share * each for each in edge_magnitudes(self._trace(part.x), part.weight)]
                for part, share in data.chunks(self.numbers)
            )

    def backward(self, data: Data) -> Evaluation:
        """Loss and penalty; their gradient is left in the `.grad` of the parameters."""
        self.clear_gradients()
        if self.problem.by_blocks or not self.needs_trace:
            losses = []
            for value in self._losses(data):
                value.backward()
                losses.append(value.detach())
            return Evaluation(_numbers_sum(losses), self.penalty_backward(data))
        if len(data) * self.numbers <= FORWARD_CHUNK_NUMBERS and not data.is_batched:
            prediction, sizes = self._forward(data)
            value = self.problem.loss(prediction, data)
            penalty = self._term_value(sizes)
            (value + penalty).backward()
            return Evaluation(float(value.detach()), float(penalty.detach()))
        # The penalty is no sum over samples, but its arguments (means over samples) are: first the means, then the
        # gradient by them, then each chunk's part of the chain rule.
        magnitudes = self.magnitudes(data)
        loss = self.add_gradients(data, self._magnitude_slopes(magnitudes))
        return Evaluation(loss, self._backward_at_fixed_magnitudes(magnitudes))

    def add_gradients(self, data: Data, slopes: Sequence[Tensor], *, with_loss: bool = True) -> float:
        """Add gradients of the loss and of the magnitudes times `slopes`, to the `.grad` of the parameters.

        Returns the loss, or 0 where it does not count. Without slopes, (), it is the gradient of the loss alone.
        """
        losses: list[Tensor] = []
        for part, share in data.chunks(self.numbers):
            prediction, sizes = self._forward(part)
            terms: list[Tensor] = []
            if with_loss:
                terms.append(share * self.problem.loss(prediction, part))
                losses.append(terms[0].detach())
            if slopes:
                products = [(slope * size).sum() for slope, size in zip(slopes, sizes, strict=True)]
                terms.append(share * reduce(torch.add, products))
            reduce(torch.add, terms).backward()
        return _numbers_sum(losses)

    def clear_gradients(self) -> None:
        """Set the `.grad` of all parameters to None."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def penalty_backward(self, data: Data) -> float:
        """Value of the penalty; its gradient is added to the `.grad` of the parameters."""
        if self.term is None:
            return 0.0
        magnitudes = self.magnitudes(data)
        if self.needs_trace:
            self.add_gradients(data, self._magnitude_slopes(magnitudes), with_loss=False)
        return self._backward_at_fixed_magnitudes(magnitudes)

    def _losses(self, data: Data) -> Iterator[Tensor]:
        """Differentiable scalars that sum to the loss, one per chunk of samples."""
        if not self.problem.by_blocks:
            for part, share in data.chunks(self.numbers):
                yield share * self.problem.loss(self.model(part.x), part)
            return
        for block in self.problem.blocks():
            for part, share in block.data.chunks(self.numbers):
                yield share * block.loss(self.model, part, self.problem.unknowns)

    @property
    def _trace(self) -> Callable[[Tensor], Trace]:
        return self.network.trace  # type: ignore[return-value]  # a penalty that needs it has checked the model

    def _forward(self, part: Data) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Prediction of a part, and the edge magnitudes on it if the penalty needs them."""
        if not self.needs_trace:
            return self.model(part.x), ()
        trace = self._trace(part.x)
        # A wrapper must see its own forward pass, or it doesn't average gradients over processes.
        prediction = trace.output if self.model is self.network else self.model(part.x)
        return prediction, edge_magnitudes(trace, part.weight)

    def _term_value(self, magnitudes: Sequence[Tensor]) -> Tensor:
        assert self.term is not None
        return self.term.value(magnitudes)

    def _penalty(self, magnitudes: Sequence[Tensor]) -> float:
        if self.term is None:
            return 0.0
        return float(self.term.value(magnitudes))

    def _backward_at_fixed_magnitudes(self, magnitudes: Sequence[Tensor]) -> float:
        """Value of the penalty; the gradient of what depends on parameters directly is added to their `.grad`."""
        if self.term is None:
            return 0.0
        value = self.term.value(magnitudes)
        if value.requires_grad:
            value.backward()
        return float(value.detach())

    def _magnitude_slopes(self, magnitudes: Sequence[Tensor]) -> list[Tensor]:
        leaves = [size.detach().requires_grad_() for size in magnitudes]
        with torch.enable_grad():
            return list(torch.autograd.grad(self._term_value(leaves), leaves))


def _numbers_sum(values: list[Tensor], factors: list[float] | None = None) -> float:
    """Sum of scalars times their factors, read from their device all at once: each reading waits for the device."""
    numbers: list[float] = []
    if len(values) == 1:
        numbers = [float(values[0])]
    elif values:
        numbers = torch.stack(values).tolist()
    if factors is not None:
        numbers = [factor * number for factor, number in zip(factors, numbers, strict=True)]
    return sum(numbers, 0.0)


def _sums(parts: Iterable[Sequence[Tensor]]) -> list[Tensor]:
    """Sum over the parts of each of their tensors."""
    return [reduce(torch.add, each) for each in zip(*parts, strict=True)]

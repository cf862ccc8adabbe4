"""Loss plus penalty of one model on given data, with gradients, in bounded memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.prediction import predict_in_batches, rows_in_memory
from edgewise.train.penalties import Penalty, edge_magnitudes
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data


@dataclass(frozen=True)
class Evaluation:
    """The loss on some data, and the penalty."""

    loss: float
    penalty: float = 0.0

    @property
    def total(self) -> float:
        return self.loss + self.penalty

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.total)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside a DistributedDataParallel wrapper, or the model itself."""
    return model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model


def mean_over_processes(model: nn.Module, value: float) -> float:
    """The mean of each process's value where they train one DistributedDataParallel model, so that all of them decide
    alike; the value itself otherwise."""
    if unwrapped(model) is model:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=next(model.parameters()).device)
    torch.distributed.all_reduce(total, group=model.process_group)
    return float(total) / torch.distributed.get_world_size(model.process_group)


def state_tensors(network: nn.Module, problem: Problem) -> dict[str, Tensor]:
    """All that training may change, by name: the network's tensors and the problem's unknowns; no copies."""
    return {**network.state_dict(), **{f"unknowns.{name}": value.detach() for name, value in problem.unknowns.items()}}


class Objective:
    """What a method makes small: the problem's loss + penalty.

    The loss is problem.loss(model(x), data); that of a problem of blocks is the sum over its blocks, whatever `data`.

    Attributes:
        model: what is called; network: the same without a DistributedDataParallel wrapper.
        parameters: the trainable ones by name, in the network's order, then the problem's unknowns as
            "unknowns.name"; frozen ones are left alone.
    """

    def __init__(self, model: nn.Module, problem: Problem, penalty: Penalty | None = None, *, rows: int | None = None):
        self.model, self.network = model, unwrapped(model)
        self.problem, self.penalty = problem, penalty
        self.term = None if penalty is None else penalty.bind(self.network)
        self.needs_trace = penalty is not None and penalty.needs_trace
        everything = [*self.network.named_parameters(), *((f"unknowns.{n}", p) for n, p in problem.unknowns.items())]
        self.parameters = {name: p for name, p in everything if p.requires_grad}
        if not self.parameters:
            raise InputError("model must have a trainable parameter, got none with requires_grad")
        self.rows = rows or rows_in_memory(self.network)

    def twin(self, network: nn.Module, dtype: torch.dtype) -> "Objective":
        """The same objective for a copy of the network in another dtype, with its data in that dtype."""
        return Objective(network, self.problem.to(dtype), self.penalty, rows=self.rows)

    def evaluate(self, data: Data) -> Evaluation:
        """Loss and penalty, without gradients."""
        with torch.no_grad():
            if self.problem.by_blocks:
                return Evaluation(self.loss(data), self._penalty_value(data))
            loss, sizes = 0.0, []
            for part, share in data.chunks(self.rows):
                prediction, trace = self._forward(part)
                loss += share * float(self.problem.loss(prediction, part))
                if self.needs_trace:
                    sizes.append([share * size for size in edge_magnitudes(trace, part.weight)])
            return Evaluation(loss, self._penalty(sizes))

    def loss(self, data: Data) -> float:
        """The loss alone, without gradients."""
        with torch.no_grad():
            return sum(float(value) for value in self._losses(data))

    def predict(self, x: Tensor) -> Tensor:
        """The model's outputs, (N, out), without gradients."""
        return predict_in_batches(self.network, x, rows=self.rows)

    def backward(self, data: Data) -> Evaluation:
        """Loss and penalty; their gradient is left in the `.grad` of the parameters."""
        for parameter in self.parameters.values():
            parameter.grad = None
        if self.problem.by_blocks or not self.needs_trace:
            loss = 0.0
            for value in self._losses(data):
                value.backward()
                loss += float(value.detach())
            if not self.needs_trace:
                return Evaluation(loss, self._pull_penalty(()))
            self.penalty_backward(data)
            return Evaluation(loss, self._penalty_value(data))
        if len(data) > self.rows:
            return self._backward_in_two_passes(data)
        prediction, trace = self._forward(data)
        loss = self.problem.loss(prediction, data)
        penalty = self.term.value(edge_magnitudes(trace, data.weight))
        (loss + penalty).backward()
        return Evaluation(float(loss.detach()), float(penalty.detach()))

    def penalty_backward(self, data: Data) -> None:
        """Adds the gradient of the penalty alone to the `.grad` of the parameters."""
        if self.term is None:
            return
        if not self.needs_trace:
            self._pull_penalty(())
            return
        magnitudes = self.magnitudes(data)
        slopes = self._magnitude_slopes(magnitudes)
        for part, share in data.chunks(self.rows):
            (share * _pulled(slopes, edge_magnitudes(self.network.trace(part.x), part.weight))).backward()
        self._pull_penalty(magnitudes)  # what depends on parameters directly

    def magnitudes(self, data: Data) -> list[Tensor]:
        """Mean |phi| of every edge over all samples, (in, out) per layer, without gradients."""
        with torch.no_grad():
            sizes = [
                [share * size for size in edge_magnitudes(self.network.trace(part.x), part.weight)]
                for part, share in data.chunks(self.rows)
            ]
            return [sum(each) for each in zip(*sizes, strict=True)]

    def _losses(self, data: Data) -> Iterator[Tensor]:
        """Differentiable scalars that sum to the loss, one per chunk of samples."""
        if not self.problem.by_blocks:
            for part, share in data.chunks(self.rows):
                yield share * self.problem.loss(self.model(part.x), part)
            return
        for block in self.problem.blocks():
            for part, share in block.data.chunks(self.rows):
                yield share * block.loss(self.model, part, self.problem.unknowns)

    def _penalty_value(self, data: Data) -> float:
        if self.term is None:
            return 0.0
        with torch.no_grad():
            return float(self.term.value(self.magnitudes(data) if self.needs_trace else ()))

    def _forward(self, part: Data):
        if not self.needs_trace:
            return self.model(part.x), None
        trace = self.network.trace(part.x)
        # A wrapper must see its own forward pass, or it doesn't average gradients over processes.
        return (trace.output if self.model is self.network else self.model(part.x)), trace

    def _penalty(self, sizes: Sequence) -> float:
        if self.term is None:
            return 0.0
        return float(self.term.value([sum(each) for each in zip(*sizes, strict=True)]))

    def _pull_penalty(self, magnitudes: Sequence[Tensor]) -> float:
        if self.term is None:
            return 0.0
        value = self.term.value(magnitudes)
        if value.requires_grad:
            value.backward()
        return float(value.detach())

    def _backward_in_two_passes(self, data: Data) -> Evaluation:
        """The penalty is no sum over samples, its arguments (means over samples) are: first the means, then the
        gradient by them, then each chunk's part of the chain rule."""
        magnitudes = self.magnitudes(data)
        slopes = self._magnitude_slopes(magnitudes)
        with torch.no_grad():
            penalty = float(self.term.value(magnitudes))
        loss = 0.0
        for part, share in data.chunks(self.rows):
            prediction, trace = self._forward(part)
            value = share * self.problem.loss(prediction, part)
            (value + share * _pulled(slopes, edge_magnitudes(trace, part.weight))).backward()
            loss += float(value.detach())
        self._pull_penalty(magnitudes)  # what depends on parameters directly
        return Evaluation(loss, penalty)

    def _magnitude_slopes(self, magnitudes: Sequence[Tensor]) -> list[Tensor]:
        leaves = [size.detach().requires_grad_() for size in magnitudes]
        with torch.enable_grad():
            return list(torch.autograd.grad(self.term.value(leaves), leaves))


def _pulled(slopes: Sequence[Tensor], sizes: Sequence[Tensor]) -> Tensor:
    return sum((slope * size).sum() for slope, size in zip(slopes, sizes, strict=True))

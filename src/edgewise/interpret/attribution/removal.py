"""What it costs on data to take an edge, a node or an input out of a network."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.product import ProductLayer
from edgewise.train.problems.base import Problem
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.data import Data
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression

ROWS_AT_ONCE = 2**18  # that pass through the later layers together


@dataclass(frozen=True)
class RemovalCosts:
    """How much the loss rises by each removal; below zero where the network is better without.

    Each is the rise of the problem's loss if what leaves the edge, the node or the input (all edges that start there)
    were its mean over the data. Nothing is trained again, so of two nodes that do the same either one costs much; a
    removal that is refitted may cost less.

    loss: of the network as it is.
    edges: (in, out) per layer; a layer of products has none, and zeros here. nodes: (in,) per layer, of what enters
        it: inputs first; the outputs are not among them.
    """

    loss: float
    edges: tuple[Tensor, ...]
    nodes: tuple[Tensor, ...]

    @property
    def inputs(self) -> Tensor:
        """Of every input, (width[0],)."""
        return self.nodes[0]


@torch.no_grad()
def removal_costs(model: nn.Module, problem: Problem) -> RemovalCosts:
    """The cost of removing each edge, node and input, on the validation data (the training data if there are none).

    Raises:
        InputError: the model has no `layers` with edges, or the problem is no `Regression`, `Classification` or
            `OrdinalClassification` of tensors.
    """
    data = judging_data(problem)
    check_layers(model)
    before = float(problem.loss(model(data.x), data))
    edges, nodes, x = [], [], data.x
    for number, layer in enumerate(model.layers):
        y, tail = layer(x), list(model.layers)[number + 1 :]
        inputs, outputs = layer.in_features, layer.out_features
        whole = ((i, slice(None)) for i in range(inputs))
        if isinstance(layer, ProductLayer):
            deviation = torch.stack([y - layer(_with_mean(x, i)) for i in range(inputs)], 1)
            edges.append(x.new_zeros(inputs, outputs))
        else:
            values = layer.edges(x)
            deviation = values - values.mean(0)
            single = ((i, [o]) for i in range(inputs) for o in range(outputs))
            edges.append(_costs(y, deviation, single, tail, problem, data).view(inputs, outputs) - before)
        nodes.append(_costs(y, deviation, whole, tail, problem, data) - before)
        x = y
    return RemovalCosts(before, tuple(edges), tuple(nodes))


def _with_mean(x: Tensor, column: int) -> Tensor:
    x = x.clone()
    x[:, column] = x[:, column].mean()
    return x


def _costs(y: Tensor, deviation: Tensor, removals: Iterable, tail: list[nn.Module], problem, data: Data) -> Tensor:
    """The loss after each removal of (input, outputs), many of them in one pass through the later layers."""
    found = []
    for group in _groups(removals, max(1, ROWS_AT_ONCE // len(y))):
        moved = y.repeat(len(group), 1, 1)
        for place, (i, outputs) in enumerate(group):
            moved[place][:, outputs] -= deviation[:, i, outputs]
        z = moved.flatten(0, 1)
        for layer in tail:
            z = layer(z)
        found += [problem.loss(part, data) for part in z.view(len(group), len(y), -1)]
    return torch.stack(found)


def _groups(items: Iterable, size: int) -> Iterator[list]:
    group = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def judging_data(problem: Problem) -> Data:
    """Validation data, or training data where there are none.

    Raises InputError for a problem without targets, or with a DataLoader.
    """
    if not isinstance(problem, Regression | Classification | OrdinalClassification):
        kinds = "a Regression, Classification or OrdinalClassification"
        raise InputError(f"problem must be {kinds}, got {type(problem).__name__}")
    if problem.train_loader is not None:
        raise InputError("problem must hold its data as tensors, got a DataLoader")
    return problem.train if problem.validation is None else problem.validation


def check_layers(model: nn.Module) -> None:
    """Raises InputError for a model that is no chain of layers with edges."""
    layers = list(getattr(model, "layers", ()))
    if not all(
        isinstance(layer, ProductLayer) or callable(getattr(layer, "edges", None)) for layer in layers or [None]
    ):
        raise InputError(f"model must be a KAN or an MLP, got {type(model).__name__}")

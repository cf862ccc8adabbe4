"""Removal costs: the rise of the loss when an edge, a node or an input is taken out of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import Chain, Layer
from edgewise.nn.prediction import numbers_of_row
from edgewise.settings import chunks
from edgewise.train.blocks import Data
from edgewise.train.problems import Classification, OrdinalClassification, Problem, Regression


@dataclass(frozen=True)
class RemovalCosts:
    """Rise of the loss by each removal, from `removal_costs`; negative where the network is better without."""

    loss: float  # of the network without any removal
    edges: tuple[Tensor, ...]  # (in, out) per layer; a layer of products has no edges, and zeros here
    nodes: tuple[Tensor, ...]  # (in,) per layer, for the nodes that enter it, inputs first; outputs are not included

    @property
    def inputs(self) -> Tensor:
        """Costs of the inputs, (width[0],)."""
        return self.nodes[0]


@torch.no_grad()
def removal_costs(model: nn.Module, problem: Problem) -> RemovalCosts:
    """Measure the cost of removing each edge, node and input, one at a time; InputError for a model without edges."""
    # Each cost is the rise of the problem's loss if the values of the edge, the node or the input (all edges that start
    # there) were replaced by their mean over the data. Nothing is trained again, so of two nodes that do the same,
    # either one costs much; after a refit a removal may cost less.
    data = judging_data(problem)
    if not isinstance(model, Chain):
        raise InputError(f"model must be a KAN or an MLP, got {type(model).__name__}")
    layers = list(model.layers)
    before = float(problem.loss(model(data.x), data))
    edges = []
    nodes = []
    x = data.x
    # Layer by layer, with the inputs that the layer has in the whole network.
    for number, layer in enumerate(layers):
        y = layer(x)
        later = layers[number + 1 :]
        inputs = layer.in_features
        outputs = layer.out_features
        values = layer.edges(x)
        # A factor of a product is replaced by its mean, an edge by the mean of its values.
        if layer.groups is not None:
            columns = []
            for i in range(inputs):
                averaged = x.clone()
                averaged[:, i] = x[:, i].mean()
                columns.append(y - layer(averaged))
            deviation = torch.stack(columns, 1)
            edges.append(x.new_zeros(inputs, outputs))
        else:
            deviation = values - values.mean(0)
            single = ((i, [o]) for i in range(inputs) for o in range(outputs))
            losses = _losses_without(single, deviation, y, later, problem, data)
            edges.append(losses.view(inputs, outputs) - before)
        # A node goes with all edges that begin at it.
        whole = ((i, slice(None)) for i in range(inputs))
        nodes.append(_losses_without(whole, deviation, y, later, problem, data) - before)
        x = y
    return RemovalCosts(before, tuple(edges), tuple(nodes))


def _losses_without(
    removals: Iterable[tuple[int, slice | list[int]]],
    deviation: Tensor,
    y: Tensor,
    later: list[Layer],
    problem: Problem,
    data: Data,
) -> Tensor:
    """Compute the loss after each removal of (input, outputs) from a layer, many of them in one pass.

    deviation is (batch, in, out), the change of the layer's outputs y (batch, out) by each removal; `later` are the
    layers after it.
    """
    # Copies of the layer's outputs, one for each removal, go through the later layers together.
    every = list(removals)
    losses = []
    numbers = max([y.shape[1], *map(numbers_of_row, later)])
    for some in chunks(len(every), len(y) * numbers):
        group = every[some]
        moved = y.repeat(len(group), 1, 1)
        for place, (i, outputs) in enumerate(group):
            moved[place][:, outputs] -= deviation[:, i, outputs]
        z = moved.flatten(0, 1)
        for layer in later:
            z = layer(z)
        losses += [problem.loss(part, data) for part in z.view(len(group), len(y), -1)]
    return torch.stack(losses)


def judging_data(problem: Problem) -> Data:
    """Return the validation data, or the training data where there are none."""
    if not isinstance(problem, Regression | Classification | OrdinalClassification):
        kinds = "a Regression, Classification or OrdinalClassification"
        raise InputError(f"problem must be {kinds}, got {type(problem).__name__}")
    train = problem.train
    return train if problem.validation is None else problem.validation

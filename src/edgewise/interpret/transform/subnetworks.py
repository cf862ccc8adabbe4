"""Removal of edges, nodes and inputs from a KAN without a change of the rest of its function."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.interpret.transform.edges import (
    selected,
    spread_inputs,
    with_constant,
    with_edges,
    with_scaled_output,
)
from edgewise.nn.layers.base import Groups, LayerList
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, edge_layers

Masks = Sequence[Tensor]  # bool (in, out), one per layer of edges


def product_groups(model: KAN) -> list[Groups]:
    """List for each layer of edges the sums that make each node: several where they are multiplied, otherwise one."""
    groups: list[Groups] = []
    for layer in model.layers:
        if layer.groups is not None:
            factors = [i for group in layer.groups for i in group]
            if len(set(factors)) < len(factors):
                raise InputError(f"model must multiply each sum in one product only, got {layer}")
            groups[-1] = layer.groups
        else:
            groups.append(tuple((o,) for o in range(layer.out_features)))
    return groups


def live_edges(model: KAN) -> tuple[Tensor, ...]:
    """Mark the edges that take part, (in, out) per layer: not masked, and on a path from an input to an output."""
    return connected_edges([layer.mask != 0 for layer in edge_layers(model)], product_groups(model))


def connected_edges(masks: Masks, groups: Sequence[Groups]) -> tuple[Tensor, ...]:
    """Mark the edges of `masks`, (in, out) per layer, that lie on a path from an input to an output."""
    # Forward: edges that an input reaches. A node is reached by any of its sums.
    forward = []
    reached = masks[0].new_ones(masks[0].shape[0])
    for mask, nodes in zip(masks, groups, strict=True):
        forward.append(mask & reached[:, None])
        sums = forward[-1].any(0)
        reached = torch.stack([sums[list(group)].any() for group in nodes])
    # Backward: those of them from which an output is reached.
    backward = []
    wanted = masks[-1].new_ones(len(groups[-1]))
    for mask, nodes in zip(reversed(forward), reversed(groups), strict=True):
        sums = mask.new_zeros(mask.shape[1])
        for group, is_wanted in zip(nodes, wanted.tolist(), strict=True):
            sums[list(group)] = is_wanted
        backward.append(mask & sums)
        wanted = backward[-1].any(1)
    return tuple(reversed(backward))


def has_path(masks: Masks, groups: Sequence[Groups]) -> bool:
    """Return whether the edges of `masks` contain a path from an input to an output."""
    return all(bool(mask.any()) for mask in connected_edges(masks, groups))


@torch.no_grad()
def without_edges(model: KAN, keep: Masks, x: Tensor) -> KAN:
    """Copy a network and mask the edges outside `keep`, which then act as their mean over the data x (batch, in).

    The mean of a removed edge is added to another edge into the same sum (B-splines sum to one, so a constant is the
    same addition to all coefficients). A node all of whose edges are removed becomes a constant, and so do the edges
    that leave it; a constant factor of a product scales another factor. Removing a constant edge thus leaves the
    function unchanged.

    `keep`, bool (in, out) per layer of edges, has at least one path from an input to an output; edges on no path are
    removed too. The copy has the same shape, except that products may lose factors.
    """
    layers = edge_layers(model)
    groups = product_groups(model)
    keep = connected_edges([layer.mask.bool() & kept for layer, kept in zip(layers, keep, strict=True)], groups)
    alive = keep[0].new_ones(len(keep[0]))
    for number, (layer, nodes) in enumerate(zip(layers, groups, strict=True)):
        # Each sum receives the mean of its removed edges; constant factors of products scale another factor.
        kept = keep[number] & alive[:, None]
        is_last = number == len(layers) - 1
        values = layer.edges(x)
        offset = torch.where(kept, torch.zeros_like(layer.mask), values.mean(0)).sum(0)
        strength = torch.where(kept, values.std(0, correction=0), -1.0)
        layer = _with_offsets(with_edges(layer, kept), offset, strength, keep_constants=is_last)
        layers[number] = layer
        sums = torch.where(layer.mask.bool().any(0), layer(x), offset)
        if is_last:
            break
        layers[number], groups[number], alive = _without_constant_factors(layer, nodes, offset)
        x = torch.stack([sums[:, list(group)].prod(1) for group in groups[number]], 1)
    return with_layers(model, layers, groups)


def _with_offsets(layer: KANLayer, offset: Tensor, strength: Tensor, *, keep_constants: bool) -> KANLayer:
    """Add each sum's offset to its strongest edge.

    strength is (in, out), -1 for removed edges. A sum without edges gets one that is the constant if `keep_constants`.
    """
    for o, value in enumerate(offset.tolist()):
        i = int(strength[:, o].argmax())
        if float(strength[i, o]) < 0:
            if not keep_constants:
                continue
            i = int(strength.amax(1).argmax())  # a node that is live anyway
        if value != 0:
            layer = with_constant(layer, i, o, value)
    return layer


def _without_constant_factors(layer: KANLayer, nodes: Groups, offset: Tensor) -> tuple[KANLayer, Groups, Tensor]:
    """Remove the sums that have become constants from the products; the last result marks the nodes that vary."""
    varies = layer.mask.bool().any(0).tolist()
    groups = []
    alive = []
    for group in nodes:
        rest = tuple(s for s in group if varies[s])
        factor = 1.0
        for s in group:
            if not varies[s]:
                factor = factor * float(offset[s])
        alive.append(bool(rest) and factor != 0)
        groups.append(rest if alive[-1] else tuple(s for s in group if not varies[s]))
        if alive[-1] and factor != 1.0:
            layer = with_scaled_output(layer, rest[0], factor)
    return layer, tuple(groups), torch.tensor(alive, device=offset.device)


@dataclass(frozen=True)
class Kept:
    """Parts of a network that a smaller one has, by their old numbers."""

    nodes: tuple[Tensor, ...]  # for each layer of nodes, inputs first, the nodes
    sums: tuple[Tensor, ...]  # for each layer of edges, the sums that the edges end in


@torch.no_grad()
def without_dead_nodes(model: KAN) -> tuple[KAN, Kept]:
    """Copy a network without the inputs and hidden nodes that no live edge touches; also return what it keeps.

    All outputs stay. Products come after sums in each layer, in the order of `ProductLayer.after_sums`.
    """
    live = live_edges(model)
    groups = product_groups(model)
    nodes: list[Tensor] = [live[0].any(1).nonzero()[:, 0]]
    sums: list[Tensor] = []
    shapes: list[Groups] = []
    for number, group in enumerate(groups):
        # All outputs stay; of a hidden layer the live nodes, sums first.
        wanted = list(range(len(group)))
        if number < len(groups) - 1:
            wanted = live[number + 1].any(1).nonzero()[:, 0].tolist()
            wanted = [n for n in wanted if len(group[n]) == 1] + [n for n in wanted if len(group[n]) > 1]
        nodes.append(torch.tensor(wanted, device=nodes[0].device))
        sums.append(torch.tensor([s for n in wanted for s in group[n]], device=nodes[0].device))
        starts = [0]
        for n in wanted:
            starts.append(starts[-1] + len(group[n]))
        shapes.append(tuple(tuple(range(a, b)) for a, b in pairwise(starts)))
    layers = [
        selected(layer, inputs, outputs)
        for layer, inputs, outputs in zip(edge_layers(model), nodes[:-1], sums, strict=True)
    ]
    return with_layers(model, layers, shapes), Kept(tuple(nodes), tuple(sums))


def with_output(model: KAN, output: int) -> KAN:
    """Copy a network with one of its outputs alone, by number; edges that only the other outputs need are masked."""
    layers = copy.deepcopy(edge_layers(model))
    groups = product_groups(model)
    last = layers[-1]
    wanted = torch.tensor(groups[-1][output])
    layers[-1] = selected(last, torch.arange(last.in_features), wanted)
    alone = with_layers(model, layers, [*groups[:-1], (tuple(range(len(wanted))),)])
    live = live_edges(alone)
    kept = [with_edges(layer, mask) for layer, mask in zip(edge_layers(alone), live, strict=True)]
    return with_layers(alone, kept, product_groups(alone))


def with_layers(model: KAN, layers: Sequence[KANLayer], groups: Sequence[Groups]) -> KAN:
    """Copy a network with other layers, and with products where nodes are not simply the sums."""
    chain: list[KANLayer | ProductLayer] = []
    for layer, nodes in zip(layers, groups, strict=True):
        chain.append(layer)
        if nodes != tuple((o,) for o in range(layer.out_features)):
            chain.append(ProductLayer(layer.out_features, nodes))
    changed = copy.deepcopy(model)
    changed.layers = LayerList(chain)
    return changed


@torch.no_grad()
def with_inputs(model: KAN, columns: Tensor, like: KANLayer) -> KAN:
    """Copy a network so that it takes all inputs of the layer `like`, of which it uses `columns`; others are masked."""
    first, *others = edge_layers(model)
    return with_layers(model, [spread_inputs(first, columns, like), *copy.deepcopy(others)], product_groups(model))

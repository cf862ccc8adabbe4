"""Takes edges and nodes out of a KAN without touching what is left of its function."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import LayerList
from edgewise.nn.layers.product import Groups, ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN

Masks = Sequence[Tensor]  # bool (in, out) per layer of edges


def edge_layers(model: KAN) -> list[KANLayer]:
    """The layers of edges, in order.

    Raises:
        InputError: the model is no KAN of splines and products.
    """
    if not isinstance(model, KAN):
        raise InputError(f"model must be a KAN, got {type(model).__name__}")
    layers = [layer for layer in model.layers if not isinstance(layer, ProductLayer)]
    other = next((layer for layer in layers if not isinstance(layer, KANLayer)), None)
    if other is not None:
        raise InputError(f"model must have spline edges only, got a {type(other).__name__}")
    return layers


def product_groups(model: KAN) -> list[Groups]:
    """For each layer of edges the sums that make each node: several where they are multiplied, else one.

    Raises:
        InputError: a sum is a factor of two nodes, or twice of one.
    """
    groups: list[Groups] = []
    for layer in model.layers:
        if isinstance(layer, ProductLayer):
            factors = [i for group in layer.groups for i in group]
            if len(set(factors)) < len(factors):
                raise InputError(f"model must multiply each sum in one product only, got {layer}")
            groups[-1] = layer.groups
        else:
            groups.append(tuple((o,) for o in range(layer.out_features)))
    return groups


def live_edges(model: KAN) -> tuple[Tensor, ...]:
    """Which edges take part: not masked, fed by an input or a live node, and on a way to an output."""
    return connected([layer.mask != 0 for layer in edge_layers(model)], product_groups(model))


def connected(masks: Masks, groups: Sequence[Groups]) -> tuple[Tensor, ...]:
    """The edges of `masks` that lie on a way from an input to an output."""
    forward, reached = [], masks[0].new_ones(masks[0].shape[0])
    for mask, nodes in zip(masks, groups, strict=True):
        forward.append(mask & reached[:, None])
        sums = forward[-1].any(0)
        reached = torch.stack([sums[list(group)].any() for group in nodes])
    backward, wanted = [], masks[-1].new_ones(len(groups[-1]))
    for mask, nodes in zip(reversed(forward), reversed(groups), strict=True):
        sums = mask.new_zeros(mask.shape[1])
        for group, is_wanted in zip(nodes, wanted.tolist(), strict=True):
            sums[list(group)] = is_wanted
        backward.append(mask & sums)
        wanted = backward[-1].any(1)
    return tuple(reversed(backward))


def leaves_a_way(masks: Masks, groups: Sequence[Groups]) -> bool:
    """Whether some way from an input to an output is left."""
    return all(bool(mask.any()) for mask in connected(masks, groups))


@torch.no_grad()
def without_edges(model: KAN, keep: Masks, x: Tensor) -> KAN:
    """A copy in which the edges outside `keep` are masked and act as the constants they are on average.

    An edge that goes leaves its mean over the data behind, added to another edge into the same sum (B-splines sum to
    one, so a constant is the same addition to all coefficients). A node all of whose edges go becomes a constant
    itself, and so do the edges that leave it; a constant factor of a product scales another factor. So an edge that
    does not vary goes without any change of the function.

    Args:
        keep: at least one way from an input to an output. Edges that are on none go too.
        x: the data of the means, (batch, in).
    """
    pruned = copy.deepcopy(model)
    layers, groups = edge_layers(pruned), product_groups(pruned)
    keep = connected([layer.mask.bool() & kept for layer, kept in zip(layers, keep, strict=True)], groups)
    alive = keep[0].new_ones(len(keep[0]))
    for number, (layer, nodes) in enumerate(zip(layers, groups, strict=True)):
        kept, last = keep[number] & alive[:, None], number == len(layers) - 1
        values = layer.edges(x)
        offset = torch.where(kept, torch.zeros_like(layer.mask), values.mean(0)).sum(0)
        strength = torch.where(kept, values.std(0, correction=0), -1.0)
        layer.mask.copy_(kept)
        _add_offsets_(layer, offset, strength, every=last)
        sums = torch.where(layer.mask.bool().any(0), layer(x), offset)
        if last:
            break
        nodes, alive = _without_constant_factors_(layer, nodes, offset)
        groups[number] = nodes
        x = torch.stack([sums[:, list(group)].prod(1) for group in groups[number]], 1)
    return _with_groups(pruned, groups)


def _add_offsets_(layer: KANLayer, offset: Tensor, strength: Tensor, *, every: bool) -> None:
    """Adds each sum's offset to its strongest edge; `every` sum without edges then gets one that is the constant."""
    for o, value in enumerate(offset.tolist()):
        i = int(strength[:, o].argmax())
        if float(strength[i, o]) < 0:
            if not every or value == 0:
                continue
            i = int(strength.amax(1).argmax())  # a node that is there anyway
            layer.coef[i, :, o] = 0
            if layer.base is not None:
                layer.base[i, o] = 0
            layer.mask[i, o] = 1
        if value != 0:
            layer.coef[i, :, o] += offset[o]


def _without_constant_factors_(layer: KANLayer, nodes: Groups, offset: Tensor) -> tuple[Groups, Tensor]:
    """Products without the sums that have become constants, and which nodes vary."""
    varies = layer.mask.bool().any(0).tolist()
    groups, alive = [], []
    for group in nodes:
        rest = tuple(s for s in group if varies[s])
        factor = 1.0
        for s in group:
            factor = factor if varies[s] else factor * float(offset[s])
        alive.append(bool(rest) and factor != 0)
        groups.append(rest if alive[-1] else tuple(s for s in group if not varies[s]))
        if alive[-1] and factor != 1.0:
            layer.coef[:, :, rest[0]] *= factor
            if layer.base is not None:
                layer.base[:, rest[0]] *= factor
    return tuple(groups), torch.tensor(alive, device=offset.device)


@dataclass(frozen=True)
class Kept:
    """Which parts of a model a smaller one has, by their old numbers: for each layer of nodes, inputs first, the
    nodes; for each layer of edges the sums they end in."""

    nodes: tuple[Tensor, ...]
    sums: tuple[Tensor, ...]


@torch.no_grad()
def without_dead_nodes(model: KAN) -> tuple[KAN, Kept]:
    """A smaller copy without the inputs and hidden nodes that no live edge touches, and what it keeps.

    Outputs stay. Products come after sums in each layer, as `ProductLayer.after_sums` has them.
    """
    smaller = copy.deepcopy(model)
    live, groups = live_edges(model), product_groups(model)
    nodes, sums, shapes = [live[0].any(1).nonzero()[:, 0]], [], []
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        wanted = range(len(group)) if last else live[number + 1].any(1).nonzero()[:, 0].tolist()
        wanted = list(wanted) if last else sorted(wanted, key=lambda n, group=group: len(group[n]) > 1)
        nodes.append(torch.tensor(wanted, device=nodes[0].device))
        sums.append(torch.tensor([s for n in wanted for s in group[n]], device=nodes[0].device))
        starts = [0]
        for n in wanted:
            starts.append(starts[-1] + len(group[n]))
        shapes.append(tuple(tuple(range(a, b)) for a, b in pairwise(starts)))
    for layer, inputs, outputs in zip(edge_layers(smaller), nodes[:-1], sums, strict=True):
        _select_(layer, inputs, outputs)
    return _with_groups(smaller, shapes), Kept(tuple(nodes), tuple(sums))


@torch.no_grad()
def with_inputs(model: KAN, columns: Tensor, like: KANLayer) -> KAN:
    """A copy that takes all the inputs of the layer `like`, of which it uses `columns`; the others are masked."""
    wider = copy.deepcopy(model)
    first, count = wider.layers[0], like.in_features

    def spread(values: Tensor, filler: Tensor) -> Tensor:
        filler[columns] = values
        return filler

    first.coef = _replaced(first.coef, spread(first.coef, first.coef.new_zeros(count, *first.coef.shape[1:])))
    if first.base is not None:
        first.base = _replaced(first.base, spread(first.base, first.base.new_zeros(count, first.out_features)))
    first.mask = spread(first.mask, first.mask.new_zeros(count, first.out_features))
    first.knots = spread(first.knots, like.knots.clone())
    return wider


def _with_groups(model: KAN, groups: Sequence[Groups]) -> KAN:
    """The model itself, with layers of products where nodes are not simply the sums."""
    layers: list[nn.Module] = []
    for layer, nodes in zip(edge_layers(model), groups, strict=True):
        layers.append(layer)
        if nodes != tuple((o,) for o in range(layer.out_features)):
            layers.append(ProductLayer(layer.out_features, nodes))
    model.layers = LayerList(layers)
    return model


def _select_(layer: KANLayer, inputs: Tensor, outputs: Tensor) -> None:
    """Keeps these inputs and outputs of a layer, in place."""
    layer.coef = _replaced(layer.coef, layer.coef[inputs][:, :, outputs])
    if layer.base is not None:
        layer.base = _replaced(layer.base, layer.base[inputs][:, outputs])
    layer.knots = layer.knots[inputs].clone()
    layer.mask = layer.mask[inputs][:, outputs].clone()


def _replaced(parameter: nn.Parameter, values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.clone(), requires_grad=parameter.requires_grad)

"""A KAN made deeper or wider: a new model with the same function, and room to learn more."""

import copy

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.interpret.surgery import edge_layers, product_groups
from edgewise.nn.initial import initial_weights, seeded_generator
from edgewise.nn.layer import KANLayer
from edgewise.nn.model import KAN
from edgewise.nn.product import ProductLayer
from edgewise.train.grid import HIDDEN_MARGIN
from edgewise.train.methods import check_count


@torch.no_grad()
def deeper(model: KAN, before: int | None = None) -> KAN:
    """A new model with one more layer of edges, which is the identity: the function stays, to rounding.

    Splines of degree 1 or more hold the straight line exactly, with the means of neighbouring knots as coefficients
    (Greville's abscissae; C. de Boor, "A practical guide to splines", 1978, chapter IX), and continue it outside their
    domain. The edges between different nodes are zero, and trainable.

    Args:
        model: of spline edges; left unchanged.
        before: number of the layer of edges that the new one comes before; the last if left out.

    Raises:
        InputError: there is no such layer, or its splines have degree 0.
    """
    layers = edge_layers(model)
    before = len(layers) - 1 if before is None else before
    if isinstance(before, bool) or not isinstance(before, int) or before not in range(len(layers)):
        raise InputError(f"before must be a layer of edges from 0 to {len(layers) - 1}, got {before!r}")
    if layers[before].degree == 0:
        raise InputError("model must have splines of degree 1 or more to hold the identity, got degree 0")
    grown = copy.deepcopy(model)
    follower = edge_layers(grown)[before]
    layer = copy.deepcopy(follower)
    n, nodes = follower.coef.shape[1], follower.in_features
    windows = follower.knots.unfold(1, follower.degree, 1)[:, 1 : n + 1]  # (in, n, degree)
    coef = torch.zeros(nodes, n, nodes, dtype=follower.coef.dtype, device=follower.coef.device)
    coef[torch.arange(nodes), :, torch.arange(nodes)] = windows.mean(2)
    layer.coef = nn.Parameter(coef)
    layer.base = None if follower.base is None else nn.Parameter(follower.base.new_zeros(nodes, nodes))
    layer.mask = follower.mask.new_ones(nodes, nodes)
    chain = list(grown.layers)
    chain.insert(next(place for place, one in enumerate(chain) if one is follower), layer)
    grown.layers = nn.ModuleList(chain)
    return grown


@torch.no_grad()
def wider(model: KAN, nodes: int, *, layer: int = 1, x: Tensor | None = None, seed: int = 0) -> KAN:
    """A new model with more hidden nodes, whose outgoing edges are zero: the function stays, bit for bit or nearly.

    The incoming edges are drawn as those of a fresh KAN, so training can use the new nodes at once.

    Args:
        model: of spline edges; left unchanged.
        nodes: how many more, all of them sums. layer: of hidden nodes, 1 for the first.
        x: data (batch, in) to lay the grids of the new nodes on; without it they are on [-1, 1].
        seed: of the new weights.

    Raises:
        InputError: there is no such layer of hidden nodes, or nodes is no positive integer.
    """
    layers = edge_layers(model)
    check_count(nodes, "nodes")
    if isinstance(layer, bool) or not isinstance(layer, int) or layer not in range(1, len(layers)):
        raise InputError(f"layer must be one of hidden nodes, from 1 to {len(layers) - 1}, got {layer!r}")
    grown = copy.deepcopy(model)
    into, out = edge_layers(grown)[layer - 1 : layer + 1]
    groups = product_groups(grown)[layer - 1]
    sums = sum(len(group) == 1 for group in groups)  # the new ones follow them, products stay last
    generator = seeded_generator(seed)
    in_features, n = into.coef.shape[:2]
    coef, base = initial_weights(in_features, n, nodes, init="power", generator=generator)
    into.coef = _joined(into.coef, coef.to(into.coef), 2, sums)
    into.mask = _joined(into.mask, into.mask.new_ones(in_features, nodes), 1, sums)
    if into.base is not None:
        into.base = _joined(into.base, base.to(into.base), 1, sums)
    out.coef = _joined(out.coef, out.coef.new_zeros(nodes, *out.coef.shape[1:]), 0, sums)
    out.mask = _joined(out.mask, out.mask.new_ones(nodes, out.out_features), 0, sums)
    if out.base is not None:
        out.base = _joined(out.base, out.base.new_zeros(nodes, out.out_features), 0, sums)
    products = [len(group) for group in groups if len(group) > 1]
    if products:
        place = next(place for place, one in enumerate(grown.layers) if one is into)
        grown.layers[place + 1] = ProductLayer.after_sums(len(groups) + nodes, products)
    low, high = _range_of_new(grown, into, x, sums, nodes)
    # The same spacing as a uniform grid on [-1, 1], stretched.
    steps = torch.arange(-out.degree, out.grid_size + out.degree + 1, dtype=torch.float64) / out.grid_size
    knots = (low[:, None] + (high - low)[:, None] * steps).to(out.knots)
    out.knots = torch.cat([out.knots[:sums], knots, out.knots[sums:]])
    return grown


def _range_of_new(grown: KAN, into: KANLayer, x: Tensor | None, first: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Where the values of the new nodes lie, with the margin of hidden domains."""
    if x is None or len(x) == 0:
        return -torch.ones(nodes, dtype=torch.float64), torch.ones(nodes, dtype=torch.float64)
    for layer in grown.layers:
        if layer is into:
            break
        x = layer(x)
    values = into(x)[:, first : first + nodes].double().cpu()
    low, high = values.amin(0), values.amax(0)
    reach = torch.where(high > low, HIDDEN_MARGIN * (high - low), 1.0)
    return low - reach, high + reach


def _joined(old: Tensor, new: Tensor, axis: int, place: int) -> Tensor:
    """`old` with `new` put in at `place` along an axis; a parameter stays one."""
    before, after = old.narrow(axis, 0, place), old.narrow(axis, place, old.shape[axis] - place)
    joined = torch.cat([before, new, after], axis)
    return nn.Parameter(joined, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else joined

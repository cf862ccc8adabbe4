"""A KAN made deeper or wider: a new network with the same function and more parameters to train."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from edgewise.checks import check_count, is_integer, typed
from edgewise.errors import InputError
from edgewise.interpret.transform.edges import blank_splines, inputs_of
from edgewise.interpret.transform.subnetworks import product_groups
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.layers.base import LayerList
from edgewise.nn.layers.initial import initial_weights, seeded_generator
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.splines.knots import greville
from edgewise.train.grids import HIDDEN_MARGIN

SomeTensor = TypeVar("SomeTensor", Tensor, nn.Parameter)


@torch.no_grad()
@typed
def deepen(model: KAN, before: int | None = None, *, x: Tensor | None = None) -> KAN:
    """Insert a layer of spline edges that is the identity; the function stays the same to rounding.

    Splines of degree 1 or more represent the straight line exactly, with the means of neighbouring knots as
    coefficients, and continue it outside their domain. The edges between different nodes are zero, and trainable.

    Parameters
    ----------
    model : KAN
        Of spline or elementary edges; left unchanged.
    before : int, optional
        Number of the layer of edges that the new one precedes; the last layer if left out.
    x : Tensor, optional
        Data (batch, in) that determine the new grids. Left out, they are those of the following layer, or [-1, 1] where
        that has no splines.

    Returns
    -------
    KAN
        The deeper network.

    Raises
    ------
    InputError
        There is no such layer, or its splines have degree 0.

    References
    ----------
    Greville's abscissae: C. de Boor, "A practical guide to splines", 1978, chapter IX.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.interpret import deepen
    >>> model = KAN([2, 3, 1], seed=0, dtype=torch.float64)
    >>> deeper = deepen(model)
    >>> deeper.config.width
    (2, 3, 3, 1)
    >>> x = torch.zeros(1, 2, dtype=torch.float64)
    >>> torch.allclose(deeper(x), model(x))
    True
    """
    layers = edge_layers(model)
    if before is None:
        before = len(layers) - 1
    if not is_integer(before) or before not in range(len(layers)):
        raise InputError(f"before must be a layer of edges from 0 to {len(layers) - 1}, got {before!r}")
    follower = layers[before]
    if follower.has_splines and follower.degree == 0:
        raise InputError("model must have splines of degree 1 or more to hold the identity, got degree 0")
    # A layer like the follower, on the domain of the values that enter.
    domain = None
    if x is not None:
        domain = _domain_around(inputs_of(follower, model, x))
    like = follower
    if domain is not None or not follower.has_splines:
        like = blank_splines(follower, follower.in_features, domain, follower)
    # Greville's abscissae as coefficients of the edges from each node to itself, zero elsewhere.
    nodes = follower.in_features
    n = like.coef.shape[1]
    layer = copy.deepcopy(like)
    layer.drop_functions_()
    coef = torch.zeros(nodes, n, nodes, dtype=like.coef.dtype, device=like.coef.device)
    coef[torch.arange(nodes), :, torch.arange(nodes)] = greville(like.knots, like.degree)
    layer.coef = nn.Parameter(coef)
    if like.base is not None:
        layer.base = nn.Parameter(like.base.new_zeros(nodes, nodes))
    layer.spline_mask = like.spline_mask.new_ones(nodes, nodes)
    # The network with the layer before its follower.
    grown = copy.deepcopy(model)
    chain = list(grown.layers)
    chain.insert(next(place for place, one in enumerate(model.layers) if one is follower), layer)
    grown.layers = LayerList(chain)
    return grown


@torch.no_grad()
@typed
def widen(
    model: KAN, nodes: int, *, layer: int = 1, x: Tensor | None = None, seed: int = 0, products: Sequence[int] = ()
) -> KAN:
    """Add hidden nodes whose outgoing edges are zero; the function stays the same, bit for bit or to rounding.

    All new edges are splines. The incoming ones are drawn as those of a fresh KAN, so training can use the new nodes
    at once; elementary edges stay as they are.

    Parameters
    ----------
    model : KAN
        Of spline or elementary edges; left unchanged.
    nodes : int
        Number of new nodes that are sums.
    layer : int
        Number of the layer of hidden nodes, 1 for the first.
    x : Tensor, optional
        Data (batch, in) that determine the grids of the new nodes; without them the grids are on [-1, 1].
    seed : int
        Seed of the new weights.
    products : sequence of int
        Numbers of factors, 2 or more each, of new nodes that are products.

    Returns
    -------
    KAN
        The wider network.

    Raises
    ------
    InputError
        There is no such layer of hidden nodes, or there would be no new node.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.interpret import widen
    >>> model = KAN([2, 3, 1], seed=0, dtype=torch.float64)
    >>> wider = widen(model, 2)
    >>> wider.config.width
    (2, 5, 1)
    >>> x = torch.zeros(1, 2, dtype=torch.float64)
    >>> torch.allclose(wider(x), model(x))
    True
    """
    layers = edge_layers(model)
    arities = [check_count(factors, "products", 2) for factors in products]
    check_count(nodes, "nodes", 0 if arities else 1)
    if not is_integer(layer) or layer not in range(1, len(layers)):
        raise InputError(f"layer must be one of hidden nodes, from 1 to {len(layers) - 1}, got {layer!r}")
    # The layer before gets outputs: sums behind the old ones, and the factors of the products.
    groups = product_groups(model)[layer - 1]
    sums = sum(len(group) == 1 for group in groups)  # new sums follow the old ones, so that products stay last
    first, second = layers[layer - 1 : layer + 1]
    entering = None
    if x is not None:
        entering = _domain_around(inputs_of(first, model, x))
    into = first
    # New sums come behind the old sums, the factors of new products behind everything.
    for place, count in ((sums, nodes), (first.out_features + nodes, sum(arities))):
        if count:
            into = _with_more_outputs(into, count, place, entering, seed)
    factors = [len(group) for group in groups if len(group) > 1] + arities
    multiply = None
    if factors:
        multiply = ProductLayer.after_sums(len(groups) + nodes + len(arities), factors)
    # The layer behind gets inputs, on the range of the new values.
    domain = None
    if x is not None:
        values = into(inputs_of(first, model, x))
        domain = _domain_around(values if multiply is None else multiply(values))
    out = second
    for place, count in ((sums, nodes), (len(groups) + nodes, len(arities))):
        if count:
            own = None if domain is None else domain[place : place + count]
            out = _with_more_inputs(out, count, place, own)
    # The chain with both layers, and with the products between them.
    chain: list[KANLayer | ProductLayer] = []
    for one in model.layers:
        if one is first:
            chain += [into] if multiply is None else [into, multiply]
        elif one is second:
            chain.append(out)
        elif not (chain and chain[-1] is multiply):  # the old products of this layer, which the new ones contain
            chain.append(copy.deepcopy(one))
    grown = copy.deepcopy(model)
    grown.layers = LayerList(chain)
    return grown


def _domain_around(values: Tensor) -> Tensor | None:
    """Domains (nodes, 2) around values (batch, nodes), with the margin of hidden layers; None without any rows."""
    if len(values) == 0:
        return None
    low = values.double().amin(0)
    high = values.double().amax(0)
    margin = torch.where(high > low, HIDDEN_MARGIN * (high - low), 1.0)
    return torch.stack([low - margin, high + margin], 1)


def _with_splines(layer: KANLayer, domain: Tensor | None) -> KANLayer:
    """Copy a layer; masked splines are made where it has none."""
    layer = copy.deepcopy(layer)
    if not layer.has_splines:
        layer.set_splines_(blank_splines(layer, layer.out_features, domain))
    return layer


def _with_more_outputs(layer: KANLayer, nodes: int, place: int, domain: Tensor | None, seed: int) -> KANLayer:
    """A copy of a layer with `nodes` more outputs at `place`, whose edges are fresh splines."""
    layer = _with_splines(layer, domain)
    in_features, n = layer.coef.shape[:2]
    coef, base = initial_weights(in_features, n, nodes, init="power", generator=seeded_generator(seed))
    layer.coef = _inserted(layer.coef, coef.to(layer.coef), 2, place)
    layer.spline_mask = _inserted(layer.spline_mask, layer.spline_mask.new_ones(in_features, nodes), 1, place)
    if layer.base is not None:
        layer.base = _inserted(layer.base, base.to(layer.base), 1, place)
    if layer.function_names is not None:
        names = [[*row[:place], *[NO_FUNCTION] * nodes, *row[place:]] for row in layer.function_names]
        absent = layer.affine.new_zeros(4, in_features, nodes)
        layer.set_functions_(names, _inserted(layer.affine, absent, 2, place))
    return layer


def _with_more_inputs(layer: KANLayer, nodes: int, place: int, domain: Tensor | None) -> KANLayer:
    """A copy of a layer with `nodes` more inputs at `place`, whose edges are splines that are zero."""
    layer = _with_splines(layer, None)
    outputs = layer.out_features
    layer.coef = _inserted(layer.coef, layer.coef.new_zeros(nodes, *layer.coef.shape[1:]), 0, place)
    layer.spline_mask = _inserted(layer.spline_mask, layer.spline_mask.new_ones(nodes, outputs), 0, place)
    if layer.base is not None:
        layer.base = _inserted(layer.base, layer.base.new_zeros(nodes, outputs), 0, place)
    if domain is None:
        domain = torch.tensor([[-1.0, 1.0]]).expand(nodes, 2)
    low, high = domain.to(layer.knots).T
    # The same spacing as a uniform grid on [-1, 1], stretched.
    steps = torch.arange(-layer.degree, layer.grid_size + layer.degree + 1).to(layer.knots) / layer.grid_size
    layer.knots = _inserted(layer.knots, low[:, None] + (high - low)[:, None] * steps, 0, place)
    if layer.function_names is not None:
        absent = [[NO_FUNCTION] * outputs] * nodes
        names = [*layer.function_names[:place], *absent, *layer.function_names[place:]]
        layer.set_functions_(names, _inserted(layer.affine, layer.affine.new_zeros(4, nodes, outputs), 1, place))
    return layer


def _inserted(old: SomeTensor, new: Tensor, axis: int, place: int) -> SomeTensor:
    """`old` with `new` inserted at `place` along an axis; a parameter stays a parameter."""
    before = old.narrow(axis, 0, place)
    after = old.narrow(axis, place, old.shape[axis] - place)
    joined = torch.cat([before, new, after], axis)
    if isinstance(old, nn.Parameter):
        return nn.Parameter(joined, requires_grad=old.requires_grad)
    return joined

"""A KAN made deeper or wider: a new model with the same function, and room to learn more."""

import copy

import torch
from torch import Tensor, nn

from edgewise.checks import check_count
from edgewise.errors import InputError
from edgewise.interpret.transform.subnetworks import product_groups
from edgewise.nn.layers.base import LayerList
from edgewise.nn.layers.initial import initial_weights, seeded_generator
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import ZERO, MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN, spline_part
from edgewise.train.grids import HIDDEN_MARGIN

GRID, DEGREE = 5, 3  # of splines in a network that had none


@torch.no_grad()
def deepen(model: KAN, before: int | None = None, *, x: Tensor | None = None) -> KAN:
    """A new model with one more layer of spline edges, which is the identity: the function stays, to rounding.

    Splines of degree 1 or more hold the straight line exactly, with the means of neighbouring knots as coefficients
    (Greville's abscissae; C. de Boor, "A practical guide to splines", 1978, chapter IX), and continue it outside their
    domain. The edges between different nodes are zero, and trainable.

    Args:
        model: of spline or elementary edges; left unchanged.
        before: number of the layer of edges that the new one comes before; the last if left out.
        x: data (batch, in) to lay the new grids on; left out, they are those of the layer after, or on [-1, 1] where
            that has no splines.

    Raises:
        InputError: there is no such layer, or its splines have degree 0.
    """
    layers = _layers_of_edges(model)
    before = len(layers) - 1 if before is None else before
    if isinstance(before, bool) or not isinstance(before, int) or before not in range(len(layers)):
        raise InputError(f"before must be a layer of edges from 0 to {len(layers) - 1}, got {before!r}")
    follower = layers[before]
    like = spline_part(follower)
    if like is not None and like.degree == 0:
        raise InputError("model must have splines of degree 1 or more to hold the identity, got degree 0")
    domain = None if x is None else _with_margin(_values_at(model, follower, x))
    if domain is not None or like is None:
        like = _blank(follower, follower.in_features, domain, like)
    nodes, n = follower.in_features, like.coef.shape[1]
    layer = copy.deepcopy(like)
    windows = like.knots.unfold(1, like.degree, 1)[:, 1 : n + 1]  # (in, n, degree)
    coef = torch.zeros(nodes, n, nodes, dtype=like.coef.dtype, device=like.coef.device)
    coef[torch.arange(nodes), :, torch.arange(nodes)] = windows.mean(2)
    layer.coef = nn.Parameter(coef)
    layer.base = None if like.base is None else nn.Parameter(like.base.new_zeros(nodes, nodes))
    layer.mask = like.mask.new_ones(nodes, nodes)
    grown = copy.deepcopy(model)
    chain = list(grown.layers)
    chain.insert(next(place for place, one in enumerate(model.layers) if one is follower), layer)
    grown.layers = LayerList(chain)
    return grown


@torch.no_grad()
def widen(model: KAN, nodes: int, *, layer: int = 1, x: Tensor | None = None, seed: int = 0) -> KAN:
    """A new model with more hidden nodes, whose outgoing edges are zero: the function stays, bit for bit or nearly.

    All new edges are splines. The incoming ones are drawn as those of a fresh KAN, so training can use the new nodes
    at once; elementary edges stay what they are.

    Args:
        model: of spline or elementary edges; left unchanged.
        nodes: how many more, all of them sums. layer: of hidden nodes, 1 for the first.
        x: data (batch, in) to lay the grids of the new nodes on; without it they are on [-1, 1].
        seed: of the new weights.

    Raises:
        InputError: there is no such layer of hidden nodes, or nodes is no positive integer.
    """
    layers = _layers_of_edges(model)
    check_count(nodes, "nodes")
    if isinstance(layer, bool) or not isinstance(layer, int) or layer not in range(1, len(layers)):
        raise InputError(f"layer must be one of hidden nodes, from 1 to {len(layers) - 1}, got {layer!r}")
    groups = product_groups(model)[layer - 1]
    sums = sum(len(group) == 1 for group in groups)  # the new ones follow them, products stay last
    first, second = layers[layer - 1 : layer + 1]
    entering = None if x is None else _with_margin(_values_at(model, first, x))
    into = _with_more_outputs(first, nodes, sums, entering, seed)
    leaving = None
    if x is not None:
        leaving = _with_margin(into(_values_at(model, first, x))[:, sums : sums + nodes])
    out = _with_more_inputs(second, nodes, sums, leaving)
    products = [len(group) for group in groups if len(group) > 1]
    chain: list[nn.Module] = []
    for place, one in enumerate(model.layers):
        after = place > 0 and model.layers[place - 1] is first
        if one is first or one is second:
            chain.append(into if one is first else out)
        elif after and isinstance(one, ProductLayer):
            chain.append(ProductLayer.after_sums(len(groups) + nodes, products))
        else:
            chain.append(copy.deepcopy(one))
    grown = copy.deepcopy(model)
    grown.layers = LayerList(chain)
    return grown


def _layers_of_edges(model: KAN) -> list[nn.Module]:
    if not isinstance(model, KAN):
        raise InputError(f"model must be a KAN, got {type(model).__name__}")
    return [layer for layer in model.layers if not isinstance(layer, ProductLayer)]


def _values_at(model: KAN, stop: nn.Module, x: Tensor) -> Tensor:
    """What enters a layer."""
    for layer in model.layers:
        if layer is stop:
            break
        x = layer(x)
    return x


def _with_margin(values: Tensor) -> Tensor | None:
    """Domains (nodes, 2) around values (batch, nodes), with the margin of hidden ones; None without any values."""
    if len(values) == 0:
        return None
    low, high = values.double().amin(0), values.double().amax(0)
    reach = torch.where(high > low, HIDDEN_MARGIN * (high - low), 1.0)
    return torch.stack([low - reach, high + reach], 1)


def _blank(layer: nn.Module, outputs: int, domain: Tensor | None, like: KANLayer | None = None) -> KANLayer:
    """Splines from the inputs of a layer, all of them zero and masked."""
    weight = next(layer.parameters())
    size, degree, base = (GRID, DEGREE, "zero") if like is None else (like.grid_size, like.degree, like.base_function)
    where = {"dtype": weight.dtype, "device": weight.device, "generator": seeded_generator(0)}
    blank = KANLayer(layer.in_features, outputs, grid_size=size, degree=degree, domain=domain, base=base, **where)
    blank.domain_is_set.fill_(True)
    for part in (blank.coef, blank.base, blank.mask):
        if part is not None:
            part.zero_()
    return blank


def _parts(layer: nn.Module, domain: Tensor | None) -> tuple[KANLayer, SymbolicLayer | None]:
    """Copies of the splines and the elementary edges of a layer; splines are made, masked, where it has none."""
    if isinstance(layer, SymbolicLayer):
        return _blank(layer, layer.out_features, domain), copy.deepcopy(layer)
    if isinstance(layer, MixedLayer):
        return copy.deepcopy(layer.spline), copy.deepcopy(layer.symbolic)
    return copy.deepcopy(layer), None


def _with_more_outputs(layer: nn.Module, nodes: int, place: int, domain: Tensor | None, seed: int) -> nn.Module:
    """A copy of a layer with `nodes` more outputs at `place`, whose edges are fresh splines."""
    spline, symbolic = _parts(layer, domain)
    in_features, n = spline.coef.shape[:2]
    coef, base = initial_weights(in_features, n, nodes, init="power", generator=seeded_generator(seed))
    spline.coef = _joined(spline.coef, coef.to(spline.coef), 2, place)
    spline.mask = _joined(spline.mask, spline.mask.new_ones(in_features, nodes), 1, place)
    if spline.base is not None:
        spline.base = _joined(spline.base, base.to(spline.base), 1, place)
    if symbolic is None:
        return spline
    rows = [[*row[:place], *[ZERO] * nodes, *row[place:]] for row in symbolic.functions]
    return MixedLayer(spline, _symbolic(symbolic, rows, nodes, 2, place))


def _with_more_inputs(layer: nn.Module, nodes: int, place: int, domain: Tensor | None) -> nn.Module:
    """A copy of a layer with `nodes` more inputs at `place`, whose edges are splines that are zero."""
    spline, symbolic = _parts(layer, None)
    spline.coef = _joined(spline.coef, spline.coef.new_zeros(nodes, *spline.coef.shape[1:]), 0, place)
    spline.mask = _joined(spline.mask, spline.mask.new_ones(nodes, spline.out_features), 0, place)
    if spline.base is not None:
        spline.base = _joined(spline.base, spline.base.new_zeros(nodes, spline.out_features), 0, place)
    ends = torch.tensor([[-1.0, 1.0]]).double().expand(nodes, 2) if domain is None else domain
    low, high = ends.to(spline.knots).T
    # The same spacing as a uniform grid on [-1, 1], stretched.
    steps = torch.arange(-spline.degree, spline.grid_size + spline.degree + 1).to(spline.knots) / spline.grid_size
    spline.knots = _joined(spline.knots, low[:, None] + (high - low)[:, None] * steps, 0, place)
    if symbolic is None:
        return spline
    rows = [*symbolic.functions[:place], *[(ZERO,) * spline.out_features] * nodes, *symbolic.functions[place:]]
    return MixedLayer(spline, _symbolic(symbolic, rows, nodes, 1, place))


def _symbolic(old: SymbolicLayer, rows: list, nodes: int, axis: int, place: int) -> SymbolicLayer:
    """Elementary edges with absent ones put in at `place` along an axis of (4, in, out)."""
    shape = list(old.affine.shape)
    shape[axis] = nodes
    affine = _joined(old.affine, old.affine.new_zeros(shape), axis, place)
    table = {name: old.elementary(i, o) for i, row in enumerate(old.functions) for o, name in enumerate(row)}
    return SymbolicLayer(rows, affine, table=table, dtype=affine.dtype, device=affine.device)


def _joined(old: Tensor, new: Tensor, axis: int, place: int) -> Tensor:
    """`old` with `new` put in at `place` along an axis; a parameter stays one."""
    before, after = old.narrow(axis, 0, place), old.narrow(axis, place, old.shape[axis] - place)
    joined = torch.cat([before, new, after], axis)
    return nn.Parameter(joined, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else joined

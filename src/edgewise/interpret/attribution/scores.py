"""Attribution scores: the share of a network's variation that passes through each edge, node and input."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.checks import is_integers, typed
from edgewise.errors import InputError
from edgewise.nn.trace import Trace


@typed
def edge_scores(trace: Trace) -> tuple[Tensor, ...]:
    """Compute the attribution score B of every edge.

    With E[i,o] the standard deviation of an edge's values over the data, N[o] that of the sum at its end, and A[o] the
    score of that node,

        B[i,o] = A[o] * E[i,o] / N[o],        A[i] = sum_o B[i,o],

    from the outputs (A = 1) back to the inputs. A score is a share of variation, without unit:
    with one output and a single edge that causes all of its variation, that edge scores 1. Scores may sum to more than
    1, since standard deviations are subadditive, and to much more where edges cancel each other. Scores describe the
    network on these data: an input that does not vary in them scores 0.

    Parameters
    ----------
    trace : Trace
        From `model.trace(x)`, with at least one row.

    Returns
    -------
    tuple of Tensor
        (in, out) per layer, without gradient. Edges into a node that does not vary score 0. A layer of products has no
        edges, and zeros here; a factor s of a product p = s r passes on A * E[s] * rms(r) / N[p], the variation of p if
        s alone varies. (KAN 2.0 passes A to each factor, also to a constant one.)

    Raises
    ------
    InputError
        The trace is empty or not finite.

    References
    ----------
    Liu et al., "KAN 2.0" (arXiv 2408.10205), section 4.1.

    Examples
    --------
    >>> from edgewise.nn.model import KAN
    >>> x = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], seed=0, dtype=torch.float64)
    >>> round(float(edge_scores(model.trace(x))[0]), 6)
    1.0
    """
    return _scores(trace, trace.output.new_ones(trace.output.shape[1]))[0]


def node_scores(trace: Trace) -> tuple[Tensor, ...]:
    """Compute the attribution score A of every node, see `edge_scores`: (nodes,) per layer of nodes, inputs first."""
    return _scores(trace, trace.output.new_ones(trace.output.shape[1]))[1]


@typed
def input_scores(trace: Trace, *, node: tuple[int, int] | None = None) -> Tensor:
    """Compute the attribution score of every input, see `edge_scores`.

    Parameters
    ----------
    trace : Trace
        From `model.trace(x)`, with at least one row.
    node : (int, int), optional
        A hidden node instead of the outputs, by its layer and number as in `edit`: what makes this node vary.

    Returns
    -------
    Tensor
        (width[0],), the share of the variation that passes through each input.

    Raises
    ------
    InputError
        As in `edge_scores`, or there is no such node.

    Examples
    --------
    >>> from edgewise.nn.model import KAN
    >>> x = torch.rand(9, 2, generator=torch.Generator().manual_seed(0))
    >>> x[:, 1] = 0.5  # does not vary
    >>> (input_scores(KAN([2, 1]).trace(x)) > 0).tolist()
    [True, False]
    """
    if node is None:
        return node_scores(trace)[0]
    # Layers of nodes are counted at the layers of edges that start from them, as everywhere in `interpret`.
    starts = [n for n, products in enumerate(trace.groups or (None,) * len(trace.edges)) if products is None]
    fits = is_integers(node) and len(node) == 2
    if not fits or node[0] not in range(1, len(starts)) or node[1] not in range(trace.inputs[starts[node[0]]].shape[1]):
        raise InputError(f"node must be the layer and the number of a hidden node, as (1, 0), got {node!r}")
    place = starts[node[0]]
    part = Trace(trace.inputs[:place], trace.edges[:place], trace.inputs[place], trace.groups[:place])
    return _scores(part, torch.eye(part.output.shape[1])[node[1]])[1][0]


@torch.no_grad()
def _scores(trace: Trace, node: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The scores of the edges and of the nodes, layer by layer, from those of the outputs, (out,)."""
    if len(trace.output) == 0:
        raise InputError("trace must hold at least one row of data, got none")
    if not all(bool(values.isfinite().all()) for values in (*trace.edges, trace.output)):
        raise InputError("trace must be finite, got infinite or undefined values; look at the data and the model")
    node = node.to(trace.output)
    # From the outputs back to the inputs.
    edges = []
    nodes = [node]
    groups = trace.groups or (None,) * len(trace.edges)
    layers = zip(trace.inputs, trace.edges, trace.outputs, groups, strict=True)
    for inputs, values, sums, products in reversed(list(layers)):
        if products is None:
            deviation = _deviation(values)
        else:  # of each product if one factor varies and the others keep their root mean square
            alone = _deviation(inputs)
            deviation = inputs.new_zeros(inputs.shape[1], len(products))
            for o, group in enumerate(products):
                for place, i in enumerate(group):
                    others = inputs[:, [*group[:place], *group[place + 1 :]]].prod(1)
                    deviation[i, o] += alone[i] * others.square().mean().sqrt()
        total = _deviation(sums)
        # A sum whose edges cancel to rounding does not vary; the rounding left over measures nothing.
        floor = 16 * torch.finfo(total.dtype).eps * deviation.sum(0)
        shares = node * deviation / torch.where(total > floor, total, torch.inf)
        edges.append(shares if products is None else torch.zeros_like(shares))
        node = shares.sum(1)
        nodes.append(node)
    return tuple(reversed(edges)), tuple(reversed(nodes))


def _deviation(values: Tensor) -> Tensor:
    """Standard deviation over the rows; exactly 0 where all rows are equal."""
    # Minus the first row, equal rows are exact zeros, where a mean would leave the rounding of a large constant.
    return (values - values[:1]).std(0, correction=0)

"""How much of a network's output each edge, node and input accounts for, on the data of a trace."""

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.nn.layers.product import Groups
from edgewise.nn.trace import Trace
from edgewise.train import penalties as penalty


def edge_scores(trace: Trace, output_weights: Tensor | None = None) -> tuple[Tensor, ...]:
    """The score B of every edge, one (in, out) tensor per layer.

    Liu et al., "KAN 2.0" (arXiv 2408.10205), section 4.1. With E[i,o] the standard deviation of an edge's values
    over the data, N[o] that of the sum at its end, and A[o] the score of that node,

        B[i,o] = A[o] * E[i,o] / N[o],        A[i] = sum_o B[i,o],

    from the outputs (A = 1, or `output_weights`) back to the inputs. A score is a share of variation, without unit:
    with one output and one edge that does all the work it is 1. Shares may sum to more than 1, since deviations add
    up like the sides of a triangle, and to much more where edges cancel each other. A score tells what the network
    does with *these* data: an input that does not vary in them scores 0.

    Args:
        trace: what `model.trace(x)` returned; at least one row.
        output_weights: the score of each output, (out,); 1 each if left out.

    Returns:
        One tensor (in, out) per layer, without gradient. Edges into a node that does not vary score 0. A layer of
        products has no edges, and zeros here; a factor s of a product p = s r hands on A * E[s] * rms(r) / N[p],
        what p varies by if s alone does. (KAN 2.0 hands A to each factor, to one that is constant as well.)

    Raises:
        InputError: the trace is empty or not finite, or output_weights does not fit.
    """
    return _scores(trace, output_weights)[0]


def node_scores(trace: Trace, output_weights: Tensor | None = None) -> tuple[Tensor, ...]:
    """The score A of every node, layer by layer: the inputs (width[0],) first, the outputs last. See `edge_scores`."""
    return _scores(trace, output_weights)[1]


def input_scores(trace: Trace, output_weights: Tensor | None = None) -> Tensor:
    """The score of every input, (width[0],): how much of the variation passes through it. See `edge_scores`."""
    return node_scores(trace, output_weights)[0]


def edge_magnitudes(trace: Trace) -> tuple[Tensor, ...]:
    """The mean absolute value of every edge over the data, one (in, out) tensor per layer.

    The L1 norm of Liu et al. (arXiv 2404.19756), section 2.5.1, in the unit of the node the edge ends in. Unlike
    `edge_scores` it counts a constant, and knows nothing of what the later layers do with the edge.

    Raises:
        InputError: the trace is empty or not finite.
    """
    _check(trace)
    return tuple(magnitude.detach() for magnitude in penalty.edge_magnitudes(trace))


@torch.no_grad()
def _scores(trace: Trace, output_weights: Tensor | None) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    _check(trace)
    node = torch.ones_like(trace.output[0]) if output_weights is None else torch.as_tensor(output_weights)
    if node.shape != trace.output.shape[1:] or not bool((node.isfinite() & (node >= 0)).all()):
        expected = tuple(trace.output.shape[1:])
        raise InputError(f"output_weights must be finite, not negative, of shape {expected}, got {output_weights!r}")
    node = node.to(trace.output)
    edges, nodes = [], [node]
    groups = trace.groups or (None,) * len(trace.edges)
    layers = zip(trace.inputs, trace.edges, trace.outputs, groups, strict=True)
    for inputs, values, sums, products in reversed(list(layers)):
        deviation = _deviation(values) if products is None else _factor_deviations(inputs, products)
        total = _deviation(sums)
        # A sum whose edges cancel to rounding does not vary; what is left of it is noise and no measure of anything.
        floor = 16 * torch.finfo(total.dtype).eps * deviation.sum(0)
        shares = node * deviation / torch.where(total > floor, total, torch.inf)
        edges.append(shares if products is None else torch.zeros_like(shares))
        node = shares.sum(1)
        nodes.append(node)
    return tuple(reversed(edges)), tuple(reversed(nodes))


def _factor_deviations(inputs: Tensor, groups: Groups) -> Tensor:
    """(in, out): what each product varies by if one factor varies and the others keep their root mean square."""
    alone, deviations = _deviation(inputs), inputs.new_zeros(inputs.shape[1], len(groups))
    for o, group in enumerate(groups):
        for place, i in enumerate(group):
            others = inputs[:, [*group[:place], *group[place + 1 :]]].prod(1)
            deviations[i, o] += alone[i] * others.square().mean().sqrt()
    return deviations


def _deviation(values: Tensor) -> Tensor:
    """Standard deviation over the rows; exactly 0 where all rows are equal."""
    # Less the first row, equal rows are exact zeros, where a mean would leave the rounding of a large constant.
    return (values - values[:1]).std(0, correction=0)


def _check(trace: Trace) -> None:
    if len(trace.output) == 0:
        raise InputError("trace must hold at least one row of data, got none")
    if not all(bool(values.isfinite().all()) for values in (*trace.edges, trace.output)):
        raise InputError("trace must be finite, got infinite or undefined values; look at the data and the model")

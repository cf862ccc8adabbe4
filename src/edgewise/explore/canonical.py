"""The same function as a network that is easier to read: log odds of two classes, and pairs less their margins."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, edge_layers


@torch.no_grad()
def canonical_form(network: KAN, x: Tensor, *, two_classes: bool) -> KAN:
    """Copy a network in its canonical form: its outputs, or for two classes their shares, stay the same on rows x."""
    network = copy.deepcopy(network)
    if two_classes:
        _to_log_odds(edge_layers(network)[-1])
    match [layer.groups for layer in network.layers]:
        case [None, groups, None] if groups is not None:
            first, last = edge_layers(network)
            _centre_pairs(first, groups, last, x)
    return network


def _to_log_odds(last: KANLayer) -> None:
    """Let the second output be the difference of both, and the first one zero, whose edges go: shares stay."""
    if last.has_functions:
        return
    mask = last.spline_mask
    for values in (last.coef, last.base):
        if values is not None:
            own = values * (mask[:, None, :] if values.ndim == 3 else mask)
            values[..., 1] = own[..., 1] - own[..., 0]
            values[..., 0] = 0
    mask[:, 1] = mask.any(1).to(mask)
    mask[:, 0] = 0


def _centre_pairs(first: KANLayer, groups: Sequence[Sequence[int]], last: KANLayer, x: Tensor) -> None:
    """Give the margins of pairs to the curves: g h = (g - mean g) (h - mean h) + mean h g + mean g h - a constant.

    Pairs are products of two splines, each of one input, which straight edges add to the sum of the curves.
    """
    if not first.has_splines or first.has_functions or last.has_functions or last.base is None or bool(last.coef.any()):
        return
    last.requires_grad_(False)  # what training could change there the curves can, and the model stays additive
    # Slopes of the last layer, means of the factors, and the curves of single inputs by output.
    slopes = last.base * last.spline_mask  # (nodes, outputs)
    means = first.edges(x).mean(0)  # (inputs, sums)
    values = [first.coef]
    if first.base is not None:
        values.append(first.base)
    curves = [[n for n, group in enumerate(groups) if len(group) == 1 and column[n]] for column in slopes.T]
    # Pairs of one output whose curves are sums of single inputs.
    for group, row in zip(groups, slopes, strict=True):
        outputs = row.nonzero()[:, 0].tolist()
        factors = [(i, s) for s in group for i in first.spline_mask[:, s].nonzero()[:, 0].tolist()]
        if len(group) != 2 or len(factors) != 2 or len(outputs) != 1 or len(curves[outputs[0]]) != 1:
            continue
        node = curves[outputs[0]][0]
        curve = groups[node][0]
        ratio = row[outputs[0]] / slopes[node, outputs[0]]
        (i, g), (j, h) = factors
        # The margin of each factor goes to the curve of its input.
        for (k, factor), other in zip(factors, (means[j, h], means[i, g]), strict=True):
            for one in values:
                one[k, ..., curve] *= first.spline_mask[k, curve]
                one[k, ..., curve] += ratio * other * one[k, ..., factor]
            first.spline_mask[k, curve] = 1
        # B-splines sum to one: a constant is the same addition to all coefficients.
        first.coef[i, :, curve] -= ratio * means[i, g] * means[j, h]
        for k, factor in factors:
            first.coef[k, :, factor] -= means[k, factor]

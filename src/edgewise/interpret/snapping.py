"""One edge of a network made an elementary function, or a spline again; the rest of the network stays as it is."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from edgewise.interpret.edge_fits import EdgeFit
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layer import KANLayer
from edgewise.nn.model import KAN
from edgewise.nn.symbolic import ZERO, MixedLayer, SymbolicLayer
from edgewise.ops.bspline import basis
from edgewise.train.grid import data_domain

Place = tuple[int, int, int]  # layer, in, out


@torch.no_grad()
def with_edge(model: KAN, place: Place, found: EdgeFit, table: Mapping[str, Elementary] = ELEMENTARY) -> KAN:
    """A copy of the network in which one edge is this function and no spline; "0" leaves its mean to another edge."""
    model = copy.deepcopy(model)
    number, i, o = place
    layer = model.layers[number]
    spline = layer.spline if isinstance(layer, MixedLayer) else layer
    old = layer.symbolic if isinstance(layer, MixedLayer) else None
    rows = [list(row) for row in (old.functions if old else [[ZERO] * spline.out_features] * spline.in_features)]
    affine = old.affine.detach().clone() if old else spline.coef.new_zeros(4, spline.in_features, spline.out_features)
    spline.mask[i, o] = 0
    rows[i][o] = found.name
    affine[:, i, o] = affine.new_tensor([found.a, found.b, found.c, found.d])
    if found.name == ZERO:
        _leave_constant_(spline, rows, affine, o, found.d)
    symbolic = SymbolicLayer(rows, affine, table=table, dtype=affine.dtype)
    model.layers[number] = MixedLayer(spline, symbolic) if bool(spline.mask.any()) else symbolic
    return model


def _leave_constant_(spline: KANLayer, rows: list[list[str]], affine: Tensor, o: int, value: float) -> None:
    for i, row in enumerate(rows):
        if row[o] != ZERO:
            affine[3, i, o] += value
            return
    kept = spline.mask[:, o].nonzero()
    if len(kept):
        spline.coef[int(kept[0]), :, o] += value


@torch.no_grad()
def with_spline(
    model: KAN, place: Place, x: Tensor, *, grid_size: int, degree: int, table: Mapping[str, Elementary] = ELEMENTARY
) -> KAN:
    """A copy of a symbolic network in which one edge is a spline again: the nearest one at rows x (N, inputs)."""
    number, i, o = place
    trace = model.trace(x)
    inputs, values = trace.inputs[number], trace.edges[number][:, i, o]
    model = copy.deepcopy(model)
    layer = model.layers[number]
    spline = KANLayer(
        layer.in_features,
        layer.out_features,
        grid_size=grid_size,
        degree=degree,
        domain=data_domain(inputs),
        base="zero",
        dtype=x.dtype,
    )
    spline.mask.zero_()
    spline.mask[i, o] = 1
    spline.coef.zero_()
    columns = basis(inputs, spline.knots, degree)[:, i]
    spline.coef[i, :, o] = torch.linalg.lstsq(columns, values[:, None], driver="gelsd").solution[:, 0]
    rows = [list(row) for row in layer.functions]
    rows[i][o] = ZERO
    symbolic = SymbolicLayer(rows, layer.affine.detach().clone(), table=table, dtype=x.dtype)
    model.layers[number] = MixedLayer(spline, symbolic)
    return model

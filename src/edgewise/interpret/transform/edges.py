"""Single edges of a network, whatever kind of layer they are in: kept, replaced, moved by a constant, scaled.

The functions leave their arguments unchanged and return new layers. A layer consists of splines, of elementary
functions, or of both (`parts_of`, `joined`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.formulas.curve_fits import EdgeFit
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.base import EdgeLayer
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import NO_FUNCTION, MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.grids import data_domain

# of new splines in a network that has none (the defaults of `KAN`)
NEW_GRID_SIZE = 5
NEW_DEGREE = 3


def edge_layers(model: KAN) -> list[EdgeLayer]:
    """List the layers of edges of a network in order, without its products."""
    if not isinstance(model, KAN):
        raise InputError(f"model must be a KAN, got {type(model).__name__}")
    return [layer for layer in model.layers if not isinstance(layer, ProductLayer)]


def inputs_of(stop: EdgeLayer, model: KAN, x: Tensor) -> Tensor:
    """Return the values that enter a layer of the model for data x, (batch, in)."""
    for layer in model.layers:
        if layer is stop:
            break
        x = layer(x)
    return x


def parts_of(layer: EdgeLayer) -> tuple[KANLayer | None, SymbolicLayer | None]:
    """Copy the splines and the elementary functions of a layer; None for a part that it does not have."""
    layer = copy.deepcopy(layer)
    if isinstance(layer, MixedLayer):
        return layer.spline, layer.symbolic
    if isinstance(layer, SymbolicLayer):
        return None, layer
    if isinstance(layer, KANLayer):
        return layer, None
    raise InputError(f"model must have edges that are splines or functions, got a {type(layer).__name__}")


def joined(spline: KANLayer | None, symbolic: SymbolicLayer | None) -> EdgeLayer:
    """Make one layer of two parts, without a part that has no edges."""
    if symbolic is None or (spline is not None and not bool(symbolic.mask.any())):
        assert spline is not None, "a layer has splines or functions"
        return spline
    if spline is None or not bool(spline.mask.any()):
        return symbolic
    return MixedLayer(spline, symbolic)


@torch.no_grad()
def with_edges(layer: EdgeLayer, keep: Tensor) -> EdgeLayer:
    """Copy a layer without the edges outside `keep`, bool (in, out)."""
    spline, symbolic = parts_of(layer)
    if spline is not None:
        spline.mask.mul_(keep)
    if symbolic is not None:
        kept = keep.tolist()
        rows = [
            [name if stays else NO_FUNCTION for name, stays in zip(row, stay, strict=True)]
            for row, stay in zip(symbolic.functions, kept, strict=True)
        ]
        symbolic = symbolic.replaced(rows, symbolic.affine)
    return joined(spline, symbolic)


@torch.no_grad()
def with_constant(layer: EdgeLayer, i: int, o: int, value: Tensor | float) -> EdgeLayer:
    """Copy a layer and add a constant to an edge; an absent edge becomes that constant.

    B-splines sum to one, so a constant is the same addition to all coefficients.
    """
    spline, symbolic = parts_of(layer)
    if symbolic is not None and symbolic.functions[i][o] != NO_FUNCTION:
        symbolic.affine[3, i, o] += value
    elif spline is not None:
        _present_(spline, i, o)
        spline.coef[i, :, o] += value
    else:
        assert symbolic is not None
        rows = [list(row) for row in symbolic.functions]
        rows[i][o] = "x"  # with the factor 0
        symbolic = symbolic.replaced(rows, symbolic.affine, table={"x": ELEMENTARY["x"]})
        symbolic.affine[:, i, o] = symbolic.affine.new_tensor([1.0, 0.0, 0.0, float(value)])
    return joined(spline, symbolic)


def _present_(spline: KANLayer, i: int, o: int) -> None:
    """Make an absent edge a spline that is zero; an edge that is there stays as it is."""
    if not bool(spline.mask[i, o]):
        spline.mask[i, o] = 1
        spline.coef[i, :, o] = 0
        if spline.base is not None:
            spline.base[i, o] = 0


@torch.no_grad()
def with_scaled_output(layer: EdgeLayer, o: int, factor: float) -> EdgeLayer:
    """Copy a layer and multiply all edges into one sum by a factor."""
    spline, symbolic = parts_of(layer)
    if spline is not None:
        spline.coef[:, :, o] *= factor
        if spline.base is not None:
            spline.base[:, o] *= factor
    if symbolic is not None:
        symbolic.affine[2:, :, o] *= factor
    return joined(spline, symbolic)


@torch.no_grad()
def selected(layer: EdgeLayer, inputs: Tensor, outputs: Tensor) -> EdgeLayer:
    """Copy the edges from some inputs to some outputs, in the given order."""
    spline, symbolic = parts_of(layer)
    if spline is not None:
        spline.coef = replaced_parameter(spline.coef, spline.coef[inputs][:, :, outputs])
        if spline.base is not None:
            spline.base = replaced_parameter(spline.base, spline.base[inputs][:, outputs])
        spline.knots = spline.knots[inputs].clone()
        spline.mask = spline.mask[inputs][:, outputs].clone()
    if symbolic is not None:
        rows = [[symbolic.functions[i][o] for o in outputs.tolist()] for i in inputs.tolist()]
        symbolic = symbolic.replaced(rows, symbolic.affine[:, inputs][:, :, outputs])
    return joined(spline, symbolic)


@torch.no_grad()
def spread_inputs(layer: EdgeLayer, columns: Tensor, like: EdgeLayer) -> EdgeLayer:
    """Copy a layer so that it takes all inputs of the layer `like`, of which it uses `columns`; the rest is absent."""
    spline, symbolic = parts_of(layer)
    like_spline, _ = parts_of(like)
    count = like.in_features

    def spread(values: Tensor, filler: Tensor) -> Tensor:
        filler[columns] = values
        return filler

    if spline is not None:
        spline.coef = replaced_parameter(
            spline.coef, spread(spline.coef, spline.coef.new_zeros(count, *spline.coef.shape[1:]))
        )
        if spline.base is not None:
            spline.base = replaced_parameter(
                spline.base, spread(spline.base, spline.base.new_zeros(count, spline.out_features))
            )
        spline.mask = spread(spline.mask, spline.mask.new_zeros(count, spline.out_features))
        assert like_spline is not None, "a part of a network has no more splines than the network"
        spline.knots = spread(spline.knots, like_spline.knots.clone())
    if symbolic is not None:
        rows = [[NO_FUNCTION] * symbolic.out_features for _ in range(count)]
        for place, row in zip(columns.tolist(), symbolic.functions, strict=True):
            rows[place] = list(row)
        affine = symbolic.affine.new_zeros(4, count, symbolic.out_features)
        affine[:, columns] = symbolic.affine
        symbolic = symbolic.replaced(rows, affine)
    return joined(spline, symbolic)


@torch.no_grad()
def with_function(
    layer: EdgeLayer, i: int, o: int, fitted: EdgeFit, table: Mapping[str, Elementary] = ELEMENTARY
) -> EdgeLayer:
    """Copy a layer and make edge (i, o) an elementary function of a table.

    The function "0" removes the edge and adds its mean `fitted.d` to another edge into the same sum, if there is one.
    """
    spline, symbolic = parts_of(layer)
    if spline is not None:
        spline.mask[i, o] = 0
    weight = next(layer.parameters())
    if symbolic is None:
        blank = [[NO_FUNCTION] * layer.out_features for _ in range(layer.in_features)]
        symbolic = SymbolicLayer(blank, table=table, dtype=weight.dtype, device=weight.device)
    rows = [list(row) for row in symbolic.functions]
    rows[i][o] = fitted.name
    affine = symbolic.affine.detach().clone()
    affine[:, i, o] = affine.new_tensor([fitted.a, fitted.b, fitted.c, fitted.d])
    if fitted.name != NO_FUNCTION:
        found = {fitted.name: table[fitted.name]}
    else:
        found = {}
    changed = joined(spline, symbolic.replaced(rows, affine, table=found))
    if fitted.name == NO_FUNCTION:
        functions = symbolic.replaced(rows, affine).mask[:, o]  # a constant is a number of a function, if there is one
        others = functions if bool(functions.any()) else changed.mask[:, o]
        if bool(others.any()):
            changed = with_constant(changed, int(others.argmax()), o, fitted.d)
    return changed


@torch.no_grad()
def with_spline(
    layer: EdgeLayer, i: int, o: int, inputs: Tensor, *, keep_function: bool = False, like: KANLayer | None = None
) -> EdgeLayer:
    """Copy a layer and make edge (i, o) a spline: the one nearest to it, or zero beside its function, which is kept.

    The values (batch, in) that enter the layer are the points of the fit, and determine the domain of splines in a
    layer that has none; their grid size and degree are those of `like`.
    """
    spline, symbolic = parts_of(layer)
    if spline is None:
        spline = blank_splines(layer, layer.out_features, data_domain(inputs), like)
    values = layer.edges(inputs)[:, i, o]
    _present_(spline, i, o)
    if keep_function or symbolic is None:
        return joined(spline, symbolic)
    if spline.base is not None:
        spline.base[i, o] = 0  # the spline takes over all of the edge
    columns = basis(inputs, spline.knots, spline.degree)[:, i]
    spline.coef[i, :, o] = torch.linalg.lstsq(columns, values[:, None], driver="gelsd").solution[:, 0]
    rows = [list(row) for row in symbolic.functions]
    rows[i][o] = NO_FUNCTION
    return joined(spline, symbolic.replaced(rows, symbolic.affine))


def blank_splines(layer: EdgeLayer, outputs: int, domain: Tensor | None, like: KANLayer | None = None) -> KANLayer:
    """Make splines from the inputs of a layer to so many outputs, all of them zero and masked, on a domain (in, 2).

    They have the grid size, degree and base function of `like`, or 5 intervals of degree 3 and no base.
    """
    weight = next(layer.parameters())
    blank = KANLayer(
        layer.in_features,
        outputs,
        grid_size=NEW_GRID_SIZE if like is None else like.grid_size,
        degree=NEW_DEGREE if like is None else like.degree,
        domain=domain,
        base="zero" if like is None else like.base_function,
        generator=seeded_generator(0),  # drawn and then set to zero
        dtype=weight.dtype,
        device=weight.device,
    )
    blank.domain_is_set.fill_(True)
    with torch.no_grad():
        for part in (blank.coef, blank.base, blank.mask):
            if part is not None:
                part.zero_()
    return blank


def replaced_parameter(parameter: nn.Parameter, values: Tensor) -> nn.Parameter:
    """Return a parameter of new values that is trained if the old one is."""
    return nn.Parameter(values.detach().clone(), requires_grad=parameter.requires_grad)

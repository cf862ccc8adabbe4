"""Single edges of a layer, splines or functions: kept, replaced, moved by a constant, scaled.

The functions leave their arguments unchanged and return new layers, but for those whose names end in an underscore.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.formulas.curve_fits import EdgeFit
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.spline import KANLayer, plain_affine
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.grids import data_domain


def inputs_of(stop: KANLayer, model: KAN, x: Tensor) -> Tensor:
    """Return the values that enter a layer of the model for data x, (batch, in)."""
    for layer in model.layers:
        if layer is stop:
            break
        x = layer(x)
    return x


def with_layer(model: KAN, place: int, layer: KANLayer) -> KAN:
    """Copy a network with another layer at a place of its chain."""
    changed = copy.deepcopy(model)
    changed.layers[place] = layer
    return changed


@torch.no_grad()
def with_edges(layer: KANLayer, keep: Tensor) -> KANLayer:
    """Copy a layer without the edges outside `keep`, bool (in, out)."""
    layer = copy.deepcopy(layer)
    if layer.has_splines:
        layer.spline_mask.mul_(keep)
    if layer.function_names is not None:
        names = [
            [name if stays else NO_FUNCTION for name, stays in zip(row, stay, strict=True)]
            for row, stay in zip(layer.function_names, keep.tolist(), strict=True)
        ]
        layer.set_functions_(names, layer.affine)
    layer.drop_unused_()
    return layer


@torch.no_grad()
def with_constant(layer: KANLayer, i: int, o: int, value: Tensor | float) -> KANLayer:
    """Copy a layer and add a constant to an edge; an absent edge becomes that constant.

    B-splines sum to one, so a constant is the same addition to all coefficients.
    """
    layer = copy.deepcopy(layer)
    if layer.elementary(i, o) is not None:
        layer.affine[3, i, o] += value
    elif layer.has_splines:
        _add_spline_(layer, i, o)
        layer.coef[i, :, o] += value
    else:
        set_function_(layer, i, o, "x", (1.0, 0.0, 0.0, float(value)), ELEMENTARY)  # with the factor 0
    layer.drop_unused_()
    return layer


@torch.no_grad()
def set_function_(
    layer: KANLayer, i: int, o: int, name: str, numbers: Sequence[float], table: Mapping[str, Elementary]
) -> None:
    """Give edge (i, o) the function of a table with numbers a, b, c, d, beside its spline if it has one."""
    if layer.function_names is None:
        names = [[NO_FUNCTION] * layer.out_features for _ in range(layer.in_features)]
        affine = plain_affine(layer.in_features, layer.out_features).to(layer.coef)
    else:
        names = [list(row) for row in layer.function_names]
        affine = layer.affine
    names[i][o] = name
    layer.set_functions_(names, affine, {} if name == NO_FUNCTION else {name: table[name]})
    layer.affine[:, i, o] = layer.affine.new_tensor(numbers)


def _add_spline_(layer: KANLayer, i: int, o: int) -> None:
    """Give edge (i, o) a spline that is zero; a spline that is there stays as it is."""
    if not bool(layer.spline_mask[i, o]):
        layer.spline_mask[i, o] = 1
        layer.coef[i, :, o] = 0
        if layer.base is not None:
            layer.base[i, o] = 0


@torch.no_grad()
def with_scaled_output(layer: KANLayer, o: int, factor: float) -> KANLayer:
    """Copy a layer and multiply all edges into one sum by a factor."""
    layer = copy.deepcopy(layer)
    if layer.has_splines:
        layer.coef[:, :, o] *= factor
        if layer.base is not None:
            layer.base[:, o] *= factor
    if layer.has_functions:
        layer.affine[2:, :, o] *= factor
    return layer


@torch.no_grad()
def selected(layer: KANLayer, inputs: Tensor, outputs: Tensor) -> KANLayer:
    """Copy the edges from some inputs to some outputs, in the given order."""
    layer = copy.deepcopy(layer)
    if layer.has_splines:
        layer.coef = replaced_parameter(layer.coef, layer.coef[inputs][:, :, outputs])
        if layer.base is not None:
            layer.base = replaced_parameter(layer.base, layer.base[inputs][:, outputs])
        layer.knots = layer.knots[inputs].clone()
        layer.spline_mask = layer.spline_mask[inputs][:, outputs].clone()
    if layer.function_names is not None:
        names = [[layer.function_names[i][o] for o in outputs.tolist()] for i in inputs.tolist()]
        layer.set_functions_(names, layer.affine[:, inputs][:, :, outputs])
    layer.drop_unused_()
    return layer


@torch.no_grad()
def spread_inputs(layer: KANLayer, columns: Tensor, like: KANLayer) -> KANLayer:
    """Copy a layer so that it takes all inputs of the layer `like`, of which it uses `columns`; the rest is absent."""
    layer = copy.deepcopy(layer)
    count = like.in_features
    outputs = layer.out_features

    def spread(values: Tensor, filler: Tensor) -> Tensor:
        filler[columns] = values
        return filler

    # Splines: coefficients, base weights and masks move to their columns; knots of absent inputs are those of `like`.
    if layer.has_splines:
        assert like.has_splines, "a part of a network has no more splines than the network"
        coef = spread(layer.coef, layer.coef.new_zeros(count, *layer.coef.shape[1:]))
        layer.coef = replaced_parameter(layer.coef, coef)
        if layer.base is not None:
            layer.base = replaced_parameter(layer.base, spread(layer.base, layer.base.new_zeros(count, outputs)))
        layer.spline_mask = spread(layer.spline_mask, layer.spline_mask.new_zeros(count, outputs))
        layer.knots = spread(layer.knots, like.knots.clone())
    # Functions of edges and their constants.
    if layer.function_names is not None:
        names = [[NO_FUNCTION] * outputs for _ in range(count)]
        for place, row in zip(columns.tolist(), layer.function_names, strict=True):
            names[place] = list(row)
        affine = layer.affine.new_zeros(4, count, outputs)
        affine[:, columns] = layer.affine
        layer.set_functions_(names, affine)
    layer.drop_unused_()
    return layer


@torch.no_grad()
def with_function(layer: KANLayer, i: int, o: int, fitted: EdgeFit, table: Mapping[str, Elementary]) -> KANLayer:
    """Copy a layer and make edge (i, o) an elementary function of a table.

    The function "0" removes the edge and adds its mean `fitted.d` to another edge into the same sum, if there is one.
    """
    layer = copy.deepcopy(layer)
    if layer.has_splines:
        layer.spline_mask[i, o] = 0
    set_function_(layer, i, o, fitted.name, (fitted.a, fitted.b, fitted.c, fitted.d), table)
    functions = layer.function_mask[:, o]
    layer.drop_unused_()
    if fitted.name == NO_FUNCTION:
        others = functions if bool(functions.any()) else layer.mask[:, o]  # of a function if there is one
        if bool(others.any()):
            return with_constant(layer, int(others.argmax()), o, fitted.d)
    return layer


@torch.no_grad()
def with_spline(
    layer: KANLayer, i: int, o: int, inputs: Tensor, *, keep_function: bool = False, like: KANLayer | None = None
) -> KANLayer:
    """Copy a layer and make edge (i, o) a spline: the one nearest to it, or zero beside its function, which is kept.

    The values (batch, in) that enter the layer are the points of the fit, and determine the domain of splines in a
    layer that has none; their grid size and degree are those of `like`.
    """
    values = layer.edges(inputs)[:, i, o]
    layer = copy.deepcopy(layer)
    if not layer.has_splines:
        layer.set_splines_(blank_splines(layer, layer.out_features, data_domain(inputs), like))
    _add_spline_(layer, i, o)
    if layer.has_functions and not keep_function:
        if layer.base is not None:
            layer.base[i, o] = 0  # the spline takes over all of the edge
        # Least squares onto the B-splines by the singular value decomposition, as rows may not determine all of them.
        columns = basis(inputs, layer.knots, layer.degree)[:, i]
        layer.coef[i, :, o] = torch.linalg.lstsq(columns, values[:, None], driver="gelsd").solution[:, 0]
        set_function_(layer, i, o, NO_FUNCTION, layer.affine[:, i, o].tolist(), {})
    layer.drop_unused_()
    return layer


def blank_splines(layer: KANLayer, outputs: int, domain: Tensor | None, like: KANLayer | None = None) -> KANLayer:
    """Make splines from the inputs of a layer to a number of outputs, all of them zero and masked, on a domain (in, 2).

    They have the grid size, degree and base function of `like`, or those of a new `KAN` and no base.
    """
    weight = next(layer.parameters())
    shape: dict[str, Any] = {"base": "zero"}
    if like is not None and like.has_splines:
        shape = {"grid_size": like.grid_size, "degree": like.degree, "base": like.base_function}
    blank = KANLayer(
        layer.in_features,
        outputs,
        domain=domain,
        generator=seeded_generator(0),  # drawn and then set to zero
        dtype=weight.dtype,
        device=weight.device,
        **shape,
    )
    blank.domain_is_set.fill_(True)
    with torch.no_grad():
        for part in (blank.coef, blank.base, blank.spline_mask):
            if part is not None:
                part.zero_()
    return blank


def replaced_parameter(parameter: nn.Parameter, values: Tensor) -> nn.Parameter:
    """Return a parameter of new values that is trained if the old one is."""
    return nn.Parameter(values.detach().clone(), requires_grad=parameter.requires_grad)

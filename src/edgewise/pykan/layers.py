"""One layer of pykan as a layer of Edgewise: where the numbers of its tensors go.

In pykan (0.2) an edge from input i to subnode o is

    mask (scale_base b(x) + scale_sp spline(x)) + symbolic mask (c f(a x + b) + d),

the sum of the edges of a subnode is multiplied by its scale and gets its bias, product nodes multiply subnodes, and
each node has a scale and a bias again. Edgewise keeps all factors in the coefficients: scales go into the edges (that
of a product into the edges of its first factor), a bias of a sum becomes a constant of one of its edges. Only the bias
of a product needs edges of its own behind it (`passing`).

pykan's splines live on the grid extended by k knots at both ends and are zero beyond it; Edgewise continues splines as
straight lines. With the extended grid as domain, and further coefficients that are zero, both are equal everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import BESIDE_SPLINE, NO_FUNCTION
from edgewise.nn.layers.spline import KANLayer, plain_affine
from edgewise.ops.splines.bspline import MAX_EDGE_DEGREE
from edgewise.pykan.reading import PykanState


@dataclass
class LayerPlan:
    """A layer of edges of the Edgewise network."""

    # names as in `KANConfig`: "" for a spline, "+sin" for a spline and a function, "0" for no edge
    functions: list[list[str]]
    affine: Tensor  # constants of the functions, (4, in, out)
    products: tuple[int, ...]  # numbers of factors of the product nodes
    degree: int  # of the splines; grid_size 0 for none
    grid_size: int
    splines: dict[str, Tensor] = field(default_factory=dict)  # "coef", "base", "spline_mask" and "knots"
    # what is added to the nodes behind the products, (nodes,)
    bias: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))

    @property
    def nodes(self) -> int:
        """Number of nodes after the products."""
        return len(self.functions[0]) - sum(self.products) + len(self.products)

    def write_(self, layer: KANLayer) -> None:
        """Copy the numbers into a layer of this shape."""
        if layer.has_splines:
            for name, values in self.splines.items():
                tensor = getattr(layer, name)
                if tensor is not None:
                    tensor.copy_(values)
            layer.domain_is_set.fill_(True)
        if layer.has_functions:
            layer.affine.copy_(self.affine)


def passing(bias: Tensor) -> LayerPlan:
    """Plan a layer that adds a bias to every node."""
    nodes = len(bias)
    functions = [["x" if i == o else NO_FUNCTION for o in range(nodes)] for i in range(nodes)]
    affine = plain_affine(nodes, nodes).double()
    affine[3] = bias
    return LayerPlan(functions, affine, (), 0, 0)


def layer_plan(state: PykanState, number: int, beyond: str) -> LayerPlan:
    """Translate one layer, by number; `beyond` is what the splines do outside pykan's grid, "zero" or "line"."""
    # The edges: splines, functions, and the factors of both halves.
    inputs, sums, count = state.tensors[f"act_fun.{number}.coef"].shape
    names = [[state.functions[number][o][i] for o in range(sums)] for i in range(inputs)]
    mask = state.tensor(f"act_fun.{number}.mask", like=(inputs, sums))
    strength = state.tensor(f"symbolic_fun.{number}.mask", like=(sums, inputs)).mT * float(state.has_functions)
    affine = state.tensor(f"symbolic_fun.{number}.affine", like=(sums, inputs, 4)).permute(2, 1, 0).clone()
    has_name = torch.tensor([[name != NO_FUNCTION for name in row] for row in names])
    has_function = (strength != 0) & has_name
    has_spline = mask != 0
    arities = _arities(state, number, sums)
    scale, constant, bias = _scales(state, number, sums, arities)
    # A function "0" is c * 0 + d: a constant of the sum.
    constant = constant + scale * torch.where(has_name, 0.0, affine[3] * strength).sum(0)
    affine[2:] *= strength * scale
    # The splines with their factors.
    knots, coef, degree = _spline_numbers(state, number, count, beyond)
    scale_sp = state.tensor(f"act_fun.{number}.scale_sp", like=(inputs, sums))
    splines = {
        "coef": coef * (scale_sp * mask * scale)[:, None, :],
        "base": state.tensor(f"act_fun.{number}.scale_base", like=(inputs, sums)) * mask * scale,
        "spline_mask": has_spline.double(),
        "knots": knots,
    }
    # The names of the edges: none, a spline, a function, or both.
    functions = [[NO_FUNCTION] * sums for _ in range(inputs)]
    for i, o in has_spline.nonzero().tolist():
        functions[i][o] = ""
    for i, o in has_function.nonzero().tolist():
        functions[i][o] = BESIDE_SPLINE * bool(has_spline[i, o]) + names[i][o]
    # Constants of the sums, and the layer without the half that it does not need.
    for o in constant.nonzero().flatten().tolist():
        _add_constant_(float(constant[o]), o, functions, affine, splines)
    if not bool(splines["spline_mask"].any()) and any(name != NO_FUNCTION for row in functions for name in row):
        return LayerPlan(functions, affine, arities, degree, 0, {}, bias)
    if not any(name not in ("", NO_FUNCTION) for row in functions for name in row):
        functions = [[""] * sums for _ in range(inputs)]  # masked where there is no edge
    return LayerPlan(functions, affine, arities, degree, coef.shape[1] - degree, splines, bias)


def _add_constant_(
    value: float, o: int, functions: list[list[str]], affine: Tensor, splines: dict[str, Tensor]
) -> None:
    """Add a constant to a sum: to a function, to a spline (B-splines sum to one), or as an edge of its own."""
    column = [row[o] for row in functions]
    named = next((i for i, name in enumerate(column) if name not in ("", NO_FUNCTION)), None)
    if named is not None:
        affine[3, named, o] += value
    elif "" in column:
        splines["coef"][column.index(""), :, o] += value
    else:
        functions[0][o] = "x"  # with the factor 0
        affine[:, 0, o] = torch.tensor([1.0, 0.0, 0.0, value], dtype=torch.float64)


def _spline_numbers(state: PykanState, number: int, count: int, beyond: str) -> tuple[Tensor, Tensor, int]:
    """Knots (in, m), coefficients (in, n, out) and degree of the splines."""
    grid = state.tensor(f"act_fun.{number}.grid", like=(state.tensors[f"act_fun.{number}.coef"].shape[0], None))
    coef = state.tensor(f"act_fun.{number}.coef", like=(None, None, None)).transpose(1, 2)
    degree = grid.shape[1] - count - 1
    if not 0 <= degree <= MAX_EDGE_DEGREE:
        raise InputError(
            f"source must have splines of degree {MAX_EDGE_DEGREE} at most, got {degree} in layer {number}"
        )
    flat = grid[:, -1] <= grid[:, 0]  # a column without spread, where pykan's splines are zero
    coef = torch.where(flat[:, None, None], 0.0, coef)
    grid = torch.where(flat[:, None], grid[:, :1] + torch.arange(grid.shape[1]), grid)
    if bool((grid.diff(dim=1) <= 0).any()):
        raise InputError(f"source must have grids of distinct knots, those of layer {number} coincide")
    # Further coefficients that are zero, so that the splines are zero beyond the grid.
    more = max(degree, 2) if beyond == "zero" else 0
    steps = torch.arange(1, more + 1, dtype=torch.float64)
    width = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    knots = torch.cat([grid[:, :1] - width * steps.flip(0), grid, grid[:, -1:] + width * steps], 1)
    return knots, nn.functional.pad(coef, (0, 0, more, more)), degree


def _arities(state: PykanState, number: int, sums: int) -> tuple[int, ...]:
    """Numbers of factors of the product nodes of a layer."""
    if isinstance(state.arities, list):
        arities: tuple[int, ...] = ()
        if number + 1 < len(state.arities):
            arities = tuple(state.arities[number + 1])
    else:
        scale = state.tensors.get(f"node_scale_{number}")
        nodes = sums if scale is None else len(scale)
        if state.arities < 2 or (sums - nodes) % (state.arities - 1):
            raise InputError(f"source must have products of {state.arities} factors in layer {number}, it has others")
        arities = (state.arities,) * ((sums - nodes) // (state.arities - 1))
    if any(n < 2 for n in arities) or sum(arities) > sums:
        raise InputError(f"source must have products of two factors or more in layer {number}, got {arities}")
    return arities


def _scales(state: PykanState, number: int, sums: int, arities: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Factor and constant of each sum, and what is added to each node behind the products."""
    plain = sums - sum(arities)
    nodes = plain + len(arities)
    ones = torch.ones(max(sums, nodes), dtype=torch.float64)
    zeros = torch.zeros(max(sums, nodes), dtype=torch.float64)
    scale = state.tensor(f"subnode_scale_{number}", default=ones[:sums], like=(sums,)).clone()
    constant = state.tensor(f"subnode_bias_{number}", default=zeros[:sums], like=(sums,)).clone()
    node_scale = state.tensor(f"node_scale_{number}", default=ones[:nodes], like=(nodes,))
    node_bias = state.tensor(f"node_bias_{number}", default=zeros[:nodes], like=(nodes,))
    # The sum that takes the factor of each node: itself, or the first factor of a product.
    first = [*range(plain), *(plain + sum(arities[:k]) for k in range(len(arities)))]
    scale[first] *= node_scale
    constant[first] *= node_scale
    constant[:plain] += node_bias[:plain]
    behind = torch.zeros(nodes, dtype=torch.float64)
    behind[plain:] = node_bias[plain:]
    return scale, constant, behind

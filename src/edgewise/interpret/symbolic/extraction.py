"""Formulas of networks with elementary edges: of a whole network, of a layer's nodes, and of single edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.checks import check_kind, check_names, is_integer, typed
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import scaled_function
from edgewise.formulas.expression import Add, Expression, Multiply, Variable, exact_number
from edgewise.formulas.formula import Formula
from edgewise.formulas.rewriting import simplify, without_noise
from edgewise.nn.config import check_input
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN


@typed
def formula(
    model: KAN,
    *,
    names: Sequence[str] | None = None,
    output: int = 0,
    x: Tensor | None = None,
) -> Formula:
    """Write a network of elementary edges as the formula of one of its outputs, equal to rounding.

    Parameters
    ----------
    model : KAN
        With elementary functions on all edges, with or without products.
    names : sequence of str, optional
        Names of the inputs; x1, x2, ... if left out.
    output : int
        Number of the output.
    x : Tensor, optional
        Rows (N, in). The formula is simplified, and constants that change no output there by more than rounding, as in
        ``1e-17*x``, are left out.

    Returns
    -------
    Formula
        Prints as text, LaTeX, sympy, Python or C.

    Raises
    ------
    InputError
        An edge is a spline, or names, output or x do not fit.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, formula
    >>> model = KAN([2, 1], 0, functions=[[["sin"], ["x^2"]]])
    >>> str(formula(model, names=["a", "b"]))
    'sin(a) + b**2'
    >>> rows = torch.linspace(-1, 1, 10)[:, None].repeat(1, 2)
    >>> with torch.no_grad():
    ...     _ = model.layers[0].affine[3].fill_(1e-9)  # in single precision rounding
    >>> str(formula(model)), str(formula(model, x=rows))
    ('(sin(x1) + 1e-09) + (x2**2 + 1e-09)', 'sin(x1) + x2**2')
    """
    check_kind(x, Tensor | None, "x must be a tensor of rows")
    layers = list(model.layers)
    inputs = layers[0].in_features
    outputs = layers[-1].out_features
    names = check_names(names, inputs)
    if not is_integer(output) or not 0 <= output < outputs:
        raise InputError(f"output must be a number from 0 to {outputs - 1}, got {output!r}")
    # Layer by layer, each node as an expression of the inputs.
    nodes: list[Expression] = [Variable(k) for k in range(inputs)]
    for place, layer in enumerate(layers):
        if layer.groups is not None:
            nodes = [nodes[g[0]] if len(g) == 1 else Multiply(tuple(nodes[i] for i in g)) for g in layer.groups]
        elif layer.has_splines or not layer.has_functions:
            raise InputError(
                f"model must have elementary functions on all edges, layer {place} has splines: use symbolify"
            )
        else:
            nodes = node_expressions(layer, nodes)
    if x is None:
        return Formula(nodes[output], names)
    # Constants that rounding hides at the rows are left out, once more after the first ones have gone.
    check_input(x, inputs, None)
    rows = x.detach().cpu().double().numpy()
    rounding = torch.finfo(model.dtype).eps
    shorter = without_noise(simplify(nodes[output]), rows, rounding)
    return Formula(without_noise(simplify(shorter), rows, rounding), names)  # numbers leave powers, and may become 1


@typed
def edge_formula(model: KAN, layer: int, i: int, o: int, *, name: str = "x") -> Formula:
    """Write a single elementary edge as a formula of its input.

    Parameters
    ----------
    model : KAN
        The network; its other edges may be splines.
    layer : int
        Number of the layer in `model.layers`.
    i, o : int
        Numbers of the edge's input and of its output within the layer.
    name : str
        Name of the input in the formula.

    Returns
    -------
    Formula
        Of one variable; 0 for an absent edge.

    Raises
    ------
    InputError
        There is no such edge, or it is a spline. `edgewise.formulas.curve_fits.edge_fits` finds elementary functions
        for the values of a spline edge.

    Examples
    --------
    >>> model = KAN([2, 1], 0, functions=[[["sin"], ["x^2"]]])
    >>> str(edge_formula(model, 0, 0, 0, name="t"))
    'sin(t)'
    """
    if not is_integer(layer) or layer not in range(len(model.layers)):
        raise InputError(f"layer must be a number from 0 to {len(model.layers) - 1}, got {layer!r}")
    chosen = model.layers[layer]
    for label, value, count in (("i", i, chosen.in_features), ("o", o, chosen.out_features)):
        if not is_integer(value) or value not in range(count):
            raise InputError(f"{label} must be a number from 0 to {count - 1}, got {value!r}")
    if chosen.groups is not None:
        raise InputError(f"layer must have edges, layer {layer} multiplies nodes")
    if not chosen.has_functions or (chosen.has_splines and bool(chosen.spline_mask[i, o])):
        raise InputError(f"edge ({layer}, {i}, {o}) must be an elementary function, it is a spline: use symbolify")
    return Formula(edge_expression(chosen, i, o, Variable(0)), check_names([name], 1))


def node_expressions(layer: KANLayer, inputs: Sequence[Expression] | None = None) -> list[Expression]:
    """Write each output of a layer in terms of expressions of its inputs, which are variables if left out."""
    if inputs is None:
        inputs = [Variable(i) for i in range(layer.in_features)]
    nodes: list[Expression] = []
    for o in range(layer.out_features):
        edges = [i for i in range(layer.in_features) if layer.elementary(i, o) is not None]
        terms = tuple(edge_expression(layer, i, o, inputs[i]) for i in edges)
        match terms:
            case ():
                nodes.append(exact_number(0))
            case (term,):
                nodes.append(term)
            case _:
                nodes.append(Add(terms))
    return nodes


def edge_expression(layer: KANLayer, i: int, o: int, argument: Expression) -> Expression:
    """Write one edge, c f(a u + b) + d, in terms of an expression of its input u; 0 for an absent edge."""
    function = layer.elementary(i, o)
    if function is None:
        return exact_number(0)
    a, b, c, d = layer.affine[:, i, o].detach().double().tolist()
    return scaled_function(function, (a, b, c, d), argument)

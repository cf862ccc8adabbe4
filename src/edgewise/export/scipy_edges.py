"""The edges of a network as functions of scipy.interpolate."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from edgewise.formulas.expression import Expression, Variable, evaluate
from edgewise.interpret.symbolic.extraction import edge_expression
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.activation import Function, activation_of

if TYPE_CHECKING:
    from scipy.interpolate import PPoly


@dataclass(frozen=True, eq=False)
class EdgeFunction:
    """One edge as a function of numbers of any shape: spline(x) + weight * b(x), a formula, or their sum.

    Parameters
    ----------
    spline : scipy.interpolate.PPoly or None
        The spline with its straight lines outside the domain, so that it can be differentiated, integrated and solved;
        None for an edge that is only an elementary function.
    base : str or callable
        The base function b, or its name.
    weight : float
        Weight of the base function.
    expression : Expression or None
        The formula of an edge with an elementary function.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> square = EdgeFunction(None, expression=parse_expression("x**2"))
    >>> square([1.0, 2.0]).tolist()
    [1.0, 4.0]
    """

    spline: "PPoly | None"
    base: str | Function = "zero"
    weight: float = 0.0
    expression: Expression | None = None

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """Return the values at x, in its shape."""
        x = np.asarray(x, dtype=np.float64)
        value = np.zeros(x.shape)
        if self.spline is not None:
            value = self.spline(x)
        if self.expression is not None:
            value = value + evaluate(self.expression, x.reshape(-1, 1)).reshape(x.shape)
        if self.weight:
            value = value + self.weight * activation_of(self.base)(torch.from_numpy(x)).numpy()
        return value


def to_scipy(model: KAN) -> tuple[dict[tuple[int, int], EdgeFunction], ...]:
    """Return the edges of a KAN as functions that scipy can differentiate, integrate and solve.

    They are equal to the model's edges up to rounding, in float64. The value of a node is the sum of the edges that
    end in it.

    Parameters
    ----------
    model : KAN
        The network.

    Returns
    -------
    tuple of dict
        For each layer of edges a dictionary (input, output) -> `EdgeFunction`; masked edges are absent.

    Raises
    ------
    InputError
        The model is no KAN.

    Examples
    --------
    The sum of the edges into a node is the output of the layer:

    >>> import torch
    >>> import edgewise
    >>> model = edgewise.KAN([2, 1], dtype=torch.float64)
    >>> (layer,) = to_scipy(model)
    >>> sorted(layer)
    [(0, 0), (1, 0)]
    >>> value = layer[0, 0](0.3) + layer[1, 0](-0.5)
    >>> bool(abs(value - model(torch.tensor([0.3, -0.5], dtype=torch.float64)).item()) < 1e-12)
    True
    """
    layers = []
    for layer in edge_layers(model):
        edges: dict[tuple[int, int], EdgeFunction] = {}
        if layer.has_splines:
            edges = _spline_edges(layer)
        if layer.has_functions:
            for i, o in layer.function_mask.nonzero().tolist():
                own = edge_expression(layer, i, o, Variable(0))
                edges[i, o] = replace(edges.get((i, o), EdgeFunction(None)), expression=own)
        layers.append(dict(sorted(edges.items())))
    return tuple(layers)


def _spline_edges(layer: KANLayer) -> dict[tuple[int, int], EdgeFunction]:
    """Return the splines of a layer by (input, output), each continued by straight lines beyond its domain."""
    from scipy.interpolate import BSpline, PPoly

    k = layer.degree
    edges: dict[tuple[int, int], EdgeFunction] = {}
    coef, knots, mask = (part.detach().cpu().double().numpy() for part in (layer.coef, layer.knots, layer.spline_mask))
    base = np.zeros(mask.shape)
    if layer.base is not None:
        base = layer.base.detach().cpu().double().numpy()
    for i in range(layer.in_features):
        inner = knots[i, k : len(knots[i]) - k]
        low = inner[0]
        high = inner[-1]
        places = np.concatenate([[low - (high - low)], inner, [high + (high - low)]])
        for o in np.flatnonzero(mask[i]):
            # The derivatives at the breakpoints are the pieces of the polynomials.
            curve = BSpline(knots[i], coef[i, :, o], k)
            pieces = []
            factor = 1.0
            for order in range(k + 1):
                factor *= max(order, 1)
                pieces.append((curve.derivative(order) if order else curve)(inner[:-1]) / factor)
            # The lines of the end points; the last piece's polynomial gives the value and slope at the upper end.
            local = np.polynomial.Polynomial([piece[-1] for piece in pieces])
            width = high - inner[-2]
            slopes = (pieces[1][0] if k else 0.0, local.deriv()(width) if k else 0.0)
            table = np.zeros((max(k, 1) + 1, len(inner) + 1))
            table[-len(pieces) :, 1:-1] = pieces[::-1]
            table[-2:, 0] = slopes[0], pieces[0][0] - slopes[0] * (high - low)
            table[-2:, -1] = slopes[1], local(width)
            edges[i, int(o)] = EdgeFunction(PPoly(table, places), layer.base_function, float(base[i, o]))
    return edges

"""The edges of a network as functions of scipy.interpolate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.errors import InputError, missing_extra
from edgewise.formulas.expression import Expression, evaluate
from edgewise.interpret.symbolic.extraction import edge_expression
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN, spline_part
from edgewise.ops.activation import ACTIVATIONS

if TYPE_CHECKING:
    from scipy.interpolate import PPoly


@dataclass(frozen=True, eq=False)
class EdgeFunction:
    """One edge as a function of numbers of any shape: spline(x) + weight * b(x), or a formula.

    spline: `scipy.interpolate.PPoly` that holds the straight lines outside the domain too, so it can be differentiated,
        integrated and solved; None for an elementary edge. base: the name of b, with its weight.
    expression: of an elementary edge.
    """

    spline: "PPoly | None"
    base: str = "zero"
    weight: float = 0.0
    expression: Expression | None = None

    def __call__(self, x) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if self.expression is not None:
            return evaluate(self.expression, x.reshape(-1, 1)).reshape(x.shape)
        value = self.spline(x)
        if self.weight:
            value = value + self.weight * ACTIVATIONS[self.base](torch.from_numpy(x)).numpy()
        return value


def to_scipy(model: KAN) -> tuple[dict[tuple[int, int], EdgeFunction], ...]:
    """For each layer of edges of a KAN a dictionary (in, out) -> `EdgeFunction`; masked edges are absent.

    A node's value is the sum of the edges that end in it, so `sum(f(x[i]) for (i, o), f in to_scipy(model)[0].items()
    if o == 2)` is the first layer's third sum. Equal to the model's edges up to rounding, in float64.

    Raises:
        InputError: model is no KAN.
        MissingExtraError: scipy is not installed.
    """
    if not isinstance(model, KAN):
        raise InputError(f"model must be a KAN, got {type(model).__module__}.{type(model).__qualname__}")
    try:
        import scipy.interpolate  # noqa: F401
    except ImportError as error:
        raise missing_extra("scipy", "sklearn", "Edges as functions of scipy.interpolate") from error
    found = []
    for layer in model.layers:
        if isinstance(layer, ProductLayer):
            continue
        spline, symbolic = spline_part(layer), layer.symbolic if isinstance(layer, MixedLayer) else layer
        edges = {} if spline is None else _splines(spline)
        edges |= _elementary(symbolic) if isinstance(symbolic, SymbolicLayer) else {}
        found.append(dict(sorted(edges.items())))
    return tuple(found)


def _splines(layer: KANLayer) -> dict[tuple[int, int], EdgeFunction]:
    from scipy.interpolate import BSpline, PPoly

    k, edges = layer.degree, {}
    coef, knots, mask = (part.detach().cpu().double().numpy() for part in (layer.coef, layer.knots, layer.mask))
    base = None if layer.base is None else layer.base.detach().cpu().double().numpy()
    for i in range(layer.in_features):
        inner = knots[i, k : len(knots[i]) - k]
        low, high = inner[0], inner[-1]
        places = np.concatenate([[low - (high - low)], inner, [high + (high - low)]])
        for o in np.flatnonzero(mask[i]):
            curve, pieces, factor = BSpline(knots[i], coef[i, :, o], k), [], 1.0
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
            weight = 0.0 if base is None else float(base[i, o])
            edges[i, int(o)] = EdgeFunction(PPoly(table, places), layer.base_function, weight)
    return edges


def _elementary(layer: SymbolicLayer) -> dict[tuple[int, int], EdgeFunction]:
    places = map(tuple, layer.mask.nonzero().tolist())
    return {(i, o): EdgeFunction(None, expression=edge_expression(layer, i, o)) for i, o in places}

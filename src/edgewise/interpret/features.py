"""What curves may depend on: inputs and simple combinations of two, each with its columns of splines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from edgewise.interpret.expression import Add, Expression, Multiply, Number, Power, Variable, number, walk
from edgewise.ops.bspline import basis
from edgewise.ops.knots import extend

DEGREE = 3
FEW = 7  # inputs whose pairs are features
_MINUS = number(-1)


@dataclass(frozen=True, eq=False)
class Feature:
    """What a curve may depend on: an input, or a sum, difference, product, ratio or radius of two."""

    expression: Expression
    inputs: frozenset[int]
    values: np.ndarray = field(repr=False)

    @property
    def straight(self) -> bool:
        """Whether it is a sum or difference of inputs, or one alone."""
        return not any(isinstance(part, Power) or _is_product(part) for part in walk(self.expression))


def _is_product(node: Expression) -> bool:
    return isinstance(node, Multiply) and sum(not isinstance(part, Number) for part in node.factors) > 1


def features(x: np.ndarray, inputs: Sequence[int], few: int = FEW) -> list[Feature]:
    """The inputs themselves, and their pairs where there are few inputs."""
    found = [Feature(Variable(i), frozenset((i,)), x[:, i]) for i in inputs]
    if len(inputs) > few:
        return found
    for place, i in enumerate(inputs):
        for j in inputs[place + 1 :]:
            found += _pairs(x, i, j)
    if len(inputs) in (3, 4):  # a difference over a scale
        for k in inputs:
            if np.abs(x[:, k]).min() > 1e-2 * np.abs(x[:, k]).max():
                for i in inputs:
                    for j in inputs:
                        if i < j and k not in (i, j):
                            node = Add((Variable(i), Multiply((_MINUS, Variable(j)))))
                            ratio = Multiply((node, Power(Variable(k), -1.0)))
                            found.append(Feature(ratio, frozenset((i, j, k)), (x[:, i] - x[:, j]) / x[:, k]))
    return found


def _pairs(x: np.ndarray, i: int, j: int) -> Iterator[Feature]:
    a, b, both = Variable(i), Variable(j), frozenset((i, j))
    yield Feature(Add((a, Multiply((_MINUS, b)))), both, x[:, i] - x[:, j])
    yield Feature(Add((a, b)), both, x[:, i] + x[:, j])
    yield Feature(Multiply((a, b)), both, x[:, i] * x[:, j])
    for top, bottom in ((i, j), (j, i)):
        size = np.abs(x[:, bottom])
        if size.min() > 1e-2 * size.max():
            ratio = Multiply((Variable(top), Power(Variable(bottom), -1.0)))
            yield Feature(ratio, both, x[:, top] / x[:, bottom])
            break
    yield Feature(Add((Power(a, 2.0), Power(b, 2.0))), both, x[:, i] ** 2 + x[:, j] ** 2)


def spline_columns(values: np.ndarray, size: int) -> np.ndarray:
    """Centred columns (N, size + 2) of cubic splines with knots at quantiles; with a constant they span all splines."""
    ends = np.quantile(values, np.linspace(0, 1, size + 1))
    spread = float(values.max() - values.min())
    even = np.linspace(values.min(), values.max(), size + 1)
    ends = 0.5 * ends + 0.5 * even  # neither empty intervals nor tails without a knot
    if spread <= 0 or float(np.diff(ends).min()) <= 1e-9 * spread:
        ends = even if spread > 0 else values.min() + np.linspace(-1, 1, size + 1)
    knots = extend(torch.as_tensor(ends)[None], DEGREE)
    columns = basis(torch.as_tensor(values)[:, None], knots, DEGREE)[:, 0].numpy()[:, :-1]
    return columns - columns.mean(0)

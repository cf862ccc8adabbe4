"""What curves may depend on: inputs and simple combinations of two, each with its columns of splines.

Outer functions y = h(u) that can be undone, where the data allow them up to a little noise.

Which inputs a target depends on, and whether a formula leaves anything, by a rich linear model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch

from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power, Variable, exact_number, walk
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import extend

DEGREE = 3
FEW_FEATURES = 7  # inputs whose pairs are features
_MINUS = exact_number(-1)


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


def candidate_features(x: np.ndarray, inputs: Sequence[int], few: int = FEW_FEATURES) -> list[Feature]:
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


MINUS = exact_number(-1)
# Rows that noise has moved out of the range of h: so many at most, by so many standard deviations of y at most.
OUTSIDE, OVERSHOOT = 0.45, 0.1
STEEPEST = 1e4  # times the median weight: what no row counts more than

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Link:
    """y = forward(u), u = inverse(y); slope is du/dy, as a function of y.

    inside: (N,), the rows of the data within the range of forward; the others lie out by noise.
    """

    name: str
    inverse: Change
    slope: Change
    forward: Change
    build: Callable[[Expression], Expression]
    inside: np.ndarray = field(repr=False)

    def target(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and weights (of mean 1) that make its squared errors those of y, to first order; 0 for rows outside."""
        safe = np.where(self.inside, y, y[np.argmax(self.inside)])
        weight = 1 / np.maximum(np.abs(self.slope(safe)), 1e-12) ** 2
        weight = np.where(self.inside, np.minimum(weight, STEEPEST * np.median(weight[self.inside])), 0.0)
        return self.inverse(safe), weight / weight.mean()

    def linearised(self, u: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target and weights for a step of Gauss and Newton from u."""
        now = self.forward(u)
        with np.errstate(all="ignore"):
            slope = self.slope(now)
            weight = 1 / np.maximum(np.abs(slope), 1e-12) ** 2
        weight = np.where(np.isfinite(slope) & np.isfinite(now), weight, 0.0)
        weight = np.minimum(weight, STEEPEST * max(float(np.median(weight)), 1e-300))
        with np.errstate(all="ignore"):
            target = np.where(weight > 0, u + (y - now) * slope, u)
        return target, weight / max(float(weight.mean()), 1e-300)


def possible_links(y: np.ndarray) -> Iterator[Link]:
    """The links whose inverse is defined at y, but for noise; the identity first."""
    yield Link("", lambda y: y, np.ones_like, lambda u: u, lambda node: node, np.ones(len(y), dtype=bool))
    if y.min() > 0 or y.max() < 0 or _nearly(y, y > 0, -y) or _nearly(y, y < 0, y):
        yield from _one_sided(y, 1.0 if np.median(y) > 0 else -1.0)
    size = np.abs(y)
    if _nearly(y, size < 1, size - 1):
        small = size < 1
        yield Link("tanh", np.arctanh, lambda y: 1 / (1 - y**2), np.tanh, lambda node: Call("tanh", node), small)
    right = math.pi / 2
    if _nearly(y, size <= right, size - right):
        clipped = lambda u: np.arcsin(np.clip(u, -1, 1))  # noqa: E731
        yield Link("asin", np.sin, np.cos, clipped, lambda node: Call("asin", node), size <= right)
    if size.max() < 1.5:
        all_ = np.ones(len(y), dtype=bool)
        yield Link("atan", np.tan, lambda y: 1 + np.tan(y) ** 2, np.arctan, lambda node: Call("atan", node), all_)


def _nearly(y: np.ndarray, inside: np.ndarray, beyond: np.ndarray) -> bool:
    return bool((~inside).mean() <= OUTSIDE and (beyond[~inside] <= OVERSHOOT * np.std(y)).all())


def _one_sided(y: np.ndarray, s: float) -> Iterator[Link]:
    """Links to targets of one sign s."""
    inside = s * y > 0

    def signed(node: Expression) -> Expression:
        return node if s > 0 else Multiply((MINUS, node))

    def exponential(u: np.ndarray) -> np.ndarray:
        return s * np.exp(np.clip(u, -700, 700))

    def root(u: np.ndarray) -> np.ndarray:
        return s * np.sqrt(np.maximum(u, 0))

    yield Link(
        "exp", lambda y: np.log(s * y), lambda y: 1 / y, exponential, lambda node: signed(Call("exp", node)), inside
    )
    yield Link("sqrt", lambda y: y**2, lambda y: 2 * y, root, lambda node: signed(Power(node, 0.5)), inside)
    yield Link("1/", lambda y: 1 / y, lambda y: -1 / y**2, lambda u: 1 / u, lambda node: Power(node, -1.0), inside)
    yield Link(
        "square",
        lambda y: np.sqrt(s * y),
        lambda y: s * 0.5 / np.sqrt(s * y),
        lambda u: s * u**2,
        lambda node: signed(Power(node, 2.0)),
        inside,
    )


FEW = 4  # inputs that are all taken as they are
SHARE = 0.35  # of the samples, as many columns at most
# F of an input that does nothing is near 1; the largest of a hundred, with as few degrees of freedom as here, below 3.
LEAST = 4.0
FINEST = 40  # knot intervals of curves that are to see what a formula leaves


def relevant_inputs(x: np.ndarray, y: np.ndarray) -> list[int]:
    """The inputs that y depends on, alone or in products of two.

    Curves of all inputs, and products of two as far as the samples allow, are fitted together; an input stays if
    without its terms the sum of squares rises by `LEAST` times what as many useless columns would explain. Of inputs
    that stand in for each other none may stay then; so the one that explains most beside those that stayed comes
    back, as long as there is one, and at last the weakest goes, as long as one does nothing.
    """
    count = x.shape[1]
    if count <= FEW:
        return list(range(count))
    scaled = 2 * (x - x.min(0)) / np.maximum(np.ptp(x, 0), 1e-300) - 1
    kept = [i for i, value in _scores(scaled, y, range(count)).items() if value > LEAST]
    while len(kept) < count:
        beside = {i: _scores(scaled, y, [*kept, i])[i] for i in range(count) if i not in kept}
        best = max(beside, key=beside.get)
        if beside[best] <= LEAST:
            break
        kept.append(best)
    while 1 < len(kept) < count:
        scores = _scores(scaled, y, kept)
        weakest = min(scores, key=scores.get)
        if scores[weakest] > LEAST:
            break
        kept.remove(weakest)
    return sorted(kept) or list(range(count))


def residual_f_statistic(x: np.ndarray, rest: np.ndarray) -> float:
    """F of what is seen in the residuals of a formula, 1 for noise: the larger of two.

    One by curves of the columns of x and products of two, one by curves of all features of few columns.
    """
    scaled = 2 * (x - x.min(0)) / np.maximum(np.ptp(x, 0), 1e-300) - 1
    rest = rest - rest.mean()
    found = _f_of(*_model(scaled, rest, range(x.shape[1]), FINEST), rest)
    if x.shape[1] <= FEW:
        listed = candidate_features(x, range(x.shape[1]))
        size = int(np.clip(SHARE * len(rest) / len(listed) - 2, 1, FINEST))
        matrix = np.concatenate([spline_columns(feature.values, size) for feature in listed], 1)
        gram = matrix.T @ matrix
        gram[np.diag_indices_from(gram)] += 1e-9 * np.trace(gram) / len(gram)
        found = max(found, _f_of(range(len(gram)), gram, matrix.T @ rest, rest))
    return found


def _f_of(owner: Sequence, gram: np.ndarray, right: np.ndarray, rest: np.ndarray) -> float:
    total, explained = float(rest @ rest), float(right @ np.linalg.solve(gram, right))
    return explained / len(owner) / max((total - explained) / max(len(rest) - len(owner), 1), 1e-300)


def _scores(scaled: np.ndarray, y: np.ndarray, inputs: Sequence[int]) -> dict[int, float]:
    """F of leaving out each input."""
    owner, gram, right = _model(scaled, y, inputs, 10)
    total = float(y @ y)

    def rest(picked: np.ndarray) -> float:
        return max(total - float(right[picked] @ np.linalg.solve(gram[np.ix_(picked, picked)], right[picked])), 0.0)

    everything = np.arange(len(owner))
    # Below rounding nothing is left to compare with.
    full = max(rest(everything), 1e-13 * total)
    spread = full / max(len(y) - len(owner), 1)
    scores = {}
    for i in inputs:
        without = np.array([place for place, who in enumerate(owner) if i not in who])
        scores[i] = (rest(without) - full) / max(len(owner) - len(without), 1) / spread
    return scores


def _model(scaled, y, inputs: Sequence[int], finest: int) -> tuple[list[frozenset[int]], np.ndarray, np.ndarray]:
    """(inputs of each column, normal matrix, right side) of a linear model of curves and products of two."""
    most = SHARE * len(y)
    inputs = list(inputs)
    size = int(np.clip(most / (2 * len(inputs)) - 2, 1, finest))
    blocks: list[tuple[frozenset[int], np.ndarray]] = [
        (frozenset((i,)), spline_columns(scaled[:, i], size)) for i in inputs
    ]
    left = most - sum(block.shape[1] for _, block in blocks)
    pairs = list(combinations(inputs, 2))
    degree = max((d for d in (1, 2, 3, 4) if d * d * len(pairs) <= left), default=0)
    for i, j in pairs if degree else ():
        own, other = (np.polynomial.legendre.legvander(scaled[:, k], degree)[:, 1:] for k in (i, j))
        product = (own[:, :, None] * other[:, None, :]).reshape(len(y), -1)
        blocks.append((frozenset((i, j)), product - product.mean(0)))
    matrix = np.concatenate([np.ones((len(y), 1)), *(block for _, block in blocks)], 1)
    owner = [frozenset(), *(who for who, block in blocks for _ in range(block.shape[1]))]
    gram = matrix.T @ matrix
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
    return owner, gram, matrix.T @ y

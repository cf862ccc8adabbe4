"""Building blocks of the search: features of the inputs, links of the target, and tests of which inputs matter.

A feature is an input or a simple combination of two, with columns of splines for a curve of it. A link is an invertible
outer function h of y = h(u). Both tests, of the relevance of inputs and of the residuals of a formula, use the F
statistic of a linear model with curves of single inputs and products of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch

from edgewise.formulas.expression import Add, Expression, Multiply, Power, Variable, nodes_of
from edgewise.formulas.rewriting import MINUS_ONE
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import extend
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class FeatureSettings:
    """Which features a curve model has."""

    degree: int = 3  # Degree of the splines: cubic splines are the usual choice for smooth curves.
    # Inputs, at most, whose pairs are features: beyond, the pairs are too many to fit together.
    most_paired_features: int = 7
    # Smallest absolute value, relative to the largest, that a denominator has: below, a ratio is almost singular.
    smallest_denominator: float = 1e-2
    always_relevant: int = 4  # Inputs, at most, that are all kept: a search with four is fast.
    # Columns of a linear model, at most, as a share of the rows, so that residuals are left.
    linear_column_share: float = 0.35
    # F statistic from which an input is relevant. An irrelevant input has F near 1; the largest of a hundred, with as
    # few degrees of freedom as here, stays below 3.
    relevant_f: float = 4.0
    relevance_intervals: int = 10  # Knot intervals of the curves that test relevance.


SETTINGS = FeatureSettings()


@dataclass(frozen=True, eq=False)
class Feature:
    """A quantity that a curve may depend on: an input, or a sum, difference, product, ratio or radius of two."""

    expression: Expression  # the quantity as a formula of the inputs
    inputs: frozenset[int]  # the columns it depends on
    values: np.ndarray = field(repr=False)  # its values at the rows

    @property
    def has_two_values(self) -> bool:
        """True if no function of the quantity is more than a straight line, as for a column of 0 and 1."""
        return has_two_values(self.values)

    @property
    def is_linear(self) -> bool:
        """True for an input and for a sum or difference of inputs."""
        products = nodes_of(self.expression, Multiply)
        return not nodes_of(self.expression, Power) and all(len(each.factors_without_numbers) <= 1 for each in products)


def has_two_values(values: np.ndarray) -> bool:
    """True for at most two distinct values: every function of such a column is a straight line."""
    return bool(((values == values.min()) | (values == values.max())).all())


def candidate_features(x: np.ndarray, inputs: Sequence[int]) -> list[Feature]:
    """List the features of some inputs, the inputs themselves first."""
    features = [Feature(Variable(i), frozenset((i,)), x[:, i]) for i in inputs]
    if len(inputs) > SETTINGS.most_paired_features:
        return features

    inputs = [i for i in inputs if not has_two_values(x[:, i])]

    def may_divide(k: int) -> bool:
        size = np.abs(x[:, k])
        return bool(size.min() > SETTINGS.smallest_denominator * size.max())

    # Difference, sum, product, ratio and squared radius of two inputs.
    for i, j in combinations(inputs, 2):
        a = Variable(i)
        b = Variable(j)
        both = frozenset((i, j))
        features.append(Feature(Add((a, Multiply((MINUS_ONE, b)))), both, x[:, i] - x[:, j]))
        features.append(Feature(Add((a, b)), both, x[:, i] + x[:, j]))
        features.append(Feature(Multiply((a, b)), both, x[:, i] * x[:, j]))
        for top, bottom in ((i, j), (j, i)):  # One ratio suffices: a curve of it is a curve of its reciprocal.
            if may_divide(bottom):
                ratio = Multiply((Variable(top), Power(Variable(bottom), -1.0)))
                features.append(Feature(ratio, both, x[:, top] / x[:, bottom]))
                break
        features.append(Feature(Add((Power(a, 2.0), Power(b, 2.0))), both, x[:, i] ** 2 + x[:, j] ** 2))
    # Differences over a third input, as in z scores.
    if len(inputs) in (3, 4):
        for k in filter(may_divide, inputs):
            for i in inputs:
                for j in inputs:
                    if i < j and k not in (i, j):
                        difference = Add((Variable(i), Multiply((MINUS_ONE, Variable(j)))))
                        ratio = Multiply((difference, Power(Variable(k), -1.0)))
                        features.append(Feature(ratio, frozenset((i, j, k)), (x[:, i] - x[:, j]) / x[:, k]))
    return features


def spline_columns(values: np.ndarray, size: int) -> np.ndarray:
    """Centred columns of cubic splines, (N, size + 2); together with a constant they span all splines."""
    # There are `size` knot intervals, with knots halfway between quantiles and equal spacing, so that there are neither
    # empty intervals nor tails without a knot. For values (N,) of which there are two the only column is a straight
    # line.
    if has_two_values(values) and float(np.ptp(values)) > 0:
        return ((values - values.mean()) / np.ptp(values))[:, None]
    # Knots halfway between quantiles and equal spacing; where two of them coincide, equal spacing alone.
    ends = np.quantile(values, np.linspace(0, 1, size + 1))
    spread = float(values.max() - values.min())
    even = np.linspace(values.min(), values.max(), size + 1)
    ends = 0.5 * ends + 0.5 * even
    if spread <= 0 or float(np.diff(ends).min()) <= 1e-9 * spread:
        if spread > 0:
            ends = even
        else:
            ends = values.min() + np.linspace(-1, 1, size + 1)
    # Cubic B-splines sum to 1, so that one of them is dropped beside the constant.
    spend(300 * CALL_WORK + 250 * len(values) * (size + 2))
    knots = extend(torch.as_tensor(ends)[None], SETTINGS.degree)
    columns = basis(torch.as_tensor(values)[:, None], knots, SETTINGS.degree)[:, 0].numpy()[:, :-1]
    return columns - columns.mean(0)


def relevant_inputs(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Select the inputs that the target depends on, alone or in products of two."""
    # Curves of all inputs and products of two, as far as the number of rows allows, are fitted together. An input stays
    # if leaving out its terms raises the sum of squares significantly (F above `relevant_f`). Of inputs that replace
    # each other none may stay then, so the most significant input given the others is added as long as there is
    # one, and in the end insignificant inputs are removed one by one.
    count = x.shape[1]
    if count <= SETTINGS.always_relevant:
        return list(range(count))
    # Significant inputs given all others.
    scaled = scaled_columns(x)
    kept = [i for i, f in _f_without_each(scaled, y, range(count)).items() if f > SETTINGS.relevant_f]
    # Forward selection by partial F statistics.
    while len(kept) < count:
        added = {i: _f_without_each(scaled, y, [*kept, i])[i] for i in range(count) if i not in kept}
        best = max(added, key=lambda i: added[i])
        if added[best] <= SETTINGS.relevant_f:
            break
        kept.append(best)
    # Backward elimination.
    while 1 < len(kept) < count:
        scores = _f_without_each(scaled, y, kept)
        weakest = min(scores, key=lambda i: scores[i])
        if scores[weakest] > SETTINGS.relevant_f:
            break
        kept.remove(weakest)
    return sorted(kept) or list(range(count))


def scaled_columns(x: np.ndarray) -> np.ndarray:
    """The columns of x (N, columns), each scaled to [-1, 1]; a column of one value is -1."""
    return 2 * (x - x.min(0)) / np.maximum(np.ptp(x, 0), ABOVE_ZERO) - 1


def _f_without_each(scaled: np.ndarray, y: np.ndarray, inputs: Sequence[int]) -> dict[int, float]:
    """Partial F statistic of the terms of each input, given the terms of the others; scaled (N, columns), y (N,)."""
    # A curve for each input, with as many knot intervals as the rows allow.
    most = SETTINGS.linear_column_share * len(y)
    intervals = int(np.clip(most / (2 * len(inputs)) - 2, 1, SETTINGS.relevance_intervals))
    blocks = [(frozenset((i,)), spline_columns(scaled[:, i], intervals)) for i in inputs]
    # Products of Legendre polynomials of two inputs, of the highest degree that the rows left over allow.
    left = most - sum(block.shape[1] for _, block in blocks)
    pairs = list(combinations(inputs, 2))
    degree = max((d for d in (1, 2, 3, 4) if d * d * len(pairs) <= left), default=0)
    for i, j in pairs if degree else ():
        first, second = (np.polynomial.legendre.legvander(scaled[:, k], degree)[:, 1:] for k in (i, j))
        product = (first[:, :, None] * second[:, None, :]).reshape(len(y), -1)
        blocks.append((frozenset((i, j)), product - product.mean(0)))
    # Normal equations of all columns, with the inputs that own each column.
    matrix = np.concatenate([np.ones((len(y), 1)), *(block for _, block in blocks)], 1)
    owners_of = [frozenset[int]()]
    owners_of += [owners for owners, block in blocks for _ in range(block.shape[1])]
    count = len(owners_of)
    spend(matrix.size * count / PRODUCT_SPEED)
    normal = matrix.T @ matrix
    normal[np.diag_indices_from(normal)] += 1e-10 * np.trace(normal) / count
    products = matrix.T @ y
    total = float(y @ y)

    def sum_of_squares(columns: np.ndarray) -> float:
        """Residual sum of squares of a model with some of the columns."""
        gram = normal[np.ix_(columns, columns)]
        right = products[columns]
        spend(20 * CALL_WORK + len(gram) ** 3 / PRODUCT_SPEED)
        return max(total - float(right @ np.linalg.solve(gram, right)), 0.0)

    # The full model against each model without the terms of one input.
    full = max(sum_of_squares(np.arange(count)), 1e-13 * total)  # Smaller differences are rounding errors.
    variance = full / max(len(y) - count, 1)
    statistics = {}
    for i in inputs:
        others = np.array([place for place, owners in enumerate(owners_of) if i not in owners])
        statistics[i] = (sum_of_squares(others) - full) / max(count - len(others), 1) / variance
    return statistics

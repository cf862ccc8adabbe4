"""Two fast searches for simple formulas: sums of simple terms by forward selection, and products of two functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edgewise.discovery.curves.features import Feature, has_two_values
from edgewise.discovery.evidence import from_origin, origins
from edgewise.discovery.least_squares.links import Link
from edgewise.discovery.least_squares.sparse import selected
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    complexity,
    evaluate,
    exact_number,
)
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, PRODUCT_SPEED


@dataclass(frozen=True)
class SimpleFormSettings:
    """How many terms and pairs are compared, and which values a term may have."""

    most_sum_terms: int = 8  # Terms of a sum, at most: longer formulas are hardly read.
    # Inputs, the best correlated ones, whose products and ratios are terms: 135 more terms.
    most_paired_terms: int = 10
    # Functions up to which all pairs are compared; with more, the first factor is one of the best alone: 1500^2
    # correlations take half a second.
    most_for_all_pairs: int = 1500
    best_alone: int = 60
    # Smallest absolute value of a denominator relative to its largest, and largest exponent. They avoid terms which one
    # row decides.
    smallest_denominator: float = 1e-2
    largest_exponential: float = 20.0


SETTINGS = SimpleFormSettings()


def stepwise_sums(x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """Least-squares sums of 1, 2, ... terms: inputs, their powers, logarithms, products and ratios."""
    # The terms are chosen by forward selection. First only inputs are candidates, then, again from one term on, all
    # terms. An input with two values has no powers and no logarithm, and stands in no denominator; one that is far from
    # zero, such as a year, has powers of its distance from a round number in its middle.
    singles = [Variable(k) for k in range(x.shape[1])]
    yield from _selected_sums(singles, x, y)
    centred = x - x.mean(0)
    size = np.sqrt(np.square(centred).sum(0))
    correlations = centred.T @ (y - y.mean()) / np.where(size > 0, size, np.inf)
    strongest = [
        Variable(int(k)) for k in np.argsort(-np.abs(correlations), kind="stable")[: SETTINGS.most_paired_terms]
    ]
    candidates: list[Expression] = [*singles]
    origin = origins(x)
    candidates += [Power(from_origin(k, origin), exponent) for k in origin for exponent in (2.0, 3.0)]
    curved = [one for one in singles if one.index not in origin and not has_two_values(x[:, one.index])]
    for one in curved:
        candidates += [Power(one, exponent) for exponent in (2.0, 3.0, 0.5, -1.0)]
        candidates.append(Call("log", one))
    for one, other in combinations(strongest, 2):
        candidates.append(Multiply((from_origin(one.index, origin), from_origin(other.index, origin))))
        candidates += [Multiply((one, Power(other, -1.0)))] if other in curved else []
        candidates += [Multiply((other, Power(one, -1.0)))] if one in curved else []
    yield from _selected_sums([term for term in candidates if not domain_violations(term, x)], x, y)


def _selected_sums(candidates: Sequence[Expression], x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """Sums of 1, 2, ... terms by forward selection."""
    columns = np.stack([evaluate(term, x) for term in candidates], 1)
    for places, factors in selected(columns, y, SETTINGS.most_sum_terms):
        terms = [Multiply((Number(float(f)), candidates[k])) for f, k in zip(factors[:-1], places, strict=True)]
        yield Add((*terms, Number(float(factors[-1]))))


def simple_products(
    features: Sequence[Feature], link: Link, y: np.ndarray, price: float, most: int
) -> list[Expression]:
    """Find the best formulas h(c f(u) g(v) + d) of functions f, g without constants, of features u, v."""
    # All pairs are compared at once by their correlation with the target; c and d follow in closed form. With only two
    # fitted numbers, noise hardly matters, where curves of splines would follow it.
    parts = list(_simple_functions(features))
    u, weight = link.target(y)
    share = weight / weight.sum()
    # Columns are scaled so that no square overflows; correlations do not depend on it.
    columns = np.stack([values / max(float(np.abs(values).max()), ABOVE_ZERO) for _, values in parts], 1)
    centred = u - share @ u
    variance_of_u = max(float(share @ centred**2), ABOVE_ZERO)
    symbols = np.array([complexity(node) for node, _ in parts])

    def criterion(heads: np.ndarray) -> np.ndarray:
        """The criterion of the products of some functions with all functions."""
        spend(len(heads) * len(parts) * (3 * len(y) / PRODUCT_SPEED + 30))
        left = columns[:, heads]
        covariance = (left * (share * centred)[:, None]).T @ columns
        variance = (left**2 * share[:, None]).T @ columns**2 - ((left * share[:, None]).T @ columns) ** 2
        explained = np.where(variance > 1e-12, covariance**2 / np.maximum(variance, ABOVE_ZERO) / variance_of_u, 0.0)
        return len(y) * np.log(np.maximum(1 - explained, 1e-16)) + price * (symbols[heads, None] + symbols[None, :])

    heads = np.arange(len(parts))
    if len(parts) > SETTINGS.most_for_all_pairs:
        heads = np.argsort(criterion(heads[:1])[0], kind="stable")[: SETTINGS.best_alone]
    order = np.argsort(criterion(heads), axis=None, kind="stable")
    pairs = dict.fromkeys(tuple(sorted((int(heads[k // len(parts)]), int(k % len(parts))))) for k in order[: 2 * most])
    formulas = []
    for i, j in list(pairs)[:most]:
        (first, first_values), (second, second_values) = parts[i], parts[j]
        product = first_values * second_values
        centred_product = product - share @ product
        squares = max(float(share @ centred_product**2), ABOVE_ZERO)
        factor = float(share @ (centred_product * u)) / squares
        offset = float(share @ u - factor * (share @ product))
        formulas.append(simplify(link.build(Add((Multiply((Number(factor), first, second)), Number(offset))))))
    return formulas


def _simple_functions(features: Sequence[Feature]) -> Iterator[tuple[Expression, np.ndarray]]:
    """Functions of features that have no constants, with their values; the constant 1 is the first."""
    yield exact_number(1), np.ones_like(features[0].values)
    for feature in features:
        node = feature.expression
        values = feature.values
        size = np.abs(values)
        yield node, values
        if feature.has_two_values:
            continue
        yield Power(node, 2.0), values**2
        if size.min() > SETTINGS.smallest_denominator * size.max():
            yield Power(node, -1.0), 1 / values
            yield Power(node, -2.0), values**-2.0
        if values.min() > 0:
            yield Power(node, 0.5), np.sqrt(values)
            yield Call("log", node), np.log(values)
        if size.max() < SETTINGS.largest_exponential:
            yield Call("exp", node), np.exp(values)
        yield Call("sin", node), np.sin(values)
        yield Call("cos", node), np.cos(values)

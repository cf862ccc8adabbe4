"""Products of two functions without constants, all compared at once: laws that curves miss in noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.curves.features import Feature
from edgewise.discovery.least_squares.links import Link
from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power, complexity, exact_number
from edgewise.formulas.front import SYMBOL_PRICE
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, PRODUCT_SPEED


@dataclass(frozen=True)
class SimpleProductSettings:
    """How many pairs are compared, and which values a factor may have."""

    most_inputs: int = 7  # Relevant inputs, at most, for which products are compared.
    products: int = 6  # Products under each link that become formulas.
    # Functions up to which all pairs are compared; with more, the first factor is one of the best alone: 1500^2
    # correlations take half a second.
    most_for_all_pairs: int = 1500
    best_alone: int = 60
    # Smallest absolute value of a denominator relative to its largest, and largest exponent. They avoid factors which
    # one row decides.
    smallest_denominator: float = 1e-2
    largest_exponential: float = 20.0


SETTINGS = SimpleProductSettings()


def simple_products(features: Sequence[Feature], link: Link, y: np.ndarray) -> list[Expression]:
    """The best formulas h(c f(u) g(v) + d) of functions f, g without constants, of features u, v."""
    # With only two fitted numbers noise hardly matters, where curves of splines would follow it.
    parts = list(_simple_functions(features))
    u, weight = link.target(y)
    share = weight / weight.sum()
    # Columns are scaled so that no square overflows; correlations do not depend on it.
    columns = np.stack([values / max(float(np.abs(values).max()), ABOVE_ZERO) for _, values in parts], 1)
    centred = u - share @ u
    variance_of_u = max(float(share @ centred**2), ABOVE_ZERO)
    symbols = np.array([complexity(node) for node, _ in parts])

    def criterion(heads: np.ndarray) -> np.ndarray:
        """The price of the products of some functions with all functions, by their weighted correlations with u."""
        spend(len(heads) * len(parts) * (3 * len(y) / PRODUCT_SPEED + 30))
        left = columns[:, heads]
        covariance = (left * (share * centred)[:, None]).T @ columns
        variance = (left**2 * share[:, None]).T @ columns**2 - ((left * share[:, None]).T @ columns) ** 2
        explained = np.where(variance > 1e-12, covariance**2 / np.maximum(variance, ABOVE_ZERO) / variance_of_u, 0.0)
        return len(y) * np.log(np.maximum(1 - explained, 1e-16)) + SYMBOL_PRICE * (symbols[heads, None] + symbols)

    # The pairs of the lowest price
    heads = np.arange(len(parts))
    if len(parts) > SETTINGS.most_for_all_pairs:
        heads = np.argsort(criterion(heads[:1])[0], kind="stable")[: SETTINGS.best_alone]
    order = np.argsort(criterion(heads), axis=None, kind="stable")[: 2 * SETTINGS.products]
    pairs = dict.fromkeys(tuple(sorted((int(heads[k // len(parts)]), int(k % len(parts))))) for k in order)

    # Factor and offset of each in closed form
    formulas = []
    for i, j in list(pairs)[: SETTINGS.products]:
        first, first_values = parts[i]
        second, second_values = parts[j]
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

"""Sums of simple terms by forward selection: inputs, their powers and logarithms, products and ratios of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edgewise.discovery.curves.features import has_two_values
from edgewise.discovery.evidence import from_origin, origins
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
    evaluate,
)


@dataclass(frozen=True)
class SimpleFormSettings:
    """How many terms are compared."""

    most_sum_terms: int = 8  # Terms of a sum, at most: longer formulas are hardly read.
    # Inputs, the best correlated ones, whose products and ratios are terms: 135 more terms.
    most_paired_terms: int = 10


SETTINGS = SimpleFormSettings()


def stepwise_sums(x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """Least-squares sums of 1, 2, ... terms: inputs, their powers, logarithms, products and ratios."""
    # The terms are chosen by forward selection. First only inputs are candidates, then, again from one term on, all
    # terms. An input with two values has no powers and no logarithm, and stands in no denominator; one that is far from
    # zero, such as a year, has powers of its distance from a round number in its middle.
    singles = [Variable(k) for k in range(x.shape[1])]
    yield from _selected_sums(singles, x, y)
    # Inputs of the largest absolute correlation with y, whose products and ratios are candidates.
    centred = x - x.mean(0)
    size = np.sqrt(np.square(centred).sum(0))
    correlations = centred.T @ (y - y.mean()) / np.where(size > 0, size, np.inf)
    strongest = [
        Variable(int(k)) for k in np.argsort(-np.abs(correlations), kind="stable")[: SETTINGS.most_paired_terms]
    ]
    # Powers, logarithms, products and ratios.
    candidates: list[Expression] = [*singles]
    origin = origins(x)
    candidates += [Power(from_origin(k, origin), exponent) for k in origin for exponent in (2.0, 3.0)]
    curved = [one for one in singles if one.index not in origin and not has_two_values(x[:, one.index])]
    for one in curved:
        candidates += [Power(one, exponent) for exponent in (2.0, 3.0, 0.5, -1.0)]
        candidates.append(Call("log", one))
    for one, other in combinations(strongest, 2):
        candidates.append(Multiply((from_origin(one.index, origin), from_origin(other.index, origin))))
        ratios = ((one, other), (other, one))
        candidates += [Multiply((top, Power(bottom, -1.0))) for top, bottom in ratios if bottom in curved]
    yield from _selected_sums([term for term in candidates if not domain_violations(term, x)], x, y)


def _selected_sums(candidates: Sequence[Expression], x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """Sums of 1, 2, ... terms by forward selection."""
    columns = np.stack([evaluate(term, x) for term in candidates], 1)
    for places, factors in selected(columns, y, SETTINGS.most_sum_terms):
        terms = [Multiply((Number(float(f)), candidates[k])) for f, k in zip(factors[:-1], places, strict=True)]
        yield Add((*terms, Number(float(factors[-1]))))

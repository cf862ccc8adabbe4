"""Sums of simple terms, chosen one after another: the formulas that noisy tables mostly ask for, in no time.

Formulas c f(u) g(v) + d of simple functions of simple features: all of them at once, by their correlation with y."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.discovery.features import Feature, Link
from edgewise.formulas.algebra import simplify
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
)

TERMS = 8  # most in a sum
PAIRED = 10  # inputs whose products and ratios are among the terms
ALIKE = 1e-10  # share of a term that the others leave over, below which it adds nothing


def stepwise_sums(x: np.ndarray, y: np.ndarray, *, terms: int = TERMS) -> Iterator[Expression]:
    """Least-squares sums of 1, 2, ... terms: inputs, their powers, logarithms, products and ratios.

    Forward selection, the term next that lowers the squared error most (orthogonal least squares; S. Chen,
    S. Billings, W. Luo, International Journal of Control 50, 1989, p. 1873): first among the inputs alone, then again
    among all terms.

    Args:
        x: (N, inputs). y: (N,). Both finite.
    """
    singles = [Variable(k) for k in range(x.shape[1])]
    yield from _selected(singles, x, y, terms)
    strongest = np.argsort(-np.abs(_correlations(x, y)), kind="stable")[:PAIRED]
    chosen = [Variable(int(k)) for k in strongest]
    candidates = [*singles, *(term for one in singles for term in _powers(one)), *_pairs(chosen)]
    yield from _selected([term for term in candidates if not domain_violations(term, x)], x, y, terms)


def _powers(one: Variable) -> list[Expression]:
    return [Power(one, 2.0), Power(one, 3.0), Power(one, 0.5), Power(one, -1.0), Call("log", one), Call("exp", one)]


def _pairs(inputs: list[Variable]) -> Iterator[Expression]:
    for place, one in enumerate(inputs):
        for other in inputs[place + 1 :]:
            yield Multiply((one, other))
            yield Multiply((one, Power(other, -1.0)))
            yield Multiply((other, Power(one, -1.0)))


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    centred = x - x.mean(0)
    size = np.sqrt(np.square(centred).sum(0))
    return centred.T @ (y - y.mean()) / np.where(size > 0, size, np.inf)


def _selected(candidates: list[Expression], x: np.ndarray, y: np.ndarray, most: int) -> Iterator[Expression]:
    columns = np.stack([evaluate(term, x) for term in candidates], 1)
    usable = np.isfinite(columns).all(0) & (np.abs(columns).max(0) < 1e12)
    size = np.where(usable, np.abs(columns).max(0), 1.0)
    columns = np.where(usable, columns, 0.0)
    left = columns / np.where(size > 0, size, 1.0)
    left = left - left.mean(0)
    full = np.square(left).sum(0)
    rest, chosen = y - y.mean(), []
    for _ in range(min(most, len(candidates), max(len(y) // 5, 1))):
        power = np.square(left).sum(0)
        gain = np.where(power > ALIKE * full, (left.T @ rest) ** 2 / np.where(power > 0, power, 1.0), 0.0)
        place = int(gain.argmax())
        if not gain[place] > 0:
            return
        chosen.append(place)
        direction = left[:, place] / np.sqrt(power[place])
        rest = rest - direction * (direction @ rest)
        left = left - np.outer(direction, direction @ left)
        yield _sum([candidates[k] for k in chosen], columns[:, chosen], y)


def _sum(terms: list[Expression], columns: np.ndarray, y: np.ndarray) -> Expression:
    design = np.column_stack([columns, np.ones(len(y))])
    scale = np.abs(design).max(0)
    factors = np.linalg.lstsq(design / scale, y, rcond=None)[0] / scale
    parts = [Multiply((Number(float(factor)), term)) for factor, term in zip(factors, terms, strict=False)]
    return Add((*parts, Number(float(factors[-1]))))


ALL, HEADS = 1500, 60  # functions up to which all pairs are tried, and how many are f where there are more
AWAY = 1e-2  # from 0, relative to its largest value, a feature must stay to be divided by
STEEP = 20.0  # the largest exponent


def simple_products(
    features: Sequence[Feature], link: Link, y: np.ndarray, price: float, most: int
) -> list[Expression]:
    """The best few formulas link(c f(u) g(v) + d), c and d fitted, by N log(1 - correlation^2) + price * symbols.

    Noise hardly matters to them, for there is nothing to fit but two numbers: what curves are too loose for. Where
    there are many functions, f is one of those that are best alone.
    """
    parts = list(_parts(features))
    u, weight = link.target(y)
    share = weight / weight.sum()
    # Each column in units of its size, so that no square overflows; correlations don't mind.
    columns = np.stack([values / max(float(np.abs(values).max()), 1e-300) for _, values in parts], 1)
    centred = u - share @ u
    scale = max(float(share @ centred**2), 1e-300)
    size = np.array([complexity(node) for node, _ in parts])

    def scores(heads: np.ndarray) -> np.ndarray:
        left = columns[:, heads]
        with_target = (left * (share * centred)[:, None]).T @ columns
        variance = (left**2 * share[:, None]).T @ columns**2 - ((left * share[:, None]).T @ columns) ** 2
        explained = np.where(variance > 1e-12, with_target**2 / np.maximum(variance, 1e-300) / scale, 0.0)
        return len(y) * np.log(np.maximum(1 - explained, 1e-16)) + price * (size[heads, None] + size[None, :])

    heads = np.arange(len(parts))
    if len(parts) > ALL:
        heads = np.argsort(scores(heads[:1])[0], kind="stable")[:HEADS]
    score = scores(heads)
    order = np.argsort(score, axis=None, kind="stable")
    chosen = dict.fromkeys(tuple(sorted((int(heads[k // len(parts)]), int(k % len(parts))))) for k in order[: 2 * most])
    return [_fitted(parts[i], parts[j], u, share, link) for i, j in list(chosen)[:most]]


def _parts(features: Sequence[Feature]) -> Iterator[tuple[Expression, np.ndarray]]:
    """Functions of features that need no numbers, with their values; 1 among them."""
    yield Number(1.0, (1, 1, "")), np.ones_like(features[0].values)
    for feature in features:
        node, values = feature.expression, feature.values
        size = np.abs(values)
        yield node, values
        yield Power(node, 2.0), values**2
        if size.min() > AWAY * size.max():
            yield Power(node, -1.0), 1 / values
            yield Power(node, -2.0), values**-2.0
        if values.min() > 0:
            yield Power(node, 0.5), np.sqrt(values)
            yield Call("log", node), np.log(values)
        if size.max() < STEEP:
            yield Call("exp", node), np.exp(values)
        yield Call("sin", node), np.sin(values)
        yield Call("cos", node), np.cos(values)


def _fitted(one, other, u: np.ndarray, share: np.ndarray, link: Link) -> Expression:
    product = one[1] * other[1]
    centred = product - share @ product
    factor = float(share @ (centred * u)) / max(float(share @ centred**2), 1e-300)
    offset = float(share @ u - factor * (share @ product))
    return simplify(link.build(Add((Multiply((Number(factor), one[0], other[0])), Number(offset)))))

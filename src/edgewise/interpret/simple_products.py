"""Formulas c f(u) g(v) + d of simple functions of simple features: all of them at once, by their correlation with y."""

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.interpret.expression import Add, Call, Expression, Multiply, Number, Power, complexity
from edgewise.interpret.features import Feature
from edgewise.interpret.links import Link
from edgewise.interpret.simplify import simplify

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

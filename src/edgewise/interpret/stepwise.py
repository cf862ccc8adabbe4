"""Sums of simple terms, chosen one after another: the formulas that noisy tables mostly ask for, in no time."""

from collections.abc import Iterator

import numpy as np

from edgewise.interpret.expression import Add, Call, Expression, Multiply, Number, Power, Variable, evaluate, leaks

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
    yield from _selected([term for term in candidates if not leaks(term, x)], x, y, terms)


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

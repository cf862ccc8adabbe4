"""Which inputs a target depends on, and whether a formula leaves anything, by a rich linear model."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from edgewise.interpret.features import features, spline_columns

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


def leftover(x: np.ndarray, rest: np.ndarray) -> float:
    """F of what is seen in the residuals of a formula, 1 for noise: the larger of two.

    One by curves of the columns of x and products of two, one by curves of all features of few columns.
    """
    scaled = 2 * (x - x.min(0)) / np.maximum(np.ptp(x, 0), 1e-300) - 1
    rest = rest - rest.mean()
    found = _f_of(*_model(scaled, rest, range(x.shape[1]), FINEST), rest)
    if x.shape[1] <= FEW:
        listed = features(x, range(x.shape[1]))
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

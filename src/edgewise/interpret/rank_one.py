"""Structures with a product of two curves: found by a tensor of coarse splines, made exact by alternating fits."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from edgewise.interpret.decompose import RIDGE, Decomposer, Structure
from edgewise.interpret.features import Feature, spline_columns
from edgewise.interpret.links import Link

COARSE, FINE = 5, (8, 20)  # knot intervals of the tensor, and of the curves afterwards
ROUNDS = 8
KEPT = 4  # products of each link


def products(decomposer: Decomposer, link: Link, coarse: int = COARSE) -> list[Structure]:
    """u = s(f) + t(g) + p(f) q(g) + curves of the other inputs, for pairs of features; the best few.

    Features may share an input only where the two alone are to explain everything. coarse: knot intervals of the
    tensor.
    """
    u, weight = decomposer.target(link)
    root = np.sqrt(weight[decomposer.train])
    small = [spline_columns(feature.values, coarse) for feature in decomposer.features]
    found = []
    for f, g in _pairs(decomposer):
        start = _tensor(decomposer, u, root, (f, g), small)
        if start is not None:
            error, p, q = start
            first, second = decomposer.features[f], decomposer.features[g]
            size = 2 * (len(first.inputs) + len(second.inputs) + len(decomposer.inputs))
            with np.errstate(all="ignore"):
                found.append((math.log(max(error, 1e-4)) + 0.15 * size, f, g, p, q))
    found.sort(key=lambda each: each[0])
    structures = []
    for _, f, g, p, q in found[: 2 * KEPT]:
        pair = decomposer.features[f], decomposer.features[g]
        structures.append(min((_alternated(decomposer, link, pair, (p, q), size) for size in FINE), key=_rank))
    return sorted(structures, key=_rank)[:KEPT]


def _rank(structure: Structure) -> float:
    return structure.rank


def _pairs(decomposer: Decomposer) -> Iterator[tuple[int, int]]:
    listed, everything = decomposer.features, frozenset(decomposer.inputs)
    for f, g in combinations(range(len(listed)), 2):
        first, second = listed[f].inputs, listed[g].inputs
        shared = first & second
        if not shared or (first | second == everything and first != second and len(everything) <= 3):
            yield f, g


def _others(decomposer: Decomposer, pair: tuple[Feature, Feature]) -> list[Feature]:
    """Single inputs that may add a curve of their own; none whose straight line is in the pair's curves already."""
    if pair[0].inputs & pair[1].inputs:
        return []
    straight = [feature.inputs for feature in pair if feature.straight]
    return [
        feature
        for feature in decomposer.features
        if len(feature.inputs) == 1 and not any(feature.inputs <= inputs for inputs in straight)
    ]


def _tensor(decomposer, u, root, pair: tuple[int, int], small) -> tuple[float, np.ndarray, np.ndarray] | None:
    """(error of the target, p, q) of the best product of two coarse curves."""
    left, right = small[pair[0]], small[pair[1]]
    features = decomposer.features[pair[0]], decomposer.features[pair[1]]
    tensor = (left[:, :, None] * right[:, None, :]).reshape(len(u), -1)
    others = [small[decomposer.features.index(feature)] for feature in _others(decomposer, features)]
    matrix = np.concatenate([np.ones((len(u), 1)), left, right, tensor, *others], 1)
    if matrix.shape[1] > 0.6 * len(decomposer.train):
        return None
    coefficients = _solve(matrix[decomposer.train], u[decomposer.train], root)
    a, b = left.shape[1], right.shape[1]
    mixed = coefficients[1 + a + b : 1 + a + b + a * b].reshape(a, b)
    # The singular values of the function, not of its coefficients: both bases made orthonormal on the data.
    ql, rl = np.linalg.qr(left)
    qr, rr = np.linalg.qr(right)
    rows, values, cols = np.linalg.svd(rl @ mixed @ rr.T)
    p, q = ql @ rows[:, 0] * math.sqrt(values[0]), qr @ cols[0] * math.sqrt(values[0])
    rest = matrix @ coefficients - tensor @ mixed.ravel() + p * q - u
    test = decomposer.test
    return float(np.sqrt(np.mean(rest[test] ** 2)) / max(float(np.std(u[test])), 1e-300)), p, q


def _solve(matrix: np.ndarray, target: np.ndarray, root: np.ndarray) -> np.ndarray:
    rows = matrix * root[:, None]
    gram = rows.T @ rows
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, rows.T @ (target * root))


def _alternated(decomposer, link: Link, pair, start, size: int) -> Structure:
    """p and q in turn, each with everything else, by weighted least squares of the link's linearisation."""
    train, features = decomposer.train, (*pair, *_others(decomposer, pair))
    columns = [spline_columns(feature.values, size) for feature in features]
    u, weight = decomposer.target(link)
    curves = [np.zeros_like(u) for _ in features]
    p, q = start
    offset, best = 0.0, None
    for number in range(2 * ROUNDS):
        turn = number % 2
        fixed = q if turn == 0 else p
        moving = columns[turn]
        matrix = np.concatenate([np.ones((len(u), 1)), *columns, moving * fixed[:, None]], 1)
        if matrix.shape[1] > 0.6 * len(train) or not np.isfinite(matrix).all():
            break
        coefficients = _solve(matrix[train], u[train], np.sqrt(weight[train]))
        offset, place = float(coefficients[0]), 1
        for k, block in enumerate(columns):
            curves[k] = block @ coefficients[place : place + block.shape[1]]
            place += block.shape[1]
        new = moving @ coefficients[place:]
        p, q = (new, q) if turn == 0 else (p, new)
        size_p, size_q = float(np.std(p)), float(np.std(q))
        balance = math.sqrt(max(size_q, 1e-300) / max(size_p, 1e-300))
        p, q = p * balance, q / balance
        now = offset + sum(curves) + p * q
        with np.errstate(all="ignore"):
            error = decomposer.error(link.forward(now))
        if best is None or error < best.error:
            best = Structure(link, features, (), pair, (*curves, p, q), weight, error, offset, decomposer.factor)
        if link.name and turn:
            u, weight = link.linearised(now, decomposer.y)
            weight = weight * decomposer.scale**2
            weight = weight / max(float(weight.mean()), 1e-300)
    zero = np.zeros_like(u)
    return best or Structure(link, features, (), pair, (*curves, zero, zero), weight, math.inf, 0.0, decomposer.factor)

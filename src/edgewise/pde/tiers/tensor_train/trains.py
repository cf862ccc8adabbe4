"""Tensor trains: tables of many inputs as products of small matrices, one for each input.

A train is a list of cores (r_(k-1), n_k, r_k) with r_0 = r_d = 1; the entry at i_1, ..., i_d is the product of the
matrices core_k[:, i_k, :] [1]_.

References
----------
.. [1] I. Oseledets, "Tensor-train decomposition", SIAM J. Sci. Comput. 33, 2011, 2295.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from edgewise.settings import ABOVE_ZERO

Train = list[np.ndarray]
"""Cores (r_(k-1), n_k, r_k)."""
Entries = Callable[[np.ndarray], np.ndarray]
"""Maps numbers of entries, (N, d), to the entries, (N,)."""


@dataclass(frozen=True)
class CrossSettings:
    """Cross approximation of a function by a train."""

    # Places that are tried beside those of the present rank, entries at which the error is
    # measured, and passes through all inputs at most; the rank grows by at most this number in a pass.
    tried_places: int = 4
    compared_entries: int = 2000
    passes: int = 40
    # Passes that do not halve the error, at the largest rank and below it.
    stalled_passes: int = 2
    most_stalled_passes: int = 6


SETTINGS = CrossSettings()


def ranks(train: Train) -> list[int]:
    """Ranks between neighbouring inputs."""
    return [core.shape[2] for core in train[:-1]]


def along(train: Train, tables: Sequence[np.ndarray]) -> Train:
    """The train with a matrix (m_k, n_k) applied along each input."""
    return [np.einsum("mn,rns->rms", table, core) for table, core in zip(tables, train, strict=True)]


def entries(trains: Sequence[Train], numbers: np.ndarray) -> list[np.ndarray]:
    """Entries of several trains at the same numbers (N, d): (N,) each.

    What numbers have in common at the beginning or at the end is multiplied once: cross approximation asks for all
    combinations of a few beginnings, one input, and a few ends.
    """
    heads, tails = _classes(numbers), _classes(numbers[:, ::-1])[::-1]
    # The cut with the fewest distinct beginnings and ends together.
    middle = min(range(1, numbers.shape[1] + 1), key=lambda k: len(heads[k][0]) + len(tails[k][0]))
    head = numbers[heads[middle][0], :middle]
    tail = numbers[tails[middle][0], middle:]
    result = []
    # Products of cores from the left and from the right, joined at the cut.
    for train in trains:
        left = np.ones((len(head), 1))
        right = np.ones((len(tail), 1))
        for k in range(middle):
            left = (left[:, None] @ train[k].transpose(1, 0, 2)[head[:, k]])[:, 0]
        for k in range(len(train) - 1, middle - 1, -1):
            right = (train[k].transpose(1, 0, 2)[tail[:, k - middle]] @ right[:, :, None])[:, :, 0]
        result.append((left[heads[middle][1]] * right[tails[middle][1]]).sum(1))
    return result


def _classes(numbers: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each k, rows that differ in their first k numbers, one of each kind, and the kind of every row."""
    kind = np.zeros(len(numbers), dtype=int)
    found = [(np.zeros(1, dtype=int), kind)]
    for column in numbers.T:
        _, first, kind = np.unique(kind * (int(column.max()) + 1) + column, return_index=True, return_inverse=True)
        found.append((first, kind))
    return found


def added(first: Train, second: Train) -> Train:
    """The sum of two trains; its ranks are the sums of theirs."""
    total = []
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        if len(first) == 1:
            return [a + b]
        if k == 0:
            total.append(np.concatenate([a, b], 2))
        elif k == len(first) - 1:
            total.append(np.concatenate([a, b], 0))
        else:
            # Block-diagonal cores; the first and the last one are a row and a column of blocks.
            core = np.zeros((a.shape[0] + b.shape[0], a.shape[1], a.shape[2] + b.shape[2]))
            core[: a.shape[0], :, : a.shape[2]], core[a.shape[0] :, :, a.shape[2] :] = a, b
            total.append(core)
    return total


def scaled(train: Train, factor: float) -> Train:
    """A train times a number."""
    return [factor * train[0], *train[1:]]


def orthogonal(train: Train) -> Train:
    """The same train with orthonormal rows in all cores but the first, which has the norm."""
    cores = list(train)
    for k in range(len(cores) - 1, 0, -1):
        r, n, s = cores[k].shape
        q, upper = np.linalg.qr(cores[k].reshape(r, n * s).T)
        cores[k] = q.T.reshape(-1, n, s)
        cores[k - 1] = np.einsum("rns,ts->rnt", cores[k - 1], upper)
    return cores


def rounded(train: Train, tolerance: float) -> Train:
    """The train with the smallest ranks that keep it to a tolerance relative to its norm."""
    # TT rounding (Oseledets): orthogonalisation to the left, truncated singular value decompositions to the right.
    cores = orthogonal(train)
    each = tolerance / math.sqrt(max(len(cores) - 1, 1))
    for k in range(len(cores) - 1):
        r, n, s = cores[k].shape
        left, rest = split(cores[k].reshape(r * n, s), each, s)
        cores[k] = left.reshape(r, n, -1)
        cores[k + 1] = np.einsum("rs,snt->rnt", rest, cores[k + 1])
    return cores


def split(matrix: np.ndarray, tolerance: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` orthonormal columns and a second factor: their product is the matrix to a tolerance."""
    try:
        u, s, v = linalg.svd(matrix, full_matrices=False)
    except linalg.LinAlgError:  # the divide-and-conquer method fails for rare matrices
        u, s, v = linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
    rank = min(kept(s, tolerance), most)
    return u[:, :rank], s[:rank, None] * v[:rank]


def kept(values: np.ndarray, tolerance: float) -> int:
    """Number of singular values that a tolerance relative to their norm needs, at least one."""
    tails = np.sqrt(np.cumsum(values[::-1] ** 2))[::-1]
    return max(1, int(np.count_nonzero(tails > tolerance * max(tails[0], ABOVE_ZERO))))


def size_of(train: Train) -> float:
    """Root of the sum of squares of all entries."""
    return float(np.linalg.norm(orthogonal(train)[0]))


def crossed(
    function: Entries, shape: Sequence[int], tolerance: float, most: int, seed: int = 0
) -> tuple[Train, float] | None:
    """A train with given entries, by cross approximation [1], and its relative error at random entries."""
    # `function` gives the entries, `shape` their numbers for each input. The search ends at the tolerance or at the
    # rank `most`. None where an entry is no number.
    # [1] I. Oseledets, E. Tyrtyshnikov, "TT-cross approximation for multidimensional arrays", Linear Algebra Appl. 432,
    # 2010, 70. Pivots are those of a QR factorisation with column pivoting (Z. Drmac, S. Gugercin, SIAM J. Sci. Comput.
    # 38, 2016, A631), and places of the largest errors join them.
    generator = np.random.default_rng(seed)
    dimension = len(shape)
    sample = np.stack([generator.integers(0, n, SETTINGS.compared_entries) for n in shape], 1)
    wanted = function(sample)
    with np.errstate(over="ignore"):
        size = float(np.sqrt(np.mean(wanted**2)))
    if not math.isfinite(size):
        return None
    if size == 0:
        return [np.zeros((1, n, 1)) for n in shape], 0.0
    # `after[k]` are numbers of the inputs behind the k-th one, at which the k-th core is looked at; `before` in front.
    worst = sample[np.argsort(-np.abs(wanted))[: SETTINGS.tried_places]]
    after = [worst[:1, k + 1 :] for k in range(dimension)]
    before: list[np.ndarray] = [np.zeros((1, 0), dtype=int)] * dimension
    best: tuple[Train, float] = [np.zeros((1, n, 1)) for n in shape], 1.0
    stalls = 0
    for _ in range(SETTINGS.passes):
        # Sweep to the right: each core interpolates at pivots of a skeleton decomposition.
        train: Train = []
        for k in range(dimension):
            if k < dimension - 1:
                behind = unique(np.concatenate([after[k], worst[:, k + 1 :]]))
            else:
                behind = after[k][:1]
            values = function(joined(before[k], np.arange(shape[k]), behind)).reshape(len(before[k]) * shape[k], -1)
            if not np.isfinite(values).all():
                return None
            if k == dimension - 1:
                train.append(values.reshape(len(before[k]), shape[k], 1))
                break
            columns, _ = split(values, tolerance / 10, most)
            rows = linalg.qr(columns.T, pivoting=True, mode="r")[1][: columns.shape[1]]
            train.append(linalg.solve(columns[rows].T, columns.T).T.reshape(len(before[k]), shape[k], -1))
            number, place = np.divmod(rows, shape[k])
            before[k + 1] = np.concatenate([before[k][number], place[:, None]], 1)
        # Error at random entries.
        error = np.abs(entries([train], sample)[0] - wanted)
        relative = float(np.sqrt(np.mean(error**2))) / size
        stalls += 1
        if relative < best[1] / 2:
            stalls = 0
        if relative < best[1]:
            best = train, relative
        if (
            best[1] <= tolerance
            or (stalls >= SETTINGS.stalled_passes and max(ranks(train)) >= most)
            or stalls >= SETTINGS.most_stalled_passes
        ):
            break
        worst = sample[np.argsort(-error)[: SETTINGS.tried_places]]
        # Sweep to the left for pivots behind.
        for k in range(dimension - 1, 0, -1):
            front = unique(np.concatenate([before[k], worst[:, :k]]))
            values = function(joined(front, np.arange(shape[k]), after[k])).reshape(len(front), -1)
            rows_of, _ = split(values.T, tolerance / 10, most)
            columns = linalg.qr(rows_of.T, pivoting=True, mode="r")[1][: rows_of.shape[1]]
            place, number = np.divmod(columns, len(after[k]))
            after[k - 1] = np.concatenate([place[:, None], after[k][number]], 1)
        worst = sample[np.argsort(-error)[: SETTINGS.tried_places]]
    return best


def unique(numbers: np.ndarray) -> np.ndarray:
    """Different rows, in the order in which they come first."""
    return numbers[np.sort(np.unique(numbers, axis=0, return_index=True)[1])]


def joined(front: np.ndarray, middle: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """All combinations of rows of numbers in front (a, p), of one input (n,), and behind (b, q): (a n b, p + 1 + q)."""
    a = len(front)
    n = len(middle)
    b = len(behind)
    return np.concatenate(
        [np.repeat(front, n * b, 0), np.tile(np.repeat(middle, b), a)[:, None], np.tile(behind, (a * n, 1))], 1
    )

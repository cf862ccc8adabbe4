"""Folds of cross-validation, the losses of held-out samples, and their comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Largest squared error that counts in a comparison of candidates, in variances of the target (the targets are
# standardised): so large an error is a miss, and the size of a miss must not decide the comparison.
LARGEST_ERROR = 10.0


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of the samples."""

    train: np.ndarray  # ascending positions of the samples to fit and of those held out
    held: np.ndarray


@dataclass(frozen=True, eq=False)
class Evidence:
    """Held-out evidence on a candidate."""

    # (N,), losses of the rows by the mean of the models that did not see them; NaN where there is none
    losses: np.ndarray
    links: np.ndarray  # (N, K), mean of their linear predictors
    single_losses: np.ndarray  # (N,), mean loss of such a model
    fits: int  # fits to folds behind them; 0 for models of all rows without each row in turn


def folds(
    rows: int,
    seed: int,
    *,
    labels: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
    parts: int = 5,
    repeats: int = 1,
) -> list[Fold]:
    """Divide samples into folds; every class is spread over the folds, and no block is divided.

    Shapes: labels (rows,), blocks (rows,).
    """
    if rows < 2:
        return []
    if blocks is not None:
        return _folds_of_blocks(blocks, np.zeros(rows) if labels is None else labels, seed, parts, repeats)
    parts = min(parts, rows)
    generator = np.random.default_rng(seed)
    found = []
    alone = np.zeros(rows, dtype=bool)
    if labels is not None:
        _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
        alone = count[place] < 2
    for _ in range(repeats):
        order = generator.permutation(rows)
        if labels is not None:  # a stable sort: each class stays shuffled and is dealt out in turn
            order = order[np.argsort(labels[order], kind="stable")]
        part = np.empty(rows, dtype=np.int64)
        part[order] = np.arange(rows) % parts
        part[alone] = parts
        found += [Fold(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(parts)]
    return [fold for fold in found if len(fold.held)]


def _folds_of_blocks(blocks: np.ndarray, labels: np.ndarray, seed: int, parts: int, repeats: int) -> list[Fold]:
    """Divide whole blocks into folds, see `folds`."""
    names, block = np.unique(blocks, return_inverse=True)
    kinds, kind = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (block, kind), 1.0)
    has_single = (counts > 0).sum(0) == 1  # classes that are in one block alone
    if len(kinds) > 1:
        alone = (counts * has_single).any(1)
    else:
        alone = np.zeros(len(names), dtype=bool)
    parts = min(parts, len(names))
    shares = counts / counts.sum(0)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(repeats if parts > 1 else 0):
        part = np.full(len(names), parts)
        held = np.zeros((parts, len(kinds)))
        order = generator.permutation(len(names))
        for number in order[np.argsort(-counts[order].sum(1), kind="stable")]:
            if alone[number]:
                continue
            # The sum of squares of all parts' shares grows by 2 held . own + own . own: least for the emptiest part.
            part[number] = int(np.argmin(held @ shares[number]))
            held[part[number]] += shares[number]
        own = part[block]
        found += [Fold(np.flatnonzero(own != k), np.flatnonzero(own == k)) for k in range(parts)]
    return [fold for fold in found if len(fold.held)]


def clipped_squares(prediction: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared errors of standardised targets, mean over the outputs, (N,), clipped for the comparison of candidates.

    The squared error of each output counts no more than `LARGEST_ERROR` and no more than the error of predicting 0, the
    mean of the targets, whichever is larger. A single sample far from all others therefore cannot decide which
    candidate is better.
    """
    largest = np.maximum(y**2, LARGEST_ERROR)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = (prediction - y) ** 2
    return np.where(squares < largest, squares, largest).mean(1)  # also where a prediction is not finite


def paired_gain(
    simple: np.ndarray, rich: np.ndarray, weight: np.ndarray, blocks: np.ndarray | None = None
) -> tuple[float, float]:
    """Compare the held-out losses of two candidates on the same samples.

    The losses (N,) are NaN where a sample was not held out; samples of one number in `blocks` may depend on each other,
    see `mean_and_error`. Returns how much lower the mean loss of `rich` is, and the standard error of that paired
    difference.
    """
    change = simple - rich
    both = np.isfinite(change)
    if not both.any():
        return -np.inf, 0.0
    return mean_and_error(change[both], weight[both], None if blocks is None else blocks[both])


def mean_and_error(values: np.ndarray, weight: np.ndarray, blocks: np.ndarray | None = None) -> tuple[float, float]:
    """Weighted mean of the finite values and its standard error; infinite for a single sample.

    Samples are independent, whatever their weights; blocks of them with `blocks`, where the deviations of each block
    are summed before they are squared, since they may be correlated (the cluster-robust variance of Liang and Zeger,
    Biometrika 73 (1986) 13).
    """
    seen = np.isfinite(values)
    if not seen.all():
        values = values[seen]
        weight = weight[seen]
        blocks = None if blocks is None else blocks[seen]
    total = float(weight.sum())
    mean = float(weight @ values) / total
    sums = weight * (values - mean)
    if blocks is not None:
        place = np.unique(blocks, return_inverse=True)[1]
        sums = np.asarray(np.bincount(place, sums), dtype=np.float64)
    if len(sums) < 2:
        return mean, np.inf
    return mean, float(np.sqrt(sums @ sums * len(sums) / (len(sums) - 1)) / total)

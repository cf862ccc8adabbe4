"""Divisions of rows: what counts as one row, test rows, folds, parts of a stream; held-out losses and their comparison.

Everything that leaves rows out, in a search, on the command line, in the explorer and in streams, divides them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import is_number
from edgewise.errors import InputError

# Largest squared error that counts in a comparison of candidates, in variances of the target (the targets are
# standardised): so large an error is a miss, and the size of a miss must not decide the comparison.
LARGEST_ERROR = 10.0
# Rows up to which copies of rows are distinguished one by one, five times as many as a search takes; tables of counts
# may have many more.
MOST_TOLD_APART = 100_000


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
    # Blocks are divided as wholes.
    if rows < 2:
        return []
    if blocks is not None:
        if labels is None:
            labels = np.zeros(rows)
        return _folds_of_blocks(blocks, labels, seed, parts, repeats)
    # A class with one row is in no held-out part.
    parts = min(parts, rows)
    generator = np.random.default_rng(seed)
    found = []
    alone = np.zeros(rows, dtype=bool)
    if labels is not None:
        _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
        alone = count[place] < 2
    # The rows, shuffled, are dealt out to the parts in turn.
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
    if parts < 2:
        return []
    # Blocks in falling order of size, in random order among equals, each into the emptiest part.
    shares = counts / counts.sum(0)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
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


def random_parts(rows: int, parts: int, seed: int, blocks: np.ndarray | None = None) -> np.ndarray:
    """Return the number of the part of each row, (rows,), all parts about equal; rows of one block (rows,) together."""
    if blocks is None:
        blocks = np.arange(rows)
    names, block = np.unique(blocks, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % parts)[block]


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
    if not np.isfinite(change).any():
        return -np.inf, 0.0
    return mean_and_error(change, weight, blocks)


def mean_and_error(values: np.ndarray, weight: np.ndarray, blocks: np.ndarray | None = None) -> tuple[float, float]:
    """Weighted mean of the finite values and its standard error; infinite for a single sample.

    Samples are independent, whatever their weights; blocks of them with `blocks`, where the deviations of each block
    are summed before they are squared, since they may be correlated (the cluster-robust variance of Liang and Zeger,
    Biometrika 73 (1986) 13).
    """
    # Samples that have a value.
    seen = np.isfinite(values)
    if not seen.all():
        values = values[seen]
        weight = weight[seen]
        if blocks is not None:
            blocks = blocks[seen]
    # The weighted mean, and its variance by the squares of weighted deviations, of blocks by those of their sums.
    total = float(weight.sum())
    mean = float(weight @ values) / total
    sums = weight * (values - mean)
    if blocks is not None:
        place = np.unique(blocks, return_inverse=True)[1]
        sums = np.asarray(np.bincount(place, sums), dtype=np.float64)
    if len(sums) < 2:
        return mean, np.inf
    return mean, float(np.sqrt(sums @ sums * len(sums) / (len(sums) - 1)) / total)


# What counts as one row


def canonical_rows(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, blocks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the independent rows in lexicographic order: x (n, d), y (n, m), weights (n,) and blocks (n,).

    A row of weight 2 and the same row twice become equal, bit for bit, and the order of the rows is lost. Results that
    are computed from the returned rows therefore depend on neither. Weights are nonnegative, ones if left out; rows of
    weight 0 are dropped. Copies, which are equal in x, y and block, are rows of their own where they are repeated
    measurements, and elsewhere one row, whose weight is how much it counts and tells nothing of the noise: the weights
    that are returned sum to the number of independent rows.
    """
    # The rows of positive weight in lexicographic order, with their blocks as a last column.
    if weight is None:
        weight = np.ones(len(x))
    used = weight > 0
    columns = [x, y]
    if blocks is not None:
        columns.append(blocks)
    # Adding 0.0 turns -0.0 into 0.0: the two are equal, so they must also sort alike.
    rows = np.column_stack(columns)[used] + 0.0
    weight = weight[used]
    order = np.argsort(rows[:, 0], kind="stable")
    first = rows[order, 0]
    if (first[1:] == first[:-1]).any():  # by weight last, so that sums round alike in any order
        order = np.lexsort((weight, *rows.T[::-1]))
    rows = rows[order]
    weight = weight[order]
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)])
    distinct = rows[starts]
    mass = np.add.reduceat(weight, starts)
    inputs = distinct[:, : x.shape[1]]
    targets = distinct[:, x.shape[1] : x.shape[1] + y.shape[1]]
    # Whole weights count copies; other weights do not, so that each row given is one.
    copies = np.diff(starts, append=len(rows))
    if (weight % 1 == 0).all():
        copies = mass
    if not are_measured_again(inputs, targets):
        copies = np.ones(len(distinct))
    independent = copies.sum()
    mass = mass * (independent / mass.sum())
    # Copies are distinguished one by one, or in lots where they are very many.
    lots = np.ceil(copies * min(1.0, MOST_TOLD_APART / independent)).astype(np.int64)
    place = np.repeat(np.arange(len(distinct)), lots)
    if blocks is not None:
        blocks = distinct[place, -1]
    return inputs[place], targets[place], (mass / lots)[place], blocks


def are_measured_again(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether equal rows, in lexicographic order, are repeated measurements: x (n, d), y (n, m).

    They are where rows of equal inputs have different targets, the pure error of experiments. Where most rows have
    inputs and a target that no other row has, two measurements hardly agree in all digits: equal rows are copies,
    whatever a few other rows of equal inputs do.
    """
    same_inputs = (x[1:] == x[:-1]).all(axis=1)
    same_targets = (y[1:] == y[:-1]).all(axis=1)
    if not (same_inputs & ~same_targets).any():
        return False
    with_own_inputs = np.count_nonzero(np.r_[True, ~same_inputs] & np.r_[~same_inputs, True])
    with_own_target = np.count_nonzero(np.unique(y, axis=0, return_counts=True)[1] == 1)
    return bool(min(with_own_inputs, with_own_target) <= len(x) / 2)


def block_codes(groups: ArrayLike | None, rows: int) -> np.ndarray | None:
    """Return each row's place among the sorted labels of groups, (N,); None without. Raises InputError."""
    if groups is None:
        return None
    # One label for each row, none missing.
    labels = np.asarray(groups)
    if labels.shape != (rows,):
        raise InputError(f"groups must hold one label for each of the {rows} rows, got shape {labels.shape}")
    missing = sum(label is None or label != label for label in labels.tolist())
    if missing:
        raise InputError(f"groups must hold a label for each row, got {missing} missing ones")
    if labels.dtype == object:
        labels = labels.astype(str)
    # At least two groups.
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"groups must hold at least two different labels, got {str(names[0])!r} alone")
    return codes.astype(np.float64)


# Test rows


def split_rows(
    rows: int, share: float, seed: int, *, labels: np.ndarray | None = None, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the training rows and of the test rows, both ascending.

    About a `share` of the rows, in (0, 1), is for the test. Classes, `labels` (rows,), are divided in the same
    proportion and keep at least one training row, so a class with a single row has no test row. Rows with equal
    `groups` (rows,) stay together. InputError where rows, or groups, are too few for both sides.
    """
    if rows < 3:
        raise InputError(
            f"the table must have at least 3 rows with a known target, to train on 2 and test on 1, got {rows}"
        )
    # About the wanted share of rows for the test: whole groups, rows of each class in proportion, or any rows.
    generator = np.random.default_rng(seed)
    wanted = int(np.clip(round(share * rows), 1, rows - 2))
    if groups is not None:
        test = _test_groups(generator, groups, wanted)
        if labels is not None:  # every class needs training rows
            for label in np.unique(labels):
                mine = labels == label
                if test[mine].all():
                    test[groups == groups[np.flatnonzero(mine)[0]]] = False
    elif labels is not None:
        test = _test_rows_by_class(generator, labels, wanted)
    else:
        test = np.zeros(rows, dtype=bool)
        test[generator.permutation(rows)[:wanted]] = True
    # Both sides need rows.
    if not test.any() or (~test).sum() < 2:
        if groups is not None:
            what = "groups"
        else:
            what = "rows in the classes"
        raise InputError(
            f"the table must have enough {what} to train on two rows and test on one, got too few in {rows} rows"
        )
    return np.flatnonzero(~test), np.flatnonzero(test)


def _test_rows_by_class(generator: np.random.Generator, labels: np.ndarray, wanted: int) -> np.ndarray:
    """Choose test rows, as a mask, in proportion to the sizes of the classes."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    ideal = counts * (wanted / len(labels))
    take = np.minimum(np.floor(ideal).astype(int), counts - 1)
    # Rows that remain after rounding go to the classes that lost most by it, in random order among equals.
    order = np.lexsort((generator.random(len(classes)), take - ideal))
    for one in [*order, *order]:
        if take.sum() < wanted and take[one] < counts[one] - 1:
            take[one] += 1
    test = np.zeros(len(labels), dtype=bool)
    for one, count in enumerate(take):
        test[generator.permutation(np.flatnonzero(codes == one))[:count]] = True
    return test


def _test_groups(generator: np.random.Generator, groups: np.ndarray, wanted: int) -> np.ndarray:
    """Choose whole groups as test rows, as a mask, about as many rows as wanted."""
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise InputError(f"the group column must have at least two different values, got {len(names)}")
    test = np.zeros(len(groups), dtype=bool)
    left = wanted
    for one in generator.permutation(len(names)):
        # A group that would exceed the wanted number by more than it fills is skipped.
        if counts[one] <= 2 * left and (~test).sum() > counts[one]:
            test[codes == one] = True
            left -= counts[one]
        if left <= 0:
            break
    if not test.any():
        test[codes == counts.argmin()] = True
    return test


def held_out_rows(held_out: float | Sequence[int], rows: int, seed: int) -> tuple[int, ...]:
    """Return the positions of the held-out rows, ascending: those given, or a share at random; raise InputError."""
    if is_number(held_out):
        if not 0 < held_out < 1:
            raise InputError(f"held_out must be a share in (0, 1) or positions of rows, got {held_out!r}")
        count = int(np.clip(round(held_out * rows), 1, rows - 2))
        return tuple(sorted(np.random.default_rng(seed).permutation(rows)[:count].tolist()))
    positions = sorted({int(one) for one in np.asarray(held_out).ravel()})
    if not positions or positions[0] < 0 or positions[-1] >= rows or len(positions) > rows - 2:
        raise InputError(f"held_out must hold positions of some of the {rows} rows, got {len(positions)} positions")
    return tuple(positions)


def sampled(rows: int, most: int, seed: int) -> np.ndarray:
    """Return ascending positions of `most` rows at random; of all if there are no more."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


# Rows of a stream, each with a random number of its own, or of its group


@dataclass(frozen=True)
class RowPart:
    """All rows of a stream but one of `parts` parts, to which the random numbers of a seed assign them."""

    number: int  # the part that is left out
    parts: int  # number of parts
    seed: int  # seed of the random numbers, which belong to the rows, or to their groups where there are any

    def chosen(self, keys: np.ndarray) -> np.ndarray:
        """Return which rows belong to it, (N,), by their random numbers among all of uint64."""
        return np.floor(keys / 2.0**64 * self.parts) != self.number


def in_share(keys: np.ndarray, share: float) -> np.ndarray:
    """Return which rows are in a share of all, (N,), by their random numbers among all of uint64."""
    return keys < np.uint64(share * 2.0**64)

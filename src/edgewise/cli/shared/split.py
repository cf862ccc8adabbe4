"""Which rows to train on and which to test on: seeded, by class or by group."""

from __future__ import annotations

import numpy as np

from edgewise.errors import InputError


def split_rows(
    rows: int, share: float, seed: int, *, labels: np.ndarray | None = None, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the test rows, both ascending.

    rows: how many there are. share: of the rows, to test on; 0 < share < 1. labels (rows,): classes; each is divided
    like the whole and always has a row to train on, so a class with one row is not tested. groups (rows,): rows with
    equal entries stay together.

    Raises InputError where there are too few rows, or too few groups, to have something on both sides.
    """
    if rows < 3:
        raise InputError(f"at least 3 rows with a known target were expected, to train on 2 and test 1, got {rows}")
    generator = np.random.default_rng(seed)
    wanted = int(np.clip(round(share * rows), 1, rows - 2))
    if groups is not None:
        test = _by_group(generator, groups, wanted)
        if labels is not None:
            _keep_classes(test, labels, groups)
    elif labels is not None:
        test = _by_class(generator, labels, wanted)
    else:
        test = np.zeros(rows, dtype=bool)
        test[generator.permutation(rows)[:wanted]] = True
    if not test.any() or (~test).sum() < 2:
        what = "groups" if groups is not None else "rows in the classes"
        raise InputError(f"enough {what} to train on two rows and test one were expected, got too few in {rows} rows")
    return np.flatnonzero(~test), np.flatnonzero(test)


def _by_class(generator: np.random.Generator, labels: np.ndarray, wanted: int) -> np.ndarray:
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    ideal = counts * (wanted / len(labels))
    take = np.minimum(np.floor(ideal).astype(int), counts - 1)
    # The rows that rounding left over go to the classes that lost most by it; chance decides among equals.
    order = np.lexsort((generator.random(len(classes)), take - ideal))
    for one in [*order, *order]:
        if take.sum() < wanted and take[one] < counts[one] - 1:
            take[one] += 1
    test = np.zeros(len(labels), dtype=bool)
    for one, count in enumerate(take):
        test[generator.permutation(np.flatnonzero(codes == one))[:count]] = True
    return test


def _by_group(generator: np.random.Generator, groups: np.ndarray, wanted: int) -> np.ndarray:
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise InputError(f"the group column must have at least two different values, got {len(names)}")
    test = np.zeros(len(groups), dtype=bool)
    left = wanted
    for one in generator.permutation(len(names)):
        # A group that would overshoot by more than it fills is passed over; the first one is taken in any case.
        if counts[one] <= 2 * left and (~test).sum() > counts[one]:
            test[codes == one] = True
            left -= counts[one]
        if left <= 0:
            break
    if not test.any():
        test[codes == counts.argmin()] = True
    return test


def _keep_classes(test: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> None:
    """Moves groups from the test to the training rows until every class can be learned."""
    for label in np.unique(labels):
        mine = labels == label
        if test[mine].all():
            test[groups == groups[np.flatnonzero(mine)[0]]] = False

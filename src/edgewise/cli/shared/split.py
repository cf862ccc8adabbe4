"""A seeded division of rows into training and test rows, within each class or by group."""

from __future__ import annotations

import numpy as np

from edgewise.errors import InputError


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
    generator = np.random.default_rng(seed)
    wanted = int(np.clip(round(share * rows), 1, rows - 2))
    if groups is not None:
        test = _test_groups(generator, groups, wanted)
        for label in np.unique(labels) if labels is not None else ():
            mine = labels == label
            if test[mine].all():  # every class needs training rows
                test[groups == groups[np.flatnonzero(mine)[0]]] = False
    elif labels is not None:
        test = _test_rows_by_class(generator, labels, wanted)
    else:
        test = np.zeros(rows, dtype=bool)
        test[generator.permutation(rows)[:wanted]] = True
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

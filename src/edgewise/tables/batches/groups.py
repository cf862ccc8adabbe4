"""Random numbers of rows, and of the groups that hold rows together (`row_keys`, `group_numbers`)."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def row_keys(ids: np.ndarray, seed: int) -> np.ndarray:
    """Return a random number of each row, uint64, that depends on the seed and its number alone."""
    # It is the generator SplitMix64 [1] with the number of the row as its state, so that any process can draw it.
    # [1] G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    with np.errstate(over="ignore"):  # the generator counts modulo 2^64
        # Seeds are far from each other in the sequence, as they are hashed themselves.
        if seed == 0:
            start = np.uint64(0)
        else:
            start = row_keys(np.array([seed], dtype=np.uint64), 0)[0]
        state = start + (ids + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def group_numbers(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return a number of each row's group, uint64 (n,), from its label alone; from the row alone without a label."""
    # Labels (n,) are numbers, texts or dates, of which NaN, NaT and None are missing; `ids` are numbers of the rows.
    if labels.dtype == object:
        missing = np.array([cell is None or cell != cell for cell in labels], dtype=bool)
        known, place = np.unique(labels[~missing].astype(str), return_inverse=True)
        hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in known.tolist()]
        found = np.array(hashes, dtype=np.uint64)[place]
    else:
        missing = np.isnat(labels) if labels.dtype.kind == "M" else np.isnan(labels)
        # one zero, not two
        if labels.dtype.kind == "f":
            numbers = labels[~missing] + 0.0
        else:
            numbers = labels[~missing]
        found = row_keys(numbers.view(np.uint64), 1)
    result = row_keys(ids, 2)
    result[~missing] = found
    return result

"""Rows in an order of their own: the same data give the same model, however they are shuffled or repeated."""

import numpy as np


def canonical_rows(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows in lexicographic order, with the weight of each.

    A row of weight 2 and the same row twice become the same thing, bit for bit, and the order of the rows is
    forgotten. So whatever is computed from the result depends on neither.

    Args:
        x: (N, d); y: (N, m); weight: (N,), not negative, None for ones. A row of weight 0 is dropped.

    Returns:
        x (n, d), y (n, m), weight (n,).
    """
    weight = np.ones(len(x)) if weight is None else weight
    used = weight > 0
    # + 0.0 turns -0.0 into 0.0: the two are equal, so they must also sort alike.
    rows, weight = np.column_stack([x, y])[used] + 0.0, weight[used]
    order = np.lexsort((weight, *rows.T[::-1]))  # by weight last, so that sums round alike in any order
    rows, weight = rows[order], weight[order]
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)])
    distinct = rows[starts]
    return distinct[:, : x.shape[1]], distinct[:, x.shape[1] :], np.add.reduceat(weight, starts)

"""Harrell's concordance index of risk scores with censored times, in n log^2 n operations."""

from __future__ import annotations

import numpy as np

from edgewise.errors import InputError

TIE = 1e-8  # risk scores that differ by no more are equal, as in scikit-survival


def concordance_index(event: np.ndarray, time: np.ndarray, risk: np.ndarray) -> float:
    """Share of the comparable pairs of rows in which the row with the earlier event has the higher risk score [1]."""
    # Two rows are comparable if the earlier time is that of an event, or if the times are equal and one is an event and
    # the other censored. Pairs with equal risk scores count half, so that 0.5 is the value of scores without
    # information. All arrays are (N,); InputError where no two rows are comparable.
    # [1] F. E. Harrell, K. L. Lee and D. B. Mark, "Multivariable prognostic models", Statistics in Medicine 15 (1996),
    # 361-387.
    levels = np.cumsum(np.r_[False, np.diff(np.sort(risk)) > TIE])
    rank = np.empty(len(risk), dtype=np.int64)
    rank[np.argsort(risk, kind="stable")] = levels
    # Events come before censored rows of the same time, so that a row is comparable with all later ones, but for
    # events of its own time. These have ascending ranks, so none of them looks concordant.
    order = np.lexsort((rank, ~event, time))
    event = event[order]
    time = time[order]
    rank = rank[order]
    lower, equal = _later(rank, event)
    comparable = float((event * np.arange(len(event))[::-1]).sum())
    _, same_time = np.unique(time[event], return_counts=True)
    _, same_both = np.unique(np.column_stack([time[event], rank[event]]), axis=0, return_counts=True)
    comparable -= float((same_time * (same_time - 1) / 2).sum())
    equal -= float((same_both * (same_both - 1) / 2).sum())
    if comparable <= 0:
        raise InputError("y must have an event before the time of another row, got no comparable pair")
    return float((lower + equal / 2) / comparable)


def _later(rank: np.ndarray, event: np.ndarray) -> tuple[float, float]:
    """Count the pairs of an event and a later row with a lower, and with an equal, rank, by merging sorted runs."""
    rows = len(rank)
    place = np.arange(len(rank))
    lower = 0.0
    equal = 0.0
    width = 1
    while width < rows:
        block = place // (2 * width)
        right = (place // width) % 2 == 1
        key = block * (rows + 1) + rank
        keys = np.sort(key[right])
        left = key[event & ~right]
        start = np.searchsorted(keys, (left // (rows + 1)) * (rows + 1))
        below = np.searchsorted(keys, left)
        reached = np.searchsorted(keys, left, "right")
        lower += float((below - start).sum())
        equal += float((reached - below).sum())
        width *= 2
    return lower, equal

"""Places at which functions jump, along a line: the only search for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewise.settings import ABOVE_ZERO

OnLine = Callable[[np.ndarray], np.ndarray]
"""Maps places on a line (m,) to values there, (m, functions, copies): a jump is one of most copies."""


@dataclass(frozen=True)
class JumpSettings:
    """Search for jumps on a line."""

    off_middle: float = 0.4142  # place of a point in its interval: jumps lie at simple fractions
    # Least difference of a step from the mean of its neighbours, relative to itself, below which values are smooth:
    # smooth values that the points resolve differ by a few per cent.
    unlike_neighbours: float = 0.3
    # parts of a step, and partings after which a place is known to rounding
    parts: int = 16
    partings: int = 15


SETTINGS = JumpSettings()


def points_of_line(low: float, high: float, count: int) -> np.ndarray:
    """Even points between two ends, (count,), none of them at a simple fraction."""
    return low + (high - low) * (np.arange(count) + SETTINGS.off_middle) / count


@np.errstate(invalid="ignore")  # beside a pole differences of infinities are no numbers, and no jumps
def jumps_on_line(
    function: OnLine,
    points: np.ndarray,
    least: float,
    rounding: np.ndarray | float = 0.0,
    values: np.ndarray | None = None,
) -> list[float]:
    """Places of jumps between points (m,), each the last one before, to rounding.

    `least` is that of a jump, relative to the largest value, and `rounding` that of values, which is no jump. There are
    none where a value is not finite. `values` are those at the points, where they are known.
    """
    if values is None:
        values = function(points)
    if not np.isfinite(values).all():
        return []
    rounding = np.broadcast_to(rounding, values.shape)
    # The least jump between neighbours; where slopes are singular, rounding of one of them is no number.
    floor = np.fmax(np.fmin(rounding[:-1], rounding[1:]), least * max(float(np.abs(values).max()), ABOVE_ZERO))
    # Steps between neighbours that are unlike those beside them.
    steps = np.diff(values, axis=0)
    around = np.pad(steps, [(1, 1), (0, 0), (0, 0)], "edge")
    differences = np.abs(steps - (around[:-2] + around[2:]) / 2)
    unlike = differences > np.maximum(SETTINGS.unlike_neighbours * np.abs(steps), floor)
    chosen = np.flatnonzero(unlike.any((1, 2)))
    if not len(chosen):
        return []
    # Each is parted again and again, and its largest part goes on; steps of smooth values shrink below the least.
    left = points[chosen]
    right = points[chosen + 1]
    first = values[chosen]
    last = values[chosen + 1]
    floor = floor[chosen]
    shares = np.arange(1, SETTINGS.parts) / SETTINGS.parts
    for _ in range(SETTINGS.partings):
        stays = (np.abs(last - first) > floor).any((1, 2))
        left = left[stays]
        right = right[stays]
        first = first[stays]
        last = last[stays]
        floor = floor[stays]
        if not len(left):
            return []
        # Values at even parts, of which the one with the largest change stays.
        inner = left[:, None] + (right - left)[:, None] * shares
        places = np.column_stack([left, inner, right])
        at_inner = function(inner.ravel()).reshape(*inner.shape, *first.shape[1:])
        at_places = np.concatenate([first[:, None], at_inner, last[:, None]], 1)
        rows = np.arange(len(left))
        part = np.abs(np.diff(at_places, axis=1)).sum((2, 3)).argmax(1)
        left = places[rows, part]
        right = places[rows, part + 1]
        first = at_places[rows, part]
        last = at_places[rows, part + 1]
    are_jumps = (np.abs(last - first) > floor).any(1).mean(1) > 0.5
    return left[are_jumps].tolist()

"""How true formulas are to a function where there are no data: at fresh inputs, and beyond the range of the rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from edgewise.interpret.domain_report import BEYOND
from edgewise.interpret.front import Entry

POINTS = 2000  # drawn of each kind


def fresh_inputs(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(POINTS, inputs): each at random on the line between two random rows of x (N, inputs)."""
    random = np.random.default_rng([seed, 0])
    a, b = x[random.integers(0, len(x), (2, POINTS))]
    return a + random.uniform(0, 1, (POINTS, 1)) * (b - a)


def outside_inputs(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(POINTS, inputs): rows of x (N, inputs), one input of each moved up to 20 % of its range beyond that range."""
    random = np.random.default_rng([seed, 1])
    points = x[random.integers(0, len(x), POINTS)]
    low, high = x.min(0), x.max(0)
    moved, upwards = random.integers(0, x.shape[1], POINTS), random.integers(0, 2, POINTS) > 0
    step = BEYOND * random.uniform(0, 1, POINTS) * (high - low)[moved]
    points[np.arange(POINTS), moved] = np.where(upwards, high[moved] + step, low[moved] - step)
    return points


def with_fidelity(
    entries: Iterable[Entry], function: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> Iterator[Entry]:
    """Entries with their mean squared difference from a function, (N, inputs) -> (N,), at fresh and outside inputs.

    x: (N, inputs), the rows that say what is between and what is beyond. Infinite where a formula is undefined.
    """
    places = [fresh_inputs(x), outside_inputs(x)]
    values = [function(points) for points in places]
    for entry in entries:
        fresh, outside = (
            _mean_squared(entry.formula(points) - known) for points, known in zip(places, values, strict=True)
        )
        yield replace(entry, fresh=fresh, outside=outside)


def _mean_squared(rest: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        loss = float(np.mean(rest**2))
    return loss if np.isfinite(loss) else np.inf

"""The best c f(a u + b) + d for the curve of one edge, for each elementary function f."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.interpret.shapes import SYMBOL, best_starts, line, phase, thinned
from edgewise.nn.elementary import ELEMENTARY, Elementary


@dataclass(frozen=True)
class EdgeFit:
    """An edge as c f(a u + b) + d; error: relative to the curve's deviation; complexity: of the whole edge."""

    name: str
    a: float
    b: float
    c: float
    d: float
    error: float
    complexity: int


def edge_fits(
    u: np.ndarray,
    s: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    most: int | None = None,
) -> list[EdgeFit]:
    """The fits of every function of the table, one each, the best first by error and complexity together.

    Scores are free of scale: multiplying or shifting the curve changes nothing (an edge of size 1e-4 is judged like
    one of size 1). Functions that leave their domain on the curve's range are not among them.

    Args:
        u, s: (N,), points of the curve in any order, at least 5. weight: (N,), how much each counts.
        most: functions that are fitted, those that come closest from their starts; all if left out.
    """
    u, s, weight = thinned(u, s, np.ones_like(s) if weight is None else weight)
    share = weight / weight.sum()
    mean = float(share @ s)
    deviation = math.sqrt(float(share @ (s - mean) ** 2))
    if deviation <= 1e-12 * max(abs(mean), 1e-300):
        return [EdgeFit("0", 0.0, 0.0, 0.0, mean, 0.0, 0)]
    found = []
    starts = [(row, best_starts(row, u, s, weight)) for name, row in table.items() if name != "0"]
    starts = [(row, own) for row, own in starts if own]
    if most is not None:
        starts = sorted(starts, key=lambda pair: -max(score for score, _, _ in pair[1]))[:most]
    for row, own in starts:
        best: EdgeFit | None = None
        for _, a, b in own:
            b = phase(a, u, s, weight) if row.name == "sin" else b
            fitted = _fitted(row, a, b, u, s, share, deviation)
            if fitted is not None and (best is None or rank(fitted) < rank(best)):
                best = fitted
        if best is not None:
            found.append(best)
    return sorted(found, key=rank)


def rank(fitted: EdgeFit) -> float:
    """What edges are ordered by: log error and a price for symbols."""
    return math.log(max(fitted.error, 1e-12)) + SYMBOL * fitted.complexity


def _fitted(row: Elementary, a, b, u, s, share, deviation: float, steps: int = 30) -> EdgeFit | None:
    """Levenberg-Marquardt on a, b, c, d; a function that is linear keeps a = 1, b = 0."""
    with np.errstate(all="ignore"):
        c, d = line(row.function(torch.as_tensor(a * u + b)).numpy(), s, share)
    numbers = np.array([a, b, c, d])
    free = slice(2, 4) if row.name == "x" else slice(0, 4) if b != 0 else [0, 2, 3]
    root = np.sqrt(share)

    def rows_at(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b, c, d = numbers
        value, slope = (part.numpy() for part in row.jet_derivatives(torch.as_tensor(a * u + b), 1))
        matrix = np.stack([c * slope * u, c * slope, value, np.ones_like(u)], 1)
        return (c * value + d - s) * root, matrix[:, free] * root[:, None]

    rest, rows = rows_at(numbers)
    if not (np.isfinite(rest).all() and np.isfinite(rows).all()):
        return None
    loss, damping = float(rest @ rest), 1e-3
    for _ in range(steps):
        gram = rows.T @ rows
        scale = np.diag(gram) + 1e-12 * float(np.diag(gram).max()) + 1e-300
        move = np.linalg.lstsq(gram + damping * np.diag(scale), -rows.T @ rest, rcond=None)[0]
        trial = numbers.copy()
        trial[free] += move
        new_rest, new_rows = rows_at(trial)
        new_loss = float(new_rest @ new_rest)
        if math.isfinite(new_loss) and np.isfinite(new_rows).all() and new_loss < loss:
            done = loss - new_loss < 1e-9 * loss
            numbers, rest, rows, loss, damping = trial, new_rest, new_rows, new_loss, damping / 5
            if done:
                break
        else:
            damping *= 6
            if damping > 1e9:
                break
    low, high = (float(f(numbers[0] * u + numbers[1])) for f in (np.min, np.max))
    if not row.allows(low, high):
        return None
    symbols = row.complexity + 2 * (abs(numbers[0] - 1) > 1e-9) + 2 * (numbers[1] != 0) + 3
    return EdgeFit(row.name, *numbers.tolist(), math.sqrt(loss) / deviation, symbols)

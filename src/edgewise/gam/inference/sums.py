"""Columns of a table that are sums of other columns, in words (`exact_sums`).

G. H. Golub and C. F. Van Loan, Matrix Computations (4th ed.), section 5.5.6: the rank by QR with column pivoting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.presentation import MINUS, number_text

ROUNDING = 1e-6  # standard deviations below which a difference is rounding, of single precision too


def exact_sums(rows: np.ndarray, names: Sequence[str]) -> list[tuple[list[int], str]]:
    """Return the sums of columns (N, k) that hold in every row but for rounding: the columns, and the sum in words.

    Two columns that are equal, or opposite, in units of their deviation are a sum too.
    """
    from scipy.linalg import qr, solve_triangular  # imported late: `import edgewise` stays light

    # QR with column pivoting of the standardised columns: those behind the rank are sums of the ones before.
    mean = rows.mean(0)
    spread = rows.std(0)
    standardised = (rows - mean) / spread
    upper, order = qr(standardised / math.sqrt(len(rows)), mode="r", pivoting=True)
    rank = int((np.abs(np.diag(upper)) > ROUNDING).sum())
    sums = []
    for place in range(rank, len(order)):
        weights = solve_triangular(upper[:rank, :rank], upper[:rank, place])
        used = np.flatnonzero(np.abs(weights) > math.sqrt(ROUNDING))
        error = standardised[:, order[place]] - standardised[:, order[used]] @ weights[used]
        if np.abs(error).max() > math.sqrt(len(rows)) * ROUNDING:
            continue
        # The relation sum_j c_j x_j = total of the columns in their order, and in their units.
        places = np.append(order[used], order[place])
        factors = np.append(weights[used], -1.0) / spread[places]
        factors = factors[np.argsort(places)]
        places = np.sort(places)
        parts = factors * mean[places]
        total = float(parts.sum())
        if abs(total) <= ROUNDING * np.abs(parts).max():
            total = 0.0
        sums.append((places.tolist(), _sum_text([names[k] for k in places], factors, total)))
    return sums


def _sum_text(names: Sequence[str], factors: np.ndarray, total: float) -> str:
    """Return in words that the sum of columns times their factors is a total: which column the others add up to."""
    # The last column of the rarer sign is the sum of the others; without one they are shares of a whole.
    signs = np.sign(factors)
    rarer = np.flatnonzero(signs * signs.sum() <= 0)
    if len(rarer):
        left = int(rarer[-1])
        scale = -factors[left]
    else:
        left = -1
        scale = factors[0]
    factors = factors / scale
    total = total / scale
    text = ""
    for k in sorted(range(len(names)), key=lambda k: factors[k] < 0):
        if k == left:
            continue
        sign = MINUS if factors[k] < 0 else "+"
        size = number_text(abs(factors[k]))
        term = names[k] if size == "1" else f"{size} {names[k]}"
        text += f" {sign} {term}" if text or sign == MINUS else term
    if left < 0:
        return f"{text} is {number_text(total)}"
    if total:
        text += f" {MINUS if total > 0 else '+'} {number_text(abs(total))}"
    return f"{names[left]} is {text}"

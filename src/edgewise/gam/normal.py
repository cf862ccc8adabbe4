"""The weighted normal matrix of a design, summed in chunks: the only step that sees all rows (`normal_matrix`).

Wood, Generalized Additive Models (2nd ed.), section 6.9, on bigger data: X'WX, X'Wz and z'Wz are sums over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edgewise.gam.design import Design

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NormalMatrix:
    """Sums over the rows that least squares needs."""

    gram: Array  # X'WX, (p, p)
    moment: Array  # X'Wy of every response, (p, m)
    square: Array  # y'Wy of every response, (m,)
    rows: float  # number of rows that count

    def output(self, number: int) -> NormalMatrix:
        """Return the same sums of one response alone."""
        one = slice(number, number + 1)
        return NormalMatrix(self.gram, self.moment[:, one], self.square[one], self.rows)

    def embedded(self, keep: NDArray[np.bool_]) -> NormalMatrix:
        """Return these sums as those of all columns, with zeros for columns that are not kept; `keep` is (p,)."""
        if keep.all():
            return self
        gram = np.zeros((len(keep), len(keep)))
        moment = np.zeros((len(keep), self.moment.shape[1]))
        gram[np.ix_(keep, keep)] = self.gram
        moment[keep] = self.moment
        return NormalMatrix(gram, moment, self.square, self.rows)

    def columns(self, keep: NDArray[np.bool_]) -> NormalMatrix:
        """Return the same sums of some columns alone; `keep` is (p,)."""
        if keep.all():
            return self
        return NormalMatrix(self.gram[np.ix_(keep, keep)], self.moment[keep], self.square, self.rows)


def normal_matrix(design: Design, x: Array, weight: Array, response: Array, rows: float) -> NormalMatrix:
    """Sum X'WX, X'Wy and y'Wy over rows x (N, inputs), with weights (N,) and responses (N,) or (N, m).

    `rows` is the number of rows that count, for degrees of freedom.
    """
    response = response.reshape(len(x), -1)
    p = len(design.groups)
    m = response.shape[1]
    gram = np.zeros((p, p))
    moment = np.zeros((p, m))
    square = np.zeros(m)
    # One pass over the rows, in parts that fit into memory.
    for part in design.chunks(len(x)):
        columns = design.columns(x[part])
        w = weight[part, None]
        y = response[part]
        if (w != 1).any():
            weighted = w * columns
            root = np.sqrt(w) * columns
        else:
            weighted = root = columns
        gram += root.T @ root  # a product with its own transpose is symmetric, and takes half the work
        moment += weighted.T @ y
        square += (w * y**2).sum(0)
    return NormalMatrix(gram, moment, square, rows)

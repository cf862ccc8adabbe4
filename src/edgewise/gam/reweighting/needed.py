"""The columns of a design that its curves need so far (`NeededColumns`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewise.gam.design import Design
from edgewise.gam.solving import Solution

# Numbers of columns that stay in memory during the iteration, 256 MB.
MOST_NUMBERS_KEPT = 1 << 25


class NeededColumns:
    """The columns of a design that its curves need so far, kept in memory if they are few numbers.

    It takes positions of rows where a design takes rows, and has the attributes of a design that `normal_matrix` and
    `estimate` use.
    """

    def __init__(
        self, design: Design, x: np.ndarray, before: Solution | None, steps: int, keep: np.ndarray | None = None
    ) -> None:
        self.design = design
        self.x = x
        self.rivals = design.rivals
        self.chunks = design.chunks
        self.watch = design.watch
        self.constraints = None
        self.bent = design.bent
        self.count = int(design.groups.max(initial=-1)) + 1
        self.policy = replace(design.policy, first_wiggly=len(design.groups), steps=steps)  # all that are here
        # Columns of each group; the last is for columns without a group.
        self.most = np.full(self.count + 1, design.policy.first_wiggly)
        constrained = design.constraints is not None and design.constraints.has_inequalities
        if constrained:  # inequalities are those of all B-splines
            self.most[:] = len(design.groups)
        elif before is not None:
            edf = np.max([np.append(fit.edf, 0.0)[before.places(design)] for fit in before.fits], axis=0)
            while (small := edf > self.most[: self.count] / 2).any():
                self.most[: self.count][small] *= 2
        self._take(self._wanted() if keep is None else keep)

    def _wanted(self) -> np.ndarray:
        return self.design.ranks < self.most[self.design.groups]

    def _take(self, keep: np.ndarray) -> None:
        self.keep = keep
        self.groups, self.ranks = self.design.groups[self.keep], self.design.ranks[self.keep]
        self.values: np.ndarray | None = None
        if len(self.x) * int(self.keep.sum()) <= MOST_NUMBERS_KEPT:
            values = np.empty((len(self.x), int(self.keep.sum())))
            for part in self.chunks(len(self.x)):
                values[part] = self.design.columns(self.x[part])[:, self.keep]
            self.values = values

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """Return the needed columns at the rows with these positions."""
        if self.values is None:
            return self.design.columns(self.x[rows])[:, self.keep]
        return self.values[rows]

    def predictors(self, coefs: np.ndarray) -> np.ndarray:
        """Return the linear predictors (N, K) of coefficients (K, p) of all columns of the design."""
        if self.values is not None and not coefs[:, ~self.keep].any():
            return np.asarray(self.values @ coefs[:, self.keep].T)
        return self.design.link(coefs.T, self.x)

    def etas(self, coefs: np.ndarray) -> np.ndarray:
        """Return the linear predictors (N, K) of coefficients (K, needed columns)."""
        if self.values is not None:
            return np.asarray(self.values @ coefs.T)
        rows = np.arange(len(self.x))
        return np.concatenate([self.columns(rows[part]) @ coefs.T for part in self.chunks(len(self.x))])

    def grow(self, edf: np.ndarray) -> bool:
        """Take more columns for curves that use half of theirs, as `estimate` does; return whether any does."""
        held = np.bincount(self.design.groups[~self.keep] + 1, minlength=self.count + 1)[1:]
        more = (edf > self.most[: self.count] / 2) & (held > 0)
        self.most[: self.count][more] *= 2
        if more.any():
            self._take(self._wanted())
        return bool(more.any())

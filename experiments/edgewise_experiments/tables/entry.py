"""One table of the collection: which columns are predicted from which others, and its numbers.

Rows with a missing value in a used column are left out. A column of text, or one named under `categories`, becomes a
column of zeros and ones for each value. A table of more than 10,000 rows is reduced to 10,000, drawn with seed 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise_experiments.tables.real_tables import Table

MOST_ROWS = 10_000  # what a slow model fits in a minute, and where the scores of these tables have settled
OPEN, UNOPENED = "open", "unopened"

Frame = Any  # a pandas.DataFrame; pandas is imported when a table is loaded


@dataclass(frozen=True)
class Entry:
    """One table."""

    name: str
    package: str
    load: Callable[[], Frame]
    target: str
    inputs: str
    task: str = "regression"
    dropped: str = "none"
    categories: str = ""
    group: str = ""
    event: str = ""

    @property
    def half(self) -> str:
        """ "open" or "unopened", by the first bit of a hash of the name."""
        return (OPEN, UNOPENED)[hashlib.sha256(self.name.encode()).digest()[0] >> 7]

    def table(self) -> Table:
        """Load the table as numbers; of a table about survival y is the time."""
        return self.columns()[0]

    def columns(self) -> tuple[Table, list[str]]:
        """Load the table as numbers, with the names of its columns."""
        frame = self._complete()
        parts, names = [], []
        for column in self._inputs(frame):
            values = frame[column]
            if column in self.categories.split() or values.dtype.kind not in "fiub":
                for one in sorted(values.unique(), key=str):
                    parts.append((values == one).to_numpy(dtype=float))
                    names.append(f"{column}={one}")
            else:
                parts.append(values.to_numpy(dtype=float))
                names.append(column)
        y = frame[self.target].to_numpy()
        y = np.unique(y, return_inverse=True)[1] if self.task == "classification" else y.astype(float)
        group = None
        if self.group:
            group = frame.groupby(self.group.split(), sort=True).ngroup().to_numpy()
        return Table(np.stack(parts, 1), y, self.task, group), names

    def _inputs(self, frame: Frame) -> list[str]:
        if self.inputs == "*":
            return [column for column in frame.columns if column != self.target]
        return self.inputs.split()

    def _complete(self) -> Frame:
        """Return the rows without missing values, at most MOST_ROWS of them."""
        frame = self.load()
        used = {*self._inputs(frame), self.target, *self.group.split(), *self.event.split()}
        frame = frame.dropna(subset=sorted(used)).reset_index(drop=True)
        if len(frame) > MOST_ROWS:
            kept = np.random.default_rng(0).permutation(len(frame))[:MOST_ROWS]
            frame = frame.iloc[np.sort(kept)].reset_index(drop=True)
        return frame

"""A table in memory: named columns of numbers or text, with the row numbers of the file they came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Table:
    """What `read_table` returns.

    names: all columns in file order. columns: name -> (n_rows,) float64 with NaN for missing, or object array of str
    with None for missing. refused: name -> what it holds instead, for columns that are neither ("dates"); such a
    column is in `names`, not in `columns`. rows: (n_rows,) int64, the number of each row in the file, from 1, the
    header and blank lines not counted. source: the file, for messages. decimal: the mark in its numbers, "." or ",".
    """

    names: tuple[str, ...]
    columns: dict[str, np.ndarray]
    refused: dict[str, str] = field(default_factory=dict)
    rows: np.ndarray | None = None
    source: str = "the table"
    decimal: str = "."

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns.values()}
        if self.rows is None:
            assert len(lengths) == 1, "columns must have one length"
            object.__setattr__(self, "rows", np.arange(1, lengths.pop() + 1))
        assert lengths <= {len(self.rows)}, "columns must have one length"
        assert set(self.names) == {*self.columns, *self.refused}, "names must list every column"

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Table:
        """A new table of some rows, given as a boolean mask (n_rows,) or as positions."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows[rows])

    def drop(self, names) -> Table:
        """A new table without some columns; names that aren't there are ignored."""
        gone = set(names)
        return replace(
            self,
            names=tuple(name for name in self.names if name not in gone),
            columns={name: column for name, column in self.columns.items() if name not in gone},
            refused={name: what for name, what in self.refused.items() if name not in gone},
        )

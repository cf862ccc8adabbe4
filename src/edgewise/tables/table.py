"""A table in memory: named columns of numbers or text, with the row numbers of the file they came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgewise.errors import FileError, InputError
from edgewise.presentation import counted, number_text
from edgewise.tables.cells import quoted

# A file with more columns is transposed or split by the wrong delimiter; a model with one input per column could not be
# trained or drawn.
MAX_COLUMNS = 10_000
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")  # of files of tables
UNPACKED_FLOOR = 128 << 20  # bytes to which any file may unpack
RATIO_VARIABLE = "EDGEWISE_UNPACKED_RATIO"  # variable of the environment by which users raise the limit


class InBatches:
    """A table that is read batch by batch, see `edgewise.tables.batches`; others know it by this class alone."""


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length, as `read_table` returns them.

    Parameters
    ----------
    names : tuple of str
        All columns in the order of the file.
    columns : dict
        Name to array of shape (n_rows,): float64 with NaN for missing values, object array of str with None, or
        datetime64[us] with NaT.
    refused : dict
        Name to a description of the content ("dates or times") of columns that are neither numbers nor text. Such a
        column is in `names` but not in `columns`.
    rows : ndarray of int64, shape (n_rows,), optional
        Number of each row in the file, from 1; the header and blank lines are not counted.
    source : str
        The file, for messages.
    decimal : str
        Decimal mark of its numbers, "." or ",".

    Examples
    --------
    >>> import numpy as np
    >>> table = Table(("a", "b"), {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([4.0, 5.0, 6.0])})
    >>> table.take(np.array([True, False, True])).rows.tolist()
    [1, 3]
    """

    names: tuple[str, ...]
    columns: dict[str, np.ndarray]
    refused: dict[str, str] = field(default_factory=dict)
    rows: np.ndarray = None  # type: ignore[assignment]  # filled in below, so that every reader finds an array
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

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, rows: np.ndarray) -> Table:
        """Return a new table of some rows, as an array of inputs would: `table[[3, 5]]`, `table[mask]`."""
        return self.take(np.asarray(rows))

    def select(self, names: Sequence[str]) -> Table:
        """Return a new table of these columns, in this order."""
        return replace(self.drop(set(self.names) - set(names)), names=tuple(names))

    def take(self, rows: np.ndarray) -> Table:
        """Return a new table of some rows, given as a boolean mask of shape (n_rows,) or as positions."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows[rows])

    def drop(self, names: Iterable[str]) -> Table:
        """Return a new table without some columns; names that do not occur are ignored."""
        dropped = set(names)
        return replace(
            self,
            names=tuple(name for name in self.names if name not in dropped),
            columns={name: column for name, column in self.columns.items() if name not in dropped},
            refused={name: content for name, content in self.refused.items() if name not in dropped},
        )


def check_unpacked(path: Path, size: int) -> None:
    """Raise FileError for a compressed file whose cells or text would take far more bytes than the file."""
    # A hundred times the size: tables of numbers unpack to 2 to 30 times their size, and a file that is made to fill
    # the memory to a thousand times.
    text = os.environ.get(RATIO_VARIABLE, "100")
    try:
        ratio = float(text)
    except ValueError:
        ratio = 0.0
    if not ratio > 1:
        raise InputError(f"{RATIO_VARIABLE} must be a number above 1, got {text!r:.40}")
    if size > max(ratio * path.stat().st_size, UNPACKED_FLOOR):
        raise FileError(
            f"{path}: a table that unpacks to at most {number_text(ratio)} times its size was expected, "
            f"got one of more than "
            f"{number_text(size / 2**20, 3)} MB; set the variable {RATIO_VARIABLE} to a larger number to read it"
        )


def check_column_count(path: Path, columns: int) -> None:
    """Raise FileError for more columns than a model can use."""
    if columns > MAX_COLUMNS:
        raise FileError(
            f"{path}: at most {counted(MAX_COLUMNS, 'column')} were expected, got {columns:,}; is it transposed?"
        )


def check_column_names(path: Path, names: Sequence[str]) -> None:
    """Raise FileError for too many columns or none, and for empty or repeated names."""
    check_column_count(path, len(names))
    if not names:
        raise FileError(f"{path}: at least one column was expected, got none")
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if not name.strip():
            # pandas writes its row index so, which makes it the most frequent reason.
            if i == 1:
                hint = "; if it is a row index, leave it out"
            else:
                hint = ""
            raise FileError(f"{path}: a name for every column was expected, got an empty one for column {i}{hint}")
        if name in seen:
            raise FileError(
                f"{path}: every column must have its own name, got {quoted(name)} for columns {seen[name]} and {i}"
            )
        seen[name] = i

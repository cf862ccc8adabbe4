"""DATA on the command line, a file or the name of a packaged table, and the columns of tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgewise.cli.terminal.exit_codes import standard_output
from edgewise.datasets import KNOT_FEATURES, KNOTS_ABOUT, knots_path
from edgewise.errors import InputError
from edgewise.escaping import csv_cell, csv_cells, printable_text
from edgewise.files.folders import beside
from edgewise.files.whole import read_bytes
from edgewise.presentation import counted
from edgewise.tables import Table, read_table
from edgewise.tables.cells import quoted
from edgewise.tables.input_encoder import nearest_names


@dataclass(frozen=True, eq=False)
class Source:
    """A table with the defaults of a packaged one."""

    name: str  # DATA as the user gave it
    table: Table  # its rows and columns
    target: str | None = None  # column to predict by default
    features: tuple[str, ...] = ()  # input columns by default; empty for all
    group: str | None = None  # column of group labels by default
    background: tuple[str, ...] = ()  # paragraphs about the subject, for the report
    whole_rows: int | None = None  # rows of the table, where `table` is a sample of it
    notes: tuple[str, ...] = ()  # sentences about the sample

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        if self.whole_rows is None:
            return self.table.n_rows
        return self.whole_rows


def open_source(data: str, delimiter: str | None = None) -> Source:
    """Read the table DATA."""
    # The name of a packaged table takes precedence over a file of that name; `./knots` is the file.
    if data == "knots":
        with knots_path() as path:
            table = replace(read_table(path), source="the knot table")
        return Source(data, table, "signature", KNOT_FEATURES, "group", KNOTS_ABOUT)
    return Source(data, read_table(data, delimiter=delimiter))


def select_columns(table: Table, names: Sequence[str], option: str) -> Table:
    """Return the table with these columns only, in this order."""
    for i, name in enumerate(names):
        if name not in table.names:
            hint = nearest_names(name, table.names)
            raise InputError(f"{option} must name a column of {table.source}, got {quoted(name)}{hint}")
        if name in names[:i]:
            raise InputError(f"{option} must name each column once, got {quoted(name)} twice")
    return table.select(names)


def check_row(source: Source, row: int | None) -> None:
    """Raise InputError, with the range, unless the table has a row with this number."""
    if row is not None and row not in source.table.rows:
        first = int(source.table.rows[0])
        last = int(source.table.rows[-1])
        if source.whole_rows is not None:
            first = 1
            last = source.whole_rows
        raise InputError(f"--row must be from {first} to {last}, got {row}")


def column_at(table: Table, name: str, rows: np.ndarray, option: str) -> np.ndarray:
    """Return the cells of a column in the rows with these numbers."""
    if name in table.refused:
        raise InputError(f"{option} must name a column of numbers or text, got {table.refused[name]} in {quoted(name)}")
    position = {int(row): i for i, row in enumerate(table.rows)}
    return table.columns[name][[position[int(row)] for row in rows]]


def finite_columns(table: Table, names: Sequence[str] | None, count: int, origin: str) -> np.ndarray:
    """Return columns as an array (n_rows, count), for a model that has no rule for missing values.

    They are those of `names`, or all of the table in their order. InputError where one is missing or has a value that
    is no finite number; `origin` completes "the columns ..." in its message.
    """
    # The columns must be there, as many as the model has inputs.
    chosen = tuple(names or table.names)
    missing = [name for name in chosen if name not in table.names]
    if missing:
        raise InputError(
            f"{table.source} must have the {counted(count, 'column')} {origin}, got no {quoted(missing[0])}"
        )
    if len(chosen) != count:
        raise InputError(f"{table.source} must have {counted(count, 'column')}, as in training, got {len(chosen)}")
    # Each row must have a finite number in them.
    for name in chosen:
        column = table.columns.get(name)
        if column is None or column.dtype == object or not np.isfinite(column).all():
            raise InputError(f"column {quoted(name)} must hold finite numbers in every row, got something else")
    return np.stack([table.columns[name] for name in chosen], axis=1)


def decimals(values: np.ndarray, interval: tuple[np.ndarray, np.ndarray] | None = None) -> int:
    """Return the number of decimals after which the rest of some numbers carries no information.

    That is a millionth of the median width of their intervals, twice as many digits as people read, and of the range of
    the numbers where they have none.
    """
    # The scale below which digits say nothing: the typical width of an interval, or the range.
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    scale = 0.0
    if interval is not None:
        scale = float(np.median(interval[1] - interval[0]))
    elif len(known):
        scale = float(np.ptp(known))
    if not 0 < scale < math.inf:
        scale = float(np.abs(known).max(initial=0.0)) or 1.0
    return int(np.clip(5 - math.floor(math.log10(scale)), 0, 300))  # round() would overflow beyond


def columns_csv(rows: np.ndarray, columns: Mapping[str, Sequence[object]], *, has_names: bool = True) -> str:
    """Return the row numbers and named columns as CSV; a column of the name "row" takes the place of the numbers.

    The line of names is left out for a part of a table that is not the first one.
    Texts that a spreadsheet would run as a formula get an apostrophe in front, see `csv_cell`.
    """
    columns = {"row": rows.tolist(), **columns}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if has_names:
        writer.writerow(csv_cells(columns))
    for cells in zip(*columns.values(), strict=True):
        writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def write_csv(text: str) -> None:
    """Write CSV to stdout."""
    # A terminal would obey escape characters in names of classes; a pipe receives the bytes that a file would hold.
    output = standard_output()
    if output.isatty():
        text = printable_text(text, kept="\n")
    output.write(text)
    output.flush()


def predicted_rows(path: Path) -> np.ndarray:
    """Return the numbers of the test rows that are predicted in the folder of a model file; none where it has none."""
    predictions = beside(Path(path), "predictions.csv")
    lines: list[bytes] = []
    if predictions.is_file():
        lines = read_bytes(predictions).splitlines()[1:]
    first = [line.split(b",", 1)[0] for line in lines]
    return np.array([int(cell) for cell in first if cell.isdigit()])  # a cell of several lines gives no number

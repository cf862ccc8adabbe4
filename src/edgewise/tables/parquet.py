"""Parquet files to a Table; the only module that needs pyarrow."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgewise.errors import FileError, missing_extra
from edgewise.tables.header import check_names
from edgewise.tables.table import Table
from edgewise.tables.values import numbers, texts


def read_parquet(path: Path) -> Table:
    """Read a Parquet file of flat columns.

    The row index that pandas may have written (`__index_level_0__`) is left out, as pandas itself does.
    Raises FileError for a damaged file or one without rows, MissingExtraError without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("pyarrow", "tables", "Reading Parquet") from error
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not re.fullmatch(r"__index_level_\d+__", name)]
            # Names are checked before the data are read: a table with too many columns is refused at once.
            check_names(path, names)
            table = file.read(columns=names)
            table.validate(full=True)
            columns, refused = _columns(table)
    except FileError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise FileError(f"{path}: a Parquet file was expected, got one that is damaged or cut short") from error
    if table.num_rows == 0:
        raise FileError(f"{path}: at least one row of data was expected, got column names only")
    return Table(tuple(names), columns, refused, rows=np.arange(1, table.num_rows + 1), source=str(path))


def _columns(table) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    import pyarrow.types as is_

    columns, refused = {}, {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if is_.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = kind.value_type
        if is_.is_temporal(kind):
            refused[name] = "dates or times"
        elif is_.is_boolean(kind):
            columns[name] = _object([None if v is None else str(v) for v in column.to_pylist()])
        elif is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind) or is_.is_null(kind):
            columns[name] = column.cast("float64", safe=False).to_numpy()
        elif str(kind) in ("string", "large_string", "string_view"):
            columns[name] = _text_column(column.to_pylist())
        else:
            refused[name] = f"values of type {kind}"
    return columns, refused


def _text_column(cells: list[str | None]) -> np.ndarray:
    # The same rules as for CSV, so that a model fitted to one kind of file predicts from the other.
    found = numbers(["" if cell is None else cell for cell in cells])
    return texts(cells) if found is None else found


def _object(cells: list[str | None]) -> np.ndarray:
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out

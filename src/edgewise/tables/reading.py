"""Reads a CSV or Parquet file into a Table; every problem with a file becomes one clear sentence."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgewise.checks import typed
from edgewise.errors import EdgewiseError, FileError, InputError
from edgewise.files.whole import reason
from edgewise.tables.cells import stack_cells
from edgewise.tables.delimited import WHITESPACE, read_delimited
from edgewise.tables.frames import arrow_cells, arrow_refused
from edgewise.tables.parquet import (
    NUMBER_BYTES,
    PARQUET,
    decoded_bytes,
    names_and_rows,
    opened,
    parquet_batches,
    parquet_files,
)
from edgewise.tables.table import Table, check_unpacked

_GZIP = b"\x1f\x8b"


@typed
def read_table(path: str | os.PathLike[str], *, delimiter: str | None = None) -> Table:
    r"""Read a table from a CSV file, which may be gzipped, or from a Parquet file, or several.

    The first line of a CSV file names the columns; text is UTF-8. Numbers may have a decimal comma where the delimiter
    is ";". Empty cells, NA, N/A, NaN, null, ? and - are missing values. A column is numeric if every cell that is not
    missing is a number; otherwise it is text, and `InputEncoder` decides whether that makes sense.

    Parameters
    ----------
    path : str or path-like
        The file; or a folder of Parquet files, or a pattern such as "sales/*.parquet", where some may have no rows.
    delimiter : str, optional
        One character, "tab" or "whitespace" (any run of spaces and tabs). By default it is recognised from the first
        lines.

    Returns
    -------
    Table
        All columns, with the numbers of their rows in the file.

    Raises
    ------
    FileError
        The file is missing, empty, damaged, not UTF-8, has lines of different width, no rows, empty or repeated column
        names or more than 10,000 columns, or unpacks to more than 100 times its size; the variable
        EDGEWISE_UNPACKED_RATIO of the environment raises that limit.
    InputError
        The delimiter cannot be one.
    MissingExtraError
        The file is Parquet and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "heights.csv"
    ...     _ = path.write_text("name,height\nAda,1.65\nAlan,\n")
    ...     table = read_table(path)
    >>> table.names, table.columns["height"].tolist()
    (('name', 'height'), [1.65, nan])
    """
    # The delimiter by its name or as it is.
    if delimiter is not None:
        given = delimiter
        named = {"\\t": "\t", "tab": "\t", "whitespace": WHITESPACE, "space": WHITESPACE}
        delimiter = named.get(delimiter, delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum() or delimiter in ".-+_":
            raise InputError(
                f'delimiter must be one character such as ",", or "tab" or "whitespace", got {given!r:.40}'
            )
    # One file, or all files of a folder or a pattern that have rows.
    several = parquet_files(path)
    path = Path(path)
    if several:
        tables = [table for one in several if (table := _read_one(one, delimiter)).n_rows]
        if tables:
            return _joined(path, tables)
    elif (table := _read_one(path, delimiter)).n_rows:
        return table
    raise FileError(f"{path}: at least one row of data was expected, got column names only")


def _read_one(path: Path, delimiter: str | None) -> Table:
    """Return the table of one file; of Parquet it may be without rows."""
    with _file_errors(path):
        start = _first_bytes(path)
        if start == b"PAR1" or path.suffix.lower() in PARQUET:
            return _read_parquet(path)
        packed = start[:2] == _GZIP
        if packed:
            _check_gzip(path)

        def open_binary() -> BinaryIO:
            return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]  # reads bytes

        return read_delimited(path, open_binary, delimiter)


def _joined(path: Path, tables: list[Table]) -> Table:
    """Return the rows of several tables as one. Raises FileError where their columns differ."""
    first = tables[0]
    for table in tables:
        different = sorted({*table.names} ^ {*first.names})
        if different:
            raise FileError(
                f"{table.source}: the columns of {first.source} were expected, {different[0]!r} is in one alone"
            )
    refused = {name: words for table in tables for name, words in table.refused.items()}
    columns = {
        name: stack_cells([table.columns[name] for table in tables], name)
        for name in first.names
        if name not in refused
    }
    rows = np.arange(1, sum(table.n_rows for table in tables) + 1)
    return Table(first.names, columns, refused, rows=rows, source=str(path))


def _check_gzip(path: Path) -> None:
    """Raise FileError for a gzip file that is too large once it is unpacked, before any of it is read as a table."""
    size = 0
    with gzip.open(path, "rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            check_unpacked(path, size)


def _first_bytes(path: Path) -> bytes:
    """Return the first four bytes; FileError for files that cannot be a table, as far as these bytes show it."""
    kind = os.stat(path).st_mode
    if stat.S_ISDIR(kind):
        raise FileError(f"{path}: a CSV or Parquet file was expected, got a folder")
    if not stat.S_ISREG(kind):
        # The file is opened twice (to recognise the delimiter, then to read), which a pipe does not allow.
        raise FileError(f"{path}: a regular file was expected, got a device or pipe")
    with open(path, "rb") as file:
        start = file.read(4)
    if not start:
        raise FileError(f"{path}: a table was expected, got an empty file")
    if start == b"PK\x03\x04":
        raise FileError(f"{path}: a CSV or Parquet file was expected, got a zip archive or spreadsheet; save it as CSV")
    if path.suffix.lower() == ".gz" and start[:2] != _GZIP:
        raise FileError(f"{path}: gzipped text was expected by the name, got something else; rename the file")
    return start


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn every failure of the operating system or of gzip into a FileError that names the file."""
    try:
        yield
    except EdgewiseError:
        raise
    except MemoryError as error:
        raise FileError(f"{path}: the table does not fit into the memory") from error
    except EOFError as error:
        raise FileError(f"{path}: a complete gzip file was expected, got one that is cut short") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"{path}: a gzip file was expected, got one that is damaged") from error
    except FileNotFoundError as error:
        raise FileError(f"{path}: a CSV or Parquet file was expected, got no such file") from error
    except OSError as error:
        raise FileError(f"{path}: a file that can be read was expected, but {reason(error)}") from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise FileError(f"{str(path)!r}: the name of a file was expected, got one with a null character") from error


def _read_parquet(path: Path) -> Table:
    """Read a Parquet file of flat columns; columns of other types are not decoded."""
    # Columns of usable types, whose size is counted before they are decoded.
    names, groups = names_and_rows(path)
    with opened(path) as file:
        kinds = {field.name: arrow_refused(field.type) for field in file.schema_arrow}
    refused = {name: kinds[name] for name in names if kinds[name]}
    read = [name for name in names if name not in refused]
    rows = sum(groups)
    check_unpacked(path, NUMBER_BYTES * rows * len(read))
    size = 0
    parts: dict[str, list[np.ndarray]] = {name: [] for name in read}
    for batch in parquet_batches(path, read):
        size += decoded_bytes(batch)
        check_unpacked(path, size)
        for name, part in parts.items():
            part.append(batch.column(name))
    import pyarrow as pa  # there, as the file has been opened

    # Each column from its parts to numbers, dates or texts.
    columns = {}
    for name, part in parts.items():
        with opened(path):  # for errors in the conversion
            cells = arrow_cells(pa.chunked_array(part) if part else pa.nulls(rows))
        assert isinstance(cells, np.ndarray), "other types are refused above"
        columns[name] = cells
    return Table(tuple(names), columns, refused, rows=np.arange(1, rows + 1), source=str(path))

"""Reads a CSV or Parquet file into a Table; every problem with a file becomes one clear sentence."""

from __future__ import annotations

import glob
import gzip
import math
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgewise.errors import EdgewiseError, FileError, InputError, missing_extra
from edgewise.files import reason
from edgewise.tables.cells import stack_cells
from edgewise.tables.delimited import WHITESPACE, read_delimited, too_large
from edgewise.tables.frames import arrow_cells
from edgewise.tables.table import Table, check_column_names

PARQUET = (".parquet", ".pq")
_GZIP = b"\x1f\x8b"
# A compressed table may unpack to so many times its size, or to the floor: tables of numbers unpack to 2 to 30 times
# their size, and a file that is made to fill the memory to a thousand times.
UNPACKED_RATIO = 100
UNPACKED_FLOOR = 128 << 20
RATIO_VARIABLE = "EDGEWISE_UNPACKED_RATIO"  # variable of the environment by which users raise the limit
_DELIMITER_NAMES = {"\\t": "\t", "tab": "\t", "whitespace": WHITESPACE, "space": WHITESPACE}


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
    if delimiter is not None:
        given = delimiter
        if isinstance(delimiter, str):
            delimiter = _DELIMITER_NAMES.get(delimiter, delimiter)
        else:
            delimiter = ""
        if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum() or delimiter in ".-+_":
            raise InputError(
                f'delimiter must be one character such as ",", or "tab" or "whitespace", got {given!r:.40}'
            )
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

        def open_binary() -> BinaryIO:
            return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]  # reads bytes

        return read_delimited(path, open_binary, delimiter, _unpacked_limit(path) if packed else math.inf)


def parquet_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the Parquet files in a folder, or those that a pattern matches, in order; () for the name of one file."""
    text = os.fspath(path)
    if "\0" in text:
        return ()  # opening it raises the error
    if os.path.isdir(text):
        return tuple(one for one in sorted(Path(text).rglob("*")) if one.suffix.lower() in PARQUET and one.is_file())
    if glob.has_magic(text) and not os.path.exists(text):
        return tuple(Path(one) for one in sorted(glob.glob(text, recursive=True)))
    return ()


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


def _unpacked_limit(path: Path) -> float:
    """Return the bytes to which a compressed file may unpack."""
    text = os.environ.get(RATIO_VARIABLE, str(UNPACKED_RATIO))
    try:
        ratio = float(text)
    except ValueError:
        ratio = 0.0
    if not ratio > 1:
        raise InputError(f"{RATIO_VARIABLE} must be a number above 1, got {text!r:.40}")
    return max(ratio * path.stat().st_size, UNPACKED_FLOOR)


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
    """Read a Parquet file of flat columns, without the row index (`__index_level_0__`) that pandas may have written.

    Raises FileError for a damaged file, MissingExtraError without pyarrow.
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
            check_column_names(path, names)
            if file.metadata.num_rows * len(names) * np.dtype(np.float64).itemsize > _unpacked_limit(path):
                raise too_large(path, f"one of {file.metadata.num_rows:,} rows")
            table = file.read(columns=names)
            table.validate(full=True)
            columns: dict[str, np.ndarray] = {}
            refused: dict[str, str] = {}
            for name, column in zip(table.column_names, table.columns, strict=True):
                cells = arrow_cells(column)
                if isinstance(cells, str):
                    refused[name] = cells
                else:
                    columns[name] = cells
    except (EdgewiseError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise FileError(f"{path}: a Parquet file was expected, got one that is damaged or cut short") from error
    return Table(tuple(names), columns, refused, rows=np.arange(1, table.num_rows + 1), source=str(path))

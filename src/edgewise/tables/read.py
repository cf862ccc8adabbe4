"""A CSV or Parquet file to a Table, with one clear sentence for everything that can be wrong with a file."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewise.errors import EdgewiseError, FileError, InputError
from edgewise.files import reason
from edgewise.tables.delimited import WHITESPACE, read_delimited
from edgewise.tables.parquet import read_parquet
from edgewise.tables.table import Table

_GZIP = b"\x1f\x8b"
_SPELLED = {"\\t": "\t", "tab": "\t", "whitespace": WHITESPACE, "space": WHITESPACE}


def read_table(path: str | os.PathLike[str], *, delimiter: str | None = None) -> Table:
    """Read a table from CSV or Parquet; CSV may be gzipped.

    The first line of a CSV file names the columns. delimiter: one character, "tab" or "whitespace" (any run of spaces
    and tabs); found from the first lines if not given. Text is UTF-8. Numbers may have a decimal comma where the
    delimiter is ";". Empty cells, NA, N/A, NaN, null, ? and - are missing values. A column is numeric if every
    cell that isn't missing is a number; otherwise it is text, and `TableEncoder` decides whether that makes sense.

    Raises FileError (one sentence: the file, what was expected, what came) for a file that is missing, empty, damaged,
    ragged, without rows, not UTF-8, or has empty or repeated column names or more than 10,000 columns; InputError for a
    delimiter that can't be one; MissingExtraError for Parquet without pyarrow.
    """
    delimiter = _delimiter(delimiter)
    path = Path(path)
    with _one_sentence(path):
        start = _first_bytes(path)
        if start == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
            return read_parquet(path)
        opener = gzip.open if start[:2] == _GZIP else open
        return read_delimited(path, lambda: opener(path, "rb"), delimiter)


def _delimiter(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    one = _SPELLED.get(delimiter, delimiter) if isinstance(delimiter, str) else ""
    if len(one) != 1 or one in '"\r\n\0' or one.isalnum() or one in ".-+_":
        raise InputError(
            f'delimiter must be one character such as ",", or "tab" or "whitespace", got {delimiter!r:.40}'
        )
    return one


def _first_bytes(path: Path) -> bytes:
    """The first four bytes; FileError for files that can't be a table, as far as that can be told from them."""
    kind = os.stat(path).st_mode
    if stat.S_ISDIR(kind):
        raise FileError(f"{path}: a CSV or Parquet file was expected, got a folder")
    if not stat.S_ISREG(kind):
        # The file is opened twice (to find the delimiter, then to read), which a pipe does not allow.
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
def _one_sentence(path: Path) -> Iterator[None]:
    """Turns every failure of the operating system or of gzip into a FileError that names the file."""
    try:
        yield
    except EdgewiseError:
        raise
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

"""Parquet files in batches, whose size is counted before their texts are made."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewise.errors import EdgewiseError, FileError, missing_extra
from edgewise.settings import rows_at_once
from edgewise.tables.frames import is_text
from edgewise.tables.table import check_column_names, check_unpacked

PARQUET = (".parquet", ".pq")
BATCH_ROWS = rows_at_once(128)  # of a wide table; reading so many hides the cost of each call
NUMBER_BYTES = 8  # of a number, a date, or the place of a text


def parquet_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the Parquet files in a folder, or of a pattern, in order; () for the name of one file."""
    text = os.fspath(path)
    if "\0" in text:
        return ()  # opening it raises the error
    if os.path.isdir(text):
        return tuple(one for one in sorted(Path(text).rglob("*")) if one.suffix.lower() in PARQUET and one.is_file())
    if glob.has_magic(text) and not os.path.exists(text):  # a file may have brackets in its name
        return tuple(Path(one) for one in sorted(glob.glob(text, recursive=True)))
    return ()


def names_and_rows(path: Path) -> tuple[list[str], list[int]]:
    """Return the columns of a Parquet file, without an index of pandas, and the rows of each row group."""
    with opened(path) as file:
        names = [name for name in file.schema_arrow.names if not re.fullmatch(r"__index_level_\d+__", name)]
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    # Names are checked before the data are read: a table with too many columns is refused at once.
    check_column_names(path, names)
    return names, groups


def parquet_batches(
    path: Path, columns: Sequence[str], rows: int = BATCH_ROWS, groups: Sequence[int] | None = None
) -> Iterator[Any]:
    """Yield the rows of a Parquet file, or of some of its row groups, as record batches of pyarrow.

    A batch whose cells would take more bytes than `check_unpacked` allows is a FileError. Until that is counted its
    texts stay one entry for each different text, as most files store them.
    """
    with opened(path) as file:
        texts = [field.name for field in file.schema_arrow if is_text(field.type)]
    with opened(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(rows, row_groups=groups, columns=list(columns)):
            batch.validate(full=True)
            check_unpacked(path, decoded_bytes(batch))
            yield batch


def decoded_bytes(batch: Any) -> int:
    """Return the bytes that the cells of a record batch take once each has its own text."""
    import pyarrow.compute as pc
    import pyarrow.types as is_

    size = 0
    for column in batch.columns:
        size += NUMBER_BYTES * len(column)
        if is_.is_dictionary(column.type) and is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary)
            size += pc.sum(pc.cast(lengths, "int64").take(column.indices)).as_py() or 0
    return size


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[Any]:
    """Open a Parquet file; FileError where it is none or is damaged, MissingExtraError without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("pyarrow", "tables", "Reading Parquet") from error
    try:
        with pq.ParquetFile(path, **options) as file:
            yield file
    except (EdgewiseError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise FileError(f"{path}: a Parquet file was expected, got no such file") from error
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise FileError(f"{path}: a Parquet file was expected, got one that is damaged or cut short") from error

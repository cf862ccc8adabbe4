"""The checks of column names that every kind of file has to pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewise.errors import FileError
from edgewise.tables.values import quoted

# A transposed or wrongly split file has more; a model with one input per column could not be trained or drawn.
MAX_COLUMNS = 10_000


def check_count(path: Path, columns: int) -> None:
    """Raise FileError for more columns than any model here can use."""
    if columns > MAX_COLUMNS:
        raise FileError(f"{path}: at most {MAX_COLUMNS:,} columns were expected, got {columns:,}; is it transposed?")


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise FileError for too many columns, none, and for empty or repeated names."""
    check_count(path, len(names))
    if not names:
        raise FileError(f"{path}: at least one column was expected, got none")
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if not name.strip():
            # What pandas writes for its row index, so often the reason that it is worth naming.
            hint = "; if it is a row index, leave it out" if i == 1 else ""
            raise FileError(f"{path}: a name for every column was expected, got an empty one for column {i}{hint}")
        if name in seen:
            raise FileError(
                f"{path}: every column must have its own name, got {quoted(name)} for columns {seen[name]} and {i}"
            )
        seen[name] = i

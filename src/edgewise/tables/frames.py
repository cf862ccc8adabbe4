"""Frames of pandas, polars and pyarrow, and arrays with text, as a Table; none of these packages is imported for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from edgewise.checks import numbered
from edgewise.errors import InputError
from edgewise.presentation import counted
from edgewise.tables.cells import are_codes, numbers, quoted, texts
from edgewise.tables.table import MAX_COLUMNS, Table


def is_frame(data: object) -> bool:
    """Return whether the object is a Table or a frame of pandas, polars or pyarrow.

    Examples
    --------
    >>> is_frame([[1, 2]])
    False
    """
    return isinstance(data, Table) or (
        type(data).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow")
        and type(data).__name__ in ("DataFrame", "LazyFrame", "Table", "RecordBatch")
    )


def frame_table(data: Any, argument: str = "X") -> Table:
    """Return a frame as a Table.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame, pyarrow.Table, pyarrow.RecordBatch or Table
        The frame; it is not changed.
    argument : str
        The name that error messages give it.

    Returns
    -------
    Table
        Numbers as float64, text, categories and booleans as text, dates as datetime64; columns of other kinds are
        listed as refused.

    Raises
    ------
    InputError
        It is no frame, or has no columns, no rows, or two columns of one name.

    Examples
    --------
    >>> import pandas
    >>> table = frame_table(pandas.DataFrame({"a": [1, 2], "city": ["Bonn", None]}))
    >>> table.names, table.columns["city"].tolist()
    (('a', 'city'), ['Bonn', None])
    """
    if isinstance(data, Table):
        return data
    if not is_frame(data):
        raise InputError(f"{argument} must be a frame of pandas, polars or pyarrow, got {type(data).__name__}")
    package = type(data).__module__.partition(".")[0]
    if type(data).__name__ == "LazyFrame":
        data = data.collect()
    if package == "pyarrow":
        names = list(data.schema.names)
        _check_shape(names, data.num_rows, argument)
        return _table(names, [arrow_cells(data.column(i)) for i in range(len(names))], argument)
    # Columns of pandas and polars, each by its dtype.
    names = [str(name) for name in data.columns]
    _check_shape(names, len(data), argument)
    if package == "pandas":
        cells = [_pandas_cells(data.iloc[:, i]) for i in range(len(names))]
    else:
        cells = [_polars_cells(data[name]) for name in data.columns]
    return _table(names, cells, argument)


def array_table(data: Any) -> Table:
    """Return an array of shape (N, d) with text or objects as a Table with columns x1, x2, ..."""
    data = np.asarray(data, dtype=object)
    if data.ndim != 2:
        raise InputError(f"X must have two dimensions, rows and columns, got shape {data.shape}")
    names = numbered("x", data.shape[1])
    _check_shape(names, len(data), "X")
    return _table(names, [object_cells(column) for column in data.T], "X")


def is_text(kind: Any) -> bool:
    """Return whether a type of pyarrow is text, in any of its layouts."""
    return str(kind) in ("string", "large_string", "string_view")


def arrow_refused(kind: Any) -> str:
    """Return the name of a type of pyarrow that no model can use, "" for the others."""
    import pyarrow.types as is_

    if is_.is_time(kind):
        return "times of day"
    tests = (is_.is_dictionary, is_.is_temporal, is_.is_boolean, is_.is_integer, is_.is_floating, is_.is_decimal)
    if any(test(kind) for test in tests) or is_.is_null(kind) or is_text(kind):
        return ""
    return f"values of type {kind}"


def arrow_cells(column: Any) -> np.ndarray | str:
    """Return the cells of a column of pyarrow, or the name of its type if no model can use that type."""
    import pyarrow.types as is_

    kind = column.type
    if is_.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    refused = arrow_refused(kind)
    if refused:
        return refused
    # Dates and times as microseconds, numbers as float64, everything else cell by cell.
    if is_.is_date(kind) or is_.is_timestamp(kind):
        column = column.cast("timestamp[us]", safe=False).cast("int64")
        missing = column.is_null().to_numpy(zero_copy_only=False)
        times = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False)).astype("datetime64[us]")
        times[missing] = np.datetime64("NaT")
        return times
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind) or is_.is_null(kind):
        return np.asarray(column.cast("float64", safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    return object_cells(column.to_pylist())


def object_cells(cells: Sequence[Any] | np.ndarray) -> np.ndarray | str:
    """Return cells of mixed Python objects as numbers, dates or text, or the name of a type that no model can use."""
    known = [None if _is_missing(cell) else cell for cell in cells]
    kinds = {type(cell) for cell in known if cell is not None}
    # The kind that all known cells have, in order of preference: numbers, dates, durations, texts.
    if all(issubclass(kind, Real | Decimal | np.number) and kind is not bool for kind in kinds):
        return _converted(known, _as_float, np.full(len(known), np.nan))
    if all(issubclass(kind, date | np.datetime64) for kind in kinds):
        return _converted(known, _in_utc, np.full(len(known), "NaT", dtype="datetime64[us]"))
    if all(issubclass(kind, timedelta) for kind in kinds):
        return _converted(known, lambda duration: duration / timedelta(days=1), np.full(len(known), np.nan))
    if all(issubclass(kind, time) for kind in kinds):
        return "times of day"
    if any(issubclass(kind, list | dict | set | tuple | bytes | np.ndarray) for kind in kinds):
        return f"values of type {sorted(kind.__name__ for kind in kinds)[0]}"
    return _text_or_numbers(_converted(known, str, np.full(len(known), None, dtype=object)).tolist())


def _converted(cells: Sequence[Any], convert: Callable[[Any], Any], out: np.ndarray) -> np.ndarray:
    """Return an array of missing values with the known cells converted, in their places."""
    for place, cell in enumerate(cells):
        if cell is not None:
            out[place] = convert(cell)
    return out


def _in_utc(moment: Any) -> Any:
    """Return a date or time without its zone; times of a zone become those of UTC."""
    if isinstance(moment, datetime) and moment.utcoffset() is not None:
        return moment.astimezone(UTC).replace(tzinfo=None)
    return moment


def _as_float(cell: Any) -> float:
    """Return a number as float64; an integer beyond it is infinite, which is refused with its row."""
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf


def _text_or_numbers(cells: Sequence[str | None]) -> np.ndarray:
    """Return text, or the numbers that all cells are: the same rules as for CSV."""
    if are_codes(cells):
        return texts(cells)
    values = numbers([cell or "" for cell in cells])
    if values is None:
        return texts(cells)
    return values


def _pandas_cells(column: Any) -> np.ndarray | str:
    kind = str(column.dtype)
    if kind == "category":
        # A category of numbers stays one, since the user made it one; 3.0 and 3 are one level.
        levels = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in column.tolist()]
        return texts([None if _is_missing(level) else str(level) for level in levels])
    if kind in ("bool", "boolean", "bool[pyarrow]"):
        return texts([None if _is_missing(cell) else str(cell) for cell in column.tolist()])
    # Moments in UTC, durations in days, periods by their first moment.
    if kind.startswith("datetime64") or kind.startswith("timestamp"):
        if column.dt.tz is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return np.asarray(column.to_numpy(dtype="datetime64[us]"))
    if kind.startswith("timedelta64"):
        return np.asarray(column.to_numpy(dtype="timedelta64[us]") / np.timedelta64(1, "D"), dtype=np.float64)
    if kind.startswith("period"):
        return np.asarray(column.dt.to_timestamp().to_numpy(dtype="datetime64[us]"))
    if kind.startswith("complex"):
        return "complex numbers"
    # Numbers with NaN for missing ones; anything else by the objects in its cells.
    if getattr(column.dtype, "kind", "O") in "iuf":
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return object_cells(column.tolist())


def _polars_cells(column: Any) -> np.ndarray | str:
    kind = str(column.dtype)
    if column.dtype.is_numeric():
        return np.asarray(column.cast(float).to_numpy(), dtype=np.float64)
    if column.dtype.is_nested() or kind in ("Binary", "Object"):
        return f"values of type {kind.partition('(')[0]}"
    if kind.startswith(("Categorical", "Enum")):  # of numbers they stay categories, since the user made them such
        return texts(column.to_list())
    return object_cells(column.to_list())


def _is_missing(cell: object) -> bool:
    # NaN and NaT differ from themselves; pandas.NA answers that question with itself, so its name has to do.
    return (
        cell is None
        or type(cell).__name__ in ("NAType", "NaTType")
        or (isinstance(cell, float | np.floating | np.datetime64 | Decimal) and bool(cell != cell))
    )


def _check_shape(names: Sequence[str], rows: int, argument: str) -> None:
    if not names:
        raise InputError(f"{argument} must have at least one column, got none")
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{argument} must have at most {counted(MAX_COLUMNS, 'column')}, got {len(names):,}")
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"{argument} must have columns of different names, got {quoted(twice)} twice")
    if rows == 0:
        raise InputError(f"{argument} must have at least one row, got none")


def _table(names: Sequence[str], cells: Sequence[np.ndarray | str], argument: str) -> Table:
    columns = {name: column for name, column in zip(names, cells, strict=True) if not isinstance(column, str)}
    refused = {name: column for name, column in zip(names, cells, strict=True) if isinstance(column, str)}
    rows = max((len(column) for column in columns.values()), default=1)
    return Table(tuple(names), columns, refused, rows=np.arange(1, rows + 1), source=argument)

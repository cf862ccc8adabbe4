"""Checks of the targets of a fit: finite numbers that suit the loss, in the order of the rows of X."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.errors import InputError, warn_caller
from edgewise.gam.families import Family
from edgewise.presentation import number_text
from edgewise.tables import Table


def numeric_targets(y: Any, family: Family) -> Any:
    """Return targets (N,) or (N, out) as numbers, those in text read; other objects are returned as they are.

    InputError for a cell that is no number, is not finite, or lies outside the domain of the family; the message names
    the row.
    """
    cells = np.asarray(y)
    if cells.ndim not in (1, 2) or cells.size == 0:
        return y
    if cells.dtype.kind == "c":
        raise InputError(f"y must hold real numbers, got {cells.flat[0]} in row 1 (Complex data not supported)")
    read = _numbers(cells) if cells.dtype.kind in "UOS" else cells
    if read.dtype.kind not in "fiub":
        return y
    check_finite(read, "y")
    outside = np.zeros(read.shape, dtype=bool)
    if family.positive:
        outside = read <= 0
    elif family.nonnegative:
        outside = read < 0
    if outside.any():
        place = np.argwhere(outside)[0]
        kind = "positive" if family.positive else "at least 0"
        raise InputError(
            f"y must be {kind} for loss={family.name!r}, got {read[tuple(place)]} in row {place[0] + 1}, counted from 1"
        )
    return y if read is cells else read


def check_finite(cells: np.ndarray, name: str) -> None:
    """Raise InputError for the first number of an array that is NaN or infinite."""
    if cells.dtype.kind == "f" and not np.isfinite(cells).all():
        place = np.argwhere(~np.isfinite(cells))[0]
        raise InputError(
            f"{name} must hold finite numbers, got {cells[tuple(place)]} in row {place[0] + 1}, counted from 1"
        )


def warn_of_other_order(X: Any, y: Any) -> None:
    """Warn where the indexes of two pandas objects have the same labels in another order."""
    first: Any = getattr(X, "index", None)
    second: Any = getattr(y, "index", None)
    if not hasattr(first, "equals") or not hasattr(second, "equals") or len(first) != len(second):
        return
    if first.equals(second) or not (first.is_unique and second.is_unique):
        return
    if len(first.union(second, sort=False)) == len(first):
        warn_caller(
            "y has the index of X in another order: rows are matched by their position, not by their label; "
            "y.loc[X.index] has the order of X"
        )


def warn_of_constant(y: Any) -> None:
    """Warn where a target of more than one row is the same in all of them: there is nothing to learn."""
    cells = np.asarray(y)
    if cells.dtype.kind not in "fiub" or cells.ndim != 1 or len(cells) < 2 or (cells != cells[0]).any():
        return
    warn_caller(
        f"y is {number_text(float(cells[0]))} in all {len(cells):,} rows: there is nothing to learn, and a score means "
        "nothing"
    )


def warn_of_target_among_inputs(table: Table, names: Sequence[str], y: Any) -> None:
    """Warn where a column of the inputs is the target itself, with its name and its values."""
    cells = np.asarray(y)
    for name in names if cells.ndim == 1 else ():
        column = table.columns.get(name)
        if column is not None and np.array_equal(column, cells.astype(str) if column.dtype.kind == "O" else cells):
            warn_caller(
                f"X has the target {name!r} among its columns, so the model can read the answer: leave the column out "
                "of X"
            )


def _numbers(cells: np.ndarray) -> np.ndarray:
    """Return cells, of which some are text, as float64. Raises InputError for the first that is no number."""
    has_text = cells.dtype.kind in "US" or any(isinstance(cell, str) for cell in cells.flat)
    values = np.empty(cells.shape)
    for place in np.ndindex(cells.shape):
        cell = cells[place]
        try:
            values[place] = float(cell)
        except (TypeError, ValueError):
            if not has_text:  # other objects, None among them, are refused by scikit-learn in its own words
                return cells
            shown = repr(cell.item() if isinstance(cell, np.generic) else cell)[:80]
            raise InputError(
                f"y must hold numbers, got {shown} in row {place[0] + 1}, counted from 1; "
                "KANClassifier predicts classes"
            ) from None
    return values

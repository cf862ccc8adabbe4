"""Interpretation of the text of one cell: a missing value, a number, a date or plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# Compared without surrounding spaces and in lower case. "none" is not among them: it is a common category.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "?", "-"})

_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[ap]m)?(\s*(z|utc|[+-]\d{2}:?\d{2}))?"
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\d{{4}}[-/.]{_DAY}([-/.]{_DAY})?([t ]\s*{_CLOCK})?"  # 2024-05-31, 2024/05/31, 2024-05, with or without a time
    rf"|{_DAY}(?P<mark>[-/.]){_DAY}(?P=mark)(\d{{4}}|\d{{2}})([t ]\s*{_CLOCK})?"  # 31.05.2024, 05/31/24
    rf"|{_DAY}[- ]{_MONTH}[- ,]+(\d{{4}}|\d{{2}})"  # 31 May 2024, 31-May-24
    rf"|{_MONTH}\s+{_DAY},?\s+\d{{4}}"  # May 31, 2024
    rf"|{_CLOCK}",
    re.IGNORECASE,
)


def quoted(text: object) -> str:
    """Return a name or a cell for an error message: in quotes, on one line, at most 40 characters."""
    text = str(text)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def is_date(text: str) -> bool:
    """Return whether a cell is a date, a time of day or both."""
    return len(text) < 60 and _DATE.fullmatch(text.strip()) is not None


def number(text: str, decimal: str = ".") -> float | None:
    """Return the number in a cell, NaN for a missing value, None for any other text."""
    text = text.strip()
    if text.lower() in MISSING:
        return float("nan")
    if decimal == ",":
        # Both marks in one file mean a separator of thousands, and a guess could be wrong by a factor of a thousand.
        text = "x" if "." in text else text.replace(",", ".")
    if "_" in text or not text.isascii():  # float() would accept 1_000 and the digits of other scripts
        return None
    try:
        return float(text)
    except ValueError:
        return None


def numbers(cells: Sequence[str], decimal: str = ".") -> np.ndarray | None:
    """Return the numbers in several cells, float64 with NaN for missing values; None if any cell is other text."""
    if decimal == ".":
        joined = "".join(cells)
        if joined.isascii() and "_" not in joined:
            try:
                return np.fromiter(map(float, cells), np.float64, len(cells))
            except ValueError:
                pass  # a missing value or text: cell by cell below
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        value = number(cell, decimal)
        if value is None:
            return None
        values[i] = value
    return values


def texts(cells: Sequence[str | None]) -> np.ndarray:
    """Return the cells of a text column without surrounding spaces, an object array with None for missing values."""
    stripped = [None if cell is None else cell.strip() for cell in cells]
    # Where "+" is a value, "-" is its opposite and not a missing value.
    minus_is_missing = "+" not in stripped
    shared: dict[str, str] = {}  # one object per distinct text: columns of few categories stay small
    out = np.empty(len(stripped), dtype=object)  # filled with None
    for i, cell in enumerate(stripped):
        if cell is not None and (cell.lower() not in MISSING or (cell == "-" and not minus_is_missing)):
            out[i] = shared.setdefault(cell, cell)
    return out

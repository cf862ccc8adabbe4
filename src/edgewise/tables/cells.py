"""Interpretation of the text of one cell: a missing value, a number, a date or plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Literal

import numpy as np

from edgewise.errors import InputError
from edgewise.escaping import reads_as_number

Mark = Literal["", ",", "."]
"""The decimal mark of numbers that a table has as text; "" for others."""

# Compared without surrounding spaces and in lower case. "none" is not among them: it is a common category.
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "?", "-"})


@cache
def _date_form() -> re.Pattern[str]:
    """A date, a time of day or both."""
    clock = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[ap]m)?(\s*(z|utc|[+-]\d{2}:?\d{2}))?"
    day = r"(0?[1-9]|[12]\d|3[01])"
    month = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
    return re.compile(
        rf"\d{{4}}[-/.]{day}([-/.]{day})?([t ]\s*{clock})?"  # 2024-05-31, 2024/05/31, 2024-05, with or without a time
        rf"|{day}(?P<mark>[-/.]){day}(?P=mark)(\d{{4}}|\d{{2}})([t ]\s*{clock})?"  # 31.05.2024, 05/31/24
        rf"|{day}[- ]{month}[- ,]+(\d{{4}}|\d{{2}})"  # 31 May 2024, 31-May-24
        rf"|{month}\s+{day},?\s+\d{{4}}"  # May 31, 2024
        rf"|{clock}",
        re.IGNORECASE,
    )


_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:[tT ]\s*(.+))?")
# Signs of numbers as text: of currencies, between thousands.
_SIGNS = r"(?:€|\$|£|¥|₹|%|EUR|USD|GBP|CHF)"
_SPACES = " '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{RIGHT SINGLE QUOTATION MARK}"


@cache
def _number_form(mark: str) -> re.Pattern[str]:
    """A number as text, by its decimal mark: 1.234.001,50 and 1 234,5 with a comma; 1,234,001.50 with a dot."""
    other = {",": ".", ".": ","}[mark]
    minus = "\N{MINUS SIGN}"
    return re.compile(
        rf"(?:{_SIGNS}\s*)?[-+{minus}]?(?:{_SIGNS}\s*)?"
        rf"(?:(?:[1-9][0-9]{{0,2}}(?:[{other}{_SPACES}][0-9]{{3}})+|0|[1-9][0-9]*)(?:[{mark}][0-9]+)?|[{mark}][0-9]+)"
        rf"(?:e[-+]?[0-9]+)?(?:\s*{_SIGNS})?",
        re.IGNORECASE,
    )


def quoted(text: object) -> str:
    """Return a name or a cell for an error message: in quotes, on one line, at most 40 characters."""
    text = str(text)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def is_date(text: str) -> bool:
    """Return whether a cell is a date, a time of day or both."""
    return len(text) < 60 and _date_form().fullmatch(text.strip()) is not None


def number(text: str, decimal: str = ".") -> float | None:
    """Return the number in a cell, NaN for a missing value, None for any other text."""
    text = text.strip()
    if text.lower() in MISSING:
        return float("nan")
    if decimal == ",":
        # Both marks in one file mean a separator of thousands, and a guess could be wrong by a factor of a thousand.
        if "." in text:
            return None
        text = text.replace(",", ".")
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


def parse_dates(cells: np.ndarray, *, day_first: bool | None = None) -> np.ndarray | None:
    """Return the dates (n,) in the cells of a text column, or None where they cannot be read without a guess."""
    # The order of day and month in 3/4/2024 follows from the cells with a number above 12; where there is none, and for
    # years of two digits and times without a day, the answer is None. With `day_first` another order is no date. A date
    # with dots is day.month.year. Times with an offset are converted to UTC; a month without a day is its first.
    # Missing cells, None, become NaT.
    known = {cell for cell in cells if cell is not None}
    order = bool(day_first)
    if day_first is None:
        slashed = _slashed(known)
        order = any(int(match[1]) > 12 for match in slashed)
        if slashed and order == any(int(match[3]) > 12 for match in slashed):
            return None
    parsed = {cell: _parse_date(cell, order) for cell in known}
    if any(date is None for date in parsed.values()):
        return None
    return np.array([np.datetime64("NaT") if cell is None else parsed[cell] for cell in cells], dtype="datetime64[us]")


def days_come_first(cells: np.ndarray) -> bool | None:
    """Whether the day comes before the month in dates such as 31/5/2024; None without such dates."""
    slashed = _slashed({cell for cell in cells if cell is not None})
    if slashed:
        return any(int(match[1]) > 12 for match in slashed)
    return None


def _slashed(texts: set[str]) -> list[re.Match[str]]:
    """Return the dates such as 31/5/2024 and 31-5-2024; those with dots have the day first."""
    return [match for match in map(_YEAR_LAST.fullmatch, texts) if match and match[2] != "."]


def _parse_date(text: str, day_first: bool) -> datetime | None:
    """Return the date and time of one cell without its time zone; None for a cell that holds no date."""
    # The day, in one of four notations.
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    number_of_month = {name: number for number, name in enumerate(months, 1)}
    clock: str | None = None
    if match := re.fullmatch(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[tT ]\s*(.+))?", text):
        year = int(match[1])
        month = int(match[2])
        day = int(match[3] or 1)
        clock = match[4]
    # Day and month before the year, in the order of the column.
    elif match := _YEAR_LAST.fullmatch(text):
        first = int(match[1])
        second = int(match[3])
        year = int(match[4])
        clock = match[5]
        day = second
        month = first
        if day_first or match[2] == ".":
            day = first
            month = second
    # Months by name, after or before the day.
    elif match := re.fullmatch(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*\.?[- ,]+(\d{4})", text):
        day = int(match[1])
        month = number_of_month.get(match[2].lower(), 0)
        year = int(match[3])
    elif match := re.fullmatch(r"([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{4})", text):
        month = number_of_month.get(match[1].lower(), 0)
        day = int(match[2])
        year = int(match[3])
    else:
        return None
    # The time of day, with its zone.
    hour = minute = second = micro = 0
    zone = None
    if clock is not None:
        form = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?:\s*([ap])m)?(?:\s*(z|utc|[+-]\d{2}:?\d{2}))?"
        time = re.fullmatch(form, clock.strip(), re.IGNORECASE)
        if time is None:
            return None
        hour = int(time[1])
        minute = int(time[2])
        second = int(time[3] or 0)
        micro = int((time[4] or "0")[:6].ljust(6, "0"))
        zone = time[6]
        if time[5]:
            hour = hour % 12 + 12 * (time[5].lower() == "p")
    # The date in UTC.
    try:
        date = datetime(year, month, day, hour, minute, second, micro)
    except ValueError:
        return None
    if zone is None or zone.lower() in ("z", "utc"):
        return date
    # Zones with an offset.
    offset = datetime.strptime(zone.replace(":", ""), "%z").tzinfo
    try:
        return date.replace(tzinfo=offset).astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # the first or last day of the calendar
        return date


def marked_number(text: str, mark: str) -> float | None:
    """Return the number in a cell whose decimal mark is "," or ".", None for other text."""
    text = text.strip()
    if len(text) > 40 or not _number_form(mark).fullmatch(text):
        return None
    between_thousands = "." if mark == "," else ","
    plain = re.sub(rf"{_SIGNS}|[{_SPACES}{between_thousands}]", "", text, flags=re.IGNORECASE)
    return float(plain.replace(mark, ".").replace("\N{MINUS SIGN}", "-"))


def decimal_mark(cells: Iterable[str | None]) -> Mark:
    """Return the decimal mark of a text column in which every cell is a number under one convention, else ""."""
    # Where both fit, as for 1,234 in all cells, the marks stand between thousands. Columns of plain numbers, which
    # Python reads as they are, have no mark to find.
    known = {cell for cell in cells if cell is not None}
    if not known or all(map(reads_as_number, known)):
        return ""
    marks: tuple[Mark, ...] = (",", ".")
    fits = [mark for mark in marks if all(marked_number(cell, mark) is not None for cell in known)]
    if len(fits) == 1:
        return fits[0]
    # Both conventions fit all cells: the one mark that they have stands between thousands.
    commas = any("," in cell for cell in known)
    dots = any("." in cell for cell in known)
    if not fits or (commas and dots):
        return ""
    return "," if dots else "."


def convention(mark: str, cells: Iterable[str | None]) -> str:
    """Return the convention of some cells in words, such as "decimal commas"."""
    text = "".join(cell for cell in cells if cell is not None)
    if mark == ",":
        if "," in text:
            return "decimal commas"
        return "dots between thousands"
    if "," in text:
        return "commas between thousands"
    return "signs or spaces beside the digits"


def are_codes(cells: Iterable[str | None]) -> bool:
    """Return whether cells are codes of digits: all of one length of three or more, and some with a zero in front."""
    length = 0
    zero = False
    for cell in cells:
        text = (cell or "").strip()
        if not text:
            continue
        # Three digits at least: 01 to 12 are months, and 00 to 23 hours, whose order matters.
        if not re.fullmatch("[0-9]{3,}", text) or (length and len(text) != length):
            return False
        length = len(text)
        zero = zero or text[0] == "0"
    return zero


def stack_cells(parts: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Return the cells of parts of a column as one array; those of a part without any value take the kind of others."""
    # The one kind of all parts with a value; a part without any is filled with its missing value.
    kinds = {part.dtype.kind for part in parts if not missing(part).all()} or {parts[0].dtype.kind}
    if len(kinds) > 1 and kinds & {"O", "M"}:
        raise InputError(f"{quoted(name)} must hold values of one kind everywhere, got several kinds")
    kind = kinds.pop()
    empty = {"O": np.array(None, dtype=object), "M": np.array("NaT", dtype="datetime64[us]")}.get(
        kind, np.array(np.nan)
    )
    same = list(parts)
    for place, part in enumerate(parts):
        # Numbers of several precisions are of one kind.
        is_number = part.dtype.kind not in "OM"
        if part.dtype.kind != kind and not (is_number and kind not in "OM"):
            same[place] = np.broadcast_to(empty, part.shape)
    return np.concatenate(same)


def missing(cells: np.ndarray) -> np.ndarray:
    """Return which cells of an array are missing, in its shape: None, NaN and NaT."""
    if cells.dtype.kind == "O":
        return np.array([cell is None or cell != cell for cell in cells.ravel()], dtype=bool).reshape(cells.shape)
    if cells.dtype.kind == "M":
        return np.isnat(cells)
    if cells.dtype.kind == "f":
        return np.isnan(cells)
    return np.zeros(cells.shape, dtype=bool)

"""Numbers that are written with decimal commas, marks between thousands, or signs of a currency, as text of a table.

A column is read in this way only if one convention fits every cell; codes such as 01003 stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SIGNS = r"(?:€|\$|£|¥|₹|%|EUR|USD|GBP|CHF)"
_SPACES = " '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{RIGHT SINGLE QUOTATION MARK}"
_MINUS = "\N{MINUS SIGN}"
# By the decimal mark: 1.234.001,50 and 1 234,5 with a comma; 1,234,001.50 with a dot.
_FORMS = {
    mark: re.compile(
        rf"(?:{_SIGNS}\s*)?[-+{_MINUS}]?(?:{_SIGNS}\s*)?"
        rf"(?:(?:[1-9][0-9]{{0,2}}(?:[{other}{_SPACES}][0-9]{{3}})+|0|[1-9][0-9]*)(?:[{mark}][0-9]+)?|[{mark}][0-9]+)"
        rf"(?:e[-+]?[0-9]+)?(?:\s*{_SIGNS})?",
        re.IGNORECASE,
    )
    for mark, other in ((",", "."), (".", ","))
}
_CODE = re.compile(r"[0-9]+")
SHORTEST_CODE = 3  # digits; a choice: 01 to 12 are months, and 00 to 23 hours, whose order says something
LONGEST_NUMBER = 40  # characters of a cell that is tried as a number; a choice


def marked_number(text: str, mark: str) -> float | None:
    """Return the number in a cell whose decimal mark is "," or ".", None for other text.

    Examples
    --------
    >>> marked_number("€ 1.234.001,50", ","), marked_number("1,234", "."), marked_number("1,234.5", ",")
    (1234001.5, 1234.0, None)
    """
    text = text.strip()
    if len(text) > LONGEST_NUMBER or not _FORMS[mark].fullmatch(text):
        return None
    plain = re.sub(rf"{_SIGNS}|[{_SPACES}{'.' if mark == ',' else ','}]", "", text, flags=re.IGNORECASE)
    return float(plain.replace(mark, ".").replace(_MINUS, "-"))


def decimal_mark(cells: Iterable[str | None]) -> str:
    """Return the decimal mark of a text column in which every cell is a number under one convention, else "".

    Where both fit, as for 1,234 in all cells, the marks stand between thousands. Columns of plain numbers, which Python
    reads as they are, have no mark to find.

    Examples
    --------
    >>> decimal_mark(["127,5", None, "1.000,2"]), decimal_mark(["1,234", "950"]), decimal_mark(["1,5", "1.5"])
    (',', '.', '')
    """
    known = {cell for cell in cells if cell is not None}
    if not known or all(_is_plain(cell) for cell in known):
        return ""
    fits = [mark for mark in _FORMS if all(marked_number(cell, mark) is not None for cell in known)]
    if len(fits) < 2:
        return fits[0] if fits else ""
    commas, dots = (any(mark in cell for cell in known) for mark in ",.")
    if commas and dots:
        return ""
    return "," if dots else "."


def convention(mark: str, cells: Iterable[str | None]) -> str:
    """Return the convention of some cells in words, such as "decimal commas"."""
    text = "".join(cell for cell in cells if cell is not None)
    if mark == ",":
        return "decimal commas" if "," in text else "dots between thousands"
    return "commas between thousands" if "," in text else "signs or spaces beside the digits"


def are_codes(cells: Iterable[str | None]) -> bool:
    """Return whether cells are codes of digits: all of one length of three or more, and some with a zero in front.

    Examples
    --------
    >>> are_codes(["01003", "52062"]), are_codes(["01", "12"]), are_codes(["0123", "7"])
    (True, False, False)
    """
    length, zero = 0, False
    for cell in cells:
        text = "" if cell is None else cell.strip()
        if not text:
            continue
        if not _CODE.fullmatch(text) or len(text) < SHORTEST_CODE or (length and len(text) != length):
            return False
        length, zero = len(text), zero or text[0] == "0"
    return zero


def _is_plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

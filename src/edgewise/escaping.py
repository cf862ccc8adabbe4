r"""One escaping function for each medium that shows texts of a user: column names, categories, class names.

Such texts come from files that anybody may have written. Each function returns a text that its medium shows and never
runs: HTML and SVG as `html_text`, LaTeX as `latex_text`, terminals as `terminal_line`, spreadsheets as `csv_cell`, C as
`c_string` and `c_comment`, Python as `python_comment` (and `repr` for strings), the file system as `file_name`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

# Characters that begin a formula in spreadsheets: OWASP, "CSV Injection",
# https://owasp.org/www-community/attacks/CSV_Injection.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def printable_text(value: object, kept: str = "") -> str:
    r"""Return a text, or that of an object, in which every character that cannot be printed is the replacement mark."""
    replacement = "\N{REPLACEMENT CHARACTER}"
    # Such are most control characters, surrogates, and marks that change the direction of writing.
    return "".join(c if c.isprintable() or c in kept else replacement for c in str(value))


def printable_line(value: object) -> str:
    r"""Return `printable_text` on one line, with single spaces between its words."""
    return printable_text(" ".join(str(value).split()))


def html_text(value: object) -> str:
    """Return a text for HTML or SVG, as content or within quotes."""
    return html.escape(printable_text(value, kept="\n\t"))


def latex_text(value: object) -> str:
    r"""Return one line of LaTeX that prints a text in math mode, within ``\mathrm``."""
    # TeX reads ^^5c as a backslash wherever ^ has its usual category, so ^ must never stand twice in a row. These
    # commands of math mode print the characters that have no escape; LaTeX, KaTeX and MathJax know them.
    escapes = {letter: "\\" + letter for letter in "#$%&_{}"} | {
        "\\": r"{\backslash}",
        "^": r"{\wedge}",
        "~": r"{\sim}",
        " ": r"\ ",
    }
    return "".join(escapes.get(c, c) for c in printable_line(value))


def latex_comment(value: object) -> str:
    """Return a text as one line that may follow % in LaTeX."""
    # ^^M would end the line of the comment.
    return re.sub(r"\^(?=\^)", "^ ", printable_line(value))


def terminal_line(value: object) -> str:
    r"""Return a text as one line that cannot control a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def csv_cell(value: object) -> str:
    """Return a text that spreadsheets show instead of running it as a formula; numbers stay as they are."""
    # An apostrophe in front of the first character makes a spreadsheet take the cell as text.
    text = str(value)
    if not text.startswith(FORMULA_STARTS) or reads_as_number(text):
        return text
    return "'" + text


def csv_cells(values: Iterable[object]) -> list[str]:
    """Return `csv_cell` of every value."""
    return [csv_cell(value) for value in values]


def reads_as_number(text: str) -> bool:
    """Return whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def c_string(value: str) -> str:
    r"""Return a C string of a text's UTF-8 bytes, with octal escapes, since these end after three digits."""
    data = value.encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data) + '"'


def c_comment(value: object) -> str:
    """Return one line for a comment of C, in which neither its end nor a continued line can stand."""
    return re.sub(r"[^ -~]|\*/|/\*|[\\?]", lambda match: "_" * len(match[0]), str(value))


def python_comment(value: object) -> str:
    """Return one line for a comment of Python: what could end the line or cannot be stored is escaped."""
    return terminal_line(value)


def file_name(value: object, taken: Sequence[str] = ()) -> str:
    """Return a name that every file system takes, without folders, other than the names that are taken."""
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names of devices on Windows
    # At most 100 characters: file systems allow 255 bytes, and a number may follow.
    plain = unicodedata.normalize("NFC", str(value))
    name = re.sub(r"[^\w.\-]+", "_", plain).strip(".")[:100] or "_"
    if reserved.fullmatch(name):
        name = f"_{name}"
    others = {each.casefold() for each in taken}
    number = 1
    first = name
    while name.casefold() in others:
        number += 1
        name = f"{first}_{number}"
    return name

"""Delimited text (CSV and its relatives) to a Table, in a few passes over the file and in bounded memory.

The csv module of the standard library splits the lines. The delimiter is recognised here: on 2,000 random tables whose
texts hold apostrophes, commas and spaces, `csv.Sniffer` named a wrong delimiter for 685, `_delimiter_of` never did.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgewise.errors import FileError
from edgewise.presentation import counted
from edgewise.settings import rows_at_once
from edgewise.tables.cells import are_codes, number, numbers, quoted, texts
from edgewise.tables.table import Table, check_column_count, check_column_names

WHITESPACE = " "
_CANDIDATES = (",", ";", "\t", "|")  # in the order of preference
_LONGEST_LINE = 64 << 20  # bytes: the widest table allowed has lines of a few hundred thousand
_MOST_BLANK = 1_000_000  # more blank lines than others
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # the line ends of old Macintosh files too


def read_delimited(path: Path, open_binary: Callable[[], BinaryIO], delimiter: str | None) -> Table:
    """Read delimited text; a text that is no table is a FileError, see `read_table`.

    `path` is for messages, `open_binary` opens the (unpacked) file afresh, and a delimiter of None is recognised from
    the first lines.
    """
    with open_binary() as raw:
        # The header by itself first: a line of 100,000 names is refused before any more is read.
        lines = (line for line in _decoded(path, raw) if line.strip())
        head = list(islice(lines, 1))
        if not head:
            raise FileError(f"{path}: a table was expected, got an empty file")
        candidates = _CANDIDATES if delimiter is None else (delimiter,)
        check_column_count(path, max(head[0].count(candidate) + 1 for candidate in candidates))
        # A hundred lines show the delimiter and the decimal mark.
        sample = head + list(islice(lines, 100))
    if delimiter is None:
        delimiter = _delimiter_of(sample)
    # With semicolons between the cells, decimal commas are more likely where more cells have them than dots.
    decimal = "."
    if delimiter == ";":
        cells = [cell.strip() for line in sample[1:] for cell in line.split(";")]
        commas = sum(re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", cell, re.IGNORECASE) is not None for cell in cells)
        if commas > sum("." in cell and number(cell) is not None for cell in cells):
            decimal = ","
    as_text: set[int] = set()
    while True:
        with open_binary() as raw:
            names, columns, late = _read_columns(path, _decoded(path, raw), delimiter, decimal, as_text)
        if not late:
            return Table(names, dict(zip(names, columns, strict=True)), source=str(path), decimal=decimal)
        # Text occurred in columns whose first rows had already been read as numbers: once more, these as text.
        as_text |= late


def _decoded(path: Path, raw: BinaryIO) -> Iterator[str]:
    """Yield the lines of a binary file as text; FileError with the position of bytes that are not text."""
    position = 0
    blank = 0
    for count, line in enumerate(iter(lambda: raw.readline(_LONGEST_LINE + 1), b""), start=1):
        if len(line) > _LONGEST_LINE:
            raise FileError(
                f"{path}: lines of at most {counted(_LONGEST_LINE, 'byte')} were expected, got a longer line {count}"
            )
        # Bytes to text, without the mark of the encoding at the beginning.
        skip = 0
        if position == 0 and line.startswith(codecs.BOM_UTF8):
            skip = len(codecs.BOM_UTF8)
        try:
            text = line[skip:].decode("utf-8")
        except UnicodeDecodeError as error:
            at = skip + error.start
            raise FileError(
                f"{path}: text in UTF-8 was expected, got byte 0x{line[at]:02x} at byte position {position + at}"
                f" (line {count}); save the file as UTF-8"
            ) from error
        if "\0" in text:
            at = position + line.index(b"\0")
            raise FileError(f"{path}: text was expected, got a NUL byte at byte position {at} (line {count})")
        position += len(line)
        # A file of an old Macintosh is one line until here.
        parts = [text]
        if "\r" in text[:-2]:
            parts = [match[0] for match in _LINE.finditer(text)]
        for part in parts:
            # Blank lines are passed over, at half a microsecond each; the rows allow for one or more after each.
            blank += -1 if part.strip() else 1
            if blank > _MOST_BLANK:
                raise FileError(
                    f"{path}: rows of a table were expected, got {_MOST_BLANK:,} blank lines at line {count}"
                )
            yield part


def _records(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each record that is not blank.

    A csv.Error gets the line number as its second argument.
    """
    if delimiter == WHITESPACE:
        lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
    # strict: a quote that is never closed is an error, not a cell that swallows the rest of the file.
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield reader.line_num, cells
    except csv.Error as error:
        raise csv.Error(str(error), reader.line_num) from error


def _delimiter_of(sample: Sequence[str]) -> str:
    """Return the delimiter that most often splits the lines into as many cells as the header."""
    scores = []
    for order, delimiter in enumerate((*_CANDIDATES, WHITESPACE)):
        # The share of lines with as many cells as the header; of equal shares the wider table counts.
        widths: list[int] = []
        try:
            for _, cells in _records(iter(sample), delimiter):
                widths.append(len(cells))
        except csv.Error:
            pass  # the sample may end inside a quoted cell; the lines before it count
        if not widths or widths[0] < 2:
            continue
        agree = sum(width == widths[0] for width in widths[1:]) / max(1, len(widths) - 1)
        # Whitespace comes last: names and texts contain spaces that separate nothing.
        scores.append((delimiter != WHITESPACE and agree >= 0.5, agree, widths[0], -order, delimiter))
    if not scores:
        return ","
    return max(scores)[-1]


def _read_columns(
    path: Path, lines: Iterator[str], delimiter: str, decimal: str, as_text: set[int]
) -> tuple[tuple[str, ...], list[np.ndarray], set[int]]:
    """Read the columns, those in `as_text` as text.

    Returns the names, the columns, and the positions of columns in which text occurs after numbers have been read; if
    there are such positions, there are no columns.
    """
    records = _records(lines, delimiter)
    try:
        # The names of the columns.
        first = next(records, None)
        if first is None:
            raise FileError(f"{path}: a table was expected, got an empty file")
        names = tuple(name.strip() for name in first[1])
        check_column_names(path, names)
        values_of_names = [number(name) for name in names]
        # pandas writes whole numbers for columns without names; 5.1 is a row of data.
        if all(value is not None and value % 1 != 0 for value in values_of_names):
            raise FileError(
                f"{path}: a first line with the names of the columns was expected, got numbers ({quoted(names[0])})"
            )
        # The cells, some rows at a time; a column is text from the first cell on that is no number.
        numeric: list[list[np.ndarray]] = [[] for _ in names]
        textual: list[list[str]] = [[] for _ in names]
        is_text = set(as_text)
        late = set()
        # A cell as text, of some 100 bytes, takes the memory of 16 numbers.
        length = rows_at_once(16 * len(names))
        while chunk := _checked_rows(path, islice(records, length), len(names), delimiter):
            # Each column is numeric as long as all of its cells are numbers.
            for i, cells in enumerate(zip(*chunk, strict=True)):
                values = None
                if i not in is_text and not are_codes(cells):
                    values = numbers(cells, decimal)
                if values is not None:
                    numeric[i].append(values)
                    continue
                is_text.add(i)
                if numeric[i]:
                    late.add(i)
                textual[i].extend(cells)
    except csv.Error as error:
        problem, line = error.args
        if "field larger" in problem:
            longest = counted(csv.field_size_limit(), "character")
            hint = f"a cell has more than {longest}; is a quotation mark never closed?"
        elif "unexpected end" in problem:
            hint = "is a quotation mark never closed?"
        else:
            hint = "a quotation mark stands where none may"
        raise FileError(f"{path}: a table was expected, got a line {line} that can't be split ({hint})") from error
    # Columns of numbers that turned into text late are read once more.
    if not numeric[0] and not textual[0]:
        raise FileError(f"{path}: at least one row of data was expected, got a header only")
    if late:
        return names, [], late
    columns = []
    for i in range(len(names)):
        if i in is_text:
            columns.append(texts(textual[i]))
        else:
            columns.append(np.concatenate(numeric[i]))
    return names, columns, late


def _checked_rows(path: Path, records: Iterator[tuple[int, list[str]]], width: int, delimiter: str) -> list[list[str]]:
    """Return the rows of some records, all of one width; FileError with the line number for another width."""
    rows = []
    for line, cells in records:
        if len(cells) != width:
            name = {"\t": "tab", WHITESPACE: "whitespace"}.get(delimiter, repr(delimiter))
            raise FileError(
                f"{path}: {width} cells were expected in every line, as in the header, got {len(cells)} in line {line}"
                f" (delimiter {name})"
            )
        rows.append(cells)
    return rows

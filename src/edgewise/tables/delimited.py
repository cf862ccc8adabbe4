"""Delimited text (CSV and its relatives) to a Table, in a few passes over the file and bounded memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgewise.errors import FileError
from edgewise.tables.header import check_count, check_names
from edgewise.tables.table import Table
from edgewise.tables.values import number, numbers, quoted, texts

WHITESPACE = " "
_CANDIDATES = (",", ";", "\t", "|")
_SPELLED = {"\t": "tab", WHITESPACE: "whitespace"}
_SAMPLE_LINES = 100
_CELLS_AT_ONCE = 500_000  # cells held as text at any time, some 50 MB
_BOM = b"\xef\xbb\xbf"


def read_delimited(path: Path, open_binary: Callable[[], BinaryIO], delimiter: str | None) -> Table:
    """Read delimited text. open_binary opens the (unpacked) file afresh; delimiter None: found from the first lines.

    Raises FileError as `read_table` says.
    """
    with open_binary() as raw:
        # The header by itself first: a line of 100,000 names is refused before any more is read.
        lines = (line for line in _decoded(path, raw) if line.strip())
        head = list(islice(lines, 1))
        if not head:
            raise FileError(f"{path}: a table was expected, got an empty file")
        check_count(path, _header_width(head[0], delimiter))
        sample = head + list(islice(lines, _SAMPLE_LINES))
    if delimiter is None:
        delimiter = _sniff(sample)
    decimal = _decimal_mark(sample, delimiter)
    as_text: set[int] = set()
    while True:
        with open_binary() as raw:
            names, columns, late = _read(path, _decoded(path, raw), delimiter, decimal, as_text)
        if not late:
            return Table(names, dict(zip(names, columns, strict=True)), source=str(path), decimal=decimal)
        # Text turned up in columns whose first rows had already become numbers: once more, these as text.
        as_text |= late


def _decoded(path: Path, raw: BinaryIO) -> Iterator[str]:
    """The lines of a binary file as text; FileError with the position for bytes that are no text."""
    position = 0
    for count, line in enumerate(raw, start=1):
        skip = len(_BOM) if position == 0 and line.startswith(_BOM) else 0
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
        if "\r" in text[:-2]:
            yield from re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)  # line ends of old Macintosh files
        else:
            yield text


def _records(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each record that isn't blank; csv.Error gets the line number as its second argument."""
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


def _header_width(header: str, delimiter: str | None) -> int:
    candidates = _CANDIDATES if delimiter is None else (delimiter,)
    return max(header.count(candidate) + 1 for candidate in candidates)


def _sniff(sample: Sequence[str]) -> str:
    """The delimiter that splits the header and the lines below into equally many cells, most often."""
    scores = []
    for order, delimiter in enumerate((*_CANDIDATES, WHITESPACE)):
        widths = _widths(sample, delimiter)
        if not widths or widths[0] < 2:
            continue
        agree = sum(width == widths[0] for width in widths[1:]) / max(1, len(widths) - 1)
        # Whitespace comes last: names and texts hold spaces that separate nothing.
        scores.append((delimiter != WHITESPACE and agree >= 0.5, agree, widths[0], -order, delimiter))
    return max(scores)[-1] if scores else ","


def _widths(sample: Sequence[str], delimiter: str) -> list[int]:
    widths: list[int] = []
    try:
        for _, cells in _records(iter(sample), delimiter):
            widths.append(len(cells))
    except csv.Error:
        pass  # the sample may end inside a quoted cell; what came before it counts
    return widths


def _decimal_mark(sample: Sequence[str], delimiter: str) -> str:
    """ "," where a file with ";" writes more numbers with a comma than with a point."""
    if delimiter != ";":
        return "."
    cells = [cell.strip() for line in sample[1:] for cell in line.split(";")]
    commas = sum(re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", cell, re.IGNORECASE) is not None for cell in cells)
    points = sum("." in cell and number(cell) is not None for cell in cells)
    return "," if commas > points else "."


def _read(path: Path, lines: Iterator[str], delimiter: str, decimal: str, as_text: set[int]):
    """(names, columns, positions of columns in which text came too late)."""
    records = _records(lines, delimiter)
    try:
        _, names = next(records)
        names = _check_header(path, names)
        columns: list[list] = [[] for _ in names]
        is_text, late = set(as_text), set()
        while chunk := _chunk(path, records, len(names), delimiter):
            for i, cells in enumerate(zip(*chunk, strict=True)):
                values = None if i in is_text else numbers(cells, decimal)
                if values is None and i not in is_text:
                    is_text.add(i)
                    if columns[i]:
                        late.add(i)
                columns[i].append(cells if values is None else values)
    except StopIteration:
        raise FileError(f"{path}: a table was expected, got an empty file") from None
    except csv.Error as error:
        what, line = error.args
        raise FileError(
            f"{path}: a table was expected, got a line {line} that can't be split ({_csv(what)})"
        ) from error
    if not columns[0]:
        raise FileError(f"{path}: at least one row of data was expected, got a header only")
    if late:
        return tuple(names), [], late
    joined = [
        texts([cell for cells in parts for cell in cells]) if i in is_text else np.concatenate(parts)
        for i, parts in enumerate(columns)
    ]
    return tuple(names), joined, late


def _csv(what: str) -> str:
    if "field larger" in what or "unexpected end" in what:
        return "is a quotation mark never closed?"
    return "a quotation mark stands where none may"


def _chunk(path: Path, records: Iterator, width: int, delimiter: str) -> list[list[str]]:
    """The next rows, all of one width; FileError with the line number for another width."""
    rows = []
    for line, cells in islice(records, max(1, _CELLS_AT_ONCE // width)):
        if len(cells) != width:
            spelled = _SPELLED.get(delimiter, repr(delimiter))
            raise FileError(
                f"{path}: {width} cells were expected in every line, as in the header, got {len(cells)} in line {line}"
                f" (delimiter {spelled})"
            )
        rows.append(cells)
    return rows


def _check_header(path: Path, names: Sequence[str]) -> list[str]:
    names = [name.strip() for name in names]
    check_names(path, names)
    values = [number(name) for name in names]
    # Whole numbers are what pandas writes for columns without names; 5.1 is a row of data.
    if all(value is not None and value % 1 != 0 for value in values):
        raise FileError(
            f"{path}: a first line with the names of the columns was expected, got numbers ({quoted(names[0])})"
        )
    return names

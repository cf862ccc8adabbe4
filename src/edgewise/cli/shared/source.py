"""DATA on the command line: a file, or the name of a table that comes with Edgewise."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.datasets import KNOT_FEATURES, KNOTS_ABOUT, knots_path
from edgewise.errors import InputError
from edgewise.tables import Table, read_table
from edgewise.tables.cells import quoted

PACKAGED = ("knots",)


@dataclass(frozen=True, eq=False)
class Source:
    """A table and what is known about it: which column to predict, from which, what must stay together, and what it is
    about (sentences)."""

    name: str
    table: Table
    target: str | None = None
    features: tuple[str, ...] = ()
    group: str | None = None
    about: tuple[str, ...] = ()


def open_source(data: str, delimiter: str | None = None) -> Source:
    """Reads DATA. A packaged name wins over a file of that name; `./knots` is the file.

    Raises FileError or InputError, see `read_table`.
    """
    if data in PACKAGED:
        with knots_path() as path:
            table = replace(read_table(path), source="the knot table")
        return Source(data, table, "signature", KNOT_FEATURES, "group", KNOTS_ABOUT)
    return Source(data, read_table(data, delimiter=delimiter))


def select(table: Table, names: Sequence[str], option: str) -> Table:
    """The table with these columns only, in this order; InputError for a name that isn't there or comes twice."""
    for i, name in enumerate(names):
        if name not in table.names:
            shown = ", ".join(quoted(other) for other in table.names[:5]) + (", ..." if len(table.names) > 5 else "")
            raise InputError(
                f"{option} must name a column of {table.source}, got {quoted(name)}; its columns are {shown}"
            )
        if name in names[:i]:
            raise InputError(f"{option} must name each column once, got {quoted(name)} twice")
    return replace(
        table.drop(set(table.names) - set(names)),
        names=tuple(names),
    )


def listed(text: str | None, option: str) -> tuple[str, ...]:
    """The names in an option like "a,b, c"; a name with a comma in it is put in double quotes."""
    if text is None:
        return ()
    names, inside, current = [], False, ""
    for letter in text:
        if letter == '"':
            inside = not inside
        elif letter == "," and not inside:
            names.append(current.strip())
            current = ""
        else:
            current += letter
    names.append(current.strip())
    if inside or "" in names:
        raise InputError(f"{option} must be names with commas in between, got {quoted(text)}")
    return tuple(names)


def columns_csv(rows: np.ndarray, columns: Mapping[str, Sequence]) -> str:
    """The number of each row and columns by name, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *columns])
    writer.writerows(zip(rows.tolist(), *columns.values(), strict=True))
    return text.getvalue()

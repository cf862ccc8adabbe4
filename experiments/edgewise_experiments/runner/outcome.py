"""Result of an experiment: tables of texts, hand-written notes, and figures that are drawn on request."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = Any  # matplotlib is imported by what draws


@dataclass(frozen=True)
class ResultTable:
    """A table of texts.

    Parameters
    ----------
    columns : tuple of str
        Column titles.
    rows : tuple of tuple of str
        One text for each column.
    title : str
        Empty where an experiment has only one table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.columns

    def number_columns(self) -> list[bool]:
        """Return for each column whether it holds numbers, which pages align on the right; the first never does."""
        columns = zip(*self.rows, strict=True) if self.rows else [() for _ in self.columns]
        return [i > 0 and all(_is_number(cell) for cell in column) for i, column in enumerate(columns)]


def _is_number(cell: str) -> bool:
    return len(cell) <= 24 and (cell in ("", "-", "any") or re.match(r"[-+<]? ?\d", cell) is not None)


KEY_FIGURES = "Key figures"  # title of the table that `key_figures` makes


def key_figures(values: Mapping[str, str]) -> ResultTable:
    """Make the small table (quantity, value) of an experiment's main numbers, which the table of claims quotes."""
    return ResultTable(("quantity", "value"), tuple(values.items()), KEY_FIGURES)


@dataclass(frozen=True)
class Outcome:
    """Everything that an experiment shows.

    Parameters
    ----------
    tables : tuple of ResultTable
        Every number that was measured; the main ones in a table made by `key_figures`.
    notes : tuple of str
        Paragraphs on how to read the tables. They are written by hand as a constant of the module (`NOTES`) and
        contain no measured number, so that no further run can make them wrong.
    figures : mapping of str to callable
        For each name a function that draws the figure and returns it.
    """

    tables: tuple[ResultTable, ...]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)

    @property
    def key_figures(self) -> dict[str, str]:
        """Value by quantity, from the table that `key_figures` made; empty without one."""
        return {row[0]: row[1] for table in self.tables if table.title == KEY_FIGURES for row in table.rows}


NO_ROWS = Outcome((), ("There are no rows yet.",))


def scientific(value: float | None) -> str:
    """Format an error as "3.1e-08", or "-" where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.1e}"


def times(ratio: float | None) -> str:
    """Format a ratio with two digits, as "0.042", "3.1" or "12,000", or "-" where there is none."""
    if ratio is None or not math.isfinite(ratio):
        return "-"
    return f"{ratio:.2g}" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f}"


def count_range(counts: Iterable[int]) -> str:
    """Format numbers that may all be equal, as "3" or "1 to 3"."""
    low, high = min(counts := list(counts)), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def median(values: Iterable[float | None]) -> float | None:
    """Return the median (the upper of two middle values); None counts as larger than every number."""
    known = sorted(math.inf if value is None else value for value in values)
    middle = known[len(known) // 2] if known else math.inf
    return middle if math.isfinite(middle) else None


def worst(values: Iterable[float | None]) -> float | None:
    """Return the largest value, or None if one is None or there are none."""
    known = list(values)
    return None if not known or None in known else max(known)

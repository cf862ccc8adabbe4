"""Commands on tables that are larger than memory: predictions part by part, and a sample for all that is drawn."""

import csv
import errno
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from edgewise.cli.shared import large
from edgewise.cli.shared.formulas import FormulaList
from edgewise.files import whole as files
from edgewise.formulas import Formula, parse_expression
from edgewise.formulas.front import Front, FrontEntry


@pytest.fixture
def folders(models, tmp_path, monkeypatch):
    """The tables of the two models as folders of three Parquet files, and little memory."""
    for name in ("numbers", "kinds"):
        frame = pa.csv.read_csv(models / f"{name}.csv")
        frame = frame.append_column("name", pa.array([f"row {number}" for number in range(len(frame))]))
        (tmp_path / name).mkdir()
        for number in range(3):
            pq.write_table(frame.slice(20 * number, 20 if number < 2 else None), tmp_path / name / f"{number}.parquet")
    monkeypatch.setattr(large, "machine_memory", lambda: 100)
    return tmp_path


def rows_of(text):
    first, *others = csv.reader(text.splitlines())
    return [dict(zip(first, cells, strict=True)) for cells in others]


@pytest.mark.parametrize("name", ["numbers", "kinds"])
def test_predictions_are_those_of_a_table_in_memory(edgewise, models, folders, monkeypatch, name):
    streamed = edgewise("predict", models / name, folders / name, "--id", "name", "--json", "--out", folders / "p.csv")
    monkeypatch.setattr(large, "machine_memory", lambda: 1e12)
    plain = edgewise("predict", models / name, folders / name, "--id", "name", "--json", "--out", folders / "q.csv")
    ours, theirs = (rows_of((folders / file).read_text()) for file in ("p.csv", "q.csv"))
    assert len(ours) == len(theirs) == (60 if name == "numbers" else 61)
    for one, other in zip(ours, theirs, strict=True):
        assert one["row"] == other["row"] and one["name"] == other["name"]
        assert one.pop("outside") == other.pop("outside", "")
        for column, cell in other.items():
            if column.startswith(("predicted y", "low", "high")):
                assert float(one[column]) == pytest.approx(float(cell), abs=1e-5)
            else:
                assert one[column] == cell
    facts, known = json.loads(streamed.out), json.loads(plain.out)
    assert facts["rows"] == known["rows"] == len(ours)
    for measure, value in (known["score"] or {}).items():
        assert facts["score"][measure] == pytest.approx(value, abs=1e-5)
    assert streamed.code == plain.code == 0


def test_a_broken_part_leaves_no_file(edgewise, refused, models, folders, monkeypatch):
    out = folders / "p.csv"
    out.write_text("as it was\n")
    options = ("predict", models / "numbers", folders / "numbers", "--out", out, "--force")
    third = folders / "numbers" / "2.parquet"
    frame = pq.read_table(third)
    pq.write_table(frame.drop_columns(["a"]), third)
    message = refused(*options)
    assert message.startswith("batch 1 of 2.parquet: ") and "'a'" in message
    pq.write_table(frame.set_column(0, "a", pa.array(["text"] * len(frame))), third)
    assert refused(*options) == "batch 1 of 2.parquet: column 'a' must hold numbers as in the batches before, got text"
    pq.write_table(frame, third)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert refused(*options) == f"cannot write {out}: the disk is full"
    assert out.read_text() == "as it was\n" and sorted(path.name for path in folders.iterdir()) == [
        "kinds",
        "numbers",
        "p.csv",
    ]
    monkeypatch.undo()


def test_what_cannot_be_done_is_one_sentence(refused, models, folders):
    assert "got 61" in refused("explain", models / "numbers", "-d", folders / "numbers", "--row", 61)


def test_a_sample_holds_the_rows_that_are_asked_for(edgewise, models, folders, monkeypatch):
    monkeypatch.setattr(large, "TEST_ROWS", 15)
    source = large.open_sampled(str(folders / "numbers"), keep=(7, 60, 99))
    assert source.n_rows == 60 and {7, 60} < set(source.table.rows.tolist()) and 5 < source.table.n_rows < 30
    whole = pa.csv.read_csv(models / "numbers.csv")["a"].to_numpy()
    assert np.array_equal(source.table.columns["a"], whole[source.table.rows - 1])
    done = edgewise("explain", models / "numbers", "--data", folders / "numbers", "--out", folders / "page.html")
    assert done.code == 0 and "of its 60 rows stand for all" in done.out


def test_json_and_formulas_go_part_by_part_too(edgewise, models, folders, monkeypatch):
    formulas = folders / "f.json"
    front = Front((FrontEntry(Formula(parse_expression("log(a) + b**2", "ab"), ("a", "b")), 0.1),), 10, 1.0)
    FormulaList(front, 0, "y", np.ones((2, 2)), np.ones(2), ()).write(str(formulas))
    for model, options in ((models / "numbers", ("--id", "name")), (models / "kinds", ()), (formulas, ())):
        table = folders / ("kinds" if model.name == "kinds" else "numbers")
        streamed = edgewise("predict", model, table, "--json", *options)
        with monkeypatch.context() as patch:
            patch.setattr(large, "machine_memory", lambda: 1e12)
            plain = edgewise("predict", model, table, "--json", *options)
        ours, theirs = json.loads(streamed.out), json.loads(plain.out)
        assert ours["rows"] == theirs["rows"] == len(ours["predictions"]) and ours["model"] == theirs["model"]
        for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
            assert one == pytest.approx(other | ({"outside": other.get("outside", "")} if model != formulas else {}))

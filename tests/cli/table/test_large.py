"""Commands on tables that are larger than memory: predictions part by part, and a sample for all that is drawn."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from edgewise.cli.shared import large
from edgewise.cli.shared.formulas import FormulaList
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


def test_json_and_formulas_go_part_by_part_too(edgewise, models, folders, monkeypatch):
    formulas = folders / "f.json"
    front = Front((FrontEntry(Formula(parse_expression("log(a) + b**2", "ab"), ("a", "b")), 0.1),), 10, 1.0)
    FormulaList(front, np.ones((2, 2)), ()).write(str(formulas))
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

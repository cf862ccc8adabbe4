"""`edgewise reproduce`: names, resuming, Ctrl-C."""

import json

import pytest

from edgewise.experiments import tables
from tests.experiments.small import one_small_table


@pytest.fixture(autouse=True)
def small(monkeypatch):
    one_small_table(monkeypatch)


def test_names(edgewise, refused):
    assert "tables  Five real tables" in edgewise("reproduce", "--list").out
    assert "the experiment must be one of tables, got 'chairs'" in refused("reproduce", "chairs")


def test_the_table_and_the_rows(edgewise, tmp_path):
    done = edgewise("reproduce", "tables", "--quick", "--out", tmp_path)
    assert done.code == 0, done
    rows = json.loads((tmp_path / "tables-quick.json").read_text())["rows"]
    assert len(rows) == 8
    for row in rows:
        assert f"fold {row['fold'] + 1} of 2: {row['model']} {100 * row['score']:.1f} %" in done.out
    again = edgewise("reproduce", "tables", "--quick", "--out", tmp_path)
    assert "8 results were there" in again.out and "fold 1 of 2" not in again.out
    assert json.loads((tmp_path / "tables-quick.json").read_text())["rows"] == rows
    line = next(line for line in done.out.splitlines() if line.startswith("small, R²"))
    assert line in again.out


def test_ctrl_c_keeps_the_finished_fits(edgewise, tmp_path, monkeypatch):
    real = tables.iterate_baselines

    def interrupted(*words, **options):
        found = real(*words, **options)
        yield next(found)
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "iterate_baselines", interrupted)
    done = edgewise("reproduce", "tables", "--quick", "--out", tmp_path)
    assert done.code == 130
    assert "Interrupted; 2 results are in" in done.out
    assert len(json.loads((tmp_path / "tables-quick.json").read_text())["rows"]) == 2


def test_a_file_that_is_something_else(refused, tmp_path):
    (tmp_path / "tables-quick.json").write_text("[]")
    assert "must hold the rows of an earlier run" in refused("reproduce", "tables", "--quick", "--out", tmp_path)
    assert (tmp_path / "tables-quick.json").read_text() == "[]"
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in refused("reproduce", "tables", "--quick", "--out", tmp_path / "file" / "x")

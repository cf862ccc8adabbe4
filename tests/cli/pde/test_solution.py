"""Folders of `edgewise solve` in `info` and `predict`: what is shown, fields at points, what is refused."""

import csv
import io
import json
import math
import shutil
from functools import partial

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.cli.pde.test_solve import DECAY, HEAT
from typer.testing import CliRunner

from edgewise.cli.app import app
from edgewise.cli.pde import results
from edgewise.cli.shared import large
from edgewise.cli.shared.opening import find_written
from edgewise.errors import FileError

pytestmark = pytest.mark.slow  # solves equations and draws their animations


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The folder of a solved equation, not to be changed."""
    place = tmp_path_factory.mktemp("solved")
    (place / "heat.py").write_text(HEAT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "animate", partial(results.animate, frames=2))
        words = ["solve", place / "heat.py", "--out", place / "heat", "--tolerance", "1e-6"]
        assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    return place / "heat"


@pytest.fixture
def heat(solved, tmp_path):
    return shutil.copytree(solved, tmp_path / "heat")


def test_info(edgewise, heat):
    for path in (heat, heat / "solution.safetensors"):
        done = edgewise("info", path)
        assert done.code == 0
        for part in ("solution.safetensors (", "u_t = 0.1 u_xx", "heat.py --tolerance 1e-06", "TimeElementNetwork"):
            assert part in done.out
        assert "relative L2 error, all" in done.out
    assert json.loads(edgewise("info", heat, "--json").out)["fields"] == ["u"]
    with pytest.raises(FileError, match="got a folder without"):
        find_written(str(heat.parent))


def test_fields_at_points(edgewise, heat, tmp_path, monkeypatch):
    points = tmp_path / "points.csv"
    points.write_text("t,x\n0.5,0.25\n1.0,0.5\n0.3,7\n")
    done = edgewise("predict", heat, points)
    assert done.code == 0
    assert "1 of 3 points lies outside the domain and has no value: see the column 'outside'." in done.err
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0]) == ["row", "u", "outside"] and [row["outside"] for row in rows] == ["0", "0", "1"]
    assert rows[2]["u"] == ""
    for row, (t, x) in zip(rows, [(0.5, 0.25), (1.0, 0.5)], strict=False):
        exact = math.exp(-0.1 * math.pi**2 * t) * math.sin(math.pi * x)
        assert float(row["u"]) == pytest.approx(exact, abs=1e-5)
    written = tmp_path / "u.csv"
    assert edgewise("predict", heat, points, "--out", written).code == 0
    assert written.read_text() == done.out
    for number, name in enumerate(("0.parquet", "1.parquet")):
        pq.write_table(pa.csv.read_csv(points).slice(2 * number, 2), tmp_path / name)
    monkeypatch.setattr(large, "machine_memory", lambda: 10)
    parts = edgewise("predict", heat, f"{tmp_path}/*.parquet")
    assert parts.err == done.err
    for row, other in zip(csv.DictReader(io.StringIO(parts.out)), rows, strict=True):
        assert row["row"] == other["row"] and row["outside"] == other["outside"]
        assert row["u"] == "" == other["u"] or float(row["u"]) == pytest.approx(float(other["u"]), abs=1e-5)


def test_refused(refused, edgewise, heat, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("x\n0.5\n0.7\n")
    assert "must have the 2 columns of the domain, got no 't'" in refused("predict", heat, points)
    own = tmp_path / "decay.py"
    own.write_text(DECAY)
    assert edgewise("solve", own, "--out", tmp_path / "decay").code == 0
    assert edgewise("info", tmp_path / "decay").code == 0
    assert "must have the 1 column of the domain, got no 't'" in refused("predict", tmp_path / "decay", points)
    own.write_text(
        "from edgewise.pde import *\n"
        "problem = PDE(lambda u: u.xx + u, Interval(0, 1), [Dirichlet(lambda x: x.cos(), hard=True)])\n"
    )
    assert edgewise("solve", own, "--out", tmp_path / "hard").code == 0
    assert "edgewise.load(path, problem=...) loads it" in refused("predict", tmp_path / "hard", points)
    for text in ("[1]", "{", json.dumps({"options": 3, "errors": [1], "unknowns": 7})):
        (heat / "solution.json").write_text(text)
        if text[0] == "[" or text == "{":
            assert "must be the JSON that `edgewise solve` writes" in refused("info", heat)
        else:
            assert edgewise("info", heat).code == 0
            assert "must describe the fields and the domain" in refused("predict", heat, points)


def test_a_solution_of_ones_own_equation_is_read_like_others(edgewise, tmp_path, monkeypatch):
    own, points = tmp_path / "pair.py", tmp_path / "points.csv"
    own.write_text(
        "from edgewise.pde import *\n"
        "edges = Dirichlet({'u': lambda x: x.cos(), 'v': lambda x: x.exp()})\n"
        "problem = PDE(lambda u, v: [u.xx + u, v.xx - v], Interval(0, 1), [edges])\n"
    )
    points.write_text("name,x\nmiddle,0.5\nend,1\nbeyond,2\n")
    assert edgewise("solve", own, "--out", tmp_path / "pair", "--quiet").code == 0
    done = edgewise("predict", tmp_path / "pair", points, "--id", "name")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0]) == ["row", "name", "u", "v", "outside"] and rows[2]["outside"] == "1"
    assert float(rows[0]["u"]) == pytest.approx(math.cos(0.5)) and float(rows[1]["v"]) == pytest.approx(math.e)
    for kind in ("solution", "history"):
        assert edgewise("plot", tmp_path / "pair", "--kind", kind, "--out", tmp_path / "f.svg").code == 0
    done = edgewise("explain", tmp_path / "pair", "-d", points, "-o", tmp_path / "shares.csv")
    assert "1 of 3 points lies outside the domain and is left out." in done.out
    assert len((tmp_path / "shares.csv").read_text().splitlines()) == 3
    assert "to the prediction of u" in done.out

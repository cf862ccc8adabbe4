"""`edgewise predict`: CSV out, columns checked, damaged models refused."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from edgewise import checkpoint
from edgewise import load as edgewise_load
from edgewise.errors import EdgewiseWarning
from edgewise.estimator.storage import load_estimator, save_estimator
from edgewise.nn.model import KAN
from edgewise.tables import read_table


def test_numbers(edgewise, models):
    pandas = pytest.importorskip("pandas")
    done = edgewise("predict", models / "numbers", models / "numbers.csv")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "row,predicted y,low 90 %,high 90 %" and len(lines) == 61
    estimator, _ = load_estimator(models / "numbers" / "model.safetensors")
    frame = pandas.read_csv(models / "numbers.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)  # of a row outside the training range
        written = [float(line.split(",")[1]) for line in lines[1:]]
        np.testing.assert_allclose(written, estimator.predict(frame), atol=1e-6)
        assert max(len(line.split(",")[1]) for line in lines[1:]) <= 12  # digits beyond the interval say nothing
        assert edgewise_load(models / "numbers").predict(frame).tolist() == estimator.predict(frame).tolist()
    assert "Predicted 60 rows. On the 60 rows with a known 'y': R²" in done.err


def test_classes_without_the_target_in_any_order(edgewise, models, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("more,b,a\nx,0,-2\nx,0,2\nx,0,0\n")
    out = tmp_path / "p.csv"
    done = edgewise("predict", models / "kinds" / "model.safetensors", table, "--out", out)
    assert done.code == 0 and done.out == ""
    assert "Wrote" in done.err and "Predicted 3 rows.\n" in done.err
    found = read_table(out)
    assert found.names == ("row", "predicted kind", "p(high)", "p(low)", "p(middle)", "p(odd)")
    assert found.columns["predicted kind"].tolist() == ["low", "high", "middle"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,c,colour\n1,2,red\n", "must have the 3 columns of the training table, got none called 'b'"),
        ("a\n1\n", "got none called 'b', 'colour'"),
        ("a,b,colour\n1,x,red\n", "column 'b' must hold numbers, got 'x' in row 1"),
        ("a,b,colour\n", "got a header only"),
    ],
)
def test_tables_that_do_not_fit(refused, models, tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    out = tmp_path / "p.csv"
    out.write_text("row,predicted y\n")
    assert message in refused("predict", models / "numbers", tmp_path / "t.csv", "--out", out)
    assert out.read_text() == "row,predicted y\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_table_is_not_replaced(refused, edgewise, models, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,colour\n1,2,red\n")
    message = refused("predict", models / "numbers", table, "--out", table, "--force")
    assert message == f"cannot write {table}: this command reads that file; name another one with --out"
    other = tmp_path / "other.csv"
    other.write_text("a,b\n")
    message = refused("predict", models / "numbers", table, "--out", other)
    assert message == f"cannot write {other}: the file exists and is not one that edgewise wrote; --force replaces it"
    for options in (["--force"], []):  # the second replaces what the first wrote
        assert edgewise("predict", models / "numbers", table, "--out", other, *options).code == 0


def test_model_files_that_are_none(refused, models, tmp_path):
    data = (models / "numbers" / "model.safetensors").read_bytes()
    table = models / "numbers.csv"
    cases = {"short": data[:-7], "altered": data[:-7] + b"x" + data[-6:], "empty": b"", "text": b"a,b\n1,2\n"}
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        sentence = refused("predict", path, table)
        assert sentence.startswith((f"model file {path} ", f"{path}: a model, solution or folder")), sentence
    assert "no such file" in refused("predict", tmp_path / "none", table)
    assert "got a folder" in refused("predict", tmp_path, table)
    checkpoint.write(KAN([2, 1]), tmp_path / "bare")
    assert "got a bare network" in refused("predict", tmp_path / "bare", table)


def test_a_target_that_does_not_fit_the_network(refused, models, tmp_path):
    estimator, extra = load_estimator(models / "numbers" / "model.safetensors")
    classes = {**extra["target"], "task": "classification", "classes": ["a", "b"]}
    save_estimator(estimator, tmp_path / "m", extra={**extra, "target": classes})
    assert "must have a target for its KANRegressor" in refused("predict", tmp_path / "m", models / "numbers.csv")
    save_estimator(estimator, tmp_path / "m", extra={**extra, "target": [1]})
    assert "target" in refused("predict", tmp_path / "m", models / "numbers.csv")


@pytest.mark.nightly
def test_a_pipe_that_closes_early(models):
    code = "from edgewise.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", str(models / "numbers"), str(models / "numbers.csv"), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 0


def test_a_target_that_training_did_not_know_leaves_predictions_without_a_score(edgewise, models, tmp_path):
    table = tmp_path / "new.csv"
    for name, text in (
        ("kinds", "a,b,kind\n1,0,new\n"),
        ("kinds", "a,b,kind\n1,0,\n"),
        ("numbers", "a,b,colour,y\n1,0,red,\n"),
    ):
        table.write_text(text)
        done = edgewise("predict", models / name, table)
        assert done.code == 0 and len(done.out.splitlines()) == 2
        assert "Predicted 1 row.\n" in done.err, done.err

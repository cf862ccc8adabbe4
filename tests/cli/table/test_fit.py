"""`edgewise fit` from end to end: what it prints and writes, bad input, full disks, Ctrl-C."""

import errno
import json
from contextlib import contextmanager

import numpy as np
import pytest
from tests.cli.conftest import SMALL

from edgewise.cli.shared.folder import NAMES
from edgewise.cli.table import fit as fit_module
from edgewise.cli.terminal.console import Screen
from edgewise.estimator.storage import load_estimator
from edgewise.files import whole as files
from edgewise.tables import read_table


@pytest.mark.slow
def test_regression_with_all_comparisons(edgewise, numbers, tmp_path):
    out = tmp_path / "out"
    done = edgewise("fit", numbers, "--target", "y", "--out", out, *SMALL)
    assert done.code == 0, done
    assert done.err == ""
    assert "60 rows, 5 columns" in done.out
    assert "48 training rows and 12 test rows" in done.out
    for model in ("KAN ", "linear regression ", "gradient boosting "):
        assert f"\n{model}" in done.out
    assert "On the 12 test rows the R² of the KAN is" in done.out
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    found = json.loads((out / "metrics.json").read_text())
    assert [row["model"] for row in found["comparison"]] == ["KAN", "linear regression", "gradient boosting"]
    assert found["rows"] == {"table": 60, "training": 48, "test": 12}
    options = "--effort low --formulas 2"
    assert found["command"] == f"edgewise fit {numbers} --target y {options}"
    predictions = read_table(out / "predictions.csv")
    assert predictions.names == ("row", "y", "predicted y", "low 90 %", "high 90 %")
    # Row numbers lead back to the table.
    table = read_table(numbers)
    rows = predictions.columns["row"].astype(int) - 1
    assert table.columns["y"][rows].tolist() == predictions.columns["y"].tolist()
    error = predictions.columns["y"] - predictions.columns["predicted y"]
    written = 1e-8  # what is left of digits that the file does not hold
    assert (error**2).mean() ** 0.5 == pytest.approx(found["metrics"]["rmse"], abs=written)
    report = (out / "report.html").read_text()
    assert "<svg" in report and "linear regression" in report
    estimator, _ = load_estimator(out / "model.safetensors")
    assert estimator._coefficients == found["model"]["coefficients"]


@pytest.mark.nightly
def test_classes_one_of_them_with_one_row(edgewise, kinds, tmp_path):
    done = edgewise("fit", kinds, "--target", "kind", "--out", tmp_path / "out", *SMALL)
    assert done.code == 0, done
    assert "Class 'odd' of target 'kind' occurs in one row only" in done.out
    assert "could not be fitted" not in done.out
    predictions = read_table(tmp_path / "out" / "predictions.csv")
    assert predictions.names == ("row", "kind", "predicted kind", "p(high)", "p(low)", "p(middle)", "p(odd)")
    total = sum(predictions.columns[name] for name in predictions.names[3:])
    assert total == pytest.approx(1, abs=1e-4)
    assert 8 not in predictions.columns["row"]  # the odd one can only be trained on


ROWS = "".join(f"{i % 7},{i * i % 11},{i % 5 + 0.5}\n" for i in range(30))


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b,y\n", "y", "rows"),
        ("a,b,y\n1,2,3\n", "y", "at least two rows"),
        ("a,b,y\n" + ROWS, "z", "target must name a column"),
        ("a,b,y\n" + ROWS, None, "--target must name the column to predict"),
        ("a,b,y\n" + "".join(f"{i},{i * i % 7},\n" for i in range(20)), "y", "missing values in all 20 rows"),
        ("a,b,y\n1,x7,2\n" + ROWS, "y", "column 'b' must hold numbers, got 'x7' in row 1"),
        ("a,b,y\n" + "".join(f"2024-05-{i + 1:02},{i % 4},{i % 5}.5\n" for i in range(25)), "a", "holds dates"),
    ],
)
def test_bad_tables(refused, tmp_path, text, target, message):
    table, out = tmp_path / "t.csv", tmp_path / "out"
    table.write_text(text)
    options = [] if target is None else ["--target", target]
    sentence = refused("fit", table, *options, "--out", out)
    assert message in sentence
    assert len(sentence) < 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]  # no folder, no temporary file


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "nope"], "target must name a column of"),
        (["--target", "y", "--drop", "y"], "--drop must not name the target"),
        (["--target", "y", "--drop", "nope"], "--drop must name a column"),
        (["--target", "y", "--drop", "a,a"], "--drop must name each column once"),
        (["--target", "y", "--group", "y"], "--group must name another column"),
        (["--target", "y", "--group", "nope"], "--group must name a column"),
        (["--target", "y", "--test", "0"], "--test must be a share above 0 and at most 0.9, got 0"),
        (["--target", "y", "--test", "0.95"], "--test must be a share above 0 and at most 0.9, got 0.95"),
        (["--target", "y", "--time-limit", "-1"], "--time-limit must be a positive number"),
        (["--target", "y", "--delimiter", "abc"], "delimiter must be one character"),
        (["--target", "colour", "--task", "regression"], "must hold numbers"),
    ],
)
def test_bad_options(refused, numbers, options, message):
    assert message in refused("fit", numbers, *options)


def full_disk(monkeypatch, matches):
    """Writing a file whose temporary folder or name `matches` ends as on a full disk."""
    real = files._write_and_rename

    def write(temporary, target, data, *, keep_mode):
        if matches(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(temporary, target, data, keep_mode=keep_mode)

    monkeypatch.setattr(files, "_write_and_rename", write)


def test_a_full_disk_is_found_before_the_training(refused, numbers, tmp_path, monkeypatch):
    full_disk(monkeypatch, lambda target: True)
    monkeypatch.setattr(fit_module, "train_model", lambda *a: pytest.fail("trained"))
    assert "the disk is full" in refused("fit", numbers, "--target", "y", "--out", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numbers.csv"]


def interrupting(stage):
    """Progress bars that are Ctrl-C at the third update of a stage."""

    class Bar:
        updates = 0

        def update(self, *_):
            self.updates += 1
            if self.updates == 3:
                raise KeyboardInterrupt

    @contextmanager
    def progress(screen, what):
        yield Bar().update if stage in what else None

    return progress


@pytest.mark.slow
def test_ctrl_c_in_the_search_for_a_formula_begins_nothing_else(edgewise, numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(Screen, "progress", interrupting("Formulas"))
    done = edgewise("fit", numbers, "--target", "y", "--out", tmp_path / "out")
    assert done.code == 0, done
    assert "The search for a formula was interrupted" in done.out and "gradient boosting" not in done.out


@pytest.mark.slow
def test_ctrl_c_in_training_keeps_the_best_model(edgewise, numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(Screen, "progress", interrupting("Training"))
    out = tmp_path / "out"
    done = edgewise("fit", numbers, "--target", "y", "--out", out)
    assert done.code == 0, done
    assert "The training was interrupted; the model is the best one up to then." in done.out
    assert json.loads((out / "metrics.json").read_text())["training"]["interrupted"] is True
    assert not (out / "report.html").exists()  # its figures take longer than Ctrl-C may
    assert f"no report, which `edgewise explain {out} --data {numbers} --out {out / 'report.html'}` makes." in done.out
    assert edgewise("predict", out, numbers).code == 0
    rows = json.loads((out / "metrics.json").read_text())["rows"]
    done = edgewise("explain", out, "--data", numbers, "--out", out / "report.html")
    assert done.code == 0 and f"Wrote {out / 'report.html'}" in done.out
    assert f"the {rows['test']:,} test rows of numbers.csv" in done.out
    assert "interrupted" in (out / "report.html").read_text().lower()


@pytest.mark.slow
def test_one_json_object_with_names_of_rows(edgewise, refused, numbers, tmp_path):
    out = tmp_path / "out"
    words = ["fit", numbers, "--target", "y", "--id", "group", "--out", out, "--compare", "none", *SMALL]
    done = edgewise(*words, "--json")
    found = json.loads(done.out)
    assert done.code == 0 and found["wrote"] == str(out) and found["score"]["value"] > 0.5
    lines = (out / "predictions.csv").read_text().splitlines()
    assert lines[0] == "row,group,y,predicted y,low 90 %,high 90 %"
    row, group = lines[1].split(",")[:2]
    assert float(group) == (int(row) - 1) // 2
    assert "--force replaces its files" in refused("fit", numbers, "--target", "a", "--out", out)


def test_a_time_limit_that_ends_the_search_is_said(edgewise, tmp_path):
    generator = np.random.default_rng(0)
    a, b, c = generator.normal(size=(3, 3000))
    y = a * b + np.sin(3 * c) + 0.1 * generator.normal(size=3000)
    rows = "".join(f"{p:.4f},{q:.4f},{r:.4f},{z:.4f}\n" for p, q, r, z in zip(a, b, c, y, strict=True))
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + rows)
    words = ("--target", "y", "--time-limit", "0.1", "--compare", "none", "--formulas", "0")
    assert "time limit" in edgewise("fit", tmp_path / "t.csv", *words).out


@pytest.mark.slow
def test_counts_with_an_exposure(edgewise, tmp_path):
    rng = np.random.default_rng(0)
    age = rng.random(200)
    years = rng.uniform(0.2, 5, 200)
    rows = zip(age, years, rng.poisson(years * np.exp(age - 1)), strict=True)
    lines = ["age,years,claims", *(f"{a:.4f},{b:.4f},{count}" for a, b, count in rows)]
    (tmp_path / "claims.csv").write_text("\n".join(lines))
    options = ("--loss", "auto", "--exposure", "years", "--effort", "low", "--formulas", "0", "--compare", "none")
    out = tmp_path / "out"
    done = edgewise("fit", tmp_path / "claims.csv", "--target", "claims", "--out", out, *options)
    assert done.code == 0 and "regression" in done.out and "The loss is 'poisson'" in done.out, done
    done = edgewise("predict", out, tmp_path / "claims.csv", "--out", tmp_path / "p.csv")
    assert done.code == 0, done
    predicted = read_table(tmp_path / "p.csv").columns["predicted claims"]
    assert np.abs(np.log(predicted / (years * np.exp(age - 1)))).mean() < 0.2
    done = edgewise("fit", tmp_path / "claims.csv", "--target", "claims", "--loss", "auto", "--task", "classification")
    assert done.code == 1 and "--loss needs a numeric target" in done.err

"""`edgewise formula`: from a model or a table to formulas on the screen and in files."""

import csv
import json
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from tests.night import at_night

from edgewise import KANRegressor, save
from edgewise.cli.terminal.console import Screen
from edgewise.tables import read_table


@pytest.fixture
def pendulum(tmp_path):
    """120 rows: period = 2 pi sqrt(length / 9.81); mass does nothing."""
    generator = np.random.default_rng(0)
    length, mass = generator.uniform(0.2, 3, 120), generator.uniform(0.1, 5, 120)
    lines = [f"{a:.17g},{b:.4f},{2 * np.pi * np.sqrt(a / 9.81):.17g}" for a, b in zip(length, mass, strict=True)]
    path = tmp_path / "pendulum.csv"
    path.write_text("the length,mass,period\n" + "\n".join(lines) + "\n")
    return path


def run(edgewise, *words):
    done = edgewise("formula", *words)
    assert done.code == 0, done
    return done


def test_straight_from_a_table(edgewise, pendulum, tmp_path):
    out = tmp_path / "period.py"
    done = run(edgewise, pendulum, "--target", "period", "--time-limit", "4", "-o", out)
    assert "period = " in done.out and "sqrt(" in done.out and "→" in done.out
    assert "`the length`" in done.out
    assert "on held-out rows." in done.out and f"Wrote {out}." in done.out
    space = {}
    exec(compile(out.read_text(), "made", "exec"), space)
    x = np.array([[1.0, 3.0], [2.5, 0.2]])
    np.testing.assert_allclose(space["predict"](x), 2 * np.pi * np.sqrt(x[:, 0] / 9.81), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".json", *at_night(".csv", ".tex", ".svg")])
def test_files(edgewise, models, tmp_path, ending):
    out = tmp_path / f"all{ending}"
    run(edgewise, models / "numbers", "--data", models / "numbers.csv", "--time-limit", "1", "-o", out, "-n", "2")
    text = out.read_text()
    if ending == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["chosen"] for row in rows].index("True") == 1 and float(rows[0]["rmse"]) > 0
    elif ending == ".json":
        found = json.loads(text)
        assert found["target"] == "y" and found["front"][1]["chosen"] and found["domain"] and found["fidelity"]
        assert found["front"][1]["formula"] == found["formula"]
        assert found["front"][1]["difference_fresh"] >= 0 and "difference_outside" in found["front"][1]
        assert "new inputs between the rows" in found["fidelity"][1] and "outside" in found["fidelity"][1]
    elif ending == ".tex":
        assert "\\begin{equation}\n  y = " in text
    else:
        assert "<svg" in text


@pytest.mark.nightly
def test_a_model_with_and_without_the_target(edgewise, models, tmp_path):
    data = tmp_path / "only_inputs.csv"
    lines = (models / "numbers.csv").read_text().splitlines()
    data.write_text("\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n")
    done = run(edgewise, models / "numbers", "-d", data, "--time-limit", "1", "-q")
    assert done.out.startswith("y = ") and done.out.count("\n") == 1
    done = run(edgewise, models / "numbers", "-d", data, "--time-limit", "1")
    assert "fit the model's predictions of 'y'" in done.out
    done = run(edgewise, models / "numbers", "-d", models / "numbers.csv", "--time-limit", "1")
    assert (
        "The formulas fit the column 'y' of" in done.out and "between the chosen formula and the network is" in done.out
    )
    assert "a" in done.out.split("y = ")[1].split("\n")[0]


@pytest.mark.slow
def test_formulas_of_a_target_with_an_exposure_are_those_of_its_rate(edgewise, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.random(200), "years": rng.uniform(1, 50, 200)})
    claims = pd.Series(X["years"] * (1 + X["age"]), name="claims")
    save(KANRegressor(loss="poisson", exposure="years", effort="low").fit(X, claims), tmp_path / "m.safetensors")
    X.assign(claims=claims).to_csv(tmp_path / "claims.csv", index=False)
    done = run(edgewise, tmp_path / "m.safetensors", "-d", tmp_path / "claims.csv", "--time-limit", "2")
    assert "claims per unit of years = age + 1" in done.out, done
    assert "The formulas fit the column 'claims' per unit of years of" in done.out


@pytest.mark.slow
def test_a_formula_for_each_class(edgewise, models, tmp_path):
    words = ("--data", models / "kinds.csv", "--time-limit", "1", "-o", tmp_path / "kinds.json")
    done = run(edgewise, models / "kinds", *words)
    assert "equals that of the model in " in done.out and "the target column of the table is not used" in done.out
    files = sorted(tmp_path.glob("kinds*.json"))
    assert files and all(f"Wrote {path}" in done.out for path in files)
    for path in files:
        found = json.loads(path.read_text())
        assert found["target"].startswith(("score of ", "log-odds of "))
        assert found["front"][0]["difference_fresh"] is not None


@pytest.mark.slow
def test_bad_arguments(refused, models, pendulum, kinds, tmp_path):
    data = models / "numbers.csv"
    assert "--out must end in .csv" in refused("formula", pendulum, "-t", "period", "-o", tmp_path / "x.doc")
    assert "--data must name the table of a model" in refused("formula", models / "numbers")
    assert "--time-limit must be" in refused("formula", pendulum, "-t", "period", "--time-limit", "0")
    message = refused("formula", models / "numbers", "-d", data, "--time-limit", "1", "-n", "99")
    assert "--number must be from 1 to" in message
    assert "kind" in refused("formula", kinds, "-t", "kind")
    pendulum.write_text("\n".join(pendulum.read_text().splitlines()[:12]) + "\n")
    assert "at least 20 rows" in refused("formula", pendulum, "-t", "period")


@pytest.mark.slow
def test_a_file_of_formulas_is_read_by_the_other_commands(edgewise, refused, numbers, tmp_path):
    out = tmp_path / "y.json"
    words = ["formula", numbers, "-t", "y", "--drop", "group", "--time-limit", "1", "--out", out, "--json"]
    found = json.loads(edgewise(*words).out)
    assert found["wrote"] == [str(out)] and found["results"][0]["target"] == "y"
    rows = json.loads(edgewise("predict", out, numbers, "--id", "group", "--json").out)["predictions"]
    table = read_table(numbers)
    error = np.array([row["predicted y"] for row in rows]) - table.columns["y"]
    assert np.sqrt(np.mean(error**2)) < 0.1 and rows[2]["group"] == 1
    assert found["results"][0]["formula"] in json.loads(edgewise("info", out, "--json").out)["chosen"]
    assert "As a goes from" in edgewise("explain", out, "-d", numbers).out
    for kind in ("formulas", "effects"):
        figure = tmp_path / f"{kind}.svg"
        assert edgewise("plot", out, "-d", numbers, "--kind", kind, "--out", figure).code == 0 and figure.exists()
    out.write_text("{}")
    assert "a file of `edgewise formula --out FILE.json` was expected" in refused("predict", out, numbers)


def interrupt_when_there_is_a_formula(monkeypatch):
    """Make Ctrl-C come as soon as the progress of a search names a formula of an input."""

    @contextmanager
    def progress(screen, what):
        def update(at):
            if "best so far" in at.stage and "length" in at.stage:
                raise KeyboardInterrupt

        yield update

    monkeypatch.setattr(Screen, "progress", progress)


@pytest.mark.slow
def test_ctrl_c_keeps_the_formulas_so_far_and_the_journal(edgewise, pendulum, tmp_path, monkeypatch):
    monkeypatch.setattr("edgewise.files.journal.WRITE_AFTER", 0.0)
    out = tmp_path / "period.json"
    with monkeypatch.context() as patch:
        interrupt_when_there_is_a_formula(patch)
        done = run(edgewise, pendulum, "--target", "period", "-o", out)
    assert "interrupted by the user" in done.out and f"Wrote {out}." in done.out
    assert "the same command with --resume goes on there" in done.out
    found = json.loads(out.read_text())
    assert "length" in found["formula"] and found["stored"]["stopped"] == "interrupted"
    assert (tmp_path / ".period.json.resume").is_dir()
    run(edgewise, pendulum, "--target", "period", "-o", out, "--resume")
    assert json.loads(out.read_text())["stored"]["stopped"] != "interrupted"
    assert not (tmp_path / ".period.json.resume").exists()

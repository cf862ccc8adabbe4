"""`edgewise dynamics`: from a table of trajectories to equations on the screen and in files."""

import json

import numpy as np
import pytest

from edgewise import find_dynamics
from edgewise.cli.shared.opening import check_out
from edgewise.cli.table.dynamics import _facts
from edgewise.dynamics import DynamicsSettings
from edgewise.errors import FileError


@pytest.fixture
def runs(tmp_path):
    """Two runs of logistic growth, 60 samples each."""
    t = np.linspace(0, 6, 60)
    lines = ["t,run,mass"]
    for name, start in (("a", 0.1), ("b", 2.0)):
        mass = start * np.exp(t) / (1 + start * (np.exp(t) - 1))
        lines += [f"{time:.6f},{name},{value:.9f}" for time, value in zip(t, mass, strict=True)]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_equations_on_the_screen_and_in_a_file(edgewise, runs, tmp_path):
    out = tmp_path / "motion.json"
    done = edgewise("dynamics", runs, "--time", "t", "--id", "run", "--out", out)
    assert done.code == 0, done
    assert "mass' = " in done.out and "decide" in done.out and "→" in done.out and f"Wrote {out}." in done.out
    facts = json.loads(out.read_text())
    assert facts["decided"] and [each["value"] for each in facts["constants"]] == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.slow
def test_one_object_for_programs_and_a_figure(edgewise, runs, tmp_path):
    out = tmp_path / "motion.svg"
    done = edgewise("dynamics", runs, "--time", "t", "--id", "run", "--json", "-o", out)
    facts = json.loads(done.out)
    assert facts["equations"][0].startswith("mass' = ") and facts["wrote"] == [str(out)]
    assert out.read_text().startswith("<?xml")


def test_equations_without_a_fit_are_valid_json():
    t = np.linspace(0, 6, 60)
    facts = _facts(find_dynamics(t, np.exp(-t), settings=DynamicsSettings(usual_seconds=1e-3)))
    assert facts["constants"][0]["standard_error"] is None
    assert facts["systems"][0]["score"] is None and facts["systems"][0]["error"] == [None]
    json.dumps(facts, allow_nan=False)


def test_files_of_an_earlier_run_are_replaced(tmp_path):
    t = np.linspace(0, 6, 60)
    motion = find_dynamics(t, np.exp(-t), settings=DynamicsSettings(usual_seconds=1e-3))
    (tmp_path / "motion.json").write_text(json.dumps(_facts(motion)))
    motion.report().save(tmp_path / "motion.html")
    for name in ("motion.json", "motion.html"):
        check_out(str(tmp_path / name), force=False)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(FileError, match="is not one that edgewise wrote"):
        check_out(str(tmp_path / "other.json"), force=False)


@pytest.mark.slow
def test_a_report_of_a_motion(edgewise, runs, tmp_path):
    out = tmp_path / "motion.html"
    done = edgewise("dynamics", runs, "--time", "t", "--id", "run", "--out", out)
    assert done.code == 0, done
    assert "Laws of motion of mass" in out.read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--time", "time"], "--time must be a column of"),
        (["--time", "t", "--id", "who"], "--id must be a column of"),
        (["--time", "t", "--drop", "no"], "--drop must be a column of"),
        (
            ["--time", "t", "--drop", "run"],
            "--time must increase along a trajectory, got 0 after 6; --id names the column that tells trajectories",
        ),
        (["--time", "t", "--id", "run", "--order", "3"], "--order must be 1 or 2, got 3"),
        (["--time", "t"], "column 'run' must hold numbers; name it in --id, or leave it out by --drop"),
        (["--time", "t", "--id", "run", "--out", "a.csv"], "--out must end in .html, .json, .svg, .pdf or .png"),
    ],
)
def test_a_wrong_option(edgewise, runs, words, sentence):
    done = edgewise("dynamics", runs, *words)
    assert done.code == 1 and sentence in " ".join(done.err.split()), done

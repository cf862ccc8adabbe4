"""--resume: a run that was killed goes on from its finished parts and writes the files of one that was not.

Kills are simulated by an exception after a given part has been kept; the soak kills processes.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from edgewise.cli.app import app
from edgewise.cli.table import fit as fit_module
from edgewise.discovery.engine import Engine, recording
from edgewise.files import journal as journal_module
from edgewise.files.journal import Journal


class Killed(BaseException):
    """Stands for the end of the process, which no code may catch and hide."""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with a table of a law; every part is written at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(journal_module, "WRITE_AFTER", 0.0)
    monkeypatch.setattr(recording, "WRITE_AFTER", 0.0)
    draw = np.random.default_rng(0)
    a, b = draw.uniform(1, 2, (2, 80))
    rows = [f"{p:.6f},{q:.6f},{float(2 * p / q)!r}" for p, q in zip(a.round(6), b.round(6), strict=True)]
    (tmp_path / "t.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    return tmp_path


def run(*words, killed_after=None, monkeypatch=None):
    """Run a command in this process; it is killed after a number of parts, or before one of a name."""
    kept, keep = [], Journal.keep

    def keep_and_count(self, name, part):
        if name.startswith(str(killed_after)):
            raise Killed
        keep(self, name, part)
        kept.append(name)
        if len(kept) == killed_after:
            raise Killed

    if killed_after is None:
        return CliRunner().invoke(app, list(words), catch_exceptions=False)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", keep_and_count)
        with pytest.raises(Killed):
            CliRunner().invoke(app, list(words), catch_exceptions=False)
    return kept


def without_seconds(value):
    """The content of a JSON file without the times that every run has of its own."""
    if isinstance(value, dict):
        return {name: without_seconds(one) for name, one in value.items() if name != "seconds"}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


FIT = ("fit", "t.csv", "--target", "y", "--effort", "low", "--formulas", "0", "--quiet", "--out")


@pytest.mark.slow
def test_a_resumed_fit_writes_the_files_of_one_run(place, monkeypatch):
    assert run(*FIT, "whole").exit_code == 0
    assert run(*FIT, "out", killed_after=2, monkeypatch=monkeypatch) == ["training", "model linear"]
    assert (place / "out" / ".resume").is_dir()
    monkeypatch.setattr(fit_module, "train_model", lambda *a: pytest.fail("trained again"))
    done = run(*FIT, "out", "--resume")
    assert done.exit_code == 0, done.output
    assert not (place / "out" / ".resume").exists()
    assert (place / "out" / "predictions.csv").read_bytes() == (place / "whole" / "predictions.csv").read_bytes()
    whole, again = (without_seconds(json.loads((place / f / "metrics.json").read_bytes())) for f in ("whole", "out"))
    assert again == whole


@pytest.mark.slow
def test_a_resumed_search_keeps_what_was_found(place, monkeypatch):
    formula = ("formula", "t.csv", "--target", "y", "--time-limit", "20", "--quiet", "--out")
    kept = run(*formula, "f.json", killed_after="front", monkeypatch=monkeypatch)
    assert kept and all(name.startswith("search ") for name in kept)
    stages, fenced = [], Engine._fenced
    monkeypatch.setattr(Engine, "_fenced", lambda self, name, *a: (stages.append(name), fenced(self, name, *a))[1])
    done = run(*formula, "f.json", "--resume")
    assert done.exit_code == 0, done.output
    assert json.loads((place / "f.json").read_bytes())["formula"] in ("2*a/b", "2/b*a")
    assert "simple sums" not in stages  # the first stage, which was complete
    assert not (place / ".f.json.resume").exists()


def test_there_must_be_an_unfinished_run():
    done = run(*FIT, "out", "--resume")
    assert done.exit_code == 1 and "there is no unfinished run in out to go on with" in done.stderr
    done = run("formula", "t.csv", "--target", "y", "--out", "f.json", "--resume")
    assert done.exit_code == 1 and "there is no unfinished run in f.json to go on with" in done.stderr
    done = run(*FIT[:-1], "--resume")
    assert done.exit_code == 1 and "--resume needs --out" in done.stderr
    assert done.stderr.count("\n") == 1

"""The steps of the job: columns, split, what is learned from which rows, comparison, the command to repeat it."""

import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

from edgewise.cli.app import app
from edgewise.cli.shared.preparation import FitJob, prepare_table
from edgewise.cli.table.training import train_model
from edgewise.datasets import KNOT_FEATURES, load_knots


@pytest.mark.slow
def test_the_knot_table_brings_target_inputs_and_groups():
    job = FitJob("knots")
    prepared = prepare_table(job)
    assert prepared.frame.names == tuple(KNOT_FEATURES)
    assert prepared.task == "classification" and prepared.group == "group"
    group = load_knots().group
    assert not set(group[prepared.rows[prepared.train] - 1]) & set(group[prepared.rows[prepared.test] - 1])
    assert len(prepared.test) == pytest.approx(1600, abs=20)
    assert prepared.y.tolist() == load_knots().y.tolist()


def test_medians_and_levels_come_from_the_training_rows(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i if i % 4 else ''},{'rare' if i == 3 else 'usual' if i % 2 else 'other'},{i * i}" for i in range(40)]
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n")
    for seed in range(20):  # until the row with the rare level is one of the test
        prepared = prepare_table(FitJob(str(path), target="y", seed=seed))
        if 3 in prepared.test:
            break
    known = [i for i in prepared.train if i % 4]
    trained = train_model(FitJob(str(path), target="y", effort="low"), prepared)
    encoder = trained.estimator.encoder_
    assert encoder.inputs[0].median == np.median(known)
    assert "b is rare" not in encoder.feature_names
    assert any("that training did not have" in note for note in trained.notes)


def test_the_training_notes_what_it_found_about_columns_each_once(tmp_path):
    path = tmp_path / "t.csv"
    lines = "".join(f"{i + 100},{i % 7},7,2024-01-0{i % 9 + 1},{i % 5 + 0.5}\n" for i in range(30))
    path.write_text("id,a,same,t,y\n" + lines)
    job = FitJob(str(path), target="y", effort="low")
    notes = train_model(job, prepare_table(job)).notes
    assert any("Column 'id' counts the rows" in note for note in notes)  # also after the split
    assert any("'t' holds dates from 2024-01-01 to 2024-01-09; it counts as days" in note for note in notes)
    assert sum("Column 'same' was left out" in note for note in notes) == 1


@pytest.mark.slow
@pytest.mark.parametrize("labels", [("low", "mid", "high"), (0.5, 1.5, 2.5)])
def test_classes_of_every_kind(tmp_path, labels):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i % 3 + i / 100},{i % 7},{labels[i % 3]}\n" for i in range(60)))
    job = FitJob(str(path), target="y", task="classification", effort="low")
    prepared = prepare_table(job)
    trained = train_model(job, prepared)
    assert trained.score == 1
    assert trained.probabilities.shape == (12, 3)
    assert [prepared.labels[i] for i in trained.probabilities.argmax(1)] == trained.prediction.tolist()


def test_the_command_repeats_the_job(monkeypatch):
    repeated = []
    monkeypatch.setattr("edgewise.cli.table.fit.run_fit", lambda job, *_: repeated.append(job))
    monkeypatch.setattr("edgewise.cli.shared.preparation.prepare_for_fit", lambda *_: None)
    jobs = [
        FitJob("a b.csv", target="y"),
        FitJob("t", target="it's", task="regression", drop=("a", "b, c"), group="g", test=0.3),
        FitJob("t", target="y", delimiter=";", effort="low", seed=3, compare="none"),
        FitJob("t", target="y", time_limit=20, effort="high", id="name"),
    ]
    for job in jobs:
        assert CliRunner().invoke(app, shlex.split(job.command)[1:]).exit_code == 0
    assert repeated == jobs

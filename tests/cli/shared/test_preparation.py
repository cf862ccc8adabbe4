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

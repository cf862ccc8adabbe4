"""The steps of the job: columns, split, what is learned from which rows, comparison, the command to repeat it."""

import shlex
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from edgewise.cli.app import app
from edgewise.cli.shared import job as job_module
from edgewise.cli.shared.job import FitJob, compare, noted, predict, prepare
from edgewise.datasets import KNOT_FEATURES, load_knots
from edgewise.errors import EdgewiseWarning, InputError


def test_the_knot_table_brings_target_inputs_and_groups(monkeypatch):
    monkeypatch.setattr(job_module, "iterate_baselines", lambda *a, **k: iter(()))
    ready = prepare(FitJob("knots"))
    # One of the 17 is 0 throughout the sample.
    assert ready.encoder.feature_names == tuple(name for name in KNOT_FEATURES if name != "Symmetry_D8")
    assert ready.task == "classification" and ready.grouped == "group"
    group = load_knots().group
    assert not set(group[ready.rows[ready.train] - 1]) & set(group[ready.rows[ready.test] - 1])
    assert len(ready.test) == pytest.approx(1600, abs=20)
    assert ready.y.tolist() == load_knots().y.tolist()
    (rule,) = compare(ready)
    assert rule.name == "slope rule" and rule.parameters == 2
    assert rule.score == pytest.approx(0.852, abs=0.02)  # 85.2 % on all 313,209 knots


def test_other_targets_of_the_knot_table_have_no_slope_rule(monkeypatch):
    monkeypatch.setattr(job_module, "iterate_baselines", lambda *a, **k: iter(()))
    ready = prepare(FitJob("knots", target="genus"))
    assert "signature" not in ready.encoder.feature_names
    assert list(compare(ready)) == []


def test_medians_and_levels_come_from_the_training_rows(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i if i % 4 else ''},{'rare' if i == 3 else 'usual' if i % 2 else 'other'},{i * i}" for i in range(40)]
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n")
    for seed in range(20):  # until the row with the rare level is one of the test
        ready = prepare(FitJob(str(path), target="y", seed=seed))
        if 3 in ready.test:
            break
    known = [i for i in ready.train if i % 4]
    assert ready.encoder.inputs[0].median == np.median(known)
    assert "b=rare" not in ready.encoder.feature_names
    assert any("that training did not have" in note for note in ready.notes)


def test_notes_about_the_target_count_all_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i % 5},{i % 7},{'' if i == 2 else i + 0.5}\n" for i in range(30)))
    assert "1 of 30 rows were left out: their target 'y' is missing." in prepare(FitJob(str(path), target="y")).notes


def test_a_column_that_counts_the_rows_is_noticed_after_the_split(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,a,y\n" + "".join(f"{i + 100},{i % 7},{i % 5 + 0.5}\n" for i in range(30)))
    assert any("Column 'id' counts the rows" in note for note in prepare(FitJob(str(path), target="y")).notes)


def test_features_and_drop(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b,"c,d",y\n' + "".join(f"{i % 5},{i % 7},{i % 3},{i + 0.5}\n" for i in range(30)))
    ready = prepare(FitJob(str(path), target="y", features=("c,d", "a")))
    assert ready.encoder.feature_names == ("c,d", "a")
    assert prepare(FitJob(str(path), target="y", drop=("a",))).encoder.feature_names == ("b", "c,d")
    with pytest.raises(InputError, match="dates"):
        path.write_text("a,t,y\n" + "".join(f"{i % 5},2024-01-0{i % 9 + 1},{i + 0.5}\n" for i in range(30)))
        prepare(FitJob(str(path), target="y"))
    assert prepare(FitJob(str(path), target="y", drop=("t",))).encoder.feature_names == ("a",)


@pytest.mark.parametrize("labels", [("low", "mid", "high"), (1, 5, 9), (0.5, 1.5, 2.5)])
def test_classes_of_every_kind(tmp_path, labels):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i % 3 + i / 100},{i % 7},{labels[i % 3]}\n" for i in range(60)))
    ready = prepare(FitJob(str(path), target="y", task="classification", hidden=(), grid_size=2, budget=1e-3))
    trained = job_module.train(ready)
    assert trained.score == 1
    assert trained.probabilities.shape == (12, 3)
    assert [ready.labels[i] for i in trained.probabilities.argmax(1)] == trained.prediction.tolist()


def test_probabilities_come_in_the_order_of_the_labels():
    class Estimator:
        classes_ = np.array(["b", "c"], dtype=object)

        def predict_proba(self, X):
            return np.array([[0.9, 0.1], [0.2, 0.8]])

    said, probabilities = predict(Estimator(), np.zeros((2, 1)), ("c", "a", "b"))
    assert said.tolist() == ["b", "c"]
    assert probabilities.tolist() == [[0.1, 0, 0.9], [0.8, 0, 0.2]]


def test_the_command_repeats_the_job(monkeypatch):
    seen = []
    monkeypatch.setattr("edgewise.cli.table.fit.fit", lambda job, folder, screen: seen.append(job))
    jobs = [
        FitJob("a b.csv", target="y"),
        FitJob("t", target="it's", task="regression", drop=("a", "b, c"), features=("d",), group="g", test=0.3),
        FitJob("t", target="y", delimiter=";", hidden=(5, 3), grid_size=7, budget=0.5, seed=3, baselines=False),
        FitJob("t", target="y", hidden=(), time_limit=20),
    ]
    for job in jobs:
        assert CliRunner().invoke(app, shlex.split(job.command)[1:]).exit_code == 0
    assert seen == jobs


def test_noted_collects_each_sentence_once():
    with noted() as notes:
        warnings.warn("two  lines\nof text", EdgewiseWarning, stacklevel=1)
        warnings.warn("two lines of text", EdgewiseWarning, stacklevel=1)
        warnings.warn("other", RuntimeWarning, stacklevel=1)
    assert notes == ["Two lines of text", "RuntimeWarning: other"]

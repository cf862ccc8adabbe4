"""Tuned models: tuning that never sees the test rows, awkward tables, large ones."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from tests.compare.test_baselines import split

from edgewise.compare import iterate_baselines
from edgewise_experiments.tables import tuned_baselines as baselines


def run_baselines(*split, learners=baselines.TUNED, **settings):
    return list(iterate_baselines(*split, learners=learners, **settings))


@pytest.fixture
def short(monkeypatch):
    """Less training, for tests that are not about how good the models are."""
    monkeypatch.setattr(baselines, "EPOCHS", 10)
    monkeypatch.setattr(baselines, "BOOSTING_ROUNDS", 10)
    monkeypatch.setattr(baselines, "BOOSTING_ROUNDS_OF_MANY", 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "task", "least"),
    [(load_diabetes, "regression", 0.32), (load_breast_cancer, "classification", 0.93)],
)
def test_they_are_good_on_real_tables(load, task, least, monkeypatch):
    monkeypatch.setattr(baselines, "EPOCHS", 60)
    monkeypatch.setattr(baselines, "BOOSTING_ROUNDS", 60)
    found = run_baselines(*split(*load(return_X_y=True)), task=task)
    assert [one.name for one in found] == ["linear", "MLP", "boosting"]
    for one in found:
        assert one.score > least, one
        assert one.notes == ()
        assert one.seconds > 0 and 0 < one.error < 0.2


@pytest.mark.slow
def test_large_tables_are_drawn_from_and_a_note_says_so(short, monkeypatch):
    monkeypatch.setattr(baselines, "MOST_TUNING_ROWS", 60)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 2))
    y = np.where(X[:, 0] > 0, "yes", "no").astype(object)
    y[17] = "once"  # the one row of a class that a draw of 60 would rarely hold
    found = {one.name: one for one in run_baselines(X, y, X[:50], y[:50], task="classification")}
    assert not any("to bound its time" in note for note in found["linear"].notes)
    for name in ("MLP", "boosting"):
        assert found[name].notes[0] == f"{name}: fitted to 60 of the 200 training rows, to bound its time."
        assert found[name].prediction.shape == (50,) and found[name].score > 0.7


@pytest.mark.slow
def test_classes_with_one_row_and_labels_of_text(short):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 3))
    y = np.where(X[:, 0] > 0, "yes", "no").astype(object)
    y[3], y[40] = "once", "twice"
    y[41] = "twice"
    for one in run_baselines(X[:60], y[:60], X[60:], y[60:], task="classification"):
        assert one.score > 0.6, one


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, 5, 12])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_few_rows(short, rows, task):
    X = np.arange(3.0 * rows).reshape(rows, 3) % 7
    y = np.arange(rows) % 2 if task == "classification" else np.arange(rows) / 3
    for one in run_baselines(X, y, X, y, task=task):
        assert math.isfinite(one.score), one


@pytest.mark.slow
def test_the_test_rows_change_no_choice(short):
    X, y, X_test, y_test = split(*load_diabetes(return_X_y=True))
    one = run_baselines(X, y, X_test, y_test, task="regression")
    two = run_baselines(X, y, X_test[:9], -y_test[:9], task="regression")
    assert [a.settings for a in one] == [b.settings for b in two]

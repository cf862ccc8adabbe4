"""Tests of a model beside a linear one and boosting, each judged on rows that it has not seen."""

from dataclasses import replace

import numpy as np
import pandas
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.compare.baselines import iterate_baselines
from edgewise.errors import InputError


def curved(rows=120):
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (rows, 2))
    return X, np.cos(4 * X[:, 0]) + X[:, 1] + 0.05 * random.normal(size=rows)


@pytest.mark.nightly
def test_frames_with_text_missing_values_and_groups_of_rows():
    X, y = curved()
    frame = pandas.DataFrame(X, columns=["a", "b"]).assign(city=["Bonn", "Ulm", None] * 40)
    labels = np.where(y > 0, "up", "down")
    comparison = KANClassifier(effort="low").compare(frame, labels, groups=np.arange(120) // 4)
    assert comparison.models[1].name == "logistic regression" and comparison.score_name == "accuracy"
    assert 0.7 < comparison.models[0].score <= 1 and comparison.models[1].gap_error > 0


def test_a_model_that_fails_in_one_fold_has_no_score(monkeypatch):
    calls = []

    def failing(*rows, **settings):
        calls.append(rows)
        for one in iterate_baselines(*rows, **settings):
            is_failed = one.name == "boosting" and len(calls) == 2
            yield replace(one, score=float("nan"), prediction=None) if is_failed else one

    monkeypatch.setattr("edgewise.compare.held_out.iterate_baselines", failing)
    linear, boosting = KANRegressor(effort="low").compare(*curved(40)).models[1:]
    assert linear.score is not None and boosting.score is None and boosting.remark == "could not be fitted"


@pytest.mark.slow
def test_the_columns_are_those_of_the_fit():
    X, y = curved(40)
    frame = pandas.DataFrame(X, columns=["alpha", "beta"])
    model = KANRegressor(effort="low").fit(frame, y)
    with pytest.raises(InputError, match=r"must have the 2 columns of the training table, got none called 'beta'"):
        model.compare(frame[["alpha"]], y)
    with pytest.raises(InputError, match=r"none called 'alpha'; the nearest name is 'Alpha'"):
        model.compare(frame.rename(columns={"alpha": "Alpha"}), y)
    with pytest.raises(InputError, match="X has 1 features, but KANRegressor is expecting 2 features"):
        KANRegressor(effort="low").fit(X, y).compare(X[:, :1], y)
    # Another order of the columns, and one that the fit did not have, change nothing.
    plain = model.compare(frame, y)
    assert model.compare(frame.assign(answer=y)[["answer", "beta", "alpha"]], y).verdict == plain.verdict


def test_a_summary_says_whether_curves_help():
    X, y = curved()
    assert KANRegressor(effort="low").fit(X, y).summary().notes[0].startswith("Verdict: use the KAN, whose R² of 0.99")
    line = KANRegressor(effort="low").fit(X, X @ [1.0, 2.0] + np.random.default_rng(1).normal(size=len(X)))
    assert line.summary().notes[0].startswith("Verdict: use a linear model")
    # A model that is linear itself has no other one beside it.
    straight = KANRegressor(effort="low", linear=["x1", "x2"]).fit(X, X @ [1.0, 2.0])
    assert "linear" in straight._shape_text()
    assert not any("Verdict" in note for note in straight.summary().notes)


@pytest.mark.slow
def test_of_classes_the_log_loss_decides_as_in_the_choice_of_the_model():
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (400, 2))
    y = random.random(400) < 1 / (1 + np.exp(2 - 6 * X[:, 0] ** 2))
    comparison = KANClassifier(effort="low").compare(X, y)
    assert comparison.score_name == "accuracy" and "log loss of 0." in comparison.verdict
    assert comparison.verdict.startswith("Verdict: use the KAN") and comparison.better == ""

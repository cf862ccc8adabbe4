"""Formulas of classes stand for scores: softmax of them is the model, and log-odds are their difference."""

from pathlib import Path

import numpy as np
import pytest

from edgewise.cli.shared.model import Model
from edgewise.cli.table.formula import agreement, model_outputs
from edgewise.estimator import KANClassifier, KANRegressor

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).uniform(-1, 1, (80, 2))
QUICK = {"hidden": (), "grid_size": 3}


def model(estimator):
    return Model(Path("m"), estimator, None, {})


def test_scores_of_three_classes_are_the_model():
    labels = np.array(["low", "middle", "high"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]
    opened = model(KANClassifier(**QUICK).fit(X, labels))
    outputs = model_outputs(opened)
    assert [output.name for output in outputs] == [f"score of {label}" for label in ("high", "low", "middle")]
    scores = np.stack([output.function(X) for output in outputs], 1)
    share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(share, opened.estimator.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert "(the class with the largest score) equals that of the model in 100 % of 80 rows" in agreement(
        opened.estimator, X, list(scores.T)
    )


def test_two_classes_have_log_odds():
    opened = model(KANClassifier(**QUICK).fit(X, X[:, 0] > 0))
    (output,) = model_outputs(opened)
    share = opened.estimator.predict_proba(X)
    np.testing.assert_allclose(output.function(X), np.log(share[:, 1] / share[:, 0]), rtol=1e-6, atol=1e-9)
    assert output.name == "log-odds of True"
    assert "where the formula is positive) equals that of the model in 100 %" in agreement(
        opened.estimator, X, [output.function(X)]
    )


def test_several_numbers_have_a_function_each():
    Y = np.stack([X[:, 0], X[:, 1] ** 2], 1)
    opened = model(KANRegressor(**QUICK).fit(X, Y))
    outputs = model_outputs(opened)
    assert [output.name for output in outputs] == ["prediction 1", "prediction 2"]
    np.testing.assert_array_equal(np.stack([o.function(X) for o in outputs], 1), opened.estimator.predict(X))

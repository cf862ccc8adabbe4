"""The other models: scores, parameters, tuning that never sees the test rows, awkward tables."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score

from edgewise.compare import baselines
from edgewise.compare.baselines import iterate_baselines, measures, paired_error, standard_error
from edgewise.errors import InputError


def run_baselines(*split, **settings):
    return list(iterate_baselines(*split, **settings))


def split(X, y, seed=0):
    order = np.random.default_rng(seed).permutation(len(y))
    cut = int(0.8 * len(y))
    return X[order[:cut]], y[order[:cut]], X[order[cut:]], y[order[cut:]]


def test_measures_against_scikit_learn():
    generator = np.random.default_rng(0)
    y, said = generator.normal(size=(2, 30))
    found = measures("regression", y, said)
    assert next(iter(found)) == "r2" and found["r2"] == pytest.approx(r2_score(y, said))
    labels = np.array(["a", "b", "c"], dtype=object)
    y = labels[generator.integers(0, 3, 30)]
    p = generator.dirichlet(np.ones(3), 30)
    found = measures("classification", y, labels[p.argmax(1)], p, labels)
    assert found["log_loss"] == pytest.approx(log_loss(y, p, labels=labels))
    assert found["accuracy"] == np.mean(y == labels[p.argmax(1)])
    y, prediction = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 2])
    expected = balanced_accuracy_score(y, prediction)
    assert measures("classification", y, prediction)["balanced_accuracy"] == pytest.approx(expected)
    assert math.isnan(measures("regression", np.ones(3), np.zeros(3))["r2"])


def test_a_class_that_training_never_saw_costs_what_a_zero_costs():
    found = measures("classification", np.array([9]), np.array([1]), np.array([[0.5, 0.5]]), np.array([1, 2]))
    assert found["log_loss"] == pytest.approx(-math.log(1e-15))


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_standard_error_against_resampling(task):
    generator = np.random.default_rng(0)
    y = generator.normal(size=400)
    said = y + 0.5 * generator.normal(size=400)
    if task == "classification":
        y, said = y > 0, said > 0
    scores = []
    for _ in range(400):
        rows = generator.integers(0, 400, 400)
        scores.append(next(iter(measures(task, y[rows], said[rows]).values())))
    assert standard_error(task, y, said) == pytest.approx(np.std(scores), rel=0.15)
    assert math.isnan(standard_error(task, y[:1], said[:1]))


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_paired_error_against_resampling(task):
    """Two models that err together: their difference is known better than either score."""
    generator = np.random.default_rng(0)
    y, shared = generator.normal(size=(2, 400))
    one, other = (y + 0.5 * shared + 0.1 * generator.normal(size=400) for _ in range(2))
    if task == "classification":
        y, one, other = y > 0, one > 0, other > 0
    gaps = []
    for _ in range(400):
        rows = generator.integers(0, 400, 400)
        first, second = (next(iter(measures(task, y[rows], said[rows]).values())) for said in (one, other))
        gaps.append(first - second)
    found = paired_error(task, y, one, other)
    assert found == pytest.approx(np.std(gaps), rel=0.15)
    assert found < standard_error(task, y, one)
    assert math.isnan(paired_error(task, y[:1], one[:1], other[:1]))
    assert paired_error(task, y, one, one) == 0


@pytest.mark.parametrize("rows", [40, 1000])  # five folds, and one part held back
def test_rows_held_back_never_hold_all_of_a_class(rows):
    y = np.arange(rows) % 3
    y[0], y[1:3] = 7, 8
    data = baselines.SplitTable.checked(np.zeros((rows, 1)), y, np.zeros((1, 1)), y[:1], "classification", 0)
    splits = data.splits()
    assert len(splits) == {40: 5, 1000: 1}[rows]
    for fit, judge in splits:
        assert sorted([*fit, *judge]) == list(range(rows)) and len(judge) > 0
        assert set(data.y[fit]) == set(data.y)


@pytest.mark.slow
def test_awkward_columns():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4)) * [1e-9, 1e12, 1, 0] + [0, 0, 5, 3]
    y = 1e6 * (X[:, 0] * 1e9 + X[:, 1] / 1e12)
    linear = run_baselines(X[:40], y[:40], X[40:], y[40:], task="regression")[0]
    assert linear.score > 0.99


def test_a_model_that_cannot_be_fitted_is_told_not_raised():
    X = np.array([[1e308, 0], [-1e308, 1], [1e308, 2], [0, 3]] * 4)
    found = run_baselines(X, np.arange(16.0), X, np.arange(16.0), task="regression")
    assert math.isnan(found[0].score) and "linear could not be fitted" in found[0].notes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "guessing"}, "task must be"),
        ({"X_test": np.zeros((2, 3))}, "with the same d for training and test"),
        ({"X_test": np.zeros((0, 2)), "y_test": np.zeros(0)}, "at least one row each"),
        ({"task": "classification"}, "at least two classes, got 1"),
    ],
)
def test_bad_arguments(change, said):
    good = {"X_train": np.zeros((4, 2)), "y_train": np.zeros(4), "X_test": np.zeros((2, 2)), "y_test": np.zeros(2)}
    with pytest.raises(InputError, match=said):
        run_baselines(**{"task": "regression", **good, **change})


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_quick_set(task):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X[:, 0] ** 2 if task == "regression" else np.where(X[:, 0] > 0, "yes", "no")
    y[0] = y[0] if task == "regression" else "perhaps"  # a class with one row
    found = run_baselines(X[:45], y[:45], X[45:], y[45:], task=task)
    assert [one.name for one in found] == ["linear", "boosting"]
    assert found[1].score > found[0].score - 0.1 and found[1].parameters > 0 and not found[1].notes

"""The other models: scores, parameters, tuning that never sees the test rows, awkward tables."""

import math

import numpy as np
import pytest

from edgewise.compare import baselines
from edgewise.compare.baselines import iterate_baselines
from edgewise.errors import InputError


def run_baselines(*split, **settings):
    return list(iterate_baselines(*split, **settings))


def split(X, y, seed=0):
    order = np.random.default_rng(seed).permutation(len(y))
    cut = int(0.8 * len(y))
    return X[order[:cut]], y[order[:cut]], X[order[cut:]], y[order[cut:]]


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
    X = np.array([[np.inf, 0], [-1.0, 1], [1.0, 2], [0, 3]] * 4)
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

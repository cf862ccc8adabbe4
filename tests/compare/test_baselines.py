"""The other models: scores, parameters, tuning that never sees the test rows, awkward tables."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score

from edgewise.compare import baselines
from edgewise.compare.baselines import iterate_baselines, measures, paired_error, standard_error
from edgewise.errors import InputError


@pytest.fixture
def short(monkeypatch):
    """Less training, for tests that are not about how good the models are."""
    monkeypatch.setattr(baselines, "EPOCHS", 10)
    monkeypatch.setattr(baselines, "BOOSTING_ROUNDS", 10)
    monkeypatch.setattr(baselines, "BOOSTING_ROUNDS_OF_MANY", 10)


def run_baselines(*split, **settings):
    return list(iterate_baselines(*split, **settings))


def split(X, y, seed=0):
    order = np.random.default_rng(seed).permutation(len(y))
    cut = int(0.8 * len(y))
    return X[order[:cut]], y[order[:cut]], X[order[cut:]], y[order[cut:]]


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


def test_a_time_limit_that_is_over_leaves_one_stride_of_each_model():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(40, 2))
    linear, mlp, boosting = run_baselines(X[:30], X[:30, 0], X[30:], X[30:, 0], task="regression", time_limit=1e-9)
    assert linear.notes == () and linear.score > 0.99
    assert mlp.settings["epochs"] == boosting.settings["rounds"] == baselines.STRIDE
    assert any("ended by the time limit, after 5 epochs" in note for note in mlp.notes)
    assert any("ended by the time limit, after 5 rounds" in note for note in boosting.notes)


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
@pytest.mark.parametrize("rows", [2, 5, 12])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_few_rows(short, rows, task):
    X = np.arange(3.0 * rows).reshape(rows, 3) % 7
    y = np.arange(rows) % 2 if task == "classification" else np.arange(rows) / 3
    for one in run_baselines(X, y, X, y, task=task):
        assert math.isfinite(one.score), one


@pytest.mark.slow
def test_awkward_columns(short):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4)) * [1e-9, 1e12, 1, 0] + [0, 0, 5, 3]
    y = 1e6 * (X[:, 0] * 1e9 + X[:, 1] / 1e12)
    linear = run_baselines(X[:40], y[:40], X[40:], y[40:], task="regression")[0]
    assert linear.score > 0.99


def test_a_model_that_cannot_be_fitted_is_told_not_raised(short):
    X = np.array([[1e308, 0], [-1e308, 1], [1e308, 2], [0, 3]] * 4)
    found = run_baselines(X, np.arange(16.0), X, np.arange(16.0), task="regression")
    assert math.isnan(found[0].score) and "linear could not be fitted" in found[0].notes[0]


@pytest.mark.slow
def test_parameters_are_counted(short):
    X = np.random.default_rng(0).normal(size=(50, 3))
    y = np.arange(50) % 4
    linear, mlp, boosting = run_baselines(X, y, X, y, task="classification")
    assert linear.parameters == 3 * 4 + 4
    assert mlp.parameters == 3 * 64 + 64 + 64 * 64 + 64 + 64 * 4 + 4
    rounds, leaves = boosting.settings["rounds"], boosting.settings["max_leaf_nodes"]
    # At least two leaves a tree; a tree of n leaves has n - 1 splits of two numbers each.
    assert 4 * rounds * (2 + 2) <= boosting.parameters <= 4 * rounds * (leaves + 2 * (leaves - 1))


@pytest.mark.slow
def test_the_test_rows_change_no_choice(short):
    X, y, X_test, y_test = split(*load_diabetes(return_X_y=True))
    one = run_baselines(X, y, X_test, y_test, task="regression")
    two = run_baselines(X, y, X_test[:9], -y_test[:9], task="regression")
    assert [a.settings for a in one] == [b.settings for b in two]


@pytest.mark.slow
def test_the_same_seed_gives_the_same(short):
    parts = split(*load_diabetes(return_X_y=True))
    one, two, other = (run_baselines(*parts, task="regression", seed=seed) for seed in (3, 3, 4))
    assert [a.metrics for a in one] == [b.metrics for b in two]
    assert one[1].metrics != other[1].metrics


@pytest.mark.slow
def test_progress_and_one_at_a_time(short):
    seen = []
    parts = split(*load_diabetes(return_X_y=True))
    found = iterate_baselines(*parts, task="regression", progress=seen.append)
    assert next(found).name == "linear"
    assert {event.stage for event in seen} == {"linear"}
    shares = [event.share for event in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    list(found)
    assert {event.stage for event in seen} == {"linear", "MLP", "boosting"}


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
    found = list(baselines.iterate_baselines(X[:45], y[:45], X[45:], y[45:], task=task, models=baselines.QUICK))
    assert [one.name for one in found] == ["linear", "default boosting"]
    assert found[1].score > found[0].score - 0.1 and found[1].parameters > 0 and not found[1].notes


def test_an_ebm_is_left_out_where_it_is_not_installed_and_ends_in_time(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 2))
    split = X[:45], X[:45, 0] ** 2, X[45:], X[45:, 0] ** 2
    monkeypatch.setattr(baselines, "EBM_SECONDS", 0.0)
    if baselines.find_spec("interpret") is not None:
        (ebm,) = baselines.iterate_baselines(*split, task="regression", models=["EBM"])
        assert math.isfinite(ebm.score) and "stopped after 0 seconds" in ebm.notes[-1]
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    assert list(baselines.iterate_baselines(*split, task="regression", models=["EBM"])) == []
    with pytest.raises(InputError, match="models must be some of linear, MLP, boosting, default boosting, EBM"):
        next(baselines.iterate_baselines(*split, task="regression", models=["forest"]))


def test_an_interrupted_mlp_ends_the_comparison(short, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(baselines.MLPRegressor, "_backprop", interrupted)  # scikit-learn makes a warning of it
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(KeyboardInterrupt):
        run_baselines(X[:40], X[:40, 0], X[40:], X[40:, 0], task="regression", models=["MLP"])

"""Metrics: their values against scikit-learn, their standard errors against resampling."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score

from edgewise.errors import InputError
from edgewise.metrics import (
    MEASURED,
    METRICS,
    RunningMeasures,
    explained,
    measures,
    paired_error,
    r_squared,
    score,
    wilson_interval,
)

METRIC = {task: names[0] for task, names in MEASURED.items()}


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_no_square_of_a_score_overflows(size):
    y = size * np.linspace(1, 2, 30)
    said = y[::-1]
    with np.errstate(all="raise", under="ignore"):
        assert METRICS["r2"].score(y, said).value == pytest.approx(-3)
        assert METRICS["r2"].score(y, said / size).value <= -3 or size >= 1
        assert METRICS["rmse"].score(y, said / size + 3).value > 0


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
    found = paired_error(METRIC[task], y, one, other)
    assert found == pytest.approx(np.std(gaps), rel=0.15)
    assert found < score(METRIC[task], y, one).error
    assert math.isnan(paired_error(METRIC[task], y[:1], one[:1], other[:1]))
    assert paired_error(METRIC[task], y, one, one) == 0


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae", "accuracy", "balanced_accuracy", "log_loss"])
def test_standard_errors_of_all_metrics_against_resampling(metric):
    generator = np.random.default_rng(0)
    y = generator.normal(size=400)
    said = y + 0.5 * generator.normal(size=400)
    if metric in ("accuracy", "balanced_accuracy"):
        y, said = y > 0.8, said > 0.5
    elif metric == "log_loss":
        y, said = (y > 0).astype(int), generator.dirichlet([2, 2], 400)
    draws = [score(metric, y[rows], said[rows]).value for rows in generator.integers(0, 400, (400, 400))]
    found = score(metric, y, said)
    assert found.error == pytest.approx(np.std(draws), rel=0.2)
    assert math.isnan(score(metric, y[:1], said[:1]).error)
    assert found.name == METRICS[metric].name and found.higher_is_better == ("r2" in metric or "accuracy" in metric)


@pytest.mark.parametrize(("rows", "wrong"), [(5, 5), (69, 0), (69, 1), (1000, 300), (30_000, 0)])
def test_the_interval_of_an_accuracy_is_that_of_wilson(rows, wrong):
    right = np.ones(rows)
    found = score("accuracy", right, np.arange(rows) >= wrong)
    level = NormalDist().cdf(2) - NormalDist().cdf(-2)
    expected = binomtest(rows - wrong, rows).proportion_ci(level, method="wilson")
    assert wilson_interval(found.value, found.error) == pytest.approx((expected.low, expected.high), abs=1e-9)
    again = score("accuracy", right, np.arange(rows) >= wrong, np.full(rows, 0.1))
    assert again.error == pytest.approx(found.error)


def test_a_balanced_accuracy_has_the_mean_of_the_intervals_of_its_classes():
    y = np.repeat([0, 1], [80, 20])
    said = np.where(np.arange(100) % 10 == 0, 1 - y, y)
    errors = [score("accuracy", y[y == k], said[y == k]).error for k in (0, 1)]
    assert score("balanced_accuracy", y, said).error == pytest.approx(np.hypot(*errors) / 2)
    assert score("balanced_accuracy", y, y).error > 0.01


def test_r_squared_of_several_targets():
    generator = np.random.default_rng(0)
    y, said = generator.normal(size=(2, 30, 2))
    assert score("r2", y, said).value == pytest.approx(r2_score(y, said))
    assert r_squared(0.0, 0.0) == 1 and r_squared(1.0, 0.0) == 0 and r_squared(1.0, 4.0) == 0.75
    with pytest.raises(InputError, match="y must have the shape of the predictions"):
        score("r2", y, said[:, :1])


def test_a_row_of_weight_two_counts_as_two_rows():
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(2, 40))
    labels = (numbers > 0.3).astype(int)
    probabilities = generator.dirichlet([2, 2], 40)
    weight = generator.integers(1, 4, 40).astype(float)
    copies = np.repeat(np.arange(40), weight.astype(int))
    pairs = {"accuracy": labels, "balanced_accuracy": labels, "log_loss": (labels[0], probabilities)}
    for metric in ("r2", "rmse", "mae", *pairs):
        y, said = pairs.get(metric, numbers)
        assert score(metric, y, said, weight).value == pytest.approx(score(metric, y[copies], said[copies]).value)
    equal = score("r2", *numbers)
    assert score("r2", *numbers, np.full(40, 2.5)).error == pytest.approx(equal.error)


def test_explained_is_the_r2_score_of_scikit_learn():
    y, said = np.random.default_rng(1).normal(size=(2, 30, 2))
    weight = np.random.default_rng(2).uniform(size=30)
    assert explained(y, said) == pytest.approx(r2_score(y, said))
    assert explained(y, said, weight) == pytest.approx(r2_score(y, said, sample_weight=weight))
    constant = y.copy()
    constant[:, 0] = 3
    assert explained(constant, said) == pytest.approx(r2_score(constant, said))
    assert math.isnan(explained(y[:1], said[:1]))
    said[:, 0] = 3
    assert explained(constant, said) == pytest.approx(r2_score(constant, said))


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_measures_part_by_part_are_those_of_all_rows(task):
    y, said = 1e6 + np.random.default_rng(0).normal(size=(2, 90))
    if task == "classification":
        y, said = (y > 1e6).astype(int), (said > 1e6).astype(int)
    running = RunningMeasures(task)
    assert running.measures() == {}
    for rows in np.split(np.arange(90), [10, 11, 50]):
        running.add(y[rows], said[rows])
    assert running.count == 90
    assert running.measures() == pytest.approx(measures(task, y, said), rel=1e-6)
    for size in (1e-300, 1e300):
        running = RunningMeasures("regression")
        y = np.linspace(1, 2, 30)
        with np.errstate(all="raise", under="ignore"):
            for rows in (slice(0, 10), slice(10, 30)):
                running.add(size * y[rows], size * y[::-1][rows])
        expected = measures("regression", y, y[::-1])
        assert running.measures() == pytest.approx(
            {**expected, "rmse": size * expected["rmse"], "mae": size * expected["mae"]}
        )
    constant = RunningMeasures("regression")
    constant.add(np.ones(3), np.zeros(3))
    assert math.isnan(constant.measures()["r2"])

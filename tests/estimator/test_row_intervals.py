"""Prediction intervals of KANRegressor whose width follows the rows, and tables that once broke its search."""

import numpy as np
import pytest

import edgewise
from edgewise import KANRegressor


def sampled(rows, seed, kind="level"):
    rng = np.random.default_rng(seed)
    X = rng.random((rows, 5))
    f = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 10 * X[:, 2]
    if kind == "level":
        return X, f + (0.3 + 0.2 * f) * rng.standard_normal(rows)
    return X, np.exp(f / 8 + 0.3 * rng.standard_normal(rows))


@pytest.mark.slow
def test_intervals_are_wider_where_the_noise_is_larger_and_survive_files(tmp_path):
    (X, y), (new, outcome) = sampled(500, 0), sampled(3000, 1)
    model = KANRegressor().fit(X, y)
    low, high = model.predict_interval(new, 0.9)
    prediction = model.predict(new)
    quarter = np.digitize(prediction, np.quantile(prediction, [0.25, 0.5, 0.75]))
    width = [np.mean((high - low)[quarter == k]) for k in range(4)]
    assert width[3] > 2 * width[0]
    held = np.array([np.mean(((low <= outcome) & (outcome <= high))[quarter == k]) for k in range(4)])
    assert (held > 0.82).all()
    assert held.max() < 0.97
    assert "The size of the noise differs from row to row." in model.error_bars_message_
    edgewise.save(model, tmp_path / "model")
    again = edgewise.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_interval(new, 0.9)[0], low)

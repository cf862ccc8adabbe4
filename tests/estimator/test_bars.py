"""Error bars: intervals of KANRegressor cover what they promise, or a sentence says why not."""

import numpy as np
import pytest

from edgewise import load, save
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANRegressor
from edgewise.train import uncertainty
from edgewise.train.uncertainty import UncertaintySettings

FIXED = {"hidden": (), "grid_size": 4, "regularization": 1e-4}


def product(x):
    return x[:, 0] * x[:, 1]


def wave_and_kink(x):
    return np.sin(3 * x[:, 0]) + abs(x[:, 1])


def noisy(function, rows: int, seed: int, noise: float = 0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (rows, 2))
    exact = function(X)
    return X, exact, exact + noise * exact.std() * rng.normal(size=rows)


def covered(ends, y) -> float:
    return float(np.mean((ends[0] <= y) & (y <= ends[1])))


@pytest.mark.slow
def test_intervals_cover_fresh_points():
    """Calibrated by cross-validation (the search) and, shape given, by leaving rows out of the linearised model."""
    X, _, y = noisy(wave_and_kink, 300, 1)
    Xt, exact, yt = noisy(wave_and_kink, 4000, 2)
    searched = KANRegressor(hidden=(3,), grid_size=4).fit(X, y)
    given = KANRegressor(hidden=(3,), grid_size=4, regularization=1e-5).fit(X, y)
    assert "held out in cross-validation" in searched.error_bars_message_
    assert "each left out of the linearised model" in given.error_bars_message_
    for fitted in (searched, given):
        assert 0.85 <= covered(fitted.predict_interval(Xt), yt) <= 0.95
        assert 0.42 <= covered(fitted.predict_interval(Xt, 0.5), yt) <= 0.58
        assert covered(fitted.predict_band(Xt), exact) > 0.6
        prediction, deviation = fitted.predict(Xt, return_std=True)
        assert prediction.tobytes() == fitted.predict(Xt).tobytes() and deviation.shape == prediction.shape
        assert 0.8 < np.sqrt(np.mean(((yt - prediction) / deviation) ** 2)) < 1.2


def test_units_columns_and_far_away():
    X, _, y = noisy(wave_and_kink, 150, 3)
    one = KANRegressor(**FIXED).fit(X, y)
    both = KANRegressor(**FIXED).fit(X, np.column_stack([y, 1000 * y + 5]))
    _, deviation = both.predict(X, return_std=True)
    assert deviation.shape == (150, 2)
    np.testing.assert_allclose(deviation[:, 1], 1000 * deviation[:, 0], rtol=1e-3)
    low, high = one.predict_interval(X)
    np.testing.assert_allclose(low + high, 2 * one.predict(X), atol=1e-12)
    column = KANRegressor(**FIXED).fit(X, y[:, None])
    assert column.predict_interval(X)[0].shape == (150, 1)
    with pytest.warns(EdgewiseWarning, match="lie outside the training range"):
        far = one.predict(10 * X, return_std=True)[1]
    assert far.mean() > 2 * one.predict(X, return_std=True)[1].mean()


def test_without_bars_a_sentence_says_why(monkeypatch):
    X, _, y = noisy(product, 60, 6)
    few = KANRegressor(**FIXED).fit(X[:9], y[:9])
    assert few.error_bars_ is None
    monkeypatch.setattr(uncertainty, "SETTINGS", UncertaintySettings(most_parameters=15))
    many = KANRegressor(**FIXED).fit(X, y)
    for fitted, why in (
        (few, "data must have at least 10 distinct rows"),
        (many, "model must have at most 15 trainable"),
    ):
        for ask in (lambda f: f.predict(X, return_std=True), KANRegressor.predict_interval, KANRegressor.predict_band):
            with pytest.raises(InputError, match=f"^There are no error bars: {why}"):
                ask(fitted) if ask.__name__ == "<lambda>" else ask(fitted, X)
        assert np.isfinite(fitted.predict(X)).all()


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["poisson", "huber", "quantile:0.75", "gamma"])
def test_intervals_of_any_loss_cover_fresh_targets(loss, tmp_path):
    rng = np.random.default_rng(10)
    X = rng.uniform(-1, 1, (2300, 2))
    mean = np.exp(1 + wave_and_kink(X))
    y = rng.gamma(2, mean / 2)
    if loss == "poisson":
        y = rng.poisson(mean)
    fitted = KANRegressor(loss=loss, effort="low").fit(X[:300], y[:300])
    assert "Intervals are quantiles of the residuals of 300 held-out rows" in fitted.error_bars_message_
    low, high = fitted.predict_interval(X[300:])
    # The coverage that 300 calibrating rows give has a standard deviation of 0.017.
    assert 0.84 <= covered((low, high), y[300:]) <= 0.96
    if loss in ("poisson", "gamma"):
        assert (low >= 0).all()
    with pytest.warns(EdgewiseWarning, match="lie outside the training range"):
        far_low, far_high = fitted.predict_interval(3 * X[300:])
    assert (far_high - far_low).mean() > (high - low).mean()
    # A file keeps them.
    save(fitted, tmp_path / "model.kan")
    for one, other in zip(load(tmp_path / "model.kan").predict_interval(X), fitted.predict_interval(X), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_constant_has_intervals():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 1))
    y = rng.normal(size=100)
    fitted = KANRegressor(effort="low").fit(X, y)
    assert "the model is a constant" in fitted.error_bars_message_
    low, high = fitted.predict_interval(X)
    assert covered((low, high), y) > 0.85 and (low < high).all()
    with pytest.raises(InputError, match=r"^There are no error bars: the model is a constant"):
        fitted.predict_band(X)


@pytest.mark.parametrize("level", [0.0, 1.0, True, None])
def test_levels_are_checked(level):
    X, _, y = noisy(product, 60, 8)
    fitted = KANRegressor(**FIXED).fit(X, y)
    for ask in (fitted.predict_interval, fitted.predict_band):
        with pytest.raises(InputError, match=r"^level must be a number in \(0, 1\), got "):
            ask(X, level)

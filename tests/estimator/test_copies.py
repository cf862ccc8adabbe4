"""Copies of rows: without news of the noise they stay together, repeated measurements are told apart."""

import numpy as np
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.search import validation
from edgewise.search.validation import canonical_rows
from edgewise_experiments.tables.copies import copied, friedman

ROWS, FRESH = 300, 10_000


def r2(prediction, y):
    return 1 - np.mean((prediction - y) ** 2) / np.var(y)


def fitted_to(kind, seed=0, **options):
    """A fit to a table with copies, and one to its distinct rows."""
    X, _, y = friedman(ROWS, seed)
    rows, weight = copied(kind, ROWS, seed)
    distinct = np.unique(rows)
    model = KANRegressor(**options).fit(X[rows], y[rows], sample_weight=weight)
    return model, KANRegressor(**options).fit(X[distinct], y[distinct])


# All other copies become their distinct rows before the fit, as above.
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights 1 to 5", "bootstrap"])
def test_copies_do_not_look_like_a_fit_without_noise(kind):
    X, mean, y = friedman(FRESH, 99)
    distances = []
    for seed in (0, 1):
        model, plain = fitted_to(kind, seed, effort="low")
        assert r2(model.predict(X), mean) == pytest.approx(r2(plain.predict(X), mean), abs=0.02)
        chosen = model.search_.chosen_trial
        losses = ((model.predict(X) - y) / model.target_scaling_.scale) ** 2
        error = np.hypot(chosen.error, losses.std() / FRESH**0.5)
        distances.append((chosen.loss - losses.mean()) / error)
        inside = np.abs(y - model.predict(X)) <= np.subtract(*model.predict_interval(X, 0.9)[::-1]) / 2
        assert 0.85 < inside.mean() < 0.96
    assert abs(np.mean(distances)) < 2


def test_a_fold_has_its_share_of_equal_persons():
    """A hundred equal rows, and ten of the other class, are spread as if they differed."""
    x, y = np.zeros((220, 1)), np.r_[np.zeros(100), np.ones(10), np.zeros(55), np.ones(55)][:, None]
    x[110:] = 1
    inputs, classes, weight, _ = canonical_rows(x, y, None)
    assert len(inputs) == 220 and (weight == 1).all()
    assert classes[:, 0].tolist() == [0] * 100 + [1] * 10 + [0] * 55 + [1] * 55
    cells = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    same = canonical_rows(cells[:, :1], cells[:, 1:], np.array([100, 10, 55, 55.0]))
    assert all(np.array_equal(one, other) for one, other in zip((inputs, classes, weight), same[:3], strict=True))


def test_many_copies_are_told_apart_in_lots(monkeypatch):
    monkeypatch.setattr(validation, "MOST_TOLD_APART", 20)
    x, y = np.array([[0.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [1.0]])
    inputs, _, weight, _ = canonical_rows(x, y, np.array([150.0, 45.0, 5.0]))
    assert np.bincount(inputs[:, 0].astype(int)).tolist() == [20, 1]
    assert weight.tolist() == [10.0] * 15 + [9.0] * 5 + [5.0]


def test_a_class_that_counts_more_is_seen_no_more_often():
    generator = np.random.default_rng(0)
    X = generator.random((200, 1))
    y = X[:, 0] + generator.normal(size=200) > 1
    options = {"effort": "low", "hidden": ()}
    one, other = (KANClassifier(class_weight=w, **options).fit(X, y) for w in ({False: 0.1}, {True: 10}))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-6)
    assert one.inference_.rows == pytest.approx(200)

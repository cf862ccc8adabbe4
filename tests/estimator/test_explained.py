"""Explanations of the estimators add up to their predictions."""

import warnings

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor

SMALL = {"hidden": (), "grid_size": 3, "regularization": 1e-4}


def table():
    X = np.random.default_rng(0).normal(size=(80, 3))
    return X, np.sin(X[:, 0]) + 0.5 * X[:, 1]


def test_a_classifier_explains_probabilities():
    X, y = table()
    model = KANClassifier(**SMALL).fit(X, np.where(y > 0, "yes", "no"))
    local = model.explain_local(X[:4], X)
    assert local.outputs == ("no", "yes")
    np.testing.assert_allclose(local.base + local.shares.sum(1), model.predict_proba(X[:4]), atol=1e-12)


def test_one_row_is_compared_with_the_stored_background():
    X, y = table()
    model = KANRegressor(**SMALL).fit(X, y)
    local = model.explain_local(X[:1])
    assert local.base[0] == pytest.approx(y.mean(), abs=0.1 * y.std())
    assert local.base[0] + local.shares[0].sum() == pytest.approx(model.predict(X[:1])[0])
    assert not (model.background_[:, None] == X[None]).all(axis=2).any()  # no row of the training data is stored
    with pytest.raises(InputError, match="give rows of the data"):
        model.explain_local(X[:1], X[:1])


def test_an_estimator_warns_once_for_each_reason_and_again_after_another_fit():
    x = np.random.default_rng(0).random((60, 2))
    model = KANRegressor(effort="low").fit(x, x[:, 0])

    def said(call, *rows):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(np.array(rows, float), *([np.arange(len(rows))] if call == model.score else []))
        return [str(one.message) for one in caught]

    assert len(said(model.predict, [9, 0.5], [0.5, 0.5])) == 1
    assert not said(model.predict, [8, 0.5], [7, 0.5], [0.5, 0.5])  # other rows, the same reason
    assert len(said(model.predict_interval, [8, 0.5], [0.5, 5])) == 1
    assert len(said(model.score, [1e9, 0.5], [0.5, 0.5])) == 1
    assert not said(model.score, [2e9, 0.5], [0.4, 0.5], [0.5, 0.5])
    model.fit(x, x[:, 0])
    assert len(said(model.predict, [9, 0.5], [0.5, 0.5])) == 1


def test_an_interaction_has_one_size_whatever_the_rows():
    x = np.random.default_rng(0).random((100, 2))
    model = KANRegressor(interactions=[(0, 1)]).fit(x, x[:, 0] * x[:, 1])
    one = model.explain_global(x[:30]).interactions
    assert one[0, 1] > 0.1
    assert np.array_equal(one, model.explain_global(x[x[:, 0] > 0.3]).interactions)

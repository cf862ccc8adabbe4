"""Tests of the estimators: regression and classification on tables of every awkward kind."""

import numpy as np
import pytest

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANClassifier, KANRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
Y = np.sin(X[:, 0]) + X[:, 1]
FIXED = {"hidden": (), "grid_size": 4, "regularization": 1e-4}


class TestRegressor:
    @pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")
    def test_two_rows_are_no_evidence_of_anything_but_their_mean(self):
        fitted = KANRegressor().fit(X[:2], Y[:2])
        np.testing.assert_allclose(fitted.predict(X), Y[:2].mean())

    def test_one_distinct_row_is_predicted_everywhere(self):
        with pytest.warns(EdgewiseWarning, match="nothing to learn"):
            fitted = KANRegressor().fit(X[[0, 0, 0]], Y[[0, 0, 0]])
        with pytest.warns(EdgewiseWarning, match="99 of 100 rows lie outside"):
            np.testing.assert_allclose(fitted.predict(X), Y[0], rtol=1e-12)
        assert "only one distinct sample" in fitted.search_.sentences[0]

    @pytest.mark.parametrize("kind", [int, bool, np.float32, np.int8])
    def test_targets_of_other_types(self, kind):
        y = np.round(3 * Y).astype(kind)
        fitted = KANRegressor(**FIXED).fit(X, y)
        assert fitted.predict(X).dtype == np.float64
        assert fitted.predict(X).tobytes() == KANRegressor(**FIXED).fit(X, y.astype(float)).predict(X).tobytes()

    def test_several_outputs(self):
        y = np.column_stack([Y, 1e6 * X[:, 2], np.full(100, 5.0)])
        predicted = KANRegressor(**FIXED).fit(X, y).predict(X)
        assert predicted.shape == (100, 3)
        assert np.square(predicted - y).mean(0)[0] < 0.01 and np.square(predicted / 1e6 - y / 1e6).mean(0)[1] < 0.01
        np.testing.assert_allclose(predicted[:, 2], 5.0, rtol=1e-9)


LABELS = {
    "strings": np.where(Y > 0, "yes", "no"),
    "objects": np.where(Y > 0, "yes", "no").astype(object),
    "bools": Y > 0,
    "integers": np.where(Y > 0, 7, -3),
    "floats": np.where(Y > 0, 1.0, -2.0),
}


class TestClassifier:
    @pytest.mark.parametrize("kind", LABELS)
    def test_labels_of_any_kind(self, kind):
        y = LABELS[kind]
        fitted = KANClassifier(**FIXED).fit(X, y)
        assert fitted.classes_.tolist() == sorted(set(y.tolist()))
        assert fitted.predict(X).dtype == y.dtype
        assert fitted.score(X, y) > 0.95

    def test_probabilities(self):
        y = np.digitize(Y, [-0.7, 0.7])
        fitted = KANClassifier(**FIXED).fit(X, y)
        shares = fitted.predict_proba(X)
        np.testing.assert_allclose(shares.sum(1), 1)
        assert (shares.argmax(1) == fitted.predict(X)).all() and (shares >= 0).all()
        logits = fitted.decision_function(X)
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), shares)

    def test_separable_classes_end_in_finite_numbers(self):
        y = X[:, 0] > 0
        fitted = KANClassifier(**{**FIXED, "regularization": 0.0}).fit(X, y)
        assert fitted.score(X, y) == 1
        with pytest.warns(EdgewiseWarning, match="outside"):
            assert np.isfinite(fitted.decision_function(X * 1e6)).all()

    @pytest.mark.parametrize(
        ("y", "sentence"),
        [
            (np.zeros(100, int), r"^y must hold at least two classes with positive weight, got one class$"),
            (["a", None] * 50, r"^y must hold labels of one kind, got NoneType and str$"),
            (Y, "continuous"),
            (np.column_stack([Y > 0, Y > 1]), "1d array"),
            (np.ones(99), "the same rows|inconsistent numbers of samples"),
        ],
    )
    def test_labels_that_are_none(self, y, sentence):
        with pytest.raises(ValueError, match=sentence):
            KANClassifier().fit(X, y)


class TestClasses:
    """Targets that are no classes, and weights of classes."""

    def test_a_quantity_is_refused(self):
        for y, least in ((X[:, 0], 5), ((1000 * X[:, 0]).astype(int), 2)):
            sentence = (
                rf"^y must hold classes that repeat in {least} rows on average, got \d+ different numbers in 100 "
            )
            with pytest.raises(InputError, match=sentence + "rows .* KANRegressor"):
                KANClassifier().fit(X, y)
        with pytest.raises(InputError, match="got 100 different labels in 100 rows"):
            KANClassifier().fit(X, [f"name {i}" for i in range(100)])
        for count in (20, 30):
            assert len(KANClassifier(**FIXED).fit(X, np.arange(100) % count).classes_) == count

    @pytest.mark.slow
    def test_class_weights_are_weights_of_rows(self):
        y = np.where(X[:, 0] > 1, "sick", "well")
        sick = np.mean(y == "sick")
        rows = np.where(y == "sick", 0.5 / sick, 0.5 / (1 - sick))
        balanced = KANClassifier(**FIXED, class_weight="balanced").fit(X, y)
        by_rows = KANClassifier(**FIXED).fit(X, y, sample_weight=rows)
        by_name = KANClassifier(**FIXED, class_weight={"sick": 0.5 / sick, "well": 0.5 / (1 - sick)}).fit(X, y)
        assert balanced.predict_proba(X) == pytest.approx(by_rows.predict_proba(X), abs=1e-6)
        assert by_name.predict_proba(X) == pytest.approx(by_rows.predict_proba(X), abs=1e-6)
        assert balanced.predict_proba(X)[:, 0].mean() > KANClassifier(**FIXED).fit(X, y).predict_proba(X)[:, 0].mean()

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            ("even", r"^class_weight must be None, 'balanced' or a dict from class to weight, got 'even'$"),
            ({"ill": 2}, r"^class_weight must name classes of y \('sick', 'well'\), got 'ill'$"),
            ({"sick": -1}, r"^class_weight must hold finite numbers of at least 0, got -1 for 'sick'$"),
        ],
    )
    def test_other_class_weights_are_refused(self, weight, message):
        with pytest.raises(InputError, match=message):
            KANClassifier(class_weight=weight).fit(X, np.where(X[:, 0] > 1, "sick", "well"))

    def test_the_parameter_is_one_of_the_class(self):
        assert KANClassifier(class_weight="balanced").get_params()["class_weight"] == "balanced"
        assert "class_weight" not in KANRegressor().get_params()
        with pytest.raises(InputError, match="has no argument 'class_weights'; did you mean 'class_weight'"):
            KANClassifier(class_weights=1)

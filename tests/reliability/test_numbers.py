"""Numbers at the ends of float64 and of other types: the result scales with them, or one sentence says what is wrong.

Every warning of numpy is an error in these tests.
"""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from edgewise import KANClassifier, KANRegressor, KANSurvival
from edgewise.errors import EdgewiseError

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1, 1, (60, 2))
Y = X[:, 0] + X[:, 1] ** 2 + 0.1 * RANDOM.normal(size=60)
EVENT = RANDOM.random(60) < 0.7

# Powers of two change no digit; 2^996 is about 1e300 and 2^-1030 is subnormal, where digits are lost.
EXACT = [2.0**996, 2.0**-996, 2.0**512, 2.0**-520]
SUBNORMAL = 2.0**-1030


@pytest.fixture(scope="module")
def usual():
    return KANRegressor().fit(X, Y).predict(X)


@pytest.mark.parametrize("scale", EXACT)
def test_predictions_scale_with_the_target(usual, scale):
    model = KANRegressor().fit(X, Y * scale)
    np.testing.assert_allclose(model.predict(X) / scale, usual, rtol=1e-9)
    assert model.score(X, Y * scale) == pytest.approx(r2_score(Y, usual), rel=1e-9)
    _, std = model.predict(X, return_std=True)
    assert np.isfinite(std).all() and (std > 0).all()


@pytest.mark.parametrize("scale", [*EXACT, SUBNORMAL])
def test_the_unit_of_the_inputs_does_not_matter(usual, scale):
    np.testing.assert_allclose(KANRegressor().fit(X * scale, Y).predict(X * scale), usual, rtol=1e-6, atol=1e-9)


def test_inputs_of_very_different_sizes(usual):
    mixed = X * np.array([2.0**-660, 2.0**660])
    np.testing.assert_allclose(KANRegressor().fit(mixed, Y).predict(mixed), usual, rtol=1e-9)


@pytest.mark.slow
def test_terms_are_tested_where_their_variance_is_a_number():
    assert KANRegressor().fit(X, Y * 2.0**450).inference_ is not None
    assert KANRegressor().fit(X, Y * 2.0**600).inference_ is None


@pytest.mark.parametrize(
    "convert", [lambda v: Decimal(str(v)), lambda v: Fraction(str(v)), np.float16, str], ids=["D", "F", "half", "text"]
)
def test_other_kinds_of_numbers(usual, convert):
    rows = [[convert(v) for v in row] for row in X]
    targets = Y if convert is str else [convert(v) for v in Y]
    np.testing.assert_allclose(KANRegressor().fit(rows, targets).predict(rows), usual, atol=3e-3)


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e300, -1e300])
def test_a_constant_target_is_predicted(value):
    with pytest.warns(UserWarning, match="nothing to learn"):
        assert KANRegressor().fit(X, np.full(60, value)).predict(X).tolist() == [value] * 60


@pytest.mark.parametrize(
    ("make", "y"), [(KANRegressor, Y), (KANClassifier, Y > 0), (KANSurvival, (EVENT, np.exp(Y)))], ids=["r", "c", "s"]
)
def test_sentences_for_what_is_not_possible(make, y):
    with pytest.raises(EdgewiseError, match=r"at most 1e300 in size"):
        make().fit(X * 1.7e308, y)
    with pytest.raises(ValueError, match="minimum of 2 is required") as caught:
        make().fit(X[:1], y[:1] if isinstance(y, np.ndarray) else (EVENT[:1], np.exp(Y[:1])))
    assert "\n" not in str(caught.value)


def test_labels_at_the_ends():
    with pytest.raises(EdgewiseError, match="at least two classes"):
        KANClassifier().fit(X, np.ones(60, int))
    with pytest.raises(EdgewiseError, match="texts, integers or floats, got Decimal"):
        KANClassifier().fit(X, [Decimal(int(v > 0)) for v in Y])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):  # scikit-learn takes them as quantities
        KANClassifier().fit(X, np.where(Y > 0.3, 1e300, -1e300))
    for pair in ((2**62, 2**62 + 1), (np.uint64(2**64 - 1), np.uint64(2**64 - 2))):
        labels = np.where(Y > 0.3, *np.array(pair))
        model = KANClassifier(hidden=(), grid_size=2, regularization=1e-3).fit(X, labels)
        assert set(model.predict(X)) == set(labels)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [*EXACT, SUBNORMAL])
def test_survival_does_not_depend_on_units(scale):
    expected = KANSurvival().fit(X, (EVENT, np.exp(Y))).predict(X)
    np.testing.assert_allclose(KANSurvival().fit(X * abs(scale), (EVENT, np.exp(Y))).predict(X * scale), expected, 1e-6)
    np.testing.assert_allclose(KANSurvival().fit(X, (EVENT, np.exp(Y) * scale)).predict(X), expected, 1e-6)


number = st.floats(-1e300, 1e300, allow_subnormal=True)


@pytest.mark.filterwarnings("ignore:y is .* nothing to learn", "ignore:.* times as far from all other values")
@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(number, number), min_size=2, max_size=12), st.data())
def test_any_finite_numbers_give_finite_predictions(rows, data):
    y = data.draw(st.lists(number, min_size=len(rows), max_size=len(rows)))
    found = KANRegressor().fit(np.array(rows), y).predict(np.array(rows))
    assert all(math.isfinite(value) for value in found)


@pytest.mark.parametrize("large", [1e17, 1e155, 1e300])
def test_rows_without_weight_beside_the_largest_have_none(large):
    weight = np.where(np.arange(60) < 30, 1.0, large)
    alone = KANRegressor().fit(X, Y, sample_weight=weight * (weight > 1))
    np.testing.assert_array_equal(KANRegressor().fit(X, Y, sample_weight=weight).predict(X), alone.predict(X))
    one = KANRegressor().fit(X, Y, sample_weight=np.where(np.arange(60) == 3, large, 1.0))
    with pytest.warns(UserWarning, match="59 of 60 rows lie outside the training range"):
        assert np.isfinite(one.predict(X)).all()


def test_integers_beyond_float64_have_a_sentence():
    cells = np.array([[10**400, 0.0], *X[1:]], dtype=object)
    with pytest.raises(EdgewiseError, match=r"X must hold numbers of at most 1\.8e308 in size"):
        KANRegressor().fit(cells, Y)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(EdgewiseError, match="column 'a' must hold finite numbers, got inf in row 1"):
        KANRegressor().fit(pandas.DataFrame(cells, columns=["a", "b"]), Y)

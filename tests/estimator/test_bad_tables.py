"""Tables that are hardly any: one sentence, or a sane model with finite predictions."""

import numpy as np
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = X[:, 0] + 0.1 * RNG.normal(size=80)
CLASS = (Y > 0).astype(int)
WIDE = RNG.normal(size=(20, 40))
WITH_INFINITY = np.where(np.arange(80)[:, None] == 2, np.inf, X)


@pytest.mark.parametrize(
    ("kind", "x", "y", "weight", "sentence"),
    [
        (KANClassifier, WITH_INFINITY, CLASS, None, "X must hold finite numbers, got inf in row 3"),
        (KANClassifier, X, np.zeros(80, int), None, "y must hold at least two classes"),
        (KANClassifier, X, CLASS, 1.0 - CLASS, "y must hold at least two classes with positive weight"),
        (KANClassifier, X, np.arange(80), None, "y must hold classes that repeat"),
        (KANRegressor, X[:1], Y[:1], None, "minimum of 2 is required"),
        (KANRegressor, X[:, :0], Y, None, "minimum of 1 is required"),
        (KANRegressor, X, Y, np.zeros(80), "at least one non-zero"),
        (KANRegressor, X, Y, np.full(80, -1.0), "sample_weight"),
        (KANRegressor, X, Y, np.full(80, np.nan), "sample_weight"),
        (KANRegressor, X, Y, np.full(80, 1e308), "sample_weight must have a finite sum"),
        (KANRegressor, X, Y[:-1], None, "X and y must have the same rows"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(kind, x, y, weight, sentence):
    with pytest.raises((InputError, ValueError), match=sentence):
        kind().fit(x, y, sample_weight=weight)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "y", "weight", "least"),
    [
        (X, np.where(np.arange(80) == 3, 1e300, Y), None, None),  # nothing but one number is seen
        (X, np.random.default_rng(0).standard_cauchy(80) * 1e6, None, None),
        (np.column_stack([X[:, 0], np.ones(80)]), Y, None, 0.95),
        (np.ones((80, 2)), Y, None, None),
        (WIDE, WIDE[:, 0] + 0.1 * RNG.normal(size=20), None, 0.5),
        (np.column_stack([X[:, 0], 2 * X[:, 0] + 1, X[:, 0] - X[:, 1], X[:, 1]]), Y, None, 0.95),
        (X, Y, (np.arange(80) < 40).astype(float), 0.9),
    ],
    ids=(
        *("one huge target", "unbounded targets", "a constant column", "constant columns"),
        *("more columns than rows", "collinear columns", "weights of zero"),
    ),
)
@pytest.mark.filterwarnings("ignore:.*outside the training range:edgewise.errors.EdgewiseWarning")
def test_what_is_hardly_a_table_has_a_sane_model(x, y, weight, least):
    model = KANRegressor().fit(x, y, sample_weight=weight)
    prediction = model.predict(x)
    assert y.min() - np.ptp(y) <= prediction.min() <= prediction.max() <= y.max() + np.ptp(y)
    if least is not None:
        assert np.corrcoef(prediction, y)[0, 1] ** 2 > least

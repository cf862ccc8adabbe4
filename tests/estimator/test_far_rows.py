"""Rows far beyond the training rows: predictions stay within the widened range of the data, in every form."""

import warnings

import numpy as np
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import EdgewiseWarning

pytestmark = pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")  # of rows beyond the training rows


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    y = x.sum(1) + np.sin(2 * x[:, 0]) + 0.5 * rng.standard_normal(300)
    return x, KANRegressor(effort="low", random_state=0).fit(x, y)


def test_predictions_inside_the_data_are_those_of_the_network(fitted):
    _, model = fitted
    x = np.random.default_rng(9).standard_normal((2000, 6))
    clipped = model.predict(x)
    limits, model._output_limits = model._output_limits, None
    try:
        np.testing.assert_array_equal(model.predict(x), clipped)
    finally:
        model._output_limits = limits


def test_a_line_goes_on_beyond_the_data():
    x = np.random.default_rng(0).normal(size=(200, 1))
    model = KANRegressor(effort="low", random_state=0).fit(
        x, 3 * x[:, 0] + 0.1 * np.random.default_rng(1).normal(size=200)
    )
    end = x.max() + 0.3
    assert abs(model.predict([[end]])[0] - 3 * end) < 0.2


def test_intervals_widen_beyond_the_limits_where_the_prediction_is_constant(fitted):
    _, model = fitted
    rows = np.zeros((5, 6))
    rows[:, 1] = 0, 3, 8, 16, 32
    assert np.ptp(model.predict(rows)[2:]) == 0
    for low, high in (model.predict_interval(rows), model.predict_band(rows)):
        assert (np.diff(high - low)[1:] > 0).all()  # the noise is not the same everywhere
    # Far away the deviation is that of a straight line: it grows like the distance.
    assert (high - low)[4] / (high - low)[3] == pytest.approx(2.3, rel=0.1)


@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_a_score_names_a_number_that_decides_it(kind):
    """A cell of 1e300 among the test rows had turned R² bad without a word."""
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = x[:, 0] > 0 if kind is KANClassifier else x[:, 0]
    model = kind(hidden=(), grid_size=3, regularization=1e-3).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score(2 * x, y)
    other = x.copy()
    other[3, 1] = -1e300
    with pytest.warns(EdgewiseWarning, match="^Column 'x2': −1·10³⁰⁰ in row 4 is more than 1,000,000 times as far"):
        model.score(other, y)

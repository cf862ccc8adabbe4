"""Features have the values of their expressions; their columns are centred and finite."""

import numpy as np
import pytest

from edgewise.discovery.curves.features import candidate_features, spline_columns
from edgewise.formulas.expression import evaluate


def points(count, low=0.5, high=1.5, rows=600):
    return np.random.default_rng(0).uniform(low, high, (rows, count))


def test_features_are_their_expressions():
    x = points(3)
    for feature in candidate_features(x, [0, 1, 2]):
        np.testing.assert_allclose(evaluate(feature.expression, x), feature.values, rtol=1e-14)
    assert len(candidate_features(points(9), range(9))) == 9
    pairs = list(candidate_features(points(2), [0, 1]))
    assert [feature.is_linear for feature in pairs] == [True, True, True, True, False, False, False]


@pytest.mark.parametrize("values", [np.linspace(0, 1, 90), np.ones(90), np.repeat([0.0, 1.0, 2.0], 30)])
def test_columns_are_centred_and_finite(values):
    columns = spline_columns(values, 8)
    assert columns.shape == (90, 10)
    assert np.abs(columns.mean(0)).max() < 1e-12

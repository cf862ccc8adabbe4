"""scikit-learn's own checks of an estimator, all of them, with a fast search and with a given shape."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgewise.estimator import KANClassifier, KANRegressor


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")  # of rows outside the training range
@parametrize_with_checks([KANRegressor(effort="low"), KANClassifier(hidden=(), grid_size=3, regularization=1e-3)])
def test_scikit_learn_check(estimator, check):
    check(estimator)

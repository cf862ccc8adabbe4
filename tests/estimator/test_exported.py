"""Exported estimators predict what they predict here, in the user's units, outliers included."""

import numpy as np
import pytest

from edgewise.estimator import KANRegressor

SMALL = {"hidden": (), "grid_size": 3, "regularization": 1e-4}


def table():
    X = np.random.default_rng(0).normal(size=(60, 2)) * [1, 100]
    return X, X[:, 0] + np.sin(X[:, 1] / 50)


def run(path, X):
    space = {}
    exec(compile(path.read_text(), "made", "exec"), space)
    return space["predict"](X), space


@pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")  # of rows far outside the training rows
def test_a_regressor(tmp_path):
    X, y = table()
    model = KANRegressor(**SMALL).fit(X, y)
    model.export(tmp_path / "m.py", names=["a", "b"], outputs=["y"])
    far = np.concatenate([X, [[1e6, 0], [-1e9, 3e5]]])
    value, space = run(tmp_path / "m.py", far)
    np.testing.assert_allclose(value[:, 0], model.predict(far), rtol=1e-11, atol=1e-11)
    assert space["COLUMNS"] == ["a", "b"]

"""Tests of edgewise.estimator.base: parameters, randomness, scaling, weights, warm starts, and what stays untouched."""

import importlib

import numpy as np
import pytest
import sklearn
import torch
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.05 * RNG.normal(size=60)
FIXED = {"hidden": (), "grid_size": 4, "regularization": 1e-3}
DEEP = {"hidden": (2,), "grid_size": 4, "regularization": 1e-3}


def same(one, other, data=X):
    return one.predict(data).tobytes() == other.predict(data).tobytes()


BAD = {
    "hidden": ["deep", 5.5, (0,), (2.5,), (True,), (-1,), None, np.array([5])],
    "grid_size": ["fine", 0, 2.5, True, None, (4,)],
    "regularization": ["none", -1e-9, np.nan, np.inf, None, True],
    "effort": ["most", 1, None],
    "n_jobs": [0, 1.5, True],
    "time_limit": [0, -1, np.nan, "1", True],
    "random_state": [-1, 2**32, "seed", 1.5, True],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_a_bad_parameter_is_named_before_any_work(kind, name, value):
    with pytest.raises(InputError, match=rf"^{name} must be .*, got .*$") as raised:
        kind(**{name: value}).fit(None, None)  # not even the data have been looked at
    assert "\n" not in str(raised.value)


class TestRandomState:
    @pytest.mark.slow
    def test_an_integer_gives_the_same_bits(self):
        first, again, other = (KANRegressor(**DEEP, random_state=seed).fit(X[:40], Y[:40]) for seed in (3, 3, 4))
        assert same(first, again) and not same(first, other)


class TestNothingElseChanges:
    def test_global_state(self):
        np_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
        dtype, threads, gradients = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
        for state in (0, None):
            KANRegressor(random_state=state).fit(X, Y).predict(X)
        after = np.random.get_state()  # noqa: NPY002
        assert (np_state[1] == after[1]).all() and np_state[2:] == after[2:]
        assert torch.equal(torch_state, torch.get_rng_state())
        assert (dtype, threads, gradients) == (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
        )

    def test_the_callers_arrays(self):
        given = X.copy(), Y.copy(), np.linspace(0, 2, 60)
        kept = [array.copy() for array in given]
        for array in given:
            array.setflags(write=False)
        KANRegressor(**FIXED).fit(*given).predict(given[0])
        assert all((a == b).all() for a, b in zip(given, kept, strict=True))


class TestWeights:
    @pytest.mark.slow
    def test_a_weight_is_a_repetition_in_any_order_bit_for_bit(self):
        rng = np.random.default_rng(1)
        weight = rng.integers(0, 4, size=60)
        rows = rng.permutation(np.repeat(np.arange(60), weight))
        for make, y in ((KANRegressor, Y), (KANClassifier, Y > 0)):
            weighted = make().fit(X, y, sample_weight=weight)
            repeated = make().fit(X[rows], y[rows])
            assert same(weighted, repeated)
            assert weighted.search_.trials == repeated.search_.trials


class TestNames:
    @pytest.fixture(params=["pandas", "polars"])
    def frames(self, request):
        module = importlib.import_module(request.param)
        return lambda names, data=X: module.DataFrame(dict(zip(names, data.T, strict=True)))

    def test_columns_are_found_by_name(self, frames):
        fitted = KANRegressor(**FIXED).fit(frames(["a", "b"]), Y)
        expected = fitted.predict(frames(["a", "b"]))
        assert fitted.predict(frames(["b", "a"], X[:, ::-1])).tolist() == expected.tolist()
        assert fitted.predict(frames(["more", "a", "b"], X[:, [0, 0, 1]])).tolist() == expected.tolist()
        assert fitted.predict(X).tolist() == expected.tolist()  # and an array by position, without a warning


def test_infinities_are_refused_with_their_place():
    broken = X.copy()
    broken[3, 1] = np.inf
    fitted = KANRegressor(**FIXED)
    for ask in (lambda: fitted.fit(broken, Y), lambda: fitted.fit(X, Y).predict(broken)):
        with pytest.raises(
            InputError,
            match=r"^X must hold finite numbers, got inf in row 4 of column 2, counted from 1; NaN stands for",
        ):
            ask()
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match=f"y must hold finite numbers, got {bad} in row 4"):
            fitted.fit(X, np.where(np.arange(60) == 3, bad, Y))


class TestCompany:
    """The estimators among scikit-learn's tools."""

    def test_grid_search_in_a_pipeline(self):
        line = make_pipeline(StandardScaler(), KANRegressor(**FIXED))
        grid = {"kanregressor__regularization": np.array([1e-3, 1e1]), "kanregressor__grid_size": np.array([3])}
        search = GridSearchCV(line, grid, cv=2).fit(X, Y)
        assert search.best_params_ == {"kanregressor__grid_size": 3, "kanregressor__regularization": 1e-3}
        assert search.best_score_ > 0.9

    def test_weights_are_routed(self):
        weight = np.arange(60) % 3 + 1.0
        with sklearn.config_context(enable_metadata_routing=True):
            asks = KANRegressor(**FIXED).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            routed = cross_validate(asks, X[:, :1], Y, cv=2, params={"sample_weight": weight}, error_score="raise")
        assert np.isfinite(routed["test_score"]).all()

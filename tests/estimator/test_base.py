"""Tests of edgewise.estimator.base: parameters, randomness, scaling, weights, warm starts, and what stays untouched."""

import copy
import importlib
import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.base import CLIP

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


@pytest.mark.slow
@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_numbers_of_numpy_are_numbers(kind):
    settings = {"hidden": [np.int64(2)], "grid_size": np.int32(3), "regularization": np.float32(0.01)}
    fitted = kind(**settings, random_state=np.int64(1)).fit(X, Y > 0)
    assert fitted.model_.config.width[1:-1] == (2,)
    assert fitted.model_.config.grid_size == (3, 3)


class TestRandomState:
    @pytest.mark.slow
    def test_an_integer_gives_the_same_bits(self):
        assert same(KANRegressor(**DEEP, random_state=3).fit(X, Y), KANRegressor(**DEEP, random_state=3).fit(X, Y))
        assert not same(KANRegressor(**DEEP, random_state=3).fit(X, Y), KANRegressor(**DEEP, random_state=4).fit(X, Y))

    @pytest.mark.slow
    @pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
    def test_a_generator_gives_a_new_seed_each_time(self, make):
        shared = KANRegressor(**DEEP, random_state=make(5))
        first, second = copy.deepcopy(shared.fit(X, Y)), copy.deepcopy(shared.fit(X, Y))
        assert not same(first, second)
        assert same(first, KANRegressor(**DEEP, random_state=make(5)).fit(X, Y))

    @pytest.mark.slow
    def test_none_draws_a_seed(self):
        fits = [KANRegressor(**DEEP, random_state=None).fit(X, Y) for _ in range(2)]
        assert not same(*fits)


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

    @pytest.mark.slow
    def test_another_default_dtype_makes_no_difference(self):
        expected = KANRegressor(**DEEP).fit(X, Y)
        torch.set_default_dtype(torch.float16)
        try:
            assert same(KANRegressor(**DEEP).fit(X, Y), expected)
        finally:
            torch.set_default_dtype(torch.float32)

    def test_the_callers_arrays(self):
        given = X.copy(), Y.copy(), np.linspace(0, 2, 60)
        kept = [array.copy() for array in given]
        for array in given:
            array.setflags(write=False)
        KANRegressor(**FIXED).fit(*given).predict(given[0])
        assert all((a == b).all() for a, b in zip(given, kept, strict=True))


class TestScaling:
    @pytest.mark.slow
    def test_one_far_input_does_no_harm(self):
        """One cell of 1e3 .. 1e12 among 300 rows once turned 0.99 into 0.05."""
        rng = np.random.default_rng(0)
        inputs, fresh = rng.normal(size=(300, 3)), rng.normal(size=(1000, 3))

        def truth(x):
            return np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]

        y = truth(inputs) + 0.1 * rng.normal(size=300)

        def score(seed):
            return KANRegressor(grid_size=4, random_state=seed).fit(inputs, y).score(fresh, truth(fresh))

        assert score(0) > 0.98
        inputs[7, 0] = 1e3
        assert min(map(score, (0, 1))) > 0.98
        before = KANRegressor(**FIXED).fit(inputs, y)
        inputs[7, 0] = 1e12  # beyond the end of the scale it makes no difference how far
        with pytest.warns(EdgewiseWarning, match="times as far from all other values"):
            after = KANRegressor(**FIXED).fit(inputs, y)
        assert same(after, before, fresh)

    @pytest.mark.slow
    def test_a_far_input_gets_a_finite_prediction(self):
        fitted = KANRegressor(**DEEP).fit(X * 1e-200, Y)
        far = np.array([[1e300, -1e300], [0, 1e-100]])
        with pytest.warns(EdgewiseWarning, match="outside the training range"):
            assert np.isfinite(fitted.predict(far)).all()
        assert np.abs(fitted._to_network(fitted._inputs(far)).numpy()).max() == CLIP

    @pytest.mark.parametrize("size", [1e-9, 1e12])
    @pytest.mark.parametrize("shift", [0.0, 3.0])
    def test_units_make_no_difference(self, size, shift):
        plain = KANRegressor(**FIXED).fit(X, Y).predict(X)
        scaled = KANRegressor(**FIXED).fit((X + shift) * size, Y)
        np.testing.assert_allclose(scaled.predict((X + shift) * size), plain, rtol=0, atol=1e-9)

    @pytest.mark.slow
    def test_powers_of_two_make_no_difference_at_all(self):
        fitted = KANRegressor().fit(X, Y)
        scaled = KANRegressor().fit(X * 2.0**40, Y * 2.0**-30)
        assert (fitted.predict(X) == scaled.predict(X * 2.0**40) * 2.0**30).all()

    def test_a_constant_column_says_nothing(self):
        more = np.column_stack([X, np.full(60, 1e9)])
        fitted = KANRegressor(**FIXED).fit(more, Y)
        assert fitted.score(more, Y) > 0.95
        other = np.column_stack([X, np.full(60, 1e9 + 0.5)])
        with pytest.warns(EdgewiseWarning, match="60 of 60 rows lie outside the training range of x3"):
            assert np.isfinite(fitted.predict(other)).all()


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

    @pytest.mark.slow
    def test_a_row_without_weight_is_not_seen(self):
        weight = np.ones(62)
        weight[:2] = 0
        far, y = np.vstack([[[1e9, -1e9], [0, 0]], X]), np.r_[1e9, -1e9, Y]
        assert same(KANRegressor(**DEEP).fit(far, y, sample_weight=weight), KANRegressor(**DEEP).fit(X, Y))

    def test_a_class_without_weight_is_no_class(self):
        y = np.where(Y > 0, "up", "down").astype("<U5")
        y[:3] = "never"
        weight = np.where(y == "never", 0.0, 1.0)
        assert KANClassifier(**FIXED).fit(X, y, sample_weight=weight).classes_.tolist() == ["down", "up"]

    @pytest.mark.parametrize("weight", [np.zeros(60), np.full(60, -1.0), np.full(60, np.nan), np.ones(59)])
    def test_bad_weights(self, weight):
        with pytest.raises(ValueError, match=r"(?i)sample.weight"):
            KANRegressor(**FIXED).fit(X, Y, sample_weight=weight)


@pytest.mark.slow
def test_every_fit_starts_anew():
    fitted = KANRegressor(**DEEP).fit(X, -Y).fit(X, Y)
    assert same(fitted, KANRegressor(**DEEP).fit(X, Y))


class TestNames:
    @pytest.fixture(params=["pandas", "polars"])
    def frames(self, request):
        module = importlib.import_module(request.param)
        return lambda names, data=X: module.DataFrame(dict(zip(names, data.T, strict=True)))

    def test_frames_are_as_good_as_arrays(self, frames):
        fitted = KANRegressor(**FIXED).fit(frames(["a", "b"]), Y)
        assert fitted.feature_names_in_.tolist() == ["a", "b"]
        assert fitted.predict(frames(["a", "b"])).tobytes() == KANRegressor(**FIXED).fit(X, Y).predict(X).tobytes()

    def test_columns_are_found_by_name(self, frames):
        fitted = KANRegressor(**FIXED).fit(frames(["a", "b"]), Y)
        expected = fitted.predict(frames(["a", "b"]))
        assert fitted.predict(frames(["b", "a"], X[:, ::-1])).tolist() == expected.tolist()
        assert fitted.predict(frames(["more", "a", "b"], X[:, [0, 0, 1]])).tolist() == expected.tolist()
        assert fitted.predict(X).tolist() == expected.tolist()  # and an array by position, without a warning

    def test_a_column_that_is_missing_at_predict(self, frames):
        fitted = KANRegressor(**FIXED).fit(frames(["width", "height"]), Y)
        with pytest.raises(
            InputError,
            match=r"^X must have the 2 columns of the training table, got none called "
            r"'height'; the nearest names are 'heigth'$",
        ):
            fitted.predict(frames(["width", "heigth"]))


def test_a_wrong_number_of_columns_at_predict():
    with pytest.raises(ValueError, match="3 features, but KANRegressor is expecting 2"):
        KANRegressor(**FIXED).fit(X, Y).predict(np.ones((1, 3)))


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

    @pytest.mark.slow
    def test_copies(self):
        fitted = KANClassifier(**DEEP).fit(X, Y > 0)
        for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
            assert twin.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()
        assert not hasattr(clone(fitted), "model_") and clone(fitted).get_params() == fitted.get_params()

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

    def test_select_from_model(self):
        more = np.column_stack([np.random.default_rng(2).normal(size=60), X])
        chosen = SelectFromModel(KANRegressor(**FIXED), threshold=0.1).fit(more, Y).get_support()
        assert chosen.tolist() == [False, True, True]

    def test_permutation_importance(self):
        more = np.column_stack([X, np.random.default_rng(2).normal(size=60)])
        fitted = KANRegressor(**FIXED).fit(more, Y)
        importance = permutation_importance(fitted, more, Y, n_repeats=3, random_state=0).importances_mean
        assert importance[0] > importance[1] > 10 * abs(importance[2])

    @pytest.mark.slow
    def test_partial_dependence_display(self):
        pytest.importorskip("matplotlib").use("agg")
        from matplotlib import pyplot
        from sklearn.inspection import PartialDependenceDisplay

        for fitted in (KANRegressor(**FIXED).fit(X, Y), KANClassifier(**FIXED).fit(X, Y > 0)):
            shown = PartialDependenceDisplay.from_estimator(fitted, X, [0, 1])
            assert np.isfinite(shown.pd_results[0]["average"]).all()
            pyplot.close("all")


@pytest.mark.slow
def test_the_output_and_the_parameters_are_those_of_the_model():
    fitted = KANRegressor(**DEEP).fit(X, Y)
    output = fitted.model_(fitted._to_network(fitted._inputs(X))).detach().numpy()[:, 0]
    z = (fitted.predict(X) - fitted.target_scaling_.shift) / fitted.target_scaling_.scale
    np.testing.assert_allclose(output, z, atol=1e-12)
    assert fitted.parameter_count_ == (2 * 2 + 2 * 1) * 8
    assert fitted.n_iter_ == fitted.report_.steps


@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_an_unknown_parameter_is_refused_by_the_class_that_was_called(kind):
    with pytest.raises(InputError, match=rf"^{kind.__name__} has no argument 'gridsize'; did you mean 'grid_size'\?$"):
        kind(gridsize=3)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((9, 1)), ["a"] * 9, "y must hold numbers, got .*'a'"),
        (np.zeros((9, 1)), np.array(["a"] * 9, dtype=object), "y must hold numbers, got 'a'"),
    ],
)
def test_a_target_of_text_is_refused(X, y, message):
    with pytest.raises(InputError, match=message):
        KANRegressor().fit(X, y)

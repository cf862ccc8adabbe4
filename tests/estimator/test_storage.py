"""Tests of edgewise.estimator.storage: estimators come back from files bit for bit, and bad files are refused."""

from dataclasses import asdict, is_dataclass

import numpy as np
import pandas
import pytest

from edgewise import checkpoint
from edgewise.checkpoint import codec
from edgewise.discovery.decide import decided_front
from edgewise.discovery.problem import LawProblem
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.storage import load_estimator, save_estimator
from edgewise.formulas.expression import Variable
from edgewise.nn.model import KAN

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X[:, 0] + np.sin(X[:, 1])
LABELS = {
    "strings": np.where(Y > 0, "yes", "no"),
    "objects": np.where(Y > 0, "yes", "no").astype(object),
    "bools": Y > 0,
    "integers": np.digitize(Y, [-1, 1]) * 10 - 7,
    "unsigned": (Y > 0).astype(np.uint8),
    "floats": np.where(Y > 0, 1.0, -2.0),
    "whole numbers of 64 bits without a sign": np.where(X[:, 0] > 0, 1 << 63, 2).astype(np.uint64),
}
QUICK = {"effort": "low"}


@pytest.fixture(scope="module")
def regressor():
    return KANRegressor(**QUICK, hidden=()).fit(X, Y)


def there_and_back(estimator, tmp_path, **extra):
    save_estimator(estimator, tmp_path / "model.safetensors", **extra)
    return load_estimator(tmp_path / "model.safetensors")


def same(one, other):
    """Equal with equal types, NaN included."""
    one, other = (asdict(each) if is_dataclass(each) else each for each in (one, other))
    return repr(one) == repr(other) and type(one) is type(other)


@pytest.mark.slow
def test_a_regressor_comes_back_bit_for_bit(regressor, tmp_path):
    loaded, extra = there_and_back(regressor, tmp_path, extra={"note": [1, "two", None]})
    assert extra == {"note": [1, "two", None]}
    assert type(loaded) is KANRegressor
    assert loaded.predict(X).tobytes() == regressor.predict(X).tobytes()
    assert same(loaded.get_params(), regressor.get_params())
    assert same(loaded.search_, regressor.search_)
    assert same(loaded.report_, regressor.report_)
    assert vars(loaded).keys() == vars(regressor).keys()
    for name in ("n_features_in_", "n_iter_", "parameter_count_", "_single"):
        assert same(getattr(loaded, name), getattr(regressor, name)), name
    for name in ("input_scaling_", "target_scaling_"):
        assert same(codec.plain(getattr(loaded, name)), codec.plain(getattr(regressor, name))), name


@pytest.mark.slow
@pytest.mark.parametrize("kind", LABELS)
def test_a_classifier_comes_back_with_its_labels(kind, tmp_path):
    fitted = KANClassifier(**QUICK, hidden=(), regularization=1e-2).fit(X, LABELS[kind])
    loaded, _ = there_and_back(fitted, tmp_path)
    assert loaded.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.predict(X).tolist() == fitted.predict(X).tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_formulas_of_classes_come_back(classes, tmp_path):
    labels = np.array(["u", "v", "w"])[np.arange(40) % classes]
    fitted = KANClassifier(**QUICK, hidden=(), regularization=1e-2).fit(X, labels)
    front = decided_front([Variable(0), Variable(1)], LawProblem(X[:30], X[:30, 0], X[30:], X[30:, 0], tuple("abc")))
    fitted.equations_ = front if classes == 2 else {"u": front, "v": front, "w": front}
    loaded, _ = there_and_back(fitted, tmp_path)
    assert str(loaded.equations_) == str(fitted.equations_)
    assert loaded.predict_equation(X).tobytes() == fitted.predict_equation(X).tobytes()
    fitted.equations_ = {"u": front, "v": front}
    if classes == 3:
        with pytest.raises(CheckpointError, match="formulas of other classes"):
            there_and_back(fitted, tmp_path)


def test_several_outputs_names_and_an_interrupted_search_come_back(tmp_path):

    def stop(event):
        if event.best_loss == event.best_loss:  # there is a first model
            raise KeyboardInterrupt

    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    fitted = KANRegressor()._fit_with(frame, np.column_stack([Y, -Y]), progress=stop, keep_interrupted=True)
    loaded, _ = there_and_back(fitted, tmp_path)
    assert loaded.predict(frame).tobytes() == fitted.predict(frame).tobytes()
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
    assert loaded.report_.stopped == loaded.search_.stopped == "interrupted"
    assert loaded.predict(frame[["b", "a", "c"]]).tobytes() == fitted.predict(frame).tobytes()


@pytest.mark.parametrize("state", [None, np.random.default_rng(0), np.random.RandomState(0)])
def test_a_generator_is_not_stored(state, tmp_path):
    fitted = KANRegressor(**QUICK, hidden=(), regularization=1e-2, random_state=state).fit(X, Y)
    assert there_and_back(fitted, tmp_path)[0].random_state is None


@pytest.mark.parametrize("thing", [KANRegressor(), "model", None])
def test_only_fitted_estimators_are_saved(thing, tmp_path):
    with pytest.raises(InputError, match="fitted"):
        save_estimator(thing, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_bare_network_is_refused_with_a_sentence(tmp_path):
    checkpoint.write(KAN((2, 1)), tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"must hold an estimator.*got a bare network$"):
        load_estimator(tmp_path / "m")

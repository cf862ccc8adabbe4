"""A model of counts predicts the exponential of its network: the same numbers from a file and from exported code."""

import numpy as np
import pytest

import edgewise
from edgewise import KANRegressor
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator import storage

X = np.random.default_rng(0).uniform(-1, 1, (80, 1))
Y = np.random.default_rng(1).poisson(np.exp(1 + X[:, 0])).astype(float)


@pytest.fixture(scope="module")
def counts():
    return KANRegressor(loss="poisson", effort="low", random_state=0).fit(X, Y)


@pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")  # of rows far outside the training range
def test_it_is_the_exponential_of_the_network(counts):
    assert counts.link_ == "log" and (counts.predict(X) > 0).all()
    far = counts.predict(np.array([[-1e6], [1e6]]))
    assert np.isfinite(far).all() and (far >= 0.99 * np.exp(counts._exponent[0])).all()
    assert (far <= 1.01 * np.exp(counts._exponent[1])).all()


def test_a_file_with_an_empty_range_is_refused(counts, tmp_path):
    edgewise.save(counts, tmp_path / "counts")
    file = storage.checkpoint.read(tmp_path / "counts")
    file.extra["estimator"]["_exponent"] = [1.0, 0.0]
    storage.checkpoint.write(file.model, tmp_path / "counts", extra=file.extra, state=file.state)
    with pytest.raises(CheckpointError, match="an empty range"):
        edgewise.load(tmp_path / "counts")


def test_bounds_of_an_exponential_are_positive():
    with pytest.raises(InputError, match="bounds must have a positive end for the loss 'poisson'"):
        KANRegressor(loss="poisson", bounds=(None, 0.0)).fit(X, Y)
    with pytest.raises(InputError, match="y must have one column for the loss 'poisson', got 2"):
        KANRegressor(loss="poisson").fit(X, np.stack([Y, Y], 1))


def test_a_summary_names_the_loss_of_the_family(counts):
    (score,) = [fact for fact in counts.summary().facts if fact[0].startswith("held-out")]
    assert score[0] == "held-out half Poisson deviance"

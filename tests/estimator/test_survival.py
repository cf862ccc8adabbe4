"""KANSurvival: conventions of scikit-survival, its concordance index, files, explanations and bad input."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import edgewise
from edgewise import KANSurvival
from edgewise.errors import InputError
from edgewise.metrics import concordance_index
from edgewise.tables.batches import Batches


def sampled(rows, seed=0, noise=2):
    """A hazard with a bump in the first input, straight in the second, none in the others; a quarter censored."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (rows, noise + 2))
    risk = 2 * np.exp(-8 * X[:, 0] ** 2) + X[:, 1]
    time, censored = rng.exponential(np.exp(-risk)), rng.exponential(1.5, rows)
    y = np.empty(rows, dtype=[("died", "?"), ("days", "f8")])
    y["died"], y["days"] = time <= censored, np.minimum(time, censored)
    return X, y, risk


@pytest.fixture(scope="module")
def fitted():
    X, y, risk = sampled(400)
    return KANSurvival().fit(X, y), X, y, risk


def brute_force(event, time, risk):
    won = pairs = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                won += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return won / pairs


@pytest.mark.parametrize("seed", range(4))
def test_concordance_equals_brute_force_with_ties(seed):
    rng = np.random.default_rng(seed)
    event, time, risk = rng.random(61) < 0.6, rng.integers(0, 20, 61) * 1.0, rng.integers(0, 15, 61) * 1.0
    assert concordance_index(event, time, risk) == pytest.approx(brute_force(event, time, risk), abs=1e-12)


def test_scores_follow_the_hazard(fitted):
    model, X, _, _ = fitted
    new, outcome, truth = sampled(500, seed=1)
    found = model.predict(new)
    assert np.corrcoef(found, truth)[0, 1] > 0.93
    assert abs(model.predict(X).mean()) < 0.05
    best = concordance_index(outcome["died"], outcome["days"], truth)
    assert best - model.score(new, outcome) < 0.03


def test_survival_functions_are_those_of_the_baseline_and_the_score(fitted):
    model, X, _, _ = fitted
    hazard = model.predict_cumulative_hazard_function(X[:3], return_array=True)
    survival = model.predict_survival_function(X[:3], return_array=True)
    np.testing.assert_allclose(survival, np.exp(-hazard))
    np.testing.assert_allclose(hazard, np.exp(model.predict(X[:3]))[:, None] * model.baseline_hazard_)
    functions = model.predict_survival_function(X[:3])
    assert functions.shape == (3,)
    np.testing.assert_allclose(functions[1](model.unique_times_), survival[1])
    assert functions[1](0.0) == 1.0
    assert functions[1].domain[1] == model.unique_times_[-1]
    assert (np.diff(survival, axis=1) <= 0).all()


def test_forms_of_y_are_equal_and_weights_are_repeats():
    X, y, _ = sampled(120)
    weight = np.random.default_rng(2).integers(0, 3, 120)
    one = KANSurvival(pairs="none").fit(X, y, sample_weight=weight)
    twice = np.repeat(np.arange(120), weight)
    other = KANSurvival(pairs="none").fit(X[twice], (y["died"][twice], y["days"][twice]))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    np.testing.assert_array_equal(one.baseline_hazard_, other.baseline_hazard_)


def test_conventions_of_scikit_learn(fitted):
    model, X, y, _ = fitted
    again = clone(model)
    assert again.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        again.predict(X)
    with pytest.raises(ValueError, match="3 features"):
        model.predict(X[:, :3])
    frames = pytest.importorskip("pandas")
    frame = frames.DataFrame(X[:80], columns=list("abcd"))
    named = KANSurvival(pairs="none").fit(frame, y[:80])
    assert named.feature_names_in_.tolist() == list("abcd")
    assert named.explain_global(frame).names == ("a", "b", "c", "d")


def test_bad_input_gets_one_sentence():
    X, y, _ = sampled(40)
    cases = [
        (KANSurvival(pairs="some"), y, "pairs must be 'auto' or 'none', got 'some'"),
        (KANSurvival(ties="exact"), y, "ties must be 'breslow' or 'efron', got 'exact'"),
        (KANSurvival(random_state=-1), y, "random_state must be None, an integer from 0 to 2**32 - 1 or a generator"),
        (KANSurvival(), y["days"], "y must be a structured array with the fields event and time, or the pair"),
        (KANSurvival(), (y["days"], y["died"]), "the events in y must be 0 or 1"),
        (KANSurvival(), (np.zeros(40, bool), y["days"]), "y must have at least one event, got only censored rows"),
        (KANSurvival(), (y["died"][:5], y["days"][:5]), "y must hold 40 events and times, one for each row of X"),
        (KANSurvival(), (y["died"], -y["days"]), "the times in y must be finite and at least 0"),
    ]
    for model, target, message in cases:
        with pytest.raises(InputError) as caught:
            model.fit(X, target)
        assert str(caught.value).startswith(message)
        assert not hasattr(model, "model_")
    with pytest.raises(InputError, match="X must be rows in memory for KANSurvival, got a table in batches"):
        KANSurvival().fit(Batches([(X, y)]))
    with pytest.raises(InputError, match="no comparable pair"):
        concordance_index(np.array([False, False]), np.array([1.0, 2.0]), np.zeros(2))


def test_frames_go_in_as_they_are(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    kind = rng.choice(["a", "b", "c"], 300)
    risk = np.select([kind == "a", kind == "b"], [1.0, -1.0], 0.0)
    frame = pandas.DataFrame({"kind": kind, "dose": np.where(np.arange(300) % 5 == 0, np.nan, rng.uniform(0, 1, 300))})
    time = rng.exponential(np.exp(-risk))
    model = KANSurvival(pairs="none").fit(frame, (np.ones(300, bool), time))
    low, high = (model.predict(frame[frame["kind"] == kind]).mean() for kind in "ba")
    assert high - low == pytest.approx(2, abs=0.4)
    assert model.feature_importances_.argmax() == 0
    edgewise.save(model, tmp_path / "model")
    again = edgewise.load(tmp_path / "model")
    assert again.predict(frame).tolist() == model.predict(frame).tolist() and again.inference_ == model.inference_
    functions = [each.predict_survival_function(frame[:4], return_array=True) for each in (again, model)]
    np.testing.assert_array_equal(*functions)

"""Knowledge of columns goes in as constraints: the fitted estimators obey them everywhere, in units."""

import numpy as np
import pandas
import pytest
from sklearn.base import clone

import edgewise
from edgewise import KANRegressor, KANSurvival
from edgewise.errors import InputError

# Paths leave the range of the rows on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::edgewise.errors.EdgewiseWarning")
ROUNDING = 1e-9  # of predictions of order 100


def table(rows=160, seed=0, noise=4.0):
    """Prices that rise with area and fall with distance, up to noise; one column with missing values, one of text."""
    rng = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "area": rng.uniform(20, 120, rows),
            "distance": rng.exponential(4, rows),
            "age": np.where(rng.random(rows) < 0.1, np.nan, rng.uniform(0, 90, rows)),
            "city": rng.choice(["Bonn", "Ulm", "Köln"], rows),
        }
    )
    age = frame["age"].fillna(40)
    y = 100 + 20 * np.log(frame["area"]) - 3 * np.sqrt(frame["distance"]) + 0.01 * (age - 50) ** 2
    y += 0.002 * frame["area"] * age + 5 * (frame["city"] == "Ulm") + noise * rng.standard_normal(rows)
    return frame, y.rename("price")


def path(frame, column, low, high, count=400):
    """Rows that differ in one column alone, for several settings of the others: (settings, count, columns)."""
    values = np.linspace(low, high, count)
    return [pandas.concat([frame.iloc[[i]]] * count, ignore_index=True).assign(**{column: values}) for i in range(6)]


def along(predict, frame, column, low, high):
    """Predictions along these paths, (settings, count)."""
    return np.array([predict(rows) for rows in path(frame, column, low, high)])


KNOWN = {
    "monotone": {"area": 1, 1: -1},
    "shape": {"area": "concave", "distance": "convex"},
    "linear": ["age"],
    "bounds": (150, 210),
}


@pytest.fixture(scope="module")
def fitted():
    frame, y = table()
    return KANRegressor(**KNOWN).fit(frame, y), frame, y


@pytest.mark.slow
def test_predictions_rise_bend_and_stay_as_they_must(fitted):
    model, frame, _ = fitted
    area = along(model.predict, frame, "area", -50, 300)
    assert np.diff(area).min() > -ROUNDING and np.ptp(area) > 10
    distance = along(model.predict, frame, "distance", -20, 80)
    assert np.diff(distance).max() < ROUNDING and np.ptp(distance) > 1
    inside = along(model.predict, frame, "area", 20, 120)
    assert np.diff(inside, 2).max() < ROUNDING
    assert np.diff(along(model.predict, frame, "distance", 0, 15), 2).min() > -ROUNDING
    straight = along(model.predict, frame, "age", 0, 90)
    assert abs(np.diff(straight, 2)).max() < ROUNDING
    far = frame.assign(area=np.where(frame["area"] > 70, 1e6, -1e6), distance=np.where(frame["area"] > 70, 0, 1e6))
    assert model.predict(far).min() > 150 - ROUNDING and model.predict(far).max() < 210 + ROUNDING
    assert "never falls with area; never rises with distance; concave in area" in model.search_.sentences[0]


def test_a_survival_model_obeys(tmp_path):
    frame, y = table()
    time = np.exp(-(y - y.mean()) / 20)
    outcome = (np.arange(len(y)) % 4 > 0, time)
    model = KANSurvival(monotone={"area": 1}, shape={"distance": "concave"}, linear=["age"], interactions=())
    model.fit(frame, outcome)
    assert np.diff(along(model.predict, frame, "area", -50, 300)).min() > -ROUNDING
    assert np.diff(along(model.predict, frame, "distance", 0, 15), 2).max() < ROUNDING
    assert abs(np.diff(along(model.predict, frame, "age", 0, 90), 2)).max() < ROUNDING
    edgewise.save(model, tmp_path / "model.safetensors")
    again = edgewise.load(tmp_path / "model.safetensors")
    assert again.get_params() == {**model.get_params(), "interactions": []}


def test_knowledge_is_cloned_and_stored(fitted, tmp_path):
    model, frame, _ = fitted
    assert clone(model).get_params() == model.get_params()
    edgewise.save(model, tmp_path / "model.safetensors")
    again = edgewise.load(tmp_path / "model.safetensors")
    for name, value in KNOWN.items():
        assert getattr(again, name) == value
    assert again.predict(frame).tobytes() == model.predict(frame).tobytes()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"monotone": {"aera": 1}}, "'aera'.*'area'"),
        ({"monotone": {"city": 1}}, "numbers or dates, got 'city' with the levels"),
        ({"monotone": {"area": 2}}, "1 or -1, got 2 for 'area'"),
        ({"monotone": ["area"]}, "monotone must be a dict"),
        ({"monotone": {7: 1}}, "from 0 to 3, got 7"),
        ({"shape": {"area": "round"}}, "'convex' or 'concave', got 'round'"),
        ({"linear": "area"}, "linear must be a list"),
        ({"linear": [["area"]]}, "linear must name columns"),
        ({"interactions": [("area",)]}, "pairs of different columns"),
        ({"interactions": [("area", "age")], "linear": ["age"]}, "got 'age'"),
        ({"bounds": (3, 2)}, "low < high"),
        ({"bounds": 3}, "low, high"),
        ({"monotone": {"area": 1}, "hidden": 3}, "hidden must be 'auto'"),
        ({"bounds": (0, 1), "loss": "absolute"}, "bounds need"),
    ],
)
def test_wrong_knowledge_is_refused_in_a_sentence(known, words):
    frame, y = table(40)
    model = KANRegressor(effort="low").set_params(**known)
    with pytest.raises(InputError, match=words):
        model.fit(frame, y)
    assert not hasattr(model, "model_")


def test_forms_hold_as_far_as_inputs_go_and_not_only_near_the_targets():
    rng = np.random.default_rng(3)
    X = rng.exponential(1, (120, 2)) ** 2
    y = np.sqrt(X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(120)
    model = KANRegressor(linear=[1], shape={0: "concave"}, effort="low").fit(X, y)
    low, high = (model.input_limits_.T * model.input_scaling_.scale + model.input_scaling_.shift).round(9)
    for column in (0, 1):
        rows = np.tile(X[X[:, 0].argmax()], (300, 1))
        rows[:, column] = np.linspace(low[column], high[column], 300)
        bend = np.diff(model.predict(rows), 2)
        assert bend.max() < ROUNDING and (column == 0 or bend.min() > -ROUNDING)

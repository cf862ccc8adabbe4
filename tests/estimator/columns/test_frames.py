"""Frames as they are: text, categories, booleans, dates and missing values; and what is said of strange rows."""

import numpy as np
import pytest

import edgewise
from edgewise.errors import EdgewiseWarning
from edgewise.estimator import KANClassifier, KANRegressor

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

FIXED = {"hidden": (), "grid_size": 3, "regularization": 1e-4}
CITY = {"Bonn": 0.0, "Köln": 30.0, "Ulm": -20.0}


def flats(rows=120, seed=0):
    """Made-up flats with a price that is known exactly."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(20, 120, rows).round()
    frame = pd.DataFrame(
        {
            "area": pd.array(area.astype(int), dtype="Int64"),
            "city": rng.choice(list(CITY), rows),
            "lift": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "heating": pd.Categorical(rng.choice(["gas", "oil"], rows)),
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), unit="D"),
            "name": [f"flat {i}" for i in range(rows)],
        }
    )
    price = 2 * area + frame["city"].map(CITY) + 10.0 * frame["lift"].astype(float)
    price += (frame["sold"] - pd.Timestamp("2020-01-01")).dt.days / 50
    frame.loc[frame.index[5:30], "area"] = pd.NA
    price[5:30] = price[5:30] - 2 * area[5:30] + 140
    frame.loc[frame.index[40:60], "city"] = None
    price[40:60] = price[40:60] - [CITY[c] for c in flats_cities(seed, rows)[40:60]] + 5
    return frame, price.rename("price").astype(float)


def flats_cities(seed, rows):
    rng = np.random.default_rng(seed)
    rng.uniform(20, 120, rows)
    return rng.choice(list(CITY), rows)


@pytest.fixture(scope="module")
def fitted():
    frame, price = flats()
    with pytest.warns(EdgewiseWarning, match=r"^Column 'name' was left out: its text is different in every row"):
        return KANRegressor(**FIXED).fit(frame, price)


def test_a_frame_goes_in_as_it_is(fitted):
    frame, price = flats()
    assert fitted.score(frame, price) > 0.999
    assert fitted.n_features_in_ == 6 and fitted.feature_names_in_.tolist() == list(frame.columns)
    assert fitted.encoder_.columns == ("area", "city", "lift", "heating", "sold")
    assert any("'sold' holds dates from 2020-01-0" in note for note in fitted.encoder_.notes)
    other = pl.from_pandas(frame).to_arrow()
    assert fitted.predict(other).tolist() == fitted.predict(frame).tolist()
    assert fitted.predict(pl.from_pandas(frame)[["sold", "city", "heating", "lift", "area"]]).tolist() == pytest.approx(
        fitted.predict(frame)
    )
    assert isinstance(frame["city"].iloc[0], str) and frame["area"].dtype == "Int64"  # the frame is untouched


def test_columns_are_what_explanations_name(fitted):
    frame, _ = flats()
    explanation = fitted.explain_global(frame)
    assert explanation.names == ("area", "city", "lift", "heating", "sold") and explanation.outputs == ("price",)
    city = next(effect for effect in explanation.effects if effect.input == 1)
    assert city.levels == ("Bonn", "Köln", "Ulm") and len(city.mean) == 3
    assert city.mean[:, 0] - city.mean[0, 0] == pytest.approx([0, 30, -20], abs=1)
    assert city.missing[0] - city.mean[0, 0] == pytest.approx(5, abs=1)
    text = " ".join(explanation.sentences)
    assert "Of the 3 levels of city, price is highest for Köln" in text and "As sold goes from 2020-01-0" in text
    alone = fitted.explain_global(frame[(frame["city"] == "Ulm") | frame["city"].isna()])
    assert any(text.startswith("The only level of city is Ulm, where price is ") for text in alone.sentences)
    row = frame[frame["city"] == "Ulm"].head(1)
    local = fitted.explain_local(row)
    assert "for city = Ulm" in local.sentence(0) and local.sentence(0).startswith("price ")
    assert local.base + local.shares.sum((0, 1)) == pytest.approx(fitted.predict(row), rel=1e-9)
    importance = fitted.feature_importances_
    assert importance.sum() == pytest.approx(1) and importance[5] == 0
    ranking = np.argsort(-explanation.importance)
    assert np.argsort(-importance[:5])[:2].tolist() == ranking[:2].tolist()


def test_rows_outside_are_counted_in_one_sentence(fitted):
    frame, _ = flats(seed=2)
    frame["area"] = frame["area"].astype(float)
    frame.loc[:2, "area"] = 500.0
    frame.loc[7, "city"] = "Mars"
    frame.loc[8, "sold"] = pd.NaT
    with pytest.warns(EdgewiseWarning) as caught:
        predicted = fitted.predict(frame)
    (one,) = caught
    assert str(one.message) == (
        "3 of 120 rows lie outside the training range of area (21 to 120); 1 of 120 rows has a level that training "
        "did not have in city; 1 of 120 rows lacks sold, where training had no missing value: the predictions average "
        "over the training values"
    )
    check = fitted.check_rows(frame)
    assert np.flatnonzero(check.flagged).tolist() == [0, 1, 2, 7]
    assert check.remark(0) == "area" and "city" in check.remark(7)
    # An unseen level has no effect: the prediction is the mean over the levels of the training rows.
    each = [fitted.predict(frame.iloc[[7]].assign(city=city))[0] for city in (*CITY, None)]
    levels = fitted.background_[:, 1]
    share = [np.mean(levels == 0), np.mean(levels == 1), np.mean(levels == 2), np.mean(np.isnan(levels))]
    assert predicted[7] == pytest.approx(np.dot(share, each))


def test_a_row_of_which_nothing_is_known_shows_the_doubt(tmp_path):
    frame, price = flats()
    label = np.where(price > np.quantile(price, 0.8), "dear", "cheap")
    model = KANClassifier(**FIXED, class_weight={"dear": 1.0}).fit(frame.drop(columns="name"), label)
    assert model.score(frame, label) > 0.9
    nothing = pd.DataFrame({name: [None] for name in frame.columns[:-1]})
    with pytest.warns(EdgewiseWarning, match="the only row lacks most of its values"):
        doubt = model.predict_proba(nothing)[0]
    assert doubt == pytest.approx([0.8, 0.2], abs=0.05)
    odds = model.decision_function(nothing)[0]  # an estimator repeats no warning
    assert odds == pytest.approx(np.log(doubt[1] / doubt[0]))
    assert model.check_rows(nothing).mostly_missing.tolist() == [True]
    edgewise.save(model, tmp_path / "model.safetensors")
    loaded = edgewise.load(tmp_path)
    assert loaded.class_weight == {"dear": 1.0}
    with pytest.warns(EdgewiseWarning):
        assert loaded.predict_proba(nothing)[0].tolist() == doubt.tolist()


def test_missing_numbers_in_arrays():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (150, 2))
    y = X[:, 0] + 3 * X[:, 1]
    X[:40, 0] = np.nan
    y[:40] = 2 + 3 * X[:40, 1]
    model = KANRegressor(**FIXED).fit(X, y)
    assert model.score(X, y) > 0.999 and model.n_features_in_ == 2
    assert model.encoder_.feature_names == ("x1", "x1 is missing", "x2")
    assert model.feature_importances_.argmax() == 1
    mixed = [["red", 1.0], ["blue", None], ["red", 3.0]] * 10
    assert KANRegressor(**FIXED).fit(mixed, np.arange(30.0)).encoder_.columns == ("x1", "x2")


def test_a_target_among_the_inputs_is_noticed():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 30), "b": np.cos(np.arange(30.0)), "kind": ["x", "y", "z"] * 10})
    with pytest.warns(EdgewiseWarning, match="X has the target 'b' among its columns"):
        KANRegressor(hidden=(), grid_size=2, regularization=1e-3).fit(frame, frame["b"])
    with pytest.warns(EdgewiseWarning, match="X has the target 'kind' among its columns"):
        KANClassifier(hidden=(), grid_size=2, regularization=1e-3).fit(frame, frame["kind"])
    KANRegressor(hidden=(), grid_size=2, regularization=1e-3).fit(frame, (frame["b"] + 1).rename("b"))

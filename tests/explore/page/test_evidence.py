"""What the page is told beside the network: bands, intervals, and formulas on rows and beyond them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from edgewise import KAN, KANRegressor, find_formula
from edgewise.explore import Session
from edgewise.explore.page.api import Requests
from edgewise.explore.page.description import session_fields, subject_fields


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (120, 2))
    y = 3 + 2 * np.sin(2 * x[:, 0]) + x[:, 1] + 0.1 * generator.normal(size=120)
    model = KANRegressor(hidden=(), grid_size=5, regularization=1e-3).fit(x, y)
    return model, x, y


def test_bands_are_those_of_the_library(fitted):
    model, x, y = fitted
    session = Session(model, x, y)
    bands = subject_fields(session.subject)["bands"]
    low, high, values, half = bands["edges"]["0,1,0"]
    points = np.zeros((len(half), 2))
    points[:, 1] = np.linspace(low, high, len(half))
    rows = x[np.setdiff1d(np.arange(120), session.subject.held_out)]  # over these the mean of a curve is subtracted
    assert np.allclose(half, bands["width"] * model._network_view(rows).std(points)[:, 1, 0], rtol=1e-9)
    trace = model.model_.trace(torch.from_numpy(points))
    assert np.allclose(values, trace.edges[0][:, 1, 0].detach())
    assert subject_fields(Session(KAN([1, 1], dtype=torch.float64)).subject)["bands"] is None


def test_the_interval_is_that_of_predict_interval_until_the_first_edit(fitted):
    model, x, y = fitted
    session = Session(model, x, y, held_out=0.3)
    requests = Requests(session)
    row = model._to_network(x[:1])
    half = requests.answer("interval", {"x": row[0].tolist()})["interval"]["half"][0]
    low, high = model.predict_interval(x[:1])
    assert 2 * half * model.target_scaling_.scale[0] == pytest.approx(float(high[0] - low[0]))
    for wrong in (math.nan, 10**400, {}):
        assert "x must be 2 finite numbers" in requests.answer("interval", {"x": [wrong, 1]})["error"]
    session.edit("straighten", edge=[0, 0, 0])
    assert requests.answer("interval", {"x": [0, 0]}) == {"interval": None}

    fields = session_fields(session)["interval"]  # of an edited model: by its own held-out residuals
    held = list(session.subject.held_out)
    sizes = np.sort(np.abs(session.model.predict(x[held]) - y[held])) / model.target_scaling_.scale[0]
    assert fields["rows"] == 36 and fields["half"][0] == pytest.approx(sizes[math.ceil(37 * 0.9) - 1])
    assert session_fields(Session(model, x[:20], y[:20]))["interval"] is None  # four rows decide nothing


def test_formulas_of_several_targets_name_their_target():
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = pd.DataFrame({"first": x[:, 0] + 1, "second": x[:, 1] - 1})
    model = KANRegressor(hidden=(), grid_size=3, regularization=1e-2).fit(x, y)
    model.equations_ = {k: find_formula(x, y.iloc[:, k], time_limit=0.1) for k in (0, 1)}
    fields = subject_fields(Session(model, x, y).subject)
    best = {one["output"]: one["rows"] for one in fields["front"] if one["chosen"]}
    rows = np.array(fields["rows"]["numbers"]) - 1
    assert list(best) == list(fields["outputs"]) == ["first", "second"]
    assert np.allclose(best["second"], x[rows, 1] - 1, atol=1e-6)


def test_a_column_tells_the_page_its_levels_or_the_number_that_stands_for_a_missing_one():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"size": generator.uniform(1, 5, 90), "kind": generator.choice(["a", "b", "c"], 90)})
    y = frame["size"] + (frame["kind"] == "b")
    frame.loc[::9, "size"] = np.nan
    model = KANRegressor(hidden=(), grid_size=3, regularization=1e-2).fit(frame, y)
    size, kind = subject_fields(Session(model, frame, y).subject)["columns"]
    assert (size["name"], size["levels"], kind["name"], kind["levels"]) == ("size", [], "kind", ["a", "b", "c"])
    assert size["missing"] == pytest.approx(frame["size"].median()) and kind["missing"] is None
    assert len(size["inputs"]) == 2 and not set(size["inputs"]) & set(kind["inputs"])
    (bare,) = subject_fields(Session(KAN([1, 1], dtype=torch.float64)).subject)["columns"]
    assert bare == {"name": "x", "inputs": [0], "levels": [], "missing": None}

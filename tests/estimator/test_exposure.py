"""Counts with an exposure: an offset of the linear predictor, against programs that know it otherwise."""

import ctypes
import runpy
import shutil
import subprocess

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from scipy.stats import poisson
from sklearn.linear_model import PoissonRegressor

from edgewise import KANRegressor, load, save
from edgewise.errors import InputError
from edgewise.explore.opening import rows_of
from edgewise.explore.subject import subject_of
from edgewise.gam.families.exponential import Exposed, NegativeBinomial, Poisson
from edgewise.tables.batches import Batches


def table(rows=400):
    rng = np.random.default_rng(0)
    x = rng.random((rows, 2))
    years = rng.uniform(0.2, 5, rows)
    claims = rng.poisson(years * np.exp(x[:, 0] - 1))
    return pd.DataFrame({"age": x[:, 0], "years": years, "size": x[:, 1]}), claims


@pytest.mark.parametrize(
    ("family", "peer"),
    [
        (Poisson(), sm.families.Poisson()),
        (NegativeBinomial(theta=2.0, estimated=False), sm.families.NegativeBinomial(alpha=0.5)),
    ],
)
def test_score_deviance_and_likelihood_are_those_of_statsmodels(family, peer):
    X, y = table()
    columns = sm.add_constant(X[["age", "size"]])
    fitted = sm.GLM(y, columns, family=peer, exposure=X["years"]).fit(tol=1e-12)
    exposed = Exposed(family)
    target = np.column_stack([y, np.log(X["years"])])
    eta = columns.to_numpy() @ fitted.params.to_numpy()
    score, _ = exposed.derivatives(target, eta)
    assert np.allclose(columns.T @ score, 0, atol=1e-6)
    assert exposed.deviance(target, eta).sum() == pytest.approx(fitted.deviance)
    assert exposed.log_likelihood(target, eta, 1.0).sum() == pytest.approx(fitted.llf)
    saturated = poisson.logpmf(y, y).sum()
    assert exposed.loss(target, eta).sum() == pytest.approx(saturated - fitted.llf)


def test_a_rate_with_the_exposure_as_weight_is_the_same_model():
    X, y = table()
    model = KANRegressor(loss="poisson", exposure="years", linear=["age", "size"], effort="low").fit(X, y)
    inputs = X[["age", "size"]]
    peer = PoissonRegressor(alpha=0, tol=1e-10).fit(inputs, y / X["years"], sample_weight=X["years"])
    expected = peer.predict(inputs) * X["years"]
    # Straight lines have a small ridge of restricted likelihood.
    assert np.abs(np.log(model.predict(X) / expected)).max() < 0.05
    assert model.encoder_.columns == ("age", "size")


def test_predictions_are_those_of_the_exposure_of_each_row(tmp_path):
    X, y = table()
    model = KANRegressor(loss="auto", exposure="years", effort="low").fit(X, y)
    assert model.loss_ == "poisson"
    longer = X.assign(years=3 * X["years"])
    assert np.allclose(model.predict(longer), 3 * model.predict(X))
    low, high = model.predict_interval(X)
    assert 0.87 < ((low <= y) & (y <= high)).mean() < 0.97
    wide = (high - low)[X["years"] > 4].mean()
    assert wide > 1.5 * (high - low)[X["years"] < 1].mean()
    assert 0.3 < model.score(X, y) < 0.5
    assert "per unit of years" in str(model.summary())
    save(model, tmp_path / "claims.safetensors")
    assert np.array_equal(load(tmp_path / "claims.safetensors").predict(X), model.predict(X))
    numbered = KANRegressor(loss="poisson", exposure=1, effort="low").fit(X.to_numpy(), y)
    assert np.allclose(numbered.predict(X.to_numpy()), model.predict(X))


@pytest.mark.parametrize(
    ("parameters", "years", "message"),
    [
        ({"loss": "squared"}, 1.0, "exposure needs a loss"),
        ({"loss": "huber"}, 1.0, "exposure needs a loss"),
        ({"loss": "poisson", "exposure": "yeers"}, 1.0, "exposure must name columns of X"),
        ({"loss": "poisson"}, 0.0, "exposure must be positive, got 0.0 in row 1"),
    ],
)
def test_a_wrong_exposure_is_named(parameters, years, message):
    X, y = table(40)
    X.loc[0, "years"] = years
    with pytest.raises(InputError, match=message):
        KANRegressor(**{"exposure": "years"} | parameters).fit(X, y)


def test_rows_without_the_exposure_are_no_rows_of_the_model():
    X, y = table(40)
    model = KANRegressor(loss="poisson", exposure="years", effort="low").fit(X, y)
    with pytest.raises(InputError, match="X must have the column 'years', the exposure"):
        model.predict(X.drop(columns="years"))


def test_programs_take_the_exposure_after_the_inputs(tmp_path):
    X, y = table(60)
    X["kind"] = np.where(np.arange(len(X)) % 3, "a", "b")
    model = KANRegressor(loss="poisson", exposure="years", effort="low").fit(X, y)
    expected = model.predict(X)
    model.export(tmp_path / "claims.py")
    program = runpy.run_path(str(tmp_path / "claims.py"))
    assert np.allclose(np.ravel(program["predict_rows"](X.to_dict("records"))), expected, rtol=1e-12)
    assert np.isnan(program["predict_rows"]([{"age": 0.5, "size": 0.5, "kind": "a"}])).all()
    assert program["COLUMNS"][-1] == "years"
    inputs = np.array([program["inputs"](row) for row in X.to_dict("records")])
    # In C the numbers of a row are those of the columns in their order, then the exposure.
    model.export(tmp_path / "claims.c")
    if shutil.which("cc") is None:
        return
    library = str(tmp_path / "claims.so")
    subprocess.run(["cc", "-std=c99", "-shared", "-fPIC", tmp_path / "claims.c", "-o", library, "-lm"], check=True)
    of_c = ctypes.CDLL(library)
    x = np.zeros(inputs.shape[1])
    answer = ctypes.c_double()
    row = X.iloc[1]
    number = (ctypes.c_double * 4)(row["age"], row["size"], 0.0, row["years"])
    text = (ctypes.c_char_p * 4)(None, None, row["kind"].encode(), None)
    of_c.inputs(number, text, x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
    of_c.predict(x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), ctypes.byref(answer))
    assert np.allclose(x, inputs[1], rtol=1e-15) and answer.value == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.nightly
def test_programs_of_torch_and_onnx_take_the_exposure_after_the_inputs(tmp_path):
    X, y = table(60)
    model = KANRegressor(loss="poisson", exposure="years", effort="low").fit(X, y)
    model.export(tmp_path / "claims.pt2")
    program = torch.export.load(tmp_path / "claims.pt2").module()
    inputs = X[["age", "size", "years"]].to_numpy(copy=True)
    values = program(torch.from_numpy(inputs))
    assert np.allclose(values[:, 0].detach(), model.predict(X), rtol=1e-12)
    model.export(tmp_path / "claims.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "claims.onnx", providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": inputs})[0][:, 0], model.predict(X), rtol=1e-12)


def test_the_explorer_judges_edits_by_rates(tmp_path):
    X, y = table(60)
    y = y + 1
    model = KANRegressor(loss="poisson", exposure="years", effort="low").fit(X, pd.Series(y, name="claims"))
    X.assign(claims=y).to_csv(tmp_path / "claims.csv", index=False)
    rows, targets = rows_of(model, {}, tmp_path / "claims.csv")
    subject = subject_of(model, rows, targets)
    problem = subject.problem
    rates = np.concatenate([problem.train.y[:, 0], problem.validation.y[:, 0]])
    assert np.allclose(np.sort(rates), np.sort(np.log(y / X["years"])))
    assert subject.outputs == ("claims per unit of years",)


def test_a_table_in_batches_has_no_exposure():
    X, y = table(40)
    with pytest.raises(InputError, match="exposure must be left out for a table in batches, got one"):
        KANRegressor(loss="poisson", exposure="years").fit(Batches([(X, y)]))

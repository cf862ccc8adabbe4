"""Estimators test the terms of additive models, in units; the witness is the additive core on raw rows."""

import numpy as np
import pytest

import edgewise
from edgewise import KANClassifier, KANRegressor
from edgewise.estimator import display
from edgewise.gam import fit_additive, summarise
from edgewise.gam.families.categorical import Multinomial, Ordered
from edgewise.gam.families.exponential import LogNormal
from edgewise.gam.irls import with_logits
from edgewise.search.inference import _with_one_predictor


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(10, 50, 300), rng.uniform(-3, 3, 300), rng.random(300) < 0.5])
    y = 200 + 40 * np.sin(X[:, 0] / 8) + 15 * X[:, 2] + 10 * rng.standard_normal(300)
    return X, y


@pytest.fixture(scope="module")
def fitted(rows):
    return KANRegressor(effort="low").fit(*rows)


def named(tests, name):
    return next(term for term in tests.terms if term.name == name)


def same(one, other):
    for first, second in zip(one.terms, other.terms, strict=True):
        for name in ("edf", "reference", "statistic", "p_value"):
            assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-5, abs=1e-7), first.name
        if first.estimate is not None:
            assert (first.estimate, first.std) == pytest.approx((second.estimate, second.std), rel=1e-5)
    assert (one.reml, one.scale) == pytest.approx((other.reml, other.scale), rel=1e-6)
    assert (one.explained, one.r2_adjusted) == pytest.approx((other.explained, other.r2_adjusted), rel=1e-6)


def test_tests_are_those_of_the_raw_rows(fitted, rows):
    X, y = rows
    same(fitted.inference_, summarise(fit_additive(X, y, pairs=()), X, y))
    constant, *terms = fitted.inference_.terms
    assert constant.estimate == pytest.approx(y.mean(), rel=1e-6)
    assert [term.p_value < 0.001 for term in terms] == [True, False, True]


def test_tests_of_logarithms_are_in_units_too(rows):
    X, y = rows
    y = np.exp(y / 50)
    model = KANRegressor(effort="low", loss="log").fit(X, y)
    same(model.inference_, summarise(fit_additive(X, y, family=LogNormal(), pairs=()), X, y))


def test_the_summary_shows_them_and_files_keep_them(fitted, tmp_path):
    summary = fitted.summary()
    assert str(summary.tests) in str(summary)
    # A term that has vanished is no part of the model that the table describes.
    assert [term.name for term in summary.tests.terms] == ["(constant)", "x1", "x3"]
    assert named(fitted.inference_, "x2").edf == 0
    note = "x2 has no degrees of freedom, so no part in the model (p = 0.42). inference_ has all tests."
    assert note in summary.notes
    assert "Tests of the terms" in summary._repr_html_()
    head, cells = fitted.inference_.table()
    assert head[2] == "statistic"
    assert [row[0] for row in cells] == ["(constant)", "x1", "x3", "x2"]  # the strongest first
    assert [row[2].split(" = ")[0] for row in cells] == ["t", "F", "t", "F"]
    assert dict(summary.facts)["effective degrees of freedom"]
    edgewise.save(fitted, tmp_path / "model.safetensors")
    assert edgewise.load(tmp_path / "model.safetensors").inference_ == fitted.inference_


def test_classes_in_their_order_have_one_test_of_each_term():
    """Logits of classes that share one predictor are not as many tests of it."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 2))
    y = np.digitize(2 * x[:, 0] + 0.5 * rng.standard_normal(200), [-1, 0, 1])
    weight = np.ones(200)
    model = fit_additive(x, y, family=Ordered(4, (-1.0, 0.0, 1.0, 2.0)), pairs=())
    several = with_logits(model, x, y, weight)
    assert len(several.fits) == 4
    one = _with_one_predictor(several, model.family)
    expected, found = summarise(model, x, y), summarise(one, x, y)
    assert [term.name for term in found.terms] == ["x1", "x2"]
    for first, second in zip(expected.terms, found.terms, strict=True):
        assert second.statistic == pytest.approx(first.statistic, rel=1e-6)
        assert second.p_value == pytest.approx(first.p_value, rel=1e-6)
    assert found.explained == pytest.approx(expected.explained)
    # The constants, which have no test, count as far as they are free.
    assert found.edf == pytest.approx(3 + sum(term.edf for term in found.terms))


def test_one_of_three_constants_follows_from_the_others():
    x = np.linspace(-1, 1, 120)[:, None]
    y = np.digitize(x[:, 0] + 0.5 * np.random.default_rng(0).standard_normal(120), [-0.3, 0.3])
    tests = summarise(fit_additive(x, y, family=Multinomial(3), pairs=()), x, y)
    assert [term.kind for term in tests.terms].count("constant") == 3
    assert tests.edf == pytest.approx(2 + sum(term.edf for term in tests.terms if term.kind != "constant"))


@pytest.mark.slow
def test_classes_have_tests_and_long_lists_are_cut(monkeypatch):
    monkeypatch.setattr(display, "SUMMARY_TERMS", 20)
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 14))
    sizes = np.array(["low", "middle", "top"])
    model = KANClassifier(effort="low").fit(
        X, sizes[np.digitize(X[:, 0] + 0.3 * rng.standard_normal(200), [-0.3, 0.3])]
    )
    tests, shown = model.inference_, model.summary()
    assert {term.predictor for term in tests.terms} == {0, 1, 2} and tests.predictors == ("low", "middle", "top")
    assert "Terms of top" in str(tests) and "x1, of low" in {row[0] for row in tests.table()[1]}
    assert max(term.p_value for term in tests.terms if term.name == "x1" and term.predictor != 1) < 1e-3
    assert len(shown.tests.terms) == 20 < sum(term.edf > 0 for term in tests.terms)
    assert "are not shown" in shown.notes[-1] and "have no part in the model" in shown.notes[-1]

"""fit_equations: the law behind a table in its own units; the model stays as it is."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from edgewise import find_formula, load, save
from edgewise.discovery import FormulaOptions
from edgewise.errors import InputError
from edgewise.estimator import KANRegressor
from edgewise.estimator import equations as module
from edgewise.formulas.expression import Call, Power, evaluate, parse_expression, used_variables, walk
from edgewise.outcomes import Budget

SMALL = {"hidden": (), "grid_size": 4, "regularization": 1e-4}


def law(rows=200, noise=0.0):
    rng = np.random.default_rng(0)
    X = rng.uniform([10, 1], [40, 3], (rows, 2))
    return X, 3 * X[:, 0] / X[:, 1] + noise * rng.normal(size=rows)


@pytest.fixture(scope="module")
def fitted():
    X, y = law(noise=0.5)
    return KANRegressor(**SMALL).fit(X, y)


def test_every_door_gives_the_same_front():
    """`find_formula` and the search behind estimators, the command line and the report, without a network."""
    X, y = law()
    search = module.table_search(X, y, None, None, Budget.planned(30, 60))
    first, second = find_formula(X, y, time_limit=30), module.table_front(search)
    assert [str(entry.formula) for entry in first] == [str(entry.formula) for entry in second]
    assert first.best_place == second.best_place and first.held_out == second.held_out


@pytest.mark.slow
def test_the_law_in_the_units_of_the_table(fitted):
    X, y = law(noise=0.5)
    state = {name: value.clone() for name, value in fitted.model_.state_dict().items()}
    before = fitted.predict(X)
    assert fitted.fit_equations(X, y, names=["mass", "volume"], time_limit=5) is fitted
    assert fitted.equations_.stopped in ("converged", "budget", "time_limit")
    best = fitted.equations_.best
    fresh = np.random.default_rng(1).uniform([10, 1], [40, 3], (50, 2))
    assert np.abs(best.formula(fresh) - 3 * fresh[:, 0] / fresh[:, 1]).max() < 0.5
    assert np.isfinite(best.validation) and best.validation < 0.5 and best.complexity < 12
    assert "volume" in best.formula.latex() and "mass" in best.formula.latex(digits=2)
    row = fitted.equations_.equations[-1]
    assert 0 < row["validation"] < 0.5 < row["fresh"] < row["outside"]  # a network without hidden nodes knows no ratio
    assert fitted.equations_.messages[-1] == "Judged on 60 rows that were held out."
    losses = [entry.validation for entry in fitted.equations_]
    assert all(b < a * (1 + np.sqrt(2 / 40)) for a, b in pairwise(losses))  # none is longer and clearly worse
    assert all(torch.equal(value, state[name]) for name, value in fitted.model_.state_dict().items())
    np.testing.assert_array_equal(fitted.predict(X), before)


@pytest.mark.slow
def test_indicators_stand_in_brackets_and_never_in_functions():
    random = np.random.default_rng(0)
    city, area = random.integers(0, 2, 200).astype(float), random.uniform(40, 200, 200)
    y = area * (2 + city) * (1 + 0.05 * random.normal(size=200))
    rows, names = np.stack([area, city], 1), ("area", "city is Köln")
    front = module.table_front(module.table_search(rows, y, names, None, Budget.planned(1.0, 60)))
    assert "[city is Köln]" in str(front.best.formula) and "`" not in str(front)
    for entry in front:
        parts = [part for part in walk(entry.formula.expression) if isinstance(part, Call | Power)]
        assert all(used_variables(part) != [1] for part in parts)


def test_options_name_an_indicator_as_formulas_do():
    random = np.random.default_rng(0)
    rows = np.column_stack([random.uniform(1, 3, 60), random.integers(0, 2, 60)])
    y = rows[:, 0] * (2 + rows[:, 1])
    model = KANRegressor(**SMALL).fit(rows, y)
    options = FormulaOptions(required=["[city is Köln]"])
    model.fit_equations(rows, y, names=["area", "city is Köln"], time_limit=1, options=options)
    assert all("[city is Köln]" in str(entry.formula) for entry in model.equations_)


@pytest.mark.slow
def test_the_network_itself_becomes_a_formula():
    X, _ = law()
    y = np.exp(X[:, 0] / 20)
    model = KANRegressor(**SMALL).fit(X, y)
    found, sentence = module._network_formulas(model, X[:150], y[:150], Budget())
    assert sentence.startswith("The network, pruned to ") and " was turned into " in sentence
    error = min(float(np.std(evaluate(node, X) - y)) for node in found)
    assert error < 1e-2 * y.std()


def test_a_formula_in_units_is_that_of_the_scaled_network():
    X, y = law()
    model = KANRegressor(**SMALL).fit(X, y)
    node = parse_expression("sin(a) + b**2", ["a", "b"])
    z = model.input_scaling_.transform(X)
    expected = model.target_scaling_.inverse((np.sin(z[:, 0]) + z[:, 1] ** 2)[:, None])[:, 0]
    units = module._in_units(node, model.input_scaling_, model.target_scaling_)
    np.testing.assert_allclose(evaluate(units, X), expected, rtol=1e-12)


def test_a_new_fit_forgets_them_and_clones_have_none(fitted):
    X, y = law()
    model = KANRegressor(**SMALL).fit(X, y).fit_equations(X, y, time_limit=2)
    assert hasattr(model, "equations_") and not hasattr(clone(model), "equations_")
    assert not hasattr(model.fit(X, y), "equations_")
    with pytest.raises(NotFittedError, match="call fit_equations"):
        _ = model.equations_


@pytest.mark.parametrize(
    ("X", "y", "settings", "message"),
    [
        (law()[0][:10], law()[1][:10], {}, "at least 20 rows"),
        (law()[0], law()[1][:9], {}, "y must hold a number for each of the 200 rows"),
        (law()[0], law()[1] * np.nan, {}, "y must hold finite numbers, got nan in row 1, counted from 1"),
        (law()[0], ["a"] * 200, {}, "y must hold numbers, got 'a' in row 1, counted from 1"),
        (*law(), {"time_limit": 0}, "time_limit must be a positive number"),
        (*law(), {"names": ["a"]}, "names must be 2 different texts"),
        (law()[0], law()[1] * 1e200, {}, "y must be in a unit in which its squares are numbers"),
        (law()[0] * 1e-100, law()[1], {"names": ["a", "b"]}, "a must be in a unit"),
    ],
)
def test_bad_arguments_are_refused(fitted, X, y, settings, message):
    with pytest.raises(InputError, match=message):
        copy.copy(fitted).fit_equations(X, y, **settings)


def test_several_numbers_have_a_front_each(tmp_path):
    X, y = law()
    both = np.stack([y, X[:, 0] - 1], 1)
    model = KANRegressor(**SMALL).fit(X, both).fit_equations(X, both, names=["a", "b"], time_limit=8)
    assert list(model.equations_) == [0, 1]
    assert model.equations_[1].best.formula.text() == "a - 1"
    for k, column in enumerate(both.T):
        assert float(np.std(model.equations_[k].best.formula(X) - column)) < 0.1 * np.std(column)
    with pytest.raises(InputError, match=r"^y must hold 2 numbers for each of the"):
        model.fit_equations(X, y)
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert [str(front.best.formula) for front in again.equations_.values()] == [
        str(front.best.formula) for front in model.equations_.values()
    ]


def test_formulas_predict_what_the_fit_took():
    """A frame with its columns in any order, with a category among them, and arrays."""
    pandas = pytest.importorskip("pandas")
    X, y = law()
    city = np.where(np.arange(200) % 2, "Bonn", "Köln")
    frame = pandas.DataFrame({"mass": X[:, 0], "city": city, "volume": X[:, 1]})
    target = y + 10.0 * (city == "Bonn")
    model = KANRegressor(**SMALL).fit(frame, target)
    with pytest.raises(NotFittedError, match="call fit_equations"):
        model.predict_equation(frame)
    model.fit_equations(frame, target, time_limit=3)
    np.testing.assert_allclose(model.predict_equation(frame), target, rtol=1e-6)
    shuffled = frame[["volume", "city", "mass"]]
    np.testing.assert_array_equal(model.equations_.best.formula(shuffled), model.predict_equation(frame))
    formula = find_formula(X, y, names=["mass", "volume"], time_limit=3).best.formula
    np.testing.assert_array_equal(formula(frame[["volume", "mass", "city"]]), formula(X))
    with pytest.raises(InputError, match="none named 'mass'"):
        formula(frame[["volume"]])

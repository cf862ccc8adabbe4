"""Targets that cannot be fitted get one sentence with the row, before anything is changed."""

import warnings

import numpy as np
import pandas as pd
import pytest

from edgewise import KANRegressor
from edgewise.errors import EdgewiseWarning, InputError

ROWS = np.random.default_rng(0).normal(size=(40, 2))
TARGET = np.exp(ROWS[:, 0])
SHAPE = {"hidden": (), "grid_size": 3, "regularization": 1e-3}


def with_cell(value, row=2):
    y = TARGET.copy()
    y[row] = value
    return y


@pytest.mark.parametrize(
    ("loss", "value", "words"),
    [
        ("gamma", 0.0, r"y must be positive for loss='gamma', got 0\.0 in row 3"),
        ("log", -1.0, r"y must be positive for loss='log', got -1\.0 in row 3"),
        ("poisson", -1.0, r"y must be at least 0 for loss='poisson', got -1\.0 in row 3"),
        ("tweedie", -1.0, "y must be at least 0 for loss='tweedie'"),
        ("negative_binomial", -1.0, "y must be at least 0 for loss='negative_binomial'"),
        ("squared", np.inf, "y must hold finite numbers, got inf in row 3"),
        ("squared", np.nan, "y must hold finite numbers, got nan in row 3"),
    ],
)
def test_targets_outside_the_domain_of_the_loss(loss, value, words):
    model = KANRegressor(loss=loss)
    before = dict(vars(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=words):
            model.fit(ROWS, with_cell(value))
    assert vars(model) == before


def test_the_offending_text_is_named_and_numbers_in_text_are_read():
    text = TARGET.astype(str).astype(object)
    model = KANRegressor(**SHAPE)
    in_text = model.fit(ROWS, pd.Series(text, name="size")).predict(ROWS[:3])
    assert model.target_names_ == ("size",)
    np.testing.assert_array_equal(in_text, KANRegressor(**SHAPE).fit(ROWS, TARGET).predict(ROWS[:3]))
    text[-1] = "n/a"
    with pytest.raises(InputError, match=r"y must hold numbers, got 'n/a' in row 40, counted from 1; KANClassifier"):
        KANRegressor().fit(ROWS, text)


def test_an_index_in_another_order_is_warned_of_once():
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    shuffled = pd.Series(TARGET).sample(frac=1, random_state=0)
    with pytest.warns(EdgewiseWarning, match="another order: rows are matched by their position") as caught:
        KANRegressor(**SHAPE).fit(frame, shuffled)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KANRegressor(**SHAPE).fit(frame, pd.Series(TARGET, index=range(100, 140)))

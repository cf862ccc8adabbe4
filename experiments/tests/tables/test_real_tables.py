"""The real tables: their shapes, what is learned from each, and folds that cut no group."""

import numpy as np
import pytest

from edgewise_experiments.tables.real_tables import real_tables

SHAPES = {
    "diabetes": (442, 10, "regression"),
    "breast cancer": (569, 30, "classification"),
    "wine": (178, 13, "classification"),
    "digits": (1797, 64, "classification"),
    "knots": (8000, 17, "classification"),
    "iris": (150, 4, "classification"),
    "anes96": (944, 9, "classification"),
    "fair": (6366, 8, "classification"),
    "star98": (303, 12, "regression"),
    "randhie": (20190, 9, "regression"),
    "engel": (235, 1, "regression"),
    "grunfeld": (220, 14, "regression"),
    "modechoice": (840, 7, "classification"),
    "ccard": (72, 3, "regression"),
    "statecrime": (51, 6, "regression"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_tables_and_their_folds(name):
    table = real_tables()[name]()
    assert (*table.X.shape, table.task) == SHAPES[name]
    assert np.isfinite(table.X).all() and len(table.y) == len(table.X)
    folds = list(table.folds(5, 0))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(table.X)))
    for train, test in folds:
        assert not set(train) & set(test)
        if table.group is not None:
            assert not set(table.group[train]) & set(table.group[test])
        elif table.task == "classification":
            assert np.bincount(table.y[test]) == pytest.approx(np.bincount(table.y) / 5, abs=1)


def test_targets_are_no_inputs():
    """A share made of two columns, a count made a class, text made columns of zeros and ones."""
    star, fair, grunfeld = (real_tables()[name]() for name in ("star98", "fair", "grunfeld"))
    assert 0 < star.y.min() < star.y.max() < 1
    assert set(fair.y) == {0, 1}
    firms = grunfeld.X[:, 3:]
    assert np.array_equal(firms.sum(1), np.ones(220))
    for table in (star, fair, grunfeld):
        assert max(abs(np.corrcoef(column, table.y)[0, 1]) for column in table.X.T) < 0.99

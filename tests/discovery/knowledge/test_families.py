"""One law for groups of rows: constants that differ, constants that do not, and groups that do not keep to the law."""

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery import FormulaOptions
from edgewise.discovery.knowledge.families import checked_groups
from edgewise.errors import InputError

LABELS = np.repeat(["a", "b", "c"], 60)
CODES = np.repeat([0, 1, 2], 60)


def sample(seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, (180, 2))


@pytest.mark.slow
def test_constants_by_group_and_shared_ones():
    x, heights, rates = sample(), np.array([1.0, 2.5, 4.0]), np.array([0.5, 1.3, 0.9])
    y = heights[CODES] * np.exp(-rates[CODES] * x[:, 0]) + 3 * x[:, 1]
    front = find_formula(x, y, names=["t", "u"], options=FormulaOptions(groups=LABELS), time_limit=60)
    family = front.best.family
    fresh = sample(1)
    truth = heights[CODES] * np.exp(-rates[CODES] * fresh[:, 0]) + 3 * fresh[:, 1]
    np.testing.assert_allclose(family(fresh, LABELS), truth, rtol=1e-8)
    assert family.groups == ("a", "b", "c") and family.parameters == ("c_1", "c_2")
    assert str(front.best.formula) in ("3*u + c_1*exp(c_2*t)", "c_1*exp(c_2*t) + 3*u")
    assert str(family.formula("b")) in ("3*u + 2.5*exp(-1.3*t)", "2.5*exp(-1.3*t) + 3*u")
    assert "c_1, c_2 differ by group" in str(front) and str(family) in str(front)
    assert family._repr_html_() in front._repr_html_()
    with pytest.raises(InputError, match=r"group must be one of the 3 groups \('a', 'b', 'c'\), got 'd'"):
        family.formula("d")
    with pytest.raises(InputError, match="a label for each of the 180 rows, got 2"):
        family(fresh, ["a", "b"])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a"] * 30, "from 2 to 200 groups, got 1"),
        (["a", "b"], "a label for each of the 30 rows, got 2"),
        (["a"] * 28 + ["b"] * 2, "at least 4 rows in each group, got 2 of 'b'"),
        ([["a"]] * 30, "must hold labels, got list"),
    ],
)
def test_what_are_no_groups(groups, message):
    x = np.linspace(1, 2, 30)[:, None]
    with pytest.raises(InputError, match=message):
        find_formula(x, x[:, 0], options=FormulaOptions(groups=groups))
    with pytest.raises(InputError, match="no structure where there are groups"):
        find_formula(x, x[:, 0], options=FormulaOptions(groups=[0, 1] * 15, structure="f(x)"))


def test_labels_stand_in_the_order_of_their_rows():
    labels, codes = checked_groups(["b"] * 4 + ["a"] * 4, 8)
    assert labels == ("b", "a") and codes.tolist() == [0] * 4 + [1] * 4

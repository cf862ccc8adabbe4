"""A family of laws: each group has its own constants in one formula."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.formulas import Formula, parse_expression
from edgewise.formulas.family import MOST_SHOWN, Family

NAMES = ("x", "y", "c_1", "c_2")
LAW = Formula(parse_expression("c_1*x + c_2/y", NAMES), NAMES)


def family(groups):
    values = np.stack([np.arange(groups) + 2.0, -np.ones(groups)], 1)
    return Family(LAW, ("c_1", "c_2"), tuple(f"g{k}" for k in range(groups)), values, np.tile([0.1, 0.0], (groups, 1)))


def test_predictions_and_laws_are_those_of_the_group_of_each_row():
    made = family(3)
    x, groups = np.random.default_rng(0).uniform(1, 2, (4, 2)), np.array(["g2", "g0", "g2", "g1"])
    expected = np.array([4.0, 2.0, 4.0, 3.0]) * x[:, 0] - 1 / x[:, 1]
    np.testing.assert_allclose(made(x, groups), expected, rtol=1e-14)
    assert made.formula("g1").names == ("x", "y")
    np.testing.assert_allclose(made.formula("g1")(x), 3 * x[:, 0] - 1 / x[:, 1], rtol=1e-14)
    with pytest.raises(InputError, match=r"group must be one of the 3 groups \('g0', 'g1', 'g2'\), got 'g9'"):
        made.formula("g9")
    with pytest.raises(InputError, match="groups must have a label for each of the 4 rows, got 1"):
        made(x, ["g0"])


@pytest.mark.parametrize("more", [0, 3])
def test_the_table_has_errors_and_at_most_a_screen_of_groups(more):
    made = family(MOST_SHOWN + more)
    lines = str(made).splitlines()
    assert lines[1].split() == ["g0", "2", "±", "0.1", "\N{MINUS SIGN}1"] and repr(made) == str(made)
    assert len(lines) == 1 + MOST_SHOWN + bool(more)
    assert lines[-1].startswith(f"and {more} groups more" if more else f"g{MOST_SHOWN - 1}")
    page = made._repr_html_()
    assert page.count("<tr") == 1 + MOST_SHOWN and ("groups more are in" in page) == bool(more)

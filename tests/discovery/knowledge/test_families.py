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


@pytest.mark.slow
def test_standard_errors_are_those_of_each_groups_regression():
    """With every constant free by group, errors are those of least squares with the pooled residual variance."""
    random = np.random.default_rng(0)
    x = random.uniform(0, 1, (180, 1))
    slopes, offsets = np.array([1.0, 2.0, 5.0]), np.array([0.3, 4.0, -2.0])
    y = slopes[CODES] * x[:, 0] + offsets[CODES] + 0.1 * random.normal(size=180)
    options = FormulaOptions(groups=LABELS, operators=("+", "-", "*"), max_size=5)
    family = find_formula(x, y, names=["x"], options=options, time_limit=10).best.family
    columns = [np.column_stack([x[k == CODES, 0], np.ones(60)]) for k in range(3)]
    lines = [np.linalg.lstsq(c, y[k == CODES], rcond=None)[0] for k, c in enumerate(columns)]
    left = sum(np.sum((c @ line - y[k == CODES]) ** 2) for k, (c, line) in enumerate(zip(columns, lines, strict=True)))
    for k in range(3):
        errors = np.sqrt(np.diag(np.linalg.inv(columns[k].T @ columns[k])) * left / (180 - 6))
        for value, error in zip(family.values[k], family.errors[k], strict=True):
            nearest = int(np.argmin(np.abs(lines[k] - value)))
            assert value == pytest.approx(lines[k][nearest], rel=1e-6)
            assert error == pytest.approx(errors[nearest], rel=1e-4)


@pytest.mark.slow
def test_groups_of_one_law_share_every_constant():
    x = sample()
    front = find_formula(x, 2 * np.sin(x[:, 0] * x[:, 1]), options=FormulaOptions(groups=LABELS), time_limit=60)
    assert str(front.best.formula) == "2*sin(x_1*x_2)" and front.best.family.parameters == ()
    assert "One law for 3 groups; no constant differs between them." in front.messages


@pytest.mark.slow
def test_groups_of_different_laws_are_named():
    x = sample()
    y = np.choose(CODES, [np.sin(3 * x[:, 0]), x[:, 1] ** 3, x[:, 0] / x[:, 1]])
    front = find_formula(x, y, names=["t", "u"], options=FormulaOptions(groups=LABELS), time_limit=3)
    told = [sentence for sentence in front.messages if "does not keep to the shared law" in sentence]
    assert told and any("of its own" in sentence for sentence in told)


@pytest.mark.slow
def test_many_small_groups():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 8)
    x, slopes, offsets = random.uniform(0.5, 3, (240, 1)), random.uniform(1, 3, 30), random.uniform(0, 2, 30)
    y = slopes[groups] * np.log(x[:, 0]) + offsets[groups] + 0.01 * random.normal(size=240)
    front = find_formula(x, y, names=["t"], options=FormulaOptions(groups=groups.tolist()), time_limit=3)
    assert str(front.best.formula) in ("c_1*log(t) + c_2", "c_2 + c_1*log(t)")
    far = np.abs(front.best.family.values[:, 0] - slopes) / front.best.family.errors[:, 0]
    assert np.sqrt(np.mean(far**2)) < 1.5  # about 1 if the errors are those of the constants
    assert "and 10 groups more" in str(front)


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
        find_formula(x, x[:, 0], options=FormulaOptions(groups=[0, 1] * 15, structure="f(x_1)"))


def test_labels_stand_in_the_order_of_their_rows():
    labels, codes = checked_groups(["b"] * 4 + ["a"] * 4, 8)
    assert labels == ("b", "a") and codes.tolist() == [0] * 4 + [1] * 4

"""Options of find_formula as users give them: weights, extreme units, forbidden and required parts, resuming."""

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery import FormulaOptions
from edgewise.errors import InputError
from edgewise.formulas.expression import Call, walk


def positive(rows=200, inputs=2, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, (rows, inputs))


@pytest.mark.slow
def test_rows_of_weight_zero_are_as_absent():
    x = positive(80, 1)
    y = 2 * x[:, 0] + np.random.default_rng(1).normal(size=80)
    options = FormulaOptions(weights=np.r_[np.ones(60), np.zeros(20)], operators=("+", "*"))
    given = find_formula(x, np.r_[y[:60], np.full(20, 1e9)], options=options, time_limit=0.2)
    absent = find_formula(x[:60], y[:60], options=FormulaOptions(operators=("+", "*")), time_limit=0.2)
    assert (given.samples, given.held_out) == (absent.samples, absent.held_out) == (60, 18)
    with pytest.raises(InputError, match="above 0 in at least 20 rows, got 5"):
        find_formula(x, y, options=FormulaOptions(weights=np.r_[np.ones(5), np.zeros(75)]))


@pytest.mark.slow
def test_standard_errors_are_those_of_weighted_least_squares():
    random = np.random.default_rng(0)
    x = random.uniform(0, 1, (400, 1))
    deviation = np.where(x[:, 0] < 0.5, 0.01, 1.0)
    y = 1.234567 * x[:, 0] + 7.654321 + deviation * random.normal(size=400)
    weights = 1 / deviation**2
    front = find_formula(x, y, names=["x"], options=FormulaOptions(weights=weights), time_limit=2)
    columns = np.column_stack([x[:, 0], np.ones(400)])
    line, *_ = np.linalg.lstsq(columns * np.sqrt(weights)[:, None], y * np.sqrt(weights), rcond=None)
    inverse = np.linalg.inv(columns.T @ (columns * weights[:, None]))
    variance = np.sum(weights * (columns @ line - y) ** 2) / 398
    expected = dict(zip(line, np.sqrt(np.diag(inverse) * variance), strict=True))
    entry = next(entry for entry in front if len(entry.constants) == 2 and entry.complexity == 5)
    for value, error in entry.constants:
        nearest = min(expected, key=lambda known: abs(known - value))
        assert value == pytest.approx(nearest, abs=expected[nearest])  # rounded to the digits that are decided
        assert error == pytest.approx(expected[nearest], rel=0.02)
    assert max(error for _, error in entry.constants) < 0.02  # unweighted, it is above 0.1


@pytest.mark.parametrize(("size", "unit"), [(1e90, 1.0), (1e-90, 1.0), (1e250, 1e100), (1.0, 1e-100)])
def test_columns_in_extreme_units_are_divided_by_a_power_of_ten(size, unit):
    x = positive(60) * np.array([size, 1.0])
    y = unit * 3 * (x[:, 0] / size) * x[:, 1]
    front = find_formula(x, y, names=["a", "b"], time_limit=20)
    np.testing.assert_allclose(front.best.formula(x), y, rtol=1e-9)
    assert front.r_squared(front.best_place) == pytest.approx(1)
    assert any("powers of ten" in sentence for sentence in front.messages)
    guess = FormulaOptions(guesses=(front.best.formula,))
    assert str(find_formula(x, y, names=["a", "b"], options=guess).best.formula) == str(front.best.formula)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_a_target_whose_squares_are_no_numbers_and_wrong_units_are_refused(size):
    x = positive(40)
    with pytest.raises(InputError, match=r"^y must be in a unit in which its squares are numbers"):
        find_formula(x, x[:, 0] * size)
    with pytest.raises(InputError, match=r"^x1 must be in a unit in which its values are normal numbers, its largest"):
        find_formula(x * np.array([1e-310, 1.0]), x[:, 0])
    with pytest.raises(InputError, match=r"^units must allow a formula for y in 'kg'"):
        find_formula(x, x[:, 0], options=FormulaOptions(units={"x1": "m", "x2": "s", "y": "kg"}))


@pytest.mark.slow
def test_forbidden_and_required_parts_and_the_largest_size_hold_for_every_formula():
    x = positive()
    options = FormulaOptions(operators=("+", "-", "*", "/"), max_size=12, required=("b",))
    front = find_formula(x, np.exp(x[:, 0]) * x[:, 1], names=["a", "b"], options=options, time_limit=1)
    for entry in front:
        assert entry.complexity <= 12 and "b" in str(entry.formula)
        assert not any(isinstance(part, Call) for part in walk(entry.formula.expression))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["structure", "groups", "classes"])
def test_ctrl_c_keeps_the_laws_so_far_of_every_kind_of_search(kind):
    x = positive(120)
    y = np.exp(-x[:, 0]) + np.log(x[:, 1]) + 0.1 * np.random.default_rng(1).normal(size=120)
    given = {"structure": {"structure": "f(x1) + g(x2)"}, "groups": {"groups": [0, 1] * 60}, "classes": {}}[kind]

    def interrupt(progress):
        if progress.best_loss is not None or progress.seconds > 1:
            raise KeyboardInterrupt

    options = FormulaOptions(on_interrupt="keep", **given)
    target = y > np.median(y) if kind == "classes" else y
    front = find_formula(x, target, options=options, progress=interrupt, time_limit=20)
    assert front.stopped == "interrupted" and len(front)
    assert any("interrupted" in sentence for sentence in front.messages)

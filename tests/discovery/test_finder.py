"""find_formula: known formulas exactly, with noise the same form, time limits kept and reported."""

import numpy as np
import pytest

from edgewise.discovery.finder import find_formula
from edgewise.discovery.problem import FormulaOptions
from edgewise.errors import InputError

CASES = {
    "x*y": (lambda x: x[:, 0] * x[:, 1], 2, -1, 1),
    "a*sin(t) + 1": (lambda x: 1 + x[:, 0] * np.sin(x[:, 1]), 2, -1, 4),
    "exp(sin(pi*x) + y**2)": (lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2), 2, -1, 1),
    "a/(1 + a*b)": (lambda x: 1 / (1 + x[:, 0] * x[:, 1]), 2, 0.5, 2),
}


def sample(name, rows=600, seed=0):
    function, inputs, low, high = CASES[name]
    x = np.random.default_rng(seed).uniform(low, high, (rows, inputs))
    return x, function(x)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_known_formulas_exactly(name):
    x, y = sample(name)
    front = find_formula(x, y, time_limit=60)
    fresh, truth = sample(name, seed=1)
    np.testing.assert_allclose(front.best.formula(fresh), truth, rtol=1e-9, atol=1e-12)
    assert front.best.complexity <= 10
    assert "The best formula is exact to rounding." in front.messages
    assert front.stopped == "converged"
    assert [e.complexity for e in front] == sorted(e.complexity for e in front)


def test_a_constant_target():
    front = find_formula(np.random.default_rng(0).normal(size=(40, 2)), np.full(40, 3.5))
    assert front.best.loss == 0 and front.stopped == "converged"


@pytest.mark.slow
def test_a_time_limit_of_zero_still_gives_a_formula():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 3))
    front = find_formula(x, rng.normal(size=200), time_limit=0.0)
    assert len(front) >= 1 and front.stopped == "time_limit"


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(30), np.zeros(30), r"x must have shape \(N, inputs\)"),
        (np.zeros((30, 1)), np.zeros(29), r"y must have shape \(N,\)"),
        (np.zeros((9, 1)), np.zeros(9), "at least 20 rows"),
        ([["1", "a"]] * 30, np.zeros(30), "x must be an array of numbers, got text such as 'a'$"),
        (np.array([["1", "a"]] * 30), np.zeros(30), "x must be an array of numbers, got text such as 'a'$"),
        (np.zeros((30, 1)), ["up"] * 30, "y must be .*, got text such as 'up'; of two classes give booleans, such as"),
        (np.zeros((30, 1)), [[1.0, 2.0], [3.0]], "y must be an array of numbers, got list"),
        ("x", np.zeros(30), "x must be an array of numbers, got 'x'"),
        (np.zeros((30, 1)), "y", "y must be an array of numbers, got 'y'"),
        (
            np.full((30, 1), np.nan),
            np.zeros(30),
            "x must hold finite numbers, got nan in row 1 of column 1, counted from 1",
        ),
        (np.zeros((30, 1)), np.r_[np.zeros(29), np.inf], "y must hold finite numbers, got inf in row 30"),
        (np.zeros((30, 1)), np.zeros(25), r"at least 20 rows of x, got \(25,\) beside 30 rows"),
    ],
)
def test_bad_data(x, y, message):
    with pytest.raises(InputError, match=message):
        find_formula(x, y)


def test_progress_rises_to_at_most_one():
    x = np.random.default_rng(0).uniform(1, 2, (40, 1))
    seen = []
    find_formula(x, 3 * x[:, 0], progress=seen.append)
    assert find_formula(x, 3 * x[:, 0], progress=True).best.complexity == 3
    assert seen[0].stage == "sums of simple terms" and 0 <= seen[-1].share <= 1
    assert seen[-1].stage.endswith("best so far 3*x") and seen[-1].best_loss < 1e-20


def test_a_frame_keeps_the_names_of_its_columns_and_a_text_column_is_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"width": np.linspace(1, 2, 30), "city": ["Bonn", "Ulm"] * 15})
    front = find_formula(frame[["width"]], 2 * frame["width"] + 1)
    assert front.best.formula.text(4) == "2*width + 1"
    with pytest.raises(InputError, match=r"got Bonn in column 'city'; leave the column out"):
        find_formula(frame, frame["width"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("fast", "options must be FormulaOptions, got str"),
        ({"max_size": 20}, "options must be FormulaOptions, got dict"),
        (FormulaOptions(required=("z",)), "options must name inputs among x, got 'z'"),
        (FormulaOptions(required=("y",)), "options must name inputs among x, got 'y'"),
        (FormulaOptions(guesses=(3,)), "options.guesses must be texts or formulas, got int"),
        (FormulaOptions(weights=np.ones(3)), "options.weights must be 30 numbers"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        find_formula(np.linspace(0, 1, 30)[:, None], np.linspace(0, 1, 30), options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operators": ("+", "sine")}, "operators must hold operators and functions, got 'sine'; did you mean 'sin'"),
        ({"nested": {"sin": ("cosine",)}}, "nested must hold operators and functions, got 'cosine'"),
        ({"max_size": 0}, "max_size must be an integer of at least 1, got 0"),
        ({"target_error": "small"}, "target_error must be a number of at least 0, got 'small'"),
    ],
)
def test_options_that_are_no_options(options, message):
    with pytest.raises(InputError, match=message):
        FormulaOptions(**options)


@pytest.mark.slow
def test_ctrl_c_keeps_the_front_so_far_where_options_say_so():
    x = np.random.default_rng(0).uniform(1, 2, (60, 2))

    def interrupt(progress):
        if progress.best_loss is not None:
            raise KeyboardInterrupt

    y = np.sin(3 * x[:, 0] ** x[:, 1])
    front = find_formula(x, y, options=FormulaOptions(on_interrupt="keep"), progress=interrupt)
    assert front.stopped == "interrupted" and len(front)
    with pytest.raises(KeyboardInterrupt):
        find_formula(x, y, progress=interrupt)


@pytest.mark.slow
def test_where_memory_is_over_the_front_so_far_is_the_result():
    x = np.random.default_rng(0).uniform(1, 2, (60, 2))

    def fill_memory(progress):
        if progress.best_loss is not None:
            raise MemoryError

    front = find_formula(x, np.sin(3 * x[:, 0] ** x[:, 1]), progress=fill_memory)
    assert front.stopped == "memory_limit" and len(front)

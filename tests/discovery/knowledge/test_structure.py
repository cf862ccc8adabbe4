"""A known structure: what can be written, laws of its functions, and data that contradict it."""

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery import FormulaOptions
from edgewise.discovery.knowledge.smooth_parts import fitted_parts, part_problem
from edgewise.discovery.knowledge.templates import read_template
from edgewise.discovery.problem import LawProblem
from edgewise.errors import InputError
from edgewise.formulas import evaluate, parse_expression
from edgewise.outcomes import Budget

NAMES = ("x", "y", "z")


def sample(rows=400, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, (rows, 3))


def problem_of(y, x):
    return LawProblem(x[::2], y[::2], x[1::2], y[1::2], NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f(x", "structure must be a formula in Python's notation, got 'f\\(x'"),
        (3, "structure must be a formula in Python's notation, got 3"),
        ("x + sin(y)", "structure must have unknown functions or constants, got 'x \\+ sin\\(y\\)'"),
        ("f(a*x)", "structure must give functions arguments of inputs alone \\(x, y, z\\), got f\\(a \\* x\\)"),
        ("f(2)", "structure must give functions arguments of inputs alone"),
        ("f() + x", "structure must call functions by names that are no inputs, got f\\(\\)"),
        ("x(y)", "structure must call functions by names that are no inputs, got x\\(y\\)"),
        ("f(x) + f(x, y)", "structure must give f the same number of arguments everywhere, got f\\(x, y\\)"),
        ("f(x) if y else z", "formula in Python's notation"),
    ],
)
def test_what_is_no_structure(text, message):
    with pytest.raises(InputError, match=message):
        read_template(text, NAMES)


def test_names_that_are_no_identifiers_stand_in_backticks():
    template = read_template("a*f(`my width`) + [city is Bonn]", ["my width", "[city is Bonn]"])
    whole = template.with_constants([3.0]).rebuild([parse_expression("x**2")])
    np.testing.assert_allclose(evaluate(whole, np.array([[2.0, 5.0]])), [17.0])


@pytest.mark.slow
def test_smooth_functions_of_a_product_are_the_factors_up_to_a_number():
    """The witness is the exact factor: their ratio is constant."""
    x = sample()
    g = np.sqrt(1 + x[:, 2] ** 2)
    problem = problem_of(np.exp(x[:, 0]) / (1 + x[:, 1]) * g, x)
    fit = fitted_parts(read_template("f(x, y)*g(z)", NAMES), problem, {}, Budget())
    part = part_problem(fit, problem, 1)
    ratio = part.y / g[::2]
    assert part.names == ("z",) and part.noise < 1e-4
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)


@pytest.mark.slow
def test_a_structure_without_functions_gets_its_constants():
    x = sample()
    y = 3 * np.exp(-1.7 * x[:, 0]) + 0.5 * np.sin(2.3 * x[:, 1])
    options = FormulaOptions(structure="a*exp(-b*x) + c*sin(d*y)")
    front = find_formula(x, y, names=NAMES, options=options, time_limit=20)
    assert str(front.best.formula) == "3*exp(-1.7*x) + 1/2*sin(2.3*y)"


@pytest.mark.nightly
def test_data_that_contradict_a_structure():
    x = sample()
    y = x[:, 0] * x[:, 1] * x[:, 2] + np.sin(x[:, 0] * x[:, 2])
    options = FormulaOptions(structure="f(x) + g(y, z)")
    front = find_formula(x, y, names=NAMES, options=options, time_limit=1)
    assert any(sentence.startswith("The data contradict the structure") for sentence in front.messages)
    assert front.relative_error(front.best_place) > 0.1

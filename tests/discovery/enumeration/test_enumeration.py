"""Enumeration of short expressions: each form of match, options, the pool, and data without a law."""

import numpy as np
import pytest

from edgewise.discovery.enumeration.matches import (
    Directions,
    ratios,
    singles,
    sums,
)
from edgewise.discovery.enumeration.pool import Pool
from edgewise.discovery.enumeration.stage import enumerated, known_functions
from edgewise.discovery.enumeration.targets import link_targets
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.formulas import evaluate, parse_expression
from edgewise.outcomes import Budget

NAMES = ("x", "y")


def values(text, x):
    return evaluate(parse_expression(text, NAMES), x)


def law_problem(text, inputs=2, low=0.5, high=2.0, rows=90, **options):
    x = np.random.default_rng(7).uniform(low, high, (rows, inputs))
    y = values(text, x)
    return LawProblem(x[:60], y[:60], x[60:], y[60:], NAMES[:inputs], FormulaOptions(**options))


def first_law(problem, seconds=20.0):
    return next(enumerated(problem, Budget(seconds=seconds)), None)


def held_error(problem, node):
    return np.sqrt(np.mean((evaluate(node, problem.held_x) - problem.held_y) ** 2)) / np.std(problem.held_y)


@pytest.fixture(scope="module")
def pool():
    x = np.random.default_rng(3).uniform(0.5, 2.0, (40, 2))
    made = Pool(x, FormulaOptions(), most=2000)
    made.grow(2000, Budget())
    return made


@pytest.fixture(scope="module")
def constant(pool):
    return Directions(pool, np.ones((len(pool.x), 1)))


@pytest.fixture(scope="module")
def known(pool):
    return Directions(pool, np.column_stack([evaluate(term, pool.x) for term in known_functions(2)]))


def test_an_expression_has_the_values_that_the_pool_keeps(pool):
    assert np.all(np.diff(pool.sizes) >= 0)
    for place in range(0, pool.count, 37):
        np.testing.assert_allclose(evaluate(pool.expression(place), pool.x), pool.values[place], rtol=1e-12)


def test_of_equal_expressions_one_is_kept(pool):
    for text in ("x + x", "x*x/y", "sqrt(x**2)", "exp(log(x))", "y - x"):
        wanted = values(text, pool.x)
        scale = np.abs(wanted).max()
        same = np.abs(np.abs(pool.values) - np.abs(wanted)).max(axis=1) < 1e-10 * scale
        assert same.sum() == 1, text


def test_a_pool_that_can_grow_no_further_says_so():
    x = np.linspace(1.0, 2.0, 12)[:, None]
    made = Pool(x, FormulaOptions(operators=("abs",)), most=100)
    made.grow(100, Budget())
    assert made.is_complete and made.count == 5  # 1, 2, 3, pi, x


# Each form: a law that it finds, and one beside it that it must not take for exact.
FORMS = {
    "a f + b": (lambda pool, c, k, z: singles(c, z, False), "3*sin(x*y) - 1", "3*sin(x*y) + 1e-4*x"),
    "polynomial + a f": (lambda pool, c, k, z: singles(k, z, True), "exp(x) + x**2*y - y", "exp(x) + 1e-3*x**4"),
    "a f + b g + c": (
        lambda pool, c, k, z: sums(c, z, False),
        "2*sin(x) - 0.3*exp(y) + 1",
        "sin(x) + exp(y) + x**3/99",
    ),
    "polynomial + a f + b g": (
        lambda pool, c, k, z: sums(k, z, True),
        "sin(x) + 2*exp(y) - x*y + y**2",
        "sin(x) + 2*exp(y) + x**2*y**3/99 + tanh(x*y)/50",
    ),
    "(a f + b)/(g + d)": (
        lambda pool, c, k, z: ratios(pool, z, Budget()),
        "(2*sin(x) + 5)/(exp(y) + 0.7)",
        "(2*sin(x) + 5)/(exp(y) + 0.7) + x/999",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_matches_its_law_and_no_other(form, pool, constant, known):
    matches, law, other = FORMS[form]
    with np.errstate(all="ignore"):
        assert len(list(matches(pool, constant, known, values(law, pool.x)))) > 0
        assert list(matches(pool, constant, known, values(other, pool.x))) == []


@pytest.mark.parametrize(
    "law",
    [
        "3*sin(x*y) - 0.37",
        "0.123456*sin(x) + 7.654321*exp(y) - 1.0101",
        "exp(2.5*sin(x) - 0.7*y**2)",
        "sqrt(3*x**2 + sin(y))",
        "1/(exp(x) + 3.7*y + 0.2)",
    ],
)
def test_a_law_is_found_with_its_constants(law):
    problem = law_problem(law)
    assert held_error(problem, first_law(problem)) < 1e-9


def test_links_give_back_the_target():
    for y in (np.array([0.3, 0.7, 0.9]), np.array([-0.3, -0.7, -2.0]), np.array([-0.5, 0.2, 3.0])):
        for target in link_targets(y, FormulaOptions()):
            back = evaluate(target.build(parse_expression("x")), target.z[:, None])
            np.testing.assert_allclose(back, y, rtol=1e-10)


def test_links_and_expressions_keep_to_the_permitted_operators():
    problem = law_problem("exp(x*y) + y", operators=("+", "-", "*", "exp"), nested={"exp": ("exp",)}, max_size=12)
    for node in enumerated(problem, Budget(seconds=20)):
        assert obeys(node, problem.options, problem.names)
    x = np.random.default_rng(0).uniform(0.5, 1.0, (40, 1))
    made = Pool(x, FormulaOptions(operators=("+", "exp"), nested={"exp": ("exp",)}), most=300)
    made.grow(300, Budget())
    for place in range(made.count):
        assert obeys(made.expression(place), FormulaOptions(operators=("+", "exp"), nested={"exp": ("exp",)}), ["x"])


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows_raise_nothing(rows):
    x = np.linspace(0.0, 1.0, rows)[:, None]
    problem = LawProblem(x, x[:, 0] ** 2, x, x[:, 0] ** 2, ("x",))
    list(enumerated(problem, Budget(seconds=0.5)))


def test_constant_and_infinite_values_raise_nothing():
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[:, 1] = 2.0
    x[3, 0] = np.nan
    y = np.where(np.arange(50) == 7, np.inf, 1.0)
    assert list(enumerated(LawProblem(x, y, x, y, NAMES), Budget(seconds=0.5))) == []
